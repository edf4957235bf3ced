/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libvirt's status files below /run: the system's (qemu and ch drivers) and those of users' own
 * session daemons. Each is read once, and again only after it has changed.
 */
#ifndef KVMSCOPE_VM_LIBVIRT_H
#define KVMSCOPE_VM_LIBVIRT_H

#include "vm_status.h"

struct vm_libvirt;

/* run: "/run" or what stands for it; there need be no libvirt in it. Reads nothing yet. */
struct vm_libvirt *vm_libvirt__open(const char *run);
void vm_libvirt__close(struct vm_libvirt *libvirt); /* NULL is fine */

/* Looks which files are there now. Returns whether one came, changed or went. */
bool vm_libvirt__refresh(struct vm_libvirt *libvirt);

/* What is known about a process that may be a domain. */
struct vm_libvirt_process {
	pid_t pid;
	uid_t uid;
	uint64_t start_ns; /* CLOCK_REALTIME */
	const char *name;  /* on its command line, or "" */
	const char *uuid;  /* likewise */
};

/*
 * The status of the domain that the process is, NULL if there is none. Files that name the pid
 * but were left behind by a domain that is gone do not count: they are older than the
 * process, and do not agree with its command line. Nor do files that a user made about
 * processes of others. ret_serial tells a later version of a file from an earlier one.
 * Valid until the next refresh.
 */
const struct vm_status *vm_libvirt__find(const struct vm_libvirt *libvirt,
					 const struct vm_libvirt_process *process,
					 uint64_t *ret_serial);

#endif
