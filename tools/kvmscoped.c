/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped: the keeper; see kvmscoped.h. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <systemd/sd-daemon.h>
#include "descriptors.h"
#include "kvmscoped.h"
#include "net_space.h"
#include "util.h"

/* Run times are counted no longer than that, whatever the worker does. */
#define STATS_MAX_NS (2 * NSEC_PER_SEC)
/*
 * While a worker loads its programs it can't say that it is alive. The keeper does so for it, but
 * not for ever.
 */
#define LOADING_PING_NS (5 * NSEC_PER_SEC) /* or sooner, if systemd's watchdog wants it */
#define LOADING_MAX_NS	(600 * NSEC_PER_SEC)

struct keeper {
	int argc;
	char **argv;
	/* as it is wanted; the worker's; the last one with which a worker was ready */
	struct config config, tried, proven;
	unsigned int n_config, n_tried, n_proven; /* the how manieth each is; 0: none */
	struct worker_args args;
	int signal_fd;
	int worker_fd; /* to the worker */
	pid_t worker;
	int stats_fd; /* -1: the kernel does not count run times for us */
	uint64_t ping_ns;
	uint64_t stats_since, loading_since, pinged; /* CLOCK_MONOTONIC ns; loading 0: it serves */
	bool ready;
	bool ending;
	bool own_path; /* the unix socket is ours to remove: not systemd's, nor somebody else's */
};

/* --- sockets */

static int add_socket(struct keeper *k, int fd, const char *what)
{
	if (fd == -EINVAL) {
		log__say(LOG_ERR,
			 "'%.100s' is no address to listen on: an IP address and a port, as in "
			 "127.0.0.1:9736, or a path",
			 what);
		return STATUS_USAGE;
	}
	if (fd < 0) {
		log__say(LOG_ERR, "can't listen on %.100s: %s", what, strerror(-fd));
		return STATUS_FAILURE;
	}
	k->args.listen_fd[k->args.n_listen++] = fd;
	return -1;
}

/* Port 0 is one that the kernel chooses: nobody else knows which. */
static void say_port(int fd, const char *address)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} own;
	socklen_t size = sizeof(own);
	const char *colon = strrchr(address, ':');

	if (strtoul(colon + 1, NULL, 10) || getsockname(fd, &own.any, &size))
		return;
	log__say(LOG_INFO, "listening on %.*s:%u", (int)(colon - address), address,
		 ntohs(own.any.sa_family == AF_INET6 ? own.in6.sin6_port : own.in.sin_port));
}

/* Systemd's sockets, if there are any; else those of the configuration. Returns -1 or a status. */
static int open_sockets(struct keeper *k)
{
	const struct config *c = &k->config;
	int n = sd_listen_fds(1), status = -1;

	for (int i = 0; i < n && i < HTTP_LISTEN_MAX; i++)
		k->args.listen_fd[k->args.n_listen++] = SD_LISTEN_FDS_START + i;
	if (n > 0)
		return -1;
	for (size_t i = 0; i < c->n_listen && status < 0; i++) {
		if (!strcmp(c->listen[i], "none"))
			continue;
		status = add_socket(k, http__listen_tcp(c->listen[i]), c->listen[i]);
		if (status < 0)
			say_port(k->args.listen_fd[k->args.n_listen - 1], c->listen[i]);
	}
	if (status < 0 && c->unix_path) {
		status = k->args.n_listen < HTTP_LISTEN_MAX
				 ? add_socket(k, http__listen_unix(c->unix_path), c->unix_path)
				 : STATUS_USAGE;
		k->own_path = status < 0;
	}
	return status;
}

/* Who is traced for? A socket that systemd has handed over is not in the configuration. */
static char *serves_nobody(const struct keeper *k, const struct config *c)
{
	if (k->args.n_listen || c->textfile)
		return NULL;
	return xstrdup("nobody would see what is traced: --listen is none, and there is neither "
		       "--unix nor --textfile; see kvmscoped --help");
}

/* --- the worker */

static int start_worker(struct keeper *k)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		log__say(LOG_ERR, "socketpair: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	k->tried = k->config;
	k->n_tried = k->n_config;
	k->worker = fork();
	if (k->worker < 0) {
		log__say(LOG_ERR, "fork: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	if (!k->worker) {
		/* the keeper's end, by whatever signal, is ours: until privileges__drop(), which
		 * says so again */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		close(k->signal_fd);
		k->args.keeper_fd = ends[1];
		exit(worker__run(&k->args));
	}
	close(ends[1]);
	k->worker_fd = ends[0];
	k->loading_since = clock_ns(CLOCK_MONOTONIC);
	return -1;
}

static void stats(struct keeper *k, bool on)
{
	if (k->stats_fd >= 0)
		close(k->stats_fd);
	k->stats_fd = on ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;
	k->stats_since = clock_ns(CLOCK_MONOTONIC);
}

/* The sockets by which the worker follows another namespace's interfaces. */
static int answer_net_space(struct keeper *k, int ns)
{
	int fd[NET_SPACE_FDS], err = net_space__make(ns, fd);
	size_t n = 0;

	if (err)
		return message__send(k->worker_fd, ANSWER_NO, NULL, 0);
	while (n < NET_SPACE_FDS && fd[n] >= 0)
		n++;
	err = message__send(k->worker_fd, ANSWER_YES, fd, n);
	net_space__unmake(fd);
	return err;
}

static void on_worker(struct keeper *k)
{
	char what, answer = ANSWER_YES;
	int fd[MESSAGE_FDS], n = message__receive(k->worker_fd, &what, fd), err = 0;

	if (n < 0)
		return; /* its end comes by SIGCHLD */
	switch (what) {
	case ASK_STATS_ON:
	case ASK_STATS_OFF:
		stats(k, what == ASK_STATS_ON);
		if (what == ASK_STATS_ON && k->stats_fd < 0)
			answer = ANSWER_NO;
		err = message__send(k->worker_fd, answer, NULL, 0);
		break;
	case ASK_NET_SPACE:
		err = n == 1 ? answer_net_space(k, fd[0])
			     : message__send(k->worker_fd, ANSWER_NO, NULL, 0);
		break;
	case TELL_READY:
	case TELL_READY_REDUCED:
		if (!k->ready)
			log__say(LOG_INFO, "attached");
		k->ready = true;
		k->proven = k->tried;
		k->n_proven = k->n_tried;
		k->loading_since = 0;
		sd_notifyf(0, "READY=1\nWATCHDOG=1\nSTATUS=%s",
			   what == TELL_READY ? "Tracing."
					      : "Tracing less than all: the cost limit.");
		break;
	case TELL_ALIVE:
		sd_notify(0, "WATCHDOG=1");
		break;
	}
	if (err)
		log__say(LOG_WARNING, "the worker does not listen: %s", strerror(-err));
	while (n > 0)
		close(fd[--n]);
}

/* The worker has ended. Returns an exit status, or -1: another one runs. */
static int on_end(struct keeper *k)
{
	int status;

	if (waitpid(k->worker, &status, WNOHANG) != k->worker)
		return -1;
	close(k->worker_fd);
	k->worker_fd = -1;
	k->worker = 0;
	stats(k, false);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_AGAIN && !k->ending)
		return start_worker(k);
	if (WIFEXITED(status) && k->n_proven && k->n_tried != k->n_proven && !k->ending) {
		bool newer = k->n_config != k->n_tried;

		log__say(LOG_ERR, "that configuration does not work here; %s is next",
			 newer ? "a newer one" : "the one before");
		if (!newer) {
			k->config = k->proven;
			k->n_config = k->n_proven;
		}
		return start_worker(k);
	}
	if (WIFEXITED(status))
		return k->ending && WEXITSTATUS(status) == STATUS_AGAIN ? STATUS_OK
									: WEXITSTATUS(status);
	log__say(LOG_ERR, "the worker ended by signal %d (%s)", WTERMSIG(status),
		 strsignal(WTERMSIG(status)));
	return STATUS_FAILURE;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Sockets are made once, by who may have had more privileges: those of the start stay. */
static void keep_addresses(struct config *c, const struct config *old)
{
	bool same = c->n_listen == old->n_listen && same_text(c->unix_path, old->unix_path);

	for (size_t i = 0; same && i < c->n_listen; i++)
		same = !strcmp(c->listen[i], old->listen[i]);
	if (!same)
		log__say(LOG_WARNING, "a reload changes no addresses: it listens where it did, "
				      "until it is restarted");
	memcpy(c->listen, old->listen, sizeof(c->listen));
	c->n_listen = old->n_listen;
	c->unix_path = old->unix_path;
}

/* A new configuration is taken if it is one, and works; else the old one stays. */
static void reload(struct keeper *k)
{
	struct config c;
	char *error = config__read(&c, k->argc, k->argv);

	error = error ?: serves_nobody(k, &c);
	if (error) {
		log__say(LOG_ERR, "%s; the configuration stays as it was", error);
		free(error);
		return;
	}
	log__say(LOG_INFO, "reloading");
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(clock_ns(CLOCK_MONOTONIC) / 1000));
	keep_addresses(&c, &k->config);
	k->config = c;
	k->n_config++;
	kill(k->worker, SIGHUP);
}

static int on_signal(struct keeper *k)
{
	struct signalfd_siginfo info;

	if (read(k->signal_fd, &info, sizeof(info)) != sizeof(info))
		return -1;
	switch (info.ssi_signo) {
	case SIGCHLD:
		return on_end(k);
	case SIGHUP:
		reload(k);
		return -1;
	default: /* SIGINT, SIGTERM */
		sd_notify(0, "STOPPING=1");
		k->ending = true;
		kill(k->worker, SIGTERM);
		return -1;
	}
}

/* What is to be done at this time. Returns when there is something again, ns; UINT64_MAX: never. */
static uint64_t on_time(struct keeper *k, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (k->stats_fd >= 0 && now - k->stats_since >= STATS_MAX_NS)
		stats(k, false);
	if (k->stats_fd >= 0)
		next = k->stats_since + STATS_MAX_NS;
	if (!k->loading_since || now - k->loading_since >= LOADING_MAX_NS)
		return next;
	if (now - k->pinged >= k->ping_ns) {
		sd_notifyf(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=Loading programs.",
			   4 * LOADING_PING_NS / 1000);
		k->pinged = now;
	}
	return next < k->pinged + k->ping_ns ? next : k->pinged + k->ping_ns;
}

static int loop(struct keeper *k)
{
	int status = start_worker(k);

	while (status < 0) {
		struct pollfd fds[] = {{.fd = k->signal_fd, .events = POLLIN},
				       {.fd = k->worker_fd, .events = POLLIN}};
		uint64_t now = clock_ns(CLOCK_MONOTONIC), next = on_time(k, now);
		int ms = next == UINT64_MAX ? -1
			 : next > now	    ? (int)((next - now) / 1000000) + 1
					    : 0;

		if (poll(fds, ARRAY_SIZE(fds), ms) <= 0)
			continue;
		if (fds[1].revents & POLLIN)
			on_worker(k);
		if (fds[0].revents)
			status = on_signal(k);
		else if (fds[1].revents & POLLHUP && !(fds[1].revents & POLLIN))
			status = on_end(k);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct keeper k = {
		.argc = argc, .argv = argv, .worker_fd = -1, .stats_fd = -1, .n_config = 1};
	uint64_t watchdog_us;
	sigset_t signals;
	char *error;
	int status, err = descriptors__fill();

	log__open();
	if (err) {
		log__say(LOG_ERR,
			 "/dev/null, in place of what is closed of standard input, output and "
			 "error: %s",
			 strerror(-err));
		return STATUS_FAILURE;
	}
	descriptors__raise();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	error = config__read(&k.config, argc, argv);
	if (error) {
		log__say(LOG_ERR, "%s", error);
		free(error);
		return STATUS_USAGE;
	}
	if (privileges__cannot_become(k.config.user)) {
		log__say(LOG_ERR, "only root can become user %s", k.config.user);
		return STATUS_PRIVILEGE;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	k.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	k.args.config = &k.config;
	if (k.signal_fd < 0) {
		log__say(LOG_ERR, "can't start: signalfd: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	k.args.memory_fd = memfd_create("kvmscoped", MFD_CLOEXEC);
	if (k.args.memory_fd < 0) {
		log__say(LOG_ERR, "can't start: memfd_create: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	k.ping_ns = LOADING_PING_NS;
	if (sd_watchdog_enabled(0, &watchdog_us) > 0 && watchdog_us * 1000 / 3 < k.ping_ns)
		k.ping_ns = watchdog_us * 1000 / 3;
	status = open_sockets(&k);
	error = status < 0 ? serves_nobody(&k, &k.config) : NULL;
	if (error) {
		log__say(LOG_ERR, "%s", error);
		free(error);
		status = STATUS_USAGE;
	}
	if (status < 0) {
		privileges__keep();
		status = loop(&k);
	}
	if (k.own_path)
		unlink(k.config.unix_path);
	return status;
}
