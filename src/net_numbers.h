/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The numbers by which the kernel side knows interfaces, as net_nics.h has them: given out, told to
 * it, at rest, ended. A function that takes a number takes one that is in use.
 */
#ifndef KVMSCOPE_NET_NUMBERS_H
#define KVMSCOPE_NET_NUMBERS_H

#include "net_nics.h"

/* The number under which an interface of a VM, or of none, is known; else 0. */
uint32_t net_number__known(const struct net_nics *n, const struct net_space *s, int ifindex);
/* A new one, for an interface of that VM; NULL: of none. 0 when none is left, which is counted. */
uint32_t net_number__begin(struct net_nics *n, const struct net_space *s, const struct net_link *l,
			   const struct vm *vm);
/* Takes an interface away from the kernel side: out of its chain, and nobody's. */
void net_number__end(struct net_nics *n, uint32_t number);

/* An interface of no VM that does not matter any more, but is there: it may again. */
void net_number__rest(struct net_nics *n, uint32_t number, const struct net_link *l);
/* The number of an interface that rests; else 0. */
uint32_t net_number__resting(const struct net_nics *n, const struct net_space *s, int ifindex);
/* What came while it rested has been passed over: its own counters leave that out. */
void net_number__wake(struct net_nics *n, uint32_t number, const struct net_space *s,
		      const struct net_link *l);
/* It is gone. */
void net_number__end_rest(struct net_nics *n, uint32_t number);

#endif
