/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets: which interface is it, what is known of a packet under way, and its way's number.
 *
 * From a tap to the NIC a packet mostly stays one struct sk_buff, and one CPU does it all in one
 * go: so each CPU remembers the packet that it has received last (its "hand"), by address and, for
 * the copies of a flood, by skb->head, which these share. From a queue on, a packet may go on
 * anywhere and at any time, and is in the table of flights.
 *
 * An address comes back as soon as its packet is freed. skb->skb_iif tells old from new: the stack
 * sets it to the interface that has received the packet last, and a packet that
 * is new (or has changed its namespace: skb_scrub_packet()) has 0.
 */
#ifndef KVMSCOPE_NET_BPF_H
#define KVMSCOPE_NET_BPF_H

#include "subject.bpf.h"

/* one packet in so many is followed: the clock is read for it */
__weak const volatile __u32 cfg_net_sample = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_nic);
} nics __weak SEC(".maps");

/* number of the first interface of a chain, by ifindex */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u16);
} nic_places __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_flights);
} flights __weak SEC(".maps");

__weak struct ks_hand hands[KS_MAX_CPUS] __attribute__((aligned(64)));

static __always_inline struct ks_hand *hand_here(void)
{
	return &hands[bpf_get_smp_processor_id() & (KS_MAX_CPUS - 1)];
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
static __always_inline __u32 nic_find(const struct net_device *dev, __s32 ifindex, __u32 netns,
				      const bool typed, struct ks_nic **ret)
{
	__u32 place = ifindex & (KS_NIC_PLACES - 1), n;
	__u16 *first = bpf_map_lookup_elem(&nic_places, &place);
	struct ks_nic *nic;

	if (!first || !*first)
		return 0;
	n = *first;
	for (int i = 0; i < 8; i++) {
		nic = nic_get(n);
		if (!nic)
			return 0;
		if (nic->dev == (__u64)dev)
			break;
		if (nic->ifindex == ifindex &&
		    nic->netns == (typed ? dev->nd_net.net->ns.inum : netns)) {
			if (nic->dev)
				return 0;
			nic->dev = (__u64)dev;
			break;
		}
		n = nic->next;
	}
	*ret = nic;
	return nic->dev == (__u64)dev ? n : 0;
}

static __always_inline __u32 nic_of(const struct net_device *dev, struct ks_nic **ret)
{
	return nic_find(dev, dev->ifindex, 0, true, ret);
}

/* The same for a pointer that the verifier knows no type of. */
static __always_inline __u32 nic_of_untyped(const struct net_device *dev, struct ks_nic **ret)
{
	return nic_find(dev, BPF_CORE_READ(dev, ifindex), BPF_CORE_READ(dev, nd_net.net, ns.inum),
			false, ret);
}

/* The number of a macvtap that a packet's dev may be, or 0. */
static __always_inline __u32 macvtap_of(const struct net_device *dev, struct ks_nic **ret)
{
	__u32 nr;

	/* no kernel address: sockets keep something else there, as in udp_skb_scratch() */
	if ((__u64)dev >> 56 != 0xff)
		return 0;
	nr = nic_of_untyped(dev, ret);
	return nr && *ret && (*ret)->flags & KS_NIC_MACVTAP ? nr : 0;
}

/* --- packets under way */

/*
 * The verifier lets nobody calculate with the address of what it knows the type of; but the
 * distance between two addresses is a number.
 */
static __always_inline __u64 flight_key(const void *skb)
{
	__u64 key = (__u64)skb - (__u64)hands;

	barrier_var(key);
	return key;
}

static __always_inline struct ks_flights *flights_at(__u64 key)
{
	/* the low bits of a slab's addresses are alike */
	__u32 set = (key * 0x9e3779b97f4a7c15ULL) >> 40 & (KS_FLIGHT_SETS - 1);

	return bpf_map_lookup_elem(&flights, &set);
}

static __always_inline struct ks_flight *flight_among(struct ks_flights *set, const void *skb)
{
	if (!set)
		return NULL;
	if (set->way[0].skb == (__u64)skb)
		return &set->way[0];
	if (set->way[1].skb == (__u64)skb)
		return &set->way[1];
	if (set->way[2].skb == (__u64)skb)
		return &set->way[2];
	if (set->way[3].skb == (__u64)skb)
		return &set->way[3];
	return NULL;
}

static __always_inline struct ks_flight *flight_find(const void *skb)
{
	return flight_among(flights_at(flight_key(skb)), skb);
}

/* A place for a packet: its own, an unused one, or that of the one that is best given up. */
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

static __always_inline void flight_put(const void *skb, struct ks_flight *f,
				       const struct ks_flight *value)
{
	struct ks_flights *set;

	if (!f) {
		set = flights_at(flight_key(skb));
		if (!set)
			return;
		f = set->way[0].skb ? flight_evict(set) : &set->way[0];
		if (!f)
			return;
	}
	f->skb = 0;
	f->t = value->t;
	f->tx = value->tx;
	f->rx = value->rx;
	f->nic = value->nic;
	f->tap = value->tap;
	f->iif = value->iif;
	f->skb = (__u64)skb;
}

static __always_inline __u32 flight_iif(const struct sk_buff *skb, const __u32 stage)
{
	return (skb->skb_iif & 0xffffff) | stage << 24;
}

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
