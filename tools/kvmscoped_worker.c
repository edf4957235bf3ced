/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped's worker: traces, adds up, serves; see kvmscoped.h. */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>
#include "kvmscoped.h"
#include "monitor.h"
#include "snapshot.h"
#include "util.h"

#define TICK_NS	 NSEC_PER_SEC
#define FRESH_NS NSEC_PER_SEC /* scrapes within that share one reading */
#define RESCAN_NS \
	(5 * NSEC_PER_SEC) /* KVM tells of VMs by uevents: this is for what it does not tell */
#define SETTLE_NS   (NSEC_PER_SEC / 50) /* from the uevent to the VM's descriptors */
#define SAMPLE_NS   (NSEC_PER_SEC / 10) /* for which run times are counted */
#define DRAIN_NS    (2 * NSEC_PER_SEC)
#define MAX_DOMAINS MONITOR_DOMAINS

/* What a domain's programs had used, and what share of the CPUs that was in the last sample. */
struct cost {
	uint64_t before;
	double share;
};

struct worker {
	const struct worker_args *args;
	const struct config *config;
	struct monitor *monitor;
	struct ledger *ledger;
	struct server *server;
	struct limit limit;
	const char *names[MAX_DOMAINS + 1];    /* of the domains that are on */
	const struct domain *all[MAX_DOMAINS]; /* that were asked for */
	size_t n_all;
	struct session_constant constants[MAX_DOMAINS];
	size_t n_constants;

	uint64_t read_at, took_ns; /* the last reading: when, and how long it took */
	uint64_t rescan_at, textfile_at;
	bool soon; /* vCPUs have ended, or may have, or slots get scarce: read again at once */
	bool complete;
	bool textfile_failed;
	uint64_t loads, evicted;

	uint64_t sample_at, sample_began; /* of the cost; began 0: none is under way */
	struct cost cost[MAX_DOMAINS];
	uint64_t self_ns, self_at;
	double self_share;
	bool no_stats;
};

/* --- which domains, and how much of each */

static size_t choose_domains(struct worker *w, char **ret_error)
{
	char *list = xstrdup(w->config->domains ?: "exits,cpu,disk,net"), *rest = list, *name;

	while ((name = strsep(&rest, ", "))) {
		const struct domain *d = *name ? domain__find(name) : NULL;

		if (!*name)
			continue;
		if (!d && w->config->domains) {
			*ret_error = xasprintf("there is no domain '%.32s'", name);
			break;
		}
		if (d && w->n_all < MAX_DOMAINS)
			w->all[w->n_all++] = d;
	}
	free(list);
	return w->n_all;
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

/* --- the account */

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", "..", and the one by which we look */
}

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (f && fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

#define GAUGE(name, unit, scale, help, value, ...)                                                 \
	ledger__own(w->ledger, FAMILY_GAUGE, &(const struct metric_info){name, unit, scale, help}, \
		    (uint64_t)(value), (const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define COUNTER(name, unit, scale, help, value, ...)                                         \
	ledger__own(w->ledger, FAMILY_COUNTER,                                               \
		    &(const struct metric_info){name, unit, scale, help}, (uint64_t)(value), \
		    (const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static double programs_share(const struct worker *w)
{
	double sum = 0;

	for (size_t i = 0; i < w->n_all; i++)
		sum += w->cost[i].share;
	return sum;
}

static bool is_reduced(const struct worker *w)
{
	return w->limit.n_taken > 0;
}

static void own_metrics(struct worker *w, const struct report *r)
{
	static const char cost_help[] =
		"What tracing costs, as a share of all CPUs: the programs in "
		"the kernel by domain, and the daemon.";

	GAUGE("complete", "none", 1,
	      "1: nothing was lost since the last reading, nothing is reduced.", w->complete);
	GAUGE("vms", "none", 1, "VMs that have series, ended ones in their grace included.",
	      ledger__vms(w->ledger));
	GAUGE("series", "none", 1, "Series of VMs.", ledger__series(w->ledger));
	for (size_t i = 0; i < w->n_all; i++) {
		if (!w->all[i]->n_levels)
			continue;
		GAUGE("cost", "ratio", 1e-9, cost_help, w->cost[i].share * 1e9, "part",
		      w->all[i]->name);
		GAUGE("reduced_steps", "none", 1,
		      "Steps that the cost limit has taken a domain down: 0, all of it is traced.",
		      limit__reduced(&w->limit, w->all[i]), "domain", w->all[i]->name);
	}
	GAUGE("cost", "ratio", 1e-9, cost_help, w->self_share * 1e9, "part", "daemon");
	GAUGE("cost_limit", "ratio", 1e-9, "The share of all CPUs that tracing may cost; 0: any.",
	      w->limit.max * 1e9);
	COUNTER("daemon_cpu", "seconds", 1e-9, "CPU time that the daemon has used.", r->cost_ns);
	GAUGE("daemon_resident_memory", "bytes", 1, "Resident memory of the daemon.",
	      resident_bytes());
	GAUGE("daemon_open_fds", "none", 1, "Open file descriptors of the daemon.", count_fds());
	GAUGE("read_duration", "seconds", 1e-9, "How long the last reading of the counters took.",
	      w->took_ns);
	COUNTER("http_evicted_connections", "none", 1,
		"Connections that were ended: too many, or too slow.",
		http__evicted(server__http(w->server)) - w->evicted);
	w->evicted = http__evicted(server__http(w->server));
}

/*
 * The slots of vCPUs that ended are free after the next reading but one: where many come and go, or
 * KVM does not tell, there must be one soon.
 */
static bool slots_are_scarce(const struct worker *w)
{
	const struct snapshot *snap = w->monitor->before;
	bool gone = false;

	for (size_t i = 0; i < snap->n_vcpu; i++)
		gone |= snap->vcpu[i].gone;
	return gone || snap->n_vcpu > w->config->max_vcpus / 4;
}

/* Reads all counters, and adds them to the account. */
static int read_counters(struct worker *w, bool final)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	struct report *r;
	char *error;
	int err = monitor__report(w->monitor, final, &r, &error);

	if (err) {
		log__say(LOG_ERR, "%s", error);
		free(error);
		return err;
	}
	ledger__add(w->ledger, r, w->all, w->n_all, w->monitor->vms, clock_ns(CLOCK_BOOTTIME));
	monitor__forget_dead(w->monitor);
	if (w->complete && !r->complete)
		for (size_t i = 0; i < r->n_loss; i++)
			if (r->loss[i].n)
				log__say(LOG_WARNING, "incomplete: %s %llu: %s", r->loss[i].name,
					 (unsigned long long)r->loss[i].n, r->loss[i].help);
	w->complete = r->complete && !is_reduced(w);
	w->read_at = clock_ns(CLOCK_MONOTONIC);
	w->took_ns = w->read_at - began;
	w->soon = slots_are_scarce(w);
	own_metrics(w, r);
	report__free(r);
	server__forget(w->server);
	return 0;
}

static void refresh(void *arg)
{
	struct worker *w = arg;

	if (clock_ns(CLOCK_MONOTONIC) - w->read_at >= FRESH_NS)
		read_counters(w, false);
}

static bool ready(void *arg)
{
	struct worker *w = arg;

	return clock_ns(CLOCK_MONOTONIC) - w->read_at < 3 * w->config->interval_ns;
}

static void write_textfile(struct worker *w, uint64_t now)
{
	int err;

	if (!w->config->textfile || now < w->textfile_at)
		return;
	w->textfile_at = now + w->config->interval_ns;
	err = server__write_textfile(w->server);
	if (err && !w->textfile_failed)
		log__say(LOG_ERR, "%s can't be written: %s", w->config->textfile, strerror(-err));
	w->textfile_failed = err;
}

/* --- the cost */

static bool ask(struct worker *w, char what)
{
	char answer = ANSWER_NO;

	return send(w->args->keeper_fd, &what, 1, MSG_NOSIGNAL) == 1 &&
	       recv(w->args->keeper_fd, &answer, 1, 0) == 1 && answer == ANSWER_YES;
}

static void tell(struct worker *w, char what)
{
	if (send(w->args->keeper_fd, &what, 1, MSG_NOSIGNAL) != 1)
		log__say(LOG_ERR, "the keeper does not hear: %s", strerror(errno));
}

/* Run time of a domain's programs. */
static uint64_t runtime(const struct worker *w, const struct domain *d)
{
	const struct choice *choices;
	size_t n = session__choices(w->monitor->session, &choices);
	uint64_t runs, ns, sum = 0;

	for (size_t i = 0; i < n; i++)
		if (choices[i].domain == d && !session__runtime(w->monitor->session, i, &runs, &ns))
			sum += ns;
	return sum;
}

static void begin_sample(struct worker *w, uint64_t now)
{
	w->sample_at = now + w->config->cost_interval_ns;
	if (w->no_stats)
		return;
	if (!ask(w, ASK_STATS_ON)) {
		w->no_stats = true;
		log__say(LOG_WARNING,
			 "what the programs cost can't be known without CAP_SYS_ADMIN: the "
			 "limit is held against the daemon's own CPU time only");
		return;
	}
	for (size_t i = 0; i < w->n_all; i++)
		w->cost[i].before = runtime(w, w->all[i]);
	w->sample_began = clock_ns(CLOCK_MONOTONIC);
}

/* Of the whole time since the last sample, for it comes in bursts. */
static void own_share(struct worker *w, uint64_t now, long cpus)
{
	uint64_t used = monitor__cpu_time();

	if (w->self_at && now > w->self_at)
		w->self_share =
			(double)(used - w->self_ns) / (double)(now - w->self_at) / (double)cpus;
	w->self_ns = used;
	w->self_at = now;
}

static const char *level_name(const struct worker *w, const struct domain *d)
{
	const struct level *level = limit__level(&w->limit, d);

	return level ? level->name : "off";
}

/* Returns an exit status, or -1 to go on. */
static int end_sample(struct worker *w, uint64_t now)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double of_domain[MAX_DOMAINS], cost;
	const struct domain *stepped;
	enum limit_step step;

	own_share(w, now, cpus);
	for (size_t i = 0, k = 0; i < w->n_all; i++) {
		if (w->sample_began)
			w->cost[i].share = (double)(runtime(w, w->all[i]) - w->cost[i].before) /
					   (double)(now - w->sample_began) / (double)cpus;
		if (w->cost[i].share > 1) /* the kernel takes run times by a clock of its own */
			w->cost[i].share = 1;
		if (w->all[i]->n_levels)
			of_domain[k++] = w->cost[i].share;
	}
	if (w->sample_began)
		ask(w, ASK_STATS_OFF);
	w->sample_began = 0;
	cost = programs_share(w) + w->self_share;
	step = limit__sample(&w->limit, cost, of_domain, now, &stepped);
	if (step == LIMIT_STAY)
		return -1;
	log__say(step == LIMIT_DOWN ? LOG_WARNING : LOG_NOTICE,
		 "tracing costs %.2f %% of all CPUs, the limit is %.2f %%: %s goes %s to %s",
		 cost * 100, w->limit.max * 100, stepped->name, step == LIMIT_DOWN ? "down" : "up",
		 level_name(w, stepped));
	COUNTER("limit_steps", "none", 1, "Steps that the cost limit has taken.", 1, "direction",
		step == LIMIT_DOWN ? "down" : "up");
	return STATUS_AGAIN;
}

/* --- from one worker to the next */

static void leave_legacy(struct worker *w)
{
	struct legacy legacy = {.limit = w->limit, .loads = w->loads};
	struct buffer b = {};

	ledger__save(w->ledger, &b);
	legacy.ledger_size = b.n;
	if (ftruncate(w->args->memory_fd, 0) ||
	    pwrite(w->args->memory_fd, b.data, b.n, sizeof(legacy)) != (ssize_t)b.n ||
	    pwrite(w->args->memory_fd, &legacy, sizeof(legacy), 0) != sizeof(legacy))
		log__say(LOG_ERR, "the account can't be handed on, counters begin at 0: %s",
			 strerror(errno));
	buffer__free(&b);
}

/* The limit's state begins anew, for it counts domains by their numbers. */
static void init_limit(struct worker *w)
{
	limit__init(&w->limit, w->config->max_cpu, w->config->calm_ns);
	for (size_t i = 0; i < w->n_all; i++)
		limit__add(&w->limit, w->all[i]);
}

/* The limit's state, before anything is loaded. */
static void read_legacy(struct worker *w)
{
	struct legacy legacy;
	struct limit *l = &legacy.limit;

	init_limit(w);
	if (pread(w->args->memory_fd, &legacy, sizeof(legacy), 0) != sizeof(legacy))
		return;
	w->loads = legacy.loads;
	/* a reload with other domains or another limit begins anew */
	if (l->n != w->limit.n || l->max != w->limit.max || l->n_taken > LIMIT_STEPS)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->level[i] > w->limit.domain[i]->n_levels)
			return;
	for (size_t i = 0; i < l->n_taken; i++)
		if (l->taken[i] >= l->n)
			return;
	memcpy(l->domain, w->limit.domain, sizeof(l->domain));
	w->limit = *l;
}

/* The account, without privileges: what is in it came from outside. */
static void read_ledger(struct worker *w)
{
	struct legacy legacy;
	char *data;

	if (pread(w->args->memory_fd, &legacy, sizeof(legacy), 0) != sizeof(legacy) ||
	    !legacy.ledger_size || legacy.ledger_size > 1ULL << 32)
		return;
	data = xcalloc(legacy.ledger_size, 1);
	if (pread(w->args->memory_fd, data, legacy.ledger_size, sizeof(legacy)) !=
		    (ssize_t)legacy.ledger_size ||
	    ledger__restore(w->ledger, data, legacy.ledger_size))
		log__say(LOG_ERR, "the account of before can't be read: counters begin at 0");
	free(data);
	if (ftruncate(w->args->memory_fd, 0))
		log__say(LOG_ERR, "memory can't be given back: %s", strerror(errno));
}

/* --- start */

static int failed(int err, char *error)
{
	log__say(LOG_ERR, "%s", error);
	free(error);
	return err == -EPERM || err == -EACCES ? STATUS_PRIVILEGE
	       : err == -ENOMEM || err == -EIO ? STATUS_FAILURE
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
		if (!err || err == -EPERM || err == -ENOMEM || w->config->domains || w->n_all == 1)
			return err;
		/* the last one needs most of a kernel: the order is that of the default */
		log__say(LOG_WARNING, "%s; going on without domain %s", *ret_error,
			 w->all[--w->n_all]->name);
		free(*ret_error);
		monitor__free(w->monitor);
		init_limit(w);
	}
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
		if (read_counters(w, false))
			return STATUS_FAILURE;
	write_textfile(w, now);
	if (w->sample_began ? now - w->sample_began >= SAMPLE_NS : now >= w->sample_at) {
		if (!w->sample_began)
			begin_sample(w, now);
		if (!w->sample_began || now - w->sample_began >= SAMPLE_NS)
			return end_sample(w, clock_ns(CLOCK_MONOTONIC));
	}
	return -1;
}

/* When on_time() has something to do again, at the latest. */
static int wait_ms(const struct worker *w, uint64_t now)
{
	uint64_t at = now + TICK_NS;
	int ms = http__timeout(server__http(w->server)), own;

	if (w->sample_began && at > w->sample_began + SAMPLE_NS)
		at = w->sample_began + SAMPLE_NS;
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
		if (status < 0)
			status = on_time(w, now);
		if (now - told >= TICK_NS) {
			tell(w, TELL_ALIVE);
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
	w->complete = true;
	ledger__own(w->ledger, FAMILY_INFO, &build, 1,
		    (const char *[]){"version", KVMSCOPE_VERSION, NULL});
	COUNTER("loads", "none", 1, "How often programs were loaded: at start, reload, steps.", 1);
	if (read_counters(w, false))
		return STATUS_FAILURE;
	tell(w, TELL_READY);
	status = loop(w, signal_fd);
	if (status == STATUS_AGAIN || status == STATUS_OK) {
		drain(w);
		read_counters(w, true);
		write_textfile(w, UINT64_MAX);
	}
	return status;
}

int worker__run(const struct worker_args *args)
{
	struct worker w = {.args = args, .config = args->config};
	struct monitor_opts how = {
		.kind = "daemon",
		.max_vcpus = args->config->max_vcpus,
		.roots = args->config->roots,
		.keep_programs = true,
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
	if (!choose_domains(&w, &error) || error) {
		log__say(LOG_ERR, "%s", error ?: "there is no domain to trace");
		free(error);
		return STATUS_USAGE;
	}
	w.ledger = ledger__new(&args->config->ledger);
	read_legacy(&w);
	status = load(&w, &how);
	if (status < 0) {
		w.loads++;
		say_how(&w);
		read_ledger(&w);
		monitor__find_vms(w.monitor, &error);
		monitor__rescan(w.monitor);
		status = serve(&w, signal_fd);
	}
	if (status == STATUS_AGAIN)
		leave_legacy(&w);
	server__free(w.server);
	monitor__free(w.monitor);
	ledger__free(w.ledger);
	close(signal_fd);
	return status;
}
