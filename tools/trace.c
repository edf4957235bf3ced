/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A command's tracing: checks that it can work, attaches, and reports at each interval until
 * its count is reached or somebody interrupts it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "adopt.h"
#include "command.h"
#include "join.h"
#include "session.h"
#include "snapshot.h"
#include "util.h"
#include "vm_numbers.h"

#define RESCAN_NS      NSEC_PER_SEC
#define RESCAN_SOON_NS (NSEC_PER_SEC / 50)
#define DOMAINS_MAX    4

struct trace {
	const struct common *common;
	const struct command *cmd;
	const void *opts;
	const struct domain *domains[DOMAINS_MAX];
	size_t n_domains;
	struct reporter reporters[DOMAINS_MAX];
	size_t n_reporters;
	struct features *features;
	struct vms *vms;
	struct vm_numbers *numbers;
	struct session *session;
	struct snapshot *before;
	uint64_t cpu_before; /* ns that this process had used */
	FILE *out;
	bool lost;
};

static size_t find_domains(const char *const names[DOMAINS_MAX], const struct domain **ret)
{
	size_t n = 0;

	while (n < DOMAINS_MAX && names[n]) {
		ret[n] = domain__find(names[n]);
		if (!ret[n])
			abort(); /* a command names a domain that is not linked in */
		n++;
	}
	return n;
}

static void open_reporters(struct trace *t)
{
	const struct domain *domains[DOMAINS_MAX];

	t->n_reporters = find_domains(t->cmd->report, domains);
	for (size_t i = 0; i < t->n_reporters; i++) {
		struct reporter *r = &t->reporters[i];

		r->domain = domains[i];
		if (r->domain->open)
			r->state = r->domain->open(t->common->roots.proc ?: "/proc");
	}
}

static void sample(struct trace *t)
{
	for (size_t i = 0; i < t->n_reporters; i++)
		if (t->reporters[i].domain->sample)
			t->reporters[i].domain->sample(t->reporters[i].state, t->vms);
}

/* Tells the kernel side what user space has found: which processes are VMs, and their devices. */
static void follow_vms(struct trace *t)
{
	vm_numbers__sync(t->numbers, t->session, t->vms);
	for (size_t i = 0; i < t->n_reporters; i++)
		if (t->reporters[i].domain->follow)
			t->reporters[i].domain->follow(t->reporters[i].state, t->session, t->vms);
}

static uint64_t cpu_time(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ULL;
}

/* --- what must be there */

static int check_host(const struct trace *t)
{
	const struct features *f = t->features;

	if (!f->kvm || !f->backends) {
		complain("this host has no KVM: %s is missing; load kvm_intel or kvm_amd "
			 "(modprobe), and see that virtualisation is on in the firmware",
			 f->kvm ? "a back end" : "/dev/kvm");
		return STATUS_KERNEL;
	}
	if (!f->cap_bpf || !f->cap_perfmon) {
		complain("privilege is missing to load BPF programs: %s; run as root",
			 f->cap_bpf ? "CAP_PERFMON" : "CAP_BPF and CAP_PERFMON");
		return STATUS_PRIVILEGE;
	}
	if (!f->vmlinux_btf) {
		complain("this kernel (%s) has no BTF at /sys/kernel/btf/vmlinux, by which the "
			 "programs find their way in it; use one built with CONFIG_DEBUG_INFO_BTF",
			 f->release);
		return STATUS_KERNEL;
	}
	if (!strcmp(f->lockdown, "confidentiality")) {
		complain("kernel lockdown is at 'confidentiality', which forbids reading kernel "
			 "memory by BPF; boot with lockdown=integrity");
		return STATUS_KERNEL;
	}
	return -1;
}

int complain_no_vm(const struct common *c, const struct vms *vms)
{
	struct vm **all;
	size_t n = vms__all(vms, &all);
	struct sink_opts plain = {.width = 200};
	struct text *text = text__begin(stderr, &plain);

	text__line(text,
		   "kvmscope: no VM matches '%s'; there %s:", text__safe(text, c->patterns[0], 64),
		   n == 1 ? "is"
		   : n	  ? "are"
			  : "is none at all");
	for (size_t i = 0; i < n; i++)
		text__line(text, "  %s  (pid %d%s%s)", text__safe(text, all[i]->name, 64),
			   all[i]->pid, *all[i]->uuid ? ", uuid " : "",
			   text__safe(text, all[i]->uuid, 40));
	text__end(text);
	return STATUS_NO_VM;
}

static int find_vms(struct trace *t)
{
	const struct common *c = t->common;
	bool any = !c->n_patterns;
	struct vm **all;
	int n;

	t->vms = vms__open(&c->roots);
	for (size_t i = 0; i < c->n_patterns; i++) {
		if (vms__want(t->vms, c->patterns[i])) {
			complain("'%.64s' can't be a VM's name, uuid, pid or a glob",
				 c->patterns[i]);
			return STATUS_USAGE;
		}
	}
	n = vms__rescan(t->vms);
	if (n < 0) {
		complain("VMs can't be looked for: /proc: %s", strerror(-n));
		return STATUS_FAILURE;
	}
	n = vms__all(t->vms, &all);
	for (int i = 0; i < n; i++)
		any |= all[i]->wanted;
	return any ? -1 : complain_no_vm(c, t->vms);
}

static void log_libbpf(const char *message)
{
	fputs(message, stderr);
}

static int open_session(struct trace *t)
{
	struct session_opts opts = {
		.modes = t->cmd->modes(t->opts),
		.max_vcpus = t->common->max_vcpus,
		.filter = t->common->n_patterns,
	};
	struct vm **all;
	size_t n = vms__all(t->vms, &all), vcpus = 0;
	char *error;
	int err;

	for (size_t i = 0; i < n; i++)
		vcpus += all[i]->n_vcpus;
	/* VMs come while we look: room for twice what there is, unless somebody said how much */
	if (!opts.max_vcpus && vcpus * 2 > SESSION_VCPUS_DEFAULT)
		opts.max_vcpus = vcpus * 2 < SESSION_VCPUS_MAX ? vcpus * 2 : SESSION_VCPUS_MAX;
	if (t->common->verbose > 1)
		session__set_log(log_libbpf);
	err = session__open(&t->session, t->features, t->domains, t->n_domains, &opts, &error);
	if (!err) {
		follow_vms(t);
		err = session__attach(t->session, &error);
	}
	if (!err)
		return -1;
	complain("%s", error);
	free(error);
	return err == -EPERM || err == -EACCES ? STATUS_PRIVILEGE
	       : err == -ENOMEM		       ? STATUS_FAILURE
					       : STATUS_KERNEL;
}

/* --- output */

FILE *output__open(const struct common *c)
{
	FILE *f;

	if (!c->output)
		return stdout;
	f = fopen(c->output, "ae");
	if (!f)
		complain("%s can't be written to: %s", c->output, strerror(errno));
	return f;
}

int output__status(const struct common *c, int err)
{
	if (!err)
		return -1;
	if (err == -EPIPE && !c->output)
		return STATUS_OK; /* whoever read us has seen enough */
	complain("the report can't be written to %s: %s", c->output ?: "standard output",
		 strerror(-err));
	return STATUS_FAILURE;
}

/* What a reader must know to read the numbers right. */
static void add_notes(const struct trace *t, struct report *r)
{
	if (t->features->backends & ~BACKEND_OTHER)
		return;
	if (t->cmd->modes(t->opts) & (TRACE_COUNTS | TRACE_TIMES))
		report__add_note(r, "this KVM back end reports no kvm_exit: exits to user space "
				    "are shown instead");
}

static bool is_busy(const struct snap_subject *subject, void *arg)
{
	const struct trace *t = arg;

	for (size_t i = 0; i < t->n_reporters; i++)
		if (t->reporters[i].domain->subjects == subject->who.domain &&
		    t->reporters[i].domain->busy)
			return t->reporters[i].domain->busy(t->reporters[i].state, subject->number);
	return false;
}

/* Returns -1 to go on, or an exit status. */
static int report_now(struct trace *t, bool final)
{
	struct snapshot *now;
	struct delta *delta;
	struct report *r;
	uint64_t cpu;
	int err;

	err = snapshot__take(t->session, &now);
	if (err) {
		complain("the kernel's counters can't be read: %s", strerror(-err));
		return STATUS_FAILURE;
	}
	sample(t);
	delta = delta__new(t->before, now, session__attached_at(t->session));
	r = join__report(t->cmd->name, delta, t->vms, t->features, t->reporters, t->n_reporters,
			 t->opts);
	r->final = final;
	cpu = cpu_time();
	r->cost_ns = cpu - t->cpu_before;
	t->cpu_before = cpu;
	add_notes(t, r);
	t->lost |= !r->complete;
	if (t->common->json) {
		err = sink_json__write(t->out, r, &t->common->sink);
	} else {
		struct text *text = text__begin(t->out, &t->common->sink);

		t->cmd->text(text, r, t->opts);
		err = text__end(text);
	}
	report__free(r);
	delta__reclaim(delta, t->session);
	vm_numbers__reclaim(t->numbers, t->session, t->vms, delta, is_busy, t);
	delta__free(delta);
	snapshot__free(t->before);
	t->before = now;
	if (!final && session__heal(t->session, snapshot__count(now, KS_M_USERSPACE)))
		inform(t->common, "the kernel skipped program runs: changed over to classic "
				  "tracepoints where it did");
	return output__status(t->common, err);
}

static void forget_dead_vms(struct trace *t)
{
	struct vm **all;
	size_t n = vms__all(t->vms, &all), n_dead = 0;
	struct vm **dead = xcalloc(n, sizeof(*dead));

	for (size_t i = 0; i < n; i++)
		if (!all[i]->alive && !all[i]->number)
			dead[n_dead++] = all[i];
	for (size_t i = 0; i < n_dead; i++)
		vms__forget(t->vms, dead[i]);
	free(dead);
}

/* --- the loop */

static void set_timer(int fd, uint64_t first_ns, uint64_t ns)
{
	struct itimerspec every = {
		.it_value = {first_ns / NSEC_PER_SEC, first_ns % NSEC_PER_SEC},
		.it_interval = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC},
	};

	timerfd_settime(fd, 0, &every, NULL);
}

static int timer(uint64_t ns)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		set_timer(fd, ns, ns);
	return fd;
}

static int reopen_output(struct trace *t)
{
	FILE *f;

	if (!t->common->output)
		return -1;
	f = output__open(t->common);
	if (!f)
		return STATUS_FAILURE;
	fclose(t->out);
	t->out = f;
	return -1;
}

/* Returns -1 to go on, or an exit status. */
static int on_signal(struct trace *t, int fd, sigset_t *signals)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return -1;
	switch (info.ssi_signo) {
	case SIGHUP:
		return reopen_output(t);
	case SIGUSR1:
		return report_now(t, false);
	default: /* SIGINT, SIGTERM; a second one ends us at once */
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		return STATUS_OK;
	}
}

enum { FD_SIGNAL, FD_INTERVAL, FD_RESCAN, FD_UEVENT, FDS };

static int loop(struct trace *t, sigset_t *signals)
{
	const struct common *c = t->common;
	struct pollfd fds[FDS];
	uint64_t ticks, done = 0;
	int status = -1;

	for (int i = 0; i < FDS; i++)
		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	fds[FD_SIGNAL].fd = signalfd(-1, signals, SFD_CLOEXEC);
	if (c->interval_ns)
		fds[FD_INTERVAL].fd = timer(c->interval_ns);
	fds[FD_RESCAN].fd = timer(RESCAN_NS);
	fds[FD_UEVENT].fd = vms__fd(t->vms);
	if (fds[FD_SIGNAL].fd < 0 || fds[FD_RESCAN].fd < 0) {
		complain("timers can't be made: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	while (status < 0) {
		if (poll(fds, FDS, -1) < 0 && errno != EINTR) {
			complain("poll: %s", strerror(errno));
			status = STATUS_FAILURE;
			break;
		}
		/* KVM tells of a VM before its process has the descriptor by which it is one */
		if (fds[FD_UEVENT].revents && vms__dispatch(t->vms) > 0)
			set_timer(fds[FD_RESCAN].fd, RESCAN_SOON_NS, RESCAN_NS);
		if (fds[FD_RESCAN].revents &&
		    read(fds[FD_RESCAN].fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
			vms__rescan(t->vms);
			follow_vms(t);
			adopt__vcpus(t->session, t->vms, c->roots.proc ?: "/proc");
		}
		if (fds[FD_INTERVAL].revents &&
		    read(fds[FD_INTERVAL].fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
			bool last = c->count && done + 1 >= c->count;

			status = report_now(t, last);
			forget_dead_vms(t);
			if (++done >= c->count && c->count && status < 0)
				status = STATUS_OK;
		} else if (fds[FD_SIGNAL].revents) {
			int asked = on_signal(t, fds[FD_SIGNAL].fd, signals);

			if (asked == STATUS_OK) {
				status = report_now(t, true);
				status = status < 0 ? STATUS_OK : status;
			} else {
				status = asked;
			}
		}
	}
	close(fds[FD_SIGNAL].fd);
	close(fds[FD_RESCAN].fd);
	if (c->interval_ns)
		close(fds[FD_INTERVAL].fd);
	return status;
}

/* -v: by which program each event is traced, and at the end how many of its runs were skipped. */
static void say_how(const struct trace *t, bool end)
{
	const struct choice *choices;
	size_t n = session__choices(t->session, &choices);

	for (size_t i = 0; t->common->verbose && i < n; i++) {
		const struct choice *c = &choices[i];
		uint64_t missed = session__missed_by(t->session, i);

		if (!end)
			inform(t->common, "%s:%s: %s%s%s", c->event->system, c->event->name,
			       c->rung ? c->rung->program : "not traced", *c->why ? "; no " : "",
			       c->why);
		else if (missed)
			inform(t->common, "%s:%s: %llu runs skipped", c->event->system,
			       c->event->name, (unsigned long long)missed);
	}
}

static void say_what(const struct trace *t)
{
	const struct common *c = t->common;
	struct vm **all;
	size_t n = vms__all(t->vms, &all), wanted = 0;
	char end[64] = "Ctrl-C ends it";

	for (size_t i = 0; i < n; i++)
		wanted += all[i]->wanted;
	if (c->count && c->interval_ns)
		snprintf(end, sizeof(end), "ends after %.6g s, or at Ctrl-C",
			 c->interval_ns * c->count / 1e9);
	if (c->n_patterns)
		inform(c, "Tracing %s of %zu of the %zu VMs here; %s.", t->cmd->name, wanted, n,
		       end);
	else
		inform(c, "Tracing %s of all VMs, %zu now; %s.", t->cmd->name, n, end);
}

int trace__run(const struct common *c, const struct command *cmd, const void *opts)
{
	struct trace t = {.common = c, .cmd = cmd, .opts = opts};
	sigset_t signals;
	int status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	t.n_domains = find_domains(cmd->trace, t.domains);
	t.features = features__new();
	status = check_host(&t);
	if (status < 0)
		status = find_vms(&t);
	if (status >= 0)
		goto out;
	t.out = output__open(c);
	if (!t.out) {
		status = STATUS_FAILURE;
		goto out;
	}
	say_what(&t);
	open_reporters(&t);
	t.numbers = vm_numbers__new();
	status = open_session(&t);
	if (status >= 0)
		goto out;
	say_how(&t, false);
	adopt__vcpus(t.session, t.vms, c->roots.proc ?: "/proc");
	sample(&t);
	inform(c, "attached");
	t.cpu_before = cpu_time();
	status = loop(&t, &signals);
	say_how(&t, true);
	if (status == STATUS_OK && c->strict && t.lost) {
		complain("data was lost, and --strict was given");
		status = STATUS_LOST;
	}
out:
	vm_numbers__free(t.numbers);
	session__close(t.session);
	snapshot__free(t.before);
	if (t.out && t.out != stdout)
		fclose(t.out);
	for (size_t i = 0; i < t.n_reporters; i++)
		if (t.reporters[i].domain->close)
			t.reporters[i].domain->close(t.reporters[i].state);
	vms__close(t.vms);
	features__free(t.features);
	return status;
}
