/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a command can ask of domain net. */
#ifndef KVMSCOPE_DOMAIN_NET_H
#define KVMSCOPE_DOMAIN_NET_H

/* Follow one packet in so many (1: all): before the session is opened. Counts stay exact. */
void net__sample_one_in(unsigned int n);
/* What that was. */
unsigned int net__sampled(void);

#endif
