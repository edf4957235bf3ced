/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a vCPU's thread does outside the path from exit to entry: it returns to the VMM, wakes from
 * a halt, ends.
 *
 * These fire where the thread may be preempted. From v7.2 on BTF and raw tracepoint programs are
 * preemptible, too, and while one is, its runs for other threads on that CPU are skipped. Classic
 * tracepoints are not preemptible: hence that form for each. Their runs are skipped only while a
 * bpf() call works on a map on that CPU (kernel/trace/bpf_trace.c, trace_call_bpf;
 * kernel/bpf/syscall.c, bpf_disable_instrumentation), which v6.7 and later count. (Disabling
 * preemption inside a program makes it worse: the switch then takes place where it is enabled
 * again, still inside.)
 */
#include "vmlinux.h"
#include "exit.bpf.h"

/* offsets in the classic events' records, from tracefs' format files */
const volatile __u32 cfg_user_reason_at = 0;
const volatile __u32 cfg_user_errno_at = 0;
const volatile __u32 cfg_wakeup_ns_at = 0;
const volatile __u32 cfg_wakeup_waited_at = 0;

#define KVM_EXIT_HLT 5 /* include/uapi/linux/kvm.h: the VMM itself is to wait for an interrupt */

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
		n = cell_new(v->slot, KS_M_USERSPACE, key);
		v->user_cells[row] = n;
	}
	cell = cell_get(n);
	if (cell && cell->key != key) { /* a shared row, and it is the other one's */
		lose(KS_L_REASONS);
		cell = NULL;
		n = 0;
	}
	if (cell)
		cell->count++;
	if (cfg_counts)
		return;

	exit_dirty(v);
	now = not_before(v, now);
	charge(v, now);
	settle_rest(v);
	if (error < 0 || reason != KVM_EXIT_HLT)
		v->idle =
			0; /* what the VMM sleeps in now is no halt, or KVM's wake-up will say so */
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
	return TP_PASS;
}

/*
 * A halt that was not known as one while it lasted, for its vCPU was thought to be in the VMM, or
 * nothing tells of its exits: of the time that was charged, poll was KVM's polling, and no more
 * than sleep of the sleep was the halt's.
 */
static __always_inline void own_up(struct ks_vcpu *v, __u64 sleep, __u64 poll)
{
	__u32 from = v->mode == KS_MODE_VMM ? KS_VMM : KS_UNACCOUNTED;

	if (poll > v->part[from])
		poll = v->part[from];
	v->ns[from] -= poll;
	v->part[from] -= poll;
	charge_to(v, KS_HALT_POLL, poll);
	if (v->pend_sleep > sleep) {
		charge_to(v, KS_BLOCKED, v->pend_sleep - sleep);
		v->pend_sleep = sleep;
	}
	if (v->mode == KS_MODE_VMM)
		v->mode = KS_MODE_KERNEL;
}

/*
 * A halt is over: it took ns from when KVM began to poll, and waited says whether the vCPU slept
 * (virt/kvm/kvm_main.c, kvm_vcpu_halt). In mode vmm a signal had ended the halt, and the VMM has
 * called KVM_RUN again, of which no event tells. In mode new it is a back end without kvm_exit:
 * when its guest goes on, nothing will tell.
 */
static __always_inline void on_wakeup(__u64 ns, bool waited)
{
	struct ks_vcpu *v = vcpu_current();
	__u64 now = bpf_ktime_get_ns();
	__u64 poll, total;

	if (!v || v->flags & KS_VCPU_IGNORED || v->mode == KS_MODE_GUEST || v->mode == KS_MODE_GONE)
		return;
	exit_dirty(v);
	if (v->pend_off)
		split_off(v, current_run_delay());
	now = not_before(v, now);
	if (v->mode == KS_MODE_KERNEL)
		v->pend_on += time_since(v, now);
	else
		charge(v, now);
	if (v->poll_ns) {
		total = vcpu_poll_ns((const void *)v->key);
		poll = total - v->poll_ns;
		v->poll_ns = total;
	} else {
		poll = waited ? ns - v->pend_sleep - v->wake_wait : ns;
		if ((__s64)poll < 0)
			poll = 0;
	}
	if (v->mode != KS_MODE_KERNEL)
		own_up(v, waited ? ns - poll - v->wake_wait : 0, poll);
	settle(v, true, poll);
	if (v->mode == KS_MODE_NEW) {
		v->wake_t = 0;
	} else if (!waited) {
		v->wake_t = now;
		v->wake_wait = 0;
	}
}

SEC("tp_btf/kvm_vcpu_wakeup")
int vcpu__kvm_vcpu_wakeup_btf(__u64 *ctx)
{
	on_wakeup(ctx[0], (__u8)ctx[1]);
	return 0;
}

SEC("raw_tp/kvm_vcpu_wakeup")
int vcpu__kvm_vcpu_wakeup_raw(__u64 *ctx)
{
	on_wakeup(ctx[0], (__u8)ctx[1]);
	return 0;
}

SEC("tp/kvm/kvm_vcpu_wakeup")
int vcpu__kvm_vcpu_wakeup_tp(void *ctx)
{
	on_wakeup(record_u64(ctx, cfg_wakeup_ns_at), (__u8)record_u32(ctx, cfg_wakeup_waited_at));
	return TP_PASS;
}

/*
 * Fires before the thread gives up its files (kernel/exit.c, do_exit), so before the VM and its
 * vCPUs can be freed: from here on their addresses mean nothing.
 */
static __always_inline void on_thread_end(__u32 tid)
{
	struct ks_thread_vcpu who = {.tid = tid};
	__u32 slot = thread_slot(tid);
	struct ks_cell *cell;
	struct ks_vcpu *v;
	__u64 now;

	if (!slot)
		return;
	v = vcpu_slot(slot);
	if (!v || v->tid != tid)
		return;
	exit_dirty(v);
	now = not_before(v, bpf_ktime_get_ns());
	charge(v, now);
	settle_rest(v);
	if (v->mode == KS_MODE_KERNEL || v->mode == KS_MODE_VMM) {
		cell = cell_get(v->cell);
		if (cell)
			cell->count++; /* an exit that will not end */
	}
	audit(v);
	v->end = now;
	v->key = 0;
	v->mode = KS_MODE_GONE;
	who.vcpu_id = v->vcpu_id;
	bpf_map_delete_elem(&slots, &who);
	bpf_map_delete_elem(&threads, &tid);
}

SEC("tp_btf/sched_process_exit")
int vcpu__sched_process_exit_btf(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	on_thread_end(task->pid);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int vcpu__sched_process_exit_raw(__u64 *ctx)
{
	on_thread_end(bpf_get_current_pid_tgid());
	return 0;
}

SEC("tp/sched/sched_process_exit")
int vcpu__sched_process_exit_tp(void *ctx)
{
	on_thread_end(bpf_get_current_pid_tgid());
	return TP_PASS;
}
