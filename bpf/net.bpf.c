/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets of VMs, from hop to hop.
 *
 *   netif_receive_skb         a guest has sent it by a tap, or somebody has sent us one
 *   net_dev_queue             it has come to an interface's queue: in between was a bridge, or the
 *                             host's protocols
 *   net_dev_start_xmit        the queue has let it go to the driver; a tap's puts it into its ring
 *   skb_copy_datagram_iovec   QEMU or vhost takes it from there
 *
 * The first three run with bottom halves off, so that none of them interrupts another.
 */
#include "vmlinux.h"
#include "net.bpf.h"
#include "net_look.bpf.h"
#include "net_way.bpf.h"

/* offset in the classic event's record, from tracefs' format file */
const volatile __u32 cfg_copy_skb_at = 0;

/* net_dev_xmit is traced, too */
const volatile bool cfg_net_driver = false;

#define ETH_HLEN       14
#define NETDEV_TX_BUSY 0x10 /* include/linux/netdevice.h */

/* Adds a packet to all that a guest sent or was sent. len: with its Ethernet header. */
static __always_inline struct ks_tally *count_all(const struct ks_nic *nic, __u32 subject,
						  const struct sk_buff *skb, __u32 len)
{
	struct ks_tally *t = tally_here(subject);

	if (!t)
		return NULL;
	t->n[KS_C_NET_PACKETS]++;
	t->n[KS_C_NET_BYTES] += len;
	t->n[KS_C_NET_SEGMENTS] += len > nic->mtu + ETH_HLEN ? gso_segments(skb) : 1;
	return t;
}

/* A NIC's packet has come up to the stack: as many should as it has counted. */
static __always_inline void count_seen(struct ks_nic *nic, __u32 nr, const struct sk_buff *skb)
{
	struct ks_tally *t = tally_here(nic->rx ?: nic_all(nic, nr, KS_NET_RX));

	if (t) {
		t->n[KS_C_NET_PACKETS]++;
		t->n[KS_C_NET_SEGMENTS] += skb->len > nic->mtu ? gso_segments(skb) : 1;
	}
}

/* A guest has sent a packet: it begins its way. header: behind its Ethernet header. */
static __always_inline __u32 guest_sent(struct ks_nic *nic, __u32 nr, const struct sk_buff *skb,
					__u32 len, __u32 type, const void *header)
{
	__u32 subject = nic->tx;
	struct ks_tally *t;

	if (!subject)
		subject = nic_all(nic, nr, KS_NET_TX);
	t = count_all(nic, subject, skb, len);
	if (!t)
		return 0;
	if (type == PACKET_BROADCAST)
		t->n[KS_C_NET_BROADCAST]++;
	else if (type == PACKET_MULTICAST)
		t->n[KS_C_NET_MULTICAST]++;
	if (type == PACKET_BROADCAST || skb->protocol == ETH_P_ARP_BE)
		look_at_sent(nic, t, header, skb->protocol);
	return subject;
}

SEC("tp_btf/netif_receive_skb")
int net__netif_receive_skb_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct ks_hand *h = hand_here();
	struct ks_nic *nic = NULL, *tap;
	__u32 nr = nic_of(skb->dev, &nic);
	struct ks_flight *f = NULL, fresh = {};
	__u64 now;
	__u32 tx;

	if (!nr || !nic || !(nic->flags & (KS_NIC_VM | KS_NIC_FEEDS))) {
		h->n = 0;
		return 0;
	}
	if (nic->flags & KS_NIC_COUNTS)
		count_seen(nic, nr, skb);
	if (skb->skb_iif && hand_has(h, skb)) {
		/* the same, handed up from a bridge to the host */
		now = clock_next(hand_since(h));
		tap = nic_get(h->tap);
		if (h->tx && tap)
			h->tx = hop(tap, h->tap, KS_NET_TX, h->tx, nr, skb->len + ETH_HLEN,
				    hand_since(h), now, h->sent);
		h->skb = (__u64)skb;
		h->sent = 0;
		hand_moves(h, nr, now);
		return 0;
	}
	now = clock_first(h);
	hand_take(h, skb, nr, now);
	if (nic->flags & KS_NIC_MACVTAP) { /* broadcasts come to a macvtap like this */
		fresh.t = now;
		fresh.nic = nic->lower ?: nr;
		fresh.iif = flight_iif(skb, KS_NET_MAYBE);
		flight_put(skb, flight_find(skb), &fresh);
		return 0;
	}
	if (nic->flags & KS_NIC_VM) {
		h->tx = guest_sent(nic, nr, skb, skb->len + ETH_HLEN,
				   BPF_CORE_READ_BITFIELD(skb, pkt_type), skb->data);
		h->tap = nr;
	} else if (nic->flags & KS_NIC_VETH) {
		f = flight_find(skb);
		if (f && KS_FLIGHT_STAGE(f) == KS_NET_PASSED && f->nic == nic->lower) {
			tap = nic_get(f->tap);
			tx = f->tx;
			if (tap && tx) {
				h->tx = hop(tap, f->tap, KS_NET_TX, tx, nr, skb->len + ETH_HLEN,
					    f->t, now, false);
				h->tap = f->tap;
			}
			f->skb = 0;
			f = NULL;
		}
	}
	if (nic->flags & KS_NIC_KEEPS) {
		fresh.t = now;
		fresh.tx = h->tx;
		fresh.tap = h->tap;
		fresh.nic = nr;
		fresh.iif = flight_iif(skb, KS_NET_MAYBE);
		flight_put(skb, f ?: flight_find(skb), &fresh);
	}
	return 0;
}

/* What a guest is sent has come to its tap. Records the hops before. Returns its way. */
static __always_inline __u32 guest_queued(struct ks_nic *tap, __u32 nr, const struct ks_hand *h,
					  __u32 places, __u32 len, __u64 now)
{
	__u64 since = 0;
	__u32 way = 0;

	for (__u32 i = 0; i < KS_HAND_PLACES; i++) {
		if (i >= places)
			break;
		way = hop(tap, nr, KS_NET_RX, way, h->nic[i], len, since, h->t[i], false);
		since = h->t[i];
	}
	return hop(tap, nr, KS_NET_RX, way, nr, len, since, now, false);
}

/* The same for what the host has sent by a bridge. */
static __always_inline __u32 own_queued(struct ks_nic *tap, __u32 nr, const struct ks_hand *h,
					__u32 len, __u64 now)
{
	__u32 way = hop(tap, nr, KS_NET_RX, 0, h->own_nic, len, 0, 0, false);

	return hop(tap, nr, KS_NET_RX, way, nr, len, h->own_t, now, false);
}

/* Is what is in flight the same packet, or a new one at the same address? */
static __always_inline bool flight_is(const struct ks_flight *f, const struct sk_buff *skb,
				      const struct ks_nic *nic, __u32 nr)
{
	const struct ks_nic *from;

	if (KS_FLIGHT_IIF(f) != (skb->skb_iif & 0xffffff) && KS_FLIGHT_STAGE(f) != KS_NET_MAYBE)
		return false;
	if (skb->skb_iif)
		return true;
	if (KS_FLIGHT_STAGE(f) != KS_NET_PASSED)
		return false;
	from = nic_get(f->nic);
	return nic->master == f->nic || (from && from->lower == nr);
}

SEC("tp_btf/net_dev_queue")
int net__net_dev_queue_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct ks_nic *nic = NULL, *tap = NULL;
	__u32 nr = nic_of(skb->dev, &nic);
	struct ks_flight *f, fresh = {};
	__u32 iif, tx = 0, tap_nr = 0;
	bool held, own, copy = false;
	struct ks_hand *h;
	__u64 since = 0, now;

	if (!nr || !nic)
		return 0;
	h = hand_here();
	f = flight_find(skb);
	iif = skb->skb_iif;
	if (f && !flight_is(f, skb, nic, nr))
		f = NULL;
	held = iif && hand_has(h, skb);
	own = !iif && (h->own == (__u64)skb || h->own_head == (__u64)skb->head) &&
	      nic->master == h->own_nic;
	if (f) {
		tx = f->tx;
		tap_nr = f->tap;
		since = f->t;
		if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE && !held) {
			h->skb = (__u64)skb;
			h->head = (__u64)skb->head;
			h->tx = tx;
			h->tap = tap_nr;
			h->n = 1;
			h->sent = 0;
			h->t[0] = since;
			h->nic[0] = f->nic;
			held = true;
		}
	} else if (held) {
		tx = h->tx;
		tap_nr = h->tap;
		since = hand_since(h);
		copy = h->sent;
	}
	if (nic->flags & KS_NIC_MACVTAP && !f && !held) {
		tx = guest_sent(nic, nr, skb, skb->len, address_type(skb->data),
				skb->data + ETH_HLEN);
		tap_nr = nr;
		now = clock_first(h);
	} else if (nic->flags & KS_NIC_BRIDGE && !f && !held) {
		now = clock_first(h);
		if (iif) { /* through the host, from where we do not look */
			hand_take(h, skb, nr, now);
			return 0;
		}
		h->own = (__u64)skb;
		h->own_head = (__u64)skb->head;
		h->own_t = now;
		h->own_nic = nr;
		if (nic->asked_dhcp && skb->protocol == ETH_P_IP_BE)
			look_at_own(nic, nr, skb);
		return 0;
	} else if (tx || held || nic->flags & KS_NIC_VM) {
		if (!tx && !(nic->flags & (KS_NIC_VM | KS_NIC_BRIDGE))) {
			if (f)
				f->skb = 0; /* through the host, and no VM's */
			return 0;
		}
		now = held || f ? clock_next(since) : own ? clock_next(h->own_t) : clock_first(h);
		tap = nic_get(tap_nr);
		if (tx && tap)
			tx = hop(tap, tap_nr, KS_NET_TX, tx, nr, skb->len, since, now, copy);
		if (nic->flags & KS_NIC_VM && !(nic->flags & KS_NIC_MACVTAP)) {
			if (own)
				fresh.rx = own_queued(nic, nr, h, skb->len, now);
			else
				fresh.rx = guest_queued(nic, nr, h, held ? h->n : 0, skb->len, now);
		}
		if (held && nic->flags & KS_NIC_BRIDGE) {
			h->skb = (__u64)skb;
			h->head = (__u64)skb->head;
			hand_moves(h, nr, now);
		}
		if (held)
			h->sent = 1;
	} else {
		return 0;
	}
	fresh.t = now;
	fresh.tx = tx;
	fresh.nic = nr;
	fresh.tap = tap_nr;
	fresh.iif = flight_iif(skb, KS_NET_QUEUED);
	if (skb->len > nic->mtu + ETH_HLEN) {
		h->large = (__u64)skb;
		h->large_key = flight_key(skb);
		h->large_nic = nr;
	}
	if (fresh.tx || fresh.rx)
		flight_put(skb, f ?: flight_find(skb), &fresh);
	else if (f)
		f->skb = 0;
	return 0;
}

static __always_inline void record_wait(__u32 subject, const __u32 metric, __u64 ns)
{
	struct ks_tally *t = tally_here(subject);

	if (t)
		tally_record(t, subject, metric, ns);
}

/*
 * An unknown packet leaves an interface: it may be a segment of the one that this CPU has put there
 * last. With the first of them that one's wait is over. (Where another CPU cuts it up, its end is
 * not seen.)
 */
static __always_inline void segment_leaves(__u32 nic)
{
	struct ks_hand *h = hand_here();
	struct ks_flight *f;
	__u64 now;

	if (!h->large || h->large_nic != nic)
		return;
	f = flight_among(flights_at(h->large_key), (void *)h->large);
	h->large = 0;
	if (!f || f->nic != nic || KS_FLIGHT_STAGE(f) != KS_NET_QUEUED)
		return;
	now = clock_next(f->t);
	if (now && f->t && f->tx)
		record_wait(f->tx, KS_M_NET_QUEUE, now - f->t);
	if (now && f->t && f->rx)
		record_wait(f->rx, KS_M_NET_QUEUE, now - f->t);
	f->skb = 0;
}

SEC("tp_btf/net_dev_start_xmit")
int net__net_dev_start_xmit_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct net_device *dev = (void *)ctx[1];
	struct ks_nic *nic = NULL;
	__u32 nr = nic_of(dev, &nic), rx = 0;
	struct ks_flight *f, fresh = {};
	struct ks_tally *t;
	bool ring;
	__u64 now;

	if (!nr || !nic)
		return 0;
	ring = (nic->flags & (KS_NIC_VM | KS_NIC_MACVTAP)) == KS_NIC_VM;
	if (ring) {
		rx = nic->rx ?: nic_all(nic, nr, KS_NET_RX);
		t = count_all(nic, rx, skb, skb->len);
		if (t)
			look_at_received(nic, t, skb);
	}
	f = flight_find(skb);
	if (f && (f->nic != nr || KS_FLIGHT_STAGE(f) != KS_NET_QUEUED))
		f = NULL;
	if (!f)
		segment_leaves(nr);
	if (!f && !ring)
		return 0;
	if (f) {
		now = clock_next(f->t);
		if (now && f->t) {
			if (f->tx)
				record_wait(f->tx, KS_M_NET_QUEUE, now - f->t);
			if (f->rx)
				record_wait(f->rx, KS_M_NET_QUEUE, now - f->t);
		}
		if (!ring && !(nic->flags & KS_NIC_PASSES) && !cfg_net_driver) {
			f->skb = 0;
			return 0;
		}
		f->t = now;
		f->iif = flight_iif(skb, ring ? KS_NET_RING : KS_NET_PASSED);
		return 0;
	}
	/* past the queue (AF_PACKET's bypass), or a segment that the host has made */
	fresh.t = clock_first(hand_here());
	fresh.rx = rx;
	fresh.nic = nr;
	fresh.iif = flight_iif(skb, KS_NET_RING);
	flight_put(skb, flight_find(skb), &fresh);
	return 0;
}

/* With --driver: the driver has accepted a packet, or has not. The packet itself may be gone. */
SEC("tp_btf/net_dev_xmit")
int net__net_dev_xmit_btf(__u64 *ctx)
{
	const void *skb = (const void *)ctx[0];
	struct net_device *dev = (void *)ctx[2];
	struct ks_nic *nic = NULL;
	__u32 nr = nic_of(dev, &nic), subject;
	struct ks_flight *f;
	struct ks_tally *t;
	__u64 now;

	if (!nr || !nic)
		return 0;
	f = flight_find(skb);
	if (!f || f->nic != nr ||
	    (KS_FLIGHT_STAGE(f) != KS_NET_PASSED && KS_FLIGHT_STAGE(f) != KS_NET_RING))
		return 0;
	subject = f->tx ?: f->rx;
	t = tally_here(subject);
	if (!t)
		return 0;
	if ((__u32)ctx[1] == NETDEV_TX_BUSY) {
		t->n[KS_C_NET_REQUEUES]++;
		f->iif = KS_FLIGHT_IIF(f) | KS_NET_QUEUED << 24;
		return 0;
	}
	now = clock_next(f->t);
	if (now && f->t)
		tally_record(t, subject, KS_M_NET_DRIVER, now - f->t);
	if (KS_FLIGHT_STAGE(f) == KS_NET_PASSED)
		f->skb = 0;
	return 0;
}

/*
 * Between a device and a macvtap's ring there is no event (net/core/dev.c, another_round): what was
 * received by the device, and is taken now, was in the ring.
 */
static __noinline void macvtap_took(struct ks_flight *f)
{
	const struct sk_buff *skb = (const void *)f->skb;
	__u32 from = f->nic, nr, way, len;
	struct ks_nic *nic = NULL;
	struct ks_tally *t;
	__u64 now = clock_next(f->t);

	nr = macvtap_of(BPF_CORE_READ(skb, dev), &nic);
	f->skb = 0;
	if (!nr || !nic)
		return;
	t = tally_here(nic->rx ?: nic_all(nic, nr, KS_NET_RX));
	len = BPF_CORE_READ(skb, len);
	if (t) {
		t->n[KS_C_NET_PACKETS]++;
		t->n[KS_C_NET_BYTES] += len;
		t->n[KS_C_NET_SEGMENTS] += len > nic->mtu + ETH_HLEN ? gso_segments(skb) : 1;
	}
	way = hop(nic, nr, KS_NET_RX, 0, from, len, 0, 0, false);
	way = hop(nic, nr, KS_NET_RX, way, nr, len, 0, 0, false);
	if (way && now && f->t)
		record_wait(way, KS_M_NET_RING_WAIT, now - f->t);
}

/* The VMM or vhost has taken a packet; so do sockets of the host's programs, with theirs. */
static __always_inline void on_copy(struct ks_flight *f)
{
	__u64 now;

	if (!f)
		return;
	if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE) {
		macvtap_took(f);
		return;
	}
	if (KS_FLIGHT_STAGE(f) != KS_NET_RING)
		return;
	now = clock_next(f->t);
	if (now && f->t)
		record_wait(f->rx, KS_M_NET_RING_WAIT, now - f->t);
	f->skb = 0;
}

SEC("tp_btf/skb_copy_datagram_iovec")
int net__skb_copy_datagram_iovec_btf(__u64 *ctx)
{
	on_copy(flight_find((void *)ctx[0]));
	return 0;
}

SEC("tp/skb/skb_copy_datagram_iovec")
int net__skb_copy_datagram_iovec_tp(void *ctx)
{
	static volatile __u64 base;
	__u64 skb = 0;

	bpf_probe_read_kernel(&skb, sizeof(skb), ctx + cfg_copy_skb_at);
	base = (__u64)hands; /* as a number, which skb is here, too */
	on_copy(flight_among(flights_at(skb - base), (void *)skb));
	return TP_PASS;
}
