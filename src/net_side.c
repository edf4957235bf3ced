/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One interface in one direction: see net_side.h. A VM's subjects are few (a tap has KS_WAYS_MAX
 * ways at most, each way), so that they are simply searched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "domain_net.h"
#include "net_side.h"
#include "snapshot.h"
#include "util.h"

bool net_side__is(const struct net_side *side, const struct snap_subject *s, enum ks_net_kind kind)
{
	return KS_NET_PART(s->who.part) == side->part && KS_NET_KIND(s->who.object) == kind;
}

static bool is_drop(const struct net_side *side, const struct snap_subject *s)
{
	return net_side__is(side, s, KS_NET_DROP) || net_side__is(side, s, KS_NET_DROP_AT);
}

const char *net_side__nic_name(struct net_nics *nics, uint32_t number)
{
	struct net_nic *nic = net_nics__get(nics, number);

	return number == KS_NIC_OTHER ? "(other)" : nic ? nic->name : "?";
}

/* The interface that a packet on that way, or of that side, has come to. */
static uint32_t nic_of(const struct net_side *side, const struct snap_subject *s)
{
	return KS_NET_KIND(s->who.object) == KS_NET_ALL ? side->part >> 1
							: KS_NET_NIC(s->who.object);
}

static const struct snap_subject *parent_of(const struct net_side *side,
					    const struct snap_subject *s)
{
	uint32_t number = KS_NET_UPPER(s->who.object);

	if (KS_NET_KIND(s->who.object) != KS_NET_WAY || !number)
		return NULL;
	for (size_t i = 0; i < side->n; i++)
		if (side->s[i]->number == number)
			return side->s[i];
	return NULL;
}

static int depth_of(const struct net_side *side, const struct snap_subject *s)
{
	const struct snap_subject *parent = parent_of(side, s);

	return parent ? 1 + depth_of(side, parent) : 0;
}

const struct snap_subject *net_side__all(const struct net_side *side)
{
	for (size_t i = 0; i < side->n; i++)
		if (net_side__is(side, side->s[i], KS_NET_ALL))
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
static void add_hop(const struct net_side *side, struct hops *h, const struct snap_subject *s,
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

void net_side__hops(const struct net_side *side, struct row *row)
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

		if ((!net_side__is(side, s, KS_NET_WAY) && !net_side__is(side, s, KS_NET_ALL)) ||
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

		row__text(r, "from", net_side__nic_name(side->nics, h->from));
		row__text(r, "to", net_side__nic_name(side->nics, h->to));
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
static uint64_t went_on(const struct net_side *side, const struct snap_subject *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < side->n; i++)
		if (parent_of(side, side->s[i]) == s)
			n += side->s[i]->n[KS_C_NET_PACKETS] - side->s[i]->n[KS_C_NET_COPIES];
	return n;
}

static uint64_t died_at(const struct net_side *side, uint32_t nic, uint32_t stage)
{
	uint64_t n = 0;

	for (size_t i = 0; i < side->n; i++)
		if (is_drop(side, side->s[i]) && KS_NET_NIC(side->s[i]->who.object) == nic &&
		    KS_NET_STAGE(side->s[i]->who.object) == stage)
			n += side->s[i]->n[KS_C_NET_DROPS];
	return n;
}

static void way_name(const struct net_side *side, const struct snap_subject *s, char *buf,
		     size_t size)
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
		 net_side__nic_name(side->nics, nic_of(side, s)));
}

static void add_way(const struct net_side *side, const struct snap_subject *s, const char *end,
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
void net_side__ways(const struct net_side *side, struct row *row)
{
	bool tx = !(side->part & 1);

	row__list(row, "ways");
	for (size_t i = 0; i < side->n; i++) {
		const struct snap_subject *s = side->s[i];
		const struct net_nic *nic = net_nics__get(side->nics, nic_of(side, s));
		uint64_t on, left, own = s->n[KS_C_NET_PACKETS] - s->n[KS_C_NET_COPIES];

		if (!net_side__is(side, s, KS_NET_WAY) &&
		    !(tx && net_side__is(side, s, KS_NET_ALL)))
			continue;
		on = went_on(side, s);
		if (!tx) {
			if (nic_of(side, s) == side->part >> 1)
				add_way(side, s, NULL, s->n[KS_C_NET_PACKETS], row);
			continue;
		}
		if (net_side__is(side, s, KS_NET_WAY) && (!nic || strcmp(nic->kind, "bridge"))) {
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
static uint64_t dead_copies(const struct net_side *side, const struct snap_subject *drop)
{
	uint64_t n = 0;

	if (KS_NET_STAGE(drop->who.object) != KS_NET_RECEIVED)
		return 0;
	for (size_t i = 0; i < side->n; i++)
		if (net_side__is(side, side->s[i], KS_NET_WAY) &&
		    nic_of(side, side->s[i]) == KS_NET_NIC(drop->who.object))
			n += side->s[i]->n[KS_C_NET_COPIES];
	return n < drop->n[KS_C_NET_DROPS] ? n : drop->n[KS_C_NET_DROPS];
}

void net_side__drops(const struct net_side *side, struct row *row)
{
	row__list(row, "drops");
	for (size_t i = 0; i < side->n; i++) {
		const struct snap_subject *s = side->s[i];
		struct row *r;

		if (!is_drop(side, s) || !s->n[KS_C_NET_DROPS])
			continue;
		r = row__add(row, "drops");
		row__text(r, "at", net_side__nic_name(side->nics, KS_NET_NIC(s->who.object)));
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
				  ? net_side__nic_name(side->nics, KS_NET_TOWARD(s->who.part))
				  : NULL);
	}
}
