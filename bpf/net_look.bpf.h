/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Into a packet's headers: only for those few that answer what people ask when there is no network:
 * did somebody answer the ARP or DHCP request, and how far did the answer come. And how many
 * segments there are in it.
 */
#ifndef KVMSCOPE_NET_LOOK_BPF_H
#define KVMSCOPE_NET_LOOK_BPF_H

#include "net.bpf.h"

/* as they are in memory: network byte order, read by a little-endian machine */
#define ETH_P_IP_BE  0x0008
#define ETH_P_ARP_BE 0x0608
#define ARP_REQUEST  0x0100
#define ARP_REPLY    0x0200
#define PORT_BOOTPS  0x4300 /* 67 */
#define PORT_BOOTPC  0x4400 /* 68 */

/* uapi/linux/if_packet.h */
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2
#define PACKET_OUTGOING	 4

/* Ethernet, IPv6 and TCP headers with timestamps: no packet that is cut up has more, mostly */
#define HEADERS_LEN 86

/*
 * How many segments GSO will make of it. What a guest has sent has no number yet (gso_segs is
 * 0: include/linux/virtio_net.h), only the size of each.
 */
static __noinline __u32 gso_segments(const struct sk_buff *skb)
{
	const void *info = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end);
	__u32 len = BPF_CORE_READ(skb, len);
	__u16 size = 0, segs = 0;

	bpf_core_read(&size, sizeof(size), &((const struct skb_shared_info *)info)->gso_size);
	bpf_core_read(&segs, sizeof(segs), &((const struct skb_shared_info *)info)->gso_segs);
	if (segs)
		return segs;
	if (!size || len < HEADERS_LEN)
		return 1;
	return (len - HEADERS_LEN + size - 1) / size ?: 1;
}

/*
 * PACKET_...: skb->pkt_type, which is the lowest bits of its byte in all kernels. CO-RE's macro for
 * bit fields asks each time where they are.
 */
static __always_inline __u32 packet_type(const struct sk_buff *skb)
{
	return ((const __u8 *)skb)[bpf_core_field_offset(skb->pkt_type)] & 7;
}

/* Adds a packet to all that a guest sent or was sent. len: with its Ethernet header. */
static __always_inline void count_all(struct ks_tally *t, __u32 large, const struct sk_buff *skb,
				      __u32 len)
{
	t->n[KS_TALLY(KS_C_NET_PACKETS)]++;
	t->n[KS_TALLY(KS_C_NET_BYTES)] += len;
	t->n[KS_TALLY(KS_C_NET_SEGMENTS)] += len > large ? gso_segments(skb) : 1;
}

/* Not kernel_word(): libbpf 1.1 can't link two objects that name the same kfunc. */
static __always_inline __u64 word_at(const void *addr)
{
	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), addr);
	return word;
}

static __always_inline __u32 arp_operation(const void *network_header)
{
	return word_at(network_header) >> 48;
}

/* IPv4 addresses in an ARP packet: whose it is, and whom it asks for. */
static __always_inline __u32 arp_sender(const void *network_header)
{
	return word_at(network_header + 14);
}

static __always_inline __u32 arp_target(const void *network_header)
{
	return word_at(network_header + 24);
}

/* What a DHCP request and its replies have in common; not 0. */
static __always_inline __u32 dhcp_xid(const void *network_header)
{
	__u32 udp = (word_at(network_header) & 0xf) * 4;

	return word_at(network_header + udp + 8) >> 32 ?: 1;
}

/* An IPv4 packet's UDP ports: source in the low half; 0: it is no UDP. */
static __always_inline __u32 udp_ports(const void *network_header)
{
	__u64 ip = word_at(network_header);
	__u64 rest = word_at(network_header + 8);

	if ((ip & 0xf0) != 0x40 || (rest >> 8 & 0xff) != 17) /* IPPROTO_UDP */
		return 0;
	return word_at(network_header + (ip & 0xf) * 4);
}

/* What the stack will make of it, by the Ethernet address that it is for. */
static __always_inline __u32 address_type(const void *frame)
{
	__u64 to = word_at(frame) << 16;

	return to == ~0ULL << 16 ? PACKET_BROADCAST : to & 1 << 16 ? PACKET_MULTICAST : 0;
}

#endif
