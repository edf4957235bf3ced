/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain disk, bios: queued (Q), given a request (G), merged into one, as requests may be into
 * another; split. disk_remap.bpf.c has those remapped to another disk.
 */
#include "vmlinux.h"
#include "disk_places.bpf.h"
#include "disk_record.bpf.h"
#include "disk_whose.bpf.h"

struct ks_disk_memo disk_memos[KS_DISK_MEMO_CPUS][KS_DISK_MEMOS] __attribute__((aligned(64)));

/* --- Q, G */

static __always_inline int on_queue(const struct bio *bio, const bool typed)
{
	__u32 cpu =
		bpf_get_smp_processor_id(); /* first: what is read before a call is kept over it */
	__u32 tgid = tgid_here(typed), bytes = LOAD(bio, bi_iter.bi_size), whose;
	struct ks_bio *b;
	__u64 held;

	whose = bio_whose(bio, bio_device(bio, typed), tgid, LOAD(bio, bi_opf), bytes, cpu, typed);
	b = bio_first((__u64)bio);
	held = place_take(&b->bio, 0, (__u64)bio, typed);
	if (held) { /* else there is no need to look whether there is a place */
		b = held == (__u64)bio ? b : bio_place_behind((__u64)bio, typed);
		if (!b)
			return 0;
	}
	b->g = 0;
	b->whose = whose;
	b->bytes = bytes;
	b->q = 0;
	if (whose != KS_WHOSE_IGNORED && !no_shape())
		b->q = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/block_bio_queue")
int disk__block_bio_queue_btf(__u64 *ctx)
{
	return on_queue((const struct bio *)ctx[0], true);
}

SEC("raw_tp/block_bio_queue")
int disk__block_bio_queue_raw(__u64 *ctx)
{
	return on_queue((const struct bio *)arg_at(ctx, cfg_disk_bio_second), false);
}

/* Its time to here is recorded when it ends: with all of its other times, and once. */
static __always_inline int on_getrq(__u64 bio)
{
	struct ks_bio *b = bio_find(bio);

	if (b && b->whose != KS_WHOSE_IGNORED)
		b->g = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/block_getrq")
int disk__block_getrq_btf(__u64 *ctx)
{
	return on_getrq(ctx[0]);
}

SEC("raw_tp/block_getrq")
int disk__block_getrq_raw(__u64 *ctx)
{
	return on_getrq(arg_at(ctx, cfg_disk_bio_second));
}

/* --- merges, splits */

/* Whose a bio is that nobody saw being queued: by_cgroup(). */
static __noinline __u32 bio_whose_unseen(const struct bio *bio)
{
	return disk_bio_whose(address_of(bio), 0, BPF_CORE_READ(bio, bi_opf),
			      BPF_CORE_READ(bio, bi_iter.bi_size));
}

static __noinline int count_here(__u32 whose, __u32 counter)
{
	struct ks_tally *t = whose == KS_WHOSE_IGNORED ? NULL : tally_here(KS_WHOSE_OP(whose));

	if (t && counter < KS_COUNTERS)
		t->n[counter]++;
	return 0;
}

static __always_inline int on_merge(__u64 bio, const __u32 counter)
{
	struct ks_bio *b = bio_find(bio);

	if (!b)
		return by_cgroup() ? count_here(bio_whose_unseen((const void *)bio), counter) : 0;
	if (b->whose != KS_WHOSE_IGNORED)
		b->g |= KS_BIO_MERGED;
	return count_here(b->whose, counter);
}

SEC("tp_btf/block_bio_backmerge")
int disk__block_bio_backmerge_btf(__u64 *ctx)
{
	return on_merge(ctx[0], KS_C_DISK_MERGED_BACK);
}

SEC("tp_btf/block_bio_frontmerge")
int disk__block_bio_frontmerge_btf(__u64 *ctx)
{
	return on_merge(ctx[0], KS_C_DISK_MERGED_FRONT);
}

/* (q, rq, bio) where the queue is the first. See arg_at(). */
static __always_inline __u64 merged_bio(const __u64 *ctx)
{
	__u64 bio;

	if (cfg_disk_bio_second) {
		bio = ctx[2];
		barrier_var(bio);
	} else {
		bio = ctx[0];
		barrier_var(bio);
	}
	return bio;
}

SEC("raw_tp/block_bio_backmerge")
int disk__block_bio_backmerge_raw(__u64 *ctx)
{
	return on_merge(merged_bio(ctx), KS_C_DISK_MERGED_BACK);
}

SEC("raw_tp/block_bio_frontmerge")
int disk__block_bio_frontmerge_raw(__u64 *ctx)
{
	return on_merge(merged_bio(ctx), KS_C_DISK_MERGED_FRONT);
}

/*
 * A bio cut off another, which it has as bi_private (bio_chain()); the other is not queued again.
 * The device mapper's bios have something else there, which is in no table.
 */
static __always_inline int on_split(const struct bio *bio, const bool typed)
{
	__u64 whole = (__u64)LOAD(bio, bi_private), q;
	__u32 bytes = LOAD(bio, bi_iter.bi_size), whose;
	struct ks_bio *b = bio_find(whole);

	if (!b)
		b = bio_find((__u64)bio);
	if (!b)
		return by_cgroup() ? count_here(bio_whose_unseen(bio), KS_C_DISK_SPLIT) : 0;
	q = b->q;
	whose = b->whose;
	count_here(whose, KS_C_DISK_SPLIT);
	if (b->bio != whole)
		return 0;
	b->bytes -= bytes;
	b = bio_place((__u64)bio, typed);
	if (!b)
		return 0;
	b->g = 0;
	b->whose = whose;
	b->bytes = bytes;
	b->q = q;
	return 0;
}

SEC("tp_btf/block_split")
int disk__block_split_btf(__u64 *ctx)
{
	return on_split((const struct bio *)ctx[0], true);
}

SEC("raw_tp/block_split")
int disk__block_split_raw(__u64 *ctx)
{
	return on_split((const struct bio *)arg_at(ctx, cfg_disk_bio_second), false);
}

/* A request that has become part of another: its bios go on, it does not. */
static __always_inline int on_rq_merge(const struct request *rq, const bool typed)
{
	struct ks_request *r = rq_find((__u64)rq);
	struct ks_bio *b;

	if (!r) {
		if (!no_shape()) /* else it is not in the table before it is issued */
			return 0;
		b = bio_find((__u64)LOAD(rq, bio));
		return count_here(b ? b->whose : disk_rq_whose(address_of(rq)),
				  KS_C_DISK_MERGED_REQUESTS);
	}
	count_here(r->whose, KS_C_DISK_MERGED_REQUESTS);
	b = r->bio ? bio_place(r->bio, typed) : NULL;
	if (b) {
		b->whose = r->whose;
		b->g = r->g | KS_BIO_MERGED;
		b->bytes = 0;
		b->q = r->q;
	}
	rq_free(r);
	return 0;
}

SEC("tp_btf/block_rq_merge")
int disk__block_rq_merge_btf(__u64 *ctx)
{
	return on_rq_merge((const struct request *)ctx[0], true);
}

SEC("raw_tp/block_rq_merge")
int disk__block_rq_merge_raw(__u64 *ctx)
{
	return on_rq_merge((const struct request *)arg_at(ctx, cfg_disk_rq_second), false);
}

/* --- C */

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
			disk_error(KS_WHOSE_OP(b->whose), status);
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
