/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Subjects: from an event that is no vCPU's to where its numbers are kept.
 *
 * A domain's program finds its subject's number once (a hash lookup; a new one takes a number) and
 * carries it along in what it keeps of a request or packet. From then on it is two array lookups:
 * the tally that this CPU has of the subject, and a cell for each value recorded.
 *
 * Single writers: a tally is one CPU's, and a program never runs twice at a time on one CPU. So
 * each counter and each metric must be written by one program only, or by programs of which none
 * can interrupt another.
 */
#ifndef KVMSCOPE_SUBJECT_BPF_H
#define KVMSCOPE_SUBJECT_BPF_H

#include "vm.bpf.h"

/*
 * Golden ratio: addresses of one slab, whose low bits are alike, spread evenly. Their low halves
 * do. The verifier lets nobody multiply a pointer, but half of one is a number to it: the copy has
 * to be one, which the compiler would leave out.
 */
static __always_inline __u32 address_low(__u64 address)
{
	__u32 low;

	asm("%0 = %1" : "=w"(low) : "w"((__u32)address));
	return low;
}

/*
 * An address as a number, for functions that are not static: those are verified once, by
 * themselves, and take numbers only. To the verifier a pointer that was negated is none.
 */
static __always_inline __u64 address_of(const void *p)
{
	__u64 address;

	asm("%0 = -%0\n"
	    "%0 = -%0"
	    : "=r"(address)
	    : "0"(p));
	return address;
}

static __always_inline __u32 address_mix(__u64 address)
{
	return address_low(address) * 0x9e3779b1U;
}

/* tallies of a CPU: subjects there may be, and one for number 0, which is nobody's */
__weak const volatile __u32 cfg_subjects = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_subject_slot);
} subjects __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct ks_subject);
	__type(value, __u32);
} subject_numbers __weak SEC(".maps");

/* Unused numbers. A queue: one that was given back is the last to be taken again. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(__u32));
} free_subjects __weak SEC(".maps");

/* of CPU c and subject s: at c * cfg_subjects + s */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_tally);
} tallies __weak SEC(".maps");

/* The first time that a subject is met. Another CPU may meet it at the same time: one wins. */
static __noinline __u32 subject_take(struct ks_subject *who)
{
	struct ks_subject_slot *slot;
	__u32 number = 0, *known;

	if (bpf_map_pop_elem(&free_subjects, &number))
		return 0;
	slot = bpf_map_lookup_elem(&subjects, &number);
	if (!slot)
		return 0;
	if (bpf_map_update_elem(&subject_numbers, who, &number, BPF_NOEXIST)) {
		bpf_map_push_elem(&free_subjects, &number, BPF_ANY);
		known = bpf_map_lookup_elem(&subject_numbers, who);
		return known ? *known : 0;
	}
	slot->who = *who;
	slot->since =
		bpf_ktime_get_ns(); /* last: user space takes one with a time for one in use */
	return number;
}

/* A subject's number. 0: there is none left, and the event counts as lost. */
static __always_inline __u32 subject_number(struct ks_subject *who)
{
	__u32 *known = bpf_map_lookup_elem(&subject_numbers, who), number;

	if (known)
		return *known;
	number = subject_take(who);
	if (!number)
		lose(KS_L_SUBJECTS);
	return number;
}

/* This CPU's tally of a subject; NULL: there is no such number. */
static __always_inline struct ks_tally *tally_here(__u32 subject)
{
	__u32 at = bpf_get_smp_processor_id() * cfg_subjects + subject;

	return subject ? bpf_map_lookup_elem(&tallies, &at) : NULL;
}

/* The number of a tally's cell; 0: there is none left. metric: a constant from KS_M_NET_HOP on. */
static __always_inline __u32 tally_cell(struct ks_tally *t, __u32 subject, const __u32 metric)
{
	__u32 *n = &t->cell[KS_TALLY_CELL(metric)];

	if (!*n)
		*n = cell_new(subject, metric, 0);
	return *n;
}

#endif
