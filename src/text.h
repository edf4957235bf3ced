/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text for people: numbers with units, tables, bars, histograms (screens.md).
 *
 * The layouts of the commands are made of these. All text is escaped here: what could steer a
 * terminal or cannot be seen (C0, DEL, C1, bidirectional controls, zero-width characters, accents
 * without end, bytes that are not UTF-8; without opts->unicode all that is not ASCII) comes
 * out as \xHH, byte by byte. Escaping twice changes nothing. Widths are columns of a terminal, by
 * wcwidth() in C.UTF-8: the process' locale has no say in anything here.
 */
#ifndef KVMSCOPE_TEXT_H
#define KVMSCOPE_TEXT_H

#include <stdio.h>
#include "sink.h"

enum text_align {
	TEXT_LEFT,
	TEXT_RIGHT,
	TEXT_NAME /* left; what differs stays different when it is cut */
};
enum text_color { TEXT_PLAIN, TEXT_BOLD, TEXT_DIM, TEXT_RED, TEXT_YELLOW, TEXT_GREEN };

struct text;

/* Buffers all of a report and writes it at once. Never fails before text__end(). */
struct text *text__begin(FILE *out, const struct sink_opts *opts);
/* Writes, flushes, frees. Returns 0 or -errno of the write. */
int text__end(struct text *t);
const struct sink_opts *text__opts(const struct text *t);

/*
 * A line of prose; printf-like, without a newline. Escaped as a whole, so that no argument can do
 * harm, and broken at blanks where it is wider than opts->width.
 */
__attribute__((format(printf, 2, 3))) void text__line(struct text *t, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void text__colored(struct text *t, enum text_color c,
							 const char *fmt, ...);
void text__blank(struct text *t); /* an empty line */

/* printf() into a string that lives until text__end(), escaped; the decimal point is a point. */
__attribute__((format(printf, 2, 3))) const char *text__format(struct text *t, const char *fmt,
							       ...);
/* s escaped (NULL: a dash), cut to max columns (with "..." or its Unicode form at the cut). The
 * result lives until text__end(), and may go into a cell or a line. */
const char *text__safe(struct text *t, const char *s, int max_columns);
/* The same for a name: it is cut in its middle, for many names differ at their ends alone. */
const char *text__name(struct text *t, const char *s, int max_columns);

/*
 * Numbers at three significant digits; a dash where a thing did not happen is the caller's
 * to choose: text__dash(). What is no number (negative, not finite, a rate over no time) is one.
 * Results live until text__end().
 *   text__count  4, 999, 1.20 k, 78.1 k, 1.04 M, 2.50 G
 *   text__ns     870 ns, 2.10 µs, 1.20 ms, 9.40 s, 3.50 min
 *   text__bytes  512 B, 15.6 KiB, 1.20 MiB
 *   text__rate, text__byte_rate  count or bytes a second, from their number and an interval in ns
 *   text__exact  1,204: all digits
 *   text__percent  of a share, 0 to 1: 0.3 %, 2 %, 38 %, 99.7 %, 100 %; never 0 % for what is
 *                not 0 (< 0.1 %), nor 100 % for what is not all
 */
const char *text__count(struct text *t, double v);
const char *text__ns(struct text *t, uint64_t ns);
const char *text__bytes(struct text *t, double v);
const char *text__rate(struct text *t, uint64_t count, uint64_t elapsed_ns);
const char *text__byte_rate(struct text *t, uint64_t n, uint64_t elapsed_ns);
const char *text__exact(struct text *t, uint64_t v);
const char *text__percent(struct text *t, double share);
const char *text__dash(struct text *t);

/*
 * A table: columns first, then rows cell by cell, then text__table_end() prints it with each
 * column as wide as it must be; a table without rows is not there at all. Titles stay away with
 * opts->quiet. Cells of a right-aligned column are aligned at their number's end, with room for
 * the units behind it:  41.2 k
 *                      120
 * If the table is wider than opts->width, TEXT_SPARE columns with nothing but dashes are left out,
 * the rightmost first; left-aligned columns of more than 36 columns are cut to these; columns
 * with a priority above 0 are left out, the highest priority first, the rightmost of these first;
 * cells that have a shorter form take it; then left-aligned ones are cut further, the widest
 * first. Names are cut in the middle, or wherever else they stay different; where that takes
 * more room, the others pay for it.
 */
#define TEXT_SPARE (-1) /* a priority */
void text__table(struct text *t, int indent);
void text__column(struct text *t, const char *title, enum text_align align, int priority);
void text__cell(struct text *t, const char *s); /* escaped; NULL: a dash */
/* shorter: what says less, for where there is no room for s. */
void text__cell_or(struct text *t, const char *s, const char *shorter);
void text__cell_color(struct text *t, const char *s, enum text_color c);
void text__table_end(struct text *t);

/*
 * A bar of width columns that shows parts[n] of their sum, each with its own fill, all parts'
 * columns together always width. What is one percent or more has at least one column, where
 * there are columns enough. Blanks when the sum is 0. The result lives until text__end().
 * Fills are made for the states of enum ks_state, in that order; text__fill() is one
 * column of that of part i, for a legend.
 */
const char *text__bar(struct text *t, const uint64_t *parts, size_t n, int width);
const char *text__fill(const struct text *t, size_t i);

/*
 * The histogram of -H: a title with count and percentiles, then a line a bucket with its range,
 * count and bar. Runs of empty buckets are folded to one line; at most 24 rows, of two
 * buckets each, or four, or powers of two, of four ..., when there would be more. unit is that
 * of the values: 'n' ns, 'b' bytes, 'c' plain counts.
 */
void text__histogram(struct text *t, const char *title, const struct histogram *h, char unit);

#endif
