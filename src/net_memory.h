/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is remembered of a VM's interface from one interval to the next, so that an answer that
 * comes in the next one is not missed in this, and what still waits is still told.
 */
#ifndef KVMSCOPE_NET_MEMORY_H
#define KVMSCOPE_NET_MEMORY_H

#include "net_nics.h"

/* Requests that have had no answer for a second; the host's DHCP replies that were no answer. */
struct net_unanswered {
	uint64_t arp, dhcp, replies;
};

/* What it sent and was sent in an interval, by direction: all packets, and those for one alone. */
void net_memory__interval(struct net_nic *nic, const uint64_t packets[2],
			  const uint64_t unicast[2]);

/*
 * Tells of each once. replies: of the interval, by the bridge, after a request of one of its VMs.
 */
struct net_unanswered net_memory__unanswered(struct net_nics *n, uint32_t number, uint64_t replies);

/*
 * How many packets are in a tap's ring, as the kernel side has it. If there may be some, or were.
 */
uint64_t net_memory__in_ring(struct net_nics *n, uint32_t number, bool may);

#endif
