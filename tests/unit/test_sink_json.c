/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* JSON: the contract's fields in their order, hostile text, and writes that fail. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>
#include <cmocka.h>
#include "sink.h"
#include "utf8.h"
#include "util.h"

static const struct sink_opts plain;
static const struct sink_opts with_buckets = {.histograms = true};

/* The line without its newline; the caller frees it. */
static char *line_of(const struct report *r, const struct sink_opts *opts)
{
	char *s = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&s, &n);

	assert_non_null(out);
	assert_int_equal(sink_json__write(out, r, opts), 0);
	fclose(out);
	assert_true(n > 0 && s[n - 1] == '\n');
	s[n - 1] = '\0';
	assert_int_equal(strlen(s), n - 1);
	assert_null(strchr(s, '\n'));
	return s;
}

static void assert_line(const struct report *r, const struct sink_opts *opts, const char *expected)
{
	char *line = line_of(r, opts);

	assert_string_equal(line, expected);
	free(line);
}

static struct report *sample(void)
{
	static const uint64_t split[KS_STATES] = {9, 1, 2, 3, 4, 5, 6, 7};
	struct report *r = report__new("exits");
	struct histogram h = {.count = 4, .sum = 10 + 100 + 101 + (1ULL << 38), .max = 1ULL << 38};
	struct row *vm, *exit;

	r->start = (struct timespec){.tv_sec = 1700000000, .tv_nsec = 7654321};
	r->elapsed_ns = 5000000001;
	report__add_loss(r, "cells_full", 0, "help");
	report__add_loss(r, "map_errors", 3, "help");
	h.bucket[0] = 1;
	h.bucket[ks_hist_bucket(100)] = 2;
	h.bucket[KS_HIST_LAST] = 1;
	vm = row__add(&r->top, "vms");
	row__text(vm, "name", "web/1");
	row__null(vm, "uuid");
	row__u64(vm, "pid", 4711);
	row__i64(vm, "lag", -3);
	row__bool(vm, "alive", true);
	exit = row__add(vm, "exits");
	row__hist(exit, "latency", &h);
	row__split(exit, "split_ns", split, 1U << KS_GUEST);
	row__list(vm, "nics");
	return r;
}

#define HEAD                                                                                      \
	"{\"schema\":\"kvmscope/1\",\"report\":\"exits\",\"start\":\"2023-11-14T22:13:20.007Z\"," \
	"\"elapsed_ns\":5000000001,\"complete\":false,"                                           \
	"\"loss\":{\"cells_full\":0,\"map_errors\":3},"
#define VM                                                                                   \
	"\"vms\":[{\"name\":\"web/1\",\"uuid\":null,\"pid\":4711,\"lag\":-3,\"alive\":true," \
	"\"exits\":[{\"latency\":{\"count\":4,\"sum\":274877907155,\"max\":274877906944,"    \
	"\"p50\":100,\"p90\":274877906944,\"p99\":274877906944,\"p999\":274877906944"
#define BUCKETS ",\"buckets\":[[0,64,1],[96,104,2],[137438953472,274877906945,1]]"
#define TAIL                                                                               \
	"},\"split_ns\":{\"kernel\":1,\"vmm\":2,\"halt_poll\":3,\"halted\":4,\"steal\":5," \
	"\"blocked\":6,\"unaccounted\":7}}],\"nics\":[]}]}"

static void test_contract(void **state)
{
	struct report *r = sample();

	assert_line(r, &plain, HEAD VM TAIL);
	assert_line(r, &with_buckets, HEAD VM BUCKETS TAIL);
	report__add_note(r, "read \"this\"");
	assert_line(r, &plain, HEAD "\"notes\":[\"read \\\"this\\\"\"]," VM TAIL);
	report__free(r);
}

static void test_extremes(void **state)
{
	struct report *r = report__new("exits");
	struct histogram h = {.count = 1, .sum = UINT64_MAX, .max = UINT64_MAX};

	h.bucket[KS_HIST_LAST] = 1;
	row__u64(&r->top, "most", UINT64_MAX);
	row__i64(&r->top, "least", INT64_MIN);
	row__hist(&r->top, "h", &h);
	memset(&h, 0, sizeof(h));
	row__hist(&r->top, "none", &h);
	assert_line(r, &with_buckets,
		    "{\"schema\":\"kvmscope/1\",\"report\":\"exits\","
		    "\"start\":\"1970-01-01T00:00:00.000Z\",\"elapsed_ns\":0,\"complete\":true,"
		    "\"loss\":{},\"most\":18446744073709551615,\"least\":-9223372036854775808,"
		    "\"h\":{\"count\":1,\"sum\":18446744073709551615,\"max\":18446744073709551615,"
		    "\"p50\":18446744073709551615,\"p90\":18446744073709551615,"
		    "\"p99\":18446744073709551615,\"p999\":18446744073709551615,"
		    "\"buckets\":[[137438953472,18446744073709551615,1]]},"
		    "\"none\":{\"count\":0,\"sum\":0,\"max\":0,\"p50\":0,\"p90\":0,\"p99\":0,"
		    "\"p999\":0,\"buckets\":[]}}");
	report__free(r);
}

/* A name's way through JSON and back; the caller frees it. */
static char *round_trip(const char *name)
{
	struct report *r = report__new("vms");
	struct json_object *o, *value;
	char *line, *back;

	row__text(&r->top, "name", name);
	line = line_of(r, &plain);
	o = json_tokener_parse(line);
	assert_true(json_object_object_get_ex(o, "name", &value));
	assert_int_equal(strlen(json_object_get_string(value)), json_object_get_string_len(value));
	back = xstrdup(json_object_get_string(value));
	json_object_put(o);
	free(line);
	report__free(r);
	return back;
}

#define R "\xef\xbf\xbd"

static void test_names(void **state)
{
	static const char *const names[][2] = {
		{"", ""},
		{"web1", "web1"},
		{"\"\\/\b\f\n\r\t\x01\x1f\x7f", "\"\\/\b\f\n\r\t\x01\x1f\x7f"},
		{"</script>", "</script>"},
		{"\u00e9 \u6570\u636e \U0001f427", "\u00e9 \u6570\u636e \U0001f427"},
		{"\u2028\u2029\u202e", "\u2028\u2029\u202e"},
		/* Unicode's own example of maximal subparts, chapter 3.9 */
		{"\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", R R R "b" R "c" R R "d"},
		{"\xc0\xaf", R R},	 /* overlong */
		{"\xe0\x80\xaf", R R R}, /* overlong */
		{"\xf0\x80\x80\xaf", R R R R},
		{"\xed\xa0\x80", R R R},       /* a surrogate */
		{"\xf4\x90\x80\x80", R R R R}, /* above U+10FFFF */
		{"\xf8\x88\x80\x80\x80", R R R R R},
		{"a\xff\xfe", "a" R R},
		{"cut \xe6\x95", "cut " R},
		{"cut \xf0\x9f\x90", "cut " R},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char *back = round_trip(names[i][0]);

		assert_string_equal(back, names[i][1]);
		free(back);
	}
}

static void test_long_name(void **state)
{
	char name[4097], *back;
	size_t i;

	for (i = 0; i < sizeof(name) - 1; i++)
		name[i] = (char)(1 + i % 127);
	name[i] = '\0';
	back = round_trip(name);
	assert_string_equal(back, name);
	free(back);
	memset(name, 0xff, sizeof(name) - 1);
	back = round_trip(name);
	assert_int_equal(strlen(back), 3 * (sizeof(name) - 1));
	free(back);
}

/* Every code point, and every one of its bytes alone and cut off. */
static void test_utf8(void **state)
{
	char s[5];
	uint32_t cp, got;
	size_t n, i;

	for (cp = 1; cp < 0x120000; cp++) {
		bool valid = cp < 0xd800 || (cp > 0xdfff && cp < 0x110000);

		if (cp < 0x80) {
			n = (size_t)sprintf(s, "%c", (int)cp);
		} else if (cp < 0x800) {
			n = (size_t)sprintf(s, "%c%c", 0xc0 | cp >> 6, 0x80 | (cp & 0x3f));
		} else if (cp < 0x10000) {
			n = (size_t)sprintf(s, "%c%c%c", 0xe0 | cp >> 12, 0x80 | (cp >> 6 & 0x3f),
					    0x80 | (cp & 0x3f));
		} else {
			n = (size_t)sprintf(s, "%c%c%c%c", 0xf0 | cp >> 18,
					    0x80 | (cp >> 12 & 0x3f), 0x80 | (cp >> 6 & 0x3f),
					    0x80 | (cp & 0x3f));
		}
		if (valid) {
			assert_int_equal(utf8__decode(s, n, &got), n);
			assert_int_equal(got, cp);
			for (i = 1; i < n; i++) {
				assert_int_equal(utf8__decode(s, i, &got), i);
				assert_int_equal(got, UTF8_INVALID);
			}
		} else {
			assert_int_equal(utf8__decode(s, n, &got), 1);
			assert_int_equal(got, UTF8_INVALID);
		}
	}
}

static void test_write_errors(void **state)
{
	struct report *r = sample();
	int ends[2], i;
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	assert_int_equal(sink_json__write(out, r, &plain), -ENOSPC);
	fclose(out);

	/* longer than any buffer, so that the write fails within fwrite() and not in fflush() */
	for (i = 0; i < 2000; i++)
		row__text(row__add(&r->top, "more"), "name", "some name or other");
	out = fopen("/dev/full", "w");
	assert_int_equal(sink_json__write(out, r, &plain), -ENOSPC);
	fclose(out);

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	out = fdopen(ends[1], "w");
	assert_int_equal(sink_json__write(out, r, &plain), -EPIPE);
	fclose(out);
	report__free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contract), cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_utf8),	 cmocka_unit_test(test_write_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
