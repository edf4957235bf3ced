/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What programs cost: a run that the machine took away does not count as cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cost.h"
#include "util.h"

static void test_steady(void **state)
{
	const struct cost_slice slices[] = {{100, 20000}, {300, 60000}, {600, 120000}};

	assert_float_equal(cost__run_ns(slices, 3), 200, 1e-9);
	/* 1,000 runs of 200 ns in a millisecond */
	assert_float_equal(cost__share(slices, 3, 1000000, 2), 0.2, 1e-9);
}

/* Seen in emulation: 20 seconds of run time in a tenth of a second. */
static void test_outlier(void **state)
{
	struct cost_slice slices[10];

	for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
		slices[i] = (struct cost_slice){100 + i, (100 + i) * (200 + i)};
	slices[3].ns += 20 * NSEC_PER_SEC;
	assert_float_equal(cost__run_ns(slices, 10), 206, 1e-9);
	assert_float_equal(cost__share(slices, 10, NSEC_PER_SEC / 10, 1), 1045 * 206 / 1e8, 1e-9);
	/* a slice with one run weighs as much as one run */
	slices[3] = (struct cost_slice){1, 20 * NSEC_PER_SEC};
	assert_float_equal(cost__run_ns(slices, 10), 205, 1e-9);
}

static void test_bounds(void **state)
{
	const struct cost_slice none[2] = {}, all[] = {{1, NSEC_PER_SEC}};

	assert_float_equal(cost__run_ns(none, 0), 0, 0);
	assert_float_equal(cost__run_ns(none, 2), 0, 0);
	assert_float_equal(cost__share(none, 2, 1000, 1), 0, 0);
	assert_float_equal(cost__share(all, 1, 0, 1), 0, 0);
	/* nothing takes more than all CPUs */
	assert_float_equal(cost__share(all, 1, 1000, 4), 4, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady),
		cmocka_unit_test(test_outlier),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
