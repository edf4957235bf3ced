/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a domain shows to Prometheus: a table in its domain_<name>.c that says which fields of its
 * rows are which family of metrics. Sinks and the daemon know no domain.
 */
#ifndef KVMSCOPE_EXPORT_H
#define KVMSCOPE_EXPORT_H

#include <stdbool.h>
#include <kvmscope/abi.h>

/* How a number is called. */
struct metric_info {
	const char *name; /* without prefix, unit and _total */
	const char *unit; /* seconds, bytes, ...; "none" */
	double scale;	  /* what one unit of the recorded integer is worth */
	const char *help;
};

/* Those of <kvmscope/metrics.def>. */
extern const struct metric_info metric_infos[KS_METRICS], counter_infos[KS_COUNTERS];

#define EXPORT_LABELS 4

/* Of struct export. */
#define LABEL(label_name, row_field)                       \
	{                                                  \
		.name = (label_name), .field = (row_field) \
	}
#define FIXED_LABEL(label_name, row_field)                                \
	{                                                                 \
		.name = (label_name), .field = (row_field), .fixed = true \
	}

struct export
{
	/*
	 * Where: a list of the VM's row, or a list in a list's rows: "nics.hops"; NULL: the VM's
	 * row itself. Rows that come out with the same labels are added up.
	 */
	const char *list;
	/*
	 * Which field. A histogram becomes a histogram; a number a counter; a split of time a
	 * counter of seconds for each of its states, by label "state".
	 */
	const char *field;
	const struct metric_info *info;
	bool gauge;	    /* a number that is as it is now, and adds up to nothing */
	unsigned int modes; /* enum trace_mode, or'ed: one of them measures it; 0: any */
	/*
	 * Labels behind vm: fields, texts or numbers, of the row or of one that it is in. Ends at
	 * name NULL. fixed: its values are few and all known here, as those of "state" are: no
	 * bound counts them, and what is folded keeps them.
	 */
	struct {
		const char *name, *field;
		bool fixed;
	} label[EXPORT_LABELS + 1];
};

#endif
