/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain details: what an exit was about: which port, MSR, address. Attached only while somebody
 * asks for it. Each adds one hash lookup to the exit; a key that is new takes a cell.
 *
 * They fire where the vCPU's thread may be preempted: see outside.bpf.c for what that means, and
 * why each has a classic form.
 */
#include "vmlinux.h"
#include "vcpu_time.bpf.h"

/* offsets in the classic events' records, from tracefs' format files */
const volatile __u32 cfg_pio_rw_at = 0;
const volatile __u32 cfg_pio_port_at = 0;
const volatile __u32 cfg_mmio_type_at = 0;
const volatile __u32 cfg_mmio_gpa_at = 0;
const volatile __u32 cfg_msr_write_at = 0;
const volatile __u32 cfg_msr_ecx_at = 0;
const volatile __u32 cfg_hypercall_nr_at = 0;
const volatile __u32 cfg_fault_address_at = 0;
const volatile __u32 cfg_fault_error_at = 0;
const volatile __u32 cfg_hvc_r0_at = 0;
const volatile __u32 cfg_guest_fault_hsr_at = 0;
const volatile __u32 cfg_guest_fault_ipa_at = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct ks_detail);
	__type(value, __u32);
} details SEC(".maps");

/* The cell for a key that is new; the one for the rest when there are too many. */
static __noinline __u32 detail_new(struct ks_detail *d)
{
	struct ks_vcpu *v = vcpu_slot(d->slot);
	__u32 n = 0, kind = KS_DETAIL(d->metric);

	if (!v || kind >= KS_DETAILS)
		return 0;
	if (v->details < KS_DETAILS_MAX) {
		n = cell_new(d->slot, d->metric, d->key);
		if (n && bpf_map_update_elem(&details, d, &n, BPF_ANY))
			lose(KS_L_MAP);
		v->details++;
		return n;
	}
	if (!v->detail_rest[kind])
		v->detail_rest[kind] = cell_new(d->slot, d->metric, KS_KEY_REST);
	return v->detail_rest[kind];
}

static __always_inline void on_detail(__u32 metric, __u64 key, __u64 op)
{
	struct ks_detail d = {.metric = metric, .key = key | op << KS_OP_SHIFT};
	struct ks_vcpu *v = vcpu_current();
	struct ks_cell *cell;
	__u32 *known, n;

	if (!v || v->flags & KS_VCPU_IGNORED)
		return;
	d.slot = v->slot;
	known = bpf_map_lookup_elem(&details, &d);
	n = known ? *known : detail_new(&d);
	cell = cell_get(n);
	if (!cell)
		return;
	cell->count++;
	if (v->mode != KS_MODE_KERNEL && v->mode != KS_MODE_VMM)
		return;
	exit_dirty(v); /* so that the entry takes the way that looks at this */
	v->detail_cell = n;
	return;
}

static __always_inline void on_pio(__u32 write, __u32 port)
{
	on_detail(KS_M_PORT, (__u16)port, write ? KS_OP_WRITE : KS_OP_READ);
}

/* kvm_pio (write, port, size, count, data) */
SEC("raw_tp/kvm_pio")
int details__kvm_pio_raw(__u64 *ctx)
{
	on_pio(ctx[0], ctx[1]);
	return 0;
}

SEC("tp/kvm/kvm_pio")
int details__kvm_pio_tp(void *ctx)
{
	on_pio(record_u32(ctx, cfg_pio_rw_at), record_u32(ctx, cfg_pio_port_at));
	return TP_PASS;
}

/*
 * Type 0 announces a read that user space must answer; its answer comes as type 1, so that only
 * that one is counted.
 */
static __always_inline void on_mmio(__u32 type, __u64 gpa)
{
	if (type)
		on_detail(KS_M_MMIO, gpa, type == 2 ? KS_OP_WRITE : KS_OP_READ);
}

/* kvm_mmio (type, len, gpa, val) */
SEC("raw_tp/kvm_mmio")
int details__kvm_mmio_raw(__u64 *ctx)
{
	on_mmio(ctx[0], ctx[2]);
	return 0;
}

SEC("tp/kvm/kvm_mmio")
int details__kvm_mmio_tp(void *ctx)
{
	on_mmio(record_u32(ctx, cfg_mmio_type_at), record_u64(ctx, cfg_mmio_gpa_at));
	return TP_PASS;
}

static __always_inline void on_msr(__u32 write, __u32 msr)
{
	on_detail(KS_M_MSR, msr, write ? KS_OP_WRITE : KS_OP_READ);
}

/* kvm_msr (write, ecx, data, exception) */
SEC("raw_tp/kvm_msr")
int details__kvm_msr_raw(__u64 *ctx)
{
	on_msr(ctx[0], ctx[1]);
	return 0;
}

SEC("tp/kvm/kvm_msr")
int details__kvm_msr_tp(void *ctx)
{
	on_msr(record_u32(ctx, cfg_msr_write_at), record_u32(ctx, cfg_msr_ecx_at));
	return TP_PASS;
}

/* kvm_hypercall (nr, a0, a1, a2, a3) */
SEC("raw_tp/kvm_hypercall")
int details__kvm_hypercall_raw(__u64 *ctx)
{
	on_detail(KS_M_HYPERCALL, (__u32)ctx[0], KS_OP_NONE);
	return 0;
}

SEC("tp/kvm/kvm_hypercall")
int details__kvm_hypercall_tp(void *ctx)
{
	on_detail(KS_M_HYPERCALL, record_u32(ctx, cfg_hypercall_nr_at), KS_OP_NONE);
	return TP_PASS;
}

/* Bits of the error code as both VMX and SVM have them: 1 write, 4 instruction fetch. */
static __always_inline void on_page_fault(__u64 gpa, __u64 error)
{
	__u64 op = error & 1 << 4 ? KS_OP_EXEC : error & 1 << 1 ? KS_OP_WRITE : KS_OP_READ;

	on_detail(KS_M_PAGE_FAULT, gpa >> KS_PAGE_FAULT_SHIFT << KS_PAGE_FAULT_SHIFT, op);
}

/* kvm_page_fault (vcpu, addr, error_code): v6.1 and later (faa03b39722a) */
SEC("raw_tp/kvm_page_fault")
int details__kvm_page_fault_raw(__u64 *ctx)
{
	on_page_fault(ctx[1], ctx[2]);
	return 0;
}

/* kvm_page_fault (addr, error_code) */
SEC("raw_tp/kvm_page_fault")
int details__kvm_page_fault_raw_old(__u64 *ctx)
{
	on_page_fault(ctx[0], ctx[1]);
	return 0;
}

SEC("tp/kvm/kvm_page_fault")
int details__kvm_page_fault_tp(void *ctx)
{
	on_page_fault(record_u64(ctx, cfg_fault_address_at), record_u32(ctx, cfg_fault_error_at));
	return TP_PASS;
}

/* --- arm64's own, arch/arm64/kvm/trace_handle_exit.h and trace_arm.h */

/* kvm_hvc_arm64 (vcpu_pc, r0, imm): by the calling convention r0 tells which */
SEC("raw_tp/kvm_hvc_arm64")
int details__kvm_hvc_arm64_raw(__u64 *ctx)
{
	on_detail(KS_M_HYPERCALL, (__u32)ctx[1], KS_OP_NONE);
	return 0;
}

SEC("tp/kvm/kvm_hvc_arm64")
int details__kvm_hvc_arm64_tp(void *ctx)
{
	on_detail(KS_M_HYPERCALL, record_u32(ctx, cfg_hvc_r0_at), KS_OP_NONE);
	return TP_PASS;
}

#define ESR_EC_SHIFT	26 /* arch/arm64/include/asm/esr.h */
#define ESR_EC_IABT_LOW 0x20
#define ESR_WNR		(1 << 6)

/* Aborts are MMIO's, too, as page faults on x86 are. */
static __always_inline void on_guest_fault(__u64 ipa, __u32 esr)
{
	__u64 op = esr >> ESR_EC_SHIFT == ESR_EC_IABT_LOW ? KS_OP_EXEC
		   : esr & ESR_WNR			  ? KS_OP_WRITE
							  : KS_OP_READ;

	on_detail(KS_M_PAGE_FAULT, ipa >> KS_PAGE_FAULT_SHIFT << KS_PAGE_FAULT_SHIFT, op);
}

/* kvm_guest_fault (vcpu_pc, hsr, hxfar, ipa) */
SEC("raw_tp/kvm_guest_fault")
int details__kvm_guest_fault_raw(__u64 *ctx)
{
	on_guest_fault(ctx[3], ctx[1]);
	return 0;
}

SEC("tp/kvm/kvm_guest_fault")
int details__kvm_guest_fault_tp(void *ctx)
{
	on_guest_fault(record_u64(ctx, cfg_guest_fault_ipa_at),
		       record_u64(ctx, cfg_guest_fault_hsr_at));
	return TP_PASS;
}
