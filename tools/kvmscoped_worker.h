/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of kvmscoped's worker share:
 *
 *   kvmscoped_worker.c   start, load, the loop, the end
 *   kvmscoped_account.c  readings of the kernel's counters, added to the account; own metrics
 *   kvmscoped_cost.c     samples of what tracing costs, and the limit's steps
 *   kvmscoped_legacy.c   what one worker leaves to the next
 */
#ifndef KVMSCOPE_KVMSCOPED_WORKER_H
#define KVMSCOPE_KVMSCOPED_WORKER_H

#include "cost.h"
#include "kvmscoped.h"
#include "monitor.h"

#define FRESH_NS    NSEC_PER_SEC /* scrapes within that share one reading */
#define MAX_DOMAINS MONITOR_DOMAINS
#define COST_SLICES 10

/* The programs of one event, and their runs while the kernel counted them. */
struct program_cost {
	const struct domain *domain;
	uint64_t runs, ns; /* at the end of the last slice */
	struct cost_slice slice[COST_SLICES];
};

struct costs {
	uint64_t sample_at;	  /* when the next sample begins */
	uint64_t began, slice_at; /* 0: none is under way */
	size_t n_slices;
	struct program_cost *program; /* one for each of session__choices() */
	size_t n_programs;
	double of_domain[MAX_DOMAINS]; /* as a share of all CPUs, in the order of worker.all */
	double of_self;
	uint64_t self_ns, self_at; /* CPU time of this process, and when that was */
	bool known;		   /* there has been a sample */
	bool no_stats;
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
	const char *impossible[MAX_DOMAINS]; /* of the default set: this kernel can't */
	size_t n_impossible;
	struct session_constant constants[MAX_DOMAINS];
	size_t n_constants;
	uint64_t loads;
	uint64_t blind_since; /* the last reading of the worker before; 0: there was none */

	/* kvmscoped_account.c */
	uint64_t read_at, took_ns; /* the last reading: when, and how long it took */
	uint64_t textfile_at, told_at, cpu_ns, evicted;
	bool soon; /* vCPUs have ended, or may have, or slots get scarce: read again at once */
	bool complete;
	bool textfile_failed;
	bool net_space_failed;

	struct costs costs;
	uint64_t rescan_at;
};

#define GAUGE(name, unit, scale, help, value, ...)                                                 \
	ledger__own(w->ledger, FAMILY_GAUGE, &(const struct metric_info){name, unit, scale, help}, \
		    (uint64_t)(value), (const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define COUNTER(name, unit, scale, help, value, ...)                                         \
	ledger__own(w->ledger, FAMILY_COUNTER,                                               \
		    &(const struct metric_info){name, unit, scale, help}, (uint64_t)(value), \
		    (const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* --- kvmscoped_account.c */

/* Reads all counters, and adds them to the account. 0 or -errno, which it has told. */
int account__read(struct worker *w, bool final);
/* The text file, if it is time for it; at UINT64_MAX it is. */
void account__write_textfile(struct worker *w, uint64_t now);
/* When nobody writes it any more: node_exporter would serve what is in it for ever. NULL is fine.
 */
void account__remove_textfile(const char *path);

/* --- kvmscoped_cost.c */

/* When it has something to do next; now: CLOCK_MONOTONIC ns, as below. */
uint64_t costs__next(const struct worker *w);
/* Does it. Returns an exit status, or -1 to go on. */
int costs__run(struct worker *w, uint64_t now);
void costs__free(struct worker *w);
/* Tells the keeper a byte: enum request. */
void worker__tell(struct worker *w, char what);

/* --- kvmscoped_legacy.c */

/* The limit's state, before anything is loaded. */
void legacy__read(struct worker *w);
/*
 * The account, without privileges: what is in it came from outside. A text file that is no longer
 * wanted is removed.
 */
void legacy__read_ledger(struct worker *w);
void legacy__leave(struct worker *w);
/* The limit's state begins anew, for it counts domains by their numbers. */
void legacy__init_limit(struct worker *w);

#endif
