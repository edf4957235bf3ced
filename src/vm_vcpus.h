/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which thread runs which vCPU, out of sources that each know a part of it.
 */
#ifndef KVMSCOPE_VM_VCPUS_H
#define KVMSCOPE_VM_VCPUS_H

#include "vms.h"

#define VM_VCPUS_MAX 8192

struct vm_vcpus {
	struct vm_vcpu *list;
	size_t n;
};

void vm_vcpus__add(struct vm_vcpus *vcpus, int id, pid_t tid); /* ignored beyond VM_VCPUS_MAX */
void vm_vcpus__clear(struct vm_vcpus *vcpus);

/*
 * threads: pairs whose id is the VMM's own number (libvirt's status, thread names) or the kernel's
 * (debugfs). ids: the kernel's, from the names of file descriptors, -1 where it does not write
 * them; their tids are not looked at. Both are sorted. The VMM's numbers and the kernel's go
 * up together, but the kernel's may have gaps (on x86 they are APIC ids): so with as many
 * threads as ids they are paired in order. Returns a list to free, sorted by id, with tid 0
 * where no thread is known.
 */
struct vm_vcpus vm_vcpus__join(struct vm_vcpus *threads, struct vm_vcpus *ids);

#endif
