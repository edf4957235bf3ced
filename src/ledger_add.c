/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's account: what a report's rows add to it, by the tables of the domains. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ledger_internal.h"
#include "util.h"

/* Rows that are one in another, the innermost last. */
struct walk {
	struct ledger *l;
	struct account *account;
	const struct export *e;
	const struct row *row[4];
	size_t depth;
};

static const struct field *look_up(const struct walk *w, const char *name)
{
	const struct field *f = NULL;

	for (size_t i = w->depth; i-- && !f;)
		f = row__field(w->row[i], name);
	return f;
}

static size_t put_value(char *out, const char *s)
{
	label__clean(s, out);
	return strlen(out) + 1;
}

static size_t put_label(const struct walk *w, const char *field, char *out)
{
	const struct field *f = look_up(w, field);
	char number[32];

	switch (f ? f->kind : FIELD_NULL) {
	case FIELD_TEXT:
		return put_value(out, f->text);
	case FIELD_INT:
		snprintf(number, sizeof(number), "%s%llu", f->num.negative ? "-" : "",
			 (unsigned long long)f->num.value);
		return put_value(out, number);
	case FIELD_BOOL:
		return put_value(out, f->truth ? "true" : "false");
	default:
		return put_value(out, "");
	}
}

static void take_split(const struct walk *w, struct family *f, const struct field *field,
		       char *value, size_t at)
{
	unsigned int states = ((1u << KS_STATES) - 1) & ~field->split_without;
	size_t n = (size_t)__builtin_popcount(states);
	struct series *s = NULL;

	for (int state = 0; state < KS_STATES; state++) {
		if (!(states & 1u << state))
			continue;
		put_value(value + at, state_names[state]);
		if (s) {
			s = series__beside(w->l, f, s, value);
		} else {
			s = series__get(w->l, w->account, f, value, n);
			/* what is before the state may have been folded */
			at = series__values_len(f, value) - strlen(state_names[state]) - 1;
		}
		s->n += field->split[state];
	}
}

static void take_field(const struct walk *w, const struct field *field)
{
	char value[LEDGER_VALUES_MAX];
	const struct export *e = w->e;
	struct family *f;
	size_t at = 0;

	if (field->kind == FIELD_NULL) /* nor does it tell what the family is */
		return;
	f = family__by_info(w->l,
			    field->kind == FIELD_HIST ? FAMILY_HISTOGRAM
			    : e->gauge		      ? FAMILY_GAUGE
						      : FAMILY_COUNTER,
			    e->info);
	if (!f->by_vm) {
		f->by_vm = true;
		for (; e->label[f->n_labels].name; f->n_labels++) {
			f->label[f->n_labels] = xstrdup(e->label[f->n_labels].name);
			f->fixed[f->n_labels] = e->label[f->n_labels].fixed;
		}
		if (field->kind == FIELD_SPLIT) {
			f->fixed[f->n_labels] = true;
			f->label[f->n_labels++] = xstrdup("state");
		}
	}
	for (size_t i = 0; e->label[i].name; i++)
		at += put_label(w, e->label[i].field, value + at);
	if (field->kind == FIELD_HIST)
		account_hist__add(&series__get(w->l, w->account, f, value, 1)->hist, field->hist);
	else if (field->kind == FIELD_SPLIT)
		take_split(w, f, field, value, at);
	else if (field->kind == FIELD_INT && !field->num.negative)
		series__get(w->l, w->account, f, value, 1)->n += field->num.value;
}

/* Walks down the export's path of lists, and takes the field of each row at its end. */
static void take_rows(struct walk *w, const char *path)
{
	const struct row *row = w->row[w->depth - 1];
	const struct field *f;
	const char *dot;
	char list[64];

	if (!path) {
		f = row__field(row, w->e->field);
		if (f)
			take_field(w, f);
		return;
	}
	dot = strchrnul(path, '.');
	snprintf(list, sizeof(list), "%.*s", (int)(dot - path), path);
	if (w->depth == ARRAY_SIZE(w->row))
		abort();
	for (size_t i = 0; i < row__get_rows(row, list)->n; i++) {
		w->row[w->depth++] = row__get_rows(row, list)->row[i];
		take_rows(w, *dot ? dot + 1 : NULL);
		w->depth--;
	}
}

static void take_info(struct ledger *l, struct account *a, const struct row *row)
{
	static const struct metric_info info = {
		"vm", "none", 1,
		"A VM, for joins: its uuid and pid, and where its name comes from."};
	static const char *const labels[] = {"uuid", "pid", "platform", "name_source"};
	char value[LEDGER_VALUES_MAX];
	struct family *f = family__by_info(l, FAMILY_INFO, &info);
	const struct walk w = {.row = {row}, .depth = 1};
	struct series *s;
	size_t at = 0;

	if (a->shared)
		return;
	if (!f->by_vm) {
		f->by_vm = true;
		for (; f->n_labels < ARRAY_SIZE(labels); f->n_labels++)
			f->label[f->n_labels] = xstrdup(labels[f->n_labels]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		at += put_label(&w, labels[i], value + at);
	s = series__head(l, a, f)->first;
	if (!s) {
		s = series__get(l, a, f, value, 1);
		s->n = 1;
	} else if (series__values_len(f, s->value) != at || memcmp(s->value, value, at)) {
		s->value = xreallocarray(s->value, at, 1);
		memcpy(s->value, value, at);
	}
}

static void zero_gauges(struct ledger *l)
{
	for (size_t i = 0; i < l->n_families; i++)
		for (struct series *s = l->family[i]->series; s; s = s->next)
			if (l->family[i]->type == FAMILY_GAUGE && l->family[i]->by_vm)
				s->n = 0;
}

/* The VM that a row is of: both are in order. *at is where the last one was. */
static const struct vm *vm_of(const struct row *row, struct vm **all, size_t n, size_t *at)
{
	pid_t pid = (pid_t)row__get_u64(row, "pid");

	while (*at < n && all[*at]->pid != pid)
		++*at;
	return *at < n ? all[(*at)++] : NULL;
}

static void end_accounts(struct ledger *l, uint64_t now)
{
	for (size_t i = l->n_accounts; i--;) {
		struct account *a = l->account[i];

		if (a->shared || a->seen == l->tick)
			continue;
		if (!a->ended)
			a->ended = now;
		if (now - a->ended >= l->opts.grace_ns)
			account__drop(l, a);
	}
}

static void own_losses(struct ledger *l, const struct report *r)
{
	static const struct metric_info lost = {
		"lost", "none", 1,
		"What could not be counted, by what was short: see kvmscope(8), LOSSES."};
	static const struct metric_info folded = {
		"overflow", "none", 1,
		"Additions to __overflow__ series, because there were more than a bound allows."};
	static const char *const bounds[] = {
		[OVERFLOW_VMS] = "vms", [OVERFLOW_SERIES] = "series", [OVERFLOW_VALUES] = "values"};

	for (size_t i = 0; i < r->n_loss; i++)
		ledger__own(l, FAMILY_COUNTER, &lost, r->loss[i].n,
			    (const char *[]){"what", r->loss[i].name, NULL});
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		ledger__own(l, FAMILY_COUNTER, &folded, l->overflows[i],
			    (const char *[]){"bound", bounds[i], NULL});
		l->overflows[i] = 0;
	}
}

static bool is_measured(const struct ledger *l, const struct family *f)
{
	bool found = false;

	for (size_t i = 0; i < l->n_exports && !found; i++) {
		char *name = metric_info__full_name(l->export[i] -> info);

		found = !strcmp(name, f->name);
		free(name);
	}
	return found;
}

/* Whatever the domains are, these go on: what no VM has, and what a VM is. */
static bool is_measured_always(const struct family *f)
{
	return !f->by_vm || f->type == FAMILY_INFO;
}

void ledger__measure(struct ledger *l, const struct domain *const *domains, size_t n,
		     unsigned int modes, uint64_t now)
{
	l->n_exports = 0;
	for (size_t d = 0; d < n; d++) {
		for (size_t e = 0; e < domains[d]->n_exports; e++) {
			const struct export *export = &domains[d]->exports[e];

			if (export->modes && !(export->modes & modes))
				continue;
			l->export = xreallocarray(l->export, l->n_exports + 1, sizeof(export));
			l->export[l->n_exports++] = export;
		}
	}
	for (size_t i = 0; i < l->n_families; i++) {
		struct family *f = l->family[i];

		if (is_measured_always(f) || is_measured(l, f))
			f->idle_since = 0;
		else if (f->type == FAMILY_GAUGE)
			family__drop_series(l, f);
		else if (!f->idle_since)
			f->idle_since = now;
	}
}

static void end_families(struct ledger *l, uint64_t now)
{
	for (size_t i = 0; i < l->n_families; i++) {
		struct family *f = l->family[i];

		if (f->idle_since && now - f->idle_since >= l->opts.grace_ns)
			family__drop_series(l, f);
	}
}

static void add_row(struct ledger *l, const struct row *row, const struct vm *vm, uint64_t now)
{
	struct walk w = {.l = l, .row = {row}, .depth = 1};

	w.account = vm ? account__of(l, vm) : account__shared(l, LEDGER_HOST);
	w.account->seen = l->tick;
	if (!vm || vm->alive || w.account->shared)
		w.account->ended = 0;
	else if (!w.account->ended)
		w.account->ended = now;
	if (vm)
		take_info(l, w.account, row);
	for (size_t i = 0; i < l->n_exports; i++) {
		w.e = l->export[i];
		take_rows(&w, w.e->list);
	}
}

void ledger__add(struct ledger *l, const struct report *r, const struct vms *vms, uint64_t now)
{
	const struct rows *rows = row__get_rows(&r->top, "vms");
	struct vm **all;
	size_t n_vms = vms__all(vms, &all);

	l->tick++;
	zero_gauges(l);
	/* those that have ended first: one that was started in their place goes on with their
	 * series */
	for (int alive = 0; alive < 2; alive++) {
		size_t at = 0;

		for (size_t i = 0; i < rows->n; i++) {
			bool host = !strcmp(row__get_text(rows->row[i], "platform"), "host");
			const struct vm *vm = host ? NULL : vm_of(rows->row[i], all, n_vms, &at);

			if ((host || vm) && (host || vm->alive) == alive)
				add_row(l, rows->row[i], vm, now);
		}
	}
	end_accounts(l, now);
	end_families(l, now);
	own_losses(l, r);
}

void ledger__own(struct ledger *l, enum family_type type, const struct metric_info *info,
		 uint64_t n, const char *const *label)
{
	char value[LEDGER_VALUES_MAX];
	struct family *f = family__by_info(l, type, info);
	bool is_new = !f->n_series && !f->n_labels;
	struct series *s;
	size_t at = 0;

	for (size_t i = 0; label[i]; i += 2) {
		if (is_new)
			f->label[f->n_labels++] = xstrdup(label[i]);
		at += put_value(value + at, label[i + 1]);
	}
	s = series__get(l, NULL, f, value, 1);
	s->n = type == FAMILY_COUNTER ? s->n + n : n;
}
