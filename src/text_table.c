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
	int number; /* of these, up to the unit */
};

struct column {
	const char *title;
	enum text_align align;
	int priority;
	bool hidden;
	int width;
	int unit; /* of the width, what numbers leave free for the widest unit */
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
	cell->s = text__escape(t, s);
	cell->color = c;
	cell->columns = text__columns(t, cell->s);
	cell->number = number_columns(t, cell->s, cell->columns);
}

void text__cell(struct text *t, const char *s)
{
	text__cell_color(t, s, TEXT_PLAIN);
}

static void measure(struct text *t, struct text_table *table)
{
	size_t i, at;

	for (i = 0; i < table->n_columns; i++) {
		struct column *column = &table->column[i];
		int number = 0;

		for (at = i; at < table->n_cells; at += table->n_columns) {
			const struct cell *cell = &table->cell[at];

			if (column->align == TEXT_LEFT) {
				column->width = MAX(column->width, cell->columns);
			} else {
				number = MAX(number, cell->number);
				column->unit = MAX(column->unit, cell->columns - cell->number);
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
			if (column->align == TEXT_LEFT && !column->hidden &&
			    column->width > (widest ? widest->width : floor))
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

/* Puts one cell, and its column's blanks around it; at is where the line has come to. */
static void put_cell(struct text *t, const struct column *column, const struct cell *cell, int *at)
{
	int room = MIN(column->width, t->opts.width - *at), before = 0, columns;
	const char *s = text__cut(t, cell->s, room);

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
		narrow(table, t->opts.width, FAIR_COLUMN);
		while (table_width(table) > t->opts.width && hide_one(table))
			;
		narrow(table, t->opts.width, MIN_COLUMN);
		if (!t->opts.quiet)
			put_titles(t, table);
		for (at = 0; at < table->n_cells; at += table->n_columns)
			put_row(t, table, table->cell + at,
				MIN(table->n_columns, table->n_cells - at));
	}
	text__table_free(table);
	t->table = NULL;
}
