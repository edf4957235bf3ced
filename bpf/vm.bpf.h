/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is it: from an event to the slot of the vCPU that it belongs to.
 *
 * Every CPU remembers the slot of the vCPU that it ran last; an event compares that slot's
 * key with its own vCPU and in most cases is done. Otherwise (first event, migration, a
 * thread that runs several vCPUs in turn) the slot is looked up by thread, and taken if
 * there is none. A thread that ends gives up its key, so that a vCPU at the same
 * address is never taken for the old one.
 */
#ifndef KVMSCOPE_VM_BPF_H
#define KVMSCOPE_VM_BPF_H

#include "record.bpf.h"

/* some VMs are not wanted: look at vm_numbers before one is counted */
__weak const volatile bool cfg_filter = false;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_vcpu);
} vcpus __weak SEC(".maps");

/* Numbers of unused slots, from 1 on: slot 0 never has a key and stands for nobody. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(__u32));
} free_vcpus __weak SEC(".maps");

struct ks_thread_vcpu {
	__u32 tid;
	__s32 vcpu_id;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct ks_thread_vcpu);
	__type(value, __u32);
} slots __weak SEC(".maps");

/* thread -> the slot that it is at now */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} threads __weak SEC(".maps");

/* process -> number of the VM that it is, or KS_VM_IGNORED: user space's */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_VMS_MAX);
	__type(key, __u32);
	__type(value, __u16);
} vm_numbers __weak SEC(".maps");

/*
 * Defined once, in vcpu.bpf.c, and not here and weak: of weak ones the linker drops all names but
 * one, and keeps the bytes of all (libbpf's linker.c). .bss is one value of one map, for which
 * v5.10 allows 4 MiB (array_map_alloc_check()).
 */
extern struct ks_here here[KS_MAX_CPUS];
extern __u8 tid_maybe[KS_TID_BYTES];

/* The number of the VM that a process is; KS_VM_HOST: it is none that user space has found. */
static __always_inline __u32 vm_of(__u32 tgid)
{
	__u16 *number = bpf_map_lookup_elem(&vm_numbers, &tgid);

	return number ? *number : KS_VM_HOST;
}

static __always_inline struct ks_here *this_cpu(void)
{
	return &here[bpf_get_smp_processor_id() & (KS_MAX_CPUS - 1)];
}

static __always_inline struct ks_vcpu *vcpu_slot(__u32 slot)
{
	return bpf_map_lookup_elem(&vcpus, &slot);
}

/* The slot that a thread is at now; 0: it has none. */
static __always_inline __u32 thread_slot(__u32 tid)
{
	__u32 *slot = bpf_map_lookup_elem(&threads, &tid);

	return slot ? *slot : 0;
}

/*
 * The same, for the scheduler's events, whose threads are no vCPUs for the most part. User space
 * clears what tid_maybe has of threads that ended, and a thread that is new may share that: its
 * next event of KVM's sets it again.
 */
static __always_inline __u32 thread_slot_fast(__u32 tid)
{
	return tid_maybe[tid & (KS_TID_BYTES - 1)] ? thread_slot(tid) : 0;
}

static __always_inline bool vcpu_is(const struct ks_vcpu *v, __u32 tgid, __u32 tid, __u64 start)
{
	return v->tid == tid && v->tgid == tgid && v->start == start && v->mode != KS_MODE_GONE;
}

/* Last of all: user space takes a slot with a tgid for one in use, and then reads the rest. */
static __always_inline void slot_publish(struct ks_vcpu *v, __u32 tgid)
{
#ifdef __TARGET_ARCH_arm64
	__sync_lock_test_and_set(&v->tgid, tgid); /* BPF_XCHG: in order there, too; v5.12 */
#else
	barrier(); /* x86 keeps stores in their order; the compiler would not */
	v->tgid = tgid;
#endif
}

/* Takes a slot for the current thread. Returns its number, 0 when none is left. */
static __noinline __u32 vcpu_take(struct ks_thread_vcpu *who, __u32 tgid, __u64 start)
{
	struct ks_vcpu *v;
	__u32 slot = 0;

	if (bpf_map_pop_elem(&free_vcpus, &slot) || !(v = vcpu_slot(slot)))
		return 0;
	v->slot = slot;
	v->tid = who->tid;
	v->vcpu_id = who->vcpu_id;
	v->start = start;
	v->since = bpf_ktime_get_ns();
	v->t = v->since;
	v->flags = cfg_filter && vm_of(tgid) == KS_VM_IGNORED ? KS_VCPU_IGNORED : 0;
	v->mode = KS_MODE_NEW;
	slot_publish(v, tgid);
	tid_maybe[who->tid & (KS_TID_BYTES - 1)] = 1;
	return slot;
}

/* Makes a slot the thread's, which had another a moment ago, or none (0). Returns 0. */
int vcpu_claim(__u32 tid, __u32 slot, __u32 old);

/*
 * The slow way to a slot, for the current thread and the vCPU that it is at.
 * key: what the next events will show; vcpu_id: -1 where the event does not tell.
 * Returns 0, with the event counted as lost, when there is no slot left.
 */
static __noinline __u32 vcpu_find(__u64 key, __s32 vcpu_id)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, group_leader, start_boottime);
	__u64 id = bpf_get_current_pid_tgid(), loaded = vcpu_loaded();
	struct ks_thread_vcpu who = {.tid = id, .vcpu_id = vcpu_id};
	__u32 tid = id, tgid = id >> 32;
	__u32 *known, old, slot = 0;
	struct ks_vcpu *v;

	if (!(key >> 63) && loaded) {
		key = loaded;
		who.vcpu_id = vcpu_id = vcpu_id_probed((const void *)key);
	}
	old = thread_slot(tid);
	v = vcpu_slot(old);
	if (old && v && vcpu_is(v, tgid, tid, start) &&
	    (v->vcpu_id == vcpu_id || vcpu_id < 0 || v->vcpu_id < 0 || !v->exits)) {
		slot = old;
		v->vcpu_id = vcpu_id < 0 ? v->vcpu_id : vcpu_id;
	} else {
		known = bpf_map_lookup_elem(&slots, &who);
		if (known) {
			slot = *known;
			v = vcpu_slot(slot);
			if (!v || !vcpu_is(v, tgid, tid, start))
				slot = 0;
		}
		/* a slot that this thread had for another vCPU must not answer to that one's key */
		v = vcpu_slot(old);
		if (old && v)
			v->key = 0;
	}
	if (!slot)
		slot = vcpu_take(&who, tgid, start);
	v = vcpu_slot(slot);
	if (!slot || !v) {
		lose(KS_L_VCPU_SLOTS);
		return 0;
	}
	vcpu_claim(tid, slot, old);
	if (bpf_map_update_elem(&slots, &who, &slot, BPF_ANY))
		lose(KS_L_MAP);
	if (!(v->key >> 63) && key >> 63) { /* a kernel address: the vCPU's */
		v->poll_ns = vcpu_poll_ns((const void *)key);
		v->base_kernel = vcpu_stat_exits((const void *)key) - v->exits;
	}
	v->key = key;
	v->off = KS_ON_CPU; /* it is here, even if a switch was missed */
	tid_maybe[tid & (KS_TID_BYTES - 1)] = 1;
	this_cpu()->slot = slot;
	return slot;
}

/*
 * The slot of the vCPU that the current thread runs; NULL: there is none left, counted.
 * The first form is for programs whose vcpu the verifier knows the type of. check_id: compare
 * the id, too, for a thread may free one vCPU and get the next at the same address. check_tid: and
 * the thread, where nothing has told that another one came (vcpu_leaving()): the address may be
 * another VM's by now.
 */
static __always_inline struct ks_vcpu *vcpu_typed(const struct kvm_vcpu *vcpu, const bool check_id,
						  const bool check_tid)
{
	struct ks_vcpu *v = vcpu_slot(this_cpu()->slot);
	__u32 slot;

	if (v && v->key == (__u64)vcpu && (!check_id || v->vcpu_id == vcpu->vcpu_id) &&
	    (!check_tid || v->tid == (__u32)bpf_get_current_pid_tgid()))
		return v;
	slot = vcpu_find((__u64)vcpu, vcpu->vcpu_id);
	return slot ? vcpu_slot(slot) : NULL;
}

static __always_inline struct ks_vcpu *vcpu_untyped(__u64 vcpu, const bool check_tid)
{
	struct ks_vcpu *v = vcpu_slot(this_cpu()->slot);
	__u32 slot;

	if (v && v->key == vcpu && (!check_tid || v->tid == (__u32)bpf_get_current_pid_tgid()))
		return v;
	slot = vcpu_find(vcpu, vcpu_id_probed((const void *)vcpu));
	return slot ? vcpu_slot(slot) : NULL;
}

/* For events that name the vCPU by number only: the thread stands in for its address. */
static __always_inline struct ks_vcpu *vcpu_numbered(__s32 vcpu_id)
{
	struct ks_vcpu *v = vcpu_slot(this_cpu()->slot);
	__u64 key = (__u32)bpf_get_current_pid_tgid();
	__u32 slot;

	if (v && v->key == key && v->vcpu_id == vcpu_id)
		return v;
	slot = vcpu_find(key, vcpu_id);
	return slot ? vcpu_slot(slot) : NULL;
}

/*
 * For arm64's exits and entries, which name no vCPU: the one that the current thread is at. Its
 * slot may be from an event at which no vCPU was loaded: then its id is still to be found.
 */
static __always_inline struct ks_vcpu *vcpu_of_task(void)
{
	struct ks_vcpu *v = vcpu_slot(this_cpu()->slot);
	__u32 tid = bpf_get_current_pid_tgid();
	__u32 slot;

	if (v && v->tid == tid && (v->key >> 63 || (v->key && !vcpu_loaded())))
		return v;
	slot = vcpu_find(tid, -1);
	return slot ? vcpu_slot(slot) : NULL;
}

/* For events that name no vCPU: the one that the current thread is at. */
static __always_inline struct ks_vcpu *vcpu_current(void)
{
	struct ks_vcpu *v = vcpu_slot(this_cpu()->slot);
	__u32 tid = bpf_get_current_pid_tgid();
	__u32 slot;

	if (v && v->key && v->tid == tid)
		return v;
	slot = thread_slot(tid);
	v = slot ? vcpu_slot(slot) : NULL;
	if (v && v->key && v->tid == tid) {
		this_cpu()->slot = slot;
		return v;
	}
	slot = vcpu_find(tid, -1);
	return slot ? vcpu_slot(slot) : NULL;
}

#endif
