/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Value <-> bucket: the one definition of the histograms' shape.
 *
 * Log-linear: one bucket for everything below 64, then 8 to each power of two,
 * then one for what is 2^37 or more. In nanoseconds that is 64 ns to 137 s with
 * no bucket wider than 12.5 % of its lower bound, so that a percentile taken at a
 * bucket's middle is within 6.25 % of the truth.
 *
 * Shared by the kernel side and user space.
 */
#ifndef KVMSCOPE_HISTOGRAM_H
#define KVMSCOPE_HISTOGRAM_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define KS_HIST_MIN_SHIFT 6
#define KS_HIST_MAX_SHIFT 37
#define KS_HIST_SUB_SHIFT 3
#define KS_HIST_SUB	  (1 << KS_HIST_SUB_SHIFT)
#define KS_HIST_BUCKETS	  (((KS_HIST_MAX_SHIFT - KS_HIST_MIN_SHIFT) << KS_HIST_SUB_SHIFT) + 2)
#define KS_HIST_LAST	  (KS_HIST_BUCKETS - 1)

/*
 * Of a number of 4 to 8 bits (8 to 255): 8 times the octave above 8, and the 3 bits behind
 * its leading one.
 */
static const __u8 ks_hist_octaves[256] = {
	/* clang-format off */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7,
	8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15,
	16, 16, 16, 16, 17, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 19,
	20, 20, 20, 20, 21, 21, 21, 21, 22, 22, 22, 22, 23, 23, 23, 23,
	24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 25,
	26, 26, 26, 26, 26, 26, 26, 26, 27, 27, 27, 27, 27, 27, 27, 27,
	28, 28, 28, 28, 28, 28, 28, 28, 29, 29, 29, 29, 29, 29, 29, 29,
	30, 30, 30, 30, 30, 30, 30, 30, 31, 31, 31, 31, 31, 31, 31, 31,
	32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
	33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33,
	34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34,
	35, 35, 35, 35, 35, 35, 35, 35, 35, 35, 35, 35, 35, 35, 35, 35,
	36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36,
	37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
	38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38,
	39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39,
	/* clang-format on */
};

/* Five octaves, of which the lowest begins at 8 << shift: one load, and constants. */
#define KS_HIST_FROM(v, shift)                                       \
	(ks_hist_octaves[(v) >> (shift)] + (shift)*KS_HIST_SUB + 1 - \
	 (KS_HIST_MIN_SHIFT - KS_HIST_SUB_SHIFT) * KS_HIST_SUB)

/*
 * What most exits and requests take has its bucket in a table: of values below 16 us, in steps of
 * the narrowest bucket.
 */
#define KS_HIST_NEAR	   (1 << 14)
#define KS_HIST_NEAR_SHIFT (KS_HIST_MIN_SHIFT - KS_HIST_SUB_SHIFT)

#define KS_HIST_IN(v, octave)                                        \
	((__u8)(((octave)-KS_HIST_MIN_SHIFT - 1) * KS_HIST_SUB + 1 + \
		((v) >> ((octave)-KS_HIST_SUB_SHIFT))))
#define KS_HIST_OF(v)                        \
	((v) < 1 << 6	 ? 0                 \
	 : (v) < 1 << 7	 ? KS_HIST_IN(v, 6)  \
	 : (v) < 1 << 8	 ? KS_HIST_IN(v, 7)  \
	 : (v) < 1 << 9	 ? KS_HIST_IN(v, 8)  \
	 : (v) < 1 << 10 ? KS_HIST_IN(v, 9)  \
	 : (v) < 1 << 11 ? KS_HIST_IN(v, 10) \
	 : (v) < 1 << 12 ? KS_HIST_IN(v, 11) \
	 : (v) < 1 << 13 ? KS_HIST_IN(v, 12) \
			 : KS_HIST_IN(v, 13))
#define KS_HIST_4(i)                                                                  \
	KS_HIST_OF((i) << 3), KS_HIST_OF(((i) + 1) << 3), KS_HIST_OF(((i) + 2) << 3), \
		KS_HIST_OF(((i) + 3) << 3)
#define KS_HIST_16(i) KS_HIST_4(i), KS_HIST_4((i) + 4), KS_HIST_4((i) + 8), KS_HIST_4((i) + 12)
#define KS_HIST_64(i) \
	KS_HIST_16(i), KS_HIST_16((i) + 16), KS_HIST_16((i) + 32), KS_HIST_16((i) + 48)
#define KS_HIST_256(i) \
	KS_HIST_64(i), KS_HIST_64((i) + 64), KS_HIST_64((i) + 128), KS_HIST_64((i) + 192)
#define KS_HIST_1024(i) \
	KS_HIST_256(i), KS_HIST_256((i) + 256), KS_HIST_256((i) + 512), KS_HIST_256((i) + 768)

static const __u8 ks_hist_near[KS_HIST_NEAR >> KS_HIST_NEAR_SHIFT] = {KS_HIST_1024(0),
								      KS_HIST_1024(1024)};

/* What a compiler would make one of: branches that differ in their constants only. */
#ifdef __bpf__
#define KS_HIST_APART(b) asm volatile("" : "+r"(b))
#else
#define KS_HIST_APART(b)
#endif

/*
 * Bucket of a value of KS_HIST_NEAR or more; always below KS_HIST_BUCKETS.
 *
 * Five octaves at a time are looked up in a table: BPF has no instruction for the highest bit, and
 * finding it by compares and shifts takes three times as many.
 */
static inline __attribute__((always_inline)) __u32 ks_hist_far(__u64 v)
{
	__u32 b;

	if (v < 1 << 18) {
		b = KS_HIST_FROM(v, 10);
		KS_HIST_APART(b);
	} else if (v < 1 << 23) {
		b = KS_HIST_FROM(v, 15);
	} else if (v < 1 << 28) {
		b = KS_HIST_FROM(v, 20);
	} else if (v < 1ULL << 33) {
		b = KS_HIST_FROM(v, 25);
	} else if (v < 1ULL << KS_HIST_MAX_SHIFT) {
		b = KS_HIST_FROM(v, 30);
	} else {
		b = KS_HIST_LAST;
	}
	return b;
}

/* Bucket of a value; always below KS_HIST_BUCKETS. */
static inline __attribute__((always_inline)) __u32 ks_hist_bucket(__u64 v)
{
	return v < KS_HIST_NEAR ? ks_hist_near[v >> KS_HIST_NEAR_SHIFT] : ks_hist_far(v);
}

/* Lowest value of bucket i; ks_hist_low(i + 1) is the first value above it. */
static inline __u64 ks_hist_low(__u32 i)
{
	__u32 octave, sub;

	if (i == 0)
		return 0;
	if (i > KS_HIST_LAST)
		return ~0ULL;
	octave = (i - 1) >> KS_HIST_SUB_SHIFT;
	sub = (i - 1) & (KS_HIST_SUB - 1);
	return (__u64)(KS_HIST_SUB + sub) << (octave + KS_HIST_MIN_SHIFT - KS_HIST_SUB_SHIFT);
}

#endif
