/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The shape of histograms, edge by edge, and percentiles against the sorted truth. */
#include <math.h> /* only for NAN and INFINITY: no libm */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "histogram.h"
#include "util.h"

#define N_VALUES 100000
#define LOWEST	 64.0 /* ns: the range in which percentiles are promised */
#define HIGHEST	 100e9
#define BOUND	 0.0625

static uint64_t random_state;

static double random_share(void)
{
	/* xorshift64: the same numbers on every machine */
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (double)(random_state >> 11) / (double)(1ULL << 53);
}

static void add_value(struct histogram *h, uint64_t v)
{
	h->count++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
	h->bucket[ks_hist_bucket(v)]++;
}

static void test_edges(void **state)
{
	uint64_t low, above;
	uint32_t i;

	assert_int_equal(KS_HIST_BUCKETS, 250);
	assert_int_equal(ks_hist_low(0), 0);
	assert_int_equal(ks_hist_low(1), 64);
	assert_true(ks_hist_low(KS_HIST_LAST) == 1ULL << 37);
	assert_true(ks_hist_low(KS_HIST_BUCKETS) == UINT64_MAX);
	for (i = 0; i < KS_HIST_BUCKETS; i++) {
		low = ks_hist_low(i);
		above = ks_hist_low(i + 1);
		assert_true(low < above);
		assert_int_equal(ks_hist_bucket(low), i);
		assert_int_equal(ks_hist_bucket(above - 1), i);
		if (i > 0 && i < KS_HIST_LAST)
			assert_true((above - low) * 8 <= low);
	}
	assert_int_equal(ks_hist_bucket(UINT64_MAX), KS_HIST_LAST);
	assert_true(ks_hist_low(KS_HIST_LAST) > (uint64_t)HIGHEST);
}

static void test_monotone(void **state)
{
	uint64_t v, last_v = 0, small;
	uint32_t bucket, last = 0;

	for (small = 0; small < 1 << 16; small++) {
		bucket = ks_hist_bucket(small);
		assert_true(bucket == last || bucket == last + 1);
		assert_true(ks_hist_low(bucket) <= small && small < ks_hist_low(bucket + 1));
		last = bucket;
	}
	for (v = 1; v > last_v; v += v / 97 + 1) {
		bucket = ks_hist_bucket(v);
		assert_true(ks_hist_low(bucket) <= v && v <= ks_hist_low(bucket + 1) - 1);
		assert_true(bucket < KS_HIST_BUCKETS);
		last_v = v;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* As many values in each power of two as in any other. */
static double log_uniform(void)
{
	double v = LOWEST * (double)(1ULL << (int)(30.5 * random_share())) * (1 + random_share());

	return v < HIGHEST ? v : HIGHEST;
}

/* Many short, few long, up to two seconds. */
static double steep(void)
{
	double share = random_share();

	return LOWEST + 2e9 * share * share * share * share * share * share;
}

/* Most at a few microseconds, one in a hundred a thousand times that: a disk with a queue. */
static double bimodal(void)
{
	double v = random_share() < 0.99 ? 3000 : 4e6;

	return v * (0.8 + 0.4 * random_share());
}

static double pareto(void)
{
	double share = 1 - random_share(), v = 500 / (share * share);

	return v < HIGHEST ? v : HIGHEST;
}

static double constant(void)
{
	return 4096;
}

static void test_percentiles(void **state)
{
	static double (*const distributions[])(void) = {
		log_uniform, steep, bimodal, pareto, constant,
	};
	static const double shares[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.99999, 1};
	uint64_t *values = xcalloc(N_VALUES, sizeof(*values)), estimate, previous;
	struct histogram *h = xcalloc(1, sizeof(*h));
	size_t i, j, k, rank;
	double truth;

	random_state = 0x9e3779b97f4a7c15;
	for (i = 0; i < ARRAY_SIZE(distributions); i++) {
		memset(h, 0, sizeof(*h));
		for (j = 0; j < N_VALUES; j++) {
			values[j] = (uint64_t)distributions[i]();
			add_value(h, values[j]);
		}
		qsort(values, N_VALUES, sizeof(*values), compare);
		previous = 0;
		for (k = 0; k < ARRAY_SIZE(shares); k++) {
			/* the lowest value with at least that share at or below it */
			for (rank = 1; (double)rank < shares[k] * N_VALUES - 1e-6;)
				rank++;
			truth = (double)values[rank - 1];
			estimate = histogram__percentile(h, shares[k]);
			assert_true((double)estimate >= (1 - BOUND) * truth);
			assert_true((double)estimate <= (1 + BOUND) * truth);
			assert_true(estimate <= h->max);
			assert_true(estimate >= previous);
			previous = estimate;
		}
		assert_true(histogram__percentile(h, 1) == values[N_VALUES - 1]);
	}
	free(h);
	free(values);
}

/* Any number of values from 1 on: which one is the 99.9th percentile is a matter of ceil(). */
static void test_few_values(void **state)
{
	struct histogram h = {0};
	int i;

	assert_int_equal(histogram__percentile(&h, 0.5), 0);
	add_value(&h, 1234567);
	assert_int_equal(histogram__percentile(&h, 0), 1234567);
	assert_int_equal(histogram__percentile(&h, 0.5), 1234567);
	assert_int_equal(histogram__percentile(&h, 0.999), 1234567);
	add_value(&h, 900);
	assert_int_equal(ks_hist_bucket(histogram__percentile(&h, 0.5)), ks_hist_bucket(900));
	assert_int_equal(histogram__percentile(&h, 0.51), 1234567);

	memset(&h, 0, sizeof(h));
	for (i = 0; i < 999; i++)
		add_value(&h, 1000);
	add_value(&h, 50000);
	assert_int_equal(ks_hist_bucket(histogram__percentile(&h, 0.999)), ks_hist_bucket(1000));
	assert_int_equal(histogram__percentile(&h, 0.9991), 50000);
}

static void test_odd_arguments(void **state)
{
	struct histogram h = {0};

	add_value(&h, 100);
	add_value(&h, 5000);
	assert_int_equal(ks_hist_bucket(histogram__percentile(&h, -1)), ks_hist_bucket(100));
	assert_int_equal(ks_hist_bucket(histogram__percentile(&h, NAN)), ks_hist_bucket(100));
	assert_int_equal(histogram__percentile(&h, 2), 5000);
	assert_int_equal(histogram__percentile(&h, INFINITY), 5000);
}

/* All in one bucket: between its lower end and the maximum, also in the two open ones. */
static void test_one_bucket(void **state)
{
	static const uint64_t values[][2] = {
		{0, 0}, {3, 7}, {64, 71}, {1024, 1030}, {1ULL << 37, 1ULL << 40}, {~0ULL, ~0ULL},
	};
	struct histogram h;
	uint64_t p50;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		memset(&h, 0, sizeof(h));
		add_value(&h, values[i][0]);
		add_value(&h, values[i][0]);
		add_value(&h, values[i][1]);
		p50 = histogram__percentile(&h, 0.5);
		assert_true(p50 >= ks_hist_low(ks_hist_bucket(values[i][0])));
		assert_true(p50 <= h.max);
	}
}

/* A maximum that was taken away between two reads: still never above it. */
static void test_stale_maximum(void **state)
{
	struct histogram h = {0};

	add_value(&h, 5000);
	add_value(&h, 6000);
	h.max = 70;
	assert_int_equal(histogram__percentile(&h, 0.5), 70);
	assert_int_equal(histogram__percentile(&h, 0.99), 70);
}

static void test_add(void **state)
{
	struct histogram a = {0}, b = {0}, sum = {0};

	add_value(&a, 100);
	add_value(&a, 1000);
	add_value(&b, 1001);
	add_value(&b, 1ULL << 50);
	histogram__add(&sum, &a);
	assert_memory_equal(&sum, &a, sizeof(a));
	histogram__add(&sum, &b);
	assert_int_equal(sum.count, 4);
	assert_true(sum.sum == 100 + 1000 + 1001 + (1ULL << 50));
	assert_true(sum.max == 1ULL << 50);
	assert_int_equal(sum.bucket[ks_hist_bucket(1000)], 2);
	assert_int_equal(sum.bucket[KS_HIST_LAST], 1);
	histogram__add(&sum, &a);
	assert_true(sum.max == 1ULL << 50);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),	      cmocka_unit_test(test_monotone),
		cmocka_unit_test(test_percentiles),   cmocka_unit_test(test_few_values),
		cmocka_unit_test(test_odd_arguments), cmocka_unit_test(test_one_bucket),
		cmocka_unit_test(test_stale_maximum), cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
