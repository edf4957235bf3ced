/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts that the kernel writes about CPU time, and what the name of a thread tells of its work.
 */
#ifndef KVMSCOPE_PROC_TEXT_H
#define KVMSCOPE_PROC_TEXT_H

#include "vm_text.h"

/* What a VM's thread works at, in the order of the report. */
enum thread_group {
	THREAD_MAIN,	 /* the process' first: QEMU's main loop, Firecracker's devices */
	THREAD_IOTHREAD, /* QEMU's IOThreads; the virtio queues' threads of other VMMs */
	THREAD_WORKER,	 /* pools that do blocking I/O: QEMU's, io_uring's, kvmtool's */
	THREAD_VHOST,
	THREAD_OTHER,
	THREAD_GROUPS,
	THREAD_VCPU = THREAD_GROUPS, /* not in the report: its time is in vcpus[] */
};

/* "main", "iothread", ... */
extern const char *const thread_group_names[THREAD_GROUPS];

/*
 * The group by /proc/PID/task/TID/comm. A name is whatever the VMM's user chose, and says
 * nothing where QEMU runs without debug-threads=on: THREAD_OTHER then. Never THREAD_MAIN.
 */
enum thread_group proc_text__group(struct vm_span comm);

/*
 * N of "vhost-N", 0: another name. N is the thread that called VHOST_SET_OWNER (current->pid in
 * drivers/vhost/vhost.c, vhost_worker_create), by its number in the host's pid namespace.
 */
pid_t proc_text__vhost_owner(struct vm_span comm);

/* Since the thread began, in ns. */
struct proc_times {
	uint64_t cpu;	/* on a CPU: user, kernel and guest */
	uint64_t delay; /* runnable, waiting for a CPU */
	uint64_t runs;	/* how often it got one; 0: never, or the kernel does not count */
};

/*
 * /proc/PID/task/TID/schedstat (fs/proc/base.c, proc_pid_schedstat). The CPU time is up to a
 * tick behind while the thread runs, and a wait is added when it ends. False: not of that form.
 */
bool proc_text__schedstat(struct vm_span text, struct proc_times *ret);

/* Of /proc/stat's first line, in its order; in clock ticks since boot. */
enum proc_cpu_state {
	CPU_USER, /* CPU_GUEST is in it */
	CPU_NICE, /* CPU_GUEST_NICE is in it */
	CPU_SYSTEM,
	CPU_IDLE,
	CPU_IOWAIT,
	CPU_IRQ,
	CPU_SOFTIRQ,
	CPU_STEAL,
	CPU_GUEST,
	CPU_GUEST_NICE,
	CPU_STATES,
};

struct proc_cpus {
	unsigned int online;
	uint64_t ticks[CPU_STATES];
};

/* /proc/stat (fs/proc/stat.c, show_stat), or as much as has all of its cpu lines. */
bool proc_text__cpus(struct vm_span text, struct proc_cpus *ret);

#endif
