/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a disk's numbers are kept: histograms of the stages, errors by status. */
#ifndef KVMSCOPE_DISK_RECORD_BPF_H
#define KVMSCOPE_DISK_RECORD_BPF_H

#include "disk.bpf.h"

/* What each CPU has measured of each subject; number 0 is nobody's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ks_disk_hists);
} disk_hists __weak SEC(".maps");

/* Numbers of unused ones: a stack, as free_cells. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(__u32));
} free_disk_hists __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct ks_disk_error);
	__type(value, __u64);
} disk_errors __weak SEC(".maps");

static __noinline __u32 hists_take(__u32 subject)
{
	struct ks_disk_hists *hists;
	__u32 n = 0;

	if (bpf_map_pop_elem(&free_disk_hists, &n) ||
	    !(hists = bpf_map_lookup_elem(&disk_hists, &n))) {
		lose(KS_L_CELLS);
		return 0;
	}
	hists->owner = subject;
	return n;
}

/* The histograms behind a tally of this CPU; NULL: it has none yet. */
static __always_inline struct ks_disk_hists *hists_known(const struct ks_tally *t)
{
	__u32 n = t->cell[0];

	return n ? bpf_map_lookup_elem(&disk_hists, &n) : NULL;
}

/* The same; NULL: there is no room for them (counted). */
static __always_inline struct ks_disk_hists *hists_of(struct ks_tally *t, __u32 subject)
{
	if (!t->cell[0])
		t->cell[0] = hists_take(subject);
	return hists_known(t);
}

static __always_inline void hist_record(struct ks_disk_hists *hists, const __u32 metric,
					__u64 value)
{
	struct ks_hist *h = &hists->of[metric - KS_M_DISK_Q2G];

	record_value(&h->sum, &h->max, h->bucket, value);
}

static __always_inline void hist_since(struct ks_disk_hists *hists, const __u32 metric, __u64 from,
				       __u64 to)
{
	if (from > to)
		lose(KS_L_CLOCK);
	else
		hist_record(hists, metric, to - from);
}

/*
 * A bio's own times, when it ends. A time is there if a stage needs it; user space shows those that
 * were asked for.
 */
static __always_inline void record_bio(struct ks_disk_hists *hists, __u64 q, __u64 g, __u64 now)
{
	if (!q)
		return;
	if (g)
		hist_since(hists, KS_M_DISK_Q2G, q, g);
	hist_since(hists, KS_M_DISK_Q2C, q, now);
}

/* Status of a completion, for people to read: see struct ks_disk_error. */
static __noinline int on_error(struct ks_tally *t, __u32 subject, __u32 status)
{
	struct ks_disk_error key = {.subject = subject, .status = status};
	__u64 one = 1, *n = bpf_map_lookup_elem(&disk_errors, &key);

	t->n[KS_C_DISK_ERRORS]++;
	if (n)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&disk_errors, &key, &one, BPF_NOEXIST))
		lose(KS_L_MAP);
	return 0;
}

#endif
