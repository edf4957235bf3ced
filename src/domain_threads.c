/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain threads: what a VM costs besides its vCPUs, by what its other threads work at; and
 * where the CPU time of the host as a whole went. All of it is /proc's: there are no events.
 *
 * Two samples make an interval. A thread that came and went between them is not seen, nor is
 * what one that has ended used since the first. Helpers that are processes of their own
 * (virtiofsd, swtpm, crosvm's jailed devices) belong to the host, not to the VM.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "domain.h"
#include "proc_threads.h"
#include "proc_vhost.h"
#include "snapshot.h"
#include "util.h"
#include "vm_file.h"
#include "vms.h"

/* For /proc/stat, of which 8,192 CPUs take as much, and for a list of all kernel threads. */
#define TEXT_MAX (512 * 1024)

/* Files to keep open at the most: 200 VMs of 6 such threads have 1,400. */
#define FDS_WANTED 32768

struct host_times {
	bool known;
	uint64_t at; /* CLOCK_MONOTONIC */
	struct proc_cpus cpus;
};

struct threads {
	int proc_fd;
	struct proc_fds fds;
	struct proc_threads **procs; /* by pid and start time, as vms__all() has them */
	size_t n_procs;
	struct proc_vhost vhost;
	struct host_times before, now;
	uint64_t sampled_ns; /* CLOCK_BOOTTIME; 0: never */
	char *text;	     /* room for TEXT_MAX, of which only what is used is there */
};

static uint64_t tick_ns(void)
{
	return NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
}

/*
 * How many files may stay open: half of what the process may have. The soft limit is 1,024 for
 * the sake of select(), which nobody here uses, and goes up as far as it must.
 */
static size_t fd_limit(void)
{
	struct rlimit limit;
	rlim_t soft;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	soft = limit.rlim_cur;
	if (limit.rlim_cur < 2 * FDS_WANTED) {
		limit.rlim_cur = limit.rlim_max < 2 * FDS_WANTED ? limit.rlim_max : 2 * FDS_WANTED;
		if (!setrlimit(RLIMIT_NOFILE, &limit))
			soft = limit.rlim_cur;
	}
	return soft / 2 < FDS_WANTED ? soft / 2 : FDS_WANTED;
}

static void *open_state(const char *proc_root)
{
	struct threads *s = xcalloc(1, sizeof(*s));

	s->proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->fds.max = fd_limit();
	s->text = xreallocarray(NULL, TEXT_MAX, 1);
	return s;
}

static void close_state(void *state)
{
	struct threads *s = state;

	if (!s)
		return;
	for (size_t i = 0; i < s->n_procs; i++)
		proc_threads__close(s->procs[i], &s->fds);
	free(s->procs);
	proc_vhost__clear(&s->vhost, &s->fds);
	if (s->proc_fd >= 0)
		close(s->proc_fd);
	free(s->text);
	free(s);
}

/* --- sampling */

static int compare_process(const struct proc_threads *p, const struct vm *vm)
{
	if (p->pid != vm->pid)
		return p->pid < vm->pid ? -1 : 1;
	if (p->start_ticks != vm->start_ticks)
		return p->start_ticks < vm->start_ticks ? -1 : 1;
	return 0;
}

/* Follows those VMs that are wanted and alive, and no others. */
static void follow(struct threads *s, struct vms *vms)
{
	uint64_t since = s->sampled_ns ? s->sampled_ns / tick_ns() : UINT64_MAX;
	struct proc_threads **next;
	size_t n_vms, n = 0, k = 0;
	struct vm **all;

	n_vms = vms__all(vms, &all);
	next = xcalloc(n_vms, sizeof(struct proc_threads *));
	for (size_t i = 0; i < n_vms; i++) {
		struct proc_threads *p;

		if (!all[i]->wanted || !all[i]->alive)
			continue;
		while (k < s->n_procs && compare_process(s->procs[k], all[i]) < 0)
			proc_threads__close(s->procs[k++], &s->fds);
		if (k < s->n_procs && !compare_process(s->procs[k], all[i]))
			p = s->procs[k++];
		else
			p = proc_threads__open(s->proc_fd, all[i], &s->fds);
		if (!p)
			continue;
		proc_threads__sample(p, all[i], since, &s->fds);
		next[n++] = p;
	}
	while (k < s->n_procs)
		proc_threads__close(s->procs[k++], &s->fds);
	free(s->procs);
	s->procs = next;
	s->n_procs = n;
}

static void sample_host(struct threads *s)
{
	struct vm_span text;

	s->before = s->now;
	s->now.known = !vm_file__read(s->proc_fd, "stat", s->text, TEXT_MAX, &text) &&
		       proc_text__cpus(text, &s->now.cpus);
	s->now.at = clock_ns(CLOCK_MONOTONIC);
}

static void sample(void *state, struct vms *vms)
{
	struct threads *s = state;
	uint64_t now = clock_ns(CLOCK_BOOTTIME);

	sample_host(s);
	follow(s, vms);
	proc_vhost__sample(&s->vhost, s->proc_fd, now, s->text, TEXT_MAX, &s->fds);
	s->sampled_ns = now;
}

/* --- a VM's row */

struct group {
	unsigned int threads;
	bool measured; /* one of them at least */
	uint64_t cpu, delay;
};

static void add_thread(struct group groups[THREAD_GROUPS], const struct proc_thread *t)
{
	struct group *g = &groups[t->group];

	g->threads++;
	if (!t->measured)
		return;
	g->measured = true;
	g->cpu += t->delta.cpu;
	g->delay += t->delta.delay;
}

/* Whether the kernel side has met a thread as a vCPU, whatever it is called. */
static bool is_vcpu(const struct vm_times *vm, pid_t tid)
{
	for (size_t i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpus[i]->tid == tid)
			return true;
	return false;
}

static const struct proc_threads *find_process(const struct threads *s, const struct vm *vm)
{
	size_t low = 0, high = s->n_procs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_process(s->procs[middle], vm);

		if (!order)
			return s->procs[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	const struct threads *s = ctx->state;
	const struct proc_threads *p = find_process(s, vm->vm);
	struct group groups[THREAD_GROUPS] = {};

	row__list(row, "threads");
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].group != THREAD_VCPU && !is_vcpu(vm, p->list[i].tid))
			add_thread(groups, &p->list[i]);
	for (size_t i = 0; i < s->vhost.n; i++)
		if (s->vhost.list[i].owner == vm->vm->pid)
			add_thread(groups, &s->vhost.list[i].thread);
	for (int i = 0; i < THREAD_GROUPS; i++) {
		const struct group *g = &groups[i];
		struct row *r;

		if (!g->threads)
			continue;
		r = row__add(row, "threads");
		row__text(r, "group", thread_group_names[i]);
		row__u64(r, "threads", g->threads);
		if (g->measured) {
			row__u64(r, "cpu_ns", g->cpu);
			row__u64(r, "steal_ns", g->delay);
		} else {
			row__null(r, "cpu_ns");
			row__null(r, "steal_ns");
		}
	}
}

/* --- the host's row */

static void report_host(const struct report_ctx *ctx, struct row *row)
{
	static const struct {
		const char *name;
		enum proc_cpu_state state;
	} fields[] = {
		{"user_ns", CPU_USER},	     {"system_ns", CPU_SYSTEM}, {"irq_ns", CPU_IRQ},
		{"softirq_ns", CPU_SOFTIRQ}, {"guest_ns", CPU_GUEST},	{"steal_ns", CPU_STEAL},
		{"iowait_ns", CPU_IOWAIT},   {"idle_ns", CPU_IDLE},
	};
	const struct threads *s = ctx->state;
	bool known = s->before.known && s->now.known;
	uint64_t d[CPU_STATES];

	/*
	 * Counters of one CPU's idle time may step back (Documentation/filesystems/proc.rst on
	 * iowait), and those of guests may be a tick ahead of those that contain them.
	 */
	for (int i = 0; i < CPU_STATES; i++)
		d[i] = less(s->now.cpus.ticks[i], s->before.cpus.ticks[i]) * tick_ns();
	d[CPU_GUEST] += d[CPU_GUEST_NICE];
	d[CPU_USER] = less(d[CPU_USER] + d[CPU_NICE], d[CPU_GUEST]);
	if (known) {
		row__u64(row, "cpus", s->now.cpus.online);
		row__u64(row, "wall_ns", (s->now.at - s->before.at) * s->now.cpus.online);
	} else {
		row__null(row, "cpus");
		row__null(row, "wall_ns");
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (known)
			row__u64(row, fields[i].name, d[fields[i].state]);
		else
			row__null(row, fields[i].name);
	}
	/* for whoever walks the lists of all rows alike */
	row__list(row, "vcpus");
	row__list(row, "threads");
}

DOMAIN(domain_threads) = {
	.name = "threads",
	.open = open_state,
	.sample = sample,
	.close = close_state,
	.report = report,
	.report_host = report_host,
};
