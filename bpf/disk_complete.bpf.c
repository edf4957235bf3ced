/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain disk, completion (C) of requests, and of bios that became none. Here alone is recorded
 * what was noted on the way.
 */
#include "vmlinux.h"
#include "disk_places.bpf.h"
#include "disk_record.bpf.h"
#include "disk_whose.bpf.h"

__u32 disk_hints[KS_MAX_CPUS][KS_DISK_HINTS] __attribute__((aligned(64)));

/*
 * Bios of a request whose Q2C is recorded: 4 MiB in pages, more than the 1280 KiB that requests had
 * at most by default for long (BLK_DEF_MAX_SECTORS, d2be537c3ba3). The rest counts as merged alone,
 * and is told as lost, once. A turn costs the verifier some 37 instructions.
 */
#define BIOS_MAX 1024

static __always_inline __u32 status_of(__u64 error)
{
	__s32 e = error;

	return cfg_disk_errno ? KS_STATUS_ERRNO | (__u32)-e : (__u8)e;
}

/* Not static: so it is verified once, and not for each turn of the loop below. */
__noinline int disk_bio_end(__u64 bio, __u64 now)
{
	struct ks_bio *b = bio_find(bio);

	if (b)
		bio_end(b, now);
	return 0;
}

/*
 * A request's bios, the first at an address, that have places of their own, of which so many bytes
 * were done.
 */
__noinline int disk_bios_end(__u64 first, __u64 now, __u64 bytes)
{
	const struct bio *bio = (const void *)first;
	__u32 size;

	for (int i = 0; i < BIOS_MAX; i++) {
		size = bio ? BPF_CORE_READ(bio, bi_iter.bi_size) : 0;
		if (!bio || size > bytes)
			return 0;
		bytes -= size;
		disk_bio_end((__u64)bio, now);
		bio = BPF_CORE_READ(bio, bi_next);
	}
	if (bio && BPF_CORE_READ(bio, bi_iter.bi_size) <= bytes)
		lose(KS_L_DISK_PLACES);
	return 0;
}

/*
 * Of a request that was not issued, as far as we saw: one that failed before; or a flush, for which
 * another request, without a bio, went to the disk.
 */
static __noinline int on_unissued(const struct request *rq, __u64 error, __u32 bytes)
{
	const struct bio *bio = BPF_CORE_READ(rq, bio);
	struct ks_bio *b = bio ? bio_find((__u64)bio) : NULL;
	__u32 op, whose = KS_WHOSE_IGNORED;
	struct ks_tally *t;

	if (!bio || BPF_CORE_READ(rq, rq_flags) & cfg_disk_flush_seq)
		return 0;
	if (b)
		whose = b->whose;
	else if (by_cgroup() && (!bytes || (__u32)error))
		whose = disk_rq_whose((__u64)rq);
	if (whose != KS_WHOSE_IGNORED && bytes >= BPF_CORE_READ(rq, __data_len)) {
		op = KS_WHOSE_OP(whose);
		t = tally_here(op);
		if (t) {
			t->n[KS_C_DISK_REQUESTS]++;
			t->n[KS_C_DISK_BYTES] += bytes;
			if ((__u32)error)
				disk_error(op, status_of(error));
		}
	}
	return disk_bios_end((__u64)bio, bpf_ktime_get_ns(), bytes);
}

/* A part of a request is done. Its size is told by the first one: later there is less of it. */
static __noinline int on_partial(const struct request *rq, struct ks_request *r, __u64 error,
				 __u32 bytes)
{
	__u32 op = KS_WHOSE_OP(r->whose);
	struct ks_tally *t = tally_here(op);
	__u32 hists = t ? hists_of(t, op) : 0;

	if (t) {
		t->n[KS_C_DISK_BYTES] += bytes;
		t->n[KS_C_DISK_PARTIAL]++;
		if ((__u32)error)
			disk_error(op, status_of(error));
	}
	if (hists && !no_shape() && !(r->state & KS_RQ_PARTIAL))
		disk_hist_record(hists, KS_M_DISK_SIZE, BPF_CORE_READ(rq, __data_len));
	r->state |= KS_RQ_PARTIAL;
	return disk_bios_end((__u64)BPF_CORE_READ(rq, bio), bpf_ktime_get_ns(), bytes);
}

/* All that is measured of a request that has been issued, and that it was one. */
static __always_inline void record_request(__u32 number, const struct ks_request *r, __u32 bytes,
					   __u64 now)
{
	struct ks_disk_hists *hists = bpf_map_lookup_elem(&disk_hists, &number);
	__u32 state = r->state;

	if (!hists)
		return;
	disk_hist_since(number, KS_M_DISK_D2C, r->d, now);
	if (!(state & KS_RQ_SHAPED)) {
		hists->requests++;
		hists->bytes += bytes;
		return;
	}
	record_shape(hists, state);
	if (state & KS_RQ_PARTIAL)
		hists->bytes += bytes;
	else if (bytes)
		record_size(hists, bytes, false);
	if (!r->i)
		return;
	disk_hist_since(number, KS_M_DISK_I2D, r->i, state & KS_RQ_REQUEUED ? r->d_first : r->d);
	if (r->g)
		disk_hist_since(number, KS_M_DISK_G2I, r->g, r->i);
}

/* All of a request is done. */
static __noinline int on_done(const struct request *rq, struct ks_request *r, __u64 error,
			      __u32 bytes)
{
	__u32 op = KS_WHOSE_OP(r->whose), state = r->state;
	struct ks_tally *t = tally_here(op);
	__u32 hists = t ? hists_of(t, op) : 0;
	__u64 now = bpf_ktime_get_ns();

	if (t && !(state & KS_RQ_DONE)) {
		if ((__u32)error)
			disk_error(op, status_of(error));
		if (hists && state & KS_RQ_ISSUED) {
			record_request(hists, r, bytes, now);
		} else {
			t->n[KS_C_DISK_BYTES] += bytes;
			t->n[KS_C_DISK_REQUESTS]++;
		}
	}
	if (state & KS_RQ_ISSUED)
		depth_drop(r);
	/* one made of flushes and a write goes on; not the flush itself, which has no bio */
	if (BPF_CORE_READ(rq, rq_flags) & cfg_disk_flush_seq && BPF_CORE_READ(rq, bio)) {
		r->state = KS_RQ_DONE;
		return 0;
	}
	if (hists)
		record_bio(hists, r->q, r->g, now);
	rq_free(r);
	if (BPF_CORE_READ(rq, bio) != BPF_CORE_READ(rq, biotail))
		disk_bios_end((__u64)BPF_CORE_READ(rq, bio), now, bytes);
	return 0;
}

/* What is not an issued request of one bio, in its first place, all of it done without an error. */
__noinline int disk_complete_otherwise(__u64 address, __u64 error, __u32 bytes)
{
	const struct request *rq = (const void *)address;
	struct ks_request *r = rq_find(address);
	struct ks_bio *b;

	if (!r || !r->state) {
		b = cfg_filter ? rq_ignored(BPF_CORE_READ(rq, bio)) : NULL;
		if (!b || BPF_CORE_READ(rq, bio) != BPF_CORE_READ(rq, biotail))
			return on_unissued(rq, error, bytes);
		bio_free(b);
		return 0;
	}
	if (bytes < BPF_CORE_READ(rq, __data_len))
		return on_partial(rq, r, error, bytes);
	return on_done(rq, r, error, bytes);
}

/* Its function type would bring more of the kernel's along. */
struct request___ended {
	void *end_io;
} __attribute__((preserve_access_index));

/* What tells that a request went the usual way; the rest of its state is told by times. */
#define USUAL(state) \
	((state) & (KS_RQ_ISSUED | KS_RQ_REQUEUED | KS_RQ_PARTIAL | KS_RQ_DONE | KS_RQ_SHAPED))

/* One of a VM that nobody asked for: that was all; false: it is not. */
static __always_inline bool end_ignored(const struct request *rq, const bool typed)
{
	__u64 bio = (__u64)LOAD(rq, bio);
	struct ks_bio *b = bio_first(bio);

	if (!bio || b->bio != bio || b->whose != KS_WHOSE_IGNORED ||
	    bio != (__u64)LOAD(rq, biotail))
		return false;
	bio_free_first(b);
	return true;
}

/* A request is done, that went the usual way: see on_complete(). */
static __always_inline int on_usual(const struct request *rq, struct ks_request *r,
				    struct ks_disk_hists *hists, const bool shaped,
				    const bool typed)
{
	__u64 now = bpf_ktime_get_ns(), q, g;
	__u32 bytes = LOAD(rq, __data_len);

	hist_since(hists, KS_M_DISK_D2C, r->d, now);
	if (!shaped) {
		hists->requests++;
		hists->bytes += bytes;
	} else {
		record_shape(hists, r->state);
		record_size(hists, bytes, true);
		g = r->g;
		if (r->i) {
			hist_since(hists, KS_M_DISK_I2D, r->i, r->d);
			if (g)
				hist_since(hists, KS_M_DISK_G2I, g, r->i);
		}
		q = r->q;
		if (q) {
			if (g)
				hist_since(hists, KS_M_DISK_Q2G, q, g);
			hist_since(hists, KS_M_DISK_Q2C, q, now);
		}
		__sync_fetch_and_add(&disks[r->disk & (KS_DISKS - 1)].depth, -1);
	}
	rq_free_first(r);
	return 0;
}

/*
 * The usual way, in as few instructions as it takes. A request whose end_io waits for it is a
 * flush's, a command's, or the device mapper's. What a request leads to is read before anything
 * depends on its times: for each way that it gets there by the verifier looks for struct
 * request__safe_trusted and the like among all of the kernel's types (btf_nested_type_is_trusted(),
 * by v6.5).
 */
static __always_inline int on_complete(const struct request *rq, __u64 error, __u32 bytes,
				       const bool typed)
{
	const struct request___ended *ended = (const void *)rq;
	struct ks_request *r = rq_first((__u64)rq);
	struct ks_disk_hists *hists;
	__u32 state;

	if (r->rq != (__u64)rq) {
		if (cfg_filter && end_ignored(rq, typed))
			return 0;
		/* of a VM that nobody asked for, or issued before we were there */
		if (by_cgroup() && bytes && !(__u32)error && !disk_more.requests)
			return 0;
		return disk_complete_otherwise(address_of(rq), error, bytes);
	}
	if ((__u32)error || LOAD(ended, end_io) || bytes != LOAD(rq, __data_len) ||
	    LOAD(rq, bio) != LOAD(rq, biotail))
		return disk_complete_otherwise(address_of(rq), error, bytes);
	state = USUAL(r->state);
	if (__builtin_expect(state == (KS_RQ_ISSUED | KS_RQ_SHAPED), true)) {
		hists = hists_known(r);
		if (hists)
			return on_usual(rq, r, hists, true, typed);
	} else if (state == KS_RQ_ISSUED) { /* only D2C is asked for */
		hists = hists_known(r);
		if (hists)
			return on_usual(rq, r, hists, false, typed);
	}
	/* not the arguments, which would be kept until here */
	return disk_complete_otherwise(address_of(rq), 0, LOAD(rq, __data_len));
}

SEC("tp_btf/block_rq_complete")
int disk__block_rq_complete_btf(__u64 *ctx)
{
	return on_complete((const struct request *)ctx[0], ctx[1], ctx[2], true);
}

SEC("raw_tp/block_rq_complete")
int disk__block_rq_complete_raw(__u64 *ctx)
{
	if (cfg_disk_rq_second)
		return on_complete((const struct request *)ctx[1], ctx[2], ctx[3], false);
	return on_complete((const struct request *)ctx[0], ctx[1], ctx[2], false);
}
