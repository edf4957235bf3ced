/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A network namespace's interfaces, by rtnetlink: see net_space.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include "net_space.h"
#include "util.h"

/* A kernel's answers are at most so long: 32 KiB (net/core/rtnetlink.c, max_recvmsg_len). */
#define ANSWER_MAX (64 * 1024)

static int socket_of(unsigned int groups)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int type = SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0);
	int fd = socket(AF_NETLINK, type, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int (*maker)(int ns, int fd[NET_SPACE_FDS], void *arg);
static void *maker_arg;

void net_space__set_maker(int (*make)(int ns, int fd[NET_SPACE_FDS], void *arg), void *arg)
{
	maker = make;
	maker_arg = arg;
}

/* In the namespace where this process is. */
static int open_all(int fd[NET_SPACE_FDS])
{
	static const char *const sysctl[] = {"/proc/sys/net/ipv4/ip_forward",
					     "/proc/sys/net/ipv6/conf/all/forwarding"};
	size_t n = 0;

	for (size_t i = 0; i < NET_SPACE_FDS; i++)
		fd[i] = -1;
	fd[n++] = socket_of(0);
	if (fd[0] < 0)
		return -errno;
	fd[n++] = socket_of(RTMGRP_LINK);
	if (fd[1] < 0) {
		int err = -errno;

		close(fd[0]);
		return err;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sysctl); i++) {
		fd[n] = open(sysctl[i], O_RDONLY | O_CLOEXEC);
		n += fd[n] >= 0;
	}
	return 0;
}

int net_space__make(int ns, int fd[NET_SPACE_FDS])
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), err;

	if (own < 0)
		return -errno;
	err = setns(ns, CLONE_NEWNET) ? -errno : 0;
	if (!err) {
		err = open_all(fd);
		if (setns(own, CLONE_NEWNET))
			abort(); /* where it came from it could always go */
	}
	close(own);
	return err;
}

void net_space__unmake(const int fd[NET_SPACE_FDS])
{
	for (size_t i = 0; i < NET_SPACE_FDS; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

struct net_space *net_space__open(const char *path)
{
	struct net_space *s = xcalloc(1, sizeof(*s));
	int fd[NET_SPACE_FDS], err;
	struct stat st;

	*s = (struct net_space){.ask = -1, .listen = -1, .forward = {-1, -1}, .fresh = true};
	s->ns = open(path ?: "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (s->ns < 0 || fstat(s->ns, &st))
		err = -errno;
	else if (!path)
		err = open_all(fd);
	else
		err = maker ? maker(s->ns, fd, maker_arg) : net_space__make(s->ns, fd);
	if (err) {
		net_space__close(s);
		errno = -err;
		return NULL;
	}
	s->inode = st.st_ino;
	s->ask = fd[0];
	s->listen = fd[1];
	s->forward[0] = fd[2];
	s->forward[1] = fd[3];
	return s;
}

void net_space__close(struct net_space *s)
{
	if (!s)
		return;
	for (int i = 0; i < 2; i++)
		if (s->forward[i] >= 0)
			close(s->forward[i]);
	if (s->ask >= 0)
		close(s->ask);
	if (s->listen >= 0)
		close(s->listen);
	if (s->ns >= 0)
		close(s->ns);
	free(s->link);
	free(s);
}

/* --- messages */

static void copy_text(char *to, size_t size, const struct rtattr *a)
{
	size_t n = RTA_PAYLOAD(a);

	if (n >= size)
		n = size - 1;
	memcpy(to, RTA_DATA(a), n);
	to[n] = '\0';
}

static uint32_t attr_u32(const struct rtattr *a)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static void parse_kind(struct net_link *l, struct rtattr *info)
{
	int left = RTA_PAYLOAD(info);

	for (struct rtattr *a = RTA_DATA(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_INFO_KIND)
			copy_text(l->kind, sizeof(l->kind), a);
}

static void parse_counters(struct net_link *l, const struct rtattr *a)
{
	struct rtnl_link_stats64 st = {};
	size_t n = RTA_PAYLOAD(a);

	memcpy(&st, RTA_DATA(a), n < sizeof(st) ? n : sizeof(st));
	l->count = (struct net_counters){
		.rx_packets = st.rx_packets,
		.tx_packets = st.tx_packets,
		.rx_bytes = st.rx_bytes,
		.tx_bytes = st.tx_bytes,
		.rx_dropped = st.rx_dropped,
		.tx_dropped = st.tx_dropped,
		.rx_errors = st.rx_errors,
		.tx_errors = st.tx_errors,
	};
}

static bool parse_link(const struct nlmsghdr *m, struct net_link *l)
{
	const struct ifinfomsg *info = NLMSG_DATA(m);
	int left = m->nlmsg_len - NLMSG_LENGTH(sizeof(*info));

	if (left < 0)
		return false;
	*l = (struct net_link){.ifindex = info->ifi_index, .lower_id = -1};
	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			copy_text(l->name, sizeof(l->name), a);
			break;
		case IFLA_MASTER:
			l->master = attr_u32(a);
			break;
		case IFLA_LINK:
			l->lower = attr_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			l->lower_id = attr_u32(a);
			break;
		case IFLA_MTU:
			l->mtu = attr_u32(a);
			break;
		case IFLA_CARRIER:
			l->carrier = RTA_PAYLOAD(a) && *(const uint8_t *)RTA_DATA(a);
			break;
		case IFLA_LINKINFO:
			parse_kind(l, a);
			break;
		case IFLA_STATS64:
			parse_counters(l, a);
			break;
		}
	}
	return l->ifindex > 0;
}

static bool is_tap(const struct net_link *l)
{
	return !strcmp(l->kind, "tun") || !strcmp(l->kind, "macvtap") || !strcmp(l->kind, "ipvtap");
}

bool net_space__changed(struct net_space *s, bool *taps, void (*gone)(void *arg, int ifindex),
			void *arg)
{
	static char buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool changed = s->fresh;
	struct net_link l;
	ssize_t n;

	while ((n = recv(s->listen, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == ENOBUFS)) {
		changed = true;
		if (n < 0) { /* announcements were lost: anything may have happened */
			*taps = true;
			continue;
		}
		for (struct nlmsghdr *m = (void *)buf; NLMSG_OK(m, (size_t)n);
		     m = NLMSG_NEXT(m, n)) {
			if ((m->nlmsg_type != RTM_NEWLINK && m->nlmsg_type != RTM_DELLINK) ||
			    !parse_link(m, &l))
				continue;
			*taps |= is_tap(&l);
			/* a bridge announces the loss of a port in the same way, with its family */
			if (m->nlmsg_type == RTM_DELLINK &&
			    ((struct ifinfomsg *)NLMSG_DATA(m))->ifi_family == AF_UNSPEC)
				gone(arg, l.ifindex);
		}
	}
	return changed;
}

static int by_index(const void *a, const void *b)
{
	const struct net_link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static bool reads_one(int fd)
{
	char c = '0';

	return fd >= 0 && pread(fd, &c, 1, 0) == 1 && c != '0';
}

int net_space__read(struct net_space *s)
{
	static char buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = {
		.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	};
	struct net_link *list = NULL, l;
	size_t n = 0, cap = 0;
	bool done = false;
	int err = 0;

	if (send(s->ask, &ask, sizeof(ask), 0) < 0)
		return -errno;
	while (!done) {
		ssize_t got = recv(s->ask, buf, sizeof(buf), 0);

		if (got <= 0) {
			err = got ? -errno : -EIO;
			break;
		}
		for (struct nlmsghdr *m = (void *)buf; NLMSG_OK(m, (size_t)got);
		     m = NLMSG_NEXT(m, got)) {
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) {
				err = m->nlmsg_type == NLMSG_ERROR ? -EIO : 0;
				done = true;
				break;
			}
			if (m->nlmsg_type != RTM_NEWLINK || !parse_link(m, &l))
				continue;
			if (n == cap) {
				cap = cap ? 2 * cap : 16;
				list = xreallocarray(list, cap, sizeof(*list));
			}
			list[n++] = l;
		}
	}
	if (err) {
		free(list);
		return err;
	}
	if (n)
		qsort(list, n, sizeof(*list), by_index);
	free(s->link);
	s->link = list;
	s->n = n;
	s->fresh = false;
	s->forwards = reads_one(s->forward[0]) || reads_one(s->forward[1]);
	return 0;
}

const struct net_link *net_space__by_index(const struct net_space *s, int ifindex)
{
	const struct net_link key = {.ifindex = ifindex};

	return s->n ? bsearch(&key, s->link, s->n, sizeof(key), by_index) : NULL;
}

const struct net_link *net_space__at(const struct net_space *s, int ifindex, size_t *ret)
{
	const struct net_link *l = net_space__by_index(s, ifindex);

	if (l)
		*ret = l - s->link;
	return l;
}

bool net_link__is(const struct net_link *l, const char *const *kinds)
{
	for (; *kinds; kinds++)
		if (!strcmp(l->kind, *kinds))
			return true;
	return false;
}

const struct net_link *net_space__by_name(const struct net_space *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->link[i].name, name))
			return &s->link[i];
	return NULL;
}

int net_space__id_of(const struct net_space *s, const struct net_space *other)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct {
		struct nlmsghdr head;
		struct rtgenmsg gen;
		struct rtattr attr __attribute__((aligned(NLMSG_ALIGNTO)));
		int32_t fd;
	} ask = {
		.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = RTM_GETNSID,
			 .nlmsg_flags = NLM_F_REQUEST},
		.attr = {.rta_len = RTA_LENGTH(sizeof(int32_t)), .rta_type = NETNSA_FD},
		.fd = other->ns,
	};
	struct nlmsghdr *m = (void *)buf;
	struct rtattr *a;
	int left;
	ssize_t n;

	if (send(s->ask, &ask, sizeof(ask), 0) < 0)
		return -1;
	n = recv(s->ask, buf, sizeof(buf), 0);
	if (n <= 0 || !NLMSG_OK(m, (size_t)n) || m->nlmsg_type != RTM_NEWNSID)
		return -1;
	left = m->nlmsg_len - NLMSG_SPACE(sizeof(struct rtgenmsg));
	a = (void *)((char *)NLMSG_DATA(m) + NLMSG_ALIGN(sizeof(struct rtgenmsg)));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == NETNSA_NSID)
			return (int)attr_u32(a);
	return -1;
}
