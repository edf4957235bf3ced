/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the place of a process in the cgroup tree says about the VM in it: libvirt's, Proxmox's,
 * Kubernetes' and Firecracker's jailer's layouts, in cgroup v1, v2 and both.
 */
#ifndef KVMSCOPE_VM_CGROUP_H
#define KVMSCOPE_VM_CGROUP_H

#include "vm_text.h"

enum vm_cgroup_kind {
	VM_CGROUP_OTHER,
	VM_CGROUP_LIBVIRT, /* any of libvirt's layouts */
	VM_CGROUP_PROXMOX, /* qemu.slice/VMID.scope */
	VM_CGROUP_KUBEPODS,
	VM_CGROUP_JAILER, /* firecracker/ID */
};

struct vm_cgroup {
	enum vm_cgroup_kind kind;
	/*
	 * Not below a user's own part of the tree: the names in the path were given by root or
	 * by somebody that root trusts.
	 */
	bool trusted;
	char path[VM_PATH_MAX]; /* of what holds the whole VM: a scope, not the leaf of a vCPU */
	/*
	 * What the path calls the VM: Proxmox's VMID, the jailer's id; for libvirt a hint only, for
	 * it drops characters (sometimes all) and cuts: see vm_cgroup__agrees(). "" for the
	 * other kinds.
	 */
	char hint[VM_NAME_MAX];
	char machine[VM_NAME_MAX]; /* libvirt: the hint with what libvirt puts before it */
	size_t machine_prefix;	   /* length of that */
};

/*
 * text: /proc/PID/cgroup. The first line that has a known layout decides; without one, path
 * is the first line's that is not the root, v2's before systemd's own before the others.
 * Always fills ret.
 */
void vm_cgroup__parse(struct vm_span text, struct vm_cgroup *ret);

/*
 * Whether libvirt would have made this cgroup's name out of that domain name, by any of the
 * ways that it had over the years. Only for VM_CGROUP_LIBVIRT.
 */
bool vm_cgroup__agrees(const struct vm_cgroup *cgroup, const char *name);

/* systemd's "\xHH" -> the byte (NUL stays as it is written). Returns the length; cut to size. */
size_t vm_cgroup__unescape(char *dst, size_t size, struct vm_span escaped);

#endif
