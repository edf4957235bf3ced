/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Block I/O in flight: the tables of bios and of requests. See KS_DISK_FIRST.
 *
 * Where one was found in, or took, its first place is for most all that happens; the rest is in
 * functions of their own. Nobody looks behind the first places as long as nobody is there.
 */
#ifndef KVMSCOPE_DISK_PLACES_BPF_H
#define KVMSCOPE_DISK_PLACES_BPF_H

#include "disk.bpf.h"

__weak const volatile __u32 cfg_disk_shift = 31; /* 32 - log2 of how many sets a table has */

/* Defined once, in disk.bpf.c, see vm.bpf.h. */
extern struct ks_bio first_bios[KS_DISK_FIRST];
extern struct ks_request first_requests[KS_DISK_FIRST];
extern struct ks_disk_more disk_more;

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

static __always_inline __u32 disk_set(__u64 address)
{
	return address_mix(address) >> cfg_disk_shift;
}

/*
 * Takes a place, if it holds what it is thought to; what it held. An exchange, where the kernel has
 * one: see disk.bpf.h.
 */
static __always_inline __u64 place_take(__u64 *place, __u64 from, __u64 to, const bool typed)
{
	__u64 held;

	if (typed) {
		held = __sync_val_compare_and_swap(place, from, to);
		barrier_var(held); /* or whether it was from is made a number, and that compared */
		return held;
	}
	held = *place;
	if (held == from)
		*place = to;
	return held;
}

/* --- bios */

static __always_inline struct ks_bio *bio_first(__u64 bio)
{
	struct ks_bio *b = &first_bios[address_mix(bio) >> (32 - KS_DISK_FIRST_SHIFT)];

	barrier_var(b); /* or it is calculated again for each use */
	return b;
}

static __noinline struct ks_bio *bio_find_more(__u64 bio)
{
	__u32 at = disk_set(bio);
	struct ks_bio_set *set = bpf_map_lookup_elem(&disk_bios, &at);

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++)
		if (set->way[i].bio == bio)
			return &set->way[i];
	return NULL;
}

static __always_inline struct ks_bio *bio_find(__u64 bio)
{
	struct ks_bio *b = bio_first(bio);

	if (b->bio == bio)
		return b;
	return disk_more.bios ? bio_find_more(bio) : NULL;
}

static __always_inline void bio_free_first(struct ks_bio *b)
{
	b->q = 0; /* first: user space takes one with a time for one in flight */
	barrier();
	b->bio = 0;
}

static __always_inline void bio_free(struct ks_bio *b)
{
	if (b != bio_first(b->bio))
		__sync_fetch_and_add(&disk_more.bios, -1);
	bio_free_first(b);
}

/* In the set behind: its own, if its end was missed, a free one, or somebody's. */
static __always_inline struct ks_bio *bio_place_in_set(__u64 bio, const bool typed)
{
	__u32 at = disk_set(bio);
	struct ks_bio_set *set = bpf_map_lookup_elem(&disk_bios, &at);
	__u64 held;

	if (!set)
		return NULL;
	__sync_fetch_and_add(&disk_more.bios, 1); /* first: who looks for it looks here */
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++) {
		held = place_take(&set->way[i].bio, 0, bio, typed);
		if (!held)
			return &set->way[i];
		if (held == bio) {
			__sync_fetch_and_add(&disk_more.bios, -1);
			return &set->way[i];
		}
	}
	lose(KS_L_DISK_PLACES);
	__sync_fetch_and_add(&disk_more.bios, -1);
	held = set->way[0].bio;
	return place_take(&set->way[0].bio, held, bio, typed) == held ? &set->way[0] : NULL;
}

static __noinline struct ks_bio *bio_place_typed(__u64 bio)
{
	return bio_place_in_set(bio, true);
}

static __noinline struct ks_bio *bio_place_raw(__u64 bio)
{
	return bio_place_in_set(bio, false);
}

static __always_inline struct ks_bio *bio_place_behind(__u64 bio, const bool typed)
{
	return typed ? bio_place_typed(bio) : bio_place_raw(bio);
}

/* A place for a bio that is new; NULL: another CPU took the last one. */
static __always_inline struct ks_bio *bio_place(__u64 bio, const bool typed)
{
	struct ks_bio *b = bio_first(bio);
	__u64 held = place_take(&b->bio, 0, bio, typed);

	return !held || held == bio ? b : bio_place_behind(bio, typed);
}

/* --- requests */

static __always_inline struct ks_request *rq_first(__u64 rq)
{
	struct ks_request *r = &first_requests[address_mix(rq) >> (32 - KS_DISK_FIRST_SHIFT)];

	barrier_var(r); /* or it is calculated again for each use */
	return r;
}

static __noinline struct ks_request *rq_find_more(__u64 rq)
{
	__u32 at = disk_set(rq);
	struct ks_request_set *set = bpf_map_lookup_elem(&disk_requests, &at);

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++)
		if (set->way[i].rq == rq)
			return &set->way[i];
	return NULL;
}

static __always_inline struct ks_request *rq_find(__u64 rq)
{
	struct ks_request *r = rq_first(rq);

	if (r->rq == rq)
		return r;
	return disk_more.requests ? rq_find_more(rq) : NULL;
}

/* A place in which somebody was whose end has been missed, or who has to go. */
static __noinline int rq_displaced(struct ks_request *r)
{
	if (r->state & KS_RQ_ISSUED)
		depth_drop(r);
	r->state = 0;
	return 0;
}

/* Its own place, or a new one, with state 0. NULL: another CPU took the last one. */
static __always_inline struct ks_request *rq_place_behind(__u64 rq, const bool typed)
{
	struct ks_request *r = rq_find(rq);
	struct ks_request_set *set;
	__u32 at = disk_set(rq);
	__u64 held;

	if (r)
		return r;
	r = rq_first(rq);
	if (!place_take(&r->rq, 0, rq, typed))
		return r;
	set = bpf_map_lookup_elem(&disk_requests, &at);
	if (!set)
		return NULL;
	__sync_fetch_and_add(&disk_more.requests, 1); /* first: who looks for it looks here */
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++)
		if (!place_take(&set->way[i].rq, 0, rq, typed))
			return &set->way[i];
	lose(KS_L_DISK_PLACES);
	__sync_fetch_and_add(&disk_more.requests, -1);
	held = set->way[0].rq;
	if (place_take(&set->way[0].rq, held, rq, typed) != held)
		return NULL;
	rq_displaced(&set->way[0]);
	return &set->way[0];
}

static __noinline struct ks_request *rq_place_typed(__u64 rq)
{
	return rq_place_behind(rq, true);
}

static __noinline struct ks_request *rq_place_raw(__u64 rq)
{
	return rq_place_behind(rq, false);
}

static __always_inline struct ks_request *rq_place(__u64 rq, const bool typed)
{
	return typed ? rq_place_typed(rq) : rq_place_raw(rq);
}

static __always_inline void rq_free_first(struct ks_request *r)
{
	r->state = 0; /* first: user space takes one with a state for one in flight */
	barrier();
	r->rq = 0;
}

static __always_inline void rq_free(struct ks_request *r)
{
	if (r != rq_first(r->rq))
		__sync_fetch_and_add(&disk_more.requests, -1);
	rq_free_first(r);
}

/* A request's bio, if it is of a VM that nobody asked for; NULL: it is not, or nobody knows. */
static __always_inline struct ks_bio *rq_ignored(const struct bio *bio)
{
	struct ks_bio *b = bio ? bio_find((__u64)bio) : NULL;

	return b && b->whose == KS_WHOSE_IGNORED ? b : NULL;
}

#endif
