/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is remembered of an interface: see net_memory.h. */
#include <time.h>
#include "net_memory.h"

#define NS_PER_S      1000000000ULL
#define ARP_WITHIN    NS_PER_S
#define DHCP_WITHIN   (5 * NS_PER_S)  /* dnsmasq pings an address for 3 s before it offers it */
#define DHCP_UNTIL    (30 * NS_PER_S) /* a reply is looked for, which costs all that is received */
#define ONE_WAY_AFTER (30 * NS_PER_S) /* since it was both ways: ARP asks again as often */
#define ONE_WAY_LEAST 10	      /* no finding for a handful of packets */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

void net_memory__interval(struct net_nic *nic, const uint64_t packets[2], const uint64_t unicast[2])
{
	uint64_t now = now_ns();

	for (int dir = 0; dir < 2; dir++) {
		nic->alone[dir] = packets[!dir] ? 0 : nic->alone[dir] + unicast[dir];
		if (packets[dir])
			nic->last[dir] = now;
	}
	for (int dir = 0; dir < 2; dir++)
		nic->one_way[dir] = unicast[dir] && nic->alone[dir] >= ONE_WAY_LEAST &&
				    (!nic->last[!dir] || now - nic->last[!dir] >= ONE_WAY_AFTER);
}

/* Those that are old enough; they are not told of again. */
static uint64_t take(uint32_t *asked, uint64_t age, uint64_t within)
{
	uint64_t n = *asked;

	if (!n || age < within)
		return 0;
	*asked = 0;
	return n;
}

struct net_unanswered net_memory__unanswered(struct net_nics *n, uint32_t number, uint64_t replies)
{
	struct net_nic *nic = &n->nic[number];
	struct ks_nic *k = &n->map[number];
	struct net_unanswered u = {};
	uint64_t now = now_ns();

	nic->replies += replies;
	u.arp = take(&k->asked_arp, now - k->asked_arp_t, ARP_WITHIN);
	u.dhcp = take(&k->asked_dhcp, now - k->asked_dhcp_t, DHCP_WITHIN);
	if (!k->asked_dhcp && now - k->asked_dhcp_t >= DHCP_UNTIL)
		k->dhcp_xid = 0;
	u.replies = u.dhcp ? nic->replies : 0;
	if (!k->asked_dhcp)
		nic->replies = 0;
	return u;
}

static void count_rings(struct net_nics *n)
{
	for (uint32_t i = 1; i < KS_NICS; i++)
		n->nic[i].in_ring = 0;
	for (uint32_t i = 0; i < KS_FLIGHT_SETS * KS_FLIGHT_WAYS; i++) {
		const struct ks_flight *f = &n->flights[i / KS_FLIGHT_WAYS].way[i % KS_FLIGHT_WAYS];

		if (f->skb && KS_FLIGHT_STAGE(f) == KS_NET_RING && f->nic < KS_NICS)
			n->nic[f->nic].in_ring++;
	}
	n->counted = n->report;
}

uint64_t net_memory__in_ring(struct net_nics *n, uint32_t number, bool may)
{
	struct net_nic *nic = &n->nic[number];

	if ((may || nic->in_ring) && n->counted != n->report && n->flights)
		count_rings(n);
	return nic->in_ring;
}
