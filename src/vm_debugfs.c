/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * KVM's directories in debugfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "vm_debugfs.h"
#include "vm_file.h"
#include "vm_proc.h"

struct entry {
	char name[32]; /* THREAD-FD: two numbers of at most ten digits */
	pid_t tgid;
};

struct vm_debugfs {
	char *path;
	struct entry *entries; /* by name */
	size_t n_entries;
	pid_t *changed;
	size_t n_changed;
};

struct vm_debugfs *vm_debugfs__open(const char *sys)
{
	struct vm_debugfs *debugfs = xcalloc(1, sizeof(*debugfs));

	debugfs->path = xasprintf("%s/kernel/debug/kvm", sys);
	return debugfs;
}

void vm_debugfs__close(struct vm_debugfs *debugfs)
{
	if (!debugfs)
		return;
	free(debugfs->entries);
	free(debugfs->changed);
	free(debugfs->path);
	free(debugfs);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void add_changed(struct vm_debugfs *debugfs, pid_t tgid)
{
	if (!tgid)
		return;
	debugfs->changed = xreallocarray(debugfs->changed, debugfs->n_changed + 1, sizeof(pid_t));
	debugfs->changed[debugfs->n_changed++] = tgid;
}

/* Takes over what is known of the directories that stay. Returns whether all are known then. */
static bool update(struct vm_debugfs *debugfs, struct entry *entries, size_t n,
		   pid_t (*tgid_of)(void *data, pid_t thread), void *data)
{
	bool all = true;
	size_t i, k = 0;

	debugfs->n_changed = 0;
	for (i = 0; i < n; i++) {
		while (k < debugfs->n_entries && compare(&debugfs->entries[k], &entries[i]) < 0)
			add_changed(debugfs, debugfs->entries[k++].tgid);
		if (k < debugfs->n_entries && !compare(&debugfs->entries[k], &entries[i])) {
			entries[i].tgid = debugfs->entries[k++].tgid;
		} else {
			struct vm_span name = vm_span__of(entries[i].name);

			entries[i].tgid = tgid_of(data, vm_proc__debugfs_thread(name));
			add_changed(debugfs, entries[i].tgid);
		}
		all = all && entries[i].tgid;
	}
	while (k < debugfs->n_entries)
		add_changed(debugfs, debugfs->entries[k++].tgid);
	free(debugfs->entries);
	debugfs->entries = entries;
	debugfs->n_entries = n;
	return all;
}

int vm_debugfs__refresh(struct vm_debugfs *debugfs, pid_t (*tgid_of)(void *data, pid_t thread),
			void *data)
{
	struct entry *entries = NULL;
	struct vm_dir_entry found;
	struct vm_dir dir;
	size_t n = 0;
	bool all;

	vm_dir__open(&dir, AT_FDCWD, debugfs->path);
	while (!dir.err && vm_dir__next(&dir, &found)) {
		struct vm_span name = vm_span__of(found.name);

		if (!vm_proc__debugfs_thread(name) || name.len >= sizeof(entries->name))
			continue;
		entries = xreallocarray(entries, n + 1, sizeof(*entries));
		vm_span__copy(entries[n++].name, sizeof(entries->name), name);
	}
	vm_dir__close(&dir);
	if (n)
		qsort(entries, n, sizeof(*entries), compare);
	all = update(debugfs, entries, n, tgid_of, data);
	return dir.err ? dir.err : !all;
}

size_t vm_debugfs__changed(const struct vm_debugfs *debugfs, const pid_t **ret_tgids)
{
	*ret_tgids = debugfs->changed;
	return debugfs->n_changed;
}

static void add_vcpus(const struct vm_debugfs *debugfs, const char *name, struct vm_vcpus *vcpus)
{
	struct vm_dir_entry entry;
	struct vm_dir dir;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", debugfs->path, name);
	if (vm_dir__open(&dir, AT_FDCWD, path))
		return;
	while (vm_dir__next(&dir, &entry)) {
		struct vm_span dir_name = vm_span__of(entry.name), text;
		char file[300], buf[32];
		uint64_t id, tid;

		if (!vm_span__starts(dir_name, "vcpu") ||
		    !vm_span__uint(vm_span__skip(dir_name, strlen("vcpu")), INT32_MAX, &id))
			continue;
		snprintf(file, sizeof(file), "%s/pid", entry.name);
		if (vm_file__read(dir.fd, file, buf, sizeof(buf), &text))
			continue;
		if (vm_span__ends(text, "\n"))
			text.len--;
		/* 0 before its first run */
		if (vm_span__uint(text, INT32_MAX, &tid) && tid)
			vm_vcpus__add(vcpus, (int)id, (pid_t)tid);
	}
	vm_dir__close(&dir);
}

void vm_debugfs__vcpus(const struct vm_debugfs *debugfs, pid_t tgid, struct vm_vcpus *vcpus)
{
	size_t i;

	for (i = 0; i < debugfs->n_entries; i++)
		if (debugfs->entries[i].tgid == tgid)
			add_vcpus(debugfs, debugfs->entries[i].name, vcpus);
}
