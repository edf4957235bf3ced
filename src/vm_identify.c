/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which platform a VM belongs to and what it is called.
 */
#include <stdio.h>
#include <string.h>

#include "vm_identify.h"

static void set_name(struct vm *vm, const char *source, const char *name)
{
	vm_span__copy(vm->name, sizeof(vm->name), vm_span__of(name));
	vm->name_source = source;
}

void vm_identify__by_pid(struct vm *vm)
{
	snprintf(vm->name, sizeof(vm->name), "pid:%d", (int)vm->pid);
	vm->name_source = "pid";
	vm->platform = "other";
}

/*
 * KubeVirt calls the domain NAMESPACE_NAME (VMINamespaceKeyFunc); a namespace has no "_" in it.
 * NULL: another program's VM, which runs in a pod as well.
 */
static const char *kubevirt_split(const struct vm_cgroup *cgroup, const struct vm_argv *argv)
{
	const char *split = strchr(argv->name, '_');

	if (cgroup->kind != VM_CGROUP_KUBEPODS || argv->vmm != VM_VMM_QEMU || !split ||
	    split == argv->name || !split[1])
		return NULL;
	return split;
}

static const char *platform(const struct vm_status *status, const struct vm_cgroup *cgroup,
			    const struct vm_argv *argv)
{
	if (status)
		return "libvirt";
	if (kubevirt_split(cgroup, argv))
		return "kubevirt";
	if (cgroup->kind == VM_CGROUP_PROXMOX)
		return "proxmox";
	if (cgroup->kind == VM_CGROUP_LIBVIRT)
		return "libvirt";
	switch (argv->vmm) {
	case VM_VMM_QEMU:
		return "qemu";
	case VM_VMM_FIRECRACKER:
		return "firecracker";
	case VM_VMM_CLOUD_HYPERVISOR:
		return "cloud-hypervisor";
	case VM_VMM_CROSVM:
		return "crosvm";
	case VM_VMM_OTHER:
		break;
	}
	return "other";
}

/* What the cgroup calls it, NULL when it does not, or says nothing that the argv may not better. */
static const char *cgroup_name(const struct vm_cgroup *cgroup, const struct vm_argv *argv)
{
	switch (cgroup->kind) {
	case VM_CGROUP_LIBVIRT:
		if (*argv->name && (!cgroup->trusted || vm_cgroup__agrees(cgroup, argv->name)))
			return NULL;
		return *cgroup->hint ? cgroup->hint : cgroup->machine;
	case VM_CGROUP_JAILER:
		if (argv->vmm != VM_VMM_FIRECRACKER || (*argv->name && !cgroup->trusted) ||
		    !strcmp(argv->name, cgroup->hint))
			return NULL;
		return cgroup->hint;
	default:
		return NULL;
	}
}

void vm_identify(struct vm *vm, const struct vm_status *status, const struct vm_cgroup *cgroup,
		 const struct vm_argv *argv)
{
	const char *split = kubevirt_split(cgroup, argv);
	const char *by_cgroup = cgroup_name(cgroup, argv);

	vm_identify__by_pid(vm);
	vm->platform = platform(status, cgroup, argv);
	if (status) {
		set_name(vm, "libvirt", status->name);
	} else if (cgroup->kind == VM_CGROUP_PROXMOX) {
		set_name(vm, "proxmox", *argv->name ? argv->name : cgroup->hint);
	} else if (split) {
		set_name(vm, "cmdline", argv->name);
		vm->name[split - argv->name] = '/';
	} else if (by_cgroup) {
		set_name(vm, "cgroup", by_cgroup);
	} else if (*argv->name) {
		set_name(vm, "cmdline", argv->name);
	}
	memcpy(vm->uuid, status && *status->uuid ? status->uuid : argv->uuid, sizeof(vm->uuid));
	memcpy(vm->cgroup, cgroup->path, sizeof(vm->cgroup));
}
