/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files and devices that are the VMs' disks, and whether the VMM goes through the page cache
 * there (QEMU's cache=writeback and writethrough) or not (none, directsync): how it has opened
 * them.
 */
#ifndef KVMSCOPE_DISK_IMAGES_H
#define KVMSCOPE_DISK_IMAGES_H

#include "report.h"
#include "vms.h"

struct disk_images;

struct disk_images *disk_images__new(const char *proc_root);
void disk_images__free(struct disk_images *images); /* NULL is fine */

/* Looks at the VMs' descriptors: a VM's when it is new, and from time to time. */
void disk_images__sample(struct disk_images *images, struct vms *vms);

/* Adds "images" to the VM's row: source, and direct: true, false, or null where it is not known. */
void disk_images__rows(const struct disk_images *images, const struct vm *vm, struct row *row);

#endif
