/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of CPUs: lists as kernels write them, and what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cpus.h"

static void test_highest(void **state)
{
	(void)state;
	assert_int_equal(cpus__numbers_of("0\n"), 1);
	assert_int_equal(cpus__numbers_of("0-3\n"), 4);
	assert_int_equal(cpus__numbers_of("0-3,8-11\n"), 12);
	assert_int_equal(cpus__numbers_of("0,2"), 3);
	assert_int_equal(cpus__numbers_of("0-4095"), 4096);
}

static void test_no_list(void **state)
{
	(void)state;
	assert_int_equal(cpus__numbers_of(""), -EINVAL);
	assert_int_equal(cpus__numbers_of("\n"), -EINVAL);
	assert_int_equal(cpus__numbers_of("0-"), -EINVAL);
	assert_int_equal(cpus__numbers_of("all"), -EINVAL);
	assert_int_equal(cpus__numbers_of("99999999999999999999"), -EINVAL);
}

static void test_this_host(void **state)
{
	(void)state;
	assert_true(cpus__numbers() >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_highest),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
