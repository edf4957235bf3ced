/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The numbers of interfaces, given out and taken back: see net_numbers.h. */
#include <string.h>
#include "net_numbers.h"
#include "util.h"
#include "vms.h"

/* The last numbers are VMs' only: one that comes late has a row, however many bridges there are. */
#define ANYBODYS (KS_NICS - KS_NICS / 8)

/* One that never was in use, or of which the last two reports had nothing. */
static uint32_t take_number(struct net_nics *n, bool of_vm)
{
	uint32_t all = of_vm ? KS_NICS - 1 : ANYBODYS;

	for (uint32_t i = 1; i <= all; i++) {
		uint32_t number = (n->last + i - 1) % all + 1;
		const struct net_nic *nic = &n->nic[number];

		if (nic->netns && (nic->alive || nic->rests || nic->ended + 2 >= n->report ||
				   nic->used + 2 >= n->report))
			continue;
		n->last = number;
		return number;
	}
	return 0;
}

static uint16_t *place_of(struct net_nics *n, int ifindex)
{
	return &n->places[ifindex & (KS_NIC_PLACES - 1)];
}

void net_number__end(struct net_nics *n, uint32_t number)
{
	struct net_nic *nic = &n->nic[number];
	struct ks_nic *k = &n->map[number];
	uint16_t *place = place_of(n, nic->ifindex);
	uint32_t before;

	if (*place == number) {
		*place = k->next;
	} else {
		for (before = *place; before && n->map[before].next != number;)
			before = n->map[before].next;
		if (before)
			n->map[before].next = k->next;
	}
	k->flags = 0;
	k->ifindex = 0;
	k->dev = 0;
	nic->alive = false;
	nic->ended = n->report;
}

/* Tells the kernel side of an interface. */
static void put(struct net_nics *n, uint32_t number, const struct net_space *s,
		const struct net_link *l)
{
	n->map[number] = (struct ks_nic){
		.ifindex = l->ifindex,
		.netns = s->inode,
		.vm = n->nic[number].vm,
		.mtu = l->mtu,
		.next = *place_of(n, l->ifindex),
	};
	__atomic_store_n(place_of(n, l->ifindex), number,
			 __ATOMIC_RELEASE); /* last: now it is seen */
}

uint32_t net_number__begin(struct net_nics *n, const struct net_space *s, const struct net_link *l,
			   const struct vm *vm)
{
	uint32_t number = take_number(n, vm);

	if (!number) {
		n->unnumbered++;
		return 0;
	}
	n->nic[number] = (struct net_nic){
		.alive = true,
		.netns = s->inode,
		.ifindex = l->ifindex,
		.vm = vm ? vm->number : 0,
		.pid = vm ? vm->pid : 0,
		.before = l->count,
		.now = l->count,
	};
	put(n, number, s, l);
	return number;
}

void net_number__rest(struct net_nics *n, uint32_t number, const struct net_link *l)
{
	net_number__end(n, number);
	n->nic[number].rests = true;
	n->nic[number].rested = l->count;
	n->n_resting++;
}

void net_number__end_rest(struct net_nics *n, uint32_t number)
{
	n->nic[number].rests = false;
	n->nic[number].ended = n->report;
	n->n_resting--;
}

uint32_t net_number__resting(const struct net_nics *n, const struct net_space *s, int ifindex)
{
	for (uint32_t i = 1; n->n_resting && i < KS_NICS; i++)
		if (n->nic[i].rests && n->nic[i].ifindex == ifindex && n->nic[i].netns == s->inode)
			return i;
	return 0;
}

/* What has begun anew meanwhile (see add_device()) counts from where it is now. */
static void add_difference(struct net_counters *sum, const struct net_counters *from,
			   const struct net_counters *to)
{
	uint64_t s[sizeof(*sum) / sizeof(uint64_t)], a[ARRAY_SIZE(s)], b[ARRAY_SIZE(s)];

	memcpy(s, sum, sizeof(s));
	memcpy(a, from, sizeof(a));
	memcpy(b, to, sizeof(b));
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = b[i] < a[i] ? b[i] : s[i] + b[i] - a[i];
	memcpy(sum, s, sizeof(s));
}

void net_number__wake(struct net_nics *n, uint32_t number, const struct net_space *s,
		      const struct net_link *l)
{
	struct net_nic *nic = &n->nic[number];

	add_difference(&nic->now, &nic->rested, &l->count);
	net_number__end_rest(n, number);
	nic->alive = true;
	put(n, number, s, l);
}

uint32_t net_number__known(const struct net_nics *n, const struct net_space *s, int ifindex)
{
	uint32_t number = n->places[ifindex & (KS_NIC_PLACES - 1)];

	while (number && (n->map[number].ifindex != ifindex || n->map[number].netns != s->inode))
		number = n->map[number].next;
	return number;
}
