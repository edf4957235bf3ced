/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libvirt's status file of one running domain (/run/libvirt/qemu/NAME.xml): what libvirt
 * keeps for itself to find its domains again after a restart. Not a stable format; what is
 * read here has been in it since 2009 (libvirt 0.7).
 */
#ifndef KVMSCOPE_VM_STATUS_H
#define KVMSCOPE_VM_STATUS_H

#include "vm_text.h"

/* Longer files are not looked at: 4 MiB are more than a thousand disks. */
#define VM_STATUS_MAX (4 * 1024 * 1024)

struct vm_status {
	pid_t pid;
	char name[VM_NAME_MAX];
	char uuid[VM_UUID_LEN];
	struct vm_vcpu *vcpus; /* id: libvirt's and QEMU's number, mostly also the kernel's */
	size_t n_vcpus;
	struct vm_nic *nics; /* those that are interfaces of the host */
	size_t n_nics;
	struct vm_disk *disks; /* without empty drives */
	size_t n_disks;
};

/*
 * Fills ret, which vm_status__clear() frees. -EINVAL: not a status file (not well-formed, with a
 * document type, without a pid or a name); ret is empty then. -EFBIG: longer than VM_STATUS_MAX.
 */
int vm_status__parse(struct vm_span xml, struct vm_status *ret);
void vm_status__clear(struct vm_status *status);

#endif
