/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One accessor for each thing that differs between kernels, headed by the change that
 * made it differ. User space looks at BTF and says through cfg_* what there is; branches
 * for the rest are dead code when the verifier comes.
 */
#ifndef KVMSCOPE_COMPAT_BPF_H
#define KVMSCOPE_COMPAT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <kvmscope/abi.h>

/* bpf_rdonly_cast (v6.2, a35b9af4ec2c): loads from any address at the price of a load */
__weak const volatile bool cfg_cast = false;
/* sched_switch passes the state that prev leaves in (v5.18, fa2c3254d7cf) */
__weak const volatile bool cfg_switch_state = false;

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/*
 * Reads size (4 or 8) bytes at a kernel address; 0 where that faults.
 *
 * A probe read costs some 60 instructions, most of them the call. The cast gives the
 * verifier a type for the pointer, and then the JIT emits a load with an exception table
 * entry. It needs a type of vmlinux's own BTF, and the types wanted here are kvm_intel's
 * and kvm_amd's: so all is read as a word of timespec64, at an offset from CO-RE.
 */
static __always_inline __u64 kernel_word(const void *addr, const __u32 size)
{
	__u64 word = 0;
	__u32 half = 0;

	if (cfg_cast) {
		const void *p = bpf_rdonly_cast(addr, bpf_core_type_id_kernel(struct timespec64));

		return size == 4 ? *(const __u32 *)p : *(const __u64 *)p;
	}
	if (size == 4) {
		bpf_probe_read_kernel(&half, sizeof(half), addr);
		return half;
	}
	bpf_probe_read_kernel(&word, sizeof(word), addr);
	return word;
}

#define FIELD_OFFSET(type, field) \
	__builtin_preserve_field_info(((type *)0)->field, BPF_FIELD_BYTE_OFFSET)

#ifdef __TARGET_ARCH_x86
/*
 * The exit code that kvm_exit left to be read from the vCPU when its arguments lost the
 * reason (v5.16, 0a62a0319abb). VMX: vcpu_vmx.exit_reason, since v6.16 (a50f673f25e0)
 * vcpu_vmx.vt.exit_reason, which struct vcpu_tdx has at the same place by static_assert.
 * SVM: vmcb->control.exit_code, 32 bits, later 64 of which the low ones tell.
 * Returns 0 and *known = false when this kernel has no such type.
 */
static __always_inline __u32 vcpu_exit_code(const void *vcpu, __u32 isa, bool *known)
{
	*known = true;
	if (isa == KS_ISA_SVM && bpf_core_type_exists(struct vcpu_svm)) {
		const void *vmcb =
			(const void *)kernel_word(vcpu + FIELD_OFFSET(struct vcpu_svm, vmcb), 8);

		return kernel_word(vmcb + FIELD_OFFSET(struct vmcb, control.exit_code), 4);
	}
	if (isa == KS_ISA_VMX && bpf_core_field_exists(struct vcpu_vmx___since_6_16, vt))
		return kernel_word(
			vcpu + FIELD_OFFSET(struct vcpu_vmx___since_6_16, vt.exit_reason.full), 4);
	if (isa == KS_ISA_VMX && bpf_core_field_exists(struct vcpu_vmx, exit_reason))
		return kernel_word(vcpu + FIELD_OFFSET(struct vcpu_vmx, exit_reason.full), 4);
	*known = false;
	return 0;
}

/*
 * Whether a vCPU is in its guest's guest (L2). At kvm_exit that still tells whose exit it is: KVM
 * changes it when it handles the exit (enter_guest_mode, leave_guest_mode). v5.14, d5a0483f9f32;
 * false where there is no such field.
 */
static __always_inline bool vcpu_in_l2(const void *vcpu)
{
	const struct kvm_vcpu *v = vcpu;

	return bpf_core_field_exists(v->stat.guest_mode) &&
	       kernel_word(vcpu + FIELD_OFFSET(struct kvm_vcpu, stat.guest_mode), 8);
}
#else
static __always_inline __u32 vcpu_exit_code(const void *vcpu, __u32 isa, bool *known)
{
	*known = false; /* kvm_exit has it among its arguments */
	return 0;
}

static __always_inline bool vcpu_in_l2(const void *vcpu)
{
	return false;
}
#endif

/*
 * The vCPU that the current thread has loaded, 0: none. On arm64 no event of exits names one. KVM
 * has itself told of context switches by a member of the vCPU (virt/kvm/kvm_main.c, vcpu_load), and
 * nobody else does that. Elsewhere the events tell.
 */
static __always_inline __u64 vcpu_loaded(void)
{
#ifdef __TARGET_ARCH_arm64
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 link = (__u64)BPF_CORE_READ(task, preempt_notifiers.first);

	if (link)
		return link - FIELD_OFFSET(struct kvm_vcpu, preempt_notifier.link);
#endif
	return 0;
}

/* What of a VMX exit reason tells rows apart: the basic reason and "entry failed". */
static __always_inline __u32 exit_code_normal(__u32 code, __u32 isa)
{
	return isa == KS_ISA_VMX ? code & 0x8000ffff : code;
}

/* vcpu_id, or -1 where the kernel's BTF has no struct kvm_vcpu (module BTF: v5.11). */
static __always_inline __s32 vcpu_id_probed(const void *vcpu)
{
	__s32 id = -1;

	if (bpf_core_field_exists(struct kvm_vcpu, vcpu_id))
		bpf_core_read(&id, sizeof(id), &((const struct kvm_vcpu *)vcpu)->vcpu_id);
	return id;
}

/*
 * KVM's own sum of the time that a vCPU has polled for, in ns, and 1; 0 where it can't be read.
 * vcpu->stat.generic since v5.14 (0193cc908b5a).
 */
static __always_inline __u64 vcpu_poll_ns(const void *vcpu)
{
	const struct kvm_vcpu *v = vcpu;

	if (!bpf_core_field_exists(v->stat.generic.halt_poll_success_ns))
		return 0;
	return BPF_CORE_READ(v, stat.generic.halt_poll_success_ns) +
	       BPF_CORE_READ(v, stat.generic.halt_poll_fail_ns) + 1;
}

/* KVM's own count of a vCPU's exits; 0 where it can't be read. */
static __always_inline __u64 vcpu_stat_exits(const void *vcpu)
{
	const struct kvm_vcpu *v = vcpu;

	if (!bpf_core_field_exists(v->stat.exits))
		return 0;
	return BPF_CORE_READ(v, stat.exits);
}

/*
 * Whether KVM knows the vCPU as that thread's: KVM_RUN notes who calls it (virt/kvm/kvm_main.c).
 * The memory of a vCPU that was freed may be another one's. True where it can't be read.
 */
static __always_inline bool vcpu_is_run_by(const void *vcpu, __u32 tid)
{
	const struct kvm_vcpu *v = vcpu;

	if (!bpf_core_field_exists(v->pid))
		return true;
	return (__u32)BPF_CORE_READ(v, pid, numbers[0].nr) == tid;
}

/*
 * What a classic tracepoint's program returns: 0 would keep the event from all of perf's users
 * (kernel/trace/bpf_trace.c, trace_call_bpf).
 */
#define TP_PASS 1

/* Words of a classic event's record; where a field is, tracefs' format files say. */
static __always_inline __u32 record_u32(void *ctx, __u32 at)
{
	__u32 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), ctx + at);
	return word;
}

static __always_inline __u64 record_u64(void *ctx, __u32 at)
{
	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), ctx + at);
	return word;
}

/* A task's state; 0: it runs or could. */
static __always_inline __u64 task_state(const struct task_struct *task)
{
	const struct task_struct___since_5_14 *since = (const void *)task;
	const struct task_struct___before_5_14 *before = (const void *)task;

	if (bpf_core_field_exists(since->__state))
		return BPF_CORE_READ(since, __state);
	return BPF_CORE_READ(before, state);
}

/* The state that prev leaves its CPU in, of sched_switch's arguments; 0: it could go on. */
static __always_inline __u64 switch_prev_state(const __u64 *ctx, const struct task_struct *prev)
{
	if (ctx[0]) /* preempted: prev->__state may be anything */
		return 0;
	if (cfg_switch_state)
		return (__u32)ctx[3];
	return task_state(prev);
}

#endif
