/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Subjects in an interval: counters and histograms of each, summed over CPUs, old numbers reused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "snapshot.h"
#include "util.h"

#define SUBJECTS 3
#define CELLS	 4

/* Snapshots as snapshot__take() would make them; bucket: one for each cell. */
static struct snapshot *make(const struct snap_subject *subjects, const struct snap_cell *cells,
			     const struct used_bucket *used)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));

	s->n_subject = SUBJECTS;
	s->subject = xcalloc(SUBJECTS, sizeof(*s->subject));
	s->n_cell = CELLS;
	s->cell = xcalloc(CELLS, sizeof(*s->cell));
	s->n_used = CELLS;
	s->used = xcalloc(CELLS, sizeof(*s->used));
	for (int i = 0; i < SUBJECTS; i++)
		s->subject[i] = subjects[i];
	for (int i = 0; i < CELLS; i++) {
		s->cell[i] = cells[i];
		s->cell[i].first = i;
		s->cell[i].n = 1;
		s->used[i] = used[i];
	}
	return s;
}

/* A disk's reads by VM 7 and by the host, and one of another domain with the same numbers. */
static const struct snap_subject subjects[SUBJECTS] = {
	{.number = 2, .who = {0x800010, 0, 7, KS_D_DISK}, .since = 100, .n = {[0] = 1009}},
	{.number = 5, .who = {0x800010, 0, KS_VM_HOST, KS_D_DISK}, .since = 100, .n = {[0] = 17}},
	{.number = 9, .who = {0x800010, 0, 7, KS_D_NET}, .since = 100, .n = {[0] = 3}},
};

/* Two CPUs have recorded D2C for subject 2, one has for 5, and Q2C for 2. */
static const struct snap_cell cells[CELLS] = {
	{.number = 1, .owner = 2, .metric = KS_M_DISK_D2C, .sum = 1000, .max = 800},
	{.number = 3, .owner = 2, .metric = KS_M_DISK_D2C, .sum = 9700, .max = 1999},
	{.number = 4, .owner = 5, .metric = KS_M_DISK_D2C, .sum = 70, .max = 70},
	{.number = 8, .owner = 2, .metric = KS_M_DISK_Q2C, .sum = 90, .max = 90},
};
static const struct used_bucket used[CELLS] = {{30, 10}, {40, 5}, {25, 1}, {26, 1}};

struct seen {
	int n;
	struct snap_subject last;
};

static void look(const struct snap_subject *subject, void *arg)
{
	struct seen *seen = arg;

	seen->n++;
	seen->last = *subject;
}

static struct histogram hist(const struct delta *d, const struct snap_subject *s, enum ks_metric m)
{
	struct histogram h = {};

	delta__subject_hist(d, s, m, &h);
	return h;
}

static void test_first_interval(void **state)
{
	struct snapshot *to = make(subjects, cells, used);
	struct delta *d = delta__new(NULL, to, 0);
	struct seen seen = {};
	struct histogram h;

	delta__each_subject(d, KS_D_DISK, 7, look, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last.number, 2);
	assert_int_equal(seen.last.n[0], 1009);
	h = hist(d, &seen.last, KS_M_DISK_D2C);
	assert_int_equal(h.count, 15);
	assert_int_equal(h.sum, 10700);
	assert_int_equal(h.max, 1999);
	assert_int_equal(h.bucket[30], 10);
	assert_int_equal(h.bucket[40], 5);
	assert_int_equal(hist(d, &seen.last, KS_M_DISK_Q2C).count, 1);
	assert_int_equal(hist(d, &seen.last, KS_M_DISK_I2D).count, 0);

	seen = (struct seen){};
	delta__each_subject(d, KS_D_DISK, 8, look, &seen);
	assert_int_equal(seen.n, 0);
	delta__each_subject(d, KS_D_DISK, KS_VM_HOST, look, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(hist(d, &seen.last, KS_M_DISK_D2C).sum, 70);
	delta__free(d);
	snapshot__free(to);
}

static void test_difference(void **state)
{
	struct used_bucket later[CELLS] = {{30, 10}, {40, 18}, {25, 1}, {26, 1}};
	struct snap_subject subject[SUBJECTS];
	struct snap_cell cell[CELLS];
	struct snapshot *from = make(subjects, cells, used), *to;
	struct seen seen = {};
	struct histogram h;
	struct delta *d;

	for (int i = 0; i < SUBJECTS; i++)
		subject[i] = subjects[i];
	for (int i = 0; i < CELLS; i++)
		cell[i] = cells[i];
	subject[0].n[0] += 13;
	cell[1].sum += 1300;
	cell[0].max = 0; /* taken by the snapshot before */
	cell[1].max = 1950;
	to = make(subject, cell, later);
	d = delta__new(from, to, 0);
	delta__each_subject(d, KS_D_DISK, 7, look, &seen);
	assert_int_equal(seen.last.n[0], 13);
	h = hist(d, &seen.last, KS_M_DISK_D2C);
	assert_int_equal(h.count, 13);
	assert_int_equal(h.sum, 1300);
	assert_int_equal(h.bucket[30], 0);
	assert_int_equal(h.bucket[40], 13);
	assert_int_equal(hist(d, &seen.last, KS_M_DISK_Q2C).count, 0);
	delta__free(d);
	snapshot__free(from);
	snapshot__free(to);
}

/* Small sizes and depths have counters of their own: their histogram and its maximum are exact. */
static void test_small(void **state)
{
	/* 7 (then 11) of 4 KiB, 5 of 36 KiB + 512 (not the lowest of its bucket), 3 of 1 MiB; depth
	 * 3, of which the odd one is sequential */
	const struct snap_cell small_cells[CELLS] = {
		{.number = 1, .owner = 2, .metric = KS_M_DISK_SIZE, .sum = 28672},
		{.number = 3, .owner = 2, .metric = KS_M_DISK_SIZE, .sum = 5 * 37376},
		{.number = 4, .owner = 2, .metric = KS_M_DISK_SIZE, .sum = 3 << 20, .max = 1 << 20},
		{.number = 8, .owner = 2, .metric = KS_M_DISK_DEPTH, .sum = 2 * 192},
	};
	const struct used_bucket before[CELLS] = {
		{KS_HIST_BUCKETS + 8, 7},
		{KS_HIST_BUCKETS + 73, 5},
		{ks_hist_bucket(1 << 20), 3},
		{KS_HIST_BUCKETS + 7, 2},
	};
	struct used_bucket after[CELLS];
	struct snap_cell cell[CELLS];
	struct snapshot *from = make(subjects, small_cells, before), *to;
	struct delta *d = delta__new(NULL, from, 0);
	struct seen seen = {};
	struct histogram h;

	delta__each_subject(d, KS_D_DISK, 7, look, &seen);
	h = hist(d, &seen.last, KS_M_DISK_SIZE);
	assert_int_equal(h.count, 15);
	assert_int_equal(h.max, 1 << 20);
	assert_int_equal(h.bucket[ks_hist_bucket(4096)], 7);
	assert_int_equal(h.bucket[ks_hist_bucket(37376)], 5);
	assert_int_equal(h.bucket[ks_hist_bucket(1 << 20)], 3);
	h = hist(d, &seen.last, KS_M_DISK_DEPTH);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.max, 3 << KS_DEPTH_SHIFT);
	delta__free(d);

	memcpy(cell, small_cells, sizeof(cell));
	memcpy(after, before, sizeof(after));
	cell[1].sum += 37376;
	after[1].n++;
	cell[2].max = 0;
	to = make(subjects, cell, after);
	d = delta__new(from, to, 0);
	h = hist(d, &seen.last, KS_M_DISK_SIZE);
	assert_int_equal(h.count, 1);
	assert_int_equal(h.sum, 37376);
	assert_int_equal(h.max, 37376);
	delta__free(d);
	snapshot__free(from);
	snapshot__free(to);
}

/* The number went to another VM, and with it the cells: nothing of the old one is subtracted. */
static void test_reused(void **state)
{
	struct snap_subject subject[SUBJECTS];
	struct snapshot *from = make(subjects, cells, used), *to;
	struct seen seen = {};
	struct delta *d;

	for (int i = 0; i < SUBJECTS; i++)
		subject[i] = subjects[i];
	subject[0].who.vm = 8;
	subject[0].since = 200;
	subject[0].n[0] = 5;
	to = make(subject, cells, used);
	d = delta__new(from, to, 0);
	delta__each_subject(d, KS_D_DISK, 7, look, &seen);
	assert_int_equal(seen.n, 0);
	delta__each_subject(d, KS_D_DISK, 8, look, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last.n[0], 5);
	assert_int_equal(hist(d, &seen.last, KS_M_DISK_D2C).count, 15);
	delta__free(d);
	snapshot__free(from);
	snapshot__free(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_interval),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_reused),
	};

	return cmocka_run_group_tests_name("subjects", tests, NULL, NULL);
}
