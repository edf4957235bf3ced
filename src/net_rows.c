/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of packets: see net_rows.h. */
#include <stdlib.h>
#include "domain_net.h"
#include "net_memory.h"
#include "net_rows.h"
#include "net_side.h"
#include "snapshot.h"
#include "util.h"
#include "vms.h"

struct list {
	const struct snap_subject **s;
	size_t n;
};

static void collect(const struct snap_subject *s, void *arg)
{
	struct list *l = arg;

	l->s = xreallocarray(l->s, l->n + 1, sizeof(*l->s));
	l->s[l->n++] = s;
}

static void add_counts(const struct snap_subject *all, struct row *row)
{
	static const struct {
		const char *name;
		enum ks_counter counter;
	} counts[] = {
		{"packets", KS_C_NET_PACKETS},		 {"bytes", KS_C_NET_BYTES},
		{"segments", KS_C_NET_SEGMENTS},	 {"multicast", KS_C_NET_MULTICAST},
		{"broadcast", KS_C_NET_BROADCAST},	 {"arp_requests", KS_C_NET_ARP_REQUESTS},
		{"arp_replies", KS_C_NET_ARP_REPLIES},	 {"dhcp_requests", KS_C_NET_DHCP_REQUESTS},
		{"dhcp_replies", KS_C_NET_DHCP_REPLIES},
	};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		row__u64(row, counts[i].name, all ? all->n[counts[i].counter] : 0);
}

/*
 * sent: what the interface has sent, else what it has received. Drivers begin anew when they are
 * reset, and so does another interface that comes by the ifindex of one that went.
 */
static void add_device(const struct net_nic *nic, bool sent, struct row *row)
{
	const struct net_counters *a = &nic->before, *b = &nic->now;

	row__u64(row, "device_packets",
		 sent ? less(b->tx_packets, a->tx_packets) : less(b->rx_packets, a->rx_packets));
	row__u64(row, "device_bytes",
		 sent ? less(b->tx_bytes, a->tx_bytes) : less(b->rx_bytes, a->rx_bytes));
	row__u64(row, "device_dropped",
		 sent ? less(b->tx_dropped, a->tx_dropped) : less(b->rx_dropped, a->rx_dropped));
	row__u64(row, "device_errors",
		 sent ? less(b->tx_errors, a->tx_errors) : less(b->rx_errors, a->rx_errors));
}

/* What has no answer; and how far did those to a guest's DHCP requests come? */
static void add_bridge(const struct net_side *side, const struct net_nic *nic, struct row *row)
{
	struct net_unanswered u;
	struct list own = {};
	uint64_t replies = 0;

	delta__each_subject(side->d, KS_D_NET, KS_VM_HOST, collect, &own);
	for (size_t i = 0; i < own.n; i++)
		if (own.s[i]->who.part == (uint32_t)(nic->master << 1 | KS_NET_RX))
			replies += own.s[i]->n[KS_C_NET_DHCP_REPLIES];
	free(own.s);
	row__text(row, "bridge", nic->master ? net_side__nic_name(side->nics, nic->master) : NULL);
	row__u64(row, "bridge_dhcp_replies", replies);
	u = net_memory__unanswered(side->nics, side->part >> 1, replies);
	row__u64(row, "arp_unanswered", u.arp);
	row__u64(row, "dhcp_unanswered", u.dhcp);
	row__u64(row, "dhcp_replies_lost", u.replies);
}

/* What waits in a tap's ring. It is looked for only where there may be something. */
static uint64_t in_ring(const struct net_side *side, const struct snap_subject *all,
			const struct row *row)
{
	uint64_t gone = row__get_u64(row, "device_packets") + row__get_u64(row, "device_dropped");
	uint64_t came = all ? all->n[KS_C_NET_PACKETS] : 0;

	return net_memory__in_ring(side->nics, side->part >> 1, came > gone);
}

static void add_side(const struct net_side *side, const struct net_nic *nic, struct row *vm)
{
	struct row *row = row__add(vm, "nics");
	struct histogram ring = {};
	bool tx = !(side->part & 1);

	row__text(row, "name", nic->name);
	row__u64(row, "ifindex", nic->ifindex);
	row__u64(row, "netns", nic->netns);
	row__text(row, "kind", nic->kind);
	row__text(row, "direction", tx ? "tx" : "rx");
	add_counts(net_side__all(side), row);
	/* what a tap receives, its guest has sent; a macvtap sees it as its guest does */
	add_device(nic, tx == !!(nic->flags & KS_NIC_MACVTAP), row);
	if (tx)
		add_bridge(side, nic, row);
	net_side__hops(side, row);
	for (size_t i = 0; i < side->n; i++)
		if (net_side__is(side, side->s[i], KS_NET_WAY) ||
		    net_side__is(side, side->s[i], KS_NET_ALL))
			delta__subject_hist(side->d, side->s[i], KS_M_NET_RING_WAIT, &ring);
	row__hist(row, "ring_wait", &ring);
	net_side__ways(side, row);
	net_side__drops(side, row);
	if (!tx && !(nic->flags & KS_NIC_MACVTAP))
		row__u64(row, "in_ring", in_ring(side, net_side__all(side), row));
	row__bool(row, "one_way", nic->one_way[side->part & 1]);
}

static void remember(struct net_side *side, uint32_t number)
{
	uint64_t packets[2] = {}, unicast[2] = {};

	for (uint32_t dir = 0; dir < 2; dir++) {
		const struct snap_subject *all;

		side->part = number << 1 | dir;
		all = net_side__all(side);
		if (!all)
			continue;
		packets[dir] = all->n[KS_C_NET_PACKETS];
		unicast[dir] =
			less(packets[dir], all->n[KS_C_NET_BROADCAST] + all->n[KS_C_NET_MULTICAST]);
	}
	net_memory__interval(&side->nics->nic[number], packets, unicast);
}

/* Did anything happen there in the interval? */
static bool any(const struct net_side *side)
{
	for (size_t i = 0; i < side->n; i++) {
		if (KS_NET_PART(side->s[i]->who.part) != side->part)
			continue;
		for (int c = 0; c < KS_COUNTERS; c++)
			if (side->s[i]->n[c])
				return true;
	}
	return false;
}

void net_rows__vm(const struct delta *d, struct net_nics *nics, struct net_reasons *reasons,
		  const struct vm *vm, struct row *row)
{
	struct list list = {};
	struct net_side side = {.d = d, .nics = nics, .reasons = reasons};

	delta__each_subject(d, KS_D_NET, vm->number, collect, &list);
	side.s = list.s;
	side.n = list.n;
	for (uint32_t i = 1; i < KS_NICS; i++) {
		const struct net_nic *nic = &nics->nic[i];

		if (!nic->netns || nic->vm != vm->number || nic->pid != vm->pid)
			continue;
		remember(&side, i);
		for (uint32_t dir = 0; dir < 2; dir++) {
			side.part = i << 1 | dir;
			if (nic->alive || any(&side))
				add_side(&side, nic, row);
		}
	}
	for (size_t i = 0; i < list.n; i++) { /* their numbers are not free yet */
		net_nics__get(nics, KS_NET_NIC(list.s[i]->who.object));
		net_nics__get(nics, KS_NET_TOWARD(list.s[i]->who.part));
	}
	free(list.s);
}

/*
 * Of the host's own: how many came up from a NIC to the stack. All else that a guest's interface
 * tells is not counted, which is not the same as none.
 */
static void add_host_counts(const struct net_nic *nic, const struct snap_subject *all,
			    struct row *row)
{
	if (!(nic->flags & KS_NIC_COUNTS)) {
		row__null(row, "packets");
		row__null(row, "bytes");
		return;
	}
	row__u64(row, "packets", all ? all->n[KS_C_NET_PACKETS] : 0);
	row__null(row, "bytes");
	row__u64(row, "segments", all ? all->n[KS_C_NET_SEGMENTS] : 0);
	add_device(nic, false, row);
}

void net_rows__host(const struct delta *d, struct net_nics *nics, struct net_reasons *reasons,
		    struct row *row)
{
	struct list list = {};
	struct net_side side = {.d = d, .nics = nics, .reasons = reasons};

	delta__each_subject(d, KS_D_NET, KS_VM_HOST, collect, &list);
	side.s = list.s;
	side.n = list.n;
	for (uint32_t i = 1; i < KS_NICS; i++) {
		const struct net_nic *nic = &nics->nic[i];
		struct row *r;

		side.part = i << 1 | KS_NET_RX;
		if (!nic->netns || (!any(&side) && (!nic->alive || !(nic->flags & KS_NIC_COUNTS))))
			continue;
		r = row__add(row, "nics");
		row__text(r, "name", nic->name);
		row__u64(r, "ifindex", nic->ifindex);
		row__u64(r, "netns", nic->netns);
		row__text(r, "kind", nic->kind);
		row__text(r, "direction", "rx");
		add_host_counts(nic, net_side__all(&side), r);
		/* what is no VM's is not followed: it has no way here, and waits in no ring */
		row__list(r, "hops");
		row__null(r, "ring_wait");
		net_side__drops(&side, r);
	}
	free(list.s);
}
