/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain exits: VM exits by reason, exits to user space, and the split of a vCPU's time.
 *
 * kvm_exit and kvm_entry have a short way for the common case, a vCPU that leaves guest mode
 * and comes back on the same CPU: one clock read each, no call, no map but two arrays.
 */
#include "vmlinux.h"
#include <bpf/bpf_tracing.h>
#include "vcpu_time.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* --counts: no clock is read, nothing but kvm_exit is attached */
const volatile bool cfg_counts = false;
/* the KVM back end reports kvm_exit and kvm_entry (VMX, SVM; not PVM) */
const volatile bool cfg_has_exit = true;
/* offsets in the classic events' records, from tracefs' format files */
const volatile __u32 cfg_exit_reason_at = 0;
const volatile __u32 cfg_exit_isa_at = 0;
const volatile __u32 cfg_exit_vcpu_at = 0;
const volatile __u32 cfg_entry_vcpu_at = 0;
const volatile __u32 cfg_user_reason_at = 0;
const volatile __u32 cfg_user_errno_at = 0;

/* The row of an exit code that has none by its number; KS_EXIT_ROWS if they have run out. */
static __noinline __u32 exit_row_other(struct ks_vcpu *v, __u32 code)
{
	__u32 i;

	for (i = 0; i < KS_ROWS_OTHER; i++) {
		if (i == v->others) {
			v->other_code[i] = code;
			v->others = i + 1;
		}
		if (v->other_code[i] == code)
			return KS_ROW_OTHER + i;
	}
	lose(KS_L_REASONS);
	return KS_EXIT_ROWS;
}

static __always_inline __u32 exit_row(struct ks_vcpu *v, __u32 code)
{
	if (code < KS_ROW_DIRECT)
		return code;
	if (code - 0x400 < KS_ROW_VMGEXIT - KS_ROW_NPF)
		return KS_ROW_NPF + code - 0x400;
	if (code - 0x80000000 < KS_ROW_OTHER - KS_ROW_VMGEXIT)
		return KS_ROW_VMGEXIT + code - 0x80000000;
	return exit_row_other(v, code);
}

/* First exit of its kind: takes the cell that its row will name from now on. */
static __noinline __u32 exit_cell_new(struct ks_vcpu *v, __u32 row, __u32 code, __u32 isa)
{
	__u32 owner = this_cpu()->slot;
	__u32 n;

	if (row >= KS_EXIT_ROWS || v->flags & KS_VCPU_IGNORED)
		return 0;
	n = cell_new(owner, KS_M_EXIT, (__u64)isa << 40 | code);
	v->exit_cell[row] = n;
	v->isa = isa;
	return n;
}

/* The exit under way ends, or its end will never be seen: it is still an exit. */
static __always_inline void exit_count(struct ks_vcpu *v)
{
	struct ks_cell *cell = cell_get(v->cell);

	if (cell)
		cell->count++;
}

/* A vCPU leaves guest mode of which that was not expected: new here, or an event was missed. */
static __noinline int exit_odd(struct ks_vcpu *v, __u64 now)
{
	exit_dirty(v);
	settle_rest(v);
	charge(v, now);
	if (v->mode == KS_MODE_KERNEL || v->mode == KS_MODE_VMM)
		exit_count(v);
	v->user_cell = 0;
	v->detail_cell = 0;
	v->wake_t = 0;
	return 0;
}

/* A vCPU has left guest mode. code: normalised. now: 0 with --counts. */
static __always_inline void on_exit(struct ks_vcpu *v, __u32 code, __u32 isa, __u64 now)
{
	__u32 row, n = 0;
	__u64 d;

	row = exit_row(v, code);
	barrier_var(row); /* or clang checks the parts of the sum and the verifier sees no bound */
	if (row < KS_EXIT_ROWS)
		n = v->exit_cell[row];
	if (!n)
		n = exit_cell_new(v, row, code, isa);
	v->exits++;
	if (cfg_counts) {
		v->cell = n;
		exit_count(v);
		return;
	}
	d = now - v->t;
	if (v->state == KS_STATE(KS_MODE_GUEST) && (__s64)d >= 0)
		v->ns[KS_GUEST] += d;
	else if (v->flags & KS_VCPU_IGNORED)
		return;
	else
		exit_odd(v, now);
	v->t = now;
	v->exit_t = now;
	v->cell = n;
	v->state = KS_STATE(KS_MODE_KERNEL);
}

/* The exit under way was not just time in the kernel. */
static __noinline void exit_end_dirty(struct ks_vcpu *v, __u64 now)
{
	struct ks_cell *cell = NULL, *c;
	__u64 wall = now - v->exit_t, off, rest;
	__u32 i;

	if (v->mode == KS_MODE_KERNEL || v->mode == KS_MODE_VMM)
		cell = cell_get(v->cell);
	charge(v, now);
	settle_rest(v);
	c = cell_get(v->user_cell);
	if (c && now >= v->user_t)
		record(c, now - v->user_t);
	v->user_cell = 0;
	if (v->wake_t && now >= v->wake_t) {
		c = cell_get(v->wake_cell);
		if (c) {
			c->count++;
			record(c, v->wake_wait + now - v->wake_t);
		}
	}
	v->wake_t = 0;
	c = cell_get(v->detail_cell);
	v->detail_cell = 0;
	if (!cell)
		return;
	if (c)
		record(c, wall);
	off = v->part[KS_STEAL] + v->part[KS_HALTED] + v->part[KS_BLOCKED];
	rest = wall;
	for (i = 0; i < KS_STATES; i++) {
		cell->part[i] += v->part[i];
		rest -= v->part[i];
	}
	if ((__s64)rest > 0)
		cell->part[KS_UNACCOUNTED] += rest;
	if (!off || off > wall) {
		record(cell, wall);
		cell->part[KS_KERNEL] -= wall; /* see struct ks_cell */
		return;
	}
	if (!cell->off_wall)
		cell->off_wall = cell_new(cell->owner, KS_M_EXIT_OFF_WALL, cell->key);
	if (!cell->off_cpu)
		cell->off_cpu = cell_new(cell->owner, KS_M_EXIT_OFF_CPU, cell->key);
	c = cell_get(cell->off_wall);
	if (c)
		record(c, wall);
	c = cell_get(cell->off_cpu);
	if (c)
		record(c, wall - off);
}

/* An entry that does not end a plain exit on the same CPU. */
static __noinline int entry_odd(struct ks_vcpu *v, __u64 now)
{
	if (v->mode == KS_MODE_GUEST) { /* its exit was missed */
		v->ns[KS_UNACCOUNTED] += time_since(v, now);
		return 0;
	}
	exit_dirty(v);
	exit_end_dirty(v, now);
	return 0;
}

/* A vCPU is about to enter guest mode. */
static __always_inline void on_entry(struct ks_vcpu *v, __u64 now)
{
	struct ks_cell *cell;
	__u64 d = now - v->t;

	if (v->state == KS_STATE(KS_MODE_KERNEL) && (__s64)d >= 0) {
		/* nothing has moved t since the exit, so that this is the exit's time too */
		v->ns[KS_KERNEL] += d;
		cell = cell_get(v->cell);
		if (cell)
			record(cell, d);
	} else if (v->flags & KS_VCPU_IGNORED) {
		return;
	} else {
		entry_odd(v, now);
	}
	v->t = now;
	v->state = KS_STATE(KS_MODE_GUEST);
}

static __always_inline __u64 clock(void)
{
	return cfg_counts ? 0 : bpf_ktime_get_ns();
}

/* kvm_exit (vcpu, isa): v5.16 and later; vcpu may be NULL as far as the verifier of v6.12 knows */
SEC("tp_btf/kvm_exit")
int exits__kvm_exit_btf(__u64 *ctx)
{
	const struct kvm_vcpu *vcpu = (const void *)ctx[0];
	__u64 now = clock();
	struct ks_vcpu *v;
	__u32 code, isa;
	bool known;

	if (!vcpu)
		return 0;
	isa = ctx[1];
	/* its entry, on this CPU, has seen to it that slot and id agree */
	v = vcpu_typed(vcpu, false);
	if (!v)
		return 0;
	code = vcpu_exit_code(vcpu, isa, &known);
	if (known)
		on_exit(v, exit_code_normal(code, isa), isa, now);
	else
		lose(KS_L_SHAPE);
	return 0;
}

SEC("raw_tp/kvm_exit")
int exits__kvm_exit_raw(__u64 *ctx)
{
	__u64 now = clock();
	__u32 isa = ctx[1];
	struct ks_vcpu *v;
	bool known;
	__u32 code;

	v = vcpu_untyped(ctx[0]);
	if (!v)
		return 0;
	code = vcpu_exit_code((const void *)ctx[0], isa, &known);
	if (known)
		on_exit(v, exit_code_normal(code, isa), isa, now);
	else
		lose(KS_L_SHAPE);
	return 0;
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
	v = vcpu_untyped(ctx[1]);
	if (v)
		on_exit(v, exit_code_normal(ctx[0], isa), isa, now);
	return 0;
}

static __always_inline __u32 record_u32(void *ctx, __u32 at)
{
	__u32 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), ctx + at);
	return word;
}

SEC("tp/kvm/kvm_exit")
int exits__kvm_exit_tp(void *ctx)
{
	struct ks_vcpu *v = vcpu_numbered(record_u32(ctx, cfg_exit_vcpu_at));
	__u32 isa = record_u32(ctx, cfg_exit_isa_at);

	if (v)
		on_exit(v, exit_code_normal(record_u32(ctx, cfg_exit_reason_at), isa), isa,
			clock());
	return 0;
}

SEC("tp_btf/kvm_entry")
int exits__kvm_entry_btf(__u64 *ctx)
{
	const struct kvm_vcpu *vcpu = (const void *)ctx[0];
	__u64 now = bpf_ktime_get_ns();
	struct ks_vcpu *v;

	if (!vcpu)
		return 0;
	v = vcpu_typed(vcpu, true);
	if (v)
		on_entry(v, now);
	return 0;
}

SEC("raw_tp/kvm_entry")
int exits__kvm_entry_raw(__u64 *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct ks_vcpu *v = vcpu_untyped(ctx[0]);

	if (v)
		on_entry(v, now);
	return 0;
}

SEC("tp/kvm/kvm_entry")
int exits__kvm_entry_tp(void *ctx)
{
	struct ks_vcpu *v = vcpu_numbered(record_u32(ctx, cfg_entry_vcpu_at));

	if (v)
		on_entry(v, bpf_ktime_get_ns());
	return 0;
}

/* KVM_RUN has returned to the VMM. error: negative errno, 0 or above if the reason holds. */
static __always_inline void on_userspace_exit(__u32 reason, __s32 error)
{
	struct ks_vcpu *v = vcpu_current();
	__u64 now = clock(), key = reason;
	struct ks_cell *cell;
	__u32 row, n;

	if (!v || v->flags & KS_VCPU_IGNORED)
		return;
	row = reason < KS_USER_ROW_OTHER ? reason : KS_USER_ROW_OTHER;
	if (error < 0) {
		row = error == -4 ? KS_USER_ROW_RESTART : KS_USER_ROW_ERROR; /* -EINTR */
		key = KS_KEY_ERRNO | (__u32)-error;
	}
	barrier_var(row);
	if (row >= KS_USER_ROWS) /* never: for the verifier */
		return;
	n = v->user_cells[row];
	if (!n) {
		n = cell_new(this_cpu()->slot, KS_M_USERSPACE, key);
		v->user_cells[row] = n;
	}
	cell = cell_get(n);
	if (cell)
		cell->count++;
	if (cfg_counts)
		return;

	exit_dirty(v);
	charge(v, now);
	settle_rest(v);
	if (v->mode != KS_MODE_KERNEL && v->mode != KS_MODE_VMM)
		v->cell = 0; /* of an exit that is long over */
	v->user_cell = n;
	v->user_t = now;
	v->mode = KS_MODE_VMM;
}

SEC("tp_btf/kvm_userspace_exit")
int exits__kvm_userspace_exit_btf(__u64 *ctx)
{
	on_userspace_exit(ctx[0], ctx[1]);
	return 0;
}

SEC("raw_tp/kvm_userspace_exit")
int exits__kvm_userspace_exit_raw(__u64 *ctx)
{
	on_userspace_exit(ctx[0], ctx[1]);
	return 0;
}

SEC("tp/kvm/kvm_userspace_exit")
int exits__kvm_userspace_exit_tp(void *ctx)
{
	on_userspace_exit(record_u32(ctx, cfg_user_reason_at), record_u32(ctx, cfg_user_errno_at));
	return 0;
}

/*
 * KVM loads the guest's FPU when KVM_RUN starts (arch/x86/kvm/x86.c, kvm_load_guest_fpu). On a
 * back end without kvm_entry this ends a stay in the VMM; whether the time from here on is
 * the guest's or KVM's, nothing tells: it stays unaccounted.
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
 * The exit under way was one of a nested guest (L2). KVM says so once it handles it
 * (svm_handle_exit, nested_vmx_reflect_vmexit): the exit goes over to a row of its own.
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
