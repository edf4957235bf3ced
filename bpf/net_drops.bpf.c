/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets that die. kfree_skb tells which and, since v5.17, why (c504e5c2f964); where
 * it does not, the address of the code that freed it stands for the reason.
 */
#include "vmlinux.h"
#include "net_flight.bpf.h"
#include "net_look.bpf.h"

/* kfree_skb passes a reason */
const volatile bool cfg_drop_reason = false;
/* the one that says nothing: SKB_DROP_REASON_NOT_SPECIFIED, whose number has changed */
const volatile __u32 cfg_drop_unspecified = 0;

/* Why it died, as the part of a subject's object that has nothing to do with where. */
static __always_inline __u64 cause_of(__u64 location, __u32 reason)
{
	if (cfg_drop_reason && reason != cfg_drop_unspecified)
		return KS_NET_OBJECT(reason, 0, KS_NET_DROP, 0);
	return KS_NET_OBJECT((__u32)location, 0, KS_NET_DROP_AT, 0);
}

static __always_inline __u32 device_number(const struct net_device *dev)
{
	/* no kernel address: as in macvtap_of() */
	return (__u64)dev >> 56 == 0xff ? nic_find((__u64)dev, BPF_CORE_READ(dev, ifindex)) : 0;
}

/*
 * The interface that a packet would have gone to, from where it is, or 0: what a bridge or the
 * host's protocols have set already, or else its route. This and the next are not static: so each
 * is verified once.
 */
__noinline __u32 net_toward(__u64 address, __u32 here)
{
	const struct sk_buff *skb = (const void *)address;
	const struct dst_entry *dst;
	__u32 nr = device_number(BPF_CORE_READ(skb, dev));

	if (nr && nr != here)
		return nr;
	dst = (const void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL); /* SKB_DST_NOREF */
	if ((__u64)dst >> 56 != 0xff)
		return 0;
	nr = device_number(BPF_CORE_READ(dst, dev));
	return nr == here ? 0 : nr;
}

/*
 * part: of whose interface and which direction, and where to; at: an interface's number << 16 |
 * stage.
 */
__noinline int net_count_drop(__u32 part, __u64 cause, __u32 at)
{
	struct ks_subject who = {.object = cause | at, .part = part, .domain = KS_D_NET};
	struct ks_nic *nic = nic_get(KS_NET_PART(part) >> 1);
	struct ks_tally *t;

	if (nic && nic->flags & KS_NIC_VM)
		who.vm = nic->vm;
	t = tally_here(subject_number(&who));
	if (t)
		t->n[KS_TALLY(KS_C_NET_DROPS)]++;
	return 0;
}

/* Of a packet in hand, unless it has gone on to where nobody looks. */
static __always_inline bool dropped_in_hand(const struct sk_buff *skb, const struct net_device *dev,
					    const void *head, __u32 iif, __u64 cause)
{
	struct ks_net_cpu *c = iif && !(dev && nic_is_other(dev)) ? cpu_any() : NULL;
	__u32 nr, last, part;
	struct ks_hand *h;

	if (!c)
		return false;
	h = &c->hand;
	/* a copy without a device was in a socket (packet_rcv) that is closed now */
	if (!h->n || (h->skb != (__u64)skb && (!dev || h->head != (__u64)head)))
		return false;
	last = hand_last(h);
	nr = last < KS_HAND_PLACES ? h->nic[last] : 0;
	part = h->tx ? (__u32)h->tap << 1 | KS_NET_TX : nr << 1 | KS_NET_RX;
	net_count_drop(part | net_toward(address_of(skb), nr) << 16, cause,
		       nr << 16 | KS_NET_RECEIVED);
	if (h->skb == (__u64)skb) {
		h->n = 0;
		h->fresh = 0;
	}
	return true;
}

static __always_inline void on_free(const struct sk_buff *skb, const struct net_device *dev,
				    const void *head, __u32 iif, __u64 cause)
{
	struct ks_flight *f = flight_find((__u64)skb);
	__u32 stage, nr, part = 0, waited = 0, at = 0;
	struct ks_nic *nic = NULL;

	if (f) {
		stage = KS_FLIGHT_STAGE(f);
		nr = stage == KS_NET_MAYBE ? macvtap_of(dev, &nic) : f->nic;
		if (stage == KS_NET_MAYBE && nr)
			stage = KS_NET_RING;
		if (stage == KS_NET_RING || (!f->tx && f->rx))
			part = nr << 1 | KS_NET_RX;
		else if (f->tx)
			part = (__u32)f->tap << 1 | KS_NET_TX;
		f->skb = 0;
		if (stage != KS_NET_MAYBE) {
			net_count_drop(part, cause, nr << 16 | stage);
			return;
		}
		nic = nic_get(f->nic);
		if (f->tx && nic && (__u32)nic->ifindex == iif) {
			waited = part | net_toward(address_of(skb), f->nic) << 16;
			at = (__u32)f->nic << 16 | KS_NET_RECEIVED;
		}
	}
	/* what a guest has sent may have waited in the host, for the next one's address */
	if (!dropped_in_hand(skb, dev, head, iif, cause) && waited)
		net_count_drop(waited, cause, at);
}

SEC("tp_btf/kfree_skb")
int net__kfree_skb_btf(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];

	/*
	 * The copy of what is being sent that dev_queue_xmit_nit() makes for sniffers, none of
	 * which had room for it: the packet itself goes on. Nothing else that can be a guest's is
	 * marked so, but what Open vSwitch puts out on v6.10 to v6.14 (30a92c9e3d6b to
	 * 8930424777e4), whose drops are passed over. What is received is not copied first: all
	 * share it, and who is not the last to let go of it drops nothing (skb_unref()).
	 */
	if (packet_type(skb) == PACKET_OUTGOING)
		return 0;
	on_free(skb, skb->dev, skb->head, skb->skb_iif,
		cause_of(ctx[1], cfg_drop_reason ? ctx[2] : 0));
	return 0;
}
