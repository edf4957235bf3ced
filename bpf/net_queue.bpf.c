/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets that come to an interface's queue, and from where. See net.bpf.c.
 */
#include "vmlinux.h"
#include "net_sent.bpf.h"

/* What a guest is sent has come to its tap. Records the hops before. Returns its way. */
static __noinline __u32 guest_queued(struct ks_net_cpu *c, __u32 tap, __u32 places, __u32 len,
				     __u64 now)
{
	const struct ks_hand *h = &c->hand;
	__u64 since = 0;
	__u32 way = 0;

	for (__u32 i = 0; i < KS_HAND_PLACES; i++) {
		if (i >= places)
			break;
		way = hop(c, tap, KS_NET_RX, way, h->nic[i], len, since, h->t[i], false);
		since = h->t[i];
	}
	return hop(c, tap, KS_NET_RX, way, tap, len, since, now, false);
}

/* The same for what the host has sent by a bridge. */
static __noinline __u32 own_queued(struct ks_net_cpu *c, __u32 tap, __u32 len, __u64 now)
{
	const struct ks_hand *h = &c->hand;
	__u32 way = hop(c, tap, KS_NET_RX, 0, h->own_nic, len, 0, 0, false);

	return hop(c, tap, KS_NET_RX, way, tap, len, h->own_t, now, false);
}

/* Is what is in flight the same packet, or a new one at the same address? */
static __always_inline bool flight_is(const struct ks_flight *f, const struct sk_buff *skb,
				      __u32 nr)
{
	const struct ks_nic *nic, *from;

	if (KS_FLIGHT_IIF(f) != (skb->skb_iif & 0xffffff) && KS_FLIGHT_STAGE(f) != KS_NET_MAYBE)
		return false;
	if (skb->skb_iif)
		return true;
	if (KS_FLIGHT_STAGE(f) != KS_NET_PASSED)
		return false;
	nic = nic_get(nr);
	from = nic_get(f->nic);
	return (nic && nic->master == f->nic) || (from && from->lower == nr);
}

/* Did the host itself send it, to the bridge that this interface is a port of? */
static __always_inline bool is_own(const struct ks_hand *h, const struct sk_buff *skb, __u32 nr)
{
	const struct ks_nic *nic;

	if (h->own != (__u64)skb && h->own_head != (__u64)skb->head)
		return false;
	nic = nic_get(nr);
	return nic && nic->master == h->own_nic;
}

/* Of what the host itself sends by a bridge: a DHCP reply, which its taps will see, or will not. */
static __noinline void look_at_own(struct ks_nic_memo *m, const struct sk_buff *skb)
{
	struct ks_nic *bridge = nic_get(m->nr);
	const void *head = BPF_CORE_READ(skb, head);
	struct ks_tally *t;

	if (!bridge || !bridge->asked_dhcp || skb->protocol != ETH_P_IP_BE ||
	    udp_ports(head + BPF_CORE_READ(skb, network_header)) !=
		    (PORT_BOOTPC << 16 | PORT_BOOTPS))
		return;
	t = tally_here(m->rx ?: nic_all(m, KS_NET_RX));
	if (t)
		t->n[KS_C_NET_DHCP_REPLIES]++;
	bridge->asked_dhcp = 0;
}

/* All that is not simply a guest's, on its way to a NIC. */
static __noinline void queued(struct ks_net_cpu *c, struct ks_nic_memo *nic,
			      const struct sk_buff *skb, struct ks_flights *set)
{
	__u32 nr = nic->nr, flags = nic->flags, iif = skb->skb_iif, tx = 0, rx = 0, tap = 0;
	bool held, own = false, copy = false;
	struct ks_flight *place = flight_among(set, (__u64)skb), *f = place;
	struct ks_hand *h = &c->hand;
	__u64 since = 0, now;

	if (f && !flight_is(f, skb, nr))
		f = NULL;
	held = hand_has(h, skb);
	if (f) {
		tx = f->tx;
		tap = f->tap;
		since = f->t;
		if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE && !held) {
			hand_take(h, skb, f->nic, since);
			h->tx = tx;
			h->tap = tap;
			held = true;
		}
	} else if (held) {
		tx = h->tx;
		tap = h->tap;
		since = hand_since(h);
		copy = h->sent;
	} else if (!iif) {
		own = is_own(h, skb, nr);
	}
	if (flags & KS_NIC_MACVTAP && !f && !held) {
		tx = guest_sent(c, nic, skb, skb->len, address_type(skb->data),
				skb->data + ETH_HLEN);
		tap = nr;
		now = clock_first(h);
	} else if (flags & KS_NIC_BRIDGE && !f && !held) {
		now = clock_first(h);
		if (iif) { /* through the host, from where we do not look */
			hand_take(h, skb, nr, now);
			return;
		}
		h->own = (__u64)skb;
		h->own_head = (__u64)skb->head;
		h->own_t = now;
		h->own_nic = nr;
		look_at_own(nic, skb);
		return;
	} else if (tx || held || flags & KS_NIC_VM) {
		if (!tx && !(flags & (KS_NIC_VM | KS_NIC_BRIDGE))) {
			if (f)
				f->skb = 0; /* through the host, and no VM's */
			return;
		}
		now = held || f ? clock_next(since) : own ? clock_next(h->own_t) : clock_first(h);
		if (tx)
			tx = hop(c, tap, KS_NET_TX, tx, nr, skb->len, since, now, copy);
		if ((flags & (KS_NIC_VM | KS_NIC_MACVTAP)) == KS_NIC_VM) {
			if (own)
				rx = own_queued(c, nr, skb->len, now);
			else
				rx = guest_queued(c, nr, held ? h->n : 0, skb->len, now);
		}
		if (held && flags & KS_NIC_BRIDGE) {
			h->skb = (__u64)skb;
			h->head = (__u64)skb->head;
			hand_moves(h, nr, now);
		}
		if (held) {
			h->sent = 1;
			h->fresh = 0;
		}
	} else {
		return;
	}
	if (skb->len > nic->large) {
		h->large = (__u64)skb;
		h->large_nic = nr;
	}
	if (tx || rx)
		flight_put(set, place, skb, KS_NET_QUEUED, nr, now, tx, tap, rx);
	else if (f)
		f->skb = 0;
}

SEC("tp_btf/net_dev_queue")
int net__net_dev_queue_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct ks_nic_memo *nic;
	struct ks_net_cpu *c;
	struct ks_flights *set;
	struct ks_tally *t;
	struct ks_hand *h;
	__u64 since, now;
	__u32 way;

	nic = nic_here(skb->dev, &c);
	if (!nic)
		return 0;
	set = flights_of((__u64)skb);
	if (!set)
		return 0;
	h = &c->hand;
	if (h->fresh != (__u64)skb || h->iif != skb->skb_iif || skb->len > nic->simple ||
	    flight_is_among(set, (__u64)skb)) {
		queued(c, nic, skb, set);
		return 0;
	}
	h->fresh = 0;
	h->sent = 1;
	way = nic->way;
	if (nic->from != h->tx) {
		way = way_to(c, h->tap, KS_NET_TX, h->tx, nic->nr);
		nic->way = way;
		nic->from = way ? h->tx : 0;
	}
	t = tally_on(c, way);
	if (!t)
		return 0;
	since = h->t[0];
	now = clock_next(since);
	flight_put(set, NULL, skb, KS_NET_QUEUED, nic->nr, now, way, h->tap, 0);
	count_hop(t, way, skb->len, since, now);
	return 0;
}
