/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets: which interface is it, and what is known of a packet under way.
 *
 * From a tap to the NIC a packet mostly stays one struct sk_buff, and one CPU does it all in one
 * go: so each CPU remembers the packet that it has received last (its "hand"), by address and, for
 * the copies of a flood, by skb->head, which these share. From a queue on, a packet may go on
 * anywhere and at any time, and is in the table of flights.
 *
 * An address comes back as soon as its packet is freed. skb->skb_iif tells old from new: the stack
 * sets it to the interface that has received the packet last, and a packet that
 * is new (or has changed its namespace: skb_scrub_packet()) has 0.
 *
 * Most packets of a host are no VM's: each program first asks whether the interface is one that
 * does not matter, and then its CPU's memo what it is. What a CPU has not found out yet is searched
 * in what user space has told.
 */
#ifndef KVMSCOPE_NET_BPF_H
#define KVMSCOPE_NET_BPF_H

#include "subject.bpf.h"

#define ETH_HLEN 14

/* one packet in so many is followed: the clock is read for it */
__weak const volatile __u32 cfg_net_sample = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_nic);
} nics __weak SEC(".maps");

/*
 * Number of the first interface of a chain, by ifindex modulo their number. Both arrays are defined
 * in net.bpf.c, once: see vm.bpf.h.
 */
extern __u16 nic_places[KS_NIC_PLACES];

/*
 * Addresses of interfaces that do not matter, by their hash. Most packets of a host are no VM's,
 * and end here. User space empties it whenever it has told of one more.
 */
extern __u64 nic_others[1 << KS_NIC_OTHERS_SHIFT];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_flights);
} flights __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_net_cpu);
} net_cpus __weak SEC(".maps");

/*
 * Golden ratio: addresses of one slab, whose low bits are alike, spread evenly. Their low halves
 * do. The verifier lets nobody multiply a pointer, but half of one is a number to it: the copy has
 * to be one, which the compiler would leave out.
 */
static __always_inline __u32 address_hash(__u64 address, const __u32 bits)
{
	__u32 low;

	asm volatile("%0 = %1" : "=w"(low) : "w"((__u32)address));
	return low * 0x9e3779b1U >> (32 - bits);
}

/* --- what this CPU knows */

static __noinline void memos_clear(struct ks_net_cpu *c)
{
	c->stale = 0; /* first: what user space changes from now on makes it stale again */
	c->tallies = bpf_get_smp_processor_id() * cfg_subjects;
	for (int i = 0; i < 2 << KS_NIC_MEMOS_SHIFT; i++)
		c->nic[i].dev = 0;
	for (int i = 0; i < KS_WAY_MEMOS; i++)
		c->way[i].key = 0;
}

/* Without a look at the memos. NULL: never, but the verifier does not know. */
static __always_inline struct ks_net_cpu *cpu_any(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&net_cpus, &cpu);
}

/* Only where bottom halves are off: a CPU's memos have one writer. */
static __always_inline struct ks_net_cpu *cpu_here(void)
{
	struct ks_net_cpu *c = cpu_any();

	if (c && c->stale)
		memos_clear(c);
	return c;
}

/* This CPU's tally of a subject. */
static __always_inline struct ks_tally *tally_on(const struct ks_net_cpu *c, __u32 subject)
{
	__u32 at = c->tallies + subject;

	return subject ? bpf_map_lookup_elem(&tallies, &at) : NULL;
}

/* --- interfaces */

static __always_inline struct ks_nic *nic_get(__u32 number)
{
	return number ? bpf_map_lookup_elem(&nics, &number) : NULL;
}

/*
 * The number of an interface; 0: user space has not told of it. A device at another address under
 * the same number is another one, of which it has not told yet.
 */
static __noinline __u32 nic_find(__u64 dev, __s32 ifindex)
{
	__u32 n = nic_places[ifindex & (KS_NIC_PLACES - 1)];
	struct ks_nic *nic;

	for (int i = 0; i < 8; i++) {
		nic = nic_get(n);
		if (!nic)
			return 0;
		if (nic->dev == dev)
			return n;
		if (nic->ifindex == ifindex &&
		    nic->netns ==
			    BPF_CORE_READ((const struct net_device *)dev, nd_net.net, ns.inum)) {
			if (nic->dev)
				return 0;
			nic->dev = dev;
			return n;
		}
		n = nic->next;
	}
	return 0;
}

/* m: the two at its hash, of which the first is the newer. */
static __noinline bool nic_learn(struct ks_nic_memo *m, __u64 dev, __s32 ifindex)
{
	__u32 nr = nic_find(dev, ifindex);
	const struct ks_nic *nic = nic_get(nr);

	if (!nic || !nic->flags) {
		nic_others[address_hash(dev, KS_NIC_OTHERS_SHIFT)] = dev;
		return false;
	}
	m[1] = m[0];
	m->ifindex = ifindex;
	m->nr = nr;
	m->flags = nic->flags;
	m->large = nic->mtu + ETH_HLEN;
	m->simple = nic->flags & (KS_NIC_VM | KS_NIC_BRIDGE) ? 0 : m->large;
	m->tx = nic->tx;
	m->rx = nic->rx;
	m->from = 0;
	m->dev = dev;
	return true;
}

/* The program's first question. */
static __always_inline bool nic_is_other(const struct net_device *dev)
{
	return nic_others[address_hash((__u64)dev, KS_NIC_OTHERS_SHIFT)] == (__u64)dev;
}

/* NULL: it does not matter. */
static __always_inline struct ks_nic_memo *nic_of(struct ks_net_cpu *c,
						  const struct net_device *dev)
{
	struct ks_nic_memo *m = &c->nic[2 * address_hash((__u64)dev, KS_NIC_MEMOS_SHIFT)];
	__s32 ifindex = dev->ifindex;

	if (m->dev == (__u64)dev && m->ifindex == ifindex)
		return m;
	if (m[1].dev == (__u64)dev && m[1].ifindex == ifindex)
		return m + 1;
	if (!nic_learn(m, (__u64)dev, ifindex))
		return NULL;
	return m;
}

/*
 * What each program begins with: what its packet's interface is, and what this CPU knows. NULL: it
 * does not matter.
 */
static __always_inline struct ks_nic_memo *nic_here(const struct net_device *dev,
						    struct ks_net_cpu **ret)
{
	struct ks_net_cpu *c;

	if (nic_is_other(dev))
		return NULL;
	c = cpu_here();
	if (!c)
		return NULL;
	*ret = c;
	return nic_of(c, dev);
}

static __always_inline bool nic_matters(__s32 ifindex)
{
	return nic_places[ifindex & (KS_NIC_PLACES - 1)];
}

/* The number of a macvtap that a packet's dev may be, or 0. */
static __always_inline __u32 macvtap_of(const struct net_device *dev, struct ks_nic **ret)
{
	__u32 nr;

	/* no kernel address: sockets keep something else there, as in udp_skb_scratch() */
	if ((__u64)dev >> 56 != 0xff)
		return 0;
	nr = nic_find((__u64)dev, BPF_CORE_READ(dev, ifindex));
	*ret = nic_get(nr);
	return *ret && (*ret)->flags & KS_NIC_MACVTAP ? nr : 0;
}

/* --- packets under way */

static __always_inline struct ks_flights *flights_of(__u64 skb)
{
	__u32 set = address_hash(skb, KS_FLIGHT_SETS_SHIFT);

	return bpf_map_lookup_elem(&flights, &set);
}

static __always_inline struct ks_flight *flight_among(struct ks_flights *set, __u64 skb)
{
	if (set->way[0].skb == skb)
		return &set->way[0];
	if (set->way[1].skb == skb)
		return &set->way[1];
	if (set->way[2].skb == skb)
		return &set->way[2];
	if (set->way[3].skb == skb)
		return &set->way[3];
	return NULL;
}

static __always_inline bool flight_is_among(const struct ks_flights *set, __u64 skb)
{
	return set->way[0].skb == skb || set->way[1].skb == skb || set->way[2].skb == skb ||
	       set->way[3].skb == skb;
}

static __always_inline struct ks_flight *flight_find(__u64 skb)
{
	struct ks_flights *set = flights_of(skb);

	return set ? flight_among(set, skb) : NULL;
}

/* A place for a packet that has none: an unused one, or that of the one that is best given up. */
static __noinline struct ks_flight *flight_evict(struct ks_flights *set)
{
	struct ks_flight *f, *victim = &set->way[0];

	for (int i = 0; i < KS_FLIGHT_WAYS; i++) {
		f = &set->way[i];
		if (!f->skb)
			return f;
		if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE ||
		    (KS_FLIGHT_STAGE(victim) != KS_NET_MAYBE && f->t < victim->t))
			victim = f;
	}
	if (KS_FLIGHT_STAGE(victim) == KS_NET_QUEUED || KS_FLIGHT_STAGE(victim) == KS_NET_RING)
		lose(KS_L_FLIGHTS);
	return victim;
}

static __always_inline __u32 flight_iif(const struct sk_buff *skb, const __u32 stage)
{
	return (skb->skb_iif & 0xffffff) | stage << 24;
}

/* f: its place, or NULL. */
static __always_inline void flight_put(struct ks_flights *set, struct ks_flight *f,
				       const struct sk_buff *skb, const __u32 stage, __u32 nic,
				       __u64 t, __u32 tx, __u32 tap, __u32 rx)
{
	if (!f) {
		f = set->way[0].skb ? flight_evict(set) : &set->way[0];
		if (!f)
			return;
	}
	f->skb = 0;
	f->t = t;
	f->tx = tx;
	f->rx = rx;
	f->nic = nic;
	f->tap = tap;
	f->iif = flight_iif(skb, stage);
	f->skb = (__u64)skb;
}

/* --- the clock */

/* The clock, for a packet whose way begins; 0: it is not followed. */
static __always_inline __u64 clock_first(struct ks_hand *hand)
{
	if (cfg_net_sample > 1) {
		if (hand->skipped) {
			hand->skipped--;
			return 0;
		}
		hand->skipped = cfg_net_sample - 1;
	}
	return bpf_ktime_get_ns();
}

/* The same for one that has come from somewhere. */
static __always_inline __u64 clock_next(__u64 before)
{
	if (cfg_net_sample > 1 && !before)
		return 0;
	return bpf_ktime_get_ns();
}

#endif
