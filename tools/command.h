/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A command of kvmscope: one tools/cmd_<name>.c each, which registers itself with COMMAND().
 * kvmscope.c knows none of them by name.
 */
#ifndef KVMSCOPE_COMMAND_H
#define KVMSCOPE_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include "domain.h"
#include "sink.h"
#include "status.h"
#include "text.h"
#include "vms.h"

/* Options that every command takes. */
struct common {
	struct sink_opts sink;
	bool json;
	bool strict;
	int verbose;
	const char *output; /* -o: a path, NULL: stdout */
	const char **patterns;
	size_t n_patterns;
	pid_t *pids; /* -p */
	size_t n_pids;
	unsigned int max_vcpus, max_subjects;
	uint64_t interval_ns; /* 0: one report at the end */
	uint64_t count;	      /* 0: until interrupted */
	struct vms_roots roots;
};

struct command {
	const char *name;
	const char *summary;
	const char *examples; /* for --help: lines of a command and what it is for */
	/* its own options; argp's parser gets the struct of opts_size as state->input */
	const struct argp_option *options;
	error_t (*parse)(int key, char *arg, struct argp_state *state);
	size_t opts_size;

	/* A command that traces: */
	const char *trace[8];			 /* domains that are loaded; ends at NULL */
	const char *report[8];			 /* domains that fill the VMs' rows; the same */
	unsigned int (*modes)(const void *opts); /* enum trace_mode, or'ed */
	void (*text)(struct text *t, const struct report *r, const void *opts);
	uint64_t default_interval_ns, default_count;

	/* One that does not: returns the exit status. */
	int (*run)(const struct common *common, const void *opts);
};

#define COMMAND(ident)                                                          \
	static const struct command ident;                                      \
	static const struct command *const ident##_entry                        \
		__attribute__((section("ks_commands"), used, retain)) = &ident; \
	static const struct command ident

/* One line on stderr, "kvmscope: ..."; and one that -q silences. */
__attribute__((format(printf, 1, 2))) void complain(const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void inform(const struct common *c, const char *fmt, ...);

/* Nobody is who was asked for: says who there is. Returns the exit status. */
int complain_no_vm(const struct common *c, const struct vms *vms);

/* Opens what -o names, or stdout; NULL after a complaint. */
FILE *output__open(const struct common *c);
/* What a write of the report came to: an exit status, or -1 to go on. Complains. */
int output__status(const struct common *c, int err);
/* Flushes what was printed to stdout. Returns the exit status; complains. */
int output__printed(void);

/* A command's tracing, from attaching to the last report. Returns the exit status. */
int trace__run(const struct common *c, const struct command *cmd, const void *opts);

#endif
