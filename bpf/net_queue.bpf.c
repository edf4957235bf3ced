/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets that come to an interface's queue, and from where. See net.bpf.c.
 */
#include "vmlinux.h"
#include "net_sent.bpf.h"

/*
 * What a guest is sent has come to its tap. Records the hops before. places: so many has it been
 * at; or KS_WAY_HOST. Returns its way.
 */
static __noinline __u32 guest_queued(struct ks_net_cpu *c, __u32 tap, __u32 places, __u32 len,
				     __u64 now)
{
	const struct ks_hand *h = &c->hand;
	__u32 way = 0, to = tap | KS_NET_RX << 16;
	__u64 since = 0;

	for (__u32 i = 0; i < KS_HAND_PLACES; i++) {
		if (i >= places || places == KS_WAY_HOST)
			break;
		way = net_hop(to, way, h->nic[i], len, time_between(since, h->t[i]));
		since = h->t[i];
	}
	if (places == KS_WAY_HOST)
		way = KS_WAY_HOST;
	return net_hop(to, way, tap, len, time_between(since, now));
}

/* The same for what the host has sent by a bridge. */
static __noinline __u32 own_queued(struct ks_net_cpu *c, __u32 tap, __u32 len, __u64 now)
{
	const struct ks_hand *h = &c->hand;
	__u32 to = tap | KS_NET_RX << 16, way = net_hop(to, 0, h->own_nic, len, NOT_TIMED);

	return net_hop(to, way, tap, len, time_between(h->own_t, now));
}

#define PADDED_MAX 128 /* what is shorter may have been padded, and the host has taken that off */

/* Is what is in flight the same packet, or a new one at the same address? */
static __always_inline bool flight_is(struct ks_flight *f, const struct sk_buff *skb, __u32 nr)
{
	const struct ks_nic *nic, *from;

	if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE) {
		/*
		 * Of a packet that the host cut in pieces (ip_do_fragment) nobody tells; a piece of
		 * the next one may have its address, and has its skb_iif, too.
		 */
		if (f->cell > PADDED_MAX && skb->len < f->cell) {
			lose(KS_L_FLIGHTS);
			f->skb = 0;
			return false;
		}
	} else if (KS_FLIGHT_IIF(f) != (skb->skb_iif & 0xffffff)) {
		return false;
	}
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
		t->n[KS_TALLY(KS_C_NET_DHCP_REPLIES)]++;
	bridge->asked_dhcp = 0;
}

/* --- where guests' packets simply go */

static __always_inline struct ks_route *route_at(struct ks_net_cpu *c, __u32 from, __u32 mix)
{
	return &c->route[(from ^ mix >> 20) & (KS_ROUTES - 1)];
}

/* As a guest's packet has gone from its tap, the next will, too. */
static __noinline void route_learn(struct ks_net_cpu *c, const struct ks_nic_memo *nic, __u32 way)
{
	struct ks_route *r = route_at(c, c->hand.tx, address_mix(nic->dev));
	bool simply = !(nic->flags & KS_NIC_PASSES) && !cfg_net_driver;
	struct ks_tally *t = tally_on(c, way);
	struct ks_flight *f = &r->flight;

	if (!t)
		return;
	r->from = 0;
	r->dev = nic->dev;
	r->large = nic->large;
	r->cell = tally_cell(t, way, KS_M_NET_HOP);
	r->tally = c->tallies + way;
	f->tx = way;
	f->nic = nic->nr;
	f->tap = c->hand.tap;
	f->iif = (c->hand.iif & 0xffffff) | KS_NET_QUEUED << 24;
	f->cell = simply ? tally_cell(t, way, KS_M_NET_QUEUE) : 0;
	f->key = simply ? KS_FLIGHT_KEY(address_low(nic->dev), bpf_get_smp_processor_id())
			: KS_FLIGHT_NO_KEY;
	if (r->cell)
		r->from = c->hand.tx;
}

/* All that does not go as another one did before. */
static __noinline void queued(struct ks_net_cpu *c, const struct sk_buff *skb)
{
	__u32 nr, flags, iif = skb->skb_iif, tx = 0, rx = 0, tap = 0, way;
	struct ks_flights *set = flights_of((__u64)skb);
	bool fresh, held, own = false, copy = false;
	struct ks_hand *h = &c->hand;
	struct ks_flight *place, *f;
	struct ks_nic_memo *nic;
	__u64 since = 0, now;

	if (c->stale)
		memos_clear(c);
	nic = nic_of(c, skb->dev);
	if (!nic || !set)
		return;
	nr = nic->nr;
	flags = nic->flags;
	f = place = flight_here(c, set, (__u64)skb);
	fresh = h->fresh == (__u64)skb && (__u32)h->iif == iif;
	if (fresh) {
		f = NULL; /* another one's, whose end was not seen */
		set->more = set->way[1].skb || set->way[2].skb || set->way[3].skb;
	}
	if (f && !flight_is(f, skb, nr))
		f = NULL;
	held = hand_has(h, skb);
	if (f && held && KS_FLIGHT_STAGE(f) == KS_NET_MAYBE)
		f = NULL; /* the hand knows it better */
	if (f) {
		tx = f->tx;
		tap = f->tap;
		since = f->t;
		if (KS_FLIGHT_STAGE(f) == KS_NET_MAYBE) {
			hand_take(h, skb, f->nic, since);
			h->tx = tx;
			h->tap = tap;
			held = true;
		}
	} else if (held) {
		tx = h->tx;
		tap = h->tap;
		since = hand_since(h);
		copy = hand_is_copy(h);
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
			if (place)
				place->skb = 0; /* through the host, and no VM's */
			return;
		}
		now = held || f ? clock_next(since) : own ? clock_next(h->own_t) : clock_first(h);
		if (tx) {
			way = net_hop(tap | (copy ? HOP_OF_COPY : 0), tx, nr, skb->len,
				      time_between(since, now));
			if (fresh && !(flags & (KS_NIC_VM | KS_NIC_BRIDGE)))
				route_learn(c, nic, way);
			tx = way;
		}
		if ((flags & (KS_NIC_VM | KS_NIC_MACVTAP)) == KS_NIC_VM) {
			if (own)
				rx = own_queued(c, nr, skb->len, now);
			else
				rx = guest_queued(c, nr,
						  held	      ? h->n
						  : iif || tx ? 0
							      : KS_WAY_HOST,
						  skb->len, now);
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
	else if (place)
		place->skb = 0;
}

SEC("tp_btf/net_dev_queue")
int net__net_dev_queue_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = skb->dev;
	struct ks_flights *set;
	struct ks_net_cpu *c;
	struct ks_cell *cell;
	struct ks_tally *t;
	struct ks_route *r;
	struct ks_hand *h;
	__u64 since, now;

	if (nic_is_other(dev))
		return 0;
	c = cpu_any();
	if (!c)
		return 0;
	h = &c->hand;
	r = route_at(c, h->tx, address_mix((__u64)dev));
	barrier_var(r);
	set = flights_of((__u64)skb);
	if (!set)
		return 0;
	if (h->fresh != (__u64)skb || h->iif != skb->skb_iif || r->from != h->tx ||
	    r->dev != (__u64)dev || skb->len > r->large || set->way[0].skb || set->more) {
		queued(c, skb);
		return 0;
	}
	h->fresh = 0;
	t = bpf_map_lookup_elem(&tallies, &r->tally);
	if (!t)
		return 0;
	t->n[KS_TALLY(KS_C_NET_PACKETS)]++;
	t->n[KS_TALLY(KS_C_NET_BYTES)] += skb->len;
	since = h->t[0];
	now = since ? bpf_ktime_get_ns() : 0;
	flight_like(&set->way[0], &r->flight, skb, now);
	if (!since)
		return 0;
	cell = bpf_map_lookup_elem(&cells, &r->cell);
	if (cell)
		record(cell, now - since);
	return 0;
}
