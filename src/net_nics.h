/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The interfaces that matter to VMs, by the numbers that the kernel side knows them by (struct
 * ks_nic): those of VMs, and those between them and the world.
 *
 * A number stands for one interface, of one VM or of none, as long as that is so. One that went, or
 * changed hands, keeps its number until nobody measures under it any more, so that what
 * comes after it at the same ifindex is never taken for it. One that does not matter for the time
 * being rests: the kernel side passes it over, and it is the same when it matters again.
 */
#ifndef KVMSCOPE_NET_NICS_H
#define KVMSCOPE_NET_NICS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <kvmscope/abi.h>
#include "net_space.h"

struct session;
struct vm;
struct vms;

struct net_nic {
	bool alive;
	bool rests;	/* it is there, but has no part in any VM's packets; not alive */
	uint32_t netns; /* inode; 0: the number is not in use */
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16];
	uint32_t flags; /* enum ks_nic_flags */
	uint16_t vm;	/* the VM's number, 0: none */
	pid_t pid;	/* and its process */
	uint16_t master;
	struct net_counters before, now;
	struct net_counters rested; /* when it began to */
	unsigned int ended;	    /* at which report it was gone */
	unsigned int used;	    /* the last report that had something of it */
	/* net_memory.h: by direction */
	uint64_t alone[2]; /* packets for one alone since the last one the other way, */
	uint64_t last[2];  /* and when there was one; 0: never */
	bool one_way[2];
	uint64_t replies; /* by its bridge, since it has asked for an address */
	uint64_t in_ring;
};

struct net_nics {
	char proc_root[64];
	int wake; /* epoll: an interface came, changed or went in one of the namespaces */
	struct net_space **space; /* the first is our own */
	size_t n_spaces;
	struct net_nic *nic; /* by number */
	uint32_t last;	     /* number that was given out */
	unsigned int report; /* how many there have been */
	size_t unnumbered;   /* interfaces for which there was no number */
	size_t n_resting;
	size_t missing;	    /* VMs' interfaces that are in no namespace that is open, */
	unsigned int looks; /* and since when all others have not been looked through */
	char *lost;	    /* their names, for people; NULL: none */
	struct ks_nic *map; /* the kernel's, once there is a session */
	uint16_t *places;   /* likewise, by ifindex */
	struct ks_net_cpu *cpus;
	size_t n_cpus;
	struct ks_flights *flights;
	unsigned int counted; /* the report for which the rings were */
};

struct net_nics *net_nics__new(const char *proc_root);
void net_nics__free(struct net_nics *n); /* NULL is fine */

/* The file of the namespace that a VM's process is in. */
void net_nics__space_path(const struct net_nics *n, const struct vm *vm, char *path, size_t size);
/* Takes over one that is open. */
void net_nics__adopt(struct net_nics *n, struct net_space *s);

/* Tells the kernel side of all that is there. Looks at the VMs again when taps came or went. */
void net_nics__follow(struct net_nics *n, struct session *s, struct vms *vms);
/* Reads all counters: an interval ends. */
void net_nics__sample(struct net_nics *n);

/* A number's interface, be it gone; NULL: it was never given out. Marks it as used by this report.
 */
struct net_nic *net_nics__get(struct net_nics *n, uint32_t number);
/* Is that interface gone, and was it all through the last interval? */
bool net_nics__is_over(const struct net_nics *n, uint32_t number);

#endif
