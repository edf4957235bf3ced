/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A command's tracing: checks that it can work, attaches, and reports at each interval until
 * its count is reached or somebody interrupts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "command.h"
#include "descriptors.h"
#include "monitor.h"
#include "util.h"

#define RESCAN_NS	  NSEC_PER_SEC
#define RESCAN_SOON_NS	  (NSEC_PER_SEC / 50)
#define RESCAN_DEVICES_NS (NSEC_PER_SEC / 10)

#define ASKED_SHOWN	  8

/* What the loop waits for; the first ones are its own. */
enum { FD_SIGNAL, FD_INTERVAL, FD_RESCAN, OWN_FDS, FD_UEVENT = OWN_FDS, FD_DEVICES, FDS };

struct trace {
	const struct common *common;
	const struct command *cmd;
	const void *opts;
	struct monitor *monitor;
	FILE *out;
	struct pollfd fds[FDS];
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
	case -EMFILE:
	case -ENFILE:
		return STATUS_FAILURE;
	default:
		return STATUS_KERNEL;
	}
}

/* What was asked for: "'web1', 'db*' or pid 12". */
static const char *asked_for(struct text *t, const struct common *c)
{
	size_t n = c->n_patterns + c->n_pids, shown = n > ASKED_SHOWN ? ASKED_SHOWN : n;
	const char *list = "";

	for (size_t i = 0; i < shown; i++) {
		const char *sep = !i ? "" : i + 1 < n ? ", " : " or ";

		list = i < c->n_patterns ? text__format(t, "%s%s'%s'", list, sep,
							text__safe(t, c->patterns[i], 64))
					 : text__format(t, "%s%spid %d", list, sep,
							(int)c->pids[i - c->n_patterns]);
	}
	return shown < n ? text__format(t, "%s or %zu more", list, n - shown) : list;
}

int complain_no_vm(const struct common *c, const struct vms *vms)
{
	struct vm **all;
	size_t n = vms__all(vms, &all), unreadable = vms__unreadable(vms);
	struct sink_opts plain = {.width = 1000};
	struct text *text = text__begin(stderr, &plain);

	if (unreadable)
		text__line(text,
			   "kvmscope: no VM that this user may look at matches %s; run as root, or "
			   "with CAP_SYS_PTRACE: %zu processes can't be looked into%s",
			   asked_for(text, c), unreadable, n ? "; there are, besides:" : "");
	else
		text__line(text, "kvmscope: no VM matches %s; there %s", asked_for(text, c),
			   n == 1 ? "is:"
			   : n	  ? "are:"
				  : "is none at all");
	for (size_t i = 0; i < n; i++)
		text__line(text, "  %s  (pid %d%s%s)", text__safe(text, all[i]->name, 64),
			   all[i]->pid, *all[i]->uuid ? ", uuid " : "",
			   text__safe(text, all[i]->uuid, 40));
	text__end(text);
	return unreadable ? STATUS_PRIVILEGE : STATUS_NO_VM;
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
	return n || !(t->common->n_patterns || t->common->n_pids)
		       ? -1
		       : complain_no_vm(t->common, t->monitor->vms);
}

static void log_libbpf(const char *message)
{
	fputs(message, stderr);
}

/* --- output */

FILE *output__open(const struct common *c)
{
	int mode;
	FILE *f;

	if (!c->output) {
		/* after descriptors__fill() one that was closed is open for reading */
		mode = fcntl(STDOUT_FILENO, F_GETFL);
		if (mode >= 0 && (mode & O_ACCMODE) != O_RDONLY)
			return stdout;
		complain("the report has nowhere to go: standard output is closed, or not open for "
			 "writing; open it, or name a file with -o");
		return NULL;
	}
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
	complain("output can't be written to %s: %s", c->output ?: "standard output",
		 strerror(-err));
	return STATUS_FAILURE;
}

int output__printed(void)
{
	static const struct common to_stdout;
	int status, err = 0;

	if (fflush(stdout))
		err = -errno;
	else if (ferror(stdout)) /* of an earlier part, and why has been forgotten */
		err = -EIO;
	status = output__status(&to_stdout, err);
	return status < 0 ? STATUS_OK : status;
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

static void reopen_output(struct trace *t)
{
	const char *path = t->common->output;
	FILE *f = path ? fopen(path, "ae") : NULL;

	if (!path)
		return;
	if (!f) {
		/* not a reason to end a trace that may have run for days */
		complain("%s can't be opened again: %s; reports go on to the file as it was", path,
			 strerror(errno));
		return;
	}
	fclose(t->out);
	t->out = f;
}

/* Returns -1 to go on, or an exit status. */
static int on_signal(struct trace *t, int fd, sigset_t *signals)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return -1;
	switch (info.ssi_signo) {
	case SIGHUP:
		reopen_output(t);
		return -1;
	case SIGUSR1:
		return report_now(t, false);
	default: /* SIGINT, SIGTERM; a second one ends us at once */
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		return STATUS_OK;
	}
}

/* What the loop waits for and may not get: before anybody is told that all is on. */
static int open_fds(struct trace *t, const sigset_t *signals)
{
	t->fds[FD_SIGNAL].fd = signalfd(-1, signals, SFD_CLOEXEC);
	t->fds[FD_INTERVAL].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	t->fds[FD_RESCAN].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->fds[FD_SIGNAL].fd >= 0 && t->fds[FD_INTERVAL].fd >= 0 && t->fds[FD_RESCAN].fd >= 0)
		return -1;
	complain("timers can't be made: %s", strerror(errno));
	return STATUS_FAILURE;
}

static void close_fds(const struct trace *t)
{
	for (int i = 0; i < OWN_FDS; i++)
		if (t->fds[i].fd >= 0)
			close(t->fds[i].fd);
}

static int loop(struct trace *t, sigset_t *signals)
{
	const struct common *c = t->common;
	struct pollfd *fds = t->fds;
	uint64_t ticks, done = 0;
	int status = -1;

	if (c->interval_ns)
		set_timer(fds[FD_INTERVAL].fd, c->interval_ns, c->interval_ns);
	set_timer(fds[FD_RESCAN].fd, RESCAN_NS, RESCAN_NS);
	fds[FD_UEVENT].fd = vms__fd(t->monitor->vms);
	fds[FD_DEVICES].fd = monitor__fd(t->monitor);
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
	double total = (double)c->interval_ns / 1e9 * (double)c->count;
	char end[64] = "Ctrl-C ends it";

	for (size_t i = 0; i < n; i++)
		wanted += all[i]->wanted;
	if (c->count && c->interval_ns)
		/* in digits, however many: %g has an exponent from a million on */
		snprintf(end, sizeof(end),
			 total < 1000 ? "ends after %.6g s, or at Ctrl-C"
				      : "ends after %.0f s, or at Ctrl-C",
			 total);
	if (c->n_patterns || c->n_pids)
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
		.max_subjects = c->max_subjects,
		.opts = opts,
		.roots = c->roots,
		.patterns = c->patterns,
		.n_patterns = c->n_patterns,
		.pids = c->pids,
		.n_pids = c->n_pids,
	};
	char *error;
	sigset_t signals;
	int status, err;

	for (int i = 0; i < FDS; i++)
		t.fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	t.monitor = monitor__new(&how);
	status = look(&t);
	if (status < 0)
		status = open_fds(&t, &signals);
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
	close_fds(&t);
	monitor__free(t.monitor);
	if (t.out && t.out != stdout)
		fclose(t.out);
	return status;
}
