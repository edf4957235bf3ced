/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a disk's numbers are kept: histograms of the stages, errors by status. */
#ifndef KVMSCOPE_DISK_RECORD_BPF_H
#define KVMSCOPE_DISK_RECORD_BPF_H

#include "disk_places.bpf.h"

/* What each CPU has measured of each subject; number 0 is nobody's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_disk_hists);
} disk_hists __weak SEC(".maps");

/* Numbers of unused ones: a stack, as free_cells. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(__u32));
} free_disk_hists __weak SEC(".maps");

/* Numbers of the histograms; defined once, in disk_complete.bpf.c, see vm.bpf.h. */
extern __u32 disk_hints[KS_MAX_CPUS][KS_DISK_HINTS];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct ks_disk_error);
	__type(value, __u64);
} disk_errors __weak SEC(".maps");

/*
 * Takes unused histograms for a subject: their number; 0: there are none (counted). This and the
 * others that are not static are verified once, and not for each way that leads to them.
 */
__weak __noinline __u32 disk_hists_take(__u32 subject)
{
	struct ks_disk_hists *hists;
	__u32 n = 0;

	if (bpf_map_pop_elem(&free_disk_hists, &n) ||
	    !(hists = bpf_map_lookup_elem(&disk_hists, &n))) {
		lose(KS_L_CELLS);
		return 0;
	}
	hists->owner = subject;
	return n;
}

static __always_inline __u32 *hists_hint(__u32 subject)
{
	return &disk_hints[bpf_get_smp_processor_id() & (KS_MAX_CPUS - 1)]
			  [subject & (KS_DISK_HINTS - 1)];
}

/* This CPU's for a request, if they are those that it found last; else NULL. */
static __always_inline struct ks_disk_hists *hists_known(const struct ks_request *r)
{
	__u32 n = *hists_hint(r->op);
	struct ks_disk_hists *hists = bpf_map_lookup_elem(&disk_hists, &n);

	return hists && hists->owner == r->op ? hists : NULL;
}

/* The number of the histograms behind a tally of this CPU; 0: no room for them (counted). */
static __always_inline __u32 hists_of(struct ks_tally *t, __u32 subject)
{
	__u32 n = t->cell[0];

	if (!n)
		n = t->cell[0] = disk_hists_take(subject);
	*hists_hint(subject) = n;
	return n;
}

static __always_inline void hist_add(struct ks_hist *h, __u64 value)
{
	__u64 b;

	barrier_var(value); /* or clang compares its lower half, and the verifier sees no bound */
	if (__builtin_expect(value < KS_HIST_NEAR, true)) {
		b = ks_hist_near[value >> KS_HIST_NEAR_SHIFT];
	} else {
		b = ks_hist_far(value);
		barrier_var(b);		  /* as above */
		if (b >= KS_HIST_BUCKETS) /* never: for the verifier */
			return;
	}
	h->sum += value;
	if (value > h->max)
		h->max = value;
	h->bucket[b]++;
}

static __always_inline void hist_record(struct ks_disk_hists *hists, const __u32 metric,
					__u64 value)
{
	hist_add(&hists->of[metric - KS_M_DISK_Q2G], value);
}

static __always_inline void hist_since(struct ks_disk_hists *hists, const __u32 metric, __u64 from,
				       __u64 to)
{
	if (from > to)
		lose(KS_L_CLOCK);
	else
		hist_record(hists, metric, to - from);
}

/* The same of the histograms of a number, where it is not for each request. */
__weak __noinline int disk_hist_record(__u32 number, __u32 metric, __u64 value)
{
	struct ks_disk_hists *hists = bpf_map_lookup_elem(&disk_hists, &number);

	metric -= KS_M_DISK_Q2G;
	if (hists && metric < KS_DISK_METRICS)
		hist_add(&hists->of[metric], value);
	return 0;
}

__weak __noinline int disk_hist_since(__u32 number, __u32 metric, __u64 from, __u64 to)
{
	if (from > to)
		lose(KS_L_CLOCK);
	else
		disk_hist_record(number, metric, to - from);
	return 0;
}

/*
 * A bio's own times, when it ends. A time is there if a stage needs it; user space shows those that
 * were asked for.
 */
static __always_inline void record_bio(__u32 hists, __u64 q, __u64 g, __u64 now)
{
	if (!q)
		return;
	if (g)
		disk_hist_since(hists, KS_M_DISK_Q2G, q, g);
	disk_hist_since(hists, KS_M_DISK_Q2C, q, now);
}

/* What a request was like when it was issued; it counts as one, too. */
static __always_inline void record_shape(struct ks_disk_hists *hists, __u32 state)
{
	__u32 shape = state >> KS_RQ_SHAPE_SHIFT;

	if (__builtin_expect(shape < KS_DISK_SHAPES, true)) {
		hists->shape[shape]++;
		asm volatile(""); /* or the compiler adds one, or more, at one place for all */
		return;
	}
	hist_record(hists, KS_M_DISK_DEPTH, (__u64)(state >> KS_RQ_DEPTH_SHIFT) << KS_DEPTH_SHIFT);
	hists->requests++;
	if (state & KS_RQ_SEQUENTIAL)
		hists->sequential++;
}

/* A request's size, of which all is done now. sectors: of a bio's, which is whole ones. */
static __always_inline void record_size(struct ks_disk_hists *hists, __u32 bytes,
					const bool sectors)
{
	__u32 n = bytes >> KS_DISK_SIZE_SHIFT;

	barrier_var(n); /* or clang 19 checks bytes, and verifiers before v6.2 see no bound of n */
	if (__builtin_expect(n < KS_DISK_SIZES, true) &&
	    (sectors || n << KS_DISK_SIZE_SHIFT == bytes)) {
		hists->size[n]++;
		asm volatile("");
		return;
	}
	hist_record(hists, KS_M_DISK_SIZE, bytes);
	hists->bytes += bytes;
}

/* A bio that has its own place has ended. */
static __always_inline void bio_end(struct ks_bio *b, __u64 now)
{
	__u32 op = KS_WHOSE_OP(b->whose);
	struct ks_tally *t;
	__u32 hists;

	if (b->q) {
		t = tally_here(op);
		hists = t ? hists_of(t, op) : 0;
		if (hists)
			record_bio(hists, b->q, b->g & ~KS_BIO_MERGED, now);
	}
	bio_free(b);
}

/* Status of a completion, for people to read: see struct ks_disk_error. */
__weak __noinline int disk_error(__u32 subject, __u32 status)
{
	struct ks_disk_error key = {.subject = subject, .status = status};
	__u64 one = 1, *n = bpf_map_lookup_elem(&disk_errors, &key);
	struct ks_tally *t = tally_here(subject);

	if (t)
		t->n[KS_C_DISK_ERRORS]++;
	if (n)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&disk_errors, &key, &one, BPF_NOEXIST))
		lose(KS_L_MAP);
	return 0;
}

#endif
