/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ways: where a packet in hand has been, and the subject that stands for its way so far.
 *
 * From a tap to the NIC a packet mostly stays one struct sk_buff, and one CPU does it all in one
 * go: so each CPU remembers the packet that it has received last (its "hand"), by address and, for
 * the copies of a flood, by skb->head, which these share.
 *
 * A way is known by the way before and the interface that the packet has come to; each CPU, and
 * each interface of a VM, remembers those that were taken last, so that no look-up is needed for
 * most packets.
 */
#ifndef KVMSCOPE_NET_WAY_BPF_H
#define KVMSCOPE_NET_WAY_BPF_H

#include "net_flight.bpf.h"

/* --- the packet in hand */

static __always_inline void hand_take(struct ks_hand *h, const struct sk_buff *skb, __u32 nic,
				      __u64 now)
{
	h->skb = (__u64)skb;
	h->head = (__u64)skb->head;
	h->fresh = 0;
	h->tx = 0;
	h->tap = 0;
	h->n = 1;
	h->sent = 0;
	h->t[0] = now;
	h->nic[0] = nic;
}

/* The packet in hand is at one place more. What is one too many takes the place of the last. */
static __always_inline void hand_moves(struct ks_hand *h, __u32 nic, __u64 now)
{
	__u32 at = h->n < KS_HAND_PLACES ? h->n : KS_HAND_PLACES - 1;

	barrier_var(at);
	if (at >= KS_HAND_PLACES) /* never: for the verifier */
		return;
	h->t[at] = now;
	h->nic[at] = nic;
	h->n = at + 1;
}

/* A new packet at its address has been received by nobody, or by an interface that we pass over. */
static __always_inline bool hand_has(const struct ks_hand *h, const struct sk_buff *skb)
{
	return h->n && skb->skb_iif && (h->skb == (__u64)skb || h->head == (__u64)skb->head) &&
	       nic_matters(skb->skb_iif);
}

/* Of a packet in hand: has it, or a copy of it, gone on already from where it is? */
static __always_inline bool hand_is_copy(const struct ks_hand *h)
{
	return h->sent && !h->fresh;
}

/* When it came there. */
static __always_inline __u64 hand_since(const struct ks_hand *h)
{
	__u32 last = hand_last(h);

	return last < KS_HAND_PLACES ? h->t[last] : 0;
}

/* --- ways */

static __noinline __u32 way_find(struct ks_nic *tap, __u32 tap_nr, __u32 dir, __u32 parent,
				 __u32 nic)
{
	struct ks_subject who = {
		.object = KS_NET_OBJECT(parent, nic, KS_NET_WAY, 0),
		.part = tap_nr << 1 | (dir & 1),
		.vm = tap->vm,
		.domain = KS_D_NET,
	};
	__u32 *known = bpf_map_lookup_elem(&subject_numbers, &who), number;

	if (known) {
		number = *known;
	} else {
		if (tap->ways[dir & 1] >= KS_WAYS_MAX)
			who.object = KS_NET_OBJECT(parent, KS_NIC_OTHER, KS_NET_WAY, 0);
		else
			tap->ways[dir & 1]++;
		number = subject_number(&who);
	}
	if (number)
		tap->way[dir & 1][nic & 7] =
			(__u64)parent << 40 | (__u64)(nic & 0xffff) << 24 | (number & 0xffffff);
	return number;
}

/* The way that leads from parent to an interface; 0: none. tap: its number, direction << 16. */
static __noinline __u32 way_known(__u32 tap, __u32 parent, __u32 nic)
{
	struct ks_nic *k = nic_get(tap & 0xffff);
	__u32 dir = tap >> 16 & 1;
	__u64 last;

	if (!k)
		return 0;
	last = k->way[dir][nic & 7];
	if (last >> 24 == ((__u64)parent << 16 | nic))
		return last & 0xffffff;
	return way_find(k, tap & 0xffff, dir, parent, nic);
}

/*
 * The same by this CPU's memos. Their key has no direction: what a guest sent comes from a subject
 * always, what it is sent has the direction in the subject before, or none.
 */
static __always_inline __u32 way_to(struct ks_net_cpu *c, __u32 tap, __u32 parent, __u32 nic)
{
	struct ks_way_memo *m = &c->way[(parent ^ tap ^ nic) & (KS_WAY_MEMOS - 1)];
	__u64 key = (__u64)parent << 32 | (tap & 0xffff) << 16 | nic;

	if (m->key != key) {
		m->way = way_known(tap, parent, nic);
		m->key = m->way ? key : 0;
	}
	return m->way;
}

/* All that a guest sent, or was sent, by one interface. */
static __noinline __u32 nic_all(struct ks_nic_memo *m, __u32 dir)
{
	struct ks_subject who = {
		.object = KS_NET_OBJECT(0, 0, KS_NET_ALL, 0),
		.part = (__u32)m->nr << 1 | (dir & 1),
		.domain = KS_D_NET,
	};
	struct ks_nic *nic = nic_get(m->nr);
	__u32 number;

	if (!nic)
		return 0;
	who.vm = nic->vm;
	number = subject_number(&who);
	if (dir)
		nic->rx = number;
	else
		nic->tx = number;
	nic_describe(m, nic);
	return number;
}

/*
 * The next two are global functions: the verifier goes through them once, and not once for each way
 * that leads to them. A value that is recorded alone is eight such, by its bucket's octave.
 */
#define NOT_TIMED (~0ULL)

static __always_inline __u64 time_between(__u64 since, __u64 now)
{
	return since && now ? now - since : NOT_TIMED;
}

/* A value of a subject that a packet counts to. metric: from KS_M_NET_HOP on. */
static __always_inline void tally_record(struct ks_tally *t, __u32 subject, __u32 metric, __u64 ns)
{
	__u32 which = metric - KS_M_NET_HOP, *n;
	struct ks_cell *cell;

	barrier_var(which); /* or the verifier sees no bound */
	if (which > KS_M_NET_RING_WAIT - KS_M_NET_HOP || ns == NOT_TIMED)
		return;
	n = &t->cell[KS_TALLY_CELL(KS_M_NET_HOP) + which];
	if (!*n)
		*n = cell_new(subject, metric, 0);
	cell = cell_get(*n);
	if (cell)
		record(cell, ns);
}

__weak __noinline int net_record(__u32 subject, __u32 metric, __u64 ns)
{
	struct ks_tally *t = tally_here(subject);

	if (t)
		tally_record(t, subject, metric, ns);
	return 0;
}

/*
 * One hop more of a packet: it is at this interface now. Returns its way. tap: as for way_to(), and
 * HOP_OF_COPY. ns: since it was where it was before, or NOT_TIMED.
 */
#define HOP_OF_COPY (1 << 17)

__weak __noinline __u32 net_hop(__u32 tap, __u32 parent, __u32 nic, __u32 len, __u64 ns)
{
	struct ks_net_cpu *c = cpu_any();
	struct ks_tally *t;
	__u32 way;

	if (!c)
		return 0;
	way = way_to(c, tap & 0x1ffff, parent, nic);
	t = tally_on(c, way);
	if (!t)
		return 0;
	t->n[KS_TALLY(KS_C_NET_PACKETS)]++;
	t->n[KS_TALLY(KS_C_NET_BYTES)] += len;
	if (tap & HOP_OF_COPY)
		t->n[KS_TALLY(KS_C_NET_COPIES)]++;
	tally_record(t, way, KS_M_NET_HOP, ns);
	return way;
}

#endif
