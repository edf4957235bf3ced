/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts that the kernel writes about processes, and what of them matters for finding VMs.
 * Most contain something that a user chose: a command's name, a path, an interface's name.
 */
#ifndef KVMSCOPE_VM_PROC_H
#define KVMSCOPE_VM_PROC_H

#include "vm_text.h"

struct vm_proc_stat {
	char comm[64]; /* 15 bytes for a process, more for some kernel threads */
	char state;
	bool kernel_thread;
	bool exiting; /* its memory is gone, or goes; its descriptors may still be there */
	uint64_t start_ticks;
};

/* /proc/PID/stat. comm may contain anything, ") S 1" as well. False: not of that form. */
bool vm_proc__stat(struct vm_span text, struct vm_proc_stat *ret);

/* The process that /proc/PID/status is of, for a thread's as well; 0 when it does not say. */
pid_t vm_proc__tgid(struct vm_span text);

enum vm_fd_kind {
	VM_FD_OTHER,
	VM_FD_KVM_VM,
	VM_FD_KVM_VCPU, /* number: vcpu_id, -1 where the kernel does not write it (before 4.19) */
	VM_FD_TUN,
	VM_FD_MACVTAP, /* number: ifindex */
	VM_FD_DEVICE,  /* anything else below /dev */
	VM_FD_FILE,    /* any other path that is still there */
};

/* The target of a link in /proc/PID/fd. ret_number is set for some kinds only. */
enum vm_fd_kind vm_proc__fd(struct vm_span target, int *ret_number);

struct vm_proc_fdinfo {
	char iff[VM_IFNAME_MAX]; /* interface of a /dev/net/tun that is attached, else "" */
	unsigned int flags;	 /* as open() takes them */
	uint64_t mnt_id;	 /* 0 when it does not say */
	uint64_t ino;		 /* likewise: before v5.14 (3845f256a8b5) */
};

void vm_proc__fdinfo(struct vm_span text, struct vm_proc_fdinfo *ret);

/* File system type of a mount in /proc/PID/mountinfo; false if that is not there. */
bool vm_proc__mount_type(struct vm_span text, uint64_t mnt_id, char *dst, size_t size);

/* The same of the mount that an absolute path is on, without a look at the path itself. */
bool vm_proc__mount_of(struct vm_span text, const char *path, char *dst, size_t size);

/*
 * The number of the vCPU that a thread with that name runs, -1: none. QEMU "CPU N/KVM" (with
 * debug-threads=on), Firecracker "fc_vcpu N", Cloud Hypervisor "vcpuN", crosvm "crosvm_vcpuN",
 * kvmtool "kvm-vcpu-N".
 */
int vm_proc__vcpu_thread(struct vm_span comm);

/*
 * The thread in the name of a VM's directory in debugfs: THREAD-FD, where THREAD is the one
 * that made the VM, not always a process' first (virt/kvm/kvm_main.c, kvm_create_vm_debugfs).
 * 0: not such a name.
 */
pid_t vm_proc__debugfs_thread(struct vm_span name);

/*
 * A uevent of KVM's: true if it is one, with the thread that made the VM (PID=, which is
 * task_pid_nr() of that thread; 0 if it is missing). text: the message, its parts ended by NULs.
 */
bool vm_proc__uevent(struct vm_span text, pid_t *ret_thread);

#endif
