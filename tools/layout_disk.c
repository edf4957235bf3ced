/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The screens of block I/O: a VM's disks, operation by operation. */
#include <stdlib.h>
#include <string.h>
#include "layout.h"
#include "layout_disk.h"
#include "util.h"

#define WAY_COLUMNS 78

/* In the order of a request's way. */
static const struct {
	const char *field, *name, *where;
} stages[] = {
	{"q2g", "Q2G", "tag wait"},
	{"g2i", "G2I", "plug"},
	{"i2d", "I2D", "scheduler"},
	{"d2c", "D2C", "device"},
};
#define STAGES ARRAY_SIZE(stages)

static const struct histogram *hist(const struct layout_disk *d, const char *field)
{
	return row__get_hist(d->disk, field);
}

/* Time that all stages took, or the whole way where that is known. */
static uint64_t total(const struct layout_disk *d)
{
	const struct histogram *q2c = hist(d, "q2c");
	uint64_t sum = 0;

	for (size_t i = 0; i < STAGES; i++)
		sum += hist(d, stages[i].field) ? hist(d, stages[i].field)->sum : 0;
	return q2c && q2c->sum > sum ? q2c->sum : sum;
}

static int by_time(const void *a, const void *b)
{
	const struct layout_disk *x = a, *y = b;
	uint64_t tx = total(x), ty = total(y);
	/* what is stuck has taken no time yet, as far as histograms go */
	uint64_t ox = row__get_u64(x->disk, "oldest_ns"), oy = row__get_u64(y->disk, "oldest_ns");

	tx = ox > tx ? ox : tx;
	ty = oy > ty ? oy : ty;
	if (tx != ty)
		return tx < ty ? 1 : -1;
	return strcmp(row__get_text(x->disk, "op"), row__get_text(y->disk, "op"));
}

struct layout_disk *layout__disks(const struct rows *vms, size_t *ret_n)
{
	struct layout_disk *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < vms->n; i++) {
		const struct rows *disks = row__get_rows(vms->row[i], "disks");

		list = xreallocarray(list, n + disks->n, sizeof(*list));
		for (size_t k = 0; k < disks->n; k++)
			list[n++] = (struct layout_disk){vms->row[i], disks->row[k]};
	}
	if (n)
		qsort(list, n, sizeof(*list), by_time);
	*ret_n = n;
	return list;
}

/* Is it the queue or the device? Shares of the whole way's time; most: the stage with most of it.
 */
struct verdict {
	bool known; /* false for disks without requests, and where only one stage was timed */
	double queue, device;
	const char *most;
	double share;
};

/*
 * Where that time is that no stage tells. A flush is no request of its own: it waits for the
 * flushes before it (block/blk-flush.c). A bio that was merged had no way of its own until D. And
 * stages may be missing, for the kernel has left them out or nobody asked.
 */
static const char *rest_of(const struct layout_disk *d)
{
	if (!strcmp(row__get_text(d->disk, "op"), "flush"))
		return "flush queue";
	if (hist(d, "i2d"))
		return "plug";
	return hist(d, "q2g") ? "G to D" : "before D";
}

static struct verdict judge(const struct layout_disk *d)
{
	const struct histogram *q2c = hist(d, "q2c"), *d2c = hist(d, "d2c");
	uint64_t sum = total(d), most = 0, all = 0;
	struct verdict v = {};

	if (!sum || !d2c)
		return v;
	for (size_t i = 0; i < STAGES; i++) {
		const struct histogram *h = hist(d, stages[i].field);

		all += h ? h->sum : 0;
		if (h && h->sum > most) {
			most = h->sum;
			v.most = stages[i].where;
		}
	}
	if (q2c && sum - all > most) {
		most = sum - all;
		v.most = rest_of(d);
	}
	v.known = q2c || all > d2c->sum;
	v.device = (double)d2c->sum / (double)sum;
	v.queue = 1 - v.device;
	v.share = (double)most / (double)sum;
	return v;
}

/* The way as a whole, or what there is of it. */
static const struct histogram *whole(const struct layout_disk *d)
{
	const struct histogram *h = hist(d, "q2c");

	return h ?: hist(d, "d2c");
}

void layout__disk_table(struct text *t, const struct layout_disk *disks, size_t n,
			uint64_t elapsed_ns)
{
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "device", TEXT_NAME, 0);
	text__column(t, "op", TEXT_LEFT, 0);
	text__column(t, "IOPS", TEXT_RIGHT, 0);
	text__column(t, "bytes/s", TEXT_RIGHT, 1);
	text__column(t, "p50", TEXT_RIGHT, 0);
	text__column(t, "p99", TEXT_RIGHT, 0);
	text__column(t, "queue", TEXT_RIGHT, 0);
	text__column(t, "device", TEXT_RIGHT, 0);
	text__column(t, "most is", TEXT_LEFT, 0);
	for (size_t i = 0; i < n; i++) {
		const struct row *d = disks[i].disk;
		const struct histogram *h = whole(&disks[i]);
		const struct verdict v = judge(&disks[i]);
		uint64_t count = row__get_u64(d, "count"), bytes = row__get_u64(d, "bytes");

		text__cell(t, row__get_text(disks[i].vm, "name"));
		text__cell(t, row__get_text(d, "name"));
		text__cell(t, row__get_text(d, "op"));
		text__cell(t, count ? text__rate(t, count, elapsed_ns) : NULL);
		text__cell(t, bytes ? text__format(t, "%s/s", text__byte_rate(t, bytes, elapsed_ns))
				    : NULL);
		text__cell(t, h ? text__ns(t, histogram__percentile(h, 0.5)) : NULL);
		text__cell(t, h ? text__ns(t, histogram__percentile(h, 0.99)) : NULL);
		text__cell(t, v.known ? text__percent(t, v.queue) : NULL);
		text__cell(t, v.known ? text__percent(t, v.device) : NULL);
		text__cell(t, v.known ? v.most : NULL);
	}
	text__table_end(t);
}

/* The stages of a way at one percentile: a line each, or a gap where one has not happened. */
struct way {
	uint64_t ns[STAGES];
	bool there[STAGES];
	uint64_t rest; /* of Q2C, what they do not tell; 0 where there is no gap */
	size_t n, gaps;
	uint64_t sum;
};

static struct way way_of(const struct layout_disk *d, double q)
{
	const struct histogram *q2c = hist(d, "q2c");
	struct way w = {};

	for (size_t i = 0; i < STAGES; i++) {
		const struct histogram *h = hist(d, stages[i].field);

		w.there[i] = h;
		w.ns[i] = h ? histogram__percentile(h, q) : 0;
		w.sum += w.ns[i];
		w.n += w.there[i];
		w.gaps += !h && (!i || w.there[i - 1]);
	}
	if (q2c && w.gaps && histogram__percentile(q2c, q) > w.sum) {
		w.rest = histogram__percentile(q2c, q) - w.sum;
		w.sum += w.rest;
	}
	return w;
}

/* "--1.23 us--", or longer by more. */
static const char *put_line(struct text *t, const char *dash, const char *what, int more)
{
	const char *line = "";

	for (int k = 0; k < 2 + more / 2; k++)
		line = text__format(t, "%s%s", line, dash);
	line = text__format(t, "%s%s", line, what);
	for (int k = 0; k < 2 + more - more / 2; k++)
		line = text__format(t, "%s%s", line, dash);
	return line;
}

/*
 * "Q --0.8 us-- G --2.1 us-- I --11 us-- D ------ 196 us ------ C": each line as long as its share
 * of the sum, as far as there is room. "G ....~25 us.... D": that time is in the whole, and no
 * stage tells of it.
 */
static void put_way(struct text *t, const struct layout_disk *d, double q, const char *label)
{
	static const char letters[] = "QGIDC";
	const char *dash = text__opts(t)->unicode ? "─" : "-";
	const char *dot = text__opts(t)->unicode ? "·" : ".";
	const struct way w = way_of(d, q);
	const char *line = "  ", *part;
	int room = WAY_COLUMNS - 2 - 8;

	if (!w.n)
		return;
	/* "Q --1.23 us-- ", "Q ..~1.23 us.. ", or "G - " */
	room -= 14 * (int)w.n + (w.rest ? 15 : 4) * (int)w.gaps;
	for (size_t i = 0; i < STAGES; i++) {
		uint64_t ns = w.there[i] ? w.ns[i] : w.rest / (w.gaps ?: 1);
		int more = room > 0 && w.sum ? (int)((double)ns / (double)w.sum * room) : 0;

		if (!w.there[i] && i && !w.there[i - 1])
			continue; /* the gap has begun */
		if (!w.there[i] && !w.rest && !i)
			continue; /* the way begins later, as far as is known */
		if (w.there[i])
			part = put_line(t, dash, text__ns(t, ns), more);
		else if (!w.rest)
			part = dash;
		else
			part = put_line(t, dot,
					w.gaps == 1 ? text__format(t, "~%s", text__ns(t, ns)) : "",
					more);
		line = text__format(t, "%s%c %s ", line, letters[i], part);
	}
	text__line(t, "%sC   %s", line, label);
}

static void put_stages(struct text *t, const struct layout_disk *d)
{
	static const double q[] = {0.5, 0.9, 0.99, 0.999};
	uint64_t all = total(d);
	const struct histogram *q2c = hist(d, "q2c");

	text__table(t, 2);
	text__column(t, "stage", TEXT_LEFT, 0);
	text__column(t, "count", TEXT_RIGHT, 0);
	text__column(t, "p50", TEXT_RIGHT, 0);
	text__column(t, "p90", TEXT_RIGHT, 0);
	text__column(t, "p99", TEXT_RIGHT, 0);
	text__column(t, "p99.9", TEXT_RIGHT, 0);
	text__column(t, "max", TEXT_RIGHT, 0);
	text__column(t, "share", TEXT_RIGHT, 0);
	if (q2c) {
		text__cell(t, "Q2C");
		text__cell(t, text__count(t, q2c->count));
		layout__percentiles(t, q2c, q, ARRAY_SIZE(q));
		text__cell(t, text__percent(t, 1));
	}
	for (size_t i = 0; i < STAGES; i++) {
		const struct histogram *h = hist(d, stages[i].field);

		if (!h)
			continue;
		text__cell(t, stages[i].name);
		text__cell(t, text__count(t, h->count));
		layout__percentiles(t, h, q, ARRAY_SIZE(q));
		text__cell(t, q2c && all ? text__percent(t, (double)h->sum / (double)all) : NULL);
	}
	text__table_end(t);
}

static const char *plus(struct text *t, const char *line, uint64_t n, const char *what)
{
	if (!n)
		return line;
	return text__format(t, "%s%s%s %s", line, *line ? ", " : "", text__count(t, n), what);
}

/* "in flight 3, oldest 1.9 ms; 12 % merged, 80 % sequential" */
static void put_rest(struct text *t, const struct layout_disk *d)
{
	static const struct {
		const char *field, *what;
	} counts[] = {
		{"merged_back", "merged at the back"},
		{"merged_front", "merged at the front"},
		{"merged_requests", "requests merged"},
		{"split", "split off"},
		{"requeued", "requeued"},
		{"partial", "partial completions"},
		{"errors", "failed"},
	};
	uint64_t in_flight = row__get_u64(d->disk, "in_flight");
	const struct rows *errors = row__get_rows(d->disk, "errors_by");
	const char *line = "", *why = "";

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		line = plus(t, line, row__get_u64(d->disk, counts[i].field), counts[i].what);
	for (size_t i = 0; i < errors->n; i++)
		why = text__format(t, "%s%s%s %s", why, i ? ", " : "",
				   text__count(t, row__get_u64(errors->row[i], "count")),
				   row__get_text(errors->row[i], "status"));
	if (*why)
		line = text__format(t, "%s (%s)", line, why);
	if (in_flight)
		line = text__format(t, "in flight %s, oldest %s%s%s", text__count(t, in_flight),
				    text__ns(t, row__get_u64(d->disk, "oldest_ns")),
				    *line ? "; " : "", line);
	if (*line)
		text__line(t, "  %s", line);
}

static void put_histograms(struct text *t, const struct layout_disk *d)
{
	static const struct {
		const char *field;
		char unit;
	} all[] = {{"q2c", 'n'}, {"q2g", 'n'}, {"g2i", 'n'},
		   {"i2d", 'n'}, {"d2c", 'n'}, {"size_bytes", 'b'}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (!hist(d, all[i].field))
			continue;
		text__blank(t);
		text__histogram(
			t,
			text__format(
				t, "%s   %s   %s   %s",
				text__name(t, row__get_text(d->vm, "name"), LAYOUT_DISK_NAME),
				text__name(t, row__get_text(d->disk, "name"), LAYOUT_DISK_NAME),
				row__get_text(d->disk, "op"), all[i].field),
			hist(d, all[i].field), all[i].unit);
	}
}

void layout__disk(struct text *t, const struct layout_disk *d, uint64_t elapsed_ns)
{
	uint64_t count = row__get_u64(d->disk, "count"), bytes = row__get_u64(d->disk, "bytes");
	uint64_t merged = row__get_u64(d->disk, "merged");
	const struct histogram *depth = hist(d, "depth"), *size = hist(d, "size_bytes");
	const char *alias = row__get_text(d->disk, "alias"), *line;
	const struct verdict v = judge(d);
	bool below = layout__disk_passes_on(d->vm, row__get_text(d->disk, "name"));

	line = text__format(t, "%s   %s",
			    text__name(t, row__get_text(d->vm, "name"), LAYOUT_DISK_NAME),
			    text__name(t, row__get_text(d->disk, "name"), LAYOUT_DISK_NAME));
	/* of a loop device's file, what tells it from others is at the end */
	if (alias && *alias == '/')
		alias = strrchr(alias, '/') + 1;
	if (alias)
		line = text__format(t, "%s (%s)", line, text__safe(t, alias, 18));
	line = text__format(t, "%s   %s   %s IOPS", line, row__get_text(d->disk, "op"),
			    text__rate(t, count, elapsed_ns));
	if (bytes)
		line = text__format(t, "%s   %s/s", line, text__byte_rate(t, bytes, elapsed_ns));
	if (bytes && count)
		line = text__format(t, "%s   %s each", line,
				    text__bytes(t, (double)bytes / (double)count));
	text__colored(t, TEXT_BOLD, "%s", line);
	if (v.known)
		text__line(t, "  queue %s, device %s of the time; most is %s",
			   text__percent(t, v.queue), text__percent(t, v.device), v.most);
	else if (below)
		text__line(t, "  it has no queue of its own: its time is that of what is below it");
	put_way(t, d, 0.5, "p50");
	put_way(t, d, 0.99, "p99");
	put_stages(t, d);
	if (depth)
		line = text__format(
			t, "depth %.1f%s%s sequential",
			(double)depth->sum / (double)depth->count / (double)(1U << depth->shift),
			merged ? text__format(t, "   merged %s",
					      text__percent(t, (double)merged /
								       (double)(merged + count)))
			       : "",
			size ? text__format(t, "   %s",
					    text__percent(
						    t, (double)row__get_u64(d->disk, "sequential") /
							       (double)size->count))
			     : "   0 %");
	if (depth && size)
		text__line(t, "  %s", line);
	put_rest(t, d);
	if (text__opts(t)->histograms)
		put_histograms(t, d);
}
