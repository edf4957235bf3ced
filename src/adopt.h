/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* vCPUs that show no event: followed all the same. */
#ifndef KVMSCOPE_ADOPT_H
#define KVMSCOPE_ADOPT_H

#include "session.h"
#include "vms.h"

/*
 * Has the kernel side follow each wanted VM's vCPU threads that it has not met yet, so that a
 * guest that never exits and one that never runs are accounted for. Cheap where there is none.
 * Returns how many there were, or -errno.
 */
int adopt__vcpus(struct session *s, struct vms *vms, const char *proc_root);

#endif
