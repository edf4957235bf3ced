/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Of a namespace's interfaces, those that do not belong to a VM but whose packets may be one's: its
 * bridge and the other ports, what is below and on top of these, and, where the host
 * routes, all.
 */
#ifndef KVMSCOPE_NET_FEEDS_H
#define KVMSCOPE_NET_FEEDS_H

#include <kvmscope/abi.h>
#include "net_space.h"

struct vm;

/* What is to be known of an interface, while it is being found out. */
struct net_plan {
	const struct vm *vm; /* NULL: none */
	uint32_t flags;	     /* enum ks_nic_flags */
	uint32_t number;
};

/* plan: one for each of the namespace's links. Those of VMs are marked; marks all others. */
void net_feeds__find(const struct net_space *s, struct net_plan *plan);

#endif
