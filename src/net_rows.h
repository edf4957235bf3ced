/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was measured of packets in an interval, as rows of a report. */
#ifndef KVMSCOPE_NET_ROWS_H
#define KVMSCOPE_NET_ROWS_H

#include "net_nics.h"
#include "net_reasons.h"
#include "report.h"

struct delta;
struct vm;

/* Adds to the VM's row "nics", one for each of its interfaces and directions, and "findings". */
void net_rows__vm(const struct delta *d, struct net_nics *nics, struct net_reasons *reasons,
		  const struct vm *vm, struct row *row);
/* Adds what died before it was known whose it was. */
void net_rows__host(const struct delta *d, struct net_nics *nics, struct net_reasons *reasons,
		    struct row *row);

#endif
