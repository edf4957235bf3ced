/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kvmscoped: two processes.
 *
 *   the keeper  has the privileges, the sockets that listen, and systemd's ear. It reads its own
 *               configuration and nothing else that comes from outside.
 *   the worker  loads and attaches, then drops its privileges, and only then looks at VMs and
 * serves. What needs them again it asks the keeper for: to have the kernel count the programs' run
 * time for a moment, and sockets that look into another network namespace. To load other programs
 * (a reload, the cost limit) it leaves its account in memory that both have, and ends; the keeper
 * starts the next.
 */
#ifndef KVMSCOPE_KVMSCOPED_H
#define KVMSCOPE_KVMSCOPED_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include "buffer.h"
#include "http.h"
#include "ledger.h"
#include "limit.h"
#include "status.h"
#include "vms.h"

/* Who the worker becomes if it is started as root and nobody says who. */
#define DEFAULT_USER "kvmscope"
/* The worker's exit status when it wants a next one. */
#define STATUS_AGAIN 64

struct config {
	const char *listen[HTTP_LISTEN_MAX]; /* none: the default */
	size_t n_listen;
	const char *unix_path;
	const char *textfile;
	const char *domains; /* "exits,cpu": there are such; NULL: all that the kernel allows */
	const char *user;    /* there is one of that name; NULL: DEFAULT_USER, if there is */
	double max_cpu;	     /* share of all CPUs; 0: no limit */
	uint64_t interval_ns;
	uint64_t cost_interval_ns, calm_ns;
	unsigned int max_vcpus, max_subjects, max_connections;
	struct ledger_opts ledger;
	struct vms_roots roots;
	int verbose;
};

/*
 * The file, then the command line. Returns NULL, or one line that says what is wrong (caller
 * frees).
 * --help and --version end the program.
 */
char *config__read(struct config *c, int argc, char **argv);

/* --- messages: to the journal where that is what stderr is, else to stderr */

void log__open(void);
/* priority: LOG_ERR ... of syslog.h */
__attribute__((format(printf, 2, 3))) void log__say(int priority, const char *fmt, ...);

/* --- between the two */

enum request {
	ASK_STATS_ON = 'S',
	ASK_STATS_OFF = 's',
	TELL_READY = 'R',
	TELL_READY_REDUCED = 'r', /* the cost limit has taken something away */
	TELL_ALIVE = 'A',
	ASK_NET_SPACE = 'N', /* with a network namespace; the answer has net_space__make()'s */
};
enum answer { ANSWER_YES = 'y', ANSWER_NO = 'n' };

#define MESSAGE_FDS 4 /* with one byte, at most */

/* 0 or -errno. */
int message__send(int socket, char what, const int *fd, size_t n);
/* How many descriptors came with it, which are the caller's now; or -errno. */
int message__receive(int socket, char *what, int fd[MESSAGE_FDS]);

/* In the memory file that both have, before the ledger's bytes: what outlives a worker. */
struct legacy {
	struct limit limit; /* domain[] is found anew */
	uint64_t loads;
	uint64_t read_at;	 /* its last reading, CLOCK_MONOTONIC ns */
	char textfile[PATH_MAX]; /* that was written; "": none */
	uint64_t ledger_size;	 /* 0: none */
};

struct worker_args {
	const struct config *config;
	int keeper_fd; /* to the keeper */
	int memory_fd; /* struct legacy and the ledger */
	int listen_fd[HTTP_LISTEN_MAX];
	size_t n_listen;
};

/* Runs it to its end. Returns its exit status. */
int worker__run(const struct worker_args *args);

/* --- privileges */

/* Down to those that loading takes: for the keeper. */
void privileges__keep(void);
/* Is there a user that this process is to become, and can't? */
bool privileges__cannot_become(const char *user);
/* Whether root stays root: nobody is named, and there is no DEFAULT_USER. */
bool privileges__stays_root(const char *user);
/*
 * Down to what looking up names takes, for good; and to another user: see struct config. Says
 * what it can't do. 0 or -errno.
 */
int privileges__drop(const char *user, bool need_bpf);
/* Can maps be read and walks be run without any privilege? Tried in a child. */
bool privileges__bpf_needed(const char *user, bool (*works)(void *arg), void *arg);

/* --- what is served */

struct server;

struct server_opts {
	const struct config *config;
	const struct ledger *ledger;
	/* brings the ledger up to date: at most once a second */
	void (*refresh)(void *arg);
	bool (*ready)(void *arg);
	void *arg;
};

struct server *server__new(const struct server_opts *opts, const int *listen_fd, size_t n);
void server__free(struct server *s);
struct http *server__http(struct server *s);
/* The ledger has changed. */
void server__forget(struct server *s);
/* Writes config->textfile, atomically. 0 or -errno. */
int server__write_textfile(const struct server *s);

#endif
