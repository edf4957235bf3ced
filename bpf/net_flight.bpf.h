/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets in flight, by the address of their struct sk_buff; and the clock for those that are
 * followed. From a queue on, a packet may go on anywhere and at any time: what is known of it is
 * here.
 *
 * An address comes back as soon as its packet is freed. skb->skb_iif tells old from new: the stack
 * sets it to the interface that has received the packet last, and a packet that
 * is new (or has changed its namespace: skb_scrub_packet()) has 0.
 */
#ifndef KVMSCOPE_NET_FLIGHT_BPF_H
#define KVMSCOPE_NET_FLIGHT_BPF_H

#include "net.bpf.h"

/* one packet in so many is followed: the clock is read for it */
__weak const volatile __u32 cfg_net_sample = 1;

/* net_dev_xmit is traced, too */
__weak const volatile bool cfg_net_driver = false;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_flights);
} flights __weak SEC(".maps");

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

/*
 * The same, where bottom halves are off. The number goes through memory, for there the verifier
 * forgets which it is: one state goes on instead of four.
 */
static __always_inline struct ks_flight *flight_here(struct ks_net_cpu *c, struct ks_flights *set,
						     __u64 skb)
{
	if (set->way[0].skb == skb)
		*(volatile __u32 *)&c->found = 0;
	else if (set->way[1].skb == skb)
		*(volatile __u32 *)&c->found = 1;
	else if (set->way[2].skb == skb)
		*(volatile __u32 *)&c->found = 2;
	else if (set->way[3].skb == skb)
		*(volatile __u32 *)&c->found = 3;
	else
		return NULL;
	return &set->way[*(volatile __u32 *)&c->found & (KS_FLIGHT_WAYS - 1)];
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

	set->more = 1;
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
	f->cell = skb->len;
	f->key = KS_FLIGHT_NO_KEY;
	f->skb = (__u64)skb;
}

/* The same for one of which there is a picture. f: unused, and so nobody else's. */
static __always_inline void flight_like(struct ks_flight *f, const struct ks_flight *like,
					const struct sk_buff *skb, __u64 t)
{
	*(__u64 *)&f->tx = *(const __u64 *)&like->tx;
	*(__u64 *)&f->nic = *(const __u64 *)&like->nic;
	*(__u64 *)&f->cell = *(const __u64 *)&like->cell;
	f->t = t;
	*(volatile __u64 *)&f->skb = (__u64)skb;
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
