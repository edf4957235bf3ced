/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A network namespace as rtnetlink shows it: its interfaces, their counters, and what comes and
 * goes.
 *
 * A socket belongs to the namespace in which it was made, for ever: one that asks and one that
 * listens are made in each, and the process itself stays where it is. Plain netlink, without a
 * library: libmnl comes without a static form, which make static needs.
 */
#ifndef KVMSCOPE_NET_SPACE_H
#define KVMSCOPE_NET_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

struct net_counters {
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
	uint64_t rx_dropped, tx_dropped, rx_errors, tx_errors;
};

struct net_link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16]; /* rtnetlink's: bridge, tun, veth, macvtap ...; "" for a device */
	int master;    /* ifindex, 0: none */
	int lower;     /* ifindex of the device below, or of the peer; 0: none */
	int lower_id;  /* the id that this namespace has for the one where lower is; -1: here */
	unsigned int mtu;
	bool carrier; /* of a tap: somebody has it open */
	struct net_counters count;
};

struct net_space {
	uint32_t inode;
	int ask, listen; /* sockets */
	int ns;		 /* the namespace itself */
	int forward[2];	 /* sysctls: does it route IPv4, IPv6? */
	bool forwards;
	bool fresh;  /* has never been read */
	bool in_use; /* whoever has it may mark it so, */
	bool third;  /* or that it is open for the sake of an interface in it: net_homes.h */
	struct net_link *link;
	size_t n;
};

/*
 * What is opened in a namespace: sockets that ask and listen, and its two sysctls, where there are
 * such. make: 0 or -errno, and -1 behind the last one; the process is where it was when it returns.
 */
#define NET_SPACE_FDS 4
int net_space__make(int ns, int fd[NET_SPACE_FDS]);
void net_space__unmake(const int fd[NET_SPACE_FDS]);
/* Who makes them from now on, where this process has no privilege to: process wide. */
void net_space__set_maker(int (*make)(int ns, int fd[NET_SPACE_FDS], void *arg), void *arg);

/*
 * path: a namespace's file (/proc/PID/ns/net), or NULL for the process' own. Returns it, or NULL
 * with errno: EPERM without CAP_SYS_ADMIN.
 */
struct net_space *net_space__open(const char *path);
void net_space__close(struct net_space *s); /* NULL is fine */

/*
 * Reads what has been announced since the last time, and calls gone() for each interface that went.
 * True: something came, changed or went; *taps: a tap or macvtap did.
 */
bool net_space__changed(struct net_space *s, bool *taps, void (*gone)(void *arg, int ifindex),
			void *arg);
/* Reads all interfaces, in order of their ifindex. 0 or -errno: what was known stays. */
int net_space__read(struct net_space *s);

const struct net_link *net_space__by_index(const struct net_space *s, int ifindex);
/* The same; *ret: its place in the list. */
const struct net_link *net_space__at(const struct net_space *s, int ifindex, size_t *ret);
const struct net_link *net_space__by_name(const struct net_space *s, const char *name);
/* The id by which s knows another namespace; -1: it has none. */
int net_space__id_of(const struct net_space *s, const struct net_space *other);
/* Is it of one of these kinds? The last one is NULL. */
bool net_link__is(const struct net_link *l, const char *const *kinds);

#endif
