/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Screens of packets. */
#ifndef KVMSCOPE_LAYOUT_NET_H
#define KVMSCOPE_LAYOUT_NET_H

#include "report.h"
#include "text.h"

/* A VM's interfaces (or the host's): what went by, hop by hop, ways, drops. False: there are none.
 */
bool layout__net_vm(struct text *t, const struct row *vm, uint64_t elapsed_ns);
/* What is probably wrong with its network, a line each: "! web1: ...". */
void layout__findings(struct text *t, const struct row *vm);
/* One line an interface and direction of each VM that had packets. */
void layout__net_summary(struct text *t, const struct rows *vms, uint64_t elapsed_ns);

#endif
