/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped's worker: traces, adds up, serves; see kvmscoped_worker.h. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>
#include "descriptors.h"
#include "kvmscoped_worker.h"
#include "net_space.h"
#include "util.h"

#define TICK_NS NSEC_PER_SEC
#define RESCAN_NS \
	(5 * NSEC_PER_SEC) /* KVM tells of VMs by uevents: this is for what it does not tell */
#define SETTLE_NS (NSEC_PER_SEC / 50) /* from the uevent to the VM's descriptors */
#define DRAIN_NS  (2 * NSEC_PER_SEC)

/* --- which domains, and how much of each */

static void add_domain(struct worker *w, const struct domain *d)
{
	for (size_t i = 0; i < w->n_all; i++)
		if (w->all[i] == d)
			return;
	if (d && w->n_all < MAX_DOMAINS)
		w->all[w->n_all++] = d;
}

/* Those that are named; and those whose events they read, which are shown, too. */
static void choose_domains(struct worker *w)
{
	char *list = xstrdup(w->config->domains ?: "exits,cpu,disk,net"), *rest = list, *name;

	while ((name = strsep(&rest, ", ")))
		add_domain(w, domain__find(name));
	for (size_t i = 0; i < w->n_all; i++)
		if (w->all[i]->events_of)
			add_domain(w, domain__find(w->all[i]->events_of));
	free(list);
}

/* From the levels of the domains to what a session is asked for. */
static void apply_levels(struct worker *w, struct monitor_opts *how)
{
	size_t n = 0;

	how->modes = 0;
	w->n_constants = 0;
	for (size_t i = 0; i < w->n_all; i++) {
		const struct level *level = limit__level(&w->limit, w->all[i]);

		if (w->all[i]->n_levels && !level)
			continue;
		w->names[n++] = w->all[i]->name;
		if (!level)
			continue;
		how->modes |= level->modes;
		if (level->variable)
			w->constants[w->n_constants++] =
				(struct session_constant){level->variable, level->value};
	}
	w->names[n] = NULL;
	how->trace = how->report = w->names;
	how->constants = w->constants;
	how->n_constants = w->n_constants;
}

/* What the account has series of. */
static void measure(struct worker *w, unsigned int modes)
{
	const struct domain *on[MAX_DOMAINS];
	size_t n = 0;

	for (; w->names[n]; n++)
		on[n] = domain__find(w->names[n]);
	ledger__measure(w->ledger, on, n, modes, clock_ns(CLOCK_BOOTTIME));
}

/* --- start */

static int failed(int err, char *error)
{
	log__say(LOG_ERR, "%s", error);
	free(error);
	return err == -EPERM || err == -EACCES				      ? STATUS_PRIVILEGE
	       : err == -ENOMEM || err == -EIO || descriptors__exhausted(err) ? STATUS_FAILURE
									      : STATUS_KERNEL;
}

/* Reads counters as a report does, and walks the tasks as a look for vCPUs does. */
static bool works_unprivileged(void *arg)
{
	struct session *s = arg;
	const struct adoptee nobody = {.tid = 1 << 30, .vcpu_id = -1};
	uint64_t losses[KS_LOSSES];

	return !session__losses(s, losses) && !session__adopt(s, &nobody, 1);
}

/* Has this kernel all the events that a domain can't do without? */
static bool is_possible(const struct worker *w, const struct domain *d, unsigned int modes)
{
	struct choice *choices;
	size_t n = session__choose(w->monitor->features, &d, 1, modes, RUNG_BTF, &choices), missing;

	for (missing = 0; missing < n; missing++)
		if (!choices[missing].rung && !choices[missing].event->optional)
			break;
	free(choices);
	return missing == n;
}

/* The domain because of which nothing could be loaded; where that does not show, the last: it takes
 * most of a kernel, for the order is that of the default. */
static size_t find_culprit(const struct worker *w, unsigned int modes)
{
	size_t i = 0;

	features__load_btf(w->monitor->features);
	while (i < w->n_all - 1 && is_possible(w, w->all[i], modes))
		i++;
	features__drop_btf(w->monitor->features);
	return i;
}

static void drop_domain(struct worker *w, size_t i, const char *why)
{
	const char *name = w->all[i]->name;

	log__say(LOG_WARNING, "%s; going on without domain %s", why, name);
	w->impossible[w->n_impossible++] = name;
	memmove(&w->all[i], &w->all[i + 1], (--w->n_all - i) * sizeof(*w->all));
	/* and who reads its events */
	for (size_t k = 0; k < w->n_all; k++)
		if (w->all[k]->events_of && !strcmp(w->all[k]->events_of, name))
			drop_domain(w, k--, "its events are another domain's");
}

/*
 * Loads and attaches. A domain that can't be had on this kernel is an error where it was asked for;
 * in the default set it is a warning, and the rest goes on without it.
 */
static int start(struct worker *w, struct monitor_opts *how, char **ret_error)
{
	for (;;) {
		int err;

		apply_levels(w, how);
		w->monitor = monitor__new(how);
		err = monitor__check(w->monitor, ret_error);
		if (err)
			return err;
		err = monitor__start(w->monitor, ret_error);
		if (!err || err == -EPERM || descriptors__exhausted(err) || w->config->domains ||
		    w->n_all == 1)
			return err;
		drop_domain(w, find_culprit(w, how->modes), *ret_error);
		if (!w->n_all)
			return err;
		free(*ret_error);
		monitor__free(w->monitor);
		legacy__init_limit(w);
	}
}

/* For net_space.h, by the keeper, for setns() takes CAP_SYS_ADMIN. */
static int make_net_space(int ns, int fd[NET_SPACE_FDS], void *arg)
{
	struct worker *w = arg;
	char answer = ANSWER_NO;
	int n, err = message__send(w->args->keeper_fd, ASK_NET_SPACE, &ns, 1);

	for (size_t i = 0; i < NET_SPACE_FDS; i++)
		fd[i] = -1;
	if (err)
		return err;
	n = message__receive(w->args->keeper_fd, &answer, fd);
	if (n >= 2 && answer == ANSWER_YES)
		return 0;
	net_space__unmake(fd);
	if (!w->net_space_failed)
		log__say(LOG_WARNING, "the interfaces of VMs in other network namespaces can't be "
				      "followed: CAP_SYS_ADMIN is missing, or the unit's "
				      "RestrictNamespaces= forbids it");
	w->net_space_failed = true;
	return -EPERM;
}

/* What works without, and how much worse. The rest is an error: monitor__check(). */
static void say_missing(const struct features *f, const char *user)
{
	if (privileges__stays_root(user))
		log__say(LOG_NOTICE, "there is no user " DEFAULT_USER
				     ": the worker stays root, without root's capabilities");
	if (!f->cap_admin)
		log__say(LOG_WARNING,
			 "CAP_SYS_ADMIN is missing: %swhat the programs cost is not known, so "
			 "that the "
			 "limit is held against the daemon's own CPU time only",
			 f->kvm_types ? ""
				      : "kvm.ko's types can't be used, and dearer forms of the "
					"programs are; and ");
	if (!f->cap_ptrace)
		log__say(LOG_WARNING, "CAP_SYS_PTRACE is missing: what other users' VMs have open "
				      "can't be seen, so "
				      "that their disks and interfaces are (host)'s, and a VM is "
				      "found by its first "
				      "event");
	if (!f->cap_dac)
		log__say(LOG_WARNING, "CAP_DAC_READ_SEARCH is missing: libvirt's names and tracefs "
				      "can't be read");
}

/* Loads, attaches, and drops what that took. Returns -1, or an exit status. */
static int load(struct worker *w, struct monitor_opts *how)
{
	char *error;
	bool bpf;
	int err;

	err = start(w, how, &error);
	if (err)
		return failed(err, error);
	if (!w->loads)
		say_missing(w->monitor->features, w->config->user);
	net_space__set_maker(make_net_space, w);
	bpf = privileges__bpf_needed(w->config->user, works_unprivileged, w->monitor->session);
	err = privileges__drop(w->config->user, bpf);
	if (err) {
		log__say(LOG_ERR, "privileges can't be dropped: %s", strerror(-err));
		return STATUS_FAILURE;
	}
	if (bpf && w->config->verbose)
		log__say(LOG_INFO, "CAP_BPF is kept: this kernel wants it for reading maps");
	malloc_trim(0); /* the kernel's types took 10 MB */
	return -1;
}

static void say_how(const struct worker *w)
{
	const struct choice *choices;
	size_t n = session__choices(w->monitor->session, &choices);

	for (size_t i = 0; i < n && w->config->verbose; i++)
		log__say(LOG_INFO, "%s:%s: %s%s%s", choices[i].event->system,
			 choices[i].event->name,
			 choices[i].rung ? choices[i].rung->program : "not traced",
			 *choices[i].why ? "; no " : "", choices[i].why);
}

/* --- the loop */

enum { FD_SIGNAL, FD_UEVENT, FD_KEEPER, FD_HTTP, FDS = FD_HTTP + HTTP_LISTEN_MAX };

/* What is to be done at this time. Returns an exit status, or -1 to go on. */
static int on_time(struct worker *w, uint64_t now)
{
	if (now >= w->rescan_at) {
		monitor__rescan(w->monitor);
		w->rescan_at = now + RESCAN_NS;
	}
	if (now - w->read_at >= w->config->interval_ns || (w->soon && now - w->read_at >= FRESH_NS))
		if (account__read(w, false))
			return STATUS_FAILURE;
	account__write_textfile(w, now);
	return costs__run(w, now);
}

/* When on_time() has something to do again, at the latest. */
static int wait_ms(const struct worker *w, uint64_t now)
{
	uint64_t at = now + TICK_NS;
	int ms = http__timeout(server__http(w->server)), own;

	if (at > costs__next(w))
		at = costs__next(w);
	if (at > w->rescan_at)
		at = w->rescan_at;
	own = at > now ? (int)((at - now + 999999) / 1000000) : 0;
	return ms >= 0 && ms < own ? ms : own;
}

static int on_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return -1;
	return info.ssi_signo == SIGHUP ? STATUS_AGAIN : STATUS_OK;
}

static int loop(struct worker *w, int signal_fd)
{
	struct pollfd fds[FDS];
	int http_fd[HTTP_LISTEN_MAX], status = -1;
	size_t n = http__fds(server__http(w->server), http_fd);
	uint64_t told = 0;

	for (size_t i = 0; i < FDS; i++)
		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	fds[FD_SIGNAL].fd = signal_fd;
	fds[FD_UEVENT].fd = vms__fd(w->monitor->vms);
	fds[FD_KEEPER].fd = w->args->keeper_fd;
	fds[FD_KEEPER].events = 0; /* its end only */
	for (size_t i = 0; i < n; i++)
		fds[FD_HTTP + i].fd = http_fd[i];
	while (status < 0) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		if (poll(fds, FDS, wait_ms(w, now)) < 0 && errno != EINTR) {
			log__say(LOG_ERR, "poll: %s", strerror(errno));
			return STATUS_FAILURE;
		}
		now = clock_ns(CLOCK_MONOTONIC);
		if (fds[FD_KEEPER].revents & POLLHUP)
			return STATUS_FAILURE;
		if (fds[FD_UEVENT].revents && vms__dispatch(w->monitor->vms) > 0) {
			w->rescan_at = now + SETTLE_NS;
			w->soon = true;
		}
		if (fds[FD_SIGNAL].revents)
			status = on_signal(signal_fd);
		http__run(server__http(w->server));
		now = clock_ns(CLOCK_MONOTONIC); /* a scrape may have read the counters */
		if (status < 0)
			status = on_time(w, now);
		if (now - told >= TICK_NS) {
			worker__tell(w, TELL_ALIVE);
			told = now;
		}
	}
	return status;
}

/* Replies that are under way are finished; scrapes that come now wait for the next worker. */
static void drain(struct worker *w)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);

	while (!http__drain(server__http(w->server)) &&
	       clock_ns(CLOCK_MONOTONIC) - began < DRAIN_NS) {
		struct pollfd fds[HTTP_LISTEN_MAX];
		int fd[HTTP_LISTEN_MAX];
		size_t n = http__fds(server__http(w->server), fd);

		for (size_t i = 0; i < n; i++)
			fds[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
		poll(fds, n, 50);
		http__run(server__http(w->server));
	}
}

static void refresh(void *arg)
{
	struct worker *w = arg;

	if (clock_ns(CLOCK_MONOTONIC) - w->read_at >= FRESH_NS)
		account__read(w, false);
}

static bool ready(void *arg)
{
	struct worker *w = arg;

	return clock_ns(CLOCK_MONOTONIC) - w->read_at < 3 * w->config->interval_ns;
}

static int serve(struct worker *w, int signal_fd)
{
	static const struct metric_info build = {"build", "none", 1,
						 "The version of kvmscoped that runs."};
	const struct server_opts opts = {.config = w->config,
					 .ledger = w->ledger,
					 .refresh = refresh,
					 .ready = ready,
					 .arg = w};
	int status;

	w->server = server__new(&opts, w->args->listen_fd, w->args->n_listen);
	if (!w->server) {
		log__say(LOG_ERR, "the HTTP server can't be started");
		return STATUS_FAILURE;
	}
	ledger__own(w->ledger, FAMILY_INFO, &build, 1,
		    (const char *[]){"version", KVMSCOPE_VERSION, NULL});
	COUNTER("loads", "none", 1, "How often programs were loaded: at start, reload, steps.", 1);
	COUNTER("untraced", "seconds", 1e-9,
		"Time in which nothing was counted, for programs were loaded again: at a reload, "
		"and "
		"at each step of the cost limit.",
		w->blind_since ? session__attached_at(w->monitor->session) - w->blind_since : 0);
	if (account__read(w, false))
		return STATUS_FAILURE;
	w->blind_since = 0;
	worker__tell(w, w->limit.n_taken ? TELL_READY_REDUCED : TELL_READY);
	status = loop(w, signal_fd);
	if (status == STATUS_AGAIN || status == STATUS_OK) {
		drain(w);
		account__read(w, true);
		account__write_textfile(w, UINT64_MAX);
	}
	if (status == STATUS_OK)
		account__remove_textfile(w->config->textfile);
	return status;
}

int worker__run(const struct worker_args *args)
{
	struct worker w = {.args = args, .config = args->config};
	struct monitor_opts how = {
		.kind = "daemon",
		.max_vcpus = args->config->max_vcpus,
		.max_subjects = args->config->max_subjects,
		.roots = args->config->roots,
		.fixed = true,
	};
	char *error = NULL;
	sigset_t signals;
	int status, signal_fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	choose_domains(&w);
	w.ledger = ledger__new(&args->config->ledger);
	legacy__read(&w);
	status = load(&w, &how);
	if (status < 0) {
		w.loads++;
		say_how(&w);
		legacy__read_ledger(&w);
		measure(&w, how.modes);
		monitor__find_vms(w.monitor, &error);
		monitor__rescan(w.monitor);
		status = serve(&w, signal_fd);
	}
	if (status == STATUS_AGAIN)
		legacy__leave(&w);
	costs__free(&w);
	server__free(w.server);
	monitor__free(w.monitor);
	ledger__free(w.ledger);
	close(signal_fd);
	return status;
}
