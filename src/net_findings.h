/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is probably wrong with a VM's network, by what the rows of an interval show. */
#ifndef KVMSCOPE_NET_FINDINGS_H
#define KVMSCOPE_NET_FINDINGS_H

#include "report.h"

/*
 * Adds to the VM's row "findings": finding, nic, count and a text for people. From "nics" and,
 * where the row has it, "threads" (who takes packets out of the ring?) and "vcpus". stopped: the
 * VMM's process is.
 */
void net_findings__add(struct row *vm, bool stopped, uint64_t elapsed_ns);
/* The same for the host's row, whose "nics" are those that packets of VMs come from. */
void net_findings__add_host(struct row *host);

#endif
