/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bars, and the histograms of -H. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include "text_internal.h"
#include "util.h"

#define MAX_ROWS 24
#define INDENT	 4

/* In the order of enum ks_state: dark is work, light is idle, a pattern is trouble. */
static const char *const fills[] = {"█", "▓", "▒", "▞", "░", "▚", "╱", "?"};
static const char *const ascii_fills[] = {"#", "=", "+", "~", ".", "%", "/", "?"};

static_assert(ARRAY_SIZE(fills) == KS_STATES, "each state has a fill");
static_assert(ARRAY_SIZE(ascii_fills) == KS_STATES, "each state has a fill");

const char *text__fill(const struct text *t, size_t i)
{
	return (t->opts.unicode ? fills : ascii_fills)[i % KS_STATES];
}

const char *text__bar(struct text *t, const uint64_t *parts, size_t n, int width)
{
	int *columns = xcalloc(n, sizeof(*columns)), left = MAX(width, 0);
	double *rest = xcalloc(n, sizeof(*rest)), sum = 0, exact;
	const char *bar = "";
	size_t i, best;

	for (i = 0; i < n; i++)
		sum += (double)parts[i];
	for (i = 0; i < n && sum > 0; i++) {
		exact = (double)parts[i] / sum * width;
		columns[i] = (int)exact;
		rest[i] = exact - columns[i];
		left -= columns[i];
	}
	for (; left > 0 && sum > 0; left--) {
		for (best = 0, i = 1; i < n; i++)
			if (rest[i] > rest[best])
				best = i;
		columns[best]++;
		rest[best] = -1;
	}
	/* what is one percent or more shows, at the cost of the widest */
	for (i = 0; i < n; i++) {
		size_t widest = 0, j;

		if (columns[i] || !(sum > 0) || (double)parts[i] < sum / 100)
			continue;
		for (j = 1; j < n; j++)
			if (columns[j] > columns[widest])
				widest = j;
		if (columns[widest] < 2)
			break;
		columns[widest]--;
		columns[i]++;
	}
	for (i = 0; i < n; i++)
		bar = text__format(t, "%s%s", bar, text__repeat(t, text__fill(t, i), columns[i]));
	free(columns);
	free(rest);
	return sum > 0 ? bar : text__repeat(t, " ", width);
}

/* Buckets in groups of `size`: all but the first bucket and the last, which stay alone. */
static uint32_t group_of(uint32_t bucket, uint32_t size)
{
	if (bucket == 0)
		return 0;
	return 1 + ((bucket == KS_HIST_LAST ? KS_HIST_LAST + size - 2 : bucket - 1) / size);
}

static uint32_t group_start(uint32_t group, uint32_t size)
{
	return group ? MIN(1 + (group - 1) * size, KS_HIST_LAST) : 0;
}

struct line {
	uint64_t low;
	uint64_t high;
	uint64_t count; /* 0: a fold */
};

/* Returns the number of lines, which is above max when they are too many to be told. */
static size_t gather(const struct histogram *h, uint32_t size, struct line *lines, size_t max)
{
	uint32_t group, last = group_of(KS_HIST_LAST, size), i, end;
	bool gap = false;
	size_t n = 0;

	for (group = 0; group <= last; group++) {
		struct line line = {.low = ks_hist_low(group_start(group, size))};

		end = group == last ? KS_HIST_BUCKETS : group_start(group + 1, size);
		for (i = group_start(group, size); i < end; i++)
			line.count += h->bucket[i];
		/* the last bucket is open: it ends where its values do */
		line.high = group == last ? MAX(h->max, line.low) : ks_hist_low(end);
		if (!line.count) {
			gap = n > 0;
			continue;
		}
		if (n + gap >= max)
			return max + 1;
		if (gap)
			lines[n++] = (struct line){0};
		lines[n++] = line;
		gap = false;
	}
	return n;
}

struct scale {
	unsigned int base;
	const char *units[6];
};

static const struct scale *scale_of(const struct text *t, char unit)
{
	static const struct scale times = {1000, {"ns", "µs", "ms", "s"}};
	static const struct scale ascii_times = {1000, {"ns", "us", "ms", "s"}};
	static const struct scale bytes = {1024, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"}};
	static const struct scale counts = {1000, {"", "k", "M", "G", "T", "P"}};

	if (unit == 'b')
		return &bytes;
	if (unit == 'n')
		return t->opts.unicode ? &times : &ascii_times;
	return &counts;
}

/* Two digits are enough to tell neighbours apart. */
static const char *edge(struct text *t, uint64_t v, uint64_t divisor)
{
	double scaled = (double)v / (double)divisor;

	return text__format(t, divisor > 1 && scaled < 9.95 ? "%.1f" : "%.0f", scaled);
}

/* The parts of "1.0 – 1.1 µs": both ends in the unit of the lower one. */
static void range(struct text *t, const struct scale *scale, const struct line *line,
		  const char *parts[3])
{
	uint64_t divisor = 1;
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(scale->units) && scale->units[i + 1] &&
	       line->low / divisor >= scale->base) {
		divisor *= scale->base;
		i++;
	}
	parts[0] = edge(t, line->low, divisor);
	parts[1] = edge(t, line->high, divisor);
	parts[2] = scale->units[i];
}

/* A bar for a share of the longest one; what is not nothing shows. */
static const char *row_bar(struct text *t, double share, int width)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	int n;

	if (!t->opts.unicode) {
		n = (int)(share * width + 0.5);
		return n ? text__repeat(t, "#", n) : ".";
	}
	n = MAX((int)(share * width * 8 + 0.5), 1);
	return text__format(t, "%s%s", text__repeat(t, "█", n / 8), eighths[n % 8]);
}

static const char *value(struct text *t, uint64_t v, char unit)
{
	if (unit == 'b')
		return text__bytes(t, (double)v);
	return unit == 'n' ? text__ns(t, v) : text__count(t, (double)v);
}

static void put_title(struct text *t, const char *title, const struct histogram *h, char unit)
{
	const char *summary, *cut = text__safe(t, title, t->opts.width);

	if (h->count)
		summary = text__format(
			t, "%s value%s, p50 %s, p99 %s, max %s", text__exact(t, h->count),
			h->count == 1 ? "" : "s", value(t, histogram__percentile(h, 0.5), unit),
			value(t, histogram__percentile(h, 0.99), unit), value(t, h->max, unit));
	else
		summary = text__dash(t);
	text__put(t, TEXT_BOLD, cut);
	if (text__columns(t, cut) + 3 + text__columns(t, summary) > t->opts.width)
		text__newline(t);
	text__pad(t, 3);
	text__put(t, TEXT_DIM, text__cut(t, summary, t->opts.width - 3));
	text__newline(t);
}

void text__histogram(struct text *t, const char *title, const struct histogram *h, char unit)
{
	const char *(*parts)[3], *dash = text__dash(t), *row;
	int width[3] = {0}, count_width = 0, bar_width, j;
	struct line lines[MAX_ROWS];
	uint64_t peak = 0;
	uint32_t size = 1;
	size_t n, i;

	put_title(t, title, h, unit);
	while ((n = gather(h, size, lines, MAX_ROWS)) > MAX_ROWS)
		size *= 2;
	parts = xcalloc(n, sizeof(*parts));
	for (i = 0; i < n; i++) {
		if (!lines[i].count)
			continue;
		range(t, scale_of(t, unit), &lines[i], parts[i]);
		for (j = 0; j < 3; j++)
			width[j] = MAX(width[j], text__columns(t, parts[i][j]));
		count_width = MAX(count_width, text__columns(t, text__exact(t, lines[i].count)));
		peak = MAX(peak, lines[i].count);
	}
	bar_width = t->opts.width - INDENT - width[0] - width[1] - width[2] - count_width - 8;
	for (i = 0; i < n; i++) {
		if (lines[i].count)
			row = text__format(t, "%*s %s %*s %s%*s  %s", INDENT + width[0],
					   parts[i][0], dash, width[1], parts[i][1], parts[i][2],
					   2 + width[2] - text__columns(t, parts[i][2]) +
						   count_width,
					   text__exact(t, lines[i].count),
					   row_bar(t, (double)lines[i].count / (double)peak,
						   MAX(bar_width, 1)));
		else if (t->opts.unicode)
			row = text__format(t, "%*s…", INDENT + width[0] + 1, "");
		else
			row = text__format(t, "%*s...", INDENT + width[0], "");
		text__put(t, lines[i].count ? TEXT_PLAIN : TEXT_DIM,
			  text__cut(t, row, t->opts.width));
		text__newline(t);
	}
	free(parts);
}
