/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's account: adds up what each interval showed into series that only grow, whatever
 * comes, goes, is loaded again or reduced. It is what sinks export.
 *
 * Bounded: over max_vms, VMs count under the one name "__overflow__"; over max_values, more label
 * values of one VM in one family do so too; over max_series, whole new series. Each time is
 * counted. Labels of few and known values (struct export) are in no bound and are never folded:
 * a VM's exit reasons are so many whole splits of time by state, and the sums by state add up
 * whatever is folded. A VM that ended is kept for a grace, shorter if room is needed; if one of the
 * same name comes in that time, it goes on where that one ended. What is no longer measured is kept
 * for a grace, too: a counter that stands still would say that nothing happens.
 */
#ifndef KVMSCOPE_LEDGER_H
#define KVMSCOPE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buffer.h"
#include "domain.h"
#include "export.h"
#include "histogram.h"
#include "report.h"
#include "vms.h"

#define LEDGER_OVERFLOW	  "__overflow__"
#define LEDGER_GONE	  "(gone)" /* VMs that ended before anybody could look at their name */
#define LEDGER_HOST	  "(host)" /* what belongs to no VM */
#define LEDGER_LABEL_MAX  128	   /* bytes of a label's value; a longer one is cut */
#define LEDGER_LABELS_MAX (EXPORT_LABELS + 2)

struct ledger_opts {
	size_t max_vms;
	size_t max_series; /* as Prometheus counts them, of classic histograms */
	size_t max_values; /* label sets of one VM in one family, without their fixed labels */
	uint64_t grace_ns;
};

/* What kvmscoped has where nobody asks for other bounds. */
extern const struct ledger_opts ledger_defaults;

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM, FAMILY_INFO };

/* A histogram as it adds up: only the stretch of buckets that is in use. */
struct account_hist {
	uint64_t count, sum;
	uint32_t first, n;
	uint64_t *bucket;
};

struct series {
	struct account *account;
	char *value; /* of the family's labels after vm, each with its NUL */
	union {
		uint64_t n; /* times the family's scale */
		struct account_hist hist;
	};
	struct series *next;	   /* of the family */
	struct series *of_account; /* of the account in this family */
};

struct family {
	char *name; /* with prefix and unit, without _total */
	char *unit; /* "" if none */
	char *help;
	enum family_type type;
	double scale;
	bool by_vm; /* its first label is vm */
	char *label[LEDGER_LABELS_MAX];
	bool fixed[LEDGER_LABELS_MAX]; /* by label, as in struct export */
	size_t n_labels;	       /* without vm */
	struct series *series, **last;
	size_t n_series;
	size_t index;	     /* among the ledger's */
	uint64_t idle_since; /* it has not been measured since then, ns; 0: it is */
};

struct ledger;

struct ledger *ledger__new(const struct ledger_opts *opts);
void ledger__free(struct ledger *l);

/*
 * What is measured from now on: the exports of these domains that one of the modes (enum
 * trace_mode, or'ed) gives. Gauges of others end, and their other series after the grace. now:
 * CLOCK_BOOTTIME ns, as below.
 */
void ledger__measure(struct ledger *l, const struct domain *const *domains, size_t n,
		     unsigned int modes, uint64_t now);

/* Adds what an interval showed. vms: of which the report is. */
void ledger__add(struct ledger *l, const struct report *r, const struct vms *vms, uint64_t now);

/*
 * The program's own metrics: sets (gauge, info) or adds to (counter) a series without vm. label:
 * name and value, name and value ..., NULL.
 */
void ledger__own(struct ledger *l, enum family_type type, const struct metric_info *info,
		 uint64_t n, const char *const *label);

size_t ledger__families(const struct ledger *l, struct family *const **ret);
size_t ledger__series(const struct ledger *l); /* as max_series counts them */
size_t ledger__vms(const struct ledger *l);    /* of which there are series */

/* The vm label of a series; NULL if its family has none. */
const char *series__vm(const struct series *s);

/*
 * All of it as bytes, and back, for the next process. Reading returns 0, or -EINVAL: they are not
 * ours; then the ledger is empty.
 */
void ledger__save(const struct ledger *l, struct buffer *out);
int ledger__restore(struct ledger *l, const void *data, size_t n);

/* A label's value: valid UTF-8 without control characters, and not longer than it may be. */
void label__clean(const char *s, char out[LEDGER_LABEL_MAX + 1]);

#endif
