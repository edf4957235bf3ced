/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the mapped arrays as plain data, and subtracts.
 *
 * A histogram has 250 buckets of which some 20 are in use: a snapshot keeps only those, so that
 * the two that an interval takes are small beside what the kernel holds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "proc_threads.h"
#include "session.h"
#include "snapshot.h"
#include "subjects.h"
#include "util.h"

/* --- vCPUs */

#define COPIED offsetof(struct ks_vcpu, steal_cell) /* what follows are tables of cells */
#define TRIES  256

/* By how much the states fall short of the time since the slot was taken. */
static int64_t shortfall(const struct ks_vcpu *v)
{
	uint64_t sum = v->pend_on + v->pend_sleep + v->pend_off;

	for (int i = 0; i < KS_STATES; i++)
		sum += v->ns[i];
	return v->t - v->since - sum;
}

/*
 * A copy that belongs to one moment: while the vCPU's thread writes an event's numbers, they do not
 * add up to its time.
 */
static void copy_whole(struct ks_vcpu *dst, const volatile struct ks_vcpu *src)
{
	for (int i = 0; i < TRIES; i++) {
		memcpy(dst, (const void *)src, COPIED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!shortfall(dst))
			return;
	}
}

static enum ks_state sleep_state(const struct ks_vcpu *v)
{
	return v->idle ? KS_HALTED : KS_BLOCKED;
}

/* What the time since the last event is, as far as can be told before the next one. */
static enum ks_state state_now(const struct ks_vcpu *v)
{
	static const enum ks_state of_mode[] = {
		[KS_MODE_NEW] = KS_UNACCOUNTED,	 [KS_MODE_GUEST] = KS_GUEST,
		[KS_MODE_KERNEL] = KS_KERNEL,	 [KS_MODE_VMM] = KS_VMM,
		[KS_MODE_GONE] = KS_UNACCOUNTED,
	};

	if (v->off == KS_OFF_RUNNABLE)
		return KS_STEAL;
	if (v->off == KS_OFF_BLOCKED)
		return sleep_state(v);
	return of_mode[v->mode];
}

/* What no event has settled yet: see struct ks_vcpu. */
static void add_pending(const struct ks_vcpu *v, uint64_t ns[KS_STATES])
{
	ns[KS_KERNEL] += v->pend_on;
	ns[sleep_state(v)] += v->pend_sleep + v->pend_off;
}

/*
 * A program that was preempted keeps its numbers half written for longer than we try: its time is
 * right all the same.
 */
static void make_whole(uint64_t ns[KS_STATES], int64_t missing)
{
	uint64_t over = missing < 0 ? -missing : 0, paid;

	if (missing > 0)
		ns[KS_UNACCOUNTED] += missing;
	for (int i = 0; i < KS_STATES && over; i++) {
		paid = over < ns[i] ? over : ns[i];
		ns[i] -= paid;
		over -= paid;
	}
}

/*
 * Whether the slot's thread has ended. An event tells, but of the slot only that the thread was at:
 * one that ran several vCPUs has others, which are nobody's since (no key). And the kernel may have
 * skipped that event: then nothing has come since the last snapshot.
 */
static bool has_ended(const struct snapshot *before, uint32_t slot, const struct ks_vcpu *v)
{
	const struct snap_vcpu *old;

	if (v->mode == KS_MODE_GONE)
		return true;
	old = before ? snapshot__vcpu(before->vcpu, before->n_vcpu, slot) : NULL;
	if (v->key && (!old || old->since != v->since || old->t != v->t))
		return false;
	return proc_thread__has_ended(v->tgid, v->tid);
}

static void take_vcpu(struct snapshot *snap, const struct snapshot *before, uint32_t slot,
		      const struct ks_vcpu *shared)
{
	struct snap_vcpu *out;
	struct ks_vcpu v;

	if (!__atomic_load_n(&shared->tgid, __ATOMIC_ACQUIRE)) /* slot_publish() */
		return;
	copy_whole(&v, shared);
	snap->vcpu = xreallocarray(snap->vcpu, snap->n_vcpu + 1, sizeof(*snap->vcpu));
	out = &snap->vcpu[snap->n_vcpu++];
	*out = (struct snap_vcpu){
		.slot = slot,
		.tgid = v.tgid,
		.tid = v.tid,
		.vcpu_id = v.vcpu_id,
		.isa = v.isa,
		.start_ns = v.start,
		.since = v.since,
		.gone = has_ended(before, slot, &v),
		.ignored = v.flags & KS_VCPU_IGNORED,
		.t = v.t,
		.now = state_now(&v),
		.exits = v.audit_exits,
		.kernel_exits = v.audit_kernel,
	};
	memcpy(out->ns, v.ns, sizeof(out->ns));
	add_pending(&v, out->ns);
	make_whole(out->ns, shortfall(&v));

	if (v.mode != KS_MODE_KERNEL && v.mode != KS_MODE_VMM)
		return;
	snap->flight = xreallocarray(snap->flight, snap->n_flight + 1, sizeof(*snap->flight));
	struct flight *f = &snap->flight[snap->n_flight++];

	*f = (struct flight){
		.vcpu = snap->n_vcpu - 1, .slot = slot, .cell = v.cell, .exit_t = v.exit_t};
	if (v.dirty)
		memcpy(f->part, v.part, sizeof(f->part));
	add_pending(&v, f->part);
}

/*
 * Sets the moment of the snapshot, for all vCPUs the same: when the last one has been copied. Each
 * one's time is then charged up to there. What a vCPU has changed over to since it was copied is
 * told by the next snapshot, which subtracts this one.
 */
static void set_moment(struct snapshot *snap)
{
	clock_gettime(CLOCK_REALTIME, &snap->real);
	snap->at = clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < snap->n_vcpu; i++)
		if (snap->vcpu[i].t > snap->at) /* BPF's clock may be some ns ahead */
			snap->at = snap->vcpu[i].t;
	for (size_t i = 0; i < snap->n_flight; i++) {
		const struct snap_vcpu *v = &snap->vcpu[snap->flight[i].vcpu];

		if (!v->gone)
			snap->flight[i].part[v->now] += snap->at - v->t;
	}
	for (size_t i = 0; i < snap->n_vcpu; i++)
		if (!snap->vcpu[i].gone)
			snap->vcpu[i].ns[snap->vcpu[i].now] += snap->at - snap->vcpu[i].t;
}

/* --- cells */

/* Adds those in use to the last cell's, by numbers from first on. */
static void add_buckets(struct snapshot *snap, const uint64_t *bucket, uint32_t n, uint32_t first)
{
	if (snap->n_used + n > snap->cap_used) {
		snap->cap_used = 2 * (snap->n_used + n);
		snap->used = xreallocarray(snap->used, snap->cap_used, sizeof(*snap->used));
	}
	for (uint32_t b = 0; b < n; b++)
		if (bucket[b])
			snap->used[snap->n_used++] = (struct used_bucket){first + b, bucket[b]};
}

static void copy_buckets(struct snapshot *snap, struct snap_cell *out, const uint64_t *bucket)
{
	out->first = snap->n_used;
	add_buckets(snap, bucket, KS_HIST_BUCKETS, 0);
	out->n = snap->n_used - out->first;
}

static void copy_cell(struct snapshot *snap, struct snap_cell *out, uint32_t number,
		      struct ks_cell *shared)
{
	*out = (struct snap_cell){
		.number = number,
		.owner = shared->owner,
		.metric = shared->metric,
		.key = shared->key,
		.count = shared->count,
		.sum = shared->sum,
		.off_wall = shared->off_wall,
		.off_cpu = shared->off_cpu,
		.max = __atomic_exchange_n(&shared->max, 0, __ATOMIC_RELAXED),
	};
	memcpy(out->part, shared->part, sizeof(out->part));
	if (out->metric == KS_M_EXIT)
		out->part[KS_KERNEL] += out->sum; /* see struct ks_cell */
	copy_buckets(snap, out, (const uint64_t *)shared->bucket);
	/* see struct ks_cell; those of off_wall are added where the two cells meet */
	for (uint32_t i = 0; out->metric == KS_M_EXIT && i < out->n; i++)
		out->count += snap->used[out->first + i].n;
}

static void take_cell(struct snapshot *snap, uint32_t number, struct ks_cell *shared)
{
	if (!shared->metric)
		return;
	snap->cell = xreallocarray(snap->cell, snap->n_cell + 1, sizeof(*snap->cell));
	copy_cell(snap, &snap->cell[snap->n_cell++], number, shared);
}

uint64_t snapshot__small(enum ks_metric metric, uint32_t i)
{
	if (metric == KS_M_DISK_SIZE)
		return (uint64_t)i << KS_DISK_SIZE_SHIFT;
	return (uint64_t)(i >> 1) << KS_DEPTH_SHIFT;
}

/* Small sizes and depths, with which a disk's requests are counted, too. */
static void add_small(struct snapshot *snap, struct snap_cell *out, const uint64_t *n,
		      uint32_t entries, struct hists_count *count)
{
	const uint32_t skip = out->metric == KS_M_DISK_SIZE; /* a request without data has none */
	const struct used_bucket *u;

	add_buckets(snap, n + skip, entries - skip, KS_HIST_BUCKETS + skip);
	for (u = &snap->used[out->first + out->n]; u < &snap->used[snap->n_used]; u++) {
		uint32_t i = u->bucket - KS_HIST_BUCKETS;
		uint64_t sum = u->n * snapshot__small(out->metric, i);

		out->sum += sum;
		if (out->metric == KS_M_DISK_SIZE)
			count->bytes += sum;
		else
			count->requests += u->n;
		if (out->metric == KS_M_DISK_DEPTH && i & 1)
			count->sequential += u->n;
	}
	out->n = snap->n_used - out->first;
}

/* A disk's histograms are cells like others, whose numbers follow those of the array of cells. */
static void take_hists(struct snapshot *snap, uint32_t first_number, struct ks_disk_hists *shared)
{
	struct hists_count *count;
	struct snap_cell *out;

	if (!shared->owner)
		return;
	snap->counted = xreallocarray(snap->counted, snap->n_counted + 1, sizeof(*snap->counted));
	count = &snap->counted[snap->n_counted++];
	*count = (struct hists_count){shared->owner, shared->requests, shared->bytes,
				      shared->sequential};
	for (uint32_t i = 0; i < KS_DISK_METRICS; i++) {
		struct ks_hist *h = &shared->of[i];

		snap->cell = xreallocarray(snap->cell, snap->n_cell + 1, sizeof(*snap->cell));
		out = &snap->cell[snap->n_cell++];
		*out = (struct snap_cell){
			.number = first_number + i,
			.owner = shared->owner,
			.metric = KS_M_DISK_Q2G + i,
			.sum = h->sum,
			.max = __atomic_exchange_n(&h->max, 0, __ATOMIC_RELAXED),
		};
		copy_buckets(snap, out, (const uint64_t *)h->bucket);
		if (out->metric == KS_M_DISK_SIZE)
			add_small(snap, out, (const uint64_t *)shared->size, KS_DISK_SIZES, count);
		else if (out->metric == KS_M_DISK_DEPTH)
			add_small(snap, out, (const uint64_t *)shared->shape, KS_DISK_SHAPES,
				  count);
	}
}

/* Reads one cell once more: its exit ended after it had been read. */
static void retake_cell(struct session *s, struct snapshot *snap, uint32_t number)
{
	struct snap_cell *c = snapshot__cell(snap, number);
	uint64_t max;
	struct ks_cell *shared;
	uint32_t n;

	if (!c || !(shared = array__map(session__array(s, ARRAY_CELLS), number, &n)))
		return;
	max = c->max;
	copy_cell(snap, c, number, shared);
	if (max > c->max)
		c->max = max;
	array__unmap(session__array(s, ARRAY_CELLS), shared, n);
}

/*
 * Adds the exits under way to their cells' parts. One that has ended since its vCPU was read is in
 * its cell by now, but perhaps was not yet when the cell was read: that cell is read again.
 */
static void land_flights(struct session *s, struct snapshot *snap)
{
	struct ks_vcpu *v = NULL;
	uint32_t first = 0, n = 0;

	for (size_t i = 0; i < snap->n_flight; i++) {
		struct flight *f = &snap->flight[i];
		struct snap_cell *c = snapshot__cell(snap, f->cell);

		if (!v || f->slot >= first + n) {
			if (v)
				array__unmap(session__array(s, ARRAY_VCPUS), v, n);
			first = f->slot;
			v = array__map(session__array(s, ARRAY_VCPUS), first, &n);
			if (!v)
				return;
		}
		if (!c)
			continue;
		if (v[f->slot - first].exit_t == f->exit_t &&
		    (v[f->slot - first].mode == KS_MODE_KERNEL ||
		     v[f->slot - first].mode == KS_MODE_VMM)) {
			for (int p = 0; p < KS_STATES; p++)
				c->part[p] += f->part[p];
			c->count++;
			continue;
		}
		retake_cell(s, snap, f->cell);
		retake_cell(s, snap, c->off_wall);
		retake_cell(s, snap, c->off_cpu);
	}
	if (v)
		array__unmap(session__array(s, ARRAY_VCPUS), v, n);
}

/*
 * Is what comes after this window worth a look? Numbers that were never in use are taken in order,
 * but those that were given back may be taken again from any place below.
 */
static bool goes_on(struct array *a, uint32_t first, uint32_t n, bool any)
{
	if (any && a->used < first + n)
		a->used = first + n;
	return any || first + n < a->used;
}

int snapshot__take(struct session *s, const struct snapshot *before, struct snapshot **ret)
{
	struct snapshot *snap = xcalloc(1, sizeof(*snap));
	struct ks_vcpu *v;
	struct ks_disk_hists *h;
	struct ks_cell *c;
	uint32_t n;
	int err;

	session__audit(s); /* where the kernel can't, there is no audit */
	for (uint32_t i = 1; (v = array__map(session__array(s, ARRAY_VCPUS), i, &n)); i += n) {
		size_t n_before = snap->n_vcpu;

		for (uint32_t k = 0; k < n; k++)
			take_vcpu(snap, before, i + k, &v[k]);
		array__unmap(session__array(s, ARRAY_VCPUS), v, n);
		if (!goes_on(session__array(s, ARRAY_VCPUS), i, n, snap->n_vcpu > n_before))
			break;
	}
	if (!v && errno)
		goto fail;
	set_moment(snap);
	for (uint32_t i = 1; (c = array__map(session__array(s, ARRAY_CELLS), i, &n)); i += n) {
		size_t n_before = snap->n_cell;

		for (uint32_t k = 0; k < n; k++)
			take_cell(snap, i + k, &c[k]);
		array__unmap(session__array(s, ARRAY_CELLS), c, n);
		if (!goes_on(session__array(s, ARRAY_CELLS), i, n, snap->n_cell > n_before))
			break;
	}
	if (!c && errno)
		goto fail;
	for (uint32_t i = 1; (h = array__map(session__array(s, ARRAY_DISK_HISTS), i, &n)); i += n) {
		size_t n_before = snap->n_cell;

		for (uint32_t k = 0; k < n; k++)
			take_hists(snap, subjects__hists_number(s, i + k), &h[k]);
		array__unmap(session__array(s, ARRAY_DISK_HISTS), h, n);
		if (!goes_on(session__array(s, ARRAY_DISK_HISTS), i, n, snap->n_cell > n_before))
			break;
	}
	if (!h && errno)
		goto fail;
	land_flights(s, snap);
	err = subjects__take(s, snap);
	if (err) {
		snapshot__free(snap);
		return err;
	}
	err = session__losses(s, snap->losses);
	if (err) {
		snapshot__free(snap);
		return err;
	}
	snap->missed = session__missed_runs(s);
	*ret = snap;
	return 0;
fail:
	err = -errno;
	snapshot__free(snap);
	return err;
}

void snapshot__free(struct snapshot *snap)
{
	if (!snap)
		return;
	free(snap->vcpu);
	free(snap->cell);
	free(snap->used);
	free(snap->flight);
	free(snap->subject);
	free(snap->counted);
	free(snap);
}

const struct snap_vcpu *snapshot__vcpu(const struct snap_vcpu *v, size_t n, uint32_t slot)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (v[mid].slot == slot)
			return &v[mid];
		if (v[mid].slot < slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct snap_cell *snapshot__cell(const struct snapshot *snap, uint32_t number)
{
	size_t lo = 0, hi = snap->n_cell;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (snap->cell[mid].number == number)
			return &snap->cell[mid];
		if (snap->cell[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
