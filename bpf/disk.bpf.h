/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the disk domain's programs share: settings, arguments, disks.
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
/* events of bios have the queue as their first argument (until v5.11, 309dca309fc3's series) */
__weak const volatile bool cfg_disk_bio_second = false;
__weak const volatile bool cfg_disk_rq_second = false; /* those of requests, too (a54895fa057c) */
__weak const volatile bool cfg_disk_errno =
	false; /* statuses are errnos (until v5.16, 8a7d267b4a2c) */
__weak const volatile __u32 cfg_disk_flush_seq = 0; /* RQF_FLUSH_SEQ */

/* By number; defined once, in disk.bpf.c, see vm.bpf.h. */
extern struct ks_disk disks[KS_DISKS];

/*
 * Bios are looked at when they are queued: block_bio_queue is attached. User space's, which may set
 * it at any time, before it attaches that.
 */
extern bool disk_by_task;

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

static __always_inline struct ks_disk *disk_of(__u32 whose)
{
	struct ks_disk *d = &disks[KS_WHOSE_DISK(whose) & (KS_DISKS - 1)];

	barrier_var(d); /* or it is calculated again for each use */
	return d;
}

/* Nobody asks for depths and sizes where only the device's time is wanted. */
static __always_inline bool no_shape(void)
{
	return cfg_disk_d2c;
}

/*
 * No bio is known: a request's cgroup alone tells whose it is. That will do for D2C while each VM
 * has a cgroup of its own, and saves what looking at bios costs.
 */
static __always_inline bool by_cgroup(void)
{
	return cfg_disk_d2c && !disk_by_task;
}

/* A request has left the driver. */
static __always_inline void depth_drop(const struct ks_request *r)
{
	if (r->state & KS_RQ_SHAPED)
		__sync_fetch_and_add(&disk_of(r->whose)->depth, -1);
}

#endif
