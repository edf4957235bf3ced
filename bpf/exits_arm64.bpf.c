/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain exits on arm64: kvm_exit and kvm_entry there name no vCPU, and the reason is among the
 * arguments. Both fire where the thread can't be preempted (arch/arm64/kvm/arm.c).
 */
#include "vmlinux.h"
#include "exit.bpf.h"

#define ARM_EXCEPTION_TRAP	2 /* arch/arm64/include/asm/kvm_asm.h */
#define ARM_EXCEPTION_CODE(ret) ((ret)&0x7fffffff)

/* The exception class is that of the last trap, whatever ended the stay in the guest this time. */
static __always_inline __u32 arm64_exit_code(__u32 ret, __u32 esr_ec)
{
	ret = ARM_EXCEPTION_CODE(ret);
	if (ret == ARM_EXCEPTION_TRAP)
		return esr_ec;
	return ret < KS_ARM64_OTHER ? KS_ARM64_OTHER | ret : ret;
}

/* kvm_exit (ret, esr_ec, vcpu_pc) */
SEC("raw_tp/kvm_exit")
int exits__kvm_exit_arm64(__u64 *ctx)
{
	struct ks_vcpu *v = vcpu_of_task();

	if (v && !(v->flags & KS_VCPU_IGNORED))
		on_exit(v, arm64_exit_code(ctx[0], ctx[1]), KS_ISA_ARM64, NULL, clock());
	return 0;
}

/* kvm_entry (vcpu_pc) */
SEC("raw_tp/kvm_entry")
int exits__kvm_entry_arm64(__u64 *ctx)
{
	struct ks_vcpu *v = vcpu_of_task();

	if (v && !(v->flags & KS_VCPU_IGNORED))
		on_entry(v, bpf_ktime_get_ns());
	return 0;
}
