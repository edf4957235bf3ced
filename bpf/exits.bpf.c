/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Domain exits: the programs for VM exits, VM entries and exits to user space, in each form. */
#include "vmlinux.h"
#include "exit.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* offsets in the classic events' records, from tracefs' format files */
const volatile __u32 cfg_exit_reason_at = 0;
const volatile __u32 cfg_exit_isa_at = 0;
const volatile __u32 cfg_exit_vcpu_at = 0;
const volatile __u32 cfg_entry_vcpu_at = 0;

static __always_inline struct ks_vcpu *vcpu_leaving_guest(__u64 vcpu)
{
	return cfg_counts ? vcpu_untyped(vcpu, true) : vcpu_untyped(vcpu, false);
}

/* The reason is not among the arguments: it is read from the vCPU. */
static __always_inline int on_exit_of(struct ks_vcpu *v, const void *vcpu, __u32 isa)
{
	bool known;
	__u32 code;
	__u64 now;

	if (!v || v->flags & KS_VCPU_IGNORED)
		return 0;
	now = clock(); /* after that: a VM that nobody asked for pays for no clock */
	code = vcpu_exit_code(vcpu, isa, &known);
	if (known)
		on_exit(v, exit_code_normal(code, isa), isa, vcpu, now);
	else
		lose(KS_L_SHAPE);
	return 0;
}

/* kvm_exit (vcpu, isa): v5.16 and later; vcpu may be NULL as far as the verifier of v6.12 knows */
SEC("tp_btf/kvm_exit")
int exits__kvm_exit_btf(__u64 *ctx)
{
	const struct kvm_vcpu *vcpu = (const void *)ctx[0];
	struct ks_vcpu *v;

	if (!vcpu)
		return 0;
	/* its entry, on this CPU, has seen to it that slot and id agree, where that is attached */
	v = cfg_counts ? vcpu_typed(vcpu, true, true) : vcpu_typed(vcpu, false, false);
	return on_exit_of(v, vcpu, ctx[1]);
}

SEC("raw_tp/kvm_exit")
int exits__kvm_exit_raw(__u64 *ctx)
{
	return on_exit_of(vcpu_leaving_guest(ctx[0]), (const void *)ctx[0], ctx[1]);
}

/* kvm_exit (exit_reason, vcpu, isa): before v5.16 */
SEC("raw_tp/kvm_exit")
int exits__kvm_exit_raw_reason(__u64 *ctx)
{
	__u64 now = clock();
	__u32 isa = ctx[2];
	struct ks_vcpu *v;

	/* no kernel address where one must be: the arguments are in another order */
	if (ctx[0] >> 32 || !(ctx[1] >> 63)) {
		lose(KS_L_SHAPE);
		return 0;
	}
	v = vcpu_leaving_guest(ctx[1]);
	if (v)
		on_exit(v, exit_code_normal(ctx[0], isa), isa, (const void *)ctx[1], now);
	return 0;
}

SEC("tp/kvm/kvm_exit")
int exits__kvm_exit_tp(void *ctx)
{
	struct ks_vcpu *v = vcpu_numbered(record_u32(ctx, cfg_exit_vcpu_at));
	__u32 isa = record_u32(ctx, cfg_exit_isa_at);

	if (v)
		on_exit(v, exit_code_normal(record_u32(ctx, cfg_exit_reason_at), isa), isa, NULL,
			clock());
	return TP_PASS;
}

SEC("tp_btf/kvm_entry")
int exits__kvm_entry_btf(__u64 *ctx)
{
	const struct kvm_vcpu *vcpu = (const void *)ctx[0];
	struct ks_vcpu *v;

	if (!vcpu)
		return 0;
	v = vcpu_typed(vcpu, true, false);
	if (v && !(v->flags & KS_VCPU_IGNORED))
		on_entry(v, bpf_ktime_get_ns());
	return 0;
}

SEC("raw_tp/kvm_entry")
int exits__kvm_entry_raw(__u64 *ctx)
{
	struct ks_vcpu *v = vcpu_untyped(ctx[0], false);

	if (v && !(v->flags & KS_VCPU_IGNORED))
		on_entry(v, bpf_ktime_get_ns());
	return 0;
}

SEC("tp/kvm/kvm_entry")
int exits__kvm_entry_tp(void *ctx)
{
	struct ks_vcpu *v = vcpu_numbered(record_u32(ctx, cfg_entry_vcpu_at));

	if (v)
		on_entry(v, bpf_ktime_get_ns());
	return TP_PASS;
}

/*
 * KVM loads the guest's FPU when KVM_RUN starts (arch/x86/kvm/x86.c, kvm_load_guest_fpu). On a
 * back end without kvm_entry this ends a stay in the VMM; whether the time from here on is
 * the guest's or KVM's, nothing tells: it stays unaccounted. A sleep is taken for a halt while it
 * lasts; whether it was one, kvm_vcpu_wakeup tells.
 */
static __always_inline void on_run(bool load)
{
	struct ks_vcpu *v;
	__u64 now;

	if (!load)
		return;
	now = bpf_ktime_get_ns();
	v = vcpu_current();
	if (!v || v->flags & KS_VCPU_IGNORED)
		return;
	exit_dirty(v);
	exit_end_dirty(v, now);
	v->cell = 0;
	v->state = KS_STATE(KS_MODE_NEW);
	exit_dirty(v);
	v->idle = 1;
}

SEC("tp_btf/kvm_fpu")
int exits__kvm_fpu_btf(__u64 *ctx)
{
	on_run((__u32)ctx[0]);
	return 0;
}

SEC("raw_tp/kvm_fpu")
int exits__kvm_fpu_raw(__u64 *ctx)
{
	on_run((__u32)ctx[0]);
	return 0;
}

/*
 * The exit under way was one of a nested guest (L2), which kvm_exit could not tell on this kernel.
 * KVM says so once it handles it (svm_handle_exit, nested_vmx_reflect_vmexit): the exit goes over
 * to a row of its own.
 */
SEC("raw_tp/kvm_nested_vmexit")
int exits__kvm_nested_vmexit_raw(__u64 *ctx)
{
	struct ks_vcpu *v = vcpu_current();
	struct ks_cell *cell;
	__u32 row, n;

	if (!v || v->flags & KS_VCPU_IGNORED || (!cfg_counts && v->mode != KS_MODE_KERNEL))
		return 0;
	cell = cell_get(v->cell);
	if (!cell || cell->key & KS_KEY_NESTED)
		return 0;
	row = exit_row(v, KS_KEY_CODE(cell->key));
	barrier_var(row);
	if (row >= KS_EXIT_ROWS)
		return 0;
	n = v->nested_cell[row];
	if (!n) {
		n = cell_new(cell->owner, KS_M_EXIT, cell->key | KS_KEY_NESTED);
		v->nested_cell[row] = n;
	}
	if (!n)
		return 0;
	v->cell = n;
	if (cfg_counts) {
		cell->count--;
		exit_count(v);
	}
	return 0;
}
