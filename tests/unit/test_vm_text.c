/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spans: cutting, numbers, uuids; and pairing vCPUs with threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vm_text.h"
#include "vm_vcpus.h"

static void test_copy_cuts_between_characters(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *want;
	} cases[] = {
		{"web1", 16, "web1"},
		{"web1", 4, "web"},
		{"", 4, ""},
		{"aäb", 5, "aäb"},
		{"aäb", 4, "aä"},
		{"aäb", 3, "a"},
		{"日本", 6, "日"},
		{"日本", 4, "日"},
		{"日本", 3, ""},
		{"x😀", 5, "x"},
		{"x😀", 6, "x😀"},
		/* not UTF-8: cut where it has to be */
		{"\x80\x80\x80\x80\x80\x80", 4, "\x80\x80\x80"},
		{"ab\xff\xff\xff\xff", 5, "ab\xff\xff"},
	};
	char dst[16];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(dst, 'x', sizeof(dst));
		assert_int_equal(vm_span__copy(dst, cases[i].size, vm_span__of(cases[i].text)),
				 strlen(cases[i].want));
		assert_string_equal(dst, cases[i].want);
	}
	assert_int_equal(vm_span__copy(dst, sizeof(dst), (struct vm_span){"a\0b", 3}), 1);
}

static void test_pieces(void **state)
{
	struct vm_span rest = vm_span__of("a,,b,"), piece;

	assert_true(vm_span__next(&rest, ',', &piece) && vm_span__is(piece, "a"));
	assert_true(vm_span__next(&rest, ',', &piece) && vm_span__is(piece, ""));
	assert_true(vm_span__next(&rest, ',', &piece) && vm_span__is(piece, "b"));
	assert_true(vm_span__next(&rest, ',', &piece) && vm_span__is(piece, ""));
	assert_false(vm_span__next(&rest, ',', &piece));
	assert_false(vm_span__next(&rest, ',', &piece));
	assert_true(vm_span__is(vm_span__base(vm_span__of("/a/b")), "b"));
	assert_true(vm_span__is(vm_span__base(vm_span__of("b")), "b"));
	assert_true(vm_span__is(vm_span__base(vm_span__of("/a/")), ""));
	assert_true(vm_span__is(vm_span__skip(vm_span__of("ab"), 5), ""));
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "0x1",
					  "1a",
					  "101",
					  "1e2",
					  "99999999999999999999999999",
					  "18446744073709551617"};
	uint64_t value = 7;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(vm_span__uint(vm_span__of(bad[i]), 100, &value));
	assert_int_equal(value, 7);
	assert_true(vm_span__uint(vm_span__of("0100"), 100, &value));
	assert_int_equal(value, 100);
	assert_false(vm_span__uint(vm_span__of("9"), 5, &value));
	assert_true(vm_span__uint(vm_span__of("18446744073709551615"), UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_false(vm_span__uint(vm_span__of("18446744073709551616"), UINT64_MAX, &value));
}

static void test_uuids(void **state)
{
	static const char *const bad[] = {
		"",
		"6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a5",
		"6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a555",
		"6a1c1b6204c5e-4b4e-9e0a-3b7d2c1f0a55",
		"6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a5g",
		"{a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a5}",
	};
	char uuid[VM_UUID_LEN] = "kept";
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(vm_span__uuid(uuid, vm_span__of(bad[i])));
	assert_string_equal(uuid, "kept");
	assert_true(vm_span__uuid(uuid, vm_span__of("6A1C1B62-4C5E-4B4E-9E0A-3B7D2C1F0A55")));
	assert_string_equal(uuid, "6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a55");
}

#define JOIN(threads, ids, want)                                       \
	check_join(threads, sizeof(threads) / sizeof(threads[0]), ids, \
		   sizeof(ids) / sizeof(ids[0]), want, sizeof(want) / sizeof(want[0]))

static void check_join(const struct vm_vcpu *threads, size_t n_threads, const struct vm_vcpu *ids,
		       size_t n_ids, const struct vm_vcpu *want, size_t n_want)
{
	struct vm_vcpus a = {.list = NULL}, b = {.list = NULL}, got;
	size_t i;

	for (i = 0; i < n_threads; i++)
		vm_vcpus__add(&a, threads[i].id, threads[i].tid);
	for (i = 0; i < n_ids; i++)
		vm_vcpus__add(&b, ids[i].id, ids[i].tid);
	got = vm_vcpus__join(&a, &b);
	assert_int_equal(got.n, n_want);
	for (i = 0; i < n_want; i++) {
		assert_int_equal(got.list[i].id, want[i].id);
		assert_int_equal(got.list[i].tid, want[i].tid);
	}
	vm_vcpus__clear(&a);
	vm_vcpus__clear(&b);
	vm_vcpus__clear(&got);
}

static void test_join(void **state)
{
	static const struct vm_vcpu three[] = {{2, 13}, {0, 11}, {1, 12}};
	static const struct vm_vcpu gaps[] = {{4, 0}, {0, 0}, {1, 0}};
	static const struct vm_vcpu more[] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}};
	static const struct vm_vcpu fewer[] = {{7, 0}};
	static const struct vm_vcpu unnumbered[] = {{-1, 0}, {-1, 0}};
	static const struct vm_vcpu paired[] = {{0, 11}, {1, 12}, {4, 13}};
	static const struct vm_vcpu sorted[] = {{0, 11}, {1, 12}, {2, 13}};
	static const struct vm_vcpu filled[] = {{0, 11}, {1, 12}, {2, 13}, {3, 0}};
	static const struct vm_vcpu twice[] = {{0, 21}, {0, 22}, {0, 23}};

	JOIN(three, gaps, paired);
	JOIN(three, more, filled);
	JOIN(three, fewer, sorted);
	JOIN(three, unnumbered, sorted);
	/* two VMs in one process: what does not fit is left as it was said */
	JOIN(twice, more, twice);
	check_join(NULL, 0, more, 4, more, 4);
	check_join(NULL, 0, unnumbered, 2, unnumbered, 2);
	check_join(three, 3, NULL, 0, sorted, 3);
	check_join(NULL, 0, NULL, 0, NULL, 0);
}

static void test_vcpus_are_bounded(void **state)
{
	struct vm_vcpus vcpus = {.list = NULL};
	int i;

	for (i = 0; i < VM_VCPUS_MAX + 10; i++)
		vm_vcpus__add(&vcpus, i, i);
	assert_int_equal(vcpus.n, VM_VCPUS_MAX);
	assert_int_equal(vcpus.list[VM_VCPUS_MAX - 1].id, VM_VCPUS_MAX - 1);
	vm_vcpus__clear(&vcpus);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_cuts_between_characters),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_uuids),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_vcpus_are_bounded),
	};

	return cmocka_run_group_tests_name("vm_text", tests, NULL, NULL);
}
