/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The processes of this host, from one listing of /proc to the next.
 */
#include <stdlib.h>

#include "util.h"
#include "vm_processes.h"

static int compare(const void *a, const void *b)
{
	const struct vm_process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int vm_processes__update(struct vm_processes *processes, struct vm_dir *proc)
{
	struct vm_processes next = {.list = NULL};
	size_t size = 0, i, k = 0;
	struct vm_dir_entry entry;

	while (vm_dir__next(proc, &entry)) {
		uint64_t pid;

		if (!vm_span__uint(vm_span__of(entry.name), INT32_MAX, &pid) || !pid)
			continue;
		if (next.n == size) {
			size = size ? size * 2 : processes->n + 64;
			next.list = xreallocarray(next.list, size, sizeof(*next.list));
		}
		next.list[next.n++] = (struct vm_process){.pid = (pid_t)pid, .ino = entry.ino};
	}
	if (proc->err) {
		free(next.list);
		return proc->err;
	}
	if (next.n)
		qsort(next.list, next.n, sizeof(*next.list), compare);
	for (i = 0; i < next.n; i++) {
		while (k < processes->n && processes->list[k].pid < next.list[i].pid)
			k++;
		if (k < processes->n && processes->list[k].pid == next.list[i].pid &&
		    processes->list[k].ino == next.list[i].ino)
			next.list[i] = processes->list[k];
	}
	free(processes->list);
	*processes = next;
	return 0;
}

void vm_processes__clear(struct vm_processes *processes)
{
	free(processes->list);
	*processes = (struct vm_processes){.list = NULL};
}

struct vm_process *vm_processes__find(const struct vm_processes *processes, pid_t pid)
{
	struct vm_process key = {.pid = pid};

	if (!processes->n)
		return NULL;
	return bsearch(&key, processes->list, processes->n, sizeof(key), compare);
}
