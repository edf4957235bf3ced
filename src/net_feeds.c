/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From where packets come to VMs, and through what: see net_feeds.h. */
#include <string.h>
#include "net_feeds.h"

void net_feeds__find(const struct net_space *s, struct net_plan *plan)
{
	static const char *const groups[] = {"bond", "team", NULL};
	static const char *const on_top[] = {"vlan", "macvlan", "macvtap", "ipvtap", NULL};
	bool routed = false, taps = false;
	size_t at;

	for (size_t i = 0; i < s->n; i++) {
		const struct net_link *l = &s->link[i];

		if (!(plan[i].flags & KS_NIC_VM))
			continue;
		taps = true;
		if (plan[i].flags & KS_NIC_MACVTAP) {
			if (l->lower && l->lower_id < 0 && net_space__at(s, l->lower, &at))
				plan[at].flags |= KS_NIC_FEEDS | KS_NIC_KEEPS;
		} else if (!l->master) {
			routed = true;
		} else if (net_space__at(s, l->master, &at)) {
			plan[at].flags |= KS_NIC_BRIDGE | KS_NIC_FEEDS;
		}
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct net_link *l = &s->link[i];

		if (l->master && net_space__at(s, l->master, &at) && plan[at].flags & KS_NIC_BRIDGE)
			plan[i].flags |= KS_NIC_FEEDS;
		/* what Open vSwitch makes for the host has no master */
		if (taps && !strcmp(l->kind, "openvswitch"))
			plan[i].flags |= KS_NIC_FEEDS;
		if (taps && (routed || s->forwards) && strcmp(l->name, "lo"))
			plan[i].flags |= KS_NIC_FEEDS | (l->master ? 0 : KS_NIC_KEEPS);
	}
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < s->n; i++) {
			const struct net_link *l = &s->link[i];

			if (l->master && net_space__at(s, l->master, &at) &&
			    net_link__is(&s->link[at], groups) && plan[at].flags & KS_NIC_FEEDS)
				plan[i].flags |= KS_NIC_FEEDS | (plan[at].flags & KS_NIC_KEEPS);
			if (plan[i].flags & KS_NIC_FEEDS && net_link__is(l, on_top) &&
			    l->lower_id < 0 && l->lower && net_space__at(s, l->lower, &at))
				plan[at].flags |= KS_NIC_FEEDS | (plan[i].flags & KS_NIC_KEEPS);
		}
	}
	for (size_t i = 0; i < s->n; i++) {
		static const char *const passes[] = {"vlan",   "bond",	      "team",
						     "bridge", "macvlan",     "macvtap",
						     "ipvtap", "openvswitch", NULL};
		static const char *const virtual[] = {"tun", "dummy", NULL};

		if (plan[i].flags && net_link__is(&s->link[i], passes))
			plan[i].flags |= KS_NIC_PASSES;
		else if ((plan[i].flags & (KS_NIC_VM | KS_NIC_FEEDS)) == KS_NIC_FEEDS &&
			 !net_link__is(&s->link[i], virtual))
			plan[i].flags |= KS_NIC_COUNTS;
	}
}
