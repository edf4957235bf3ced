/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A VM's interfaces, block devices and disks: by libvirt, and by what its process has open. */
#ifndef KVMSCOPE_VM_DEVICES_H
#define KVMSCOPE_VM_DEVICES_H

#include "vm_probe.h"
#include "vm_vcpus.h"

/*
 * Replaces those of vm: see vm_probe__devices(). The vCPUs' ids, which descriptors tell, too, are
 * added to ids, without threads.
 */
void vm_devices__find(struct vm_probe *probe, const struct vm_status *status, struct vm *vm,
		      struct vm_vcpus *ids);

#endif
