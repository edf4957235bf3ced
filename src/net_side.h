/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One interface in one direction: its hops, ways and drops, as rows. Of net_rows.c. */
#ifndef KVMSCOPE_NET_SIDE_H
#define KVMSCOPE_NET_SIDE_H

#include "net_nics.h"
#include "net_reasons.h"
#include "report.h"

struct delta;
struct snap_subject;

struct net_side {
	const struct delta *d;
	struct net_nics *nics;
	struct net_reasons *reasons;
	const struct snap_subject **s; /* all of the VM's */
	size_t n;
	uint32_t part; /* of those of this side */
};

/* Is that subject of this kind, and of this side? */
bool net_side__is(const struct net_side *side, const struct snap_subject *s, enum ks_net_kind kind);
/* The subject of all of its packets; NULL: there were none. */
const struct snap_subject *net_side__all(const struct net_side *side);
/* An interface's name, for people: "(other)", or "?" if nobody knows it any more. */
const char *net_side__nic_name(struct net_nics *nics, uint32_t number);

/* Add "hops", "ways" and "drops" to its row. */
void net_side__hops(const struct net_side *side, struct row *row);
void net_side__ways(const struct net_side *side, struct row *row);
void net_side__drops(const struct net_side *side, struct row *row);

#endif
