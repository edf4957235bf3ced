/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a vCPU's time goes: each nanosecond is charged to one state, when the event comes
 * that ends it. What can only be told later (was this sleep a halt? was part of it a wait
 * for a CPU?) is held in pend_*, and charged by the event that tells.
 *
 * Any order of events is accepted: an attach in the middle of things, an exit event that
 * comes after a context switch (SVM before v6.5), a missed one. What does not fit
 * is charged as unaccounted.
 */
#ifndef KVMSCOPE_VCPU_TIME_BPF_H
#define KVMSCOPE_VCPU_TIME_BPF_H

#include "vm.bpf.h"

/* A guest waits by it: SVM's HLT and idle HLT, VMX's HLT, arm64's WFI and WFE. */
static __always_inline bool exit_is_idle(__u64 key)
{
	__u32 code = KS_KEY_CODE(key);

	if (KS_KEY_ISA(key) == KS_ISA_SVM)
		return code == 0x78 || code == 0xa6;
	return code == (KS_KEY_ISA(key) == KS_ISA_VMX ? 12 : 1);
}

/* The exit under way is more than time in the kernel: start its list of parts. */
static __always_inline void exit_dirty(struct ks_vcpu *v)
{
	struct ks_cell *cell;

	if (v->dirty)
		return;
	v->dirty = 1;
	__builtin_memset(v->part, 0, sizeof(v->part));
	cell = v->mode == KS_MODE_KERNEL || v->mode == KS_MODE_VMM ? cell_get(v->cell) : NULL;
	v->idle = cell && exit_is_idle(cell->key);
}

static __always_inline void charge_to(struct ks_vcpu *v, __u32 state, __u64 ns)
{
	if (state >= KS_STATES)
		return;
	v->ns[state] += ns;
	if (v->mode != KS_MODE_GUEST)
		v->part[state] += ns;
}

/* Time since v->t, to which t is moved; 0, counted, if the clock seems to have gone back. */
static __always_inline __u64 time_since(struct ks_vcpu *v, __u64 now)
{
	__u64 d = now - v->t;

	if ((__s64)d < 0) {
		/* an event that has read the clock before it took the slot is no anomaly */
		if (v->mode != KS_MODE_NEW)
			lose(KS_L_CLOCK);
		return 0;
	}
	v->t = now;
	return d;
}

/*
 * now, or what the clock shows by this time if the vCPU's thread was switched out and in since it
 * was read: from v7.2 on BTF and raw tracepoint programs are preemptible.
 */
static __always_inline __u64 not_before(const struct ks_vcpu *v, __u64 now)
{
	return (__s64)(now - v->t) < 0 ? bpf_ktime_get_ns() : now;
}

/* Charges the time on CPU up to now. For a vCPU that is on a CPU. */
static __always_inline void charge(struct ks_vcpu *v, __u64 now)
{
	__u64 d = time_since(v, now);

	if (v->mode == KS_MODE_KERNEL)
		charge_to(v, KS_KERNEL, d);
	else if (v->mode == KS_MODE_VMM)
		charge_to(v, KS_VMM, d);
	else if (v->mode == KS_MODE_GUEST)
		v->ns[KS_GUEST] += d;
	else
		charge_to(v, KS_UNACCOUNTED, d);
}

/*
 * Splits the last time off CPU, for which the scheduler has done its sums by now: run_delay
 * grew by what the thread was runnable of it, the rest it slept (kernel/sched/stats.h,
 * sched_info_arrive). Both clocks are the TSC's, so that the difference is good to microseconds.
 */
static __always_inline void split_off(struct ks_vcpu *v, __u64 run_delay)
{
	__u64 wait = run_delay - v->run_delay;
	struct ks_cell *cell;

	if (!v->pend_off)
		return;
	if (wait > v->pend_off)
		wait = v->pend_off;
	charge_to(v, KS_STEAL, wait);
	v->pend_sleep += v->pend_off - wait;
	v->pend_off = 0;
	v->wake_wait = wait;
	cell = cell_get(v->steal_cell);
	if (cell && wait) {
		cell->count++;
		record(cell, wait);
	}
}

/*
 * Charges what is pending: the sleep as halted if it was a halt, and the time on CPU that
 * led to it, of which KVM polled for poll ns.
 */
static __always_inline void settle(struct ks_vcpu *v, bool halted, __u64 poll)
{
	if (poll > v->pend_on)
		poll = v->pend_on;
	charge_to(v, KS_HALT_POLL, poll);
	charge_to(v, KS_KERNEL, v->pend_on - poll);
	charge_to(v, halted ? KS_HALTED : KS_BLOCKED, v->pend_sleep);
	if (!halted)
		v->wake_t = 0;
	v->pend_on = 0;
	v->pend_sleep = 0;
}

static __always_inline __u64 current_run_delay(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, sched_info.run_delay);
}

/* Everything that is pending, when no halt has claimed it. (In mode new only a wake-up can.) */
static __always_inline void settle_rest(struct ks_vcpu *v)
{
	if (v->pend_off)
		split_off(v, current_run_delay());
	if (v->pend_on || v->pend_sleep)
		settle(v, v->idle && v->mode != KS_MODE_NEW, 0);
}

/* Notes both counts of exits, ours and KVM's. */
static __always_inline void audit(struct ks_vcpu *v)
{
	__u64 kernel;

	if (!(v->key >> 63) || !vcpu_is_run_by((const void *)v->key, v->tid))
		return;
	kernel = vcpu_stat_exits((const void *)v->key);
	if (!kernel)
		return;
	v->audit_exits = v->exits;
	v->audit_kernel = kernel - v->base_kernel;
}

#endif
