/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The threads of one process, followed from sample to sample: the CPU time of those that run
 * no vCPU.
 *
 * Opening a file of /proc costs four times as much as reading it, so that each thread's stays
 * open, as far as a limit goes. An open one also stays the file of that very thread: once it has
 * ended, reads fail, whoever has its number then.
 */
#ifndef KVMSCOPE_PROC_THREADS_H
#define KVMSCOPE_PROC_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc_text.h"
#include "vms.h"

/* File descriptors that stay open. */
struct proc_fds {
	size_t n, max;
};

struct proc_thread {
	pid_t tid;
	int fd; /* of its schedstat, -1: opened for each reading */
	enum thread_group group;
	unsigned int named;   /* how often its name was read */
	unsigned int sampled; /* number of the sample that read it last */
	bool based;	      /* last is what it had used at the sample before */
	bool measured;	      /* delta is what it used between the last two samples */
	struct proc_times last, delta;
};

/* Starts to follow a thread; sets all of its fields. from_zero: its first sample counts as well. */
void proc_thread__init(struct proc_thread *thread, pid_t tid, bool from_zero);

/* Reads "TID/schedstat" below dirfd. 0, or -errno: -ENOENT and -ESRCH once it has ended. */
int proc_thread__read(struct proc_thread *thread, int dirfd, struct proc_fds *fds);

/*
 * Whether that process has no such thread (any more). By no file, so for whom /proc hides others'
 * processes, too. False in a pid namespace below the host's: there are other numbers.
 */
bool proc_thread__has_ended(pid_t tgid, pid_t tid);

void proc_thread__close(struct proc_thread *thread, struct proc_fds *fds);

struct proc_threads {
	pid_t pid;
	uint64_t start_ticks;
	int dirfd;		  /* /proc/PID/task */
	struct proc_thread *list; /* by tid */
	size_t n;
	size_t listed; /* entries of the directory when it was listed last */
	unsigned int samples;
};

/* Follows the process that a VM is. NULL when it is gone or can't be looked into. */
struct proc_threads *proc_threads__open(int proc_fd, const struct vm *vm, struct proc_fds *fds);
void proc_threads__close(struct proc_threads *threads, struct proc_fds *fds); /* NULL is fine */

/*
 * Reads what all threads have used but those that run a vCPU, which vm->vcpus or their names
 * tell. One that has ended since the last sample is dropped, with what it used in the meantime.
 * since_ticks: when the last sample was, in clock ticks since boot; UINT64_MAX: this is the
 * first. The time of a thread that has begun since then counts from its beginning.
 */
void proc_threads__sample(struct proc_threads *threads, const struct vm *vm, uint64_t since_ticks,
			  struct proc_fds *fds);

#endif
