/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our buckets as Prometheus wants them: the bounds of classic histograms, each of which is the edge
 * of a bucket, and the exponential buckets of native ones.
 *
 * Ours are [low, high) over integers; le is inclusive. A time of n ns is any from n to n + 1, so
 * that le = high is exact; sizes and counts are what they are, so that le = high - 1.
 */
#ifndef KVMSCOPE_BOUNDS_H
#define KVMSCOPE_BOUNDS_H

#include <stddef.h>
#include <stdint.h>
#include "histogram.h"

#define BOUNDS_MAX	14
#define NUMBER_TEXT_MAX 40

struct bound {
	uint32_t bucket; /* the first one that is above it */
	double le;
	char text[NUMBER_TEXT_MAX]; /* le in OpenMetrics' canonical form */
};

/* The bounds of a unit ("seconds", "bytes", or what is counted), without +Inf. Returns how many. */
size_t bounds__of(const char *unit, double scale, struct bound out[BOUNDS_MAX]);

/* Schema of native histograms: 2^3 buckets to each power of two. */
#define NATIVE_SCHEMA 3

/*
 * For each of our buckets but the first the index of the native one that has its middle, and the
 * threshold up to which values count as zero.
 */
void bounds__native(double scale, int32_t index[KS_HIST_BUCKETS], double *ret_zero);

/* n times scale, exactly where scale is 1 or 1e-9. */
void number__text(uint64_t n, double scale, char out[NUMBER_TEXT_MAX]);
/* As Go's FormatFloat(v, 'g', -1) has it, and ".0" behind what would look like an integer. */
void number__canonical(double v, char out[NUMBER_TEXT_MAX]);

#endif
