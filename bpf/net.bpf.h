/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Interfaces: which one is it, and does it matter? And what each CPU knows.
 *
 * Most packets of a host are no VM's: each program first asks whether the interface is one that
 * does not matter, and then its CPU's memo what it is. What a CPU has not found out yet is searched
 * in what user space has told.
 */
#ifndef KVMSCOPE_NET_BPF_H
#define KVMSCOPE_NET_BPF_H

#include "subject.bpf.h"

#define ETH_HLEN 14

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
	__type(value, struct ks_net_cpu);
} net_cpus __weak SEC(".maps");

static __always_inline __u32 address_hash(__u64 address, const __u32 bits)
{
	return address_mix(address) >> (32 - bits);
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
	for (int i = 0; i < KS_ROUTES; i++)
		c->route[i].from = 0;
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
 * the same number is another one, of which it has not told yet. Not static: so it is verified once.
 */
__weak __noinline __u32 nic_find(__u64 dev, __s32 ifindex)
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

static __always_inline void nic_describe(struct ks_nic_memo *m, const struct ks_nic *nic)
{
	const __u32 kind = nic->flags & (KS_NIC_VM | KS_NIC_MACVTAP | KS_NIC_KEEPS);

	m->flags = nic->flags;
	m->large = nic->mtu + ETH_HLEN;
	m->tx = nic->tx;
	m->rx = nic->rx;
	m->tally = kind == KS_NIC_VM && nic->tx
			   ? bpf_get_smp_processor_id() * cfg_subjects + nic->tx
			   : 0;
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
	nic_describe(m, nic);
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
	if (!nic_learn(m, address_of(dev), ifindex))
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
	nr = nic_find(address_of(dev), BPF_CORE_READ(dev, ifindex));
	*ret = nic_get(nr);
	return *ret && (*ret)->flags & KS_NIC_MACVTAP ? nr : 0;
}

/* The place where the packet in hand was last; KS_HAND_PLACES or more: nowhere. */
static __always_inline __u32 hand_last(const struct ks_hand *h)
{
	__u32 last = h->n - 1;

	barrier_var(last); /* or clang 19 checks n, and verifiers before v6.2 see no bound */
	return last;
}

#endif
