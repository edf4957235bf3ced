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
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "command.h"
#include "monitor.h"
#include "util.h"

#define RESCAN_NS	  NSEC_PER_SEC
#define RESCAN_SOON_NS	  (NSEC_PER_SEC / 50)
#define RESCAN_DEVICES_NS (NSEC_PER_SEC / 10)

struct trace {
	const struct common *common;
	const struct command *cmd;
	const void *opts;
	struct monitor *monitor;
	FILE *out;
	bool lost;
};

/* --- what must be there */

/* Complains of what monitor.h's functions tell; returns the exit status. */
static int failed(int err, char *error)
{
	complain("%s", error);
	free(error);
	switch (err) {
	case -EINVAL:
		return STATUS_USAGE;
	case -EPERM:
	case -EACCES:
		return STATUS_PRIVILEGE;
	case -ENOMEM:
	case -EIO:
		return STATUS_FAILURE;
	default:
		return STATUS_KERNEL;
	}
}

int complain_no_vm(const struct common *c, const struct vms *vms)
{
	struct vm **all;
	size_t n = vms__all(vms, &all);
	struct sink_opts plain = {.width = 200};
	struct text *text = text__begin(stderr, &plain);

	text__line(text, "kvmscope: no VM matches '%s'; there %s",
		   text__safe(text, c->patterns[0], 64),
		   n == 1 ? "is:"
		   : n	  ? "are:"
			  : "is none at all");
	for (size_t i = 0; i < n; i++)
		text__line(text, "  %s  (pid %d%s%s)", text__safe(text, all[i]->name, 64),
			   all[i]->pid, *all[i]->uuid ? ", uuid " : "",
			   text__safe(text, all[i]->uuid, 40));
	text__end(text);
	return STATUS_NO_VM;
}

/* Up to the VMs: returns -1 to go on, or an exit status. */
static int look(struct trace *t)
{
	char *error;
	int n, err = monitor__check(t->monitor, &error);

	if (err)
		return failed(err, error);
	n = monitor__find_vms(t->monitor, &error);
	if (n < 0)
		return failed(n, error);
	return n || !t->common->n_patterns ? -1 : complain_no_vm(t->common, t->monitor->vms);
}

static void log_libbpf(const char *message)
{
	fputs(message, stderr);
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

/* Returns -1 to go on, or an exit status. */
static int report_now(struct trace *t, bool final)
{
	struct report *r;
	char *error;
	int err = monitor__report(t->monitor, final, &r, &error);

	if (err) {
		complain("%s", error);
		free(error);
		return STATUS_FAILURE;
	}
	t->lost |= !r->complete;
	if (t->common->json) {
		err = sink_json__write(t->out, r, &t->common->sink);
	} else {
		struct text *text = text__begin(t->out, &t->common->sink);

		t->cmd->text(text, r, t->opts);
		err = text__end(text);
	}
	report__free(r);
	if (t->monitor->healed)
		inform(t->common, "the kernel skipped program runs: changed over to classic "
				  "tracepoints where it did");
	return output__status(t->common, err);
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

enum { FD_SIGNAL, FD_INTERVAL, FD_RESCAN, FD_UEVENT, FD_DEVICES, FDS };

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
	fds[FD_UEVENT].fd = vms__fd(t->monitor->vms);
	fds[FD_DEVICES].fd = monitor__fd(t->monitor);
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
		if (fds[FD_UEVENT].revents && vms__dispatch(t->monitor->vms) > 0)
			set_timer(fds[FD_RESCAN].fd, RESCAN_SOON_NS, RESCAN_NS);
		if (fds[FD_DEVICES].revents) { /* it stays so until then: do not look so long */
			set_timer(fds[FD_RESCAN].fd, RESCAN_DEVICES_NS, RESCAN_NS);
			fds[FD_DEVICES].fd = -1;
		}
		if (fds[FD_RESCAN].revents &&
		    read(fds[FD_RESCAN].fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
			monitor__rescan(t->monitor);
			fds[FD_DEVICES].fd = monitor__fd(t->monitor);
		}
		if (fds[FD_INTERVAL].revents &&
		    read(fds[FD_INTERVAL].fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
			bool last = c->count && done + 1 >= c->count;

			status = report_now(t, last);
			monitor__forget_dead(t->monitor);
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
	size_t n = session__choices(t->monitor->session, &choices);

	for (size_t i = 0; t->common->verbose && i < n; i++) {
		const struct choice *c = &choices[i];
		uint64_t missed = session__missed_by(t->monitor->session, i);

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
	size_t n = vms__all(t->monitor->vms, &all), wanted = 0;
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
	const struct monitor_opts how = {
		.kind = cmd->name,
		.trace = cmd->trace,
		.report = cmd->report,
		.modes = cmd->modes(opts),
		.max_vcpus = c->max_vcpus,
		.opts = opts,
		.roots = c->roots,
		.patterns = c->patterns,
		.n_patterns = c->n_patterns,
	};
	char *error;
	sigset_t signals;
	int status, err;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	t.monitor = monitor__new(&how);
	status = look(&t);
	if (status >= 0)
		goto out;
	t.out = output__open(c);
	if (!t.out) {
		status = STATUS_FAILURE;
		goto out;
	}
	say_what(&t);
	if (c->verbose > 1)
		session__set_log(log_libbpf);
	err = monitor__start(t.monitor, &error);
	if (err) {
		status = failed(err, error);
		goto out;
	}
	say_how(&t, false);
	inform(c, "attached");
	status = loop(&t, &signals);
	say_how(&t, true);
	if (status == STATUS_OK && c->strict && t.lost) {
		complain("data was lost, and --strict was given");
		status = STATUS_LOST;
	}
out:
	monitor__free(t.monitor);
	if (t.out && t.out != stdout)
		fclose(t.out);
	return status;
}
