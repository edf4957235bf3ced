/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vhost workers that are kernel threads of their own, and the VMs that they work for: up to
 * Linux 6.3, and where vhost has a parameter fork_from_owner_default that is 0 (6.17, and stable
 * kernels since). Otherwise they are threads of the VM's process (vhost_task), found among its
 * others.
 */
#ifndef KVMSCOPE_PROC_VHOST_H
#define KVMSCOPE_PROC_VHOST_H

#include "proc_threads.h"

struct proc_vhost_worker {
	struct proc_thread thread;
	pid_t owner; /* process that it works for */
};

struct proc_vhost {
	struct proc_vhost_worker *list;
	size_t n;
	pid_t *seen; /* candidates of the last scan, in order */
	size_t n_seen;
	uint64_t scanned_ns; /* when that was, CLOCK_BOOTTIME; 0: never */
};

/*
 * Looks for workers, at most once a second or so, and reads what all of them have used.
 * proc_fd: /proc. now_ns: CLOCK_BOOTTIME. buf: room for /proc's lists of children. The time of a
 * worker that has begun since the last look counts from its beginning.
 */
void proc_vhost__sample(struct proc_vhost *vhost, int proc_fd, uint64_t now_ns, char *buf,
			size_t size, struct proc_fds *fds);

/* Frees what it holds and clears it. */
void proc_vhost__clear(struct proc_vhost *vhost, struct proc_fds *fds);

#endif
