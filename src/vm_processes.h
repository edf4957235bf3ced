/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The processes of this host, from one listing of /proc to the next.
 */
#ifndef KVMSCOPE_VM_PROCESSES_H
#define KVMSCOPE_VM_PROCESSES_H

#include "vm_file.h"

struct vm_process {
	pid_t pid;
	/*
	 * Of /proc/PID. It belongs to the process, not to the number, so it tells one that got
	 * an old pid; under memory pressure a process may get another one.
	 */
	uint64_t ino;
	/* the rest is what a look into it found out: all zero before the first */
	uint64_t start_ticks;
	unsigned int eager; /* look at it at so many rescans from now */
	bool looked;
	bool kernel_thread;
	bool unreadable;
	bool is_vm;
};

struct vm_processes {
	struct vm_process *list; /* by pid */
	size_t n;
};

/*
 * Reads an open listing of /proc; processes that were there last time keep what was found out
 * about them. Returns 0, or -errno with nothing changed.
 */
int vm_processes__update(struct vm_processes *processes, struct vm_dir *proc);
void vm_processes__clear(struct vm_processes *processes);

struct vm_process *vm_processes__find(const struct vm_processes *processes, pid_t pid);

#endif
