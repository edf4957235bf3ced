/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kind of file system a path is on, of what the kernel lists: the file itself, and the
 * directories above it, are left alone. They may be on a server that is gone, and who looks there
 * waits for it, perhaps for ever.
 */
#ifndef KVMSCOPE_DISK_MOUNTS_H
#define KVMSCOPE_DISK_MOUNTS_H

#include <stdbool.h>

struct disk_mounts;

struct disk_mounts *disk_mounts__new(const char *proc_root);
void disk_mounts__free(struct disk_mounts *mounts); /* NULL is fine */

/* Is what lies there in memory, as the first process sees it? False, too, where nobody knows. */
bool disk_mounts__in_memory(struct disk_mounts *mounts, const char *path);

#endif
