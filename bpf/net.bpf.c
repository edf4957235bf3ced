/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets of VMs, from hop to hop.
 *
 *   netif_receive_skb         a guest has sent it by a tap, or somebody has sent us one: here
 *   net_dev_queue             it has come to an interface's queue: in between was a bridge, or the
 *                             host's protocols (net_queue.bpf.c)
 *   net_dev_start_xmit        the queue has let it go to the driver; a tap's puts it into its ring
 *   skb_copy_datagram_iovec   QEMU or vhost takes it from there (net_leave.bpf.c)
 *   kfree_skb                 it dies (net_drops.bpf.c)
 *
 * The first three run with bottom halves off, so that none of them interrupts another.
 */
#include "vmlinux.h"
#include "net_sent.bpf.h"

__u16 nic_places[KS_NIC_PLACES];
__u64 nic_others[1 << KS_NIC_OTHERS_SHIFT];

/* A NIC's packet has come up to the stack: as many should as it has counted. */
static __always_inline void count_seen(struct ks_net_cpu *c, struct ks_nic_memo *nic,
				       const struct sk_buff *skb)
{
	struct ks_tally *t = tally_on(c, nic->rx ?: nic_all(nic, KS_NET_RX));

	if (t) {
		t->n[KS_TALLY(KS_C_NET_PACKETS)]++;
		t->n[KS_TALLY(KS_C_NET_SEGMENTS)] +=
			skb->len + ETH_HLEN > nic->large ? gso_segments(skb) : 1;
	}
}

/* It may be some time until it goes on. */
static __always_inline void keep(const struct sk_buff *skb, const __u32 stage, __u32 nr, __u64 now,
				 __u32 tx, __u32 tap, __u32 rx)
{
	struct ks_flights *set = flights_of((__u64)skb);

	if (set)
		flight_put(set, flight_among(set, (__u64)skb), skb, stage, nr, now, tx, tap, rx);
}

/* The packet in hand has been handed up from a bridge to the host. */
static __always_inline void handed_up(struct ks_net_cpu *c, const struct sk_buff *skb, __u32 nr,
				      __u32 flags)
{
	struct ks_hand *h = &c->hand;
	__u64 since = hand_since(h), now = clock_next(since);

	if (h->tx)
		h->tx = net_hop(h->tap | (hand_is_copy(h) ? HOP_OF_COPY : 0), h->tx, nr,
				skb->len + ETH_HLEN, time_between(since, now));
	h->skb = (__u64)skb;
	h->fresh = 0;
	h->sent = 0;
	hand_moves(h, nr, now);
	if (flags & KS_NIC_KEEPS) /* until the next host's address is known, say */
		keep(skb, KS_NET_MAYBE, nr, now, h->tx, h->tap, 0);
}

/* What one end of a veth has received, the other may have transmitted: it goes on with its way. */
static __noinline void veth_received(struct ks_net_cpu *c, __u64 skb, __u32 nr, __u32 len)
{
	struct ks_flight *f = flight_find(skb);
	struct ks_nic *nic = nic_get(nr);
	struct ks_hand *h = &c->hand;

	if (!f || !nic || KS_FLIGHT_STAGE(f) != KS_NET_PASSED || f->nic != nic->lower)
		return;
	if (f->tx) {
		h->tx = net_hop(f->tap, f->tx, nr, len, time_between(f->t, h->t[0]));
		h->tap = f->tap;
	}
	f->skb = 0;
}

/* All that is not simply new, and from a tap. */
static __noinline void received(struct ks_net_cpu *c, struct ks_nic_memo *nic,
				const struct sk_buff *skb)
{
	struct ks_hand *h = &c->hand;
	__u32 flags = nic->flags;
	const struct ks_nic *below;
	__u64 now;

	if (!(flags & (KS_NIC_VM | KS_NIC_FEEDS))) {
		h->n = 0;
		h->fresh = 0;
		return;
	}
	if (flags & KS_NIC_COUNTS)
		count_seen(c, nic, skb);
	if (hand_has(h, skb)) {
		handed_up(c, skb, nic->nr, flags);
		return;
	}
	now = clock_first(h);
	hand_take(h, skb, nic->nr, now);
	if (flags & KS_NIC_MACVTAP) { /* broadcasts come to a macvtap like this */
		below = nic_get(nic->nr);
		keep(skb, KS_NET_MAYBE, below && below->lower ? below->lower : nic->nr, now, 0, 0,
		     0);
		return;
	}
	if (flags & KS_NIC_VM) {
		h->tx = guest_sent(c, nic, skb, skb->len + ETH_HLEN, packet_type(skb), skb->data);
		h->tap = nic->nr;
	} else if (flags & KS_NIC_VETH) {
		veth_received(c, (__u64)skb, nic->nr, skb->len + ETH_HLEN);
	}
	if (flags & KS_NIC_KEEPS)
		keep(skb, KS_NET_MAYBE, nic->nr, now, h->tx, h->tap, 0);
}

SEC("tp_btf/netif_receive_skb")
int net__netif_receive_skb_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct ks_nic_memo *nic;
	struct ks_net_cpu *c;
	struct ks_tally *t;
	struct ks_hand *h;

	nic = nic_here(skb->dev, &c);
	if (!nic)
		return 0;
	if (!nic->tally || skb->skb_iif) {
		received(c, nic, skb);
		return 0;
	}
	h = &c->hand;
	h->t[0] = clock_first(h);
	h->skb = h->fresh = (__u64)skb;
	h->head = (__u64)skb->head;
	h->tx = nic->tx;
	h->tap = h->nic[0] = nic->nr;
	h->n = 1;
	h->sent = 1;
	h->iif = nic->ifindex;
	t = bpf_map_lookup_elem(&tallies, &nic->tally);
	if (t)
		count_sent(t, nic, skb, skb->len + ETH_HLEN, packet_type(skb), skb->data);
	return 0;
}
