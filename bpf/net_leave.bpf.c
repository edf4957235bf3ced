/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets that leave an interface's queue, and that the VMM takes from a tap's ring.
 * See net.bpf.c.
 */
#include "vmlinux.h"
#include "net_look.bpf.h"
#include "net_way.bpf.h"

/* offset in the classic event's record, from tracefs' format file */
const volatile __u32 cfg_copy_skb_at = 0;

#define NETDEV_TX_BUSY 0x10 /* include/linux/netdevice.h */

/* The queue has let a packet go: how long it was there. */
static __always_inline __u64 queue_left(const struct ks_flight *f)
{
	__u64 now = clock_next(f->t), ns = time_between(f->t, now);

	if (f->tx)
		net_record(f->tx, KS_M_NET_QUEUE, ns);
	if (f->rx)
		net_record(f->rx, KS_M_NET_QUEUE, ns);
	return now;
}

/*
 * An unknown packet leaves an interface: it may be a segment of the one that this CPU has put there
 * last. With the first of them that one's wait is over. (Where another CPU cuts it up, its end is
 * not seen.)
 */
static __always_inline void segment_leaves(struct ks_net_cpu *c, __u32 nic)
{
	struct ks_hand *h = &c->hand;
	struct ks_flight *f;

	if (!h->large || h->large_nic != nic)
		return;
	f = flight_find(h->large);
	h->large = 0;
	if (!f || f->nic != nic || KS_FLIGHT_STAGE(f) != KS_NET_QUEUED)
		return;
	queue_left(f);
	f->skb = 0;
}

/* Of what a guest is sent. The host's own packets have no type yet: their addresses tell. */
static __always_inline void look_at_received(__u32 nr, struct ks_tally *t,
					     const struct sk_buff *skb)
{
	struct ks_nic *nic = nic_get(nr);
	__u32 type = packet_type(skb);
	__u16 protocol = skb->protocol;
	const void *header;

	if (!skb->skb_iif)
		type = address_type(skb->data);
	if (type == PACKET_BROADCAST)
		t->n[KS_TALLY(KS_C_NET_BROADCAST)]++;
	else if (type == PACKET_MULTICAST)
		t->n[KS_TALLY(KS_C_NET_MULTICAST)]++;
	if (!nic || (protocol != ETH_P_ARP_BE && !nic->dhcp_xid))
		return;
	header = (const void *)skb->head + skb->network_header;
	if (protocol == ETH_P_ARP_BE) {
		if (arp_operation(header) == ARP_REQUEST) {
			t->n[KS_TALLY(KS_C_NET_ARP_REQUESTS)]++;
		} else {
			t->n[KS_TALLY(KS_C_NET_ARP_REPLIES)]++;
			if (arp_sender(header) == nic->arp_target)
				nic->asked_arp = 0;
		}
	} else if (protocol == ETH_P_IP_BE &&
		   udp_ports(header) == (PORT_BOOTPC << 16 | PORT_BOOTPS) &&
		   dhcp_xid(header) == nic->dhcp_xid) {
		t->n[KS_TALLY(KS_C_NET_DHCP_REPLIES)]++;
		nic->asked_dhcp = 0;
		nic->dhcp_xid = 0;
	}
}

/* A tap's driver gets a packet. Returns the subject of all that this guest is sent. */
static __noinline __u32 guest_gets(struct ks_net_cpu *c, struct ks_nic_memo *nic,
				   const struct sk_buff *skb)
{
	__u32 rx = nic->rx ?: nic_all(nic, KS_NET_RX);
	struct ks_tally *t = tally_on(c, rx);

	if (t) {
		count_all(t, nic->large, skb, skb->len);
		look_at_received(nic->nr, t, skb);
	}
	return rx;
}

/* All that did not simply go by this CPU to a NIC. */
static __noinline void leaves(const struct sk_buff *skb, const struct net_device *dev,
			      struct ks_flights *set)
{
	struct ks_net_cpu *c = cpu_here();
	struct ks_nic_memo *nic = c ? nic_of(c, dev) : NULL;
	struct ks_flight *f;
	__u32 rx = 0;
	bool ring;

	if (!nic)
		return;
	ring = (nic->flags & (KS_NIC_VM | KS_NIC_MACVTAP)) == KS_NIC_VM;
	if (ring)
		rx = guest_gets(c, nic, skb);
	f = flight_here(c, set, (__u64)skb);
	if (f && f->nic == nic->nr && KS_FLIGHT_STAGE(f) == KS_NET_QUEUED) {
		f->t = f->key == KS_FLIGHT_AGAIN ? clock_next(f->t) : queue_left(f);
		f->iif = flight_iif(skb, ring ? KS_NET_RING : KS_NET_PASSED);
		f->key = KS_FLIGHT_NO_KEY;
		if (!f->rx && !(nic->flags & (KS_NIC_VM | KS_NIC_PASSES)) && !cfg_net_driver)
			f->skb = 0;
		return;
	}
	segment_leaves(c, nic->nr);
	if (ring) /* past the queue (AF_PACKET's bypass), or a segment that the host has made */
		flight_put(set, f, skb, KS_NET_RING, nic->nr, clock_first(&c->hand), 0, 0, rx);
}

SEC("tp_btf/net_dev_start_xmit")
int net__net_dev_start_xmit_btf(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = (void *)ctx[1];
	struct ks_flights *set;
	struct ks_cell *cell;
	struct ks_flight *f;

	if (nic_is_other(dev))
		return 0;
	set = flights_of((__u64)skb);
	if (!set)
		return 0;
	f = &set->way[0];
	if (f->skb != (__u64)skb ||
	    f->key != KS_FLIGHT_KEY(address_low((__u64)dev), bpf_get_smp_processor_id())) {
		leaves(skb, dev, set);
		return 0;
	}
	f->skb = 0;
	if (!f->t)
		return 0;
	cell = bpf_map_lookup_elem(&cells, &f->cell);
	if (cell)
		record(cell, bpf_ktime_get_ns() - f->t);
	return 0;
}

/* With --driver: the driver has accepted a packet, or has not. The packet itself may be gone. */
SEC("tp_btf/net_dev_xmit")
int net__net_dev_xmit_btf(__u64 *ctx)
{
	__u64 skb = ctx[0];
	struct ks_nic_memo *nic;
	struct ks_net_cpu *c;
	struct ks_flight *f;
	struct ks_tally *t;
	__u32 subject;

	nic = nic_here((void *)ctx[2], &c);
	f = nic ? flight_find(skb) : NULL;
	if (!f || f->nic != nic->nr ||
	    (KS_FLIGHT_STAGE(f) != KS_NET_PASSED && KS_FLIGHT_STAGE(f) != KS_NET_RING))
		return 0;
	subject = f->tx ?: f->rx;
	t = tally_on(c, subject);
	if (!t)
		return 0;
	if ((__u32)ctx[1] == NETDEV_TX_BUSY) {
		t->n[KS_TALLY(KS_C_NET_REQUEUES)]++;
		f->iif = KS_FLIGHT_IIF(f) | KS_NET_QUEUED << 24;
		f->key = KS_FLIGHT_AGAIN;
		return 0;
	}
	net_record(subject, KS_M_NET_DRIVER, time_between(f->t, clock_next(f->t)));
	if (KS_FLIGHT_STAGE(f) == KS_NET_PASSED)
		f->skb = 0;
	return 0;
}

/* As net_hop(), but without the CPU's memos: bottom halves are on. */
static __always_inline __u32 took_by_way(__u32 tap, __u32 parent, __u32 nic, __u32 len)
{
	__u32 way = way_known(KS_NET_RX << 16 | tap, parent, nic);
	struct ks_tally *t = tally_here(way);

	if (t) {
		t->n[KS_TALLY(KS_C_NET_PACKETS)]++;
		t->n[KS_TALLY(KS_C_NET_BYTES)] += len;
	}
	return way;
}

/*
 * Between a device and a macvtap's ring there is no event (net/core/dev.c, another_round): what was
 * received by the device, and is taken now, was in the ring.
 */
static __noinline void macvtap_took(struct ks_flight *f)
{
	const struct sk_buff *skb = (const void *)f->skb;
	__u32 from = f->nic, nr, way, len;
	struct ks_nic_memo of = {};
	struct ks_nic *nic = NULL;
	struct ks_tally *t;
	__u64 now = clock_next(f->t);

	nr = macvtap_of(BPF_CORE_READ(skb, dev), &nic);
	f->skb = 0;
	if (!nr || !nic)
		return;
	of.nr = nr;
	t = tally_here(nic->rx ?: nic_all(&of, KS_NET_RX));
	len = BPF_CORE_READ(skb, len);
	if (t)
		count_all(t, nic->mtu + ETH_HLEN, skb, len);
	way = took_by_way(nr, 0, from, len);
	way = took_by_way(nr, way, nr, len);
	net_record(way, KS_M_NET_RING_WAIT, time_between(f->t, now));
}

/* The VMM or vhost has taken a packet; so do sockets of the host's programs, with theirs. */
static __always_inline void on_copy(__u64 skb)
{
	struct ks_flight *f = flight_find(skb);

	if (!f)
		return;
	if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE) {
		macvtap_took(f);
		return;
	}
	if (KS_FLIGHT_STAGE(f) != KS_NET_RING)
		return;
	net_record(f->rx, KS_M_NET_RING_WAIT, time_between(f->t, clock_next(f->t)));
	f->skb = 0;
}

SEC("tp_btf/skb_copy_datagram_iovec")
int net__skb_copy_datagram_iovec_btf(__u64 *ctx)
{
	on_copy(ctx[0]);
	return 0;
}

SEC("tp/skb/skb_copy_datagram_iovec")
int net__skb_copy_datagram_iovec_tp(void *ctx)
{
	__u64 skb = 0;

	bpf_probe_read_kernel(&skb, sizeof(skb), ctx + cfg_copy_skb_at);
	on_copy(skb);
	return TP_PASS;
}
