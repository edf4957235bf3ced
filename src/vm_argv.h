/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a VMM's command line says: which VMM it is, the machine's name, its uuid. Whoever
 * started the process wrote it, and the process may write over it.
 */
#ifndef KVMSCOPE_VM_ARGV_H
#define KVMSCOPE_VM_ARGV_H

#include "vm_text.h"

/* More than this of /proc/PID/cmdline is not looked at. */
#define VM_ARGV_MAX (128 * 1024)

enum vm_vmm {
	VM_VMM_OTHER,
	VM_VMM_QEMU,
	VM_VMM_FIRECRACKER,
	VM_VMM_CLOUD_HYPERVISOR,
	VM_VMM_CROSVM,
};

struct vm_argv {
	enum vm_vmm vmm;
	char name[VM_NAME_MAX]; /* "" when it gives none */
	char uuid[VM_UUID_LEN]; /* "" when it gives none */
};

/*
 * argv: /proc/PID/cmdline, its elements ended by NULs (the last one's may be missing).
 * exe: the target of /proc/PID/exe, NULL or "" where it could not be read; the first element
 * then tells the VMM. Always fills ret.
 */
void vm_argv__parse(struct vm_span argv, const char *exe, struct vm_argv *ret);

/* Which VMM an executable is, by the last part of its path. */
enum vm_vmm vm_argv__vmm(struct vm_span exe);

/*
 * Whether the command line names that file: the path as a whole element, or set off by = , :
 * or quotes within one. has_memory(): as what backs the guest's memory.
 */
bool vm_argv__has_file(struct vm_span argv, const char *path);
bool vm_argv__has_memory(struct vm_span argv, const char *path);

/*
 * The name in the argument of QEMU's -name: "NAME", "guest=NAME", either with further
 * options before or behind; ",," stands for a comma, the last name wins. Returns false,
 * and dst is as it was, when there is none.
 */
bool vm_argv__qemu_name(char dst[VM_NAME_MAX], struct vm_span value);

#endif
