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
	pid_t *fresh;
	size_t n_fresh;
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
	free(debugfs->fresh);
	free(debugfs->path);
	free(debugfs);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void see_entry(struct vm_debugfs *debugfs, struct entry *entry, pid_t thread,
		      pid_t (*tgid_of)(void *data, pid_t thread), void *data)
{
	struct entry *known = NULL;

	if (debugfs->n_entries)
		known = bsearch(entry, debugfs->entries, debugfs->n_entries, sizeof(*entry),
				compare);
	if (known) {
		entry->tgid = known->tgid;
		return;
	}
	entry->tgid = tgid_of(data, thread);
	if (!entry->tgid)
		return;
	debugfs->fresh =
		xreallocarray(debugfs->fresh, debugfs->n_fresh + 1, sizeof(*debugfs->fresh));
	debugfs->fresh[debugfs->n_fresh++] = entry->tgid;
}

int vm_debugfs__refresh(struct vm_debugfs *debugfs, pid_t (*tgid_of)(void *data, pid_t thread),
			void *data)
{
	struct vm_dir_entry dir_entry;
	struct entry *entries = NULL;
	struct vm_dir dir;
	size_t n = 0;

	debugfs->n_fresh = 0;
	if (vm_dir__open(&dir, AT_FDCWD, debugfs->path)) {
		debugfs->n_entries = 0;
		return dir.err;
	}
	while (vm_dir__next(&dir, &dir_entry)) {
		struct vm_span name = vm_span__of(dir_entry.name);
		pid_t thread = vm_proc__debugfs_thread(name);

		if (!thread || name.len >= sizeof(entries->name))
			continue;
		entries = xreallocarray(entries, n + 1, sizeof(*entries));
		vm_span__copy(entries[n].name, sizeof(entries[n].name), name);
		see_entry(debugfs, &entries[n], thread, tgid_of, data);
		n++;
	}
	vm_dir__close(&dir);
	free(debugfs->entries);
	debugfs->entries = entries;
	debugfs->n_entries = n;
	if (n)
		qsort(entries, n, sizeof(*entries), compare);
	return dir.err;
}

size_t vm_debugfs__new(const struct vm_debugfs *debugfs, const pid_t **ret_tgids)
{
	*ret_tgids = debugfs->fresh;
	return debugfs->n_fresh;
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
