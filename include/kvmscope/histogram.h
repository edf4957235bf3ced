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
#define KS_HIST_SUB       (1 << KS_HIST_SUB_SHIFT)
#define KS_HIST_BUCKETS   (((KS_HIST_MAX_SHIFT - KS_HIST_MIN_SHIFT) << KS_HIST_SUB_SHIFT) + 2)
#define KS_HIST_LAST      (KS_HIST_BUCKETS - 1)

/*
 * Position of the highest bit of v. Binary search by compares: BPF has no
 * instruction for it before kernel 7.x, and clang would call a libgcc routine for the
 * builtin. Most intervals of a vCPU lie below 2^16 ns, hence that branch first.
 */
static inline __attribute__((always_inline)) __u32 ks_hist_fls(__u64 v)
{
	__u32 s = 0;

	if (v >> 16) {
		if (v >> 32) {
			v >>= 32;
			s = 32;
		}
		if (v >> 16) {
			v >>= 16;
			s += 16;
		}
	}
	if (v >> 8) {
		v >>= 8;
		s += 8;
	}
	if (v >> 4) {
		v >>= 4;
		s += 4;
	}
	if (v >> 2) {
		v >>= 2;
		s += 2;
	}
	return s + (v >> 1);
}

/* Bucket of a value; always below KS_HIST_BUCKETS. */
static inline __attribute__((always_inline)) __u32 ks_hist_bucket(__u64 v)
{
	__u32 s;

	if (v < (1ULL << KS_HIST_MIN_SHIFT))
		return 0;
	if (v >> KS_HIST_MAX_SHIFT)
		return KS_HIST_LAST;
	s = ks_hist_fls(v) - KS_HIST_SUB_SHIFT;
	/* (v >> s) is 8..15: its leading bit adds the 8 that the octave's own index lacks */
	return ((s - (KS_HIST_MIN_SHIFT - KS_HIST_SUB_SHIFT) - 1) << KS_HIST_SUB_SHIFT) +
	       (__u32)(v >> s) + 1;
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
