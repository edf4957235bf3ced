/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain disk: block I/O of VMs, by the stages that blktrace names.
 *
 * A bio is queued (Q), gets a request (G) or is merged into one (disk_bios.bpf.c); a request may be
 * inserted into the scheduler's queue (I), and is issued to the driver (D), which is here; it may
 * be merged into another (disk_bios.bpf.c), and completes (C, disk_complete.bpf.c). Bios of devices
 * that have no requests (device mapper, md) are queued and complete.
 *
 * Times are noted as they come and recorded when a request completes: its numbers are found once,
 * and one program writes them.
 *
 * All times are by our own clock: since v6.9 (06b23f92af87) the kernel's own stamps in bio and
 * request may be those of the last time that the submitter's plug looked at the clock.
 */
#include "vmlinux.h"
#include "disk_places.bpf.h"
#include "disk_whose.bpf.h"

struct ks_bio first_bios[KS_DISK_FIRST] __attribute__((aligned(64)));
struct ks_request first_requests[KS_DISK_FIRST];
struct ks_disk_more disk_more;
struct ks_disk disks[KS_DISKS] __attribute__((aligned(64)));
bool disk_by_task;

/* How many bios may have been merged before the one that got the request. */
#define FRONTS_MAX 4

/* Looks behind bios that were merged to a request's front for the one that got it: its address. */
__noinline __u64 disk_bio_behind(__u64 address)
{
	const struct bio *bio = (const void *)address;
	struct ks_bio *b;

	for (int i = 0; i < FRONTS_MAX && bio; i++) {
		b = bio_find((__u64)bio);
		if (b && !(b->g & KS_BIO_MERGED))
			break;
		bio = BPF_CORE_READ(bio, bi_next);
	}
	return (__u64)bio;
}

/* The bio that got a request; one that was merged, if that is all there is; NULL: none is known. */
static __always_inline struct ks_bio *rq_bio(const struct bio *bio)
{
	struct ks_bio *b = bio ? bio_find((__u64)bio) : NULL, *got;
	__u64 behind;

	if (!b || !(b->g & KS_BIO_MERGED))
		return b;
	behind = disk_bio_behind(b->bio);
	got = behind ? bio_find(behind) : NULL;
	return got ?: b;
}

/*
 * A place for a request that is inserted or issued. One that is with the driver already, and that
 * nobody has taken back, has ended without an event that we saw: what comes now is another one.
 * NULL: it is of no interest.
 */
static __always_inline struct ks_request *rq_begin(const struct request *rq, const bool typed)
{
	const struct bio *bio = LOAD(rq, bio);
	struct ks_request *r;
	struct ks_bio *b;
	__u32 whose;

	barrier_var(bio); /* here, once: see on_complete() */
	if (cfg_filter && rq_ignored(bio))
		return NULL;
	r = rq_place((__u64)rq, typed);
	if (!r)
		return NULL;
	if (r->state) {
		if (!(r->state & (KS_RQ_ISSUED | KS_RQ_DONE)))
			return r;
		lose(KS_L_DISK_ENDS);
		rq_displaced(r);
	}
	b = rq_bio(bio);
	whose = b ? b->whose : disk_rq_whose(address_of(rq));
	if (whose == KS_WHOSE_IGNORED) {
		rq_free(r);
		return NULL;
	}
	r->whose = whose;
	if (!b || b->g & KS_BIO_MERGED) {
		r->bio = 0;
		r->q = 0;
		r->g = 0;
	} else {
		r->bio = b->bio;
		r->q = b->q;
		r->g = b->g;
		bio_free(b);
	}
	r->i = 0;
	return r;
}

static __always_inline int on_insert(const struct request *rq, const bool typed)
{
	struct ks_request *r = rq_begin(rq, typed);

	if (!r)
		return 0;
	if (r->state & KS_RQ_REQUEUED)
		return 0;
	r->i = bpf_ktime_get_ns();
	barrier();
	r->state = KS_RQ_INSERTED;
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

/* What a request is like when it is issued, beside its times: its state. */
static __always_inline __u32 shape_of(const struct request *rq, __u32 whose, __u32 before,
				      const bool typed)
{
	__u32 bytes = LOAD(rq, __data_len), state;
	struct ks_disk *d = disk_of(whose);
	__u64 sector;

	/* other CPUs may be here as well: what they had issued a moment ago is as good */
	state = (d->depth << KS_RQ_DEPTH_SHIFT) +
		((1 << KS_RQ_DEPTH_SHIFT) | KS_RQ_SHAPED | KS_RQ_ISSUED);
	__sync_fetch_and_add(&d->depth, 1);
	if (before & KS_RQ_REQUEUED || !bytes)
		return state;
	sector = LOAD(rq, __sector);
	if (sector == d->end) {
		state |= KS_RQ_SEQUENTIAL;
		barrier_var(state); /* or both states are made, and one is chosen */
	}
	d->end = sector + (bytes >> 9);
	return state;
}

/* One that was inserted before, or of which no bio is known, or one that is merged. */
static __always_inline int issue_in_place(const struct request *rq, const bool typed)
{
	struct ks_request *r = rq_begin(rq, typed);
	__u32 state;

	if (!r)
		return 0;
	state = no_shape() ? KS_RQ_ISSUED : shape_of(rq, r->whose, r->state, typed);
	r->d = bpf_ktime_get_ns();
	barrier();
	r->state = (r->state & (KS_RQ_INSERTED | KS_RQ_REQUEUED)) | state;
	return 0;
}

static __noinline int on_issue_typed(const struct request *rq)
{
	return issue_in_place(rq, true);
}

static __noinline int on_issue_raw(const struct request *rq)
{
	return issue_in_place(rq, false);
}

/* Its type has another name before v5.11 (0d02129e76ed). */
struct request___counted {
	void *part;
} __attribute__((preserve_access_index));

/*
 * As no bio is known, no time before this one is, and nobody asks for one: they stay 0. Returns
 * false where nothing is done yet.
 */
static __always_inline bool issue_by_cgroup(const struct request *rq, const struct bio *bio,
					    const bool typed)
{
	const struct request___counted *counted = (const void *)rq;
	struct ks_request *r;
	__u32 cpu, whose;
	__u64 device;

	if (LOAD(rq, cmd_flags) & 32) /* REQ_OP_SCSI_IN to REQ_OP_DRV_OUT: its bio tells nothing */
		return false;
	cpu = bpf_get_smp_processor_id();
	/* the same, nearer by: the verifier does not vouch for what a request leads to; 0 where the
	 * disk counts nothing (iostats) */
	device = typed ? (__u64)counted->part : bio_device(bio, false);
	whose = bio_whose(bio, device, 0, LOAD(rq, cmd_flags), LOAD(rq, __data_len), cpu, typed);

	if (whose == KS_WHOSE_IGNORED)
		return true;
	if (disk_more.requests)
		return false;
	r = rq_first((__u64)rq);
	if (place_take(&r->rq, 0, (__u64)rq, typed))
		return false;
	r->whose = whose;
	r->d = bpf_ktime_get_ns();
	barrier();
	r->state = KS_RQ_ISSUED;
	return true;
}

/* In the first place, with a bio that is in its first. Returns false where nothing is done yet. */
static __always_inline bool issue_first(const struct request *rq, const bool typed)
{
	__u64 bio = (__u64)LOAD(rq, bio), q, g;
	struct ks_bio *b = bio_first(bio);
	struct ks_request *r;
	__u32 state, whose;

	if (b->bio != bio) {
		if (bio && by_cgroup())
			return issue_by_cgroup(rq, LOAD(rq, bio), typed);
		return false;
	}
	whose = b->whose;
	q = b->q;
	if (!q) { /* nobody wants it, or its time; or there is no bio, and none in this place */
		if (bio && whose == KS_WHOSE_IGNORED)
			return true;
		if (!bio || !no_shape())
			return false;
	}
	g = b->g;
	if (g & KS_BIO_MERGED || disk_more.requests)
		return false;
	r = rq_first((__u64)rq);
	if (place_take(&r->rq, 0, (__u64)rq, typed))
		return false;
	r->g = g;
	r->whose = whose;
	r->bio = bio;
	r->q = q;
	r->i = 0;
	bio_free_first(b);
	state = q ? shape_of(rq, whose, 0, typed) : KS_RQ_ISSUED;
	r->d = bpf_ktime_get_ns();
	barrier();
	r->state = state;
	return true;
}

static __always_inline int on_issue(const struct request *rq, const bool typed)
{
	if (issue_first(rq, typed))
		return 0;
	return typed ? on_issue_typed(rq) : on_issue_raw(rq);
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
	depth_drop(r);
	if (!(r->state & KS_RQ_REQUEUED))
		r->d_first = r->d;
	r->state = (r->state & ~(KS_RQ_ISSUED | KS_RQ_SHAPED)) | KS_RQ_REQUEUED;
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
