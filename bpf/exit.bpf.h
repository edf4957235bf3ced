/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an exit and an entry do to a vCPU's numbers, whatever form of event told of them.
 *
 * Each has a short way for the common case, a vCPU that leaves guest mode and comes back on the
 * same CPU: one clock read, no call, no map but two arrays. All else is odd or dirty.
 */
#ifndef KVMSCOPE_EXIT_BPF_H
#define KVMSCOPE_EXIT_BPF_H

#include "vcpu_time.bpf.h"

/* --counts: no clock is read, nothing but kvm_exit is attached */
__weak const volatile bool cfg_counts = false;
static __always_inline __u64 clock(void)
{
	return cfg_counts ? 0 : bpf_ktime_get_ns();
}

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

/* An exit by which L1 asks that L2 be run: SVM's VMRUN, VMX's VMLAUNCH and VMRESUME. */
static __always_inline bool exit_starts_l2(__u32 code, __u32 isa)
{
	if (isa == KS_ISA_SVM)
		return code == 0x80;
	return isa == KS_ISA_VMX && (code == 20 || code == 24);
}

/*
 * First exit of its kind: takes the cell that its row will name from now on.
 *
 * L2 can't exit but after L1 has asked for it, or after a time that we have not seen: then its
 * exit is the vCPU's first. So a vCPU of which neither has been seen has no L2.
 */
static __noinline __u32 exit_cell_new(struct ks_vcpu *v, __u32 row, __u32 code, __u32 isa,
				      const void *vcpu)
{
	bool nested = vcpu && vcpu_in_l2(vcpu);
	__u64 key = (__u64)isa << 40 | code;
	__u32 n;

	if (row >= KS_EXIT_ROWS || v->flags & KS_VCPU_IGNORED)
		return 0;
	if (nested || exit_starts_l2(code, isa))
		v->nests = 1;
	n = cell_new(v->slot, KS_M_EXIT, nested ? key | KS_KEY_NESTED : key);
	if (nested)
		v->nested_cell[row] = n;
	else
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

/*
 * A vCPU leaves guest mode of which that was not expected: new here, or an event was missed.
 * Returns the time to go on from.
 */
static __noinline __u64 exit_odd(struct ks_vcpu *v, __u64 now)
{
	exit_dirty(v);
	settle_rest(v);
	charge(v, now);
	if (v->mode == KS_MODE_KERNEL || v->mode == KS_MODE_VMM)
		exit_count(v);
	v->user_cell = 0;
	v->detail_cell = 0;
	v->wake_t = 0;
	return v->t;
}

/* A vCPU has left guest mode. code: normalised. vcpu: NULL: not known. now: 0 with --counts. */
static __always_inline void on_exit(struct ks_vcpu *v, __u32 code, __u32 isa, const void *vcpu,
				    __u64 now)
{
	__u32 row, n = 0;
	__u64 d;

	row = exit_row(v, code);
	barrier_var(row); /* or clang checks the parts of the sum and the verifier sees no bound */
	if (row < KS_EXIT_ROWS) {
		n = v->exit_cell[row];
		if (v->nests && vcpu && vcpu_in_l2(vcpu))
			n = v->nested_cell[row];
	}
	if (!n)
		n = exit_cell_new(v, row, code, isa, vcpu);
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
		now = exit_odd(v, now);
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
	__u32 detail, i;

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
			cell_record(v->wake_cell, v->wake_wait + now - v->wake_t);
		}
	}
	v->wake_t = 0;
	detail = v->detail_cell;
	v->detail_cell = 0;
	if (!cell)
		return;
	if (detail)
		cell_record(detail, wall);
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
	cell_record(cell->off_wall, wall);
	cell_record(cell->off_cpu, wall - off);
}

/* An entry that does not end a plain exit on the same CPU. Returns the time to go on from. */
static __noinline __u64 entry_odd(struct ks_vcpu *v, __u64 now)
{
	if (v->mode == KS_MODE_GUEST) { /* its exit was missed */
		v->ns[KS_UNACCOUNTED] += time_since(v, now);
		return v->t;
	}
	exit_dirty(v);
	exit_end_dirty(v, now);
	return v->t;
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
		now = entry_odd(v, now);
	}
	v->t = now;
	v->state = KS_STATE(KS_MODE_GUEST);
}

#endif
