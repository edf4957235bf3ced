/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * KVM's directories in debugfs, one for each VM that there is: kvm/THREAD-FD/vcpuN/pid. Where
 * root can read them they tell of new VMs without a look at every process, and which thread
 * runs which vCPU (since Linux 6.1).
 */
#ifndef KVMSCOPE_VM_DEBUGFS_H
#define KVMSCOPE_VM_DEBUGFS_H

#include "vm_vcpus.h"

struct vm_debugfs;

/* sys: "/sys" or what stands for it; there need be no debugfs in it. Reads nothing yet. */
struct vm_debugfs *vm_debugfs__open(const char *sys);
void vm_debugfs__close(struct vm_debugfs *debugfs); /* NULL is fine */

/*
 * Lists the VMs. tgid_of finds the process of a thread, 0 if that is gone; it is asked once for
 * each directory. Returns 0; 1 if the process of some VM is not known; or -errno: no debugfs,
 * no right to read it, KVM not loaded.
 */
int vm_debugfs__refresh(struct vm_debugfs *debugfs, pid_t (*tgid_of)(void *data, pid_t thread),
			void *data);

/* Processes of which the last refresh saw a VM come or go; one may be in it twice. */
size_t vm_debugfs__changed(const struct vm_debugfs *debugfs, const pid_t **ret_tgids);

/* Adds the vCPUs of a process' VMs that have run already. */
void vm_debugfs__vcpus(const struct vm_debugfs *debugfs, pid_t tgid, struct vm_vcpus *vcpus);

#endif
