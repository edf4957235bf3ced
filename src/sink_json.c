/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reports as JSON, one object a line. The form is a contract: interface.md, "JSON". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>
#include <json-c/printbuf.h>
#include "sink.h"
#include "utf8.h"
#include "util.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static struct json_object *checked(struct json_object *o)
{
	if (!o)
		abort();
	return o;
}

static void put(struct json_object *o, const char *name, struct json_object *value)
{
	if (json_object_object_add(o, name, value))
		abort();
}

static void append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value))
		abort();
}

static struct json_object *number(uint64_t v)
{
	return checked(json_object_new_uint64(v));
}

/* json-c escapes what JSON wants escaped, but passes on bytes that are not UTF-8. */
static struct json_object *text(const char *s)
{
	size_t n = strlen(s), in = 0, out = 0, len;
	/* at worst each byte becomes one replacement */
	char *valid = xcalloc(n + 1, strlen(REPLACEMENT));
	struct json_object *o;
	uint32_t cp;

	while (in < n) {
		len = utf8__decode(s + in, n - in, &cp);
		if (cp == UTF8_INVALID) {
			memcpy(valid + out, REPLACEMENT, strlen(REPLACEMENT));
			out += strlen(REPLACEMENT);
		} else {
			memcpy(valid + out, s + in, len);
			out += len;
		}
		in += len;
	}
	o = checked(json_object_new_string_len(valid, (int)out));
	free(valid);
	return o;
}

/* What a lazy field needs when its turn comes. */
struct view {
	const struct field *field;
	const struct sink_opts *opts;
};

static void print(struct printbuf *out, const char *s)
{
	if (printbuf_memappend(out, s, (int)strlen(s)) < 0)
		abort();
}

static void print_number(struct printbuf *out, const char *before, uint64_t v)
{
	char s[21], *p = s + sizeof(s) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + v % 10);
	} while (v /= 10);
	print(out, before);
	print(out, p);
}

static int print_hist(struct json_object *o, struct printbuf *out, int level, int flags)
{
	const struct view *view = json_object_get_userdata(o);
	const struct histogram *h = view->field->hist;
	const char *separator = ",\"buckets\":[[";
	uint64_t low, high;
	uint32_t i;

	print_number(out, "{\"count\":", h->count);
	print_number(out, ",\"sum\":", h->sum >> h->shift);
	print_number(out, ",\"max\":", h->max >> h->shift);
	print_number(out, ",\"p50\":", histogram__percentile(h, 0.5));
	print_number(out, ",\"p90\":", histogram__percentile(h, 0.9));
	print_number(out, ",\"p99\":", histogram__percentile(h, 0.99));
	print_number(out, ",\"p999\":", histogram__percentile(h, 0.999));
	for (i = 0; view->opts->histograms && i < KS_HIST_BUCKETS; i++) {
		if (!h->bucket[i])
			continue;
		low = ks_hist_low(i) >> h->shift;
		high = ks_hist_low(i + 1) >> h->shift;
		if (high == low)
			high++;
		/* the last bucket is open: a finite end, which is exclusive as all are */
		if (i == KS_HIST_LAST && h->max >= ks_hist_low(i) && h->max < high)
			high = h->max + 1;
		print_number(out, separator, low);
		print_number(out, ",", high);
		print_number(out, ",", h->bucket[i]);
		separator = "],[";
	}
	if (view->opts->histograms)
		print(out, *separator == ',' ? ",\"buckets\":[]" : "]]");
	print(out, "}");
	return 0;
}

static int print_split(struct json_object *o, struct printbuf *out, int level, int flags)
{
	const struct view *view = json_object_get_userdata(o);
	const char *separator = "{\"";
	int state;

	for (state = 0; state < KS_STATES; state++) {
		if (view->field->split_without & 1U << state)
			continue;
		print(out, separator);
		print(out, state_names[state]);
		print_number(out, "\":", view->field->split[state]);
		separator = ",\"";
	}
	print(out, *separator == '{' ? "{}" : "}");
	return 0;
}

static void put_fields(struct json_object *o, const struct row *row, const struct sink_opts *opts);

static int print_rows(struct json_object *list, struct printbuf *out, int level, int flags)
{
	const struct view *view = json_object_get_userdata(list);
	const struct rows *rows = &view->field->rows;
	struct json_object *o;
	const char *s;
	size_t i;

	print(out, "[");
	for (i = 0; i < rows->n; i++) {
		o = checked(json_object_new_object());
		put_fields(o, rows->row[i], view->opts);
		s = json_object_to_json_string_ext(o, flags);
		if (!s)
			abort();
		if (i)
			print(out, ",");
		print(out, s);
		json_object_put(o);
	}
	print(out, "]");
	return 0;
}

/*
 * A field that json-c has printed when it comes to it, for a tree of all histograms of 200 VMs
 * takes ten times the memory and the time of what it is printed to.
 */
static struct json_object *lazy(const struct field *f, const struct sink_opts *opts,
				json_object_to_json_string_fn *function)
{
	struct json_object *o = checked(json_object_new_boolean(0));
	struct view *view = xcalloc(1, sizeof(*view));

	view->field = f;
	view->opts = opts;
	json_object_set_serializer(o, function, view, json_object_free_userdata);
	return o;
}

static struct json_object *field(const struct field *f, const struct sink_opts *opts)
{
	switch (f->kind) {
	case FIELD_NULL:
		break;
	case FIELD_BOOL:
		return checked(json_object_new_boolean(f->truth));
	case FIELD_INT:
		if (f->num.negative)
			return checked(json_object_new_int64((int64_t)-f->num.value));
		return number(f->num.value);
	case FIELD_TEXT:
		return text(f->text);
	case FIELD_HIST:
		return lazy(f, opts, print_hist);
	case FIELD_SPLIT:
		return lazy(f, opts, print_split);
	case FIELD_ROWS:
		return lazy(f, opts, print_rows);
	}
	return NULL;
}

static void put_fields(struct json_object *o, const struct row *row, const struct sink_opts *opts)
{
	size_t i;

	for (i = 0; i < row->n; i++)
		put(o, row->field[i].name, field(&row->field[i], opts));
}

/* RFC 3339 in UTC with milliseconds, which is what all parsers take. */
static struct json_object *timestamp(const struct timespec *ts)
{
	struct tm tm = {0};
	char day[32], all[48];

	gmtime_r(&ts->tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(all, sizeof(all), "%s.%03uZ", day, (unsigned int)(ts->tv_nsec / 1000000));
	return text(all);
}

int sink_json__write(FILE *out, const struct report *r, const struct sink_opts *opts)
{
	struct json_object *o = checked(json_object_new_object());
	struct json_object *loss = checked(json_object_new_object());
	const char *line;
	size_t len, i;
	int rc;

	put(o, "schema", text("kvmscope/1"));
	put(o, "report", text(r->kind));
	put(o, "start", timestamp(&r->start));
	put(o, "elapsed_ns", number(r->elapsed_ns));
	put(o, "complete", checked(json_object_new_boolean(r->complete)));
	for (i = 0; i < r->n_loss; i++)
		put(loss, r->loss[i].name, number(r->loss[i].n));
	put(o, "loss", loss);
	if (r->n_note) {
		struct json_object *notes = checked(json_object_new_array());

		for (i = 0; i < r->n_note; i++)
			append(notes, text(r->note[i]));
		put(o, "notes", notes);
	}
	put_fields(o, &r->top, opts);

	line = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (!line)
		abort();
	errno = 0;
	if (fwrite(line, 1, len, out) == len)
		rc = sink__write(out, "\n", 1);
	else
		rc = errno ? -errno : -EIO;
	json_object_put(o);
	return rc;
}
