/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cgroups and devices that are one VM's alone.
 *
 * A bio knows the nearest cgroup above its submitter in which the io controller is on: the VM's
 * scope or what is below it, so all of these are looked up; never what is above, where others are,
 * too.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "disk_owners.h"
#include "util.h"
#include "vm_cgroup.h"
#include "vm_file.h"

#define REFRESH	    16 /* a VM is looked into at every so many calls */
#define CGROUPS_MAX 512
#define DEPTH_MAX   4
#define TEXT_MAX    (64 * 1024)

/* A key of a kernel table, and the VM that it leads to; 0: more than one has it. */
struct claim {
	uint64_t key;
	uint16_t vm;
};

struct claims {
	struct claim *list;
	size_t n;
};

struct facts {
	pid_t pid;
	uint64_t start_ticks;
	unsigned int age;
	uint64_t group; /* by which the io controller knows its own I/O; 0: not known */
	uint64_t *cgroups;
	size_t n_cgroups;
};

struct disk_owners {
	int proc_fd;
	int cgroup_fd; /* root of the hierarchy that has the io controller, -1: none */
	bool v1;       /* it is cgroup v1's blkio */
	struct facts *facts;
	size_t n_facts;
	struct claims cgroups, devices; /* what the kernel side has been told */
	bool all_alone;
	char *text;
};

/* --- the hierarchy */

/* A word of a list that is separated by commas. */
static bool has_word(struct vm_span list, const char *word)
{
	struct vm_span piece;

	while (vm_span__next(&list, ',', &piece))
		if (vm_span__is(piece, word))
			return true;
	return false;
}

/*
 * "36 35 0:32 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio": fields 5 and, behind the "-",
 * the type and the options (Documentation/filesystems/proc.rst). v1 where it has blkio: v2 then has
 * no io.
 */
static void find_hierarchy(struct disk_owners *o)
{
	struct vm_span text, line, word;
	char path[PATH_MAX];

	if (vm_file__read(o->proc_fd, "self/mountinfo", o->text, TEXT_MAX, &text))
		return;
	while (vm_span__next(&text, '\n', &line)) {
		struct vm_span place = {}, type = {}, options = {};
		int field = 0, after = -1;
		int fd;

		while (vm_span__next(&line, ' ', &word)) {
			if (++field == 5)
				place = word;
			else if (vm_span__is(word, "-") && after < 0)
				after = field;
			else if (field == after + 1 && after > 0)
				type = word;
			else if (field == after + 3 && after > 0)
				options = word;
		}
		if (!vm_span__is(type, "cgroup2") &&
		    !(vm_span__is(type, "cgroup") && has_word(options, "blkio")))
			continue;
		if (o->cgroup_fd >= 0 && !vm_span__is(type, "cgroup"))
			continue;
		vm_span__copy(path, sizeof(path), place);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (o->cgroup_fd >= 0)
			close(o->cgroup_fd);
		o->cgroup_fd = fd;
		o->v1 = vm_span__is(type, "cgroup");
	}
}

struct disk_owners *disk_owners__new(const char *proc_root)
{
	struct disk_owners *o = xcalloc(1, sizeof(*o));

	o->text = xreallocarray(NULL, TEXT_MAX, 1);
	o->proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o->cgroup_fd = -1;
	find_hierarchy(o);
	return o;
}

static void facts__clear(struct facts *f)
{
	free(f->cgroups);
	*f = (struct facts){};
}

void disk_owners__free(struct disk_owners *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_facts; i++)
		facts__clear(&o->facts[i]);
	free(o->facts);
	free(o->cgroups.list);
	free(o->devices.list);
	if (o->proc_fd >= 0)
		close(o->proc_fd);
	if (o->cgroup_fd >= 0)
		close(o->cgroup_fd);
	free(o->text);
	free(o);
}

/* --- a VM */

/* A cgroup and all below it. Its id is its inode (kernfs_node.id, v5.5, on 64 bits). */
static void add_tree(struct facts *f, int dirfd, const char *path, int depth)
{
	struct vm_dir *dir = xcalloc(1, sizeof(*dir));
	struct vm_dir_entry entry;
	struct stat st;

	if (vm_dir__open(dir, dirfd, path) || fstat(dir->fd, &st) || f->n_cgroups == CGROUPS_MAX)
		goto out;
	f->cgroups = xreallocarray(f->cgroups, f->n_cgroups + 1, sizeof(*f->cgroups));
	f->cgroups[f->n_cgroups++] = st.st_ino;
	while (depth < DEPTH_MAX && vm_dir__next(dir, &entry))
		if (!fstatat(dir->fd, entry.name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode))
			add_tree(f, dir->fd, entry.name, depth + 1);
out:
	vm_dir__close(dir);
	free(dir);
}

/* Are all processes of a cgroup that one? */
static bool is_alone(struct disk_owners *o, const char *path, pid_t pid)
{
	char *procs = xasprintf("%s/cgroup.procs", path);
	struct vm_span text, line;
	bool alone = false;
	uint64_t other;

	if (!vm_file__read(o->cgroup_fd, procs, o->text, TEXT_MAX, &text)) {
		alone = text.len;
		while (alone && vm_span__next(&text, '\n', &line))
			alone = !line.len ||
				(vm_span__uint(line, INT32_MAX, &other) && other == (uint64_t)pid);
	}
	free(procs);
	return alone;
}

/* The path of a process in our hierarchy: "0::/path", or "N:blkio:/path". */
static bool path_of(const struct disk_owners *o, struct vm_span text, struct vm_span *ret)
{
	struct vm_span line, id, controllers;

	while (vm_span__next(&text, '\n', &line)) {
		*ret = line;
		if (!vm_span__next(ret, ':', &id) || !vm_span__next(ret, ':', &controllers))
			continue;
		if (o->v1 ? has_word(controllers, "blkio") : vm_span__is(id, "0"))
			return ret->len > 1 && *ret->s == '/';
	}
	return false;
}

static bool has_io(struct disk_owners *o, const char *path)
{
	char *file = xasprintf("%s/cgroup.controllers", path);
	struct vm_span text, line, word;
	bool has = false;

	if (!vm_file__read(o->cgroup_fd, file, o->text, TEXT_MAX, &text) &&
	    vm_span__next(&text, '\n', &line))
		while (!has && vm_span__next(&line, ' ', &word))
			has = vm_span__is(word, "io");
	free(file);
	return has;
}

/*
 * The cgroup that the io controller takes a process for: where it is, or the nearest one above that
 * has the controller (cgroup_e_css_by_mask()). That is all its threads', too: the controller is
 * none of those by which threads can be apart.
 */
static uint64_t group_of(struct disk_owners *o, char *path)
{
	struct stat st;
	char *slash;

	while (!has_io(o, path)) {
		slash = strrchr(path, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
	return fstatat(o->cgroup_fd, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_ino;
}

/* Without the slash that it begins with. False: the root, or it can't be used. */
static bool relative(struct vm_span span, char ret[VM_PATH_MAX])
{
	vm_span__copy(ret, VM_PATH_MAX, vm_span__skip(span, 1));
	return *ret && !strstr(ret, "..") && strlen(ret) + 1 == span.len;
}

static void find_cgroups(struct disk_owners *o, const struct vm *vm, struct facts *f)
{
	char path[VM_PATH_MAX], own[VM_PATH_MAX] = "", file[32];
	struct vm_cgroup parsed;
	struct vm_span text, span;

	snprintf(file, sizeof(file), "%d/cgroup", (int)vm->pid);
	if (o->cgroup_fd < 0 || vm_file__read(o->proc_fd, file, o->text, TEXT_MAX, &text))
		return;
	if (!path_of(o, text, &span))
		return;
	if (!o->v1 && !relative(span, own))
		*own = '\0';
	/* its scope, where that is a layout that we know; else where it is, if nobody else is */
	vm_cgroup__parse(text, &parsed);
	if (parsed.kind != VM_CGROUP_OTHER && vm_span__starts(span, parsed.path))
		span = vm_span__of(parsed.path);
	else
		parsed.kind = VM_CGROUP_OTHER;
	if (!relative(span, path))
		return;
	if (parsed.kind != VM_CGROUP_OTHER || is_alone(o, path, vm->pid))
		add_tree(f, o->cgroup_fd, path, 0);
	if (*own)
		f->group = group_of(o, own);
}

static const struct facts *look_into(struct disk_owners *o, const struct vm *vm)
{
	struct facts *f = NULL;

	for (size_t i = 0; i < o->n_facts && !f; i++)
		if (o->facts[i].pid == vm->pid && o->facts[i].start_ticks == vm->start_ticks)
			f = &o->facts[i];
	if (f && ++f->age % REFRESH)
		return f;
	if (!f) {
		o->facts = xreallocarray(o->facts, o->n_facts + 1, sizeof(*o->facts));
		f = &o->facts[o->n_facts++];
		*f = (struct facts){};
	}
	facts__clear(f);
	f->pid = vm->pid;
	f->start_ticks = vm->start_ticks;
	f->age = vm->pid % REFRESH; /* not all at the same call */
	find_cgroups(o, vm, f);
	return f;
}

static void forget_dead(struct disk_owners *o, struct vms *vms)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_facts; i++) {
		const struct vm *vm = vms__find(vms, o->facts[i].pid, o->facts[i].start_ticks);

		if (vm && vm->alive)
			o->facts[n++] = o->facts[i];
		else
			facts__clear(&o->facts[i]);
	}
	o->n_facts = n;
}

/* --- the tables */

static int by_key(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static void claim(struct claims *c, const uint64_t *keys, size_t n, uint16_t vm)
{
	c->list = xreallocarray(c->list, c->n + n, sizeof(*c->list));
	for (size_t i = 0; i < n; i++)
		c->list[c->n++] = (struct claim){keys[i], vm};
}

/* What it has open, as of the last look at its descriptors: no path that a user wrote counts. */
static void claim_devices(struct claims *c, const struct vm *vm)
{
	for (size_t i = 0; i < vm->n_devices; i++) {
		/* the kernel's own form of a dev_t */
		uint64_t key = major(vm->devices[i]) << 20 | minor(vm->devices[i]);

		claim(c, &key, 1, vm->number);
	}
}

/* In order, each key once; without those that several VMs claim. */
static void settle(struct claims *c)
{
	size_t n = 0;

	if (c->n)
		qsort(c->list, c->n, sizeof(*c->list), by_key);
	for (size_t i = 0, k; i < c->n; i = k) {
		bool shared = false;

		for (k = i; k < c->n && c->list[k].key == c->list[i].key; k++)
			shared |= c->list[k].vm != c->list[i].vm;
		if (!shared)
			c->list[n++] = c->list[i];
	}
	c->n = n;
}

static bool has_claim(const struct claims *settled, uint64_t key, uint16_t vm)
{
	const struct claim wanted = {.key = key}, *c;

	c = settled->n ? bsearch(&wanted, settled->list, settled->n, sizeof(*c), by_key) : NULL;
	return c && c->vm == vm;
}

/* Makes the kernel's table what now says; before is what it has been told. */
static void tell(int map, struct claims *before, struct claims *now)
{
	size_t i = 0;

	settle(now);
	for (size_t k = 0; k < now->n || i < before->n;) {
		struct claim *old = i < before->n ? &before->list[i] : NULL;
		struct claim *new = k < now->n ? &now->list[k] : NULL;

		if (old && (!new || old->key < new->key)) {
			bpf_map_delete_elem(map, &old->key);
			i++;
			continue;
		}
		if (!old || old->key != new->key || old->vm != new->vm)
			bpf_map_update_elem(map, &new->key, &new->vm, BPF_ANY);
		i += old && old->key == new->key;
		k++;
	}
	free(before->list);
	*before = *now;
}

void disk_owners__push(struct disk_owners *o, struct session *s, struct vms *vms)
{
	struct claims cgroups = {}, devices = {}, own = {};
	struct vm **all;
	size_t n = vms__all(vms, &all);

	forget_dead(o, vms);
	for (size_t i = 0; i < n; i++) {
		const struct facts *f;

		if (!all[i]->alive || !all[i]->number)
			continue;
		f = look_into(o, all[i]);
		claim(&cgroups, f->cgroups, f->n_cgroups, all[i]->number);
		claim_devices(&devices, all[i]);
		claim(&own, &f->group, 1, all[i]->number);
	}
	/* little endian: a key's low half is what a table with shorter keys takes */
	tell(session__map(s, "disk_cgroups"), &o->cgroups, &cgroups);
	tell(session__map(s, "disk_owners"), &o->devices, &devices);
	o->all_alone = o->cgroup_fd >= 0 && !o->v1;
	for (size_t i = 0; i < own.n; i++)
		o->all_alone &= has_claim(&o->cgroups, own.list[i].key, own.list[i].vm);
	free(own.list);
	/* each CPU remembers what it has found out, and a cgroup's address may be another's */
	session__forget_disk_memos(s);
}

bool disk_owners__all_alone(const struct disk_owners *o)
{
	return o->all_alone;
}
