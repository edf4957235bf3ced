/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of screens that several commands share. */
#ifndef KVMSCOPE_LAYOUT_H
#define KVMSCOPE_LAYOUT_H

#include "report.h"
#include "text.h"

/* The time of day with -T; a line when there is no VM. */
void layout__begin(struct text *t, const struct report *r);
/* Hints, what was lost and what that means, and how complete the report is. */
void layout__end(struct text *t, const struct report *r);

/* "web1   libvirt   pid 4711   206 k exits in 5.0 s"; list: whose counts, in vm or in each of
 * vcpus. */
void layout__vm(struct text *t, const struct row *vm, const struct report *r, const char *list,
		const struct rows *vcpus);
/* "1 of 2 vCPUs measured", where there was no room for the others; NULL: it is all of the VM. */
const char *layout__partly(struct text *t, const struct report *r, const struct row *vm);
/* Was there room for no vCPU of it? What it did is not known then, and not 0. */
bool layout__none_measured(const struct report *r, const struct row *vm);
void layout__vcpu(struct text *t, const struct row *vcpu);
const char *layout__id(struct text *t, const struct row *vcpu); /* "3", or "?" */

/* A line for each vCPU for which there was no room. */
void layout__unmeasured(struct text *t, const struct report *r, const struct row *vm);

/* The table of a list of rows with reason, count, latency and perhaps split_ns. */
void layout__latencies(struct text *t, const struct row *row, const char *list, uint64_t elapsed_ns,
		       bool counts);
/* The table of a list of details: ports, msrs ... */
void layout__details(struct text *t, const struct row *row, const char *list, uint64_t elapsed_ns);
/* -H: the latency of one such row. */
void layout__histogram(struct text *t, const char *vm, const struct row *row);
/* The first n VMs, those on top whose vCPUs wait or work most; .row is the caller's to free. */
struct rows layout__by_pain(const struct rows *vms, size_t n);
/* One line a vCPU of each VM, and one for the VM where it has several. */
void layout__cpu(struct text *t, const struct rows *vms);
/* How long vCPUs waited for a CPU, each time, and how long their wake-ups from halts took. */
void layout__waits(struct text *t, const struct rows *vms);
/* VMs' threads that are no vCPUs, by group: shares of one CPU. */
void layout__threads(struct text *t, const struct rows *vms, uint64_t elapsed_ns);
/* The host's time, in shares of all its CPUs. */
void layout__host(struct text *t, const struct row *host);
/* A sentence in the background, after the figures. Silent with -q. */
void layout__prose(struct text *t, const char *sentence);

/* Cells of a histogram's percentiles q[n] and its maximum; dashes where there is no value. */
void layout__percentiles(struct text *t, const struct histogram *h, const double *q, size_t n);

/* In whole per cents, as several must stand side by side: "55 %", "<1 %"; NULL: none at all. */
const char *layout__share(struct text *t, uint64_t part, uint64_t total);
/* Sum of all states of a split; NULL: 0. */
uint64_t layout__total(const uint64_t *split);
/* Sum of a VM's vCPUs' splits; returns the sum of all states. */
uint64_t layout__split_sum(const struct row *vm, uint64_t sum[KS_STATES]);
uint64_t layout__count(const struct row *row, const char *list);

#endif
