/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain disk: block I/O of VMs, by the stages that blktrace names.
 *
 * A bio is queued (Q), gets a request (G) or is merged into one; a request may be inserted into the
 * scheduler's queue (I), is issued to the driver (D) and completes (C). Bios of devices that have
 * no requests (device mapper, md) are queued and complete.
 *
 * All times are by our own clock: since v6.9 (06b23f92af87) the kernel's own stamps in bio and
 * request may be those of the last time that the submitter's plug looked at the clock.
 */
#include "vmlinux.h"
#include "disk.bpf.h"

/* Bios of a request whose Q2C is recorded: 1 MiB in pages. The rest counts as merged only. */
#define BIOS_MAX 256
/* How many bios may have been merged before the one that got the request. */
#define FRONTS_MAX 4

static __always_inline void record_since(struct ks_tally *t, __u32 subject, const __u32 metric,
					 __u64 from, __u64 to)
{
	if (from > to)
		lose(KS_L_CLOCK);
	else
		tally_record(t, subject, metric, to - from);
}

/* --- Q, G */

static __always_inline int on_queue(const struct bio *bio, const bool typed)
{
	__u32 bytes = LOAD(bio, bi_iter.bi_size);
	__u32 whose = bio_whose(bio, bytes, typed);
	struct ks_bio *b = bio_place((__u64)bio, typed);

	if (!b)
		return 0;
	b->g = 0;
	b->whose = whose;
	b->bytes = bytes;
	b->q = 0;
	if (cfg_disk_stages & (KS_STAGE_Q2G | KS_STAGE_Q2C) && whose != KS_WHOSE_IGNORED)
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

static __always_inline int on_getrq(__u64 bio)
{
	struct ks_bio *b = bio_find(bio);
	struct ks_tally *t;
	__u64 now;

	if (!b || b->whose == KS_WHOSE_IGNORED)
		return 0;
	now = bpf_ktime_get_ns();
	b->g = now;
	if (!(cfg_disk_stages & KS_STAGE_Q2G) || !b->q)
		return 0;
	t = tally_here(KS_WHOSE_OP(b->whose));
	if (t)
		record_since(t, KS_WHOSE_OP(b->whose), KS_M_DISK_Q2G, b->q, now);
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

/* --- I, D */

/* Looks behind bios that were merged to a request's front for the one that got it. */
static __noinline const struct bio *bio_behind(const struct bio *bio)
{
	struct ks_bio *b;

	for (int i = 0; i < FRONTS_MAX && bio; i++) {
		b = bio_find((__u64)bio);
		if (b && b->g != KS_BIO_MERGED)
			break;
		bio = BPF_CORE_READ(bio, bi_next);
	}
	return bio;
}

/* The bio that got a request; one that was merged, if that is all there is; NULL: none is known. */
static __always_inline struct ks_bio *rq_bio(const struct request *rq, const bool typed)
{
	const struct bio *bio = LOAD(rq, bio);
	struct ks_bio *b = bio ? bio_find((__u64)bio) : NULL, *got;

	if (!b || b->g != KS_BIO_MERGED)
		return b;
	bio = bio_behind(bio);
	got = bio ? bio_find((__u64)bio) : NULL;
	return got ?: b;
}

/* Takes a place for a request that is seen for the first time. *ret_g: when it got there, 0:
 * unknown. */
static __always_inline struct ks_request *rq_begin(const struct request *rq, __u64 now,
						   __u64 *ret_g, const bool typed)
{
	struct ks_bio *b = rq_bio(rq, typed);
	__u32 whose = b ? b->whose : rq_whose_slow(rq);
	struct ks_request *r;

	*ret_g = b && b->g != KS_BIO_MERGED ? b->g : 0;
	if (whose == KS_WHOSE_IGNORED)
		return NULL;
	r = rq_place((__u64)rq, typed);
	if (!r)
		return NULL;
	r->whose = whose;
	r->state = 0;
	r->first = *ret_g ?: now;
	return r;
}

/*
 * What is known of a request that comes. One that is with the driver already, and that nobody has
 * taken back, has ended without an event that we saw: what comes now is another one.
 */
static __always_inline struct ks_request *rq_known(__u64 rq)
{
	struct ks_request *r = rq_find(rq);

	if (!r || !(r->state & KS_RQ_ISSUED))
		return r;
	lose(KS_L_DISK_ENDS);
	depth_add(r->whose, -1);
	rq_free(r);
	return NULL;
}

static __always_inline int on_insert(const struct request *rq, const bool typed)
{
	struct ks_request *r = rq_known((__u64)rq);
	__u64 now = bpf_ktime_get_ns(), g = 0;
	struct ks_tally *t;

	if (!r)
		r = rq_begin(rq, now, &g, typed);
	if (!r)
		return 0;
	r->t = now;
	r->state = (r->state & KS_RQ_REQUEUED) | KS_RQ_INSERTED;
	if (!(cfg_disk_stages & KS_STAGE_G2I) || !g)
		return 0;
	t = tally_here(KS_WHOSE_OP(r->whose));
	if (t)
		record_since(t, KS_WHOSE_OP(r->whose), KS_M_DISK_G2I, g, now);
	return 0;
}

SEC("tp_btf/block_rq_insert")
int disk__block_rq_insert_btf(__u64 *ctx)
{
	return on_insert((const struct request *)ctx[0], true);
}

SEC("raw_tp/block_rq_insert")
int disk__block_rq_insert_raw(__u64 *ctx)
{
	return on_insert((const struct request *)arg_at(ctx, cfg_disk_rq_second), false);
}

/* What a request is like when it is issued, beside its times. */
static __always_inline void record_shape(const struct request *rq, const struct ks_request *r,
					 struct ks_tally *t, const bool typed)
{
	__u64 sector = LOAD(rq, __sector);
	__u32 bytes = LOAD(rq, __data_len), op = KS_WHOSE_OP(r->whose);
	struct ks_disk *d = disk_of(r->whose);

	if (!d)
		return;
	/* other CPUs may be here as well: what they had issued a moment ago is as good */
	tally_record(t, op, KS_M_DISK_DEPTH, d->depth << KS_DEPTH_SHIFT);
	if (r->state & KS_RQ_REQUEUED || !bytes)
		return;
	tally_record(t, op, KS_M_DISK_SIZE, bytes);
	if (sector == d->end)
		t->n[KS_C_DISK_SEQUENTIAL]++;
	d->end = sector + (bytes >> 9);
}

static __always_inline int on_issue(const struct request *rq, const bool typed)
{
	struct ks_request *r = rq_known((__u64)rq);
	__u64 now = bpf_ktime_get_ns(), g;
	struct ks_tally *t;

	if (!r)
		r = rq_begin(rq, now, &g, typed);
	if (!r)
		return 0;
	depth_add(r->whose, 1);
	t = no_shape() ? NULL : tally_here(KS_WHOSE_OP(r->whose));
	if (t) {
		if (cfg_disk_stages & KS_STAGE_I2D &&
		    (r->state & (KS_RQ_INSERTED | KS_RQ_REQUEUED)) == KS_RQ_INSERTED)
			record_since(t, KS_WHOSE_OP(r->whose), KS_M_DISK_I2D, r->t, now);
		record_shape(rq, r, t, typed);
	}
	r->t = now;
	r->state |= KS_RQ_ISSUED;
	return 0;
}

SEC("tp_btf/block_rq_issue")
int disk__block_rq_issue_btf(__u64 *ctx)
{
	return on_issue((const struct request *)ctx[0], true);
}

SEC("raw_tp/block_rq_issue")
int disk__block_rq_issue_raw(__u64 *ctx)
{
	return on_issue((const struct request *)arg_at(ctx, cfg_disk_rq_second), false);
}

/* The driver gives it back, to be issued again: its first G stays, and its last D will count. */
static __always_inline int on_requeue(__u64 rq)
{
	struct ks_request *r = rq_find(rq);
	struct ks_tally *t;

	if (!r || !(r->state & KS_RQ_ISSUED))
		return 0;
	depth_add(r->whose, -1);
	r->state = KS_RQ_REQUEUED;
	t = tally_here(KS_WHOSE_OP(r->whose));
	if (t)
		t->n[KS_C_DISK_REQUEUED]++;
	return 0;
}

SEC("tp_btf/block_rq_requeue")
int disk__block_rq_requeue_btf(__u64 *ctx)
{
	return on_requeue(ctx[0]);
}

SEC("raw_tp/block_rq_requeue")
int disk__block_rq_requeue_raw(__u64 *ctx)
{
	return on_requeue(arg_at(ctx, cfg_disk_rq_second));
}

/* --- C */

/* Status of a completion, for people to read: see struct ks_disk_error. */
static __noinline int on_error(struct ks_tally *t, __u32 subject, __u32 status)
{
	struct ks_disk_error key = {.subject = subject, .status = status};
	__u64 one = 1, *n = bpf_map_lookup_elem(&disk_errors, &key);

	t->n[KS_C_DISK_ERRORS]++;
	if (n)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&disk_errors, &key, &one, BPF_NOEXIST))
		lose(KS_L_MAP);
	return 0;
}

static __always_inline __u32 status_of(__u64 error)
{
	__s32 e = error;

	return cfg_disk_errno ? KS_STATUS_ERRNO | (__u32)-e : (__u8)e;
}

/* A bio has ended. t: the tally of its operation, NULL: not looked up yet. */
static __always_inline void bio_end(struct ks_bio *b, struct ks_tally *t, __u64 now)
{
	__u32 op = KS_WHOSE_OP(b->whose);

	if (cfg_disk_stages & KS_STAGE_Q2C && b->q) {
		t = t ?: tally_here(op);
		if (t)
			record_since(t, op, KS_M_DISK_Q2C, b->q, now);
	}
	bio_free(b);
}

/* Not static: so it is verified once, and not for each turn of the loop below. */
__noinline int disk_bio_end(__u64 bio, __u64 now)
{
	struct ks_bio *b = bio_find(bio);

	if (b)
		bio_end(b, NULL, now);
	return 0;
}

/* The other bios of a request, of which so many bytes were done. */
static __noinline int rest_end(const struct bio *bio, __u64 now, __u64 bytes)
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

static __always_inline int on_complete(const struct request *rq, __u64 error, __u32 bytes,
				       const bool typed)
{
	const struct bio *bio = LOAD(rq, bio);
	__u32 left = LOAD(rq, __data_len), op = 0, size;
	struct ks_request *r = rq_find((__u64)rq);
	__u64 now = bpf_ktime_get_ns();
	struct ks_tally *t = NULL;
	struct ks_bio *b;

	if (r) {
		op = KS_WHOSE_OP(r->whose);
		t = tally_here(op);
	}
	if (r && t) {
		t->n[KS_C_DISK_BYTES] += bytes;
		if (bytes < left) {
			t->n[KS_C_DISK_PARTIAL]++;
		} else {
			t->n[KS_C_DISK_REQUESTS]++;
			if (r->state & KS_RQ_ISSUED && cfg_disk_stages & KS_STAGE_D2C)
				record_since(t, op, KS_M_DISK_D2C, r->t, now);
		}
		if ((__u32)error)
			on_error(t, op, status_of(error));
	}
	if (r && bytes >= left) {
		if (r->state & KS_RQ_ISSUED)
			depth_add(r->whose, -1);
		rq_free(r);
	}
	/* one that is made of flushes and a write goes on after its write */
	if (!bio || LOAD(rq, rq_flags) & cfg_disk_flush_seq)
		return 0;
	size = LOAD(bio, bi_iter.bi_size);
	if (size > bytes)
		return 0;
	b = bio_find((__u64)bio);
	if (b) {
		/* a flush: the command to the disk that it waited for is another request, without a
		 * bio */
		if (!r && !b->bytes && b->whose != KS_WHOSE_IGNORED) {
			op = KS_WHOSE_OP(b->whose);
			t = tally_here(op);
			if (t) {
				t->n[KS_C_DISK_REQUESTS]++;
				if ((__u32)error)
					on_error(t, op, status_of(error));
			}
		}
		bio_end(b, op == KS_WHOSE_OP(b->whose) ? t : NULL, now);
	}
	/* read anew: v6.12's verifier gives disk_bio_end() no pointer of a type for a number */
	if (LOAD(bio, bi_next))
		rest_end(BPF_CORE_READ(bio, bi_next), now, bytes - size);
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
	bio_end(b, t, bpf_ktime_get_ns());
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

/* --- merges, splits, remaps */

static __always_inline int on_merge(__u64 bio, const __u32 counter)
{
	struct ks_bio *b = bio_find(bio);
	struct ks_tally *t;

	if (!b || b->whose == KS_WHOSE_IGNORED)
		return 0;
	b->g = KS_BIO_MERGED;
	t = tally_here(KS_WHOSE_OP(b->whose));
	if (t)
		t->n[counter]++;
	return 0;
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

/* A request that has become part of another: its bios go on, it does not. */
static __always_inline int on_rq_merge(__u64 rq)
{
	struct ks_request *r = rq_find(rq);
	struct ks_tally *t;

	if (!r)
		return 0;
	t = tally_here(KS_WHOSE_OP(r->whose));
	if (t)
		t->n[KS_C_DISK_MERGED_REQUESTS]++;
	rq_free(r);
	return 0;
}

SEC("tp_btf/block_rq_merge")
int disk__block_rq_merge_btf(__u64 *ctx)
{
	return on_rq_merge(ctx[0]);
}

SEC("raw_tp/block_rq_merge")
int disk__block_rq_merge_raw(__u64 *ctx)
{
	return on_rq_merge(arg_at(ctx, cfg_disk_rq_second));
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
	struct ks_tally *t;

	if (!b)
		b = bio_find((__u64)bio);
	if (!b)
		return 0;
	q = b->q;
	whose = b->whose;
	t = whose != KS_WHOSE_IGNORED ? tally_here(KS_WHOSE_OP(whose)) : NULL;
	if (t)
		t->n[KS_C_DISK_SPLIT]++;
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

/* From one disk to another, below it. Partitions are their disk. */
static __always_inline int on_remap(const struct bio *bio, __u32 from)
{
	const struct gendisk *disk = bio_disk(bio);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, to = disk_dev(disk), number;
	struct ks_subject who = {.part = KS_DISK_REMAP, .vm = vm_of(tgid), .domain = KS_D_DISK};
	struct ks_tally *t;

	if (who.vm == KS_VM_HOST)
		who.vm = vm_behind(bio_blkg(bio, false), from);
	if (who.vm == KS_VM_IGNORED)
		return 0;
	who.object = KS_REMAP(from, to);
	number = subject_number(&who);
	t = tally_here(number);
	if (!t)
		return 0;
	/* a path of NVMe's multipath has no device file that would tell its name */
	if (!t->n[KS_C_DISK_REQUESTS])
		disk_subject(who.vm, disk);
	t->n[KS_C_DISK_REQUESTS]++;
	t->n[KS_C_DISK_BYTES] += BPF_CORE_READ(bio, bi_iter.bi_size);
	return 0;
}

SEC("raw_tp/block_bio_remap")
int disk__block_bio_remap_raw(__u64 *ctx)
{
	__u32 from;

	if (cfg_disk_bio_second) {
		from = ctx[2];
		barrier_var(from);
	} else {
		from = ctx[1];
		barrier_var(from);
	}
	return on_remap((const struct bio *)arg_at(ctx, cfg_disk_bio_second), from);
}
