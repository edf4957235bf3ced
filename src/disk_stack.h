/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Disks as people know them: their names, and which lies upon which. */
#ifndef KVMSCOPE_DISK_STACK_H
#define KVMSCOPE_DISK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"

struct session;
struct delta;
struct disk_mounts;

/* A device's numbers, as the kernel packs them (MKDEV()). */
#define DISK_MAJOR(dev) ((uint32_t)(dev) >> 20)
#define DISK_MINOR(dev) ((uint32_t)(dev)&0xfffff)
#define DISK_NAME_MAX	32

/*
 * What the kernel calls a disk that the VM of that number met in the interval; "MAJOR:MINOR" when
 * it does not tell.
 */
void disk_stack__name(const struct session *s, const struct delta *d, uint16_t vm, uint32_t dev,
		      char buf[DISK_NAME_MAX]);

/* What people call it, where that says nothing: a volume of dm, the file of a loop device. NULL:
 * nothing else. */
const char *disk_stack__alias(uint32_t dev, char *buf, size_t size);

/* Is that a partition? Its I/O is its disk's. */
bool disk_stack__is_partition(uint32_t dev);

/*
 * Adds to a VM's row, whose "disks" and "remaps" are there, what it read and wrote on the disks at
 * the bottom, in bytes: "device_read_bytes", "device_written_bytes". What is passed on to another
 * disk, and is a row there, counts there alone.
 */
void disk_stack__bottom(struct row *row, struct disk_mounts *mounts);

#endif
