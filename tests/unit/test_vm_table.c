/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of VMs: its order, the filter, names that are not unique.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "util.h"
#include "vm_table.h"

static void test_order(void **state)
{
	struct vm vms[] = {{.pid = 7, .start_ticks = 20},
			   {.pid = 7, .start_ticks = 10},
			   {.pid = 3, .start_ticks = 30},
			   {.pid = 9, .start_ticks = 0}};
	struct vm_table table = {.all = NULL};
	size_t i;

	assert_null(vm_table__find(&table, 7, 0));
	for (i = 0; i < ARRAY_SIZE(vms); i++)
		vm_table__insert(&table, &vms[i]);
	assert_ptr_equal(table.all[0], &vms[2]);
	assert_ptr_equal(table.all[1], &vms[1]);
	assert_ptr_equal(table.all[2], &vms[0]);
	assert_ptr_equal(table.all[3], &vms[3]);
	assert_ptr_equal(vm_table__find(&table, 7, 10), &vms[1]);
	assert_ptr_equal(vm_table__find(&table, 7, 0), &vms[0]);
	assert_ptr_equal(vm_table__find(&table, 9, 0), &vms[3]);
	assert_null(vm_table__find(&table, 7, 15));
	assert_null(vm_table__find(&table, 8, 0));
	assert_null(vm_table__find(&table, 10, 5));
	vm_table__remove(&table, &vms[1]);
	assert_int_equal(table.n, 3);
	assert_null(vm_table__find(&table, 7, 10));
	assert_ptr_equal(vm_table__find(&table, 7, 20), &vms[0]);
	vm_table__clear(&table);
}

static void test_want(void **state)
{
	static const char uuid[] = "6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a55";
	static const struct {
		const char *pattern;
		bool web1, glob, number, odd;
	} cases[] = {
		{"web1", true, false, false, false},
		{"web", false, false, false, false},
		{"web?", true, false, false, false},
		{"w*", true, true, false, false},
		{"*", true, true, true, true},
		/* letter by letter, though as a glob it means another one */
		{"web[1]*", true, true, false, false},
		{"web[1]", true, false, false, false},
		{"6A1C1B62-4C5E-4B4E-9E0A-3B7D2C1F0A55", false, true, false, false},
		{"6A1C1B62", false, false, false, false},
		/* a pid, and a name that is a number */
		{"100", true, false, true, false},
		{"0100", true, false, false, false},
		{"[", false, false, false, false},
		{"a/b\\c\n", false, false, false, true},
	};
	struct vm vms[] = {{.pid = 100, .start_ticks = 1, .name = "web1"},
			   {.pid = 200, .start_ticks = 1, .name = "web[1]*"},
			   {.pid = 300, .start_ticks = 1, .name = "100"},
			   {.pid = 400, .start_ticks = 1, .name = "a/b\\c\n"}};
	size_t i, k;

	memcpy(vms[1].uuid, uuid, sizeof(uuid));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vm_table table = {.all = NULL};

		for (k = 0; k < ARRAY_SIZE(vms); k++)
			vm_table__insert(&table, &vms[k]);
		vm_table__settle(&table);
		assert_true(vms[0].wanted && vms[1].wanted && vms[2].wanted && vms[3].wanted);
		assert_int_equal(vm_table__want(&table, cases[i].pattern), 0);
		vm_table__settle(&table);
		assert_int_equal(vms[0].wanted, cases[i].web1);
		assert_int_equal(vms[1].wanted, cases[i].glob);
		assert_int_equal(vms[2].wanted, cases[i].number);
		assert_int_equal(vms[3].wanted, cases[i].odd);
		vm_table__clear(&table);
	}
}

static void test_bad_patterns(void **state)
{
	struct vm_table table = {.all = NULL};
	char pattern[VM_NAME_MAX + 1];

	memset(pattern, 'a', sizeof(pattern) - 1);
	pattern[VM_NAME_MAX] = '\0';
	assert_int_equal(vm_table__want(&table, ""), -EINVAL);
	assert_int_equal(vm_table__want(&table, NULL), -EINVAL);
	assert_int_equal(vm_table__want(&table, pattern), -EINVAL);
	pattern[VM_NAME_MAX - 1] = '\0';
	assert_int_equal(vm_table__want(&table, pattern), 0);
	vm_table__clear(&table);
}

static void test_ambiguous(void **state)
{
	struct vm vms[] = {{.pid = 1, .name = "twin", .alive = true},
			   {.pid = 2, .name = "single", .alive = true},
			   {.pid = 3, .name = "twin", .alive = true},
			   {.pid = 4, .name = "(host)", .alive = true},
			   {.pid = 5, .name = "single", .alive = false}};
	struct vm_table table = {.all = NULL};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vms); i++)
		vm_table__insert(&table, &vms[i]);
	vm_table__settle(&table);
	assert_true(vms[0].ambiguous && vms[2].ambiguous && vms[3].ambiguous);
	assert_false(vms[1].ambiguous || vms[4].ambiguous);
	vms[2].alive = false;
	vm_table__settle(&table);
	assert_true(vms[0].ambiguous); /* nobody said that anything changed */
	table.dirty = true;
	vm_table__settle(&table);
	assert_false(vms[0].ambiguous);
	vm_table__clear(&table);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_want),
		cmocka_unit_test(test_bad_patterns),
		cmocka_unit_test(test_ambiguous),
	};

	return cmocka_run_group_tests_name("vm_table", tests, NULL, NULL);
}
