/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report: what one interval showed, as a tree that every sink walks alike.
 *
 * A row is a list of named fields; a field is a text, a number, a truth, nothing, a
 * histogram, a split of time, or a list of rows. A domain adds fields to a VM's row and
 * knows no sink; a sink knows the kinds of fields and no domain. Field names are the JSON's
 * (interface.md) and must be constants; texts are copied, as they came, escaped by nobody.
 *
 * A row belongs to its list, a list to its row, all of it to the report. Fields keep their
 * order; adding a name twice is a bug and aborts.
 */
#ifndef KVMSCOPE_REPORT_H
#define KVMSCOPE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <linux/types.h>
#include <kvmscope/abi.h>
#include "histogram.h"

struct row;

struct rows {
	struct row **row;
	size_t n;
};

enum field_kind {
	FIELD_NULL,
	FIELD_BOOL,
	FIELD_INT,
	FIELD_TEXT,
	FIELD_HIST,
	FIELD_SPLIT,
	FIELD_ROWS,
};

struct field {
	const char *name;
	enum field_kind kind;
	union {
		bool truth;
		struct {
			uint64_t value;
			bool negative; /* value is then -value */
		} num;
		char *text;
		struct histogram *hist;
		uint64_t *split; /* KS_STATES of them */
		struct rows rows;
	};
	unsigned int split_without; /* bit mask of the states that a split leaves out */
};

struct row {
	struct field *field;
	size_t n;
};

struct report_loss {
	const char *name;
	uint64_t n;
	const char *help; /* what it means and what to do, for people */
};

struct report {
	const char *kind;      /* "exits", "cpu", ...: the command's name */
	struct timespec start; /* CLOCK_REALTIME */
	uint64_t elapsed_ns;
	bool complete;
	bool final;	  /* the last one, after which tracing ends */
	uint64_t cost_ns; /* CPU time that kvmscope itself used in the interval */
	struct report_loss *loss;
	size_t n_loss;
	char **note; /* hints for people */
	size_t n_note;
	struct row top; /* fields of the report itself, after the ones above: "vms", ... */
};

/* kind must be a constant. Never fails (allocation failure aborts). */
struct report *report__new(const char *kind);
void report__free(struct report *r); /* NULL is fine */

/* Counts that are not zero make the report incomplete. name and help must be constants. */
void report__add_loss(struct report *r, const char *name, uint64_t n, const char *help);
void report__add_note(struct report *r, const char *note); /* copied */

void row__null(struct row *row, const char *name);
void row__bool(struct row *row, const char *name, bool v);
void row__u64(struct row *row, const char *name, uint64_t v);
void row__i64(struct row *row, const char *name, int64_t v);
void row__text(struct row *row, const char *name, const char *v); /* NULL: a null */
/* Copies the histogram: sinks print percentiles, and buckets where asked to. */
void row__hist(struct row *row, const char *name, const struct histogram *v);
void row__split(struct row *row, const char *name, const uint64_t v[KS_STATES],
		unsigned int without);
/* Adds an empty list: for what must be there, even if nothing is in it. */
void row__list(struct row *row, const char *name);
/* Adds a row to the list of that name, which it makes if there is none yet. */
struct row *row__add(struct row *row, const char *list);

/* Look-ups for sinks and layouts: 0, false, NULL or an empty list when there is no such field. */
const struct field *row__field(const struct row *row, const char *name);
bool row__get_bool(const struct row *row, const char *name);
uint64_t row__get_u64(const struct row *row, const char *name);
const char *row__get_text(const struct row *row, const char *name);
const struct histogram *row__get_hist(const struct row *row, const char *name);
const uint64_t *row__get_split(const struct row *row, const char *name);
const struct rows *row__get_rows(const struct row *row, const char *name);

/* Names of the states as in JSON: "guest", "kernel", "vmm", ... */
extern const char *const state_names[KS_STATES];

#endif
