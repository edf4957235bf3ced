/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a vCPU's thread leaves its CPU, comes back, wakes from a halt, ends. The scheduler's
 * events fire for every thread of the host: those that are no vCPU leave after a load and
 * a compare for each side of the switch.
 */
#include "vmlinux.h"
#include "vcpu_time.bpf.h"

struct ks_here here[KS_MAX_CPUS] __attribute__((aligned(64)));
__u8 tid_maybe[KS_TID_BYTES];

static __always_inline struct ks_cell *steal_cell(struct ks_vcpu *v)
{
	if (!v->steal_cell)
		v->steal_cell = cell_new(v->slot, KS_M_STEAL_LATENCY, 0);
	return cell_get(v->steal_cell);
}

/*
 * The scheduler reads its clock before it picks the next thread, and charges all from then on to
 * that one (kernel/sched/core.c, __schedule; fair.c, update_curr). sched_switch comes later. So the
 * switch to a vCPU is CPU time of the vCPU's, but has passed before we learn of it. How much it was
 * shows when the vCPU leaves: the scheduler's sum has grown by that much more than ours. It is made
 * good at the next switch to it.
 *
 * A vCPU of which we had too much pays with what it gets next. Either way more than a switch can
 * take is none: two clocks drift, and where the host's interrupts are accounted for apart, the
 * scheduler takes them off.
 */
static __always_inline void note_lag(struct ks_vcpu *v, __u64 now, __u64 exec)
{
	__s64 more = (exec - v->exec) - (now - v->in_t);

	if (v->exec && v->in_t)
		v->lag += more;
	if (v->lag > KS_SWITCH_MAX)
		v->lag = KS_SWITCH_MAX;
	if (v->lag < -KS_SWITCH_MAX)
		v->lag = -KS_SWITCH_MAX;
	v->exec = exec;
}

static __always_inline void on_switch_out(struct ks_vcpu *v, bool could_run, __u64 run_delay,
					  __u64 exec)
{
	__u64 now = bpf_ktime_get_ns();

	exit_dirty(v);
	if (v->pend_off)
		split_off(v, run_delay);
	if (v->mode == KS_MODE_KERNEL && (!could_run || v->idle))
		v->pend_on += time_since(v, now); /* KVM may have polled: its wake-up will tell */
	else
		charge(v, now);
	note_lag(v, now, exec);
	v->run_delay = run_delay;
	v->off = could_run ? KS_OFF_RUNNABLE : KS_OFF_BLOCKED;
}

static __always_inline void on_switch_in(struct ks_vcpu *v)
{
	__u64 now = bpf_ktime_get_ns();
	struct ks_cell *cell = steal_cell(v);
	__u64 d = time_since(v, now);

	v->in_t = now;
	if (v->off != KS_ON_CPU && v->lag > 0) {
		__u64 lag = v->lag < (__s64)d ? v->lag : d;

		d -= lag;
		v->t -= lag;
		v->lag -= lag;
	}
	if (v->off == KS_OFF_RUNNABLE) {
		charge_to(v, KS_STEAL, d);
		if (cell) {
			cell->count++;
			record(cell, d);
		}
	} else if (v->off == KS_OFF_BLOCKED) {
		v->pend_off = d;
		v->wake_t = v->t;
		if (!v->wake_cell)
			v->wake_cell = cell_new(v->slot, KS_M_WAKE_LATENCY, 0);
	} else {
		v->ns[KS_UNACCOUNTED] += d; /* its way out was missed */
		v->exec = 0;
	}
	v->off = KS_ON_CPU;
}

/* The slot whose vCPU the current thread runs, if it is on this CPU's mind, and is wanted. */
static __always_inline struct ks_vcpu *vcpu_leaving(struct ks_here *cpu, __u32 pid)
{
	struct ks_vcpu *v;

	if (!cpu->slot)
		return NULL;
	v = vcpu_slot(cpu->slot);
	cpu->slot = 0;
	return v && v->key && v->tid == pid && !v->off && !(v->flags & KS_VCPU_IGNORED) ? v : NULL;
}

static __always_inline struct ks_vcpu *vcpu_coming(struct ks_here *cpu, __u32 pid)
{
	__u32 slot = thread_slot_fast(pid);
	struct ks_vcpu *v;

	if (!slot)
		return NULL;
	v = vcpu_slot(slot);
	if (!v || !v->key || v->tid != pid)
		return NULL;
	cpu->slot =
		slot; /* of one that is not wanted, too: or each of its exits would look for it */
	return v->flags & KS_VCPU_IGNORED ? NULL : v;
}

SEC("tp_btf/sched_switch")
int vcpu__sched_switch_btf(__u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	struct ks_here *cpu = this_cpu();
	struct ks_vcpu *v;

	v = vcpu_leaving(cpu, prev->pid);
	if (v)
		on_switch_out(v, !switch_prev_state(ctx, prev), prev->sched_info.run_delay,
			      prev->se.sum_exec_runtime);
	v = vcpu_coming(cpu, next->pid);
	if (v)
		on_switch_in(v);
	return 0;
}

SEC("raw_tp/sched_switch")
int vcpu__sched_switch_raw(__u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	struct ks_here *cpu = this_cpu();
	struct ks_vcpu *v;

	v = vcpu_leaving(cpu, bpf_get_current_pid_tgid());
	if (v)
		on_switch_out(v, !switch_prev_state(ctx, prev),
			      BPF_CORE_READ(prev, sched_info.run_delay),
			      BPF_CORE_READ(prev, se.sum_exec_runtime));
	v = vcpu_coming(cpu, BPF_CORE_READ(next, pid));
	if (v)
		on_switch_in(v);
	return 0;
}

/*
 * Not attached to anything: user space runs it (BPF_PROG_TEST_RUN) to have, for each vCPU, our
 * count of exits and KVM's at the same moment. ctx[0]: the first slot.
 */
SEC("raw_tp")
int vcpu__audit(__u64 *ctx)
{
	__u32 first = ctx[0], i;
	struct ks_vcpu *v;

	for (i = 0; i < KS_AUDIT_BATCH; i++) {
		v = vcpu_slot(first + i);
		if (!v)
			break;
		audit(v);
	}
	return 0;
}

/* A slot that its thread will not use: user space takes it back, and tells nothing of it. */
static __always_inline void vcpu_discard(__u32 slot)
{
	struct ks_vcpu *v = vcpu_slot(slot);

	if (!slot || !v)
		return;
	v->flags |= KS_VCPU_IGNORED;
	v->key = 0;
	v->end = v->since;
	v->mode = KS_MODE_GONE;
}

/* Not static: so it is verified once, and not for each program that may need a slot. */
__noinline int vcpu_claim(__u32 tid, __u32 slot, __u32 old)
{
	/* vcpu__adopt() may have given the thread one since it looked: one of the two has to go */
	if (!old && bpf_map_update_elem(&threads, &tid, &slot, BPF_NOEXIST)) {
		old = thread_slot(tid);
		if (old != slot)
			vcpu_discard(old);
	}
	if (bpf_map_update_elem(&threads, &tid, &slot, BPF_ANY))
		lose(KS_L_MAP);
	return 0;
}

/* threads that user space wants to have a slot, though they have shown no event yet */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_adopt);
} adoptees SEC(".maps");

#define EEXIST	17
#define PF_VCPU 1 /* include/linux/sched.h: set while the task runs a guest */

/*
 * Walks all tasks when user space reads it, and gives a slot to those of `adoptees`: vCPUs of VMs
 * that run since before us. A guest on a tickless CPU may not exit for seconds, one that sleeps
 * may not wake: their time counts from now on, as what they are found at.
 */
SEC("iter/task")
int vcpu__adopt(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct ks_thread_vcpu who = {};
	struct ks_adopt *adopt;
	struct ks_vcpu *v;
	__u32 tid, slot;
	long err;

	if (!task)
		return 0;
	tid = task->pid;
	adopt = bpf_map_lookup_elem(&adoptees, &tid);
	if (!adopt || thread_slot(tid))
		return 0;
	who.tid = tid;
	who.vcpu_id = adopt->vcpu_id;
	slot = vcpu_take(&who, task->tgid, BPF_CORE_READ(task, group_leader, start_boottime));
	v = vcpu_slot(slot);
	if (!slot || !v)
		return 0; /* its events will be counted as lost */
	v->run_delay = task->sched_info.run_delay;
	v->idle = adopt->halted;
	v->dirty = 1;
	v->mode = adopt->halted ? KS_MODE_KERNEL : KS_MODE_VMM;
	if (task_state(task))
		v->off = KS_OFF_BLOCKED;
	else if (bpf_core_field_exists(task->on_cpu) &&
		 !BPF_CORE_READ_BITFIELD_PROBED(task, on_cpu))
		v->off = KS_OFF_RUNNABLE;
	/* what a sleeping one was at is known; where a preempted one will go on is not */
	if (v->off != KS_OFF_BLOCKED)
		v->mode = task->flags & PF_VCPU ? KS_MODE_GUEST : KS_MODE_NEW;
	v->key = tid; /* until its first event shows the vCPU's address */
	/*
	 * Its own first event may have come since we looked, or may come now: if that one has taken
	 * a slot for the thread, ours goes, of which nobody knows. Else it finds ours in `threads`,
	 * or takes that from us (vcpu_claim); then the last word on `slots` is its own.
	 */
	if (bpf_map_update_elem(&threads, &tid, &slot, BPF_NOEXIST)) {
		vcpu_discard(slot);
		return 0;
	}
	err = bpf_map_update_elem(&slots, &who, &slot, BPF_NOEXIST);
	if (err && err != -EEXIST)
		lose(KS_L_MAP);
	return 0;
}
