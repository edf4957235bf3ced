/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Our buckets as Prometheus wants them. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bounds.h"
#include "util.h"

/* 512 ns to 2.1 s, each four times the one before. */
#define SECONDS_SHIFT 9
#define SECONDS_N     12
/* Sizes: below 4 KiB to below 4 MiB. */
#define BYTES_SHIFT 12
#define BYTES_N	    6
/* Counts: 1 to 1023, in powers of two. */
#define COUNTS_N 10

void number__canonical(double v, char out[NUMBER_TEXT_MAX])
{
	char digits[32], *e;
	int precision = 1, exponent;

	do
		snprintf(digits, sizeof(digits), "%.*e", precision - 1, v);
	while (strtod(digits, NULL) != v && precision++ < 17);
	e = strchr(digits, 'e');
	if (!e) { /* inf, nan */
		snprintf(out, NUMBER_TEXT_MAX, "%s", v > 0 ? "+Inf" : v < 0 ? "-Inf" : "NaN");
		return;
	}
	exponent = atoi(e + 1);
	if (exponent < -4 || exponent >= 6)
		snprintf(out, NUMBER_TEXT_MAX, "%s", digits);
	else
		snprintf(out, NUMBER_TEXT_MAX, "%.*f",
			 precision - 1 > exponent ? precision - 1 - exponent : 1, v);
}

void number__text(uint64_t n, double scale, char out[NUMBER_TEXT_MAX])
{
	int len;

	if (scale == 1) {
		snprintf(out, NUMBER_TEXT_MAX, "%llu", (unsigned long long)n);
		return;
	}
	if (scale != 1e-9) {
		number__canonical((double)n * scale, out);
		return;
	}
	len = snprintf(out, NUMBER_TEXT_MAX, "%llu.%09llu", (unsigned long long)(n / NSEC_PER_SEC),
		       (unsigned long long)(n % NSEC_PER_SEC));
	while (out[len - 1] == '0' && out[len - 2] != '.')
		out[--len] = '\0';
}

static size_t fill(struct bound *b, size_t n, int shift, int step, double scale, bool inclusive)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t edge = 1ULL << (shift + step * (int)i);

		b[i].bucket = ks_hist_bucket(edge);
		if (ks_hist_low(b[i].bucket) != edge)
			abort(); /* not an edge */
		/* by way of decimals, for 512 * 1e-9 is not the double that is nearest to 5.12e-07
		 */
		number__text(edge, scale, b[i].text);
		b[i].le = strtod(b[i].text, NULL) - inclusive;
		number__canonical(b[i].le, b[i].text);
	}
	return n;
}

size_t bounds__of(const char *unit, double scale, struct bound out[BOUNDS_MAX])
{
	int shift;

	if (!strcmp(unit, "seconds"))
		return fill(out, SECONDS_N, SECONDS_SHIFT, 2, scale, false);
	if (!strcmp(unit, "bytes"))
		return fill(out, BYTES_N, BYTES_SHIFT, 2, scale, true);
	/* what is counted may be recorded in fractions, for our first bucket ends at 64 */
	shift = 1 - ilogb(scale);
	if (shift < KS_HIST_MIN_SHIFT)
		shift = KS_HIST_MIN_SHIFT;
	return fill(out, COUNTS_N, shift, 1, scale, true);
}

void bounds__native(double scale, int32_t index[KS_HIST_BUCKETS], double *ret_zero)
{
	const int per_octave = 1 << NATIVE_SCHEMA;

	index[0] = 0;
	for (uint32_t i = 1; i < KS_HIST_BUCKETS; i++) {
		double low = (double)ks_hist_low(i);
		double high = i < KS_HIST_LAST ? (double)ks_hist_low(i + 1) : 2 * low;

		/* native bucket i is (2^((i-1)/8), 2^(i/8)] */
		index[i] = (int32_t)ceil(log2((low + high) / 2 * scale) * per_octave);
	}
	*ret_zero = exp2((double)(index[1] - 1) / per_octave);
}
