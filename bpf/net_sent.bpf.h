/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What guests send, counted by what it is: broadcasts, and the ARP and DHCP packets that tell
 * whether there is a network at all.
 */
#ifndef KVMSCOPE_NET_SENT_BPF_H
#define KVMSCOPE_NET_SENT_BPF_H

#include "net_look.bpf.h"
#include "net_way.bpf.h"

/*
 * An ARP request waits for a reply: but not an announcement, by which a guest asks for its own
 * address, nor a probe whether somebody has it (RFC 5227). While one target's is waited for, those
 * for others are not looked at: a gateway that answers does not hide a neighbour that does not.
 */
static __always_inline void arp_asks(__u32 nr, const void *header)
{
	__u32 from = arp_sender(header), to = arp_target(header);
	struct ks_nic *nic = nic_get(nr);

	if (!nic || !from || from == to || (nic->asked_arp && nic->arp_target != to))
		return;
	nic->arp_target = to;
	if (!nic->asked_arp++)
		nic->asked_arp_t = bpf_ktime_get_ns();
}

/* Of what a guest sent: an ARP packet, or one to the broadcast address. */
static __noinline void look_at_sent(__u32 nr, struct ks_tally *t, const void *header,
				    __u16 protocol)
{
	struct ks_nic *nic, *bridge;

	if (protocol == ETH_P_ARP_BE) {
		if (arp_operation(header) != ARP_REQUEST) {
			t->n[KS_TALLY(KS_C_NET_ARP_REPLIES)]++;
			return;
		}
		t->n[KS_TALLY(KS_C_NET_ARP_REQUESTS)]++;
		arp_asks(nr, header);
	} else if (protocol == ETH_P_IP_BE && udp_ports(header) >> 16 == PORT_BOOTPS) {
		t->n[KS_TALLY(KS_C_NET_DHCP_REQUESTS)]++;
		nic = nic_get(nr);
		if (!nic)
			return;
		if (!nic->asked_dhcp++)
			nic->asked_dhcp_t = bpf_ktime_get_ns();
		nic->dhcp_xid = dhcp_xid(header);
		bridge = nic_get(nic->master);
		if (bridge)
			bridge->asked_dhcp = 1;
	}
}

/* Adds a packet to all that a guest has sent. header: behind its Ethernet header. */
static __always_inline void count_sent(struct ks_tally *t, const struct ks_nic_memo *nic,
				       const struct sk_buff *skb, __u32 len, __u32 type,
				       const void *header)
{
	count_all(t, nic->large, skb, len);
	if (type - PACKET_BROADCAST <= PACKET_MULTICAST - PACKET_BROADCAST)
		t->n[type == PACKET_BROADCAST ? KS_TALLY(KS_C_NET_BROADCAST)
					      : KS_TALLY(KS_C_NET_MULTICAST)]++;
	if (type == PACKET_BROADCAST || skb->protocol == ETH_P_ARP_BE)
		look_at_sent(nic->nr, t, header, skb->protocol);
}

/* A guest has sent a packet: it begins its way. */
static __always_inline __u32 guest_sent(struct ks_net_cpu *c, struct ks_nic_memo *nic,
					const struct sk_buff *skb, __u32 len, __u32 type,
					const void *header)
{
	__u32 subject = nic->tx ?: nic_all(nic, KS_NET_TX);
	struct ks_tally *t = tally_on(c, subject);

	if (!t)
		return 0;
	count_sent(t, nic, skb, len, type, header);
	return subject;
}

#endif
