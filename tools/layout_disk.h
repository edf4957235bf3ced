/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Screens of block I/O. */
#ifndef KVMSCOPE_LAYOUT_DISK_H
#define KVMSCOPE_LAYOUT_DISK_H

#include "report.h"
#include "text.h"

#define LAYOUT_DISK_NAME 20 /* columns of a VM's or disk's name */

/* One operation of a VM on a disk. */
struct layout_disk {
	const struct row *vm, *disk;
};
/* All of them, those whose I/O took most time first (caller frees). */
struct layout_disk *layout__disks(const struct rows *vms, size_t *ret_n);
/* A line each: how much, how fast, and in which stage the time is. */
void layout__disk_table(struct text *t, const struct layout_disk *disks, size_t n,
			uint64_t elapsed_ns);
/* One of them, stage by stage. */
void layout__disk(struct text *t, const struct layout_disk *d, uint64_t elapsed_ns);
/* Does a VM's disk pass its I/O on to others? */
bool layout__disk_passes_on(const struct row *vm, const char *name);
/* Which disks lie upon which. */
void layout__disk_remaps(struct text *t, const struct rows *vms, uint64_t elapsed_ns);
/* What of the VMs' reading and writing the page cache took; what was nobody's. */
void layout__disk_cache(struct text *t, const struct rows *vms);

#endif
