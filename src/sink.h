/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sinks: a report in, bytes out. Each escapes text from outside once, for its own form.
 */
#ifndef KVMSCOPE_SINK_H
#define KVMSCOPE_SINK_H

#include <stdbool.h>
#include <stdio.h>
#include "report.h"

struct sink_opts {
	bool histograms; /* -H: buckets too */
	bool timestamps; /* -T */
	bool color;
	bool unicode; /* bars and arrows; else ASCII */
	bool quiet;   /* -q: no headers or footers */
	bool some;    /* -n, -p: of the VMs that were asked for alone */
	bool all;     /* -v: every row, where a screen would show the first ones only */
	int width;    /* of the text, columns; 80 unless the terminal is narrower */
};

/* Writes all of it and flushes. Returns 0 or -errno (-EPIPE, -ENOSPC). For sinks. */
int sink__write(FILE *out, const char *s, size_t n);

/*
 * One line of JSON (interface.md): schema, report, start, elapsed_ns, complete, loss,
 * then "notes" where there are any, then the fields of r->top. Bytes that are not UTF-8
 * come out as U+FFFD. Returns what sink__write() does.
 */
int sink_json__write(FILE *out, const struct report *r, const struct sink_opts *opts);

#endif
