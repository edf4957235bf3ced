/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a packet died, as a name: the kernel's reason by its BTF (the numbers change from release to
 * release), or the function that freed it by /proc/kallsyms.
 */
#ifndef KVMSCOPE_NET_REASONS_H
#define KVMSCOPE_NET_REASONS_H

#include <stdint.h>
#include "features.h"

struct net_reasons;

/* f: with its BTF loaded. */
struct net_reasons *net_reasons__new(const struct features *f);
void net_reasons__free(struct net_reasons *r); /* NULL is fine */

/* The number that means "not specified"; 0: this kernel has no reasons. */
uint32_t net_reasons__unspecified(const struct net_reasons *r);
/* "QDISC_DROP"; a subsystem's own as "2:5": its number in SKB_DROP_REASON_SUBSYS_ and the reason's.
 */
const char *net_reasons__name(struct net_reasons *r, uint32_t reason);
/* low: the low half of an address of kernel code. "br_handle_frame_finish"; "0x81234567" if nobody
 * knows. */
const char *net_reasons__function(struct net_reasons *r, uint32_t low);

#endif
