/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text: what reaches a terminal, lines, tables, and that all of it stays within its width. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include "text_capture.h"

static void test_safe(void **state)
{
	static const struct {
		const char *in;
		const char *out;
		int max;
	} cases[] = {
		{"web1", "web1", 20},
		{"", "", 20},
		{NULL, "–", 20},
		{"\033[2J\n\r\t\177", "\\x1b[2J\\x0a\\x0d\\x09\\x7f", 80},
		{"\xc2\x85\xc2\x9b"
		 "31m",
		 "\\xc2\\x85\\xc2\\x9b31m", 80},
		{"a\u202eb", "a\\xe2\\x80\\xaeb", 80},
		{"a\u200bb\u2060", "a\\xe2\\x80\\x8bb\\xe2\\x81\\xa0", 80},
		{"\ufeffa", "\\xef\\xbb\\xbfa", 80},
		{"\xff\xc3", "\\xff\\xc3", 80},
		{"\\x1b", "\\x1b", 80},
		{"数据库-1", "数据库-1", 8},
		{"数据库-1", "数据…", 6},
		{"数据库-1", "数据…", 5},
		{"数据库-1", "…", 2},
		{"abc", "", 0},
		{"abc", "", -3},
		{"e\u0301t\u0301", "e\u0301t\u0301", 2},
		{"\u0301e", "\\xcc\\x81e", 20},
		{"e\u0301\u0301\u0301\u0301\u0301\u0301",
		 "e\u0301\u0301\u0301\u0301\\xcc\\x81\u0301", 20},
		{"abcdefgh", "abcd…", 5},
	};
	size_t i;

	start(&unicode);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *s = text__safe(t, cases[i].in, cases[i].max);

		assert_string_equal(s, cases[i].out);
		assert_string_equal(text__safe(t, s, cases[i].max), s);
	}
	stop();
	forget();
	start(&ascii);
	assert_string_equal(text__safe(t, "é", 20), "\\xc3\\xa9");
	assert_string_equal(text__safe(t, "abcdefgh", 5), "ab...");
	assert_string_equal(text__safe(t, "abcdefgh", 2), "ab");
	stop();
	forget();
}

/* In the middle, where the ends tell more than what is between. */
static void test_name(void **state)
{
	start(&unicode);
	assert_string_equal(text__name(t, "web1", 4), "web1");
	assert_string_equal(text__name(t, "instance-0000001a", 10), "inst…0001a");
	assert_string_equal(text__name(t, "数据库数据库-1", 8), "数…库-1");
	assert_string_equal(text__name(t, "aaaaaae\u0301\u0301", 4), "a…ae\u0301\u0301");
	assert_string_equal(text__name(t, "bbbbbe\u0301\u0301bb", 4), "b…bb");
	assert_string_equal(text__name(t, "abc", 1), "…");
	assert_string_equal(text__name(t, "abc", 0), "");
	stop();
	forget();
	start(&ascii);
	assert_string_equal(text__name(t, "instance-0000001a", 10), "ins...001a");
	assert_string_equal(text__name(t, "abcdefgh", 2), "ah");
	stop();
	forget();
}

/* A heading is broken between its parts. */
static void test_heading(void **state)
{
	struct sink_opts narrow = {.unicode = true, .width = 40};

	start(&narrow);
	text__line(t, "a-rather-long-name   qemu   206 k exits in 5.00 s   coverage 100 %%");
	text__line(t, "ok   what follows here is a sentence that goes on");
	assert_written("a-rather-long-name   qemu\n"
		       "  206 k exits in 5.00 s   coverage 100 %\n"
		       "ok   what follows here is a sentence\n"
		       "  that goes on\n");
}

/* A C library without C.UTF-8: what is drawn stays, what has an unknown width does not. */
static void test_no_locale(void **state)
{
	start(&unicode);
	t->wide = false;
	assert_string_equal(text__safe(t, "数 é █ – µ", 80), "\\xe6\\x95\\xb0 é █ – µ");
	assert_string_equal(text__ns(t, 2100), "2.10 µs");
	stop();
	forget();
}

/* printf() in the middle of a program that speaks German. */
static void test_other_locale(void **state)
{
	start(&ascii);
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		assert_non_null(setlocale(LC_ALL, "C"));
	text__line(t, "%.1f %s", 0.5, text__ns(t, 1234));
	assert_written("0.5 1.23 us\n");
	setlocale(LC_ALL, "C");
}

static void test_lines(void **state)
{
	struct sink_opts narrow = {.unicode = true, .width = 20};

	start(&narrow);
	text__line(t, "  a line that is %s for %d columns", "too long", 20);
	text__blank(t);
	text__line(t, "%s", "01234567890123456789");
	text__line(t, "%s", "0123456789012345678901234567890123456789");
	text__line(t, "%s", "                              ");
	text__line(t, "trailing   ");
	assert_written("  a line that is too\n"
		       "    long for 20\n"
		       "    columns\n"
		       "\n"
		       "01234567890123456789\n"
		       "01234567890123456789\n"
		       "  012345678901234567\n"
		       "  89\n"
		       "\n"
		       "trailing\n");
	start(&unicode);
	text__colored(t, TEXT_RED, "not %s", "red\033[0m\n");
	assert_written("not red\\x1b[0m\\x0a\n");
}

static void test_colors(void **state)
{
	struct sink_opts color = {.unicode = true, .width = 80, .color = true};

	start(&color);
	text__colored(t, TEXT_YELLOW, "%s", "careful");
	text__table(t, 0);
	text__column(t, "a", TEXT_LEFT, 0);
	text__cell_color(t, "b", TEXT_RED);
	text__table_end(t);
	assert_written("\033[33mcareful\033[0m\n\033[1ma\033[0m\n\033[31mb\033[0m\n");
}

static void fill_table(const char *name)
{
	text__table(t, 2);
	text__column(t, "VM", TEXT_LEFT, 0);
	text__column(t, "exits/s", TEXT_RIGHT, 0);
	text__column(t, "most costly", TEXT_LEFT, 0);
	text__column(t, "guest", TEXT_RIGHT, 2);
	text__column(t, "halt", TEXT_RIGHT, 1);
	text__cell(t, name);
	text__cell(t, text__count(t, 41230));
	text__cell(t, "io 38 %, msr 22 %");
	text__cell(t, text__percent(t, 0.614));
	text__cell(t, text__percent(t, 0.3));
	text__cell(t, "db1");
	text__cell(t, text__count(t, 120));
	text__cell(t, NULL);
	text__cell(t, NULL);
	text__cell(t, text__percent(t, 0.0001));
	text__table_end(t);
}

static void test_table(void **state)
{
	start(&unicode);
	fill_table("web1");
	assert_written("  VM    exits/s  most costly        guest     halt\n"
		       "  web1   41.2 k  io 38 %, msr 22 %   61 %     30 %\n"
		       "  db1     120    –                    –    < 0.1 %\n");
}

static void test_table_ascii_quiet(void **state)
{
	struct sink_opts quiet = {.quiet = true, .width = 80};

	start(&quiet);
	fill_table("web1");
	text__table(t, 0);
	text__column(t, "no rows", TEXT_LEFT, 0);
	text__table_end(t);
	assert_written("  web1   41.2 k  io 38 %, msr 22 %   61 %     30 %\n"
		       "  db1     120    -                    -    < 0.1 %\n");
}

static void test_table_narrow(void **state)
{
	struct sink_opts opts = {.unicode = true, .width = 47};

	start(&opts);
	fill_table("web1");
	assert_written("  VM    exits/s  most costly           halt\n"
		       "  web1   41.2 k  io 38 %, msr 22 %     30 %\n"
		       "  db1     120    –                  < 0.1 %\n");
	opts.width = 28;
	start(&opts);
	fill_table("web1");
	assert_written("  VM    exits/s  most costly\n"
		       "  web1   41.2 k  io 38 %, m…\n"
		       "  db1     120    –\n");
}

/* One long name is cut before the others lose their columns. */
static void test_table_long_name(void **state)
{
	char name[4097];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	start(&unicode);
	fill_table(name);
	assert_written(
		"  VM                                    exits/s  most costly           halt\n"
		"  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…   41.2 k  io 38 %, msr 22 %     30 %\n"
		"  db1                                     120    –                  < 0.1 %\n");
}

/* A table like the summary's, of VMs with these names and of one with a short one. */
static void fill_names(const char *const *names, size_t n)
{
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "vCPUs", TEXT_RIGHT, 1);
	text__column(t, "most costly", TEXT_LEFT, 0);
	text__column(t, "block", TEXT_RIGHT, TEXT_SPARE);
	text__column(t, "steal", TEXT_RIGHT, 0);
	for (size_t i = 0; i < n; i++) {
		text__cell(t, names[i]);
		text__cell(t, "4");
		text__cell_or(t, i ? "io 38 %, msr 22 %" : "hlt 90 %", i ? "io 38 %" : NULL);
		text__cell(t, NULL);
		text__cell(t, NULL);
	}
	text__table_end(t);
}

/* What tells nothing goes first; then what may; then the longer forms; names are cut last. */
static void test_table_names(void **state)
{
	static const char *const names[] = {"instance-0000001a", "instance-0000001b", "db1"};
	struct sink_opts opts = {.unicode = true, .width = 60};

	start(&opts);
	fill_names(names, ARRAY_SIZE(names));
	assert_written("VM                 vCPUs  most costly        block  steal\n"
		       "instance-0000001a      4  hlt 90 %               –      –\n"
		       "instance-0000001b      4  io 38 %, msr 22 %      –      –\n"
		       "db1                    4  io 38 %, msr 22 %      –      –\n");
	opts.width = 50;
	start(&opts);
	fill_names(names, ARRAY_SIZE(names));
	assert_written("VM                 vCPUs  most costly        steal\n"
		       "instance-0000001a      4  hlt 90 %               –\n"
		       "instance-0000001b      4  io 38 %, msr 22 %      –\n"
		       "db1                    4  io 38 %, msr 22 %      –\n");
	opts.width = 42;
	start(&opts);
	fill_names(names, ARRAY_SIZE(names));
	assert_written("VM                 most costly  steal\n"
		       "instance-0000001a  hlt 90 %         –\n"
		       "instance-0000001b  io 38 %          –\n"
		       "db1                io 38 %          –\n");
	opts.width = 30;
	start(&opts);
	fill_names(names, ARRAY_SIZE(names));
	assert_written("VM          most costly  steal\n"
		       "inst…0001a  hlt 90 %         –\n"
		       "inst…0001b  io 38 %          –\n"
		       "db1         io 38 %          –\n");
	opts.unicode = false;
	start(&opts);
	fill_names(names, ARRAY_SIZE(names));
	assert_written("VM          most costly  steal\n"
		       "ins...001a  hlt 90 %         -\n"
		       "ins...001b  io 38 %          -\n"
		       "db1         io 38 %          -\n");
}

/* Names that differ stay different, wherever that is; and names of which nothing is left do not. */
static void test_table_names_apart(void **state)
{
	static const char *const middle[] = {
		"openstack-instance-01-of-the-north-in-the-second-row",
		"openstack-instance-02-of-the-north-in-the-second-row",
		"openstack-instance-12-of-the-north-in-the-second-row",
	};
	static const char *const early[] = {"a-web-server-of-mine-a", "b-web-server-of-mine-a"};
	static const char *const both[] = {"ab-0000000000000000-yz", "ab-0000000000000001-yz",
					   "ab-1000000000000000-yz"};
	struct sink_opts opts = {.unicode = true, .width = 40};

	start(&opts);
	fill_names(middle, ARRAY_SIZE(middle));
	assert_written("VM                       most co…  steal\n"
		       "openstack-instance-01…w  hlt 90 %      –\n"
		       "openstack-instance-02…w  io 38 %       –\n"
		       "openstack-instance-12…w  io 38 %       –\n");
	opts.width = 24;
	start(&opts);
	fill_names(early, ARRAY_SIZE(early));
	assert_written("VM       most co…  steal\n"
		       "a-w…e-a  hlt 90 %      –\n"
		       "b-w…e-a  io 38 %       –\n");
	start(&opts);
	fill_names(both, ARRAY_SIZE(both));
	assert_written("VM         most …  steal\n"
		       "ab-0…0-yz  hlt 9…      –\n"
		       "ab-0…1-yz  io 38…      –\n"
		       "ab-1…0-yz  io 38…      –\n");
	for (opts.width = 20; opts.width < 80; opts.width++) {
		start(&opts);
		fill_names(both, ARRAY_SIZE(both));
		fill_names((const char *const[]){"", "", "same", "same"}, 4);
		stop();
		forget();
	}
}

static void test_table_hostile(void **state)
{
	static const char *const names[] = {
		"数据库数据库数据库数据库数据库数据库数据库数据库数据库数据库",
		"e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
		"\u202e\u202e\u202e\u202e\u202e\u202e\u202e\u202e\u202e\u202e\u202e",
		"\033]0;title\007\033[31mred\n\r\n",
		"🐧🐧🐧 👩‍👩‍👧‍👧 ❤️",
		"\xff\xfe\xfd\xc3\x28",
		"ﷺﷺﷺ 각",
	};
	struct sink_opts opts = {0};
	size_t i;

	for (opts.width = 20; opts.width <= 90; opts.width += 7) {
		for (i = 0; i < 2 * ARRAY_SIZE(names); i++) {
			opts.unicode = i % 2;
			opts.color = i % 3;
			start(&opts);
			fill_table(names[i / 2]);
			text__line(t, "%s: %s", names[i / 2], names[i / 2]);
			text__table(t, 0);
			text__column(t, names[i / 2], TEXT_RIGHT, 0);
			text__cell(t, names[i / 2]);
			text__table_end(t);
			stop();
			forget();
		}
	}
}

static void test_widths_of_options(void **state)
{
	struct sink_opts opts = {0};

	start(&opts);
	assert_int_equal(text__opts(t)->width, 80);
	stop();
	forget();
	opts.width = 1;
	start(&opts);
	assert_int_equal(text__opts(t)->width, 20);
	text__table(t, 100);
	text__column(t, "far out", TEXT_LEFT, 0);
	text__cell(t, "x");
	text__table_end(t);
	text__table(t, 0); /* begun, never ended */
	text__column(t, "x", TEXT_LEFT, 0);
	text__cell(t, "x");
	stop();
	forget();
}

static void test_write_errors(void **state)
{
	FILE *f = fopen("/dev/full", "w");
	struct text *full;
	int ends[2];

	assert_non_null(f);
	full = text__begin(f, &unicode);
	text__line(full, "some words");
	assert_int_equal(text__end(full), -ENOSPC);
	fclose(f);

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	f = fdopen(ends[1], "w");
	full = text__begin(f, &unicode);
	text__line(full, "some words");
	assert_int_equal(text__end(full), -EPIPE);
	fclose(f);
}

/* Nobody sees half a report: it is one write(). */
static void test_one_write(void **state)
{
	char buf[8192];
	int ends[2], i;
	FILE *f;

	assert_int_equal(pipe2(ends, O_DIRECT), 0); /* a packet a write() */
	f = fdopen(ends[1], "w");
	t = text__begin(f, &unicode);
	for (i = 0; i < 100; i++)
		text__line(t, "line %d", i);
	assert_int_equal(text__end(t), 0);
	assert_int_equal(read(ends[0], buf, sizeof(buf)), 10 * 7 + 90 * 8);
	fclose(f);
	close(ends[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_heading),
		cmocka_unit_test(test_no_locale),
		cmocka_unit_test(test_other_locale),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_colors),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_ascii_quiet),
		cmocka_unit_test(test_table_narrow),
		cmocka_unit_test(test_table_long_name),
		cmocka_unit_test(test_table_names),
		cmocka_unit_test(test_table_names_apart),
		cmocka_unit_test(test_table_hostile),
		cmocka_unit_test(test_widths_of_options),
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_one_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
