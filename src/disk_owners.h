/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is one VM's alone: the cgroup in which it lives, by which the kernel side knows the I/O that
 * others submit on its behalf, and block devices that it alone holds open.
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

#endif
