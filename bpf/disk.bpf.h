/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Block I/O in flight: the tables of bios and of requests, and whose they are.
 *
 * Whose is found out when a bio is queued: by the process that queues it, else by the bio's cgroup
 * (write-back, loop's and vhost's workers), else by who alone holds the device open. Never by who
 * happens to run when it is issued or completes.
 *
 * Each program has two forms. typed: the verifier knows the arguments' types, so that reading a
 * field is a load. Otherwise it is a probe read, and no place is taken by an exchange: that form is
 * for kernels without BPF_CMPXCHG (before v5.12, 5ffa25502b5a), where two CPUs that take a place at
 * the same moment may lose one of the two.
 */
#ifndef KVMSCOPE_DISK_BPF_H
#define KVMSCOPE_DISK_BPF_H

#include "subject.bpf.h"

__weak const volatile __u32 cfg_disk_stages = 0; /* enum ks_disk_stages, or'ed */
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

/* id of a cgroup that is one VM's alone -> the VM's number: user space's */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * KS_VMS_MAX);
	__type(key, __u64);
	__type(value, __u16);
} disk_cgroups __weak SEC(".maps");

/* dev_t of a device that one VM alone holds open -> the VM's number: user space's */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * KS_VMS_MAX);
	__type(key, __u32);
	__type(value, __u16);
} disk_owners __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct ks_disk_error);
	__type(value, __u64);
} disk_errors __weak SEC(".maps");

/*
 * What a CPU has found out last, by a hash of what it asked. User space clears it all whenever the
 * tables above have changed.
 */
#define MEMOS 8
struct ks_disk_memo {
	__u64 device;
	__u64 blkg;
	__u32 tgid;
	__u32 op;
	__u32 whose; /* 0: nothing is known */
	__u32 pad;
};
struct ks_disk_memos {
	struct ks_disk_memo memo[MEMOS];
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_disk_memos);
} disk_memos __weak SEC(".maps");

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

/* --- whose is it */

/* struct gendisk of a bio (v5.12, 309dca309fc3: through its block device), by probe reads */
static __always_inline const struct gendisk *bio_disk(const struct bio *bio)
{
	const struct bio___before_5_12 *before = (const void *)bio;

	if (bpf_core_field_exists(bio->bi_bdev))
		return BPF_CORE_READ(bio, bi_bdev, bd_disk);
	return BPF_CORE_READ(before, bi_disk);
}

/* struct gendisk of a request (v5.17, f3fa33acca9f: through its queue); NULL: it has none */
static __always_inline const struct gendisk *rq_disk(const struct request *rq)
{
	const struct request___before_5_17 *before = (const void *)rq;

	if (bpf_core_field_exists(before->rq_disk))
		return BPF_CORE_READ(before, rq_disk);
	return BPF_CORE_READ(rq, q, disk);
}

/* As the kernel's own MKDEV(): 20 bits are the minor's. */
static __always_inline __u32 disk_dev(const struct gendisk *disk)
{
	return BPF_CORE_READ(disk, major) << 20 | BPF_CORE_READ(disk, first_minor);
}

/* The dev_t by which a bio's device was opened: a partition's, too. */
static __always_inline __u32 bio_dev(const struct bio *bio)
{
	if (bpf_core_field_exists(bio->bi_bdev))
		return BPF_CORE_READ(bio, bi_bdev, bd_dev);
	return disk_dev(bio_disk(bio));
}

/* The number of a disk itself, as a VM uses it. Notes its name. */
static __noinline __u32 disk_subject(__u32 vm, const struct gendisk *disk)
{
	struct ks_subject who = {
		.object = disk_dev(disk), .part = KS_DISK_ALL, .vm = vm, .domain = KS_D_DISK};
	__u32 number = subject_number(&who);
	struct ks_disk *d = bpf_map_lookup_elem(&disks, &number);

	if (d && number && !d->name[0])
		bpf_probe_read_kernel_str(d->name, sizeof(d->name), disk->disk_name);
	return number;
}

/* The numbers of the two subjects that a VM's operation on a disk belongs to. */
static __always_inline __u32 whose_of(__u32 vm, const struct gendisk *disk, __u32 op)
{
	struct ks_subject who = {
		.object = disk_dev(disk), .part = op, .vm = vm, .domain = KS_D_DISK};

	if (vm == KS_VM_IGNORED)
		return KS_WHOSE_IGNORED;
	return KS_WHOSE(subject_number(&who) & 0xffff, disk_subject(vm, disk) & 0xffff);
}

/* By what does not depend on who runs now: the cgroup, the device. */
static __always_inline __u32 vm_behind(const struct blkcg_gq *blkg, __u32 dev)
{
	__u64 id = blkg ? BPF_CORE_READ(blkg, blkcg, css.cgroup, kn, id) : 0;
	__u16 *vm = id ? bpf_map_lookup_elem(&disk_cgroups, &id) : NULL;

	if (!vm)
		vm = bpf_map_lookup_elem(&disk_owners, &dev);
	return vm ? *vm : KS_VM_HOST;
}

static __noinline __u32 bio_whose_slow(const struct bio *bio, const struct blkcg_gq *blkg,
				       __u32 tgid, __u32 op)
{
	__u32 vm = tgid ? vm_of(tgid) : KS_VM_HOST;

	if (vm == KS_VM_HOST)
		vm = vm_behind(blkg, bio_dev(bio));
	return whose_of(vm, bio_disk(bio), op);
}

static __always_inline const struct blkcg_gq *bio_blkg(const struct bio *bio, const bool typed)
{
	return bpf_core_field_exists(bio->bi_blkg) ? LOAD(bio, bi_blkg) : NULL;
}

static __always_inline __u32 op_of(__u32 opf, __u32 bytes)
{
	switch (opf & 0xff) { /* REQ_OP_MASK */
	case 0:		      /* REQ_OP_READ */
		return KS_DISK_READ;
	case 1: /* REQ_OP_WRITE; without data it is a flush: REQ_PREFLUSH */
		return bytes ? KS_DISK_WRITE : KS_DISK_FLUSH;
	case 2: /* REQ_OP_FLUSH */
		return KS_DISK_FLUSH;
	case 3: /* REQ_OP_DISCARD */
	case 5: /* REQ_OP_SECURE_ERASE */
		return KS_DISK_DISCARD;
	default:
		return KS_DISK_OTHER;
	}
}

/* Whose a bio is that the current process queues. One program only may call this: the memo's
 * writer. */
static __always_inline __u32 bio_whose(const struct bio *bio, __u32 bytes, const bool typed)
{
	__u32 cpu = bpf_get_smp_processor_id(), tgid = bpf_get_current_pid_tgid() >> 32;
	struct ks_disk_memos *memos = bpf_map_lookup_elem(&disk_memos, &cpu);
	const struct blkcg_gq *blkg = bio_blkg(bio, typed);
	__u32 op = op_of(LOAD(bio, bi_opf), bytes), whose;
	struct ks_disk_memo *memo;
	__u64 device;

	if (!memos)
		return 0;
	if (bpf_core_field_exists(bio->bi_bdev))
		device = (__u64)LOAD(bio, bi_bdev);
	else
		device = (__u64)bio_disk(bio);
	memo = &memos->memo[((__u32)device >> 10 ^ tgid ^ op) & (MEMOS - 1)];
	if (memo->device == device && memo->tgid == tgid && memo->op == op &&
	    memo->blkg == (__u64)blkg && memo->whose)
		return memo->whose;
	whose = bio_whose_slow(bio, blkg, tgid, op);
	memo->whose = 0;
	memo->device = device;
	memo->blkg = (__u64)blkg;
	memo->tgid = tgid;
	memo->op = op;
	memo->whose = whose;
	return whose;
}

/*
 * Whose a request is of which no bio was seen: a SCSI command; or a flush of the disk's cache,
 * which is for all that wait for one at that moment and so the host's.
 */
static __noinline __u32 rq_whose_slow(const struct request *rq)
{
	const struct gendisk *disk = rq_disk(rq);
	const struct bio *bio = BPF_CORE_READ(rq, bio);
	__u32 op = op_of(BPF_CORE_READ(rq, cmd_flags), BPF_CORE_READ(rq, __data_len));
	const struct blkcg_gq *blkg = bio ? bio_blkg(bio, false) : NULL;

	if (!disk)
		return 0;
	if (!bio && op == KS_DISK_FLUSH)
		return whose_of(KS_VM_HOST, disk, op);
	return whose_of(vm_behind(blkg, bio ? bio_dev(bio) : disk_dev(disk)), disk, op);
}

/* --- what is in flight */

/*
 * Golden ratio: addresses at equal distances, as slabs and tags have them, spread evenly. Their low
 * halves do, and the verifier lets nobody multiply a pointer.
 */
static __always_inline __u32 disk_set(__u64 address)
{
	return (__u32)address * 0x9e3779b1U >> cfg_disk_shift;
}

/* Takes a place, if it holds what it is thought to. */
static __always_inline bool place_take(__u64 *place, __u64 from, __u64 to, const bool typed)
{
	if (typed)
		return __sync_val_compare_and_swap(place, from, to) == from;
	if (*place != from)
		return false;
	*place = to;
	return true;
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
	__u64 other;

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++) {
		other = set->way[i].bio;
		if (other == bio || (!other && place_take(&set->way[i].bio, 0, bio, typed)))
			return &set->way[i];
	}
	lose(KS_L_DISK_PLACES);
	other = set->way[0].bio;
	return place_take(&set->way[0].bio, other, bio, typed) ? &set->way[0] : NULL;
}

static __always_inline void bio_free(struct ks_bio *b)
{
	b->q = 0; /* first: user space takes one with a time for one in flight */
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

/* Nobody asks for the depth where only the device's time is wanted. */
static __always_inline bool no_shape(void)
{
	return cfg_disk_stages == KS_STAGE_D2C;
}

static __always_inline void depth_add(__u32 whose, __u64 n)
{
	struct ks_disk *d = no_shape() ? NULL : disk_of(whose);

	if (d)
		__sync_fetch_and_add(&d->depth, n);
}

static __always_inline struct ks_request *rq_place(__u64 rq, const bool typed)
{
	__u32 at = disk_set(rq);
	struct ks_request_set *set = bpf_map_lookup_elem(&disk_requests, &at);
	__u64 other;

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < KS_DISK_WAYS; i++) {
		other = set->way[i].rq;
		if (!other && place_take(&set->way[i].rq, 0, rq, typed))
			return &set->way[i];
	}
	lose(KS_L_DISK_PLACES);
	other = set->way[0].rq;
	if (!place_take(&set->way[0].rq, other, rq, typed))
		return NULL;
	if (set->way[0].state & KS_RQ_ISSUED)
		depth_add(set->way[0].whose, -1);
	return &set->way[0];
}

static __always_inline void rq_free(struct ks_request *r)
{
	r->first = 0; /* as bio_free() */
	r->state = 0;
	r->rq = 0;
}

#endif
