/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads with their times in a made-up host.
 */
#ifndef KVMSCOPE_THREAD_TREE_H
#define KVMSCOPE_THREAD_TREE_H

#include "host_tree.h"

#define LONG_AGO 100ULL
#define LATER	 1000000000000ULL /* clock ticks: after any sample of a test */

static inline void host__write_text(char *path, char *text)
{
	host__write(path, text, strlen(text), false);
	free(text);
}

static inline void host__set_times(const struct host *host, int pid, int tid,
				   unsigned long long cpu, unsigned long long delay)
{
	host__write_text(host__path(host, "proc/%d/task/%d/schedstat", pid, tid),
			 xasprintf("%llu %llu %d\n", cpu, delay, cpu ? 7 : 0));
}

static inline void host__add_thread(struct host *host, int pid, int tid, const char *name,
				    unsigned long long start, unsigned long long cpu,
				    unsigned long long delay)
{
	host->pid = pid;
	host__thread(host, tid, name);
	host__write_text(
		host__path(host, "proc/%d/task/%d/stat", pid, tid),
		xasprintf("%d (%s) S 1 1 1 0 -1 4194560 1 0 0 0 5 5 0 0 20 0 4 0 %llu 3 8\n", tid,
			  name, start));
	host__set_times(host, pid, tid, cpu, delay);
}

static inline void host__start_vm(struct host *host, int pid, unsigned long long start)
{
	host__process(host, pid, start, "qemu-system-x86");
	host__arg(host, "/usr/bin/qemu-system-x86_64");
	host__fd(host, 9, "anon_inode:kvm-vm");
	host__add_thread(host, pid, pid, "qemu-system-x86", start, 1000, 100);
}

/* A kernel thread, with the files that are looked at. */
static inline void host__add_worker(struct host *host, int pid, const char *name,
				    unsigned long long start, unsigned long long cpu)
{
	host__stat(host, pid, name, HOST_KTHREAD, start);
	host__write_text(host__path(host, "proc/%d/schedstat", pid), xasprintf("%llu 5 9\n", cpu));
}

#endif
