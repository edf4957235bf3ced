/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which interfaces matter, and their numbers: see net_nics.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cpus.h"
#include "net_feeds.h"
#include "net_homes.h"
#include "net_nics.h"
#include "net_numbers.h"
#include "session.h"
#include "util.h"
#include "vms.h"

/* A namespace that is closed leaves by itself. */
void net_nics__adopt(struct net_nics *n, struct net_space *s)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (n->wake >= 0)
		epoll_ctl(n->wake, EPOLL_CTL_ADD, s->listen, &event);
	n->space = xreallocarray(n->space, n->n_spaces + 1, sizeof(struct net_space *));
	n->space[n->n_spaces++] = s;
}

struct net_nics *net_nics__new(const char *proc_root)
{
	struct net_nics *n = xcalloc(1, sizeof(*n));
	struct net_space *own;

	snprintf(n->proc_root, sizeof(n->proc_root), "%s", proc_root);
	n->nic = xcalloc(KS_NICS, sizeof(*n->nic));
	n->wake = epoll_create1(EPOLL_CLOEXEC);
	own = net_space__open(NULL);
	if (own)
		net_nics__adopt(n, own);
	return n;
}

void net_nics__free(struct net_nics *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_spaces; i++)
		net_space__close(n->space[i]);
	if (n->wake >= 0)
		close(n->wake);
	if (n->map)
		munmap(n->map, KS_NICS * sizeof(*n->map));
	if (n->cpus)
		munmap(n->cpus, n->n_cpus * sizeof(*n->cpus));
	if (n->flights)
		munmap(n->flights, KS_FLIGHT_SETS * sizeof(*n->flights));
	free(n->space);
	free(n->lost);
	free(n->nic);
	free(n);
}

struct net_nic *net_nics__get(struct net_nics *n, uint32_t number)
{
	if (number >= KS_NICS || !n->nic[number].netns)
		return NULL;
	n->nic[number].used = n->report;
	return &n->nic[number];
}

bool net_nics__is_over(const struct net_nics *n, uint32_t number)
{
	const struct net_nic *nic = number < KS_NICS ? &n->nic[number] : n->nic;

	return nic->netns && !nic->alive && !nic->rests && nic->ended + 2 <= n->report;
}

/* --- namespaces */

struct space_of {
	struct net_nics *nics;
	struct net_space *space;
};

static void on_gone(void *arg, int ifindex)
{
	const struct space_of *at = arg;
	uint32_t number = net_number__known(at->nics, at->space, ifindex);

	if (number) {
		net_number__end(at->nics, number);
	} else {
		number = net_number__resting(at->nics, at->space, ifindex);
		if (number)
			net_number__end_rest(at->nics, number);
	}
}

void net_nics__space_path(const struct net_nics *n, const struct vm *vm, char *path, size_t size)
{
	snprintf(path, size, "%s/%d/ns/net", n->proc_root, (int)vm->pid);
}

static void close_space(struct net_nics *n, size_t at)
{
	for (uint32_t i = 1; i < KS_NICS; i++) {
		if (n->nic[i].netns != n->space[at]->inode)
			continue;
		if (n->nic[i].alive)
			net_number__end(n, i);
		else if (n->nic[i].rests)
			net_number__end_rest(n, i);
	}
	net_space__close(n->space[at]);
	n->space[at] = n->space[--n->n_spaces];
}

static void find_spaces(struct net_nics *n, struct vm **all, size_t n_vms)
{
	struct net_space *s;
	char path[96];

	for (size_t i = 1; i < n->n_spaces; i++)
		n->space[i]->in_use = n->space[i]->third;
	for (size_t i = 0; i < n_vms; i++) {
		if (!all[i]->alive || !all[i]->n_nics)
			continue;
		s = net_homes__own(n, all[i]);
		if (!s) {
			net_nics__space_path(n, all[i], path, sizeof(path));
			s = net_space__open(path);
			if (!s)
				continue;
			net_nics__adopt(n, s);
		}
		s->in_use = true;
	}
	for (size_t i = n->n_spaces; i-- > 1;)
		if (!n->space[i]->in_use)
			close_space(n, i);
}

/* --- what is what */

/* Of a VM's interface that is nowhere: for people, who are to hear of it. */
static void tell_missing(struct net_nics *n, const struct vm *vm, const struct vm_nic *nic)
{
	char *before = n->lost;

	n->lost = xasprintf("%s%s%s of %s", before ?: "", before ? ", " : "", nic->name, vm->name);
	free(before);
}

/* Which interfaces are whose. */
static void find_taps(struct net_nics *n, struct vm **all, size_t n_vms, struct net_plan **plan)
{
	free(n->lost);
	n->lost = NULL;
	for (size_t i = 0; i < n->n_spaces; i++)
		n->space[i]->in_use = false;
	for (size_t i = 0; i < n_vms; i++) {
		bool looked_for = all[i]->alive && all[i]->wanted && all[i]->number;

		for (size_t k = 0; looked_for && k < all[i]->n_nics; k++) {
			struct net_space *s;
			const struct net_link *l =
				net_homes__find(n, all, n_vms, all[i], &all[i]->nics[k], &s);
			struct net_plan *p;
			size_t at = 0;

			if (!l) {
				tell_missing(n, all[i], &all[i]->nics[k]);
				continue;
			}
			s->in_use = true;
			while (n->space[at] != s)
				at++;
			p = &plan[at][l - s->link];
			if (p->vm) {
				if (p->vm != all[i])
					tell_missing(n, all[i], &all[i]->nics[k]);
				continue;
			}
			p->vm = all[i];
			p->flags |= KS_NIC_VM | (net_homes__is_macvtap(l) ? KS_NIC_MACVTAP : 0);
		}
	}
	for (size_t i = 0; i < n->n_spaces; i++)
		n->space[i]->third &= n->space[i]->in_use;
}

/* The other end of a veth, in whatever namespace we know; *ret_at: its place there. */
static size_t find_peer(const struct net_nics *n, size_t at, const struct net_link *l,
			size_t *ret_at)
{
	for (size_t i = 0; i < n->n_spaces; i++) {
		const struct net_space *other = n->space[i];

		if (l->lower_id < 0
			    ? i != at
			    : i == at || net_space__id_of(n->space[at], other) != l->lower_id)
			continue;
		if (net_space__at(other, l->lower, ret_at))
			return i;
	}
	return SIZE_MAX;
}

/* What leaves by one end of a veth that matters is followed to the other. */
static void find_veths(const struct net_nics *n, struct net_plan **plan, uint32_t (**peer)[2])
{
	for (size_t i = 0; i < n->n_spaces; i++) {
		for (size_t k = 0; k < n->space[i]->n; k++) {
			const struct net_link *l = &n->space[i]->link[k];
			size_t other, at;

			if (strcmp(l->kind, "veth") || !(plan[i][k].flags & KS_NIC_FEEDS))
				continue;
			other = find_peer(n, i, l, &at);
			if (other == SIZE_MAX)
				continue;
			plan[i][k].flags = (plan[i][k].flags | KS_NIC_PASSES) & ~KS_NIC_COUNTS;
			plan[other][at].flags |= KS_NIC_FEEDS | KS_NIC_VETH;
			plan[other][at].flags &= ~KS_NIC_COUNTS;
			peer[i][k][0] = peer[other][at][0] = 1; /* known */
			peer[i][k][1] = other << 16 | at;
			peer[other][at][1] = i << 16 | k;
		}
	}
}

/* of_vms: those of VMs, which come first: theirs are the rows. Else the others. */
static void number_all(struct net_nics *n, const struct net_space *s, struct net_plan *plan,
		       bool of_vms)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct net_link *l = &s->link[i];
		uint32_t number = net_number__known(n, s, l->ifindex);
		struct net_nic *nic = &n->nic[number];

		if (!!plan[i].vm != of_vms)
			continue;
		if (number && (nic->vm != (plan[i].vm ? plan[i].vm->number : 0) ||
			       nic->pid != (plan[i].vm ? plan[i].vm->pid : 0))) {
			net_number__end(n, number); /* it has changed hands */
			number = 0;
		} else if (number && !plan[i].flags) {
			net_number__rest(n, number, l);
			number = 0;
		} else if (!number && plan[i].flags) {
			number = net_number__resting(n, s, l->ifindex);
			if (number && !plan[i].vm) {
				net_number__wake(n, number, s, l);
			} else if (number) {
				net_number__end_rest(n, number);
				number = 0;
			}
		}
		if (!number && plan[i].flags)
			number = net_number__begin(n, s, l, plan[i].vm);
		plan[i].number = number;
		if (!number)
			continue;
		nic = &n->nic[number];
		memcpy(nic->name, l->name, sizeof(nic->name));
		memcpy(nic->kind, l->kind, sizeof(nic->kind));
	}
}

static void describe(struct net_nics *n, const struct net_space *s, struct net_plan **plan,
		     size_t at, uint32_t (*peer)[2])
{
	for (size_t i = 0; i < s->n; i++) {
		const struct net_link *l = &s->link[i];
		struct net_plan *p = &plan[at][i];
		struct ks_nic *k = &n->map[p->number];
		uint32_t lower = 0;
		size_t below;

		if (!p->number)
			continue;
		if (peer[i][0])
			lower = plan[peer[i][1] >> 16][peer[i][1] & 0xffff].number;
		else if (l->lower && l->lower_id < 0 && net_space__at(s, l->lower, &below))
			lower = plan[at][below].number;
		k->lower = lower;
		k->master = l->master && net_space__at(s, l->master, &below)
				    ? plan[at][below].number
				    : 0;
		k->mtu = l->mtu;
		k->flags = p->flags;
		n->nic[p->number].flags = p->flags;
		n->nic[p->number].master = k->master;
	}
}

static void *map_table(struct session *s, const char *name, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, session__map(s, name), 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool map_tables(struct net_nics *n, struct session *s)
{
	int cpus = cpus__numbers();

	if (cpus < 0)
		return false;
	n->n_cpus = cpus;
	if (!n->map)
		n->map = map_table(s, "nics", KS_NICS * sizeof(*n->map));
	n->places = session__nic_places(s);
	if (!n->cpus)
		n->cpus = map_table(s, "net_cpus", cpus * sizeof(*n->cpus));
	if (!n->flights)
		n->flights = map_table(s, "flights", KS_FLIGHT_SETS * sizeof(*n->flights));
	return n->map && n->cpus;
}

/* What has changed is told: no CPU goes by what it has found out before. */
static void forget_memos(struct net_nics *n, const struct session *s)
{
	session__forget_nics(s);
	for (size_t i = 0; i < n->n_cpus; i++)
		__atomic_store_n(&n->cpus[i].stale, 1, __ATOMIC_RELEASE);
}

void net_nics__follow(struct net_nics *n, struct session *session, struct vms *vms)
{
	bool taps = false;
	uint32_t(**peer)[2];
	struct net_plan **plan;
	struct vm **all;
	size_t n_vms;

	if (!n->n_spaces || !map_tables(n, session))
		return;
	for (size_t i = 0; i < n->n_spaces; i++) {
		struct space_of at = {n, n->space[i]};

		if (net_space__changed(n->space[i], &taps, on_gone, &at))
			n->space[i]->fresh = true;
	}
	if (taps)
		vms__refresh_devices(vms);
	n_vms = vms__all(vms, &all);
	find_spaces(n, all, n_vms);
	for (size_t i = 0; i < n->n_spaces; i++)
		if (n->space[i]->fresh)
			net_space__read(n->space[i]);
	net_homes__look(n, all, n_vms, taps);
	plan = xcalloc(n->n_spaces, sizeof(struct net_plan *));
	peer = xcalloc(n->n_spaces, sizeof(*peer));
	for (size_t i = 0; i < n->n_spaces; i++) {
		plan[i] = xcalloc(n->space[i]->n, sizeof(*plan[i]));
		peer[i] = xcalloc(n->space[i]->n, sizeof(*peer[i]));
	}
	n->unnumbered = 0;
	find_taps(n, all, n_vms, plan);
	for (size_t i = 0; i < n->n_spaces; i++)
		net_feeds__find(n->space[i], plan[i]);
	find_veths(n, plan, peer);
	for (size_t i = 0; i < n->n_spaces; i++)
		number_all(n, n->space[i], plan[i], true);
	for (size_t i = 0; i < n->n_spaces; i++)
		number_all(n, n->space[i], plan[i], false);
	for (size_t i = 0; i < n->n_spaces; i++) {
		describe(n, n->space[i], plan, i, peer[i]);
		free(peer[i]);
	}
	for (size_t i = 0; i < n->n_spaces; i++)
		free(plan[i]);
	free(plan);
	free(peer);
	forget_memos(n, session);
}

void net_nics__sample(struct net_nics *n)
{
	n->report++;
	for (uint32_t i = 1; n->n_resting && i < KS_NICS; i++) {
		if (!n->nic[i].rests)
			continue;
		n->nic[i].before = n->nic[i].now;
		n->nic[i].now = n->nic[i].rested;
	}
	for (size_t i = 0; i < n->n_spaces; i++) {
		struct net_space *s = n->space[i];

		if (!n->map || net_space__read(s))
			continue;
		for (size_t k = 0; k < s->n; k++) {
			uint32_t number = net_number__known(n, s, s->link[k].ifindex);

			if (!number)
				continue;
			n->nic[number].before = n->nic[number].now;
			n->nic[number].now = s->link[k].count;
		}
	}
}
