/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain disk, completion (C) of requests, and of bios that became none. Here alone is recorded
 * what was noted on the way.
 */
#include "vmlinux.h"
#include "disk_record.bpf.h"
#include "disk_whose.bpf.h"

/* Bios of a request whose Q2C is recorded: 1 MiB in pages. The rest counts as merged only. */
#define BIOS_MAX 256

/* --- bios */

/* A bio that has its own place has ended. */
static __always_inline void bio_end(struct ks_bio *b, __u64 now)
{
	__u32 op = KS_WHOSE_OP(b->whose);
	struct ks_disk_hists *hists;
	struct ks_tally *t;

	if (b->q) {
		t = tally_here(op);
		hists = t ? hists_of(t, op) : NULL;
		if (hists)
			record_bio(hists, b->q, b->g & ~KS_BIO_MERGED, now);
	}
	bio_free(b);
}

/*
 * Of bios that became no request: of devices that have none, or that failed before they had one.
 * One whose queue is not its device's is on its way back from a path of NVMe's multipath, as a
 * request that tells its end itself: nvme_trace_bio_complete().
 */
static __always_inline int on_bio_complete(__u64 queue, const struct bio *bio, const bool typed)
{
	struct ks_bio *b = bio_find((__u64)bio);
	struct ks_tally *t;
	__u32 status;

	if (!b || queue != (__u64)BPF_CORE_READ(bio_disk(bio), queue))
		return 0;
	t = b->whose != KS_WHOSE_IGNORED ? tally_here(KS_WHOSE_OP(b->whose)) : NULL;
	if (t) {
		status = (__u8)LOAD(bio, bi_status);
		t->n[KS_C_DISK_REQUESTS]++;
		t->n[KS_C_DISK_BYTES] += b->bytes;
		if (status)
			on_error(t, KS_WHOSE_OP(b->whose), status);
	}
	bio_end(b, bpf_ktime_get_ns());
	return 0;
}

/* block_bio_complete (q, bio), on all kernels */
SEC("tp_btf/block_bio_complete")
int disk__block_bio_complete_btf(__u64 *ctx)
{
	return on_bio_complete(ctx[0], (const struct bio *)ctx[1], true);
}

SEC("raw_tp/block_bio_complete")
int disk__block_bio_complete_raw(__u64 *ctx)
{
	return on_bio_complete(ctx[0], (const struct bio *)ctx[1], false);
}

/* --- requests */

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

/* A request's bios that have places of their own, of which so many bytes were done. */
static __noinline int bios_end(const struct bio *bio, __u64 now, __u64 bytes)
{
	__u32 size;

	for (int i = 0; i < BIOS_MAX && bio; i++) {
		size = BPF_CORE_READ(bio, bi_iter.bi_size);
		if (size > bytes)
			break;
		bytes -= size;
		disk_bio_end((__u64)bio, now);
		bio = BPF_CORE_READ(bio, bi_next);
	}
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
	struct ks_tally *t;
	__u32 op;

	if (!bio || BPF_CORE_READ(rq, rq_flags) & cfg_disk_flush_seq)
		return 0;
	if (b && b->whose != KS_WHOSE_IGNORED && bytes >= BPF_CORE_READ(rq, __data_len)) {
		op = KS_WHOSE_OP(b->whose);
		t = tally_here(op);
		if (t) {
			t->n[KS_C_DISK_REQUESTS]++;
			t->n[KS_C_DISK_BYTES] += bytes;
			if ((__u32)error)
				on_error(t, op, status_of(error));
		}
	}
	return bios_end(bio, bpf_ktime_get_ns(), bytes);
}

/* A part of a request is done. Its size is told by the first one: later there is less of it. */
static __noinline int on_partial(const struct request *rq, struct ks_request *r, __u64 error,
				 __u32 bytes)
{
	__u32 op = KS_WHOSE_OP(r->whose);
	struct ks_tally *t = tally_here(op);
	struct ks_disk_hists *hists = t ? hists_of(t, op) : NULL;

	if (t) {
		t->n[KS_C_DISK_BYTES] += bytes;
		t->n[KS_C_DISK_PARTIAL]++;
		if ((__u32)error)
			on_error(t, op, status_of(error));
	}
	if (hists && !no_shape() && !(r->state & KS_RQ_PARTIAL))
		hist_record(hists, KS_M_DISK_SIZE, BPF_CORE_READ(rq, __data_len));
	r->state |= KS_RQ_PARTIAL;
	return bios_end(BPF_CORE_READ(rq, bio), bpf_ktime_get_ns(), bytes);
}

/* All that is measured of a request that has been issued. */
static __always_inline void record_request(struct ks_disk_hists *hists, struct ks_tally *t,
					   const struct ks_request *r, __u32 bytes, __u64 now)
{
	__u32 state = r->state;

	hist_since(hists, KS_M_DISK_D2C, r->d, now);
	if (no_shape())
		return;
	hist_record(hists, KS_M_DISK_DEPTH, state >> KS_RQ_DEPTH_SHIFT << KS_DEPTH_SHIFT);
	if (bytes && !(state & KS_RQ_PARTIAL))
		hist_record(hists, KS_M_DISK_SIZE, bytes);
	if (state & KS_RQ_SEQUENTIAL)
		t->n[KS_C_DISK_SEQUENTIAL]++;
	if (!r->i)
		return;
	hist_since(hists, KS_M_DISK_I2D, r->i, state & KS_RQ_REQUEUED ? r->d_first : r->d);
	if (r->g)
		hist_since(hists, KS_M_DISK_G2I, r->g, r->i);
}

/*
 * All of a request is done. plain: it went the usual way, and without an error; what is not is
 * seldom, and the same code in a function of its own. 0, or -1: it is not plain.
 */
static __always_inline int on_done(const struct request *rq, struct ks_request *r, __u64 error,
				   __u32 bytes, const bool typed, const bool plain)
{
	__u32 op = KS_WHOSE_OP(r->whose), state = r->state;
	struct ks_tally *t = tally_here(op);
	struct ks_disk_hists *hists = NULL;
	__u64 now;

	if (plain) {
		if (!t || (__u32)error ||
		    (state & (KS_RQ_ISSUED | KS_RQ_PARTIAL | KS_RQ_DONE)) != KS_RQ_ISSUED)
			return -1;
		hists = hists_known(t);
		if (!hists)
			return -1;
	} else if (t) {
		hists = hists_of(t, op);
	}
	now = bpf_ktime_get_ns();
	if (plain || (t && !(state & KS_RQ_DONE))) {
		t->n[KS_C_DISK_BYTES] += bytes;
		t->n[KS_C_DISK_REQUESTS]++;
		if (!plain && (__u32)error)
			on_error(t, op, status_of(error));
		if (plain || (hists && state & KS_RQ_ISSUED))
			record_request(hists, t, r, bytes, now);
	}
	if (plain || state & KS_RQ_ISSUED)
		depth_drop(r->whose);
	/* one that is made of flushes and a write goes on after its write; not what has no bio, the
	 * flush itself */
	if (LOAD(rq, rq_flags) & cfg_disk_flush_seq && LOAD(rq, bio)) {
		r->state = KS_RQ_DONE;
		return 0;
	}
	if (hists)
		record_bio(hists, r->q, r->g, now);
	rq_free(r);
	if (LOAD(rq, bio) != LOAD(rq, biotail))
		bios_end(BPF_CORE_READ(rq, bio), now, bytes);
	return 0;
}

static __noinline int on_done_otherwise(const struct request *rq, struct ks_request *r, __u64 error,
					__u32 bytes)
{
	return on_done(rq, r, error, bytes, false, false);
}

static __always_inline int on_complete(const struct request *rq, __u64 error, __u32 bytes,
				       const bool typed)
{
	struct ks_request *r = rq_find((__u64)rq);
	struct ks_bio *b;

	if (!r || !r->state) {
		b = cfg_filter ? rq_ignored(rq, typed) : NULL;
		if (!b || LOAD(rq, bio) != LOAD(rq, biotail))
			return on_unissued(rq, error, bytes);
		bio_free(b);
		return 0;
	}
	if (bytes < LOAD(rq, __data_len))
		return on_partial(rq, r, error, bytes);
	if (on_done(rq, r, error, bytes, typed, true))
		on_done_otherwise(rq, r, error, bytes);
	return 0;
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
