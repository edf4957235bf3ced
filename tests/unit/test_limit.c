/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The cost limit: in which order it steps down, and when up again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "limit.h"
#include "util.h"

static const struct level two[] = {{"all", LEVEL_ALL, 1, NULL, 0},
				   {"less", LEVEL_DETAIL, 2, NULL, 0}};
static const struct level sampled[] = {{"all", LEVEL_ALL, 4, NULL, 0},
				       {"1 in 16", LEVEL_SAMPLING, 4, "cfg_sample", 16}};
static const struct domain exits = {.name = "exits", .levels = two, .n_levels = 2};
static const struct domain disk = {.name = "disk", .levels = two, .n_levels = 2};
static const struct domain net = {.name = "net", .levels = sampled, .n_levels = 2};
static const struct domain cpu = {.name = "cpu"};

/* Two samples of that cost; the domain that stepped, NULL: none. */
static const struct domain *sample(struct limit *l, double cost, uint64_t s)
{
	static const double of_domain[] = {0.001, 0.002, 0.003};
	const struct domain *stepped = NULL;

	if (limit__sample(l, cost, of_domain, s * NSEC_PER_SEC, &stepped) == LIMIT_STAY)
		limit__sample(l, cost, of_domain, s * NSEC_PER_SEC, &stepped);
	return stepped;
}

static void start(struct limit *l, double max)
{
	limit__init(l, max, 60 * NSEC_PER_SEC);
	limit__add(l, &exits);
	limit__add(l, &disk);
	limit__add(l, &net);
	limit__add(l, &cpu);
}

static void test_order(void **state)
{
	static const struct domain *const order[] = {&disk, &exits, &net, &net,
						     &disk, &exits, NULL};
	static const double none[3];
	const struct domain *stepped = NULL;
	struct limit l;

	start(&l, 0.01);
	assert_int_equal(l.n, 3);
	/* one sample alone is chance */
	assert_int_equal(limit__sample(&l, 0.02, none, 1, &stepped), LIMIT_STAY);
	assert_int_equal(limit__sample(&l, 0.009, none, 2, &stepped), LIMIT_STAY);
	/* detail, what costs most first; sampling; off */
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_ptr_equal(sample(&l, 0.02, 10 + i), order[i]);
	assert_null(limit__level(&l, &exits));
	assert_int_equal(limit__reduced(&l, &net), 2);
	/* and back the same way, each after a calm */
	for (size_t i = 0; i < ARRAY_SIZE(order) - 1; i++) {
		assert_null(sample(&l, 0.001, 1000 + 100 * i));
		assert_ptr_equal(sample(&l, 0.001, 1060 + 100 * i),
				 order[ARRAY_SIZE(order) - 2 - i]);
	}
	assert_int_equal(l.n_taken, 0);
	assert_ptr_equal(limit__level(&l, &exits), &two[0]);
	assert_null(sample(&l, 0.001, 99999));
}

/* Disks and interfaces that cost nothing are not the ones to be left out for a storm of exits. */
static void test_worth(void **state)
{
	static const double storm[] = {0.02, 0.0001, 0};
	const struct domain *stepped;
	struct limit l;

	start(&l, 0.01);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(limit__sample(&l, 0.0201, storm, 1, &stepped), LIMIT_STAY);
		assert_int_equal(limit__sample(&l, 0.0201, storm, 2, &stepped), LIMIT_DOWN);
		assert_ptr_equal(stepped, &exits);
	}
	/* it is off, and still it is too much: then the others, too */
	assert_int_equal(limit__sample(&l, 0.0201, storm, 3, &stepped), LIMIT_STAY);
	assert_int_equal(limit__sample(&l, 0.0201, storm, 4, &stepped), LIMIT_DOWN);
	assert_ptr_equal(stepped, &disk);
}

static void test_hysteresis(void **state)
{
	struct limit l;

	start(&l, 0.01);
	assert_ptr_equal(sample(&l, 0.02, 10), &disk);
	/* between half the limit and the limit: it stays */
	for (uint64_t s = 20; s < 2000; s += 10)
		assert_null(sample(&l, 0.007, s));
	assert_null(sample(&l, 0.004, 2000));
	assert_ptr_equal(sample(&l, 0.004, 2060), &disk);
	/* too soon: the next time it waits for twice as long */
	assert_ptr_equal(sample(&l, 0.02, 2070), &disk);
	assert_null(sample(&l, 0.004, 3000));
	assert_null(sample(&l, 0.004, 3061));
	assert_ptr_equal(sample(&l, 0.004, 3120), &disk);
}

static void test_no_limit(void **state)
{
	struct limit l;

	start(&l, 0);
	assert_null(sample(&l, 0.9, 10));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_worth),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
