/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks at one process through /proc: is it a VM, what does it say about itself, which vCPU
 * threads, interfaces and disks has it.
 */
#ifndef KVMSCOPE_VM_PROBE_H
#define KVMSCOPE_VM_PROBE_H

#include "vm_argv.h"
#include "vm_cgroup.h"
#include "vm_debugfs.h"
#include "vm_file.h"
#include "vm_proc.h"
#include "vm_status.h"

struct vm_probe;

/* roots: with none of its members NULL. Looks at nothing yet. */
struct vm_probe *vm_probe__open(const struct vms_roots *roots);
void vm_probe__close(struct vm_probe *probe); /* NULL is fine */

/* Opens /proc to list it. Returns 0 or -errno; to be closed after either. */
int vm_probe__list(const struct vm_probe *probe, struct vm_dir *dir);

/* A process' /proc/PID/stat. Returns 0, -ESRCH when there is none (any more), or -errno. */
int vm_probe__stat(struct vm_probe *probe, pid_t pid, struct vm_proc_stat *ret);

/* The process that a thread belongs to, 0 when that is gone. */
pid_t vm_probe__tgid(struct vm_probe *probe, pid_t thread);

/*
 * Whether it holds a VM's file descriptor: 1 or 0, -ESRCH when the process is gone, -EACCES
 * when we may not look (CAP_SYS_PTRACE is missing), or another -errno.
 */
int vm_probe__is_vm(struct vm_probe *probe, pid_t pid);

/* What a process shows of itself. */
struct vm_probe_identity {
	uid_t uid;
	struct vm_argv argv;
	struct vm_cgroup cgroup;
};

void vm_probe__identity(struct vm_probe *probe, pid_t pid, struct vm_probe_identity *ret);

/*
 * Replaces vm's vCPUs, interfaces and disks. status, debugfs: what libvirt and KVM say, NULL
 * where they say nothing. Disks that are not libvirt's are guessed, with care: block devices,
 * and files of 1 MiB or more that are open for writing or named on the command line; the
 * guest's memory, logs and what belongs to the system are left out.
 */
void vm_probe__devices(struct vm_probe *probe, const struct vm_status *status,
		       const struct vm_debugfs *debugfs, struct vm *vm);

#endif
