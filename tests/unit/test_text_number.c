/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers with units: rounding, and never a fourth digit. */
#include "text_capture.h"

static void test_ns(void **state)
{
	static const struct {
		uint64_t ns;
		const char *s;
	} cases[] = {
		{0, "0 ns"},
		{5, "5 ns"},
		{999, "999 ns"},
		{1000, "1.00 µs"},
		{1004, "1.00 µs"},
		{1006, "1.01 µs"},
		{9994, "9.99 µs"},
		{9996, "10.0 µs"},
		{99940, "99.9 µs"},
		{99960, "100 µs"},
		{999499, "999 µs"},
		{999500, "1.00 ms"},
		{1234567, "1.23 ms"},
		{999600000, "1.00 s"},
		{5000000000, "5.00 s"},
		{59940000000, "59.9 s"},
		{59960000000, "1.00 min"},
		{210000000000, "3.50 min"},
		{3599900000000, "1.00 h"},
		{86400000000000, "1.00 d"},
		{UINT64_MAX, "213504 d"},
	};
	size_t i;

	start(&unicode);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text__ns(t, cases[i].ns), cases[i].s);
	stop();
	forget();
	start(&ascii);
	assert_string_equal(text__ns(t, 2100), "2.10 us");
	stop();
	forget();
}

static void test_count(void **state)
{
	static const struct {
		double v;
		const char *s;
	} cases[] = {
		{0, "0"},	   {4, "4"},	       {999, "999"},	  {999.4, "999"},
		{999.6, "1.00 k"}, {1000, "1.00 k"},   {1204, "1.20 k"},  {78120, "78.1 k"},
		{999499, "999 k"}, {999999, "1.00 M"}, {2.5e9, "2.50 G"}, {0.05, "0.05"},
		{0.001, "< 0.01"}, {0.4, "0.40"},      {9.996, "10.0"},	  {12.34, "12.3"},
		{120.3, "120"},	   {1e21, "1000 E"},   {-1, "–"},	  {1.0 / 0.0, "–"},
		{0.0 / 0.0, "–"},
	};
	size_t i;

	start(&unicode);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text__count(t, cases[i].v), cases[i].s);
	assert_string_equal(text__rate(t, 78120, 5 * NSEC_PER_SEC), "15.6 k");
	assert_string_equal(text__rate(t, 20, 5 * NSEC_PER_SEC), "4");
	assert_string_equal(text__rate(t, 1, 3 * NSEC_PER_SEC), "0.33");
	assert_string_equal(text__rate(t, 1, 0), "–");
	assert_string_equal(text__byte_rate(t, 7340032, 5 * NSEC_PER_SEC), "1.40 MiB");
	assert_string_equal(text__byte_rate(t, 0, 5 * NSEC_PER_SEC), "0 B");
	assert_string_equal(text__byte_rate(t, 1, 0), "–");
	assert_string_equal(text__byte_rate(t, 0, 0), "–");
	assert_string_equal(text__exact(t, 0), "0");
	assert_string_equal(text__exact(t, 999), "999");
	assert_string_equal(text__exact(t, 1204), "1,204");
	assert_string_equal(text__exact(t, UINT64_MAX), "18,446,744,073,709,551,615");
	stop();
	forget();
}

static void test_bytes(void **state)
{
	static const struct {
		double v;
		const char *s;
	} cases[] = {
		{0, "0 B"},
		{512, "512 B"},
		{1000, "1000 B"},
		{1023, "1023 B"},
		{1024, "1.00 KiB"},
		{15974, "15.6 KiB"},
		{1047552, "1023 KiB"},
		{1048500, "1.00 MiB"},
		{1258291, "1.20 MiB"},
		{4.5, "4.50 B"},
		{-1, "–"},
	};
	size_t i;

	start(&unicode);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text__bytes(t, cases[i].v), cases[i].s);
	stop();
	forget();
}

static void test_percent(void **state)
{
	static const struct {
		double share;
		const char *s;
	} cases[] = {
		{0, "0 %"},
		{1e-9, "< 0.1 %"},
		{0.00099, "< 0.1 %"},
		{0.001, "0.1 %"},
		{0.0094, "0.9 %"},
		{0.0096, "1 %"},
		{0.02, "2 %"},
		{0.384, "38 %"},
		{0.386, "39 %"},
		{0.99, "99 %"},
		{0.991, "99.1 %"},
		{0.9999999, "99.9 %"},
		{0.999999999999, "99.9 %"},
		{1, "100 %"},
		{2.5, "250 %"},
		{-0.1, "–"},
		{0.0 / 0.0, "–"},
	};
	size_t i;

	start(&unicode);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text__percent(t, cases[i].share), cases[i].s);
	stop();
	forget();
}

/* Whatever the number, never a fourth digit and never more than half a last digit off. */
static void test_three_digits(void **state)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {
		{" ns", 1}, {" µs", 1e3}, {" ms", 1e6}, {" s", 1e9}, {" min", 60e9}, {" h", 3600e9},
	};
	uint64_t v;

	start(&unicode);
	for (v = 1; v < 86000ULL * NSEC_PER_SEC; v += v / 641 + 1) {
		const char *s = text__ns(t, v);
		double back = 0, error;
		char *unit;
		size_t i;

		back = strtod(s, &unit);
		assert_true(strspn(s, "0123456789") <= 3 && unit - s <= 4);
		assert_true(back < 1000);
		for (i = 0; i < ARRAY_SIZE(units); i++)
			if (!strcmp(units[i].unit, unit))
				break;
		assert_true(i < ARRAY_SIZE(units));
		error = (double)v - back * units[i].ns;
		assert_true((error < 0 ? -error : error) <= 0.0051 * (double)v);
	}
	stop();
	forget();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ns),	     cmocka_unit_test(test_count),
		cmocka_unit_test(test_bytes),	     cmocka_unit_test(test_percent),
		cmocka_unit_test(test_three_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
