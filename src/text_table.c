/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables: columns as wide as they must be, and never wider than the terminal. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include "text_internal.h"
#include "util.h"

#define GAP	    2
#define FAIR_COLUMN 36 /* one long name must not cost others their columns; a uuid fits */
#define MIN_COLUMN  4  /* a text cut to less says nothing */

struct cell {
	const char *s;
	enum text_color color;
	int columns;
	int number;	     /* of these, up to the unit */
	const char *shorter; /* NULL: there is no such form */
	bool none;	     /* a dash */
};

struct column {
	const char *title;
	enum text_align align;
	int priority;
	bool hidden;
	int width;
	int least; /* a width that it must not be cut below */
	int head;  /* of names that are cut: how much of their start is left */
	int unit;  /* of the width, what numbers leave free for the widest unit */
};

struct text_table {
	int indent;
	struct column *column;
	size_t n_columns;
	struct cell *cell; /* row by row */
	size_t n_cells;
};

void text__table_free(struct text_table *table)
{
	if (!table)
		return;
	free(table->column);
	free(table->cell);
	free(table);
}

void text__table(struct text *t, int indent)
{
	text__table_free(t->table);
	t->table = xcalloc(1, sizeof(*t->table));
	t->table->indent = indent;
}

void text__column(struct text *t, const char *title, enum text_align align, int priority)
{
	struct text_table *table = t->table;

	table->column = xreallocarray(table->column, table->n_columns + 1, sizeof(struct column));
	table->column[table->n_columns++] = (struct column){
		.title = text__escape(t, title),
		.align = align,
		.priority = priority,
		.head = -1,
	};
}

/* Columns up to the blank before a unit; all of them where no unit follows a number. */
static int number_columns(const struct text *t, const char *s, int columns)
{
	const char *blank = strrchr(s, ' '), *p;

	if (!blank || !blank[1])
		return columns;
	for (p = blank + 1; *p; p++)
		if (isdigit((unsigned char)*p))
			return columns;
	return columns - text__columns(t, blank);
}

void text__cell_color(struct text *t, const char *s, enum text_color c)
{
	struct text_table *table = t->table;
	struct cell *cell;

	if (!(table->n_cells & (table->n_cells - 1)))
		table->cell = xreallocarray(table->cell, table->n_cells ? 2 * table->n_cells : 1,
					    sizeof(*cell));
	cell = &table->cell[table->n_cells++];
	*cell = (struct cell){.s = text__escape(t, s), .color = c, .none = !s};
	cell->columns = text__columns(t, cell->s);
	cell->number = number_columns(t, cell->s, cell->columns);
}

void text__cell(struct text *t, const char *s)
{
	text__cell_color(t, s, TEXT_PLAIN);
}

void text__cell_or(struct text *t, const char *s, const char *shorter)
{
	text__cell(t, s);
	if (shorter)
		t->table->cell[t->table->n_cells - 1].shorter = text__escape(t, shorter);
}

static void measure(struct text *t, struct text_table *table)
{
	size_t i, at;

	for (i = 0; i < table->n_columns; i++) {
		struct column *column = &table->column[i];
		int number = 0;

		for (at = i; at < table->n_cells; at += table->n_columns) {
			const struct cell *cell = &table->cell[at];

			if (column->align == TEXT_RIGHT) {
				number = MAX(number, cell->number);
				column->unit = MAX(column->unit, cell->columns - cell->number);
			} else {
				column->width = MAX(column->width, cell->columns);
			}
		}
		if (column->align == TEXT_RIGHT)
			column->width = number + column->unit;
		column->width = MAX(column->width, text__columns(t, column->title));
	}
}

static int table_width(const struct text_table *table)
{
	int width = 0;
	size_t i;

	for (i = 0; i < table->n_columns; i++)
		if (!table->column[i].hidden)
			width += (width ? GAP : 0) + table->column[i].width;
	return table->indent + width;
}

/* Cuts texts, the widest first, down to floor, until the table fits. */
static void narrow(struct text_table *table, int width, int floor)
{
	struct column *column, *widest;
	int excess;
	size_t i;

	for (excess = table_width(table) - width; excess > 0; excess--) {
		widest = NULL;
		for (i = 0; i < table->n_columns; i++) {
			column = &table->column[i];
			if (column->align != TEXT_RIGHT && !column->hidden &&
			    column->width > MAX(floor, column->least) &&
			    (!widest || column->width > widest->width))
				widest = column;
		}
		if (!widest)
			break;
		widest->width--;
	}
}

/* Hides the column that is missed least. False when there is none that may be missed. */
static bool hide_one(struct text_table *table)
{
	struct column *column, *least = NULL;
	size_t i;

	for (i = 0; i < table->n_columns; i++) {
		column = &table->column[i];
		if (column->priority > 0 && !column->hidden &&
		    (!least || column->priority >= least->priority))
			least = column;
	}
	if (least)
		least->hidden = true;
	return least;
}

static bool is_empty(const struct text_table *table, size_t column)
{
	size_t at;

	for (at = column; at < table->n_cells; at += table->n_columns)
		if (!table->cell[at].none)
			return false;
	return true;
}

/* Hides columns that tell nothing, as far as the table is too wide. */
static void hide_empty(struct text_table *table, int width)
{
	size_t i;

	for (i = table->n_columns; i-- && table_width(table) > width;)
		if (table->column[i].priority == TEXT_SPARE && is_empty(table, i))
			table->column[i].hidden = true;
}

/* Takes the shorter forms of a column's cells where the table is too wide. */
static void shorten(struct text *t, struct text_table *table, size_t i, int width)
{
	struct column *column = &table->column[i];
	int room = column->width - (table_width(table) - width);
	size_t at;

	if (column->hidden || room >= column->width)
		return;
	column->width = text__columns(t, column->title);
	for (at = i; at < table->n_cells; at += table->n_columns) {
		struct cell *cell = &table->cell[at];

		if (cell->shorter && cell->columns > room) {
			cell->s = cell->shorter;
			cell->columns = text__columns(t, cell->s);
		}
		column->width = MAX(column->width, cell->columns);
	}
}

/* --- names that must stay different when they are cut */

/* A name, and what of it is left: so many bytes of its start, and its end. */
struct name {
	const char *s, *end;
	size_t n;
	int columns;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->s, ((const struct name *)b)->s);
}

static int by_rest(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int differ = memcmp(x->s, y->s, MIN(x->n, y->n));

	if (!differ)
		differ = (x->n > y->n) - (x->n < y->n);
	return differ ? differ : strcmp(x->end, y->end);
}

/* Do they differ when their first head columns, and room in all, are left of them? */
static bool differ(const struct text *t, struct name *names, size_t n, int head, int width)
{
	int room = text__cut_room(t, width);
	size_t i;

	for (i = 0; i < n; i++) {
		names[i].n = strlen(names[i].s);
		names[i].end = "";
		if (names[i].columns > width)
			names[i].n = text__cut_at(t, names[i].s, head, room, &names[i].end);
	}
	qsort(names, n, sizeof(*names), by_rest);
	for (i = 1; i < n; i++)
		if (!by_rest(&names[i - 1], &names[i]))
			return false;
	return true;
}

/* Where to cut them to that width, from the middle outwards; -1: they would not differ. */
static int find_head(const struct text *t, struct name *names, size_t n, int width)
{
	int room = text__cut_room(t, width), i;

	for (i = 0; i <= room; i++) {
		int head = room / 2 + (i % 2 ? -(i + 1) / 2 : i / 2);

		if (head >= 0 && head <= room && differ(t, names, n, head, width))
			return head;
	}
	return -1;
}

/* A column of names gets as much room as they need to differ, if the others can spare it. */
static void keep_apart(struct text *t, struct text_table *table, size_t column, int width)
{
	struct column *c = &table->column[column];
	struct name *names = xcalloc(table->n_cells / table->n_columns + 1, sizeof(*names));
	size_t n = 0, different = 0, at;
	int widest = 0;

	for (at = column; at < table->n_cells; at += table->n_columns)
		names[n++] = (struct name){table->cell[at].s, "", 0, table->cell[at].columns};
	qsort(names, n, sizeof(*names), by_name);
	for (at = 0; at < n; at++) {
		if (!at || strcmp(names[at].s, names[different - 1].s))
			names[different++] = names[at];
		widest = MAX(widest, names[at].columns);
	}
	for (; c->width < widest; c->width++) {
		c->head = find_head(t, names, different, c->width);
		c->least = c->width;
		if (c->head >= 0)
			break;
		narrow(table, width - 1, MIN_COLUMN);
		if (table_width(table) >= width) { /* the others can't */
			c->head = text__cut_room(t, c->width) / 2;
			break;
		}
	}
	free(names);
}

/* --- output */

/* Puts one cell, and its column's blanks around it; at is where the line has come to. */
static void put_cell(struct text *t, const struct column *column, const struct cell *cell, int *at)
{
	int room = MIN(column->width, t->opts.width - *at), before = 0, columns;
	const char *s = column->head < 0 ? text__cut(t, cell->s, room)
					 : text__cut_to(t, cell->s, column->head, room);

	columns = text__columns(t, s);
	if (column->align == TEXT_RIGHT) {
		before = column->width - columns;
		if (columns == cell->columns)
			before -= column->unit - (cell->columns - cell->number);
	}
	before = MAX(MIN(before, room - columns), 0);
	text__pad(t, before);
	text__put(t, cell->color, s);
	text__pad(t, room - columns - before);
	*at += MAX(room, 0);
}

static void put_row(struct text *t, const struct text_table *table, const struct cell *cells,
		    size_t n)
{
	int at = MIN(table->indent, t->opts.width), gap;
	bool first = true;
	size_t i;

	text__pad(t, at);
	for (i = 0; i < n; i++) {
		if (table->column[i].hidden)
			continue;
		gap = first ? 0 : MIN(GAP, t->opts.width - at);
		text__pad(t, gap);
		at += gap;
		put_cell(t, &table->column[i], &cells[i], &at);
		first = false;
	}
	text__newline(t);
}

static void put_titles(struct text *t, const struct text_table *table)
{
	struct cell *titles = xcalloc(table->n_columns, sizeof(*titles));
	size_t i;

	for (i = 0; i < table->n_columns; i++) {
		const struct column *column = &table->column[i];
		int columns = text__columns(t, column->title);

		titles[i] = (struct cell){
			.s = column->title,
			.color = TEXT_BOLD,
			.columns = columns,
			.number = columns - column->unit, /* flush with the units */
		};
	}
	put_row(t, table, titles, table->n_columns);
	free(titles);
}

void text__table_end(struct text *t)
{
	struct text_table *table = t->table;
	size_t at;

	if (table->n_columns && table->n_cells) {
		measure(t, table);
		hide_empty(table, t->opts.width);
		narrow(table, t->opts.width, FAIR_COLUMN);
		while (table_width(table) > t->opts.width && hide_one(table))
			;
		for (at = 0; at < table->n_columns; at++)
			shorten(t, table, at, t->opts.width);
		narrow(table, t->opts.width, MIN_COLUMN);
		for (at = 0; at < table->n_columns; at++)
			if (table->column[at].align == TEXT_NAME && !table->column[at].hidden)
				keep_apart(t, table, at, t->opts.width);
		if (!t->opts.quiet)
			put_titles(t, table);
		for (at = 0; at < table->n_cells; at += table->n_columns)
			put_row(t, table, table->cell + at,
				MIN(table->n_columns, table->n_cells - at));
	}
	text__table_free(table);
	t->table = NULL;
}
