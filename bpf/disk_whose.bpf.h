/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose a bio or request is.
 *
 * That is found out when a bio is queued: by the process that queues it, else by the bio's cgroup
 * (write-back, loop's and vhost's workers), else, but for what a process of the host's reads, by
 * which VM holds the device open: device_tells(). Where that cgroup is enough, when its request is
 * issued: by_cgroup(). Never by who happens to run when it is issued or completes.
 */
#ifndef KVMSCOPE_DISK_WHOSE_BPF_H
#define KVMSCOPE_DISK_WHOSE_BPF_H

#include "disk.bpf.h"

/* Which of user space's VMs a thing is alone of: its number, by what tells the thing. */
#define VMS_BY(name, what)                           \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_HASH);     \
		__uint(max_entries, 4 * KS_VMS_MAX); \
		__type(key, what);                   \
		__type(value, __u16);                \
	} name __weak SEC(".maps")

VMS_BY(disk_cgroups, __u64); /* a cgroup's id */
VMS_BY(disk_owners, __u32);  /* dev_t of a device that this VM holds open, and no other VM */

/* Defined once, in disk.bpf.c, see vm.bpf.h. */
extern struct ks_disk_memo disk_memos[KS_DISK_MEMO_CPUS][KS_DISK_MEMOS];

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

/*
 * The number of a disk itself, as a VM uses it. Notes its name, each time: when a disk has gone,
 * the next that comes may get its dev_t (NVMe's).
 */
static __noinline __u32 disk_subject(__u32 vm, const struct gendisk *disk)
{
	struct ks_subject who = {
		.object = disk_dev(disk), .part = KS_DISK_ALL, .vm = vm, .domain = KS_D_DISK};
	__u32 number = subject_number(&who);
	struct ks_disk *d = &disks[number & (KS_DISKS - 1)];

	if (number)
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

/* By what does not depend on who runs now: the cgroup; the device, if that is to be asked. */
static __always_inline __u32 vm_behind(const struct blkcg_gq *blkg, bool by_device, __u32 dev)
{
	__u64 id = blkg ? BPF_CORE_READ(blkg, blkcg, css.cgroup, kn, id) : 0;
	__u16 *vm = id ? bpf_map_lookup_elem(&disk_cgroups, &id) : NULL;

	if (!vm && by_device)
		vm = bpf_map_lookup_elem(&disk_owners, &dev);
	return vm ? *vm : KS_VM_HOST;
}

/*
 * May a bio be the VM's that has its device open? What a process of the host's reads is its own: a
 * backup of a VM's volume. Kernel threads read for others; and who writes may be anybody: sync()
 * and fsync() write what others have left in the page cache. tgid 0: who queues it is not known.
 */
static __always_inline bool device_tells(__u32 tgid, __u32 opf)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();
	__u32 other = opf & 0xff; /* REQ_OP_MASK: not REQ_OP_READ */

	if (tgid)
		other |= BPF_CORE_READ(task, flags) & 0x00200000; /* PF_KTHREAD */
	return other;
}

static __always_inline const struct blkcg_gq *bio_blkg(const struct bio *bio, const bool typed)
{
	const struct blkcg_gq *blkg;

	if (bpf_core_field_exists(bio->bi_blkg)) {
		blkg = LOAD(bio, bi_blkg);
	} else {
		blkg = NULL;
		barrier_var(blkg); /* a place of its own, which the verifier can take out */
	}
	return blkg;
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

/*
 * Global functions, which the verifier goes through once: addresses are numbers to them. Whose a
 * bio is that process tgid queues, which runs; 0: that is not known.
 */
__weak __noinline __u32 disk_bio_whose(__u64 address, __u32 tgid, __u32 opf, __u32 bytes)
{
	const struct bio *bio = (const void *)address;
	__u32 vm = tgid ? vm_of(tgid) : KS_VM_HOST;

	if (vm == KS_VM_HOST)
		vm = vm_behind(bio_blkg(bio, false), device_tells(tgid, opf), bio_dev(bio));
	return whose_of(vm, bio_disk(bio), op_of(opf, bytes));
}

/*
 * Whose a request is of which no bio was seen: by_cgroup(); a SCSI command, of which nothing but
 * the device tells; or a flush of the disk's cache, which is for all that wait for one at that
 * moment and so the host's.
 */
__weak __noinline __u32 disk_rq_whose(__u64 address)
{
	const struct request *rq = (const void *)address;
	const struct gendisk *disk = rq_disk(rq);
	const struct bio *bio = BPF_CORE_READ(rq, bio);
	__u32 op = op_of(BPF_CORE_READ(rq, cmd_flags), BPF_CORE_READ(rq, __data_len));
	const struct blkcg_gq *blkg = bio ? bio_blkg(bio, false) : NULL;
	__u32 dev = bio ? bio_dev(bio) : 0;

	if (!disk)
		return 0;
	if (!bio && op == KS_DISK_FLUSH)
		return whose_of(KS_VM_HOST, disk, op);
	if (!dev) /* nor has a command's bio a device: block/blk-map.c */
		dev = disk_dev(disk);
	return whose_of(vm_behind(blkg, op != KS_DISK_READ, dev), disk, op);
}

/* typed: on kernels that have bi_bdev. */
static __always_inline __u64 bio_device(const struct bio *bio, const bool typed)
{
	if (typed || bpf_core_field_exists(bio->bi_bdev))
		return (__u64)LOAD(bio, bi_bdev);
	return (__u64)bio_disk(bio);
}

static __noinline __u32 bio_whose_anew(struct ks_disk_memo *memo, const struct bio *bio,
				       __u64 asked, __u32 bytes)
{
	__u32 whose = disk_bio_whose(address_of(bio), asked >> 32, asked, bytes);

	memo->device = 0;
	barrier();
	memo->asked = asked;
	memo->blkg = (__u64)bio_blkg(bio, false);
	memo->whose = whose;
	barrier();
	memo->device = bio_device(bio, false);
	return whose;
}

/* The process that runs. The second form is for kernels without the helper of the first. */
static __always_inline __u32 tgid_here(const bool typed)
{
	return typed ? bpf_get_current_task_btf()->tgid : bpf_get_current_pid_tgid() >> 32;
}

/*
 * Whose a bio is that a process queues; tgid 0: that is not known. device: its bio_device(), or 0
 * if that is not known. One program only may call this at a time, for it writes the memo: the one
 * at Q, or at D if by_cgroup().
 */
static __always_inline __u32 bio_whose(const struct bio *bio, __u64 device, __u32 tgid, __u32 opf,
				       __u32 bytes, __u32 cpu, const bool typed)
{
	__u64 blkg = (__u64)bio_blkg(bio, typed), asked;
	struct ks_disk_memo *memo;

	/* a write without data is a flush, which takes longer than this */
	if (cpu >= KS_DISK_MEMO_CPUS || !bytes || !device)
		return disk_bio_whose(address_of(bio), tgid, opf, bytes);
	asked = (__u64)tgid << 32 | opf;
	memo = &disk_memos[cpu][((__u32)device >> 10 ^ tgid ^ opf) & (KS_DISK_MEMOS - 1)];
	barrier_var(memo); /* or it is calculated again for each use */
	if (memo->device == device && memo->asked == asked && memo->blkg == blkg)
		return memo->whose;
	return bio_whose_anew(memo, bio, asked, bytes);
}

#endif
