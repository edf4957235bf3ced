/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vhost workers that are kernel threads of their own.
 *
 * All kernel threads are children of kthreadd, which is process 2, and a list of a process'
 * children costs a tenth of one of /proc. It needs CONFIG_PROC_CHILDREN, as distributions have
 * it; elsewhere /proc is listed. Either way a process is looked at once, when it turns up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc_vhost.h"
#include "util.h"
#include "vm_file.h"
#include "vm_proc.h"

/* Once a second, whose timer may come a little early. */
#define SCAN_NS (NSEC_PER_SEC / 10 * 9)

/* Longest of "PID/status" and the like. */
#define PATH_SIZE 32

struct pids {
	pid_t *list;
	size_t n;
};

static void append(struct pids *pids, struct vm_span text)
{
	uint64_t pid;

	if (!vm_span__uint(text, INT32_MAX, &pid) || !pid)
		return;
	if (!(pids->n & (pids->n - 1))) /* full at each power of two */
		pids->list =
			xreallocarray(pids->list, pids->n ? pids->n * 2 : 1, sizeof(*pids->list));
	pids->list[pids->n++] = (pid_t)pid;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

/* Every process that may be a kernel thread, in order. */
static struct pids list_candidates(int proc_fd, char *buf, size_t size)
{
	struct pids pids = {.list = NULL};
	struct vm_dir_entry entry;
	struct vm_span text, pid;
	struct vm_dir dir;

	if (!vm_file__read(proc_fd, "2/task/2/children", buf, size, &text)) {
		/* each number has a blank behind it (fs/proc/array.c, children_seq_show) */
		while (text.len && vm_span__next(&text, ' ', &pid))
			if (text.s)
				append(&pids, pid);
	} else if (!vm_dir__open(&dir, proc_fd, ".")) {
		while (vm_dir__next(&dir, &entry))
			append(&pids, vm_span__of(entry.name));
		vm_dir__close(&dir);
	}
	if (pids.n)
		qsort(pids.list, pids.n, sizeof(*pids.list), compare_pids);
	return pids;
}

static struct vm_span read_text(int proc_fd, pid_t pid, const char *name, char *buf, size_t size)
{
	struct vm_span text;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	vm_file__read(proc_fd, path, buf, size, &text);
	return text;
}

static bool is_known(const struct proc_vhost *vhost, pid_t pid)
{
	for (size_t i = 0; i < vhost->n; i++)
		if (vhost->list[i].thread.tid == pid)
			return true;
	return false;
}

/* Adds a process that has turned up, if it is a worker. */
static void consider(struct proc_vhost *vhost, int proc_fd, pid_t pid)
{
	uint64_t tick_ns = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	struct proc_vhost_worker worker;
	struct vm_proc_stat stat;
	char buf[4096];
	pid_t owner;

	if (!vm_proc__stat(read_text(proc_fd, pid, "stat", buf, sizeof(buf)), &stat) ||
	    !stat.kernel_thread)
		return;
	owner = proc_text__vhost_owner(vm_span__of(stat.comm));
	if (!owner || is_known(vhost, pid))
		return;
	/* its name has the number of a thread, which need not be the process' first */
	worker.owner = vm_proc__tgid(read_text(proc_fd, owner, "status", buf, sizeof(buf)));
	if (!worker.owner)
		worker.owner = owner;
	proc_thread__init(&worker.thread, pid,
			  vhost->scanned_ns && stat.start_ticks >= vhost->scanned_ns / tick_ns);
	worker.thread.group = THREAD_VHOST;
	vhost->list = xreallocarray(vhost->list, vhost->n + 1, sizeof(*vhost->list));
	vhost->list[vhost->n++] = worker;
}

static void scan(struct proc_vhost *vhost, int proc_fd, char *buf, size_t size)
{
	struct pids pids = list_candidates(proc_fd, buf, size);
	size_t k = 0;

	for (size_t i = 0; i < pids.n; i++) {
		while (k < vhost->n_seen && vhost->seen[k] < pids.list[i])
			k++;
		if (k == vhost->n_seen || vhost->seen[k] != pids.list[i])
			consider(vhost, proc_fd, pids.list[i]);
	}
	free(vhost->seen);
	vhost->seen = pids.list;
	vhost->n_seen = pids.n;
}

void proc_vhost__sample(struct proc_vhost *vhost, int proc_fd, uint64_t now_ns, char *buf,
			size_t size, struct proc_fds *fds)
{
	size_t n = 0;

	if (!vhost->scanned_ns || now_ns - vhost->scanned_ns >= SCAN_NS) {
		scan(vhost, proc_fd, buf, size);
		vhost->scanned_ns = now_ns;
	}
	for (size_t i = 0; i < vhost->n; i++) {
		struct proc_vhost_worker *w = &vhost->list[i];
		int err = proc_thread__read(&w->thread, proc_fd, fds);

		if (err == -ENOENT || err == -ESRCH)
			proc_thread__close(&w->thread, fds);
		else
			vhost->list[n++] = *w;
	}
	vhost->n = n;
}

void proc_vhost__clear(struct proc_vhost *vhost, struct proc_fds *fds)
{
	for (size_t i = 0; i < vhost->n; i++)
		proc_thread__close(&vhost->list[i].thread, fds);
	free(vhost->list);
	free(vhost->seen);
	*vhost = (struct proc_vhost){.n = 0};
}
