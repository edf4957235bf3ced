/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A vCPU's counts in an interval: its own exits and KVM's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "snapshot.h"
#include "util.h"

/* As snapshot__take() would make it, of one vCPU. */
static struct snapshot *make(uint64_t exits, uint64_t kernel_exits)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));

	s->n_vcpu = 1;
	s->vcpu = xcalloc(1, sizeof(*s->vcpu));
	*s->vcpu = (struct snap_vcpu){.slot = 1,
				      .tgid = 7,
				      .tid = 8,
				      .start_ns = 100,
				      .since = 200,
				      .exits = exits,
				      .kernel_exits = kernel_exits};
	return s;
}

/* KVM's count in the interval from one to the other; -1: the first interval. */
static uint64_t kernel_exits(int64_t from, uint64_t to)
{
	struct snapshot *a = from < 0 ? NULL : make(1009, from), *b = make(1013, to);
	struct delta *d = delta__new(a, b, 0);
	uint64_t n = d->vcpus[0].kernel_exits;

	assert_int_equal(d->vcpus[0].exits, a ? 4 : 1013);
	delta__free(d);
	snapshot__free(a);
	snapshot__free(b);
	return n;
}

static void test_kernel_exits(void **state)
{
	assert_int_equal(kernel_exits(-1, 1013), 1013);
	assert_int_equal(kernel_exits(1009, 1013), 4);
	assert_int_equal(kernel_exits(1009, 1009), 0);
}

/* The vCPU is freed, and its end was missed: the count is no more than what lies there now. */
static void test_count_that_went_back(void **state)
{
	assert_int_equal(kernel_exits(1009, 1008), 0);
	assert_int_equal(kernel_exits(1009, 0), 0);
	assert_int_equal(kernel_exits(-1, -3ULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_exits),
		cmocka_unit_test(test_count_that_went_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
