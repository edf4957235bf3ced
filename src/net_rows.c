/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of packets: see net_rows.h. A VM's subjects are few (a tap has KS_WAYS_MAX ways at most,
 * each way), so that they are simply searched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "domain_net.h"
#include "net_memory.h"
#include "net_rows.h"
#include "snapshot.h"
#include "util.h"
#include "vms.h"

/* One interface in one direction, with what is measured of it. */
struct side {
	const struct delta *d;
	struct net_nics *nics;
	struct net_reasons *reasons;
	const struct snap_subject **s; /* all of the VM's */
	size_t n;
	uint32_t part; /* of those of this side */
};

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

static bool is(const struct side *side, const struct snap_subject *s, enum ks_net_kind kind)
{
	return KS_NET_PART(s->who.part) == side->part && KS_NET_KIND(s->who.object) == kind;
}

static bool is_drop(const struct side *side, const struct snap_subject *s)
{
	return is(side, s, KS_NET_DROP) || is(side, s, KS_NET_DROP_AT);
}

static const char *nic_name(struct net_nics *nics, uint32_t number)
{
	struct net_nic *nic = net_nics__get(nics, number);

	return number == KS_NIC_OTHER ? "(other)" : nic ? nic->name : "?";
}

/* The interface that a packet on that way, or of that side, has come to. */
static uint32_t nic_of(const struct side *side, const struct snap_subject *s)
{
	return KS_NET_KIND(s->who.object) == KS_NET_ALL ? side->part >> 1
							: KS_NET_NIC(s->who.object);
}

static const struct snap_subject *parent_of(const struct side *side, const struct snap_subject *s)
{
	uint32_t number = KS_NET_UPPER(s->who.object);

	if (KS_NET_KIND(s->who.object) != KS_NET_WAY || !number)
		return NULL;
	for (size_t i = 0; i < side->n; i++)
		if (side->s[i]->number == number)
			return side->s[i];
	return NULL;
}

static int depth_of(const struct side *side, const struct snap_subject *s)
{
	const struct snap_subject *parent = parent_of(side, s);

	return parent ? 1 + depth_of(side, parent) : 0;
}

static const struct snap_subject *all_of(const struct side *side)
{
	for (size_t i = 0; i < side->n; i++)
		if (is(side, side->s[i], KS_NET_ALL))
			return side->s[i];
	return NULL;
}

/* --- hops */

#define DEPTH_MAX 8

struct hop {
	uint32_t from, to;
	enum ks_metric metric;
	uint64_t packets, requeues;
	struct histogram hist;
};

struct hops {
	struct hop *list;
	size_t n;
};

/* The same hop may be part of several ways. */
static void add_hop(const struct side *side, struct hops *h, const struct snap_subject *s,
		    uint32_t from, enum ks_metric metric)
{
	struct histogram hist = {};
	struct hop *hop = NULL;

	delta__subject_hist(side->d, s, metric, &hist);
	if (!hist.count && !(metric == KS_M_NET_HOP && s->n[KS_C_NET_PACKETS]) &&
	    !(metric == KS_M_NET_DRIVER && s->n[KS_C_NET_REQUEUES]))
		return;
	for (size_t i = 0; i < h->n && !hop; i++)
		if (h->list[i].from == from && h->list[i].to == nic_of(side, s) &&
		    h->list[i].metric == metric)
			hop = &h->list[i];
	if (!hop) {
		h->list = xreallocarray(h->list, h->n + 1, sizeof(*h->list));
		hop = &h->list[h->n++];
		*hop = (struct hop){.from = from, .to = nic_of(side, s), .metric = metric};
	}
	hop->packets += metric == KS_M_NET_HOP ? s->n[KS_C_NET_PACKETS] : hist.count;
	hop->requeues += metric == KS_M_NET_DRIVER ? s->n[KS_C_NET_REQUEUES] : 0;
	histogram__add(&hop->hist, &hist);
}

static void add_hops(const struct side *side, struct row *row)
{
	static const struct {
		enum ks_metric metric;
		const char *stage;
	} stages[] = {
		{KS_M_NET_HOP, "forward"},
		{KS_M_NET_QUEUE, "queue"},
		{KS_M_NET_DRIVER, "driver"},
	};
	struct hops hops = {};

	/* a way is as long as a hand is, and one more, or two: a VM that a VM behind a NAT sends to
	 */
	for (size_t at = 0; at < side->n * DEPTH_MAX; at++) {
		const struct snap_subject *s = side->s[at % side->n], *parent = parent_of(side, s);

		if ((!is(side, s, KS_NET_WAY) && !is(side, s, KS_NET_ALL)) ||
		    depth_of(side, s) != (int)(at / side->n))
			continue;
		if (parent)
			add_hop(side, &hops, s, nic_of(side, parent), KS_M_NET_HOP);
		add_hop(side, &hops, s, nic_of(side, s), KS_M_NET_QUEUE);
		add_hop(side, &hops, s, nic_of(side, s), KS_M_NET_DRIVER);
	}
	row__list(row, "hops");
	for (size_t i = 0; i < hops.n; i++) {
		const struct hop *h = &hops.list[i];
		struct row *r = row__add(row, "hops");

		row__text(r, "from", nic_name(side->nics, h->from));
		row__text(r, "to", nic_name(side->nics, h->to));
		for (size_t k = 0; k < ARRAY_SIZE(stages); k++)
			if (stages[k].metric == h->metric)
				row__text(r, "stage", stages[k].stage);
		/* in queues those are counted that are followed */
		if (h->metric == KS_M_NET_HOP || net__sampled() == 1)
			row__u64(r, "packets", h->packets);
		else
			row__null(r, "packets");
		if (h->metric == KS_M_NET_DRIVER)
			row__u64(r, "requeues", h->requeues);
		row__hist(r, "latency", &h->hist);
	}
	free(hops.list);
}

/* --- ways */

/* Packets that went on from there; copies are of packets that have been counted. */
static uint64_t went_on(const struct side *side, const struct snap_subject *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < side->n; i++)
		if (parent_of(side, side->s[i]) == s)
			n += side->s[i]->n[KS_C_NET_PACKETS] - side->s[i]->n[KS_C_NET_COPIES];
	return n;
}

static uint64_t died_at(const struct side *side, uint32_t nic, uint32_t stage)
{
	uint64_t n = 0;

	for (size_t i = 0; i < side->n; i++)
		if (is_drop(side, side->s[i]) && KS_NET_NIC(side->s[i]->who.object) == nic &&
		    KS_NET_STAGE(side->s[i]->who.object) == stage)
			n += side->s[i]->n[KS_C_NET_DROPS];
	return n;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void way_name(const struct side *side, const struct snap_subject *s, char *buf, size_t size)
{
	const struct snap_subject *parent = parent_of(side, s);
	size_t len;

	*buf = '\0';
	if (parent) {
		way_name(side, parent, buf, size);
	} else if (KS_NET_KIND(s->who.object) == KS_NET_WAY && nic_of(side, s) == side->part >> 1) {
		snprintf(buf, size,
			 KS_NET_UPPER(s->who.object) == KS_WAY_HOST ? "(host)" : "(not seen)");
	}
	len = strlen(buf);
	snprintf(buf + len, size - len, "%s%s", *buf ? " > " : "",
		 nic_name(side->nics, nic_of(side, s)));
}

static void add_way(const struct side *side, const struct snap_subject *s, const char *end,
		    uint64_t packets, struct row *row)
{
	char name[160];
	size_t len;
	struct row *r;

	if (!packets)
		return;
	way_name(side, s, name, sizeof(name));
	len = strlen(name);
	if (end)
		snprintf(name + len, sizeof(name) - len, " > %s", end);
	r = row__add(row, "ways");
	row__text(r, "way", name);
	row__u64(r, "packets", packets);
}

/*
 * Where packets ended. A guest's that were received, and neither queued again nor dropped, are in
 * the host: it has taken them for itself, which no event tells, or they still wait there, for the
 * next one's address, say.
 */
static void add_ways(const struct side *side, struct row *row)
{
	bool tx = !(side->part & 1);

	row__list(row, "ways");
	for (size_t i = 0; i < side->n; i++) {
		const struct snap_subject *s = side->s[i];
		const struct net_nic *nic = net_nics__get(side->nics, nic_of(side, s));
		uint64_t on, left, own = s->n[KS_C_NET_PACKETS] - s->n[KS_C_NET_COPIES];

		if (!is(side, s, KS_NET_WAY) && !(tx && is(side, s, KS_NET_ALL)))
			continue;
		on = went_on(side, s);
		if (!tx) {
			if (nic_of(side, s) == side->part >> 1)
				add_way(side, s, NULL, s->n[KS_C_NET_PACKETS], row);
			continue;
		}
		if (is(side, s, KS_NET_WAY) && (!nic || strcmp(nic->kind, "bridge"))) {
			add_way(side, s, NULL, less(own, on), row);
			continue;
		}
		left = less(own, on + died_at(side, nic_of(side, s), KS_NET_RECEIVED));
		add_way(side, s, nic && nic->master ? "(nowhere)" : "(in the host)", left, row);
	}
}

/* --- drops */

static const char *stage_name(uint32_t stage)
{
	static const char *const names[] = {
		[KS_NET_RECEIVED] = "received",
		[KS_NET_QUEUED] = "queue",
		[KS_NET_PASSED] = "transmitted",
		[KS_NET_RING] = "ring",
	};

	return stage < ARRAY_SIZE(names) ? names[stage] : NULL;
}

/*
 * How many of those that died there were copies: a broadcast that has left by a NIC, and is nothing
 * to the host.
 */
static uint64_t dead_copies(const struct side *side, const struct snap_subject *drop)
{
	uint64_t n = 0;

	if (KS_NET_STAGE(drop->who.object) != KS_NET_RECEIVED)
		return 0;
	for (size_t i = 0; i < side->n; i++)
		if (is(side, side->s[i], KS_NET_WAY) &&
		    nic_of(side, side->s[i]) == KS_NET_NIC(drop->who.object))
			n += side->s[i]->n[KS_C_NET_COPIES];
	return n < drop->n[KS_C_NET_DROPS] ? n : drop->n[KS_C_NET_DROPS];
}

static void add_drops(const struct side *side, struct row *row)
{
	row__list(row, "drops");
	for (size_t i = 0; i < side->n; i++) {
		const struct snap_subject *s = side->s[i];
		struct row *r;

		if (!is_drop(side, s) || !s->n[KS_C_NET_DROPS])
			continue;
		r = row__add(row, "drops");
		row__text(r, "at", nic_name(side->nics, KS_NET_NIC(s->who.object)));
		row__text(r, "stage", stage_name(KS_NET_STAGE(s->who.object)));
		if (KS_NET_KIND(s->who.object) == KS_NET_DROP)
			row__text(r, "reason",
				  net_reasons__name(side->reasons, KS_NET_UPPER(s->who.object)));
		else
			row__text(
				r, "reason",
				net_reasons__function(side->reasons, KS_NET_UPPER(s->who.object)));
		row__u64(r, "count", s->n[KS_C_NET_DROPS]);
		row__u64(r, "copies", dead_copies(side, s));
		row__text(r, "toward",
			  KS_NET_TOWARD(s->who.part)
				  ? nic_name(side->nics, KS_NET_TOWARD(s->who.part))
				  : NULL);
	}
}

/* --- one side */

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
		 sent ? grown(b->tx_packets, a->tx_packets) : grown(b->rx_packets, a->rx_packets));
	row__u64(row, "device_bytes",
		 sent ? grown(b->tx_bytes, a->tx_bytes) : grown(b->rx_bytes, a->rx_bytes));
	row__u64(row, "device_dropped",
		 sent ? grown(b->tx_dropped, a->tx_dropped) : grown(b->rx_dropped, a->rx_dropped));
	row__u64(row, "device_errors",
		 sent ? grown(b->tx_errors, a->tx_errors) : grown(b->rx_errors, a->rx_errors));
}

/* What has no answer; and how far did those to a guest's DHCP requests come? */
static void add_bridge(const struct side *side, const struct net_nic *nic, struct row *row)
{
	struct net_unanswered u;
	struct list own = {};
	uint64_t replies = 0;

	delta__each_subject(side->d, KS_D_NET, KS_VM_HOST, collect, &own);
	for (size_t i = 0; i < own.n; i++)
		if (own.s[i]->who.part == (uint32_t)(nic->master << 1 | KS_NET_RX))
			replies += own.s[i]->n[KS_C_NET_DHCP_REPLIES];
	free(own.s);
	row__text(row, "bridge", nic->master ? nic_name(side->nics, nic->master) : NULL);
	row__u64(row, "bridge_dhcp_replies", replies);
	u = net_memory__unanswered(side->nics, side->part >> 1, replies);
	row__u64(row, "arp_unanswered", u.arp);
	row__u64(row, "dhcp_unanswered", u.dhcp);
	row__u64(row, "dhcp_replies_lost", u.replies);
}

/* What waits in a tap's ring. It is looked for only where there may be something. */
static uint64_t in_ring(const struct side *side, const struct snap_subject *all,
			const struct row *row)
{
	uint64_t gone = row__get_u64(row, "device_packets") + row__get_u64(row, "device_dropped");
	uint64_t came = all ? all->n[KS_C_NET_PACKETS] : 0;

	return net_memory__in_ring(side->nics, side->part >> 1, came > gone);
}

static void add_side(const struct side *side, const struct net_nic *nic, struct row *vm)
{
	struct row *row = row__add(vm, "nics");
	struct histogram ring = {};
	bool tx = !(side->part & 1);

	row__text(row, "name", nic->name);
	row__u64(row, "ifindex", nic->ifindex);
	row__u64(row, "netns", nic->netns);
	row__text(row, "kind", nic->kind);
	row__text(row, "direction", tx ? "tx" : "rx");
	add_counts(all_of(side), row);
	/* what a tap receives, its guest has sent; a macvtap sees it as its guest does */
	add_device(nic, tx == !!(nic->flags & KS_NIC_MACVTAP), row);
	if (tx)
		add_bridge(side, nic, row);
	add_hops(side, row);
	for (size_t i = 0; i < side->n; i++)
		if (is(side, side->s[i], KS_NET_WAY) || is(side, side->s[i], KS_NET_ALL))
			delta__subject_hist(side->d, side->s[i], KS_M_NET_RING_WAIT, &ring);
	row__hist(row, "ring_wait", &ring);
	add_ways(side, row);
	add_drops(side, row);
	if (!tx && !(nic->flags & KS_NIC_MACVTAP))
		row__u64(row, "in_ring", in_ring(side, all_of(side), row));
	row__bool(row, "one_way", nic->one_way[side->part & 1]);
}

static void remember(struct side *side, uint32_t number)
{
	uint64_t packets[2] = {}, unicast[2] = {};

	for (uint32_t dir = 0; dir < 2; dir++) {
		const struct snap_subject *all;

		side->part = number << 1 | dir;
		all = all_of(side);
		if (!all)
			continue;
		packets[dir] = all->n[KS_C_NET_PACKETS];
		unicast[dir] =
			less(packets[dir], all->n[KS_C_NET_BROADCAST] + all->n[KS_C_NET_MULTICAST]);
	}
	net_memory__interval(&side->nics->nic[number], packets, unicast);
}

/* Did anything happen there in the interval? */
static bool any(const struct side *side)
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
	struct side side = {.d = d, .nics = nics, .reasons = reasons};

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
	struct side side = {.d = d, .nics = nics, .reasons = reasons};

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
		add_host_counts(nic, all_of(&side), r);
		/* what is no VM's is not followed: it has no way here, and waits in no ring */
		row__list(r, "hops");
		row__null(r, "ring_wait");
		add_drops(&side, r);
	}
	free(list.s);
}
