/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tracing as both programs do it: see monitor.h. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "adopt.h"
#include "descriptors.h"
#include "monitor.h"
#include "snapshot.h"
#include "util.h"
#include "vm_numbers.h"

/*
 * Loading takes and gives back the kernel's types and what is made of them, megabytes at a time.
 * From the heap and not by mmap(), where each page would have to be made again each time: 2,800 of
 * 6,700 page faults less. Both are glibc's greatest and its usual value.
 */
#define MMAP_THRESHOLD (32 * 1024 * 1024)
#define TRIM_THRESHOLD (128 * 1024)

static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, 2 * MMAP_THRESHOLD);
}

static void give_memory_back(void)
{
	mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
	malloc_trim(0);
}

static size_t find_domains(const char *const *names, const struct domain **ret)
{
	size_t n = 0;

	for (; names[n]; n++) {
		ret[n] = n < MONITOR_DOMAINS ? domain__find(names[n]) : NULL;
		if (!ret[n])
			abort(); /* somebody names a domain that is not linked in */
	}
	return n;
}

static const char *proc_root(const struct monitor *m)
{
	return m->opts.roots.proc ?: "/proc";
}

struct monitor *monitor__new(const struct monitor_opts *opts)
{
	const struct domain *domains[MONITOR_DOMAINS];
	struct monitor *m = xcalloc(1, sizeof(*m));

	keep_memory();
	m->opts = *opts;
	m->n_domains = find_domains(opts->trace, m->domains);
	m->n_reporters = find_domains(opts->report, domains);
	for (size_t i = 0; i < m->n_reporters; i++) {
		m->reporters[i].domain = domains[i];
		if (domains[i]->open)
			m->reporters[i].state = domains[i]->open(proc_root(m));
	}
	m->features = features__new();
	m->vms = vms__open(&opts->roots);
	m->numbers = vm_numbers__new();
	return m;
}

void monitor__free(struct monitor *m)
{
	if (!m)
		return;
	vm_numbers__free(m->numbers);
	session__close(m->session);
	snapshot__free(m->before);
	for (size_t i = 0; i < m->n_reporters; i++)
		if (m->reporters[i].domain->close)
			m->reporters[i].domain->close(m->reporters[i].state);
	vms__close(m->vms);
	features__free(m->features);
	free(m);
}

uint64_t monitor__cpu_time(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ULL;
}

/* --- what must be there */

int monitor__check(const struct monitor *m, char **ret_error)
{
	const struct features *f = m->features;

	/* first: what could not be opened for this looks like what is not there */
	if (descriptors__limit() < DESCRIPTORS_LEAST) {
		*ret_error = xasprintf(
			"%lu files may be open, and tracing takes up to %d: " DESCRIPTORS_REMEDY,
			descriptors__limit(), DESCRIPTORS_LEAST);
		return -EMFILE;
	}
	if (!f->kvm || !f->backends) {
		*ret_error = xasprintf("this host has no KVM: %s is missing; %s",
				       f->kvm ? "a back end" : "/dev/kvm", features__kvm_remedy(f));
		return -ENOTSUP;
	}
	if (!f->cap_bpf || !f->cap_perfmon) {
		*ret_error = xasprintf("privilege is missing to load BPF programs: %s; run as "
				       "root, or with that capability",
				       f->cap_bpf	? "CAP_PERFMON"
				       : f->cap_perfmon ? "CAP_BPF"
							: "CAP_BPF and CAP_PERFMON");
		return -EPERM;
	}
	if (f->btf_err) {
		*ret_error = xasprintf("the kernel's types can't be read: /sys/kernel/btf/vmlinux: "
				       "%s",
				       strerror(-f->btf_err));
		return f->btf_err;
	}
	if (!f->vmlinux_btf) {
		*ret_error = xasprintf(
			"this kernel (%s) has no BTF at /sys/kernel/btf/vmlinux, by which the "
			"programs find their way in it; use one built with CONFIG_DEBUG_INFO_BTF",
			f->release);
		return -ENOTSUP;
	}
	if (!strcmp(f->lockdown, "confidentiality")) {
		*ret_error = xasprintf(
			"kernel lockdown is at 'confidentiality', which forbids reading kernel "
			"memory by BPF; boot with lockdown=integrity");
		return -ENOTSUP;
	}
	return 0;
}

int monitor__find_vms(struct monitor *m, char **ret_error)
{
	const struct monitor_opts *o = &m->opts;
	struct vm **all;
	int n, wanted = 0;

	for (size_t i = 0; i < o->n_patterns; i++) {
		if (vms__want(m->vms, o->patterns[i])) {
			*ret_error = xasprintf("'%.64s' can't be a VM's name, uuid, pid or a glob",
					       o->patterns[i]);
			return -EINVAL;
		}
	}
	for (size_t i = 0; i < o->n_pids; i++)
		vms__want_pid(m->vms, o->pids[i]);
	n = vms__rescan(m->vms);
	if (n < 0) {
		*ret_error = xasprintf("VMs can't be looked for: /proc: %s", strerror(-n));
		return n == -EINVAL ? -EIO : n;
	}
	n = vms__all(m->vms, &all);
	for (int i = 0; i < n; i++)
		wanted += all[i]->wanted;
	return wanted;
}

/* --- tracing */

/* Tells the kernel side what user space has found: which processes are VMs, and their devices. */
static void follow_vms(struct monitor *m)
{
	m->unnumbered = vm_numbers__sync(m->numbers, m->session, m->vms);
	for (size_t i = 0; i < m->n_reporters; i++)
		if (m->reporters[i].domain->follow)
			m->reporters[i].domain->follow(m->reporters[i].state, m->session, m->vms);
}

static void sample(struct monitor *m)
{
	for (size_t i = 0; i < m->n_reporters; i++)
		if (m->reporters[i].domain->sample)
			m->reporters[i].domain->sample(m->reporters[i].state, m->vms);
}

static int take(struct monitor *m, struct snapshot **ret, char **ret_error)
{
	int err = snapshot__take(m->session, m->before, ret);

	if (err)
		*ret_error = xasprintf("the kernel's counters can't be read: %s", strerror(-err));
	return err;
}

int monitor__start(struct monitor *m, char **ret_error)
{
	struct session_opts opts = {
		.modes = m->opts.modes,
		.max_vcpus = m->opts.max_vcpus,
		.max_subjects = m->opts.max_subjects,
		.filter = m->opts.n_patterns || m->opts.n_pids,
		.fixed = m->opts.fixed,
		.constants = m->opts.constants,
		.n_constants = m->opts.n_constants,
	};
	struct vm **all;
	size_t n = vms__all(m->vms, &all), vcpus = 0;
	int err;

	for (size_t i = 0; i < n; i++)
		vcpus += all[i]->n_vcpus;
	/* VMs come while we look: room for twice what there is, unless somebody said how much */
	if (!opts.max_vcpus && vcpus * 2 > SESSION_VCPUS_DEFAULT)
		opts.max_vcpus = vcpus * 2 < SESSION_VCPUS_MAX ? vcpus * 2 : SESSION_VCPUS_MAX;
	err = session__open(&m->session, m->features, m->domains, m->n_domains, &opts, ret_error);
	if (err)
		return err;
	follow_vms(m);
	err = session__attach(m->session, ret_error);
	if (err)
		return err;
	adopt__vcpus(m->session, m->vms, proc_root(m));
	give_memory_back();
	err = take(m, &m->before, ret_error); /* only now is all on */
	if (err)
		return err;
	sample(m);
	m->cpu_before = monitor__cpu_time();
	return 0;
}

void monitor__rescan(struct monitor *m)
{
	vms__rescan(m->vms);
	follow_vms(m);
	adopt__vcpus(m->session, m->vms, proc_root(m));
}

int monitor__fd(const struct monitor *m)
{
	for (size_t i = 0; i < m->n_reporters; i++)
		if (m->reporters[i].domain->fd)
			return m->reporters[i].domain->fd(m->reporters[i].state);
	return -1;
}

/* What a reader must know to read the numbers right. */
static void add_notes(const struct monitor *m, struct report *r)
{
	char *note;

	if (!m->unnumbered)
		return;
	note = xasprintf("%zu VMs are more than the %d that can be told apart: what their "
			 "disks and interfaces did is the host's here",
			 m->unnumbered, KS_VMS_MAX - 1);
	report__add_note(r, note);
	free(note);
}

/* NULL: its domain is not reported. */
static const struct reporter *reporter_of(const struct monitor *m,
					  const struct snap_subject *subject)
{
	for (size_t i = 0; i < m->n_reporters; i++)
		if (m->reporters[i].domain->subjects == subject->who.domain)
			return &m->reporters[i];
	return NULL;
}

static bool is_busy(const struct snap_subject *subject, void *arg)
{
	const struct reporter *r = reporter_of(arg, subject);

	return r && r->domain->busy && r->domain->busy(r->state, subject->number);
}

static bool is_over(const struct snap_subject *subject, void *arg)
{
	const struct reporter *r = reporter_of(arg, subject);

	return r && r->domain->over && r->domain->over(r->state, &subject->who);
}

static void give_back(const struct snap_subject *subject, void *arg)
{
	const struct reporter *r = reporter_of(arg, subject);

	if (r && r->domain->give_back)
		r->domain->give_back(r->state, subject->number);
}

int monitor__report(struct monitor *m, bool final, struct report **ret, char **ret_error)
{
	struct snapshot *now;
	struct delta *delta;
	struct report *r;
	uint64_t cpu;
	int err;

	err = take(m, &now, ret_error);
	if (err)
		return err;
	sample(m);
	delta = delta__new(m->before, now, session__attached_at(m->session));
	r = join__report(m->opts.kind, delta, m->vms, m->features, m->reporters, m->n_reporters,
			 m->opts.opts);
	cpu = monitor__cpu_time();
	r->final = final;
	r->cost_ns = cpu - m->cpu_before;
	m->cpu_before = cpu;
	add_notes(m, r);
	delta__reclaim(delta, m->session);
	vm_numbers__reclaim(
		m->numbers, m->session, m->vms, delta,
		&(const struct vm_numbers_asks){
			.busy = is_busy, .over = is_over, .give_back = give_back, .arg = m});
	delta__free(delta);
	snapshot__free(m->before);
	m->before = now;
	*ret = r;
	return 0;
}

void monitor__forget_dead(struct monitor *m)
{
	struct vm **all;
	size_t n = vms__all(m->vms, &all), n_dead = 0;
	struct vm **dead = xcalloc(n, sizeof(*dead));

	for (size_t i = 0; i < n; i++)
		if (!all[i]->alive && !all[i]->number)
			dead[n_dead++] = all[i];
	for (size_t i = 0; i < n_dead; i++)
		vms__forget(m->vms, dead[i]);
	free(dead);
}
