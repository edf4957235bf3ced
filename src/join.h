/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Joins what an interval showed with the names of the VMs: a report. */
#ifndef KVMSCOPE_JOIN_H
#define KVMSCOPE_JOIN_H

#include "domain.h"
#include "report.h"
#include "snapshot.h"
#include "vms.h"

/* A domain that reports, and its state. */
struct reporter {
	const struct domain *domain;
	void *state;
};

/*
 * A report of that kind on all wanted VMs that run, or that did something in the interval.
 * Processes that the kernel side has met and the last scan has not are looked up. reporters:
 * whose fields each VM's row gets. kind must be a constant.
 */
struct report *join__report(const char *kind, const struct delta *delta, struct vms *vms,
			    const struct features *features, const struct reporter *reporters,
			    size_t n_reporters, const void *opts);

/* The fields that every VM's row begins with (interface.md). */
void join__vm(struct row *row, const struct vm *vm);

#endif
