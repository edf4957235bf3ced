/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of text*.c share, and nobody else needs. */
#ifndef KVMSCOPE_TEXT_INTERNAL_H
#define KVMSCOPE_TEXT_INTERNAL_H

#include <locale.h>
#include "text.h"

struct text_table;

struct text {
	FILE *out;
	struct sink_opts opts;
	locale_t locale; /* C with the characters of C.UTF-8, where there is such a thing */
	bool wide;	 /* there is: wcwidth() knows all characters */
	char *buf;	 /* what text__end() writes */
	size_t n;
	size_t size;
	char **kept; /* what lives until text__end() */
	size_t n_kept;
	struct text_table *table; /* the one under way */
};

/* Hands s, which came from malloc(), over to t; returns it. */
char *text__keep(struct text *t, char *s);

/* s escaped as text.h says; NULL: a dash. What is escaped already stays as it is. */
const char *text__escape(struct text *t, const char *s);
/* Columns that an escaped text takes. */
int text__columns(const struct text *t, const char *s);
/* An escaped text, cut to max columns where it has more. */
const char *text__cut(struct text *t, const char *s, int max);
/* The same, with what is left out behind the first head columns and not at the end. */
const char *text__cut_to(struct text *t, const char *s, int head, int max);
/* Columns that are left for a text when it is cut to max, beside the mark that says so. */
int text__cut_room(const struct text *t, int max);
/* What text__cut_to() keeps of one: returns how many bytes of its start fit into head columns,
 * and sets *ret_end to as much of its end as, with these, fits into max. */
size_t text__cut_at(const struct text *t, const char *s, int head, int max, const char **ret_end);
/* s n times. */
const char *text__repeat(struct text *t, const char *s, int n);

/* Appends an escaped text to what text__end() writes, in a colour where colours are wanted. */
void text__put(struct text *t, enum text_color c, const char *s);
void text__pad(struct text *t, int columns);
/* Ends the line, without blanks at its end. */
void text__newline(struct text *t);

void text__table_free(struct text_table *table); /* NULL is fine */

#endif
