/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Domain disk, remaps: which disks lie upon which, and what of a VM's bios goes from one to
 * another. */
#include "vmlinux.h"
#include "disk.bpf.h"
#include "disk_record.bpf.h"
#include "disk_whose.bpf.h"

#define NAMED_EVERY 64 /* remaps */

/* From one disk to another, below it. Partitions are their disk. */
static __always_inline int on_remap(const struct bio *bio, __u32 from)
{
	const struct gendisk *disk = bio_disk(bio);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, to = disk_dev(disk), number;
	struct ks_subject who = {.part = KS_DISK_REMAP, .vm = vm_of(tgid), .domain = KS_D_DISK};
	struct ks_tally *t;

	if (who.vm == KS_VM_HOST)
		who.vm = vm_behind(bio_blkg(bio, false),
				   device_tells(tgid, BPF_CORE_READ(bio, bi_opf)), from);
	if (who.vm == KS_VM_IGNORED)
		return 0;
	who.object = KS_REMAP(from, to);
	number = subject_number(&who);
	t = tally_here(number);
	if (!t)
		return 0;
	/* a path of NVMe's multipath has no device file that would tell its name; now and then
	 * anew, for that may have become another's */
	if (!(t->n[KS_C_DISK_REQUESTS] & (NAMED_EVERY - 1)))
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
