/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms as plain data: adding them up, and reading percentiles off them. */
#include "histogram.h"

void histogram__add(struct histogram *dst, const struct histogram *src)
{
	uint32_t i;

	dst->count += src->count;
	dst->sum += src->sum;
	if (src->max > dst->max)
		dst->max = src->max;
	for (i = 0; i < KS_HIST_BUCKETS; i++)
		dst->bucket[i] += src->bucket[i];
}

/* Which value, counted from 1 in ascending order, has the share q at or below it. */
static uint64_t rank_of(uint64_t count, double q)
{
	/* 0.999 * 1000 must not become 1000 by the last bit of a double */
	double exact = q * (double)count * (1 - 1e-12);
	uint64_t rank;

	if (!(exact > 1))
		return 1;
	if (exact >= (double)count)
		return count;
	rank = (uint64_t)exact;
	return rank < exact ? rank + 1 : rank;
}

uint64_t histogram__percentile(const struct histogram *h, double q)
{
	uint64_t rank, low, high, seen = 0;
	uint32_t i;

	if (!h->count)
		return 0;
	rank = rank_of(h->count, q);
	if (rank == h->count)
		return h->max >> h->shift;
	for (i = 0; i < KS_HIST_LAST; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			break;
	}
	/* in the highest bucket, what lies above the maximum is known to be empty */
	low = ks_hist_low(i);
	high = ks_hist_low(i + 1) - 1;
	if (high > h->max)
		high = h->max;
	return (high < low ? high : low + (high - low + 1) / 2) >> h->shift;
}
