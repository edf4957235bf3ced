/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Block I/O in flight: the tables of bios and of requests.
 *
 * Each program has two forms. typed: the verifier knows the arguments' types, so that reading a
 * field is a load. Otherwise it is a probe read, and no place is taken by an exchange: that form is
 * for kernels without BPF_CMPXCHG (before v5.12, 5ffa25502b5a), where two CPUs that take a place at
 * the same moment may lose one of the two.
 */
#ifndef KVMSCOPE_DISK_BPF_H
#define KVMSCOPE_DISK_BPF_H

#include "subject.bpf.h"

__weak const volatile bool cfg_disk_d2c = false; /* the only stage that is asked for */
__weak const volatile __u32 cfg_disk_shift = 31; /* 32 - log2 of how many sets a table has */
/* events of bios have the queue as their first argument (until v5.11, 309dca309fc3's series) */
__weak const volatile bool cfg_disk_bio_second = false;
__weak const volatile bool cfg_disk_rq_second = false; /* those of requests, too (a54895fa057c) */
__weak const volatile bool cfg_disk_errno =
	false; /* statuses are errnos (until v5.16, 8a7d267b4a2c) */
__weak const volatile __u32 cfg_disk_flush_seq = 0; /* RQF_FLUSH_SEQ */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_bio_set);
} disk_bios __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_request_set);
} disk_requests __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_disk);
} disks __weak SEC(".maps");

/* Reads p's field: a load where the verifier knows what p is. */
#define LOAD(p, field) (typed ? (p)->field : BPF_CORE_READ(p, field))

/*
 * The argument that is the first, or the second. Two loads: kernels of that time (v5.10) let nobody
 * read at an offset that was added to the context.
 */
static __always_inline __u64 arg_at(const __u64 *ctx, bool second)
{
	__u64 arg;

	if (second) {
		arg = ctx[1];
		barrier_var(arg);
	} else {
		arg = ctx[0];
		barrier_var(arg);
	}
	return arg;
}

/*
 * Golden ratio: addresses at equal distances, as slabs and tags have them, spread evenly. Their low
 * halves do, and the verifier lets nobody multiply a pointer.
 */
static __always_inline __u32 disk_set(__u64 address)
{
	return (__u32)address * 0x9e3779b1U >> cfg_disk_shift;
}

/*
 * Takes a place, if it holds what it is thought to; what it held. An exchange, where the kernel has
 * one: see above.
 */
static __always_inline __u64 place_take(__u64 *place, __u64 from, __u64 to, const bool typed)
{
	__u64 held;

	if (typed)
		return __sync_val_compare_and_swap(place, from, to);
	held = *place;
	if (held == from)
		*place = to;
	return held;
}

static __always_inline struct ks_bio *bio_find(__u64 bio)
{
	__u32 at = disk_set(bio);
	struct ks_bio_set *set = bpf_map_lookup_elem(&disk_bios, &at);

	if (!set)
		return NULL;
	if (set->way[0].bio == bio)
		return &set->way[0];
#pragma unroll
	for (int i = 1; i < KS_DISK_WAYS; i++)
		if (set->way[i].bio == bio)
			return &set->way[i];
	return NULL;
}

/* A place for a bio that is new: its own, if its end was missed, a free one, or somebody's. */
static __always_inline struct ks_bio *bio_place(__u64 bio, const bool typed)
{
	__u32 at = disk_set(bio);
	struct ks_bio_set *set = bpf_map_lookup_elem(&disk_bios, &at);
	__u64 held;

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++) {
		held = place_take(&set->way[i].bio, 0, bio, typed);
		if (!held || held == bio)
			return &set->way[i];
	}
	lose(KS_L_DISK_PLACES);
	held = set->way[0].bio;
	return place_take(&set->way[0].bio, held, bio, typed) == held ? &set->way[0] : NULL;
}

static __always_inline void bio_free(struct ks_bio *b)
{
	b->q = 0; /* first: user space takes one with a time for one in flight */
	barrier();
	b->bio = 0;
}

static __always_inline struct ks_request *rq_find(__u64 rq)
{
	__u32 at = disk_set(rq);
	struct ks_request_set *set = bpf_map_lookup_elem(&disk_requests, &at);

	if (!set)
		return NULL;
	if (set->way[0].rq == rq)
		return &set->way[0];
#pragma unroll
	for (int i = 1; i < KS_DISK_WAYS; i++)
		if (set->way[i].rq == rq)
			return &set->way[i];
	return NULL;
}

static __always_inline struct ks_disk *disk_of(__u32 whose)
{
	__u32 number = KS_WHOSE_DISK(whose);

	return bpf_map_lookup_elem(&disks, &number);
}

/* Nobody asks for depths and sizes where only the device's time is wanted. */
static __always_inline bool no_shape(void)
{
	return cfg_disk_d2c;
}

static __always_inline void depth_drop(__u32 whose)
{
	struct ks_disk *d = no_shape() ? NULL : disk_of(whose);

	if (d)
		__sync_fetch_and_add(&d->depth, -1);
}

/* A place in which somebody was whose end has been missed, or who has to go. */
static __noinline int rq_displaced(struct ks_request *r)
{
	if (r->state & KS_RQ_ISSUED)
		depth_drop(r->whose);
	r->state = 0;
	return 0;
}

/*
 * A request's place: its own, or a new one, with state 0. NULL: another CPU took the last one.
 */
static __always_inline struct ks_request *rq_place(__u64 rq, const bool typed)
{
	__u32 at = disk_set(rq);
	struct ks_request_set *set = bpf_map_lookup_elem(&disk_requests, &at);
	__u64 held;

	if (!set)
		return NULL;
		/* its own first: it may be behind one that is free */
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++)
		if (set->way[i].rq == rq)
			return &set->way[i];
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++)
		if (!place_take(&set->way[i].rq, 0, rq, typed))
			return &set->way[i];
	lose(KS_L_DISK_PLACES);
	held = set->way[0].rq;
	if (place_take(&set->way[0].rq, held, rq, typed) != held)
		return NULL;
	rq_displaced(&set->way[0]);
	return &set->way[0];
}

static __always_inline void rq_free(struct ks_request *r)
{
	r->state = 0; /* first: user space takes one with a state for one in flight */
	barrier();
	r->rq = 0;
}

/* The bio of a request of a VM that nobody asked for; NULL: it is not, or nobody knows. */
static __always_inline struct ks_bio *rq_ignored(const struct request *rq, const bool typed)
{
	const struct bio *bio = LOAD(rq, bio);
	struct ks_bio *b = bio ? bio_find((__u64)bio) : NULL;

	return b && b->whose == KS_WHOSE_IGNORED ? b : NULL;
}

#endif
