/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The threads of one process, followed from sample to sample.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc_threads.h"
#include "util.h"
#include "vm_file.h"
#include "vm_proc.h"

/* Longest of "TID/schedstat" and "PID/task". */
#define PATH_SIZE 32

/* Every so many samples of a process its threads are listed and named anew, whatever else. */
#define REFRESH_PERIOD 64

/* A thread is born with its maker's name and takes its own a moment later: look twice. */
#define NAME_LOOKS 2

void proc_thread__init(struct proc_thread *thread, pid_t tid, bool from_zero)
{
	*thread = (struct proc_thread){
		.tid = tid,
		.fd = -1,
		.group = THREAD_OTHER,
		.based = from_zero,
	};
}

void proc_thread__close(struct proc_thread *thread, struct proc_fds *fds)
{
	if (thread->fd < 0)
		return;
	close(thread->fd);
	thread->fd = -1;
	fds->n--;
}

static void take(struct proc_thread *thread, const struct proc_times *now)
{
	if (now->cpu < thread->last.cpu)
		thread->last = (struct proc_times){.cpu = 0}; /* another one with its number */
	thread->measured = thread->based && now->runs;
	thread->delta.cpu = now->cpu - thread->last.cpu;
	thread->delta.delay = less(now->delay, thread->last.delay);
	thread->last = *now;
	thread->based = true;
}

int proc_thread__read(struct proc_thread *thread, int dirfd, struct proc_fds *fds)
{
	char path[PATH_SIZE], buf[96];
	struct proc_times now;
	int fd = thread->fd, err = 0;
	ssize_t n;

	thread->measured = false;
	if (fd < 0) {
		snprintf(path, sizeof(path), "%d/schedstat", (int)thread->tid);
		fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	}
	n = fd < 0 ? -1 : pread(fd, buf, sizeof(buf), 0);
	if (n < 0)
		err = -errno;
	if (!err && proc_text__schedstat((struct vm_span){buf, (size_t)n}, &now))
		take(thread, &now);
	else
		thread->based = false;
	if (fd == thread->fd)
		return err;
	if (err || fds->n >= fds->max) {
		close(fd);
	} else {
		thread->fd = fd;
		fds->n++;
	}
	return err;
}

/* The host's own pid namespace has this inode (include/linux/proc_ns.h, PROC_PID_INIT_INO). */
#define HOST_PIDS 0xeffffffcU

static bool sees_host_pids(void)
{
	static int known = -1;
	struct stat st;

	if (known < 0)
		known = !stat("/proc/self/ns/pid", &st) && st.st_ino == HOST_PIDS;
	return known;
}

bool proc_thread__has_ended(pid_t tgid, pid_t tid)
{
	return sees_host_pids() && syscall(SYS_tgkill, tgid, tid, 0) && errno == ESRCH;
}

/* Clock ticks since boot at which it began; 0 when it is gone. */
static uint64_t start_ticks(int dirfd, pid_t tid)
{
	char path[PATH_SIZE], buf[1024];
	struct vm_proc_stat stat;
	struct vm_span text;

	snprintf(path, sizeof(path), "%d/stat", (int)tid);
	if (vm_file__read(dirfd, path, buf, sizeof(buf), &text) || !vm_proc__stat(text, &stat))
		return 0;
	return stat.start_ticks;
}

struct proc_threads *proc_threads__open(int proc_fd, const struct vm *vm, struct proc_fds *fds)
{
	struct proc_threads *threads;
	char path[PATH_SIZE];
	int dirfd;

	snprintf(path, sizeof(path), "%d/task", (int)vm->pid);
	dirfd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return NULL;
	/* through the directory, which stays that of one process */
	if (start_ticks(dirfd, vm->pid) != vm->start_ticks) {
		close(dirfd);
		return NULL;
	}
	threads = xcalloc(1, sizeof(*threads));
	threads->pid = vm->pid;
	threads->start_ticks = vm->start_ticks;
	threads->dirfd = dirfd;
	fds->n++;
	return threads;
}

void proc_threads__close(struct proc_threads *threads, struct proc_fds *fds)
{
	if (!threads)
		return;
	for (size_t i = 0; i < threads->n; i++)
		proc_thread__close(&threads->list[i], fds);
	close(threads->dirfd);
	fds->n--;
	free(threads->list);
	free(threads);
}

/*
 * Whether threads may have come or gone since the directory was listed: its link count is the
 * number of threads and 2 (fs/proc/base.c, proc_task_getattr).
 */
static bool has_changed(const struct proc_threads *threads)
{
	struct stat st;

	return fstat(threads->dirfd, &st) || st.st_nlink != threads->listed + 2;
}

static int compare_tids(const void *a, const void *b)
{
	const struct proc_thread *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void sort(struct proc_thread *list, size_t n)
{
	if (n)
		qsort(list, n, sizeof(*list), compare_tids);
}

static void append(struct proc_thread **list, size_t *n, const struct proc_thread *thread)
{
	if (!(*n & (*n - 1))) /* full at each power of two */
		*list = xreallocarray(*list, *n ? *n * 2 : 1, sizeof(**list));
	(*list)[(*n)++] = *thread;
}

/*
 * Lists the threads; those that were there keep what is known of them. The kernel's list ends
 * early when a thread ends meanwhile (fs/proc/base.c, next_tid), so that who is missing in it
 * stays until it can't be read.
 */
static void list(struct proc_threads *threads, uint64_t since_ticks, struct proc_fds *fds)
{
	struct proc_thread *next = NULL;
	struct vm_dir_entry entry;
	size_t n = 0, k = 0, listed;
	struct vm_dir dir;
	uint64_t tid;

	if (!vm_dir__open(&dir, threads->dirfd, ".")) {
		while (vm_dir__next(&dir, &entry)) {
			struct proc_thread thread;

			if (!vm_span__uint(vm_span__of(entry.name), INT32_MAX, &tid))
				continue;
			proc_thread__init(&thread, (pid_t)tid, false);
			append(&next, &n, &thread);
		}
	}
	vm_dir__close(&dir);
	sort(next, n);
	listed = n;
	for (size_t i = 0; i < threads->n; i++) {
		struct proc_thread *old = &threads->list[i];

		while (k < listed && next[k].tid < old->tid)
			k++;
		if (k < listed && next[k].tid == old->tid) {
			next[k] = *old;
			continue;
		}
		proc_thread__close(old, fds);
		if (old->group != THREAD_VCPU) /* those are not read */
			append(&next, &n, old);
	}
	if (n > listed)
		sort(next, n);
	free(threads->list);
	threads->list = next;
	threads->n = n;
	threads->listed = listed;
	for (size_t i = 0; i < n && since_ticks != UINT64_MAX; i++)
		if (!next[i].sampled && start_ticks(threads->dirfd, next[i].tid) >= since_ticks)
			next[i].based = true;
}

static bool runs_vcpu(const struct vm *vm, pid_t tid)
{
	for (size_t i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpus[i].tid == tid)
			return true;
	return false;
}

static enum thread_group group_of(const struct proc_threads *threads,
				  const struct proc_thread *thread)
{
	char path[PATH_SIZE], buf[64];
	enum thread_group group;
	struct vm_span comm;

	snprintf(path, sizeof(path), "%d/comm", (int)thread->tid);
	if (vm_file__read(threads->dirfd, path, buf, sizeof(buf), &comm))
		return thread->group;
	group = proc_text__group(comm);
	return thread->tid == threads->pid && group != THREAD_VCPU ? THREAD_MAIN : group;
}

/* Finds out what it works at, and reads its time unless that is a vCPU's. 0 or -errno. */
static int sample_thread(struct proc_threads *threads, struct proc_thread *thread,
			 const struct vm *vm, bool rename, struct proc_fds *fds)
{
	if (rename || thread->named < NAME_LOOKS) {
		thread->group = group_of(threads, thread);
		thread->named++;
	}
	if (runs_vcpu(vm, thread->tid))
		thread->group = THREAD_VCPU;
	if (thread->group != THREAD_VCPU)
		return proc_thread__read(thread, threads->dirfd, fds);
	proc_thread__close(thread, fds);
	thread->measured = thread->based = false;
	return 0;
}

/* Reads those that this sample has not read yet. False: one has ended, and was dropped. */
static bool read_all(struct proc_threads *threads, const struct vm *vm, bool rename,
		     struct proc_fds *fds)
{
	size_t n = 0, before = threads->n;

	for (size_t i = 0; i < before; i++) {
		struct proc_thread *t = &threads->list[i];
		int err = 0;

		if (t->sampled != threads->samples) {
			t->sampled = threads->samples;
			err = sample_thread(threads, t, vm, rename, fds);
		}
		if (err == -ENOENT || err == -ESRCH)
			proc_thread__close(t, fds);
		else
			threads->list[n++] = *t;
	}
	threads->n = n;
	return n == before;
}

void proc_threads__sample(struct proc_threads *threads, const struct vm *vm, uint64_t since_ticks,
			  struct proc_fds *fds)
{
	bool refresh = (threads->samples++ + (unsigned int)threads->pid) % REFRESH_PERIOD == 0;
	bool listed = refresh || has_changed(threads);

	if (listed)
		list(threads, since_ticks, fds);
	if (read_all(threads, vm, refresh, fds) || listed)
		return;
	/* one has ended, so that another may have begun without a change of their number */
	list(threads, since_ticks, fds);
	read_all(threads, vm, refresh, fds);
}
