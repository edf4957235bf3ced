/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only writer of measurements: a count, a sum, a maximum, a bucket.
 *
 * A cell is one metric of one owner for one key. Cells come from a stack that user space
 * fills, are taken once for each combination that occurs, and have one writer.
 */
#ifndef KVMSCOPE_RECORD_BPF_H
#define KVMSCOPE_RECORD_BPF_H

#include "compat.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_cell);
} cells __weak SEC(".maps");

/* Numbers of unused cells, from 1 on. A stack, so that what is in use stays together. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(__u32));
} free_cells __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KS_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} losses __weak SEC(".maps");

static __always_inline void lose(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&losses, &which);

	if (n)
		(*n)++;
}

/* The cell of that number, or NULL for 0 and for what is not in the table. */
static __always_inline struct ks_cell *cell_get(__u32 n)
{
	return n ? bpf_map_lookup_elem(&cells, &n) : NULL;
}

/*
 * Takes an unused cell. Returns its number, or 0 when there is none left (counted).
 * Not inlined: it runs once for each combination of owner, metric and key. Not static: so it is
 * verified once, and not for each way that leads to it.
 */
__weak __noinline __u32 cell_new(__u32 owner, __u32 metric, __u64 key)
{
	struct ks_cell *cell;
	__u32 n = 0;

	if (bpf_map_pop_elem(&free_cells, &n) || !(cell = cell_get(n))) {
		lose(KS_L_CELLS);
		return 0;
	}
	cell->key = key;
	cell->owner = owner;
	cell->metric = metric;
	return n;
}

static __always_inline void record_value(__u64 *sum, __u64 *max, __u64 *bucket, __u64 value)
{
	__u32 b;

	barrier_var(value); /* or clang compares its lower half, and the verifier sees no bound */
	b = ks_hist_bucket(value);
	*sum += value;
	if (value > *max)
		*max = value;
	if (b < KS_HIST_BUCKETS) /* always: for the verifier */
		bucket[b]++;
}

static __always_inline void record(struct ks_cell *cell, __u64 value)
{
	record_value(&cell->sum, &cell->max, cell->bucket, value);
}

/*
 * The same of a cell by its number, if there is one: where it is not for each event. Not static, as
 * above: a bucket is found by ways as many as there are octaves.
 */
__weak __noinline int cell_record(__u32 n, __u64 value)
{
	struct ks_cell *cell = cell_get(n);

	if (cell)
		record(cell, value);
	return 0;
}

#endif
