/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is one VM's alone: the cgroup in which it lives, by which the kernel side knows the I/O that
 * others submit on its behalf, and block devices that no other VM holds open.
 */
#ifndef KVMSCOPE_DISK_OWNERS_H
#define KVMSCOPE_DISK_OWNERS_H

#include "session.h"
#include "vms.h"

struct disk_owners;

struct disk_owners *disk_owners__new(const char *proc_root);
void disk_owners__free(struct disk_owners *owners); /* NULL is fine */

/*
 * Tells the kernel side which cgroups and devices are whose now, and has it forget what it
 * remembers of that. A VM is looked into when it is new, and from time to time.
 */
void disk_owners__push(struct disk_owners *owners, struct session *s, struct vms *vms);

/*
 * Is the cgroup by which the io controller knows a VM's own I/O that VM's alone, for each VM there
 * is? As of disk_owners__push(). Only with cgroup v2, where a process is in one.
 */
bool disk_owners__all_alone(const struct disk_owners *owners);

#endif
