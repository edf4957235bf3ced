/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types that the BPF programs name, with the members that they read and
 * no other: CO-RE finds the real offsets on the running kernel.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef int pid_t;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK = 23,
};
enum { BPF_F_MMAPABLE = 1024 };
enum { BPF_ANY = 0 };

struct sched_info {
	unsigned long long run_delay;
};

struct task_struct {
	pid_t pid;
	pid_t tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	struct sched_info sched_info;
	unsigned int flags;
	int on_cpu;
};

struct bpf_iter__task {
	struct task_struct *task;
};

/* until v5.14 (2f064a59a11f): volatile long state; since: unsigned int __state */
struct task_struct___before_5_14 {
	volatile long state;
};
struct task_struct___since_5_14 {
	unsigned int __state;
};

/* two words at the head of a type that every vmlinux BTF has: see kernel_word() */
struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct kvm_vcpu_stat_generic {
	__u64 halt_poll_success_ns;
	__u64 halt_poll_fail_ns;
};

struct kvm_vcpu_stat {
	struct kvm_vcpu_stat_generic generic;
	__u64 exits;
};

struct kvm_vcpu {
	int vcpu_id;
	struct kvm_vcpu_stat stat;
};

union vmx_exit_reason {
	__u32 full;
};

struct vcpu_vmx {
	union vmx_exit_reason exit_reason;
};

/* v6.16 moved the fields that VMX and TDX share to a struct of their own */
struct vcpu_vt {
	union vmx_exit_reason exit_reason;
};
struct vcpu_vmx___since_6_16 {
	struct vcpu_vt vt;
};

struct vmcb_control_area {
	__u32 exit_code; /* 64 bits wide on later kernels; the low half is the code on either */
};

struct vmcb {
	struct vmcb_control_area control;
};

struct vcpu_svm {
	struct vmcb *vmcb;
};

#pragma clang attribute pop

#endif
