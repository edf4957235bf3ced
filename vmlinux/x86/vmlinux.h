/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types that the BPF programs name. vmlinux/gen has made this of
 * vmlinux/types.list: make changes there.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef unsigned char __u8;
typedef signed char __s8;
typedef short unsigned int __u16;
typedef short int __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef long long unsigned int __u64;
typedef long long int __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum {
	false = 0,
	true = 1,
};

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_QUEUE = 22,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_MMAPABLE = 1024,
};

struct sched_info {
	long long unsigned int run_delay;
};

typedef int __kernel_pid_t;
typedef __kernel_pid_t pid_t;
typedef __u64 u64;

struct task_struct {
	pid_t pid;
	pid_t tgid;
	struct task_struct *group_leader;
	u64 start_boottime;
	struct sched_info sched_info;
	unsigned int flags;
	int on_cpu;
};

struct bpf_iter__task {
	struct task_struct *task;
};

typedef __s64 time64_t;

struct timespec64 {
	time64_t tv_sec;
	long int tv_nsec;
};

struct task_struct___since_5_14 {
	unsigned int __state;
};

struct task_struct___before_5_14 {
	volatile long int state;
};

struct kvm_vcpu_stat_generic {
	u64 halt_poll_success_ns;
	u64 halt_poll_fail_ns;
};

struct kvm_vcpu_stat {
	struct kvm_vcpu_stat_generic generic;
	u64 exits;
	u64 guest_mode;
};

struct kvm_vcpu {
	int vcpu_id;
	struct kvm_vcpu_stat stat;
};

typedef __u32 u32;

union vmx_exit_reason {
	u32 full;
};

struct vcpu_vmx {
	union vmx_exit_reason exit_reason;
};

struct vcpu_vt {
	union vmx_exit_reason exit_reason;
};

struct vcpu_vmx___since_6_16 {
	struct vcpu_vt vt;
};

struct vmcb_control_area {
	u32 exit_code;
};

struct vmcb {
	struct vmcb_control_area control;
};

struct vcpu_svm {
	struct vmcb *vmcb;
};

#pragma clang attribute pop

#endif
