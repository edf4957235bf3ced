/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A histogram as plain data: what the kernel side's cells add up to, and what reports show.
 * Buckets are those of <kvmscope/histogram.h>.
 */
#ifndef KVMSCOPE_SRC_HISTOGRAM_H
#define KVMSCOPE_SRC_HISTOGRAM_H

#include <stdint.h>
#include <linux/types.h>
#include <kvmscope/histogram.h>

struct histogram {
	/*
	 * Sum, maximum and buckets are of values that were recorded as 2^shift times what they are:
	 * small numbers, which the first bucket would hold all alike. Percentiles are what they
	 * are.
	 */
	unsigned int shift;
	uint64_t count; /* of the values in bucket[]: always their sum */
	uint64_t sum;
	uint64_t max;
	uint64_t bucket[KS_HIST_BUCKETS];
};

/* dst += src; the larger maximum stays. */
void histogram__add(struct histogram *dst, const struct histogram *src);

/*
 * The value below which the share q (0 to 1) of all values lies: the middle of the bucket
 * that holds it, but never more than the maximum. 0 when there is no value.
 */
uint64_t histogram__percentile(const struct histogram *h, double q);

#endif
