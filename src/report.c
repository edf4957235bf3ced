/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tree of a report: rows of named fields, fields that hold rows. */
#include <stdlib.h>
#include <string.h>
#include "report.h"
#include "util.h"

const char *const state_names[KS_STATES] = {
	[KS_GUEST] = "guest",	      [KS_KERNEL] = "kernel",		[KS_VMM] = "vmm",
	[KS_HALT_POLL] = "halt_poll", [KS_HALTED] = "halted",		[KS_STEAL] = "steal",
	[KS_BLOCKED] = "blocked",     [KS_UNACCOUNTED] = "unaccounted",
};

/* Room for one more than n: called at each append, it grows an array at powers of two. */
static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	return xreallocarray(array, n ? 2 * n : 1, size);
}

struct report *report__new(const char *kind)
{
	struct report *r = xcalloc(1, sizeof(*r));

	r->kind = kind;
	r->complete = true;
	return r;
}

static void row__clear(struct row *row)
{
	size_t i, j;

	for (i = 0; i < row->n; i++) {
		struct field *f = &row->field[i];

		switch (f->kind) {
		case FIELD_NULL:
		case FIELD_BOOL:
		case FIELD_INT:
			break;
		case FIELD_TEXT:
			free(f->text);
			break;
		case FIELD_HIST:
			free(f->hist);
			break;
		case FIELD_SPLIT:
			free(f->split);
			break;
		case FIELD_ROWS:
			for (j = 0; j < f->rows.n; j++) {
				row__clear(f->rows.row[j]);
				free(f->rows.row[j]);
			}
			free(f->rows.row);
			break;
		}
	}
	free(row->field);
}

void report__free(struct report *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->n_note; i++)
		free(r->note[i]);
	free(r->note);
	free(r->loss);
	row__clear(&r->top);
	free(r);
}

void report__add_loss(struct report *r, const char *name, uint64_t n, const char *help)
{
	r->loss = grow(r->loss, r->n_loss, sizeof(*r->loss));
	r->loss[r->n_loss++] = (struct report_loss){name, n, help};
	if (n)
		r->complete = false;
}

void report__add_note(struct report *r, const char *note)
{
	r->note = grow(r->note, r->n_note, sizeof(*r->note));
	r->note[r->n_note++] = xstrdup(note);
}

static struct field *row__append(struct row *row, const char *name, enum field_kind kind)
{
	struct field *f;

	if (row__field(row, name))
		abort();
	row->field = grow(row->field, row->n, sizeof(*row->field));
	f = &row->field[row->n++];
	memset(f, 0, sizeof(*f));
	f->name = name;
	f->kind = kind;
	return f;
}

void row__null(struct row *row, const char *name)
{
	row__append(row, name, FIELD_NULL);
}

void row__bool(struct row *row, const char *name, bool v)
{
	row__append(row, name, FIELD_BOOL)->truth = v;
}

void row__u64(struct row *row, const char *name, uint64_t v)
{
	row__append(row, name, FIELD_INT)->num.value = v;
}

void row__i64(struct row *row, const char *name, int64_t v)
{
	struct field *f = row__append(row, name, FIELD_INT);

	f->num.negative = v < 0;
	f->num.value = v < 0 ? -(uint64_t)v : (uint64_t)v;
}

void row__text(struct row *row, const char *name, const char *v)
{
	if (v)
		row__append(row, name, FIELD_TEXT)->text = xstrdup(v);
	else
		row__null(row, name);
}

void row__hist(struct row *row, const char *name, const struct histogram *v)
{
	struct field *f = row__append(row, name, FIELD_HIST);

	f->hist = xcalloc(1, sizeof(*v));
	*f->hist = *v;
}

void row__split(struct row *row, const char *name, const uint64_t v[KS_STATES],
		unsigned int without)
{
	struct field *f = row__append(row, name, FIELD_SPLIT);

	f->split = xcalloc(KS_STATES, sizeof(v[0]));
	memcpy(f->split, v, KS_STATES * sizeof(v[0]));
	f->split_without = without;
}

void row__list(struct row *row, const char *name)
{
	row__append(row, name, FIELD_ROWS);
}

/* A row's field of that name and kind, NULL if it has none. */
static struct field *row__find(const struct row *row, const char *name, enum field_kind kind)
{
	size_t i;

	for (i = 0; i < row->n; i++)
		if (row->field[i].kind == kind && !strcmp(row->field[i].name, name))
			return &row->field[i];
	return NULL;
}

struct row *row__add(struct row *row, const char *list)
{
	struct field *f = row__find(row, list, FIELD_ROWS);
	struct row *new = xcalloc(1, sizeof(*new));

	if (!f)
		f = row__append(row, list, FIELD_ROWS);
	f->rows.row = grow(f->rows.row, f->rows.n, sizeof(*f->rows.row));
	f->rows.row[f->rows.n++] = new;
	return new;
}

const struct field *row__field(const struct row *row, const char *name)
{
	size_t i;

	for (i = 0; i < row->n; i++)
		if (!strcmp(row->field[i].name, name))
			return &row->field[i];
	return NULL;
}

bool row__get_bool(const struct row *row, const char *name)
{
	const struct field *f = row__find(row, name, FIELD_BOOL);

	return f && f->truth;
}

uint64_t row__get_u64(const struct row *row, const char *name)
{
	const struct field *f = row__find(row, name, FIELD_INT);

	return f && !f->num.negative ? f->num.value : 0;
}

const char *row__get_text(const struct row *row, const char *name)
{
	const struct field *f = row__find(row, name, FIELD_TEXT);

	return f ? f->text : NULL;
}

const struct histogram *row__get_hist(const struct row *row, const char *name)
{
	const struct field *f = row__find(row, name, FIELD_HIST);

	return f ? f->hist : NULL;
}

const uint64_t *row__get_split(const struct row *row, const char *name)
{
	const struct field *f = row__find(row, name, FIELD_SPLIT);

	return f ? f->split : NULL;
}

const struct rows *row__get_rows(const struct row *row, const char *name)
{
	static const struct rows none;
	const struct field *f = row__find(row, name, FIELD_ROWS);

	return f ? &f->rows : &none;
}
