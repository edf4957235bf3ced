/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Open vSwitch's datapath over generic netlink: see guest_ovs.h and linux/openvswitch.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>

#include "guest_ovs.h"

struct message {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	union {
		unsigned char data[1024];
		struct ovs_header ovs;
	};
};

static int sock;

static struct nlattr *put(struct message *m, int type, const void *data, size_t size)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->nl.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + size;
	if (size)
		memcpy(a + 1, data, size);
	m->nl.nlmsg_len = NLMSG_ALIGN(m->nl.nlmsg_len) + NLA_ALIGN(a->nla_len);
	return a;
}

static void put_u32(struct message *m, int type, uint32_t value)
{
	put(m, type, &value, sizeof(value));
}

static void end_nest(const struct message *m, struct nlattr *nest)
{
	nest->nla_len = (const char *)m + m->nl.nlmsg_len - (const char *)nest;
}

static void begin(struct message *m, int family, int command, int version, size_t header)
{
	memset(m, 0, sizeof(*m));
	m->nl.nlmsg_type = family;
	m->nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + header;
	m->genl.cmd = command;
	m->genl.version = version;
}

/* Sends it; the first answer is in it then. Every command here has its own last one: an error, or
 * 0. */
static int ask(struct message *m)
{
	union {
		struct message m;
		unsigned char room[8192];
	} answer;
	ssize_t n;

	if (send(sock, m, m->nl.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		n = recv(sock, &answer, sizeof(answer), 0);
		if (n < (ssize_t)sizeof(struct nlmsghdr))
			return n < 0 ? -errno : -EPROTO;
		if (answer.m.nl.nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(&answer.m.nl))->error;
		memcpy(m, &answer, sizeof(*m));
	}
}

static int family_of(const char *name)
{
	struct message m;
	const struct nlattr *a;
	uint16_t id;
	int err;

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	put(&m, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	err = ask(&m);
	if (err)
		return err;
	for (size_t at = 0; at + NLA_HDRLEN <= sizeof(m.data); at += NLA_ALIGN(a->nla_len)) {
		a = (const void *)(m.data + at);
		if (a->nla_len < NLA_HDRLEN)
			break;
		if (a->nla_type == CTRL_ATTR_FAMILY_ID) {
			memcpy(&id, a + 1, sizeof(id));
			return id;
		}
	}
	return -EPROTO;
}

static int make_port(int family, int datapath, const char *name, uint32_t number)
{
	struct message m;

	begin(&m, family, OVS_VPORT_CMD_NEW, OVS_VPORT_VERSION, sizeof(struct ovs_header));
	m.ovs.dp_ifindex = datapath;
	put(&m, OVS_VPORT_ATTR_NAME, name, strlen(name) + 1);
	put_u32(&m, OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_NETDEV);
	put_u32(&m, OVS_VPORT_ATTR_PORT_NO, number);
	put_u32(&m, OVS_VPORT_ATTR_UPCALL_PID, 0);
	return ask(&m);
}

/* What is put into a flow's key and into its mask: the port and the protocol count. */
static void put_match(struct message *m, int type, uint32_t port, uint16_t protocol)
{
	const struct ovs_key_ethernet any = {};
	struct nlattr *nest = put(m, type, NULL, 0);

	put_u32(m, OVS_KEY_ATTR_IN_PORT, port);
	put(m, OVS_KEY_ATTR_ETHERNET, &any, sizeof(any));
	put(m, OVS_KEY_ATTR_ETHERTYPE, &protocol, sizeof(protocol));
	end_nest(m, nest);
}

static int make_flow(int family, int datapath, uint32_t from, uint32_t to)
{
	struct nlattr *nest;
	struct message m;

	begin(&m, family, OVS_FLOW_CMD_NEW, OVS_FLOW_VERSION, sizeof(struct ovs_header));
	m.ovs.dp_ifindex = datapath;
	put_match(&m, OVS_FLOW_ATTR_KEY, from, htons(0x88b5));
	put_match(&m, OVS_FLOW_ATTR_MASK, ~0U, 0xffff);
	nest = put(&m, OVS_FLOW_ATTR_ACTIONS, NULL, 0);
	put_u32(&m, OVS_ACTION_ATTR_OUTPUT, to);
	end_nest(&m, nest);
	return ask(&m);
}

static int make(const char *datapath, const char *port_a, const char *port_b)
{
	int dp = family_of(OVS_DATAPATH_FAMILY), vport = family_of(OVS_VPORT_FAMILY);
	int flow = family_of(OVS_FLOW_FAMILY), index, err;
	struct message m;

	if (dp < 0 || vport < 0 || flow < 0)
		return dp < 0 ? dp : vport < 0 ? vport : flow;
	begin(&m, dp, OVS_DP_CMD_NEW, OVS_DATAPATH_VERSION, sizeof(struct ovs_header));
	put(&m, OVS_DP_ATTR_NAME, datapath, strlen(datapath) + 1);
	put_u32(&m, OVS_DP_ATTR_UPCALL_PID, 0);
	err = ask(&m);
	index = if_nametoindex(datapath);
	err = err ?: make_port(vport, index, port_a, 1);
	err = err ?: make_port(vport, index, port_b, 2);
	err = err ?: make_flow(flow, index, 1, 2);
	return err ?: make_flow(flow, index, 2, 1);
}

int guest_ovs__make(const char *datapath, const char *port_a, const char *port_b)
{
	int err;

	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (sock < 0)
		return -errno;
	err = make(datapath, port_a, port_b);
	close(sock);
	return err;
}
