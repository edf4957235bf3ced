/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * OpenMetrics 1.0, and Prometheus' older text format 0.0.4, which differs in a few words. Both have
 * le as OpenMetrics writes it, so that a scraper that changes over finds the same series.
 */
#include <stdio.h>
#include <string.h>
#include "bounds.h"
#include "exposition.h"
#include "util.h"

/* In both formats: backslash and line feed, in label values quotes as well. */
static void escaped(struct buffer *out, const char *s, bool quotes)
{
	for (size_t n; *s; s += n) {
		n = strcspn(s, quotes ? "\\\"\n" : "\\\n");
		buffer__add(out, s, n);
		if (!s[n])
			break;
		buffer__text(out, s[n] == '\n' ? "\\n" : s[n] == '"' ? "\\\"" : "\\\\");
		n++;
	}
}

static void label(struct buffer *out, const char *separator, const char *name, const char *value)
{
	buffer__text(out, separator);
	buffer__text(out, name);
	buffer__text(out, "=\"");
	escaped(out, value, true);
	buffer__text(out, "\"");
}

/* vm="web1",reason="io": without braces, or nothing. */
static void labels(struct buffer *out, const struct family *f, const struct series *s)
{
	const char *value = s->value, *separator = "";

	if (f->by_vm) {
		label(out, separator, "vm", series__vm(s));
		separator = ",";
	}
	for (size_t i = 0; i < f->n_labels; i++, value += strlen(value) + 1) {
		label(out, separator, f->label[i], value);
		separator = ",";
	}
}

static void sample(struct buffer *out, const char *name, const char *suffix,
		   const struct buffer *labels, const char *le, const char *value)
{
	buffer__text(out, name);
	buffer__text(out, suffix);
	if (labels->n || le) {
		buffer__text(out, "{");
		buffer__add(out, labels->data, labels->n);
		if (le)
			label(out, labels->n ? "," : "", "le", le);
		buffer__text(out, "}");
	}
	buffer__text(out, " ");
	buffer__text(out, value);
	buffer__text(out, "\n");
}

static void histogram(struct buffer *out, const struct family *f, const struct series *s,
		      const struct bound *bounds, size_t n, const struct buffer *labels)
{
	const struct account_hist *h = &s->hist;
	char text[NUMBER_TEXT_MAX];
	uint64_t below = 0;
	uint32_t at = 0;

	for (size_t i = 0; i < n; i++) {
		for (; at < h->n && h->first + at < bounds[i].bucket; at++)
			below += h->bucket[at];
		number__text(below, 1, text);
		sample(out, f->name, "_bucket", labels, bounds[i].text, text);
	}
	number__text(h->count, 1, text);
	sample(out, f->name, "_bucket", labels, "+Inf", text);
	number__text(h->sum, f->scale, text);
	sample(out, f->name, "_sum", labels, NULL, text);
	number__text(h->count, 1, text);
	sample(out, f->name, "_count", labels, NULL, text);
}

static void head(struct buffer *out, const struct family *f, bool openmetrics)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "info"};
	const char *type = f->type == FAMILY_INFO && !openmetrics ? "gauge" : types[f->type];
	const char *suffix = openmetrics		 ? ""
			     : f->type == FAMILY_COUNTER ? "_total"
			     : f->type == FAMILY_INFO	 ? "_info"
							 : "";

	buffer__format(out, "# TYPE %s%s %s\n", f->name, suffix, type);
	if (openmetrics && *f->unit)
		buffer__format(out, "# UNIT %s %s\n", f->name, f->unit);
	buffer__format(out, "# HELP %s%s ", f->name, suffix);
	/* OpenMetrics wants quotes in help escaped, too */
	escaped(out, f->help, openmetrics);
	buffer__text(out, "\n");
}

void sink_openmetrics__write(struct buffer *out, const struct ledger *l, bool openmetrics)
{
	struct bound bounds[BOUNDS_MAX];
	struct buffer text = {};
	char number[NUMBER_TEXT_MAX];
	struct family *const *families;
	size_t n = ledger__families(l, &families), n_bounds = 0;

	for (size_t i = 0; i < n; i++) {
		const struct family *f = families[i];

		if (!f->n_series)
			continue;
		head(out, f, openmetrics);
		if (f->type == FAMILY_HISTOGRAM)
			n_bounds = bounds__of(f->unit, f->scale, bounds);
		for (const struct series *s = f->series; s; s = s->next) {
			text.n = 0;
			labels(&text, f, s);
			if (f->type == FAMILY_HISTOGRAM) {
				histogram(out, f, s, bounds, n_bounds, &text);
				continue;
			}
			number__text(s->n, f->scale, number);
			sample(out, f->name,
			       f->type == FAMILY_COUNTER ? "_total"
			       : f->type == FAMILY_INFO	 ? "_info"
							 : "",
			       &text, NULL, number);
		}
	}
	if (openmetrics)
		buffer__text(out, "# EOF\n");
	buffer__free(&text);
}
