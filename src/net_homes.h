/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a VM's interface is: in the network namespace of the VM's process; or in ours; or in a
 * third one, of which only its own processes or a file in /run/netns tell, and whoever made the
 * interface handed its file on.
 *
 * A name or an index says nothing outside of its namespace. In a third one an interface is taken
 * for a VM's if it is no other VM's, and no other namespace has one that could be it.
 */
#ifndef KVMSCOPE_NET_HOMES_H
#define KVMSCOPE_NET_HOMES_H

#include "net_nics.h"
#include "vms.h"

bool net_homes__is_macvtap(const struct net_link *l);

/* The namespace of the VM's process, if it is one of those that are open; else NULL. */
struct net_space *net_homes__own(const struct net_nics *n, const struct vm *vm);

/* A VM's interface, and *ret_space where it is. NULL: it is in none that is open. */
const struct net_link *net_homes__find(const struct net_nics *n, struct vm **all, size_t n_vms,
				       const struct vm *vm, const struct vm_nic *nic,
				       struct net_space **ret_space);

/*
 * Once all that are open have been read: looks through all others that there are, if there are
 * interfaces that were not found, and opens those that have one. again: look in any case, else only
 * now and then.
 */
void net_homes__look(struct net_nics *n, struct vm **all, size_t n_vms, bool again);

#endif
