/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The series of the daemon's account: found by their values, made, ended, and folded at a bound. */
#include <stdlib.h>
#include <string.h>
#include "bounds.h"
#include "ledger_internal.h"
#include "util.h"

/* How many series Prometheus makes of one. */
static size_t weight(const struct family *f)
{
	struct bound bounds[BOUNDS_MAX];

	if (f->type != FAMILY_HISTOGRAM)
		return 1;
	return bounds__of(f->unit, f->scale, bounds) + 3; /* +Inf, sum, count */
}

size_t series__values_len(const struct family *f, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_labels; i++)
		n += strlen(value + n) + 1;
	return n;
}

struct head *series__head(struct ledger *l, struct account *a, const struct family *f)
{
	struct account *of = a ?: &l->own;

	if (f->index >= of->n_heads) {
		of->head = xreallocarray(of->head, l->n_families, sizeof(struct head));
		while (of->n_heads < l->n_families)
			of->head[of->n_heads++] = (struct head){};
	}
	return &of->head[f->index];
}

static bool has_values(const struct series *s, const struct family *f, const char *value,
		       size_t len)
{
	return series__values_len(f, s->value) == len && !memcmp(s->value, value, len);
}

struct series *series__find(const struct head *head, const struct family *f, const char *value)
{
	size_t len = series__values_len(f, value);
	struct series *s = head->first;

	while (s && !has_values(s, f, value, len))
		s = s->of_account;
	return s;
}

/* Whether these values differ in fixed labels at most. */
static bool same_set(const struct family *f, const char *a, const char *b)
{
	for (size_t i = 0; i < f->n_labels; i++) {
		if (!f->fixed[i] && strcmp(a, b))
			return false;
		a += strlen(a) + 1;
		b += strlen(b) + 1;
	}
	return true;
}

static bool has_set(const struct head *head, const struct family *f, const char *value)
{
	const struct series *s = head->first;

	while (s && !same_set(f, s->value, value))
		s = s->of_account;
	return s;
}

static void unlink_series(struct family *f, struct series *s)
{
	struct series **at = &f->series;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (f->last == &s->next)
		f->last = at;
	f->n_series--;
}

static void free_series(struct family *f, struct series *s)
{
	if (f->type == FAMILY_HISTOGRAM)
		free(s->hist.bucket);
	free(s->value);
	free(s);
}

struct series *series__new(struct ledger *l, struct account *a, struct family *f, const char *value)
{
	struct series *s = xcalloc(1, sizeof(*s)), **at;
	struct head *head = series__head(l, a, f);
	size_t len = series__values_len(f, value);

	head->n_sets += !has_set(head, f, value);
	s->account = a;
	s->value = xcalloc(len + 1, 1);
	memcpy(s->value, value, len);
	at = &head->first;
	while (*at)
		at = &(*at)->of_account;
	*at = s;
	*f->last = s;
	f->last = &s->next;
	f->n_series++;
	if (a && !a->overflow)
		l->n_series += weight(f);
	return s;
}

void account__drop_series(struct ledger *l, struct account *a)
{
	for (size_t i = 0; i < a->n_heads; i++) {
		struct series *s = a->head[i].first, *next;

		for (; s; s = next) {
			next = s->of_account;
			unlink_series(l->family[i], s);
			if (!a->overflow)
				l->n_series -= weight(l->family[i]);
			free_series(l->family[i], s);
		}
		a->head[i] = (struct head){};
	}
}

void family__drop_series(struct ledger *l, struct family *f)
{
	struct series *s = f->series, *next;

	for (; s; s = next) {
		next = s->next;
		*series__head(l, s->account, f) = (struct head){};
		if (s->account && !s->account->overflow)
			l->n_series -= weight(f);
		free_series(f, s);
	}
	f->series = NULL;
	f->last = &f->series;
	f->n_series = 0;
}

/* --- bounds */

/*
 * Makes of these values those of the series in which they are folded. Fixed labels stay: their
 * values are few, and a sum by one of them (time by state) is to be whole over all series.
 */
static void fold(const struct family *f, char value[LEDGER_VALUES_MAX])
{
	char to[LEDGER_VALUES_MAX];
	const char *from = value;
	size_t n = 0;

	for (size_t i = 0; i < f->n_labels; i++) {
		const char *label = f->fixed[i] ? from : LEDGER_OVERFLOW;

		memcpy(to + n, label, strlen(label) + 1);
		n += strlen(label) + 1;
		from += strlen(from) + 1;
	}
	memcpy(value, to, n);
}

static bool has_free_labels(const struct family *f)
{
	bool found = false;

	for (size_t i = 0; i < f->n_labels && !found; i++)
		found = !f->fixed[i];
	return found;
}

/* The account in which n series that are not there yet count, with values as the bounds allow. */
static struct account *settle(struct ledger *l, struct account *a, const struct family *f,
			      char value[LEDGER_VALUES_MAX], size_t n)
{
	const struct head *head = series__head(l, a, f);

	if (a && has_free_labels(f) && head->n_sets >= l->opts.max_values &&
	    !has_set(head, f, value)) {
		l->overflows[OVERFLOW_VALUES] += n;
		fold(f, value);
		if (series__find(head, f, value))
			return a;
	}
	if (!a || a->overflow)
		return a;
	while (l->n_series + n * weight(f) > l->opts.max_series && account__evict(l, a))
		;
	if (l->n_series + n * weight(f) <= l->opts.max_series)
		return a;
	l->overflows[OVERFLOW_SERIES] += n;
	fold(f, value);
	return account__shared(l, LEDGER_OVERFLOW);
}

struct series *series__get(struct ledger *l, struct account *a, struct family *f,
			   char value[LEDGER_VALUES_MAX], size_t n)
{
	struct series *found = series__find(series__head(l, a, f), f, value);

	if (found)
		return found;
	a = settle(l, a, f, value, n);
	return series__find(series__head(l, a, f), f, value) ?: series__new(l, a, f, value);
}

struct series *series__beside(struct ledger *l, struct family *f, const struct series *s,
			      const char *value)
{
	struct series *next = s->of_account;

	/* that is where it is if both were made at once, and a VM has many of them */
	if (next && has_values(next, f, value, series__values_len(f, value)))
		return next;
	return series__find(series__head(l, s->account, f), f, value)
		       ?: series__new(l, s->account, f, value);
}
