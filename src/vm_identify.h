/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which platform a VM belongs to and what it is called, decided from what the sources say.
 * A name that root gave outranks one that the process itself shows.
 */
#ifndef KVMSCOPE_VM_IDENTIFY_H
#define KVMSCOPE_VM_IDENTIFY_H

#include "vm_argv.h"
#include "vm_cgroup.h"
#include "vm_status.h"

/*
 * Sets vm's name, name_source, platform, uuid and cgroup; vm->pid must be set. status: NULL when
 * libvirt has none.
 */
void vm_identify(struct vm *vm, const struct vm_status *status, const struct vm_cgroup *cgroup,
		 const struct vm_argv *argv);

/* The name of a VM of which nothing but the pid is known. */
void vm_identify__by_pid(struct vm *vm);

#endif
