/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The difference of two snapshots: what an interval showed. */
#include <stdlib.h>
#include <string.h>
#include "session.h"
#include "snapshot.h"
#include "util.h"

static int by_number(const void *a, const void *b)
{
	const struct snap_subject *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Which state has got what another one lost: the one in whose favour it is settled, or the largest.
 */
static int creditor(const int64_t d[KS_STATES], int debtor)
{
	static const int8_t settled_as[KS_STATES][2] = {
		[KS_KERNEL] = {KS_HALT_POLL, KS_HALT_POLL},
		[KS_VMM] = {KS_HALT_POLL, KS_KERNEL},
		[KS_HALTED] = {KS_STEAL, KS_BLOCKED},
		[KS_BLOCKED] = {KS_STEAL, KS_HALTED},
	};
	int largest = 0;

	for (int i = 0; i < 2; i++)
		if (settled_as[debtor][i] && d[settled_as[debtor][i]] > 0)
			return settled_as[debtor][i];
	for (int i = 1; i < KS_STATES; i++)
		if (d[i] > d[largest])
			largest = i;
	return largest;
}

/*
 * now[] - before[] of times that were charged to one state while under way and may have been
 * settled as another since. Each part is at least 0, and the sum is kept.
 */
static void subtract_times(uint64_t now[KS_STATES], const uint64_t before[KS_STATES])
{
	int64_t d[KS_STATES];

	for (int i = 0; i < KS_STATES; i++)
		d[i] = now[i] - before[i];
	for (int i = 0; i < KS_STATES; i++) {
		while (d[i] < 0) {
			int from = creditor(d, i);
			int64_t paid = -d[i] < d[from] ? -d[i] : d[from];

			if (paid <= 0) { /* the sum itself is negative */
				d[i] = 0;
				break;
			}
			d[i] += paid;
			d[from] -= paid;
		}
	}
	for (int i = 0; i < KS_STATES; i++)
		now[i] = d[i];
}

static bool same_vcpu(const struct snap_vcpu *a, const struct snap_vcpu *b)
{
	return a->tid == b->tid && a->start_ns == b->start_ns && a->since == b->since;
}

/* Cells by the VM of their vCPU, so that each VM's stand together. */
struct owned_cell {
	const struct snap_vcpu *vcpu;
	const struct snap_cell *cell;
};

static int by_vm(const struct snap_vcpu *a, const struct snap_vcpu *b)
{
	if (a->tgid != b->tgid)
		return a->tgid < b->tgid ? -1 : 1;
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return 0;
}

static int by_owner(const void *a, const void *b)
{
	const struct owned_cell *x = a, *y = b;
	int order = by_vm(x->vcpu, y->vcpu);

	return order ? order : (x->cell > y->cell) - (x->cell < y->cell);
}

static int by_subject(const void *a, const void *b)
{
	const struct snap_cell *x = *(const struct snap_cell *const *)a;
	const struct snap_cell *y = *(const struct snap_cell *const *)b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return (x > y) - (x < y);
}

static const struct snap_subject *find_subject(const struct snapshot *snap, uint32_t number)
{
	const struct snap_subject key = {.number = number};

	return snap ? bsearch(&key, snap->subject, snap->n_subject, sizeof(key), by_number) : NULL;
}

static void subtract_subjects(struct delta *d)
{
	const struct snapshot *to = d->to;

	d->n_subjects = to->n_subject;
	d->subjects = xcalloc(to->n_subject, sizeof(*d->subjects));
	for (size_t i = 0; i < to->n_subject; i++) {
		struct snap_subject *s = &d->subjects[i];
		const struct snap_subject *before = find_subject(d->from, to->subject[i].number);

		*s = to->subject[i];
		for (int k = 0; before && before->since == s->since && k < KS_COUNTERS; k++)
			s->n[k] -= before->n[k];
	}
	d->subject_cell = xcalloc(to->n_cell, sizeof(*d->subject_cell));
	for (size_t i = 0; i < to->n_cell; i++)
		if (to->cell[i].metric >= KS_M_SUBJECTS)
			d->subject_cell[d->n_subject_cells++] = &to->cell[i];
	qsort(d->subject_cell, d->n_subject_cells, sizeof(*d->subject_cell), by_subject);
}

struct delta *delta__new(const struct snapshot *from, const struct snapshot *to, uint64_t started)
{
	struct delta *d = xcalloc(1, sizeof(*d));
	const struct snap_vcpu *before;
	int64_t ns;

	d->from = from;
	d->to = to;
	d->elapsed_ns = to->at - (from ? from->at : started);
	ns = to->real.tv_nsec - (int64_t)(d->elapsed_ns % NSEC_PER_SEC);
	d->start.tv_sec = to->real.tv_sec - d->elapsed_ns / NSEC_PER_SEC - (ns < 0);
	d->start.tv_nsec = ns < 0 ? ns + (int64_t)NSEC_PER_SEC : ns;
	d->vcpus = xcalloc(to->n_vcpu, sizeof(*d->vcpus));
	for (size_t i = 0; i < to->n_vcpu; i++) {
		struct snap_vcpu *v = &d->vcpus[d->n_vcpus];

		*v = to->vcpu[i];
		before = from ? snapshot__vcpu(from->vcpu, from->n_vcpu, v->slot) : NULL;
		if (before && same_vcpu(before, v)) {
			subtract_times(v->ns, before->ns);
			v->exits -= before->exits;
			v->kernel_exits -= before->kernel_exits;
		}
		/* it went back: its end was missed, and the memory is another's by now */
		if ((int64_t)v->kernel_exits < 0)
			v->kernel_exits = 0;
		d->n_vcpus++;
	}
	d->owned = xcalloc(to->n_cell, sizeof(*d->owned));
	for (size_t i = 0; i < to->n_cell; i++) {
		struct owned_cell *o = &d->owned[d->n_owned];

		if (to->cell[i].metric >= KS_M_SUBJECTS)
			continue;
		o->cell = &to->cell[i];
		o->vcpu = snapshot__vcpu(d->vcpus, d->n_vcpus, o->cell->owner);
		d->n_owned += o->vcpu && !o->vcpu->ignored;
	}
	qsort(d->owned, d->n_owned, sizeof(*d->owned), by_owner);
	subtract_subjects(d);
	for (int i = 0; i < KS_LOSSES; i++)
		d->losses[i] = to->losses[i] - (from ? from->losses[i] : 0);
	d->missed = to->missed - (from ? from->missed : 0);
	return d;
}

void delta__free(struct delta *d)
{
	if (!d)
		return;
	free(d->vcpus);
	free(d->owned);
	free(d->subjects);
	free(d->subject_cell);
	free(d);
}

static void add_used(struct delta_cell *out, const struct snap_cell *c,
		     const struct used_bucket *used, uint64_t sign)
{
	for (const struct used_bucket *u = &used[c->first]; u < &used[c->first + c->n]; u++)
		if (u->bucket < KS_HIST_BUCKETS)
			out->hist.bucket[u->bucket] += sign * u->n;
		else
			out->small[u->bucket - KS_HIST_BUCKETS] += sign * u->n;
}

/* Fills in *out with the difference; false: nothing happened. */
static bool subtract_cell(const struct delta *d, const struct snap_cell *now,
			  const struct snap_cell *before, struct delta_cell *out)
{
	const uint32_t small =
		now->metric == KS_M_DISK_SIZE || now->metric == KS_M_DISK_DEPTH ? KS_DISK_SIZES : 0;
	bool parts = false;
	uint64_t value;

	out->metric = now->metric;
	out->key = now->key;
	out->count = now->count - (before ? before->count : 0);
	memset(&out->hist, 0, sizeof(out->hist));
	memset(out->small, 0, small * sizeof(out->small[0]));
	out->hist.sum = now->sum - (before ? before->sum : 0);
	add_used(out, now, d->to->used, 1);
	if (before)
		add_used(out, before, d->from->used, -1);
	for (uint32_t i = 0; i < small; i++) {
		if (!out->small[i])
			continue;
		value = snapshot__small(out->metric, i);
		out->hist.bucket[ks_hist_bucket(value)] += out->small[i];
		out->hist.max = value;
	}
	for (uint32_t b = 0; b < KS_HIST_BUCKETS; b++) {
		if (!out->hist.bucket[b])
			continue;
		out->hist.count += out->hist.bucket[b];
		/* a value that was recorded while its maximum was being taken */
		if (now->max < ks_hist_low(b) && out->hist.max < ks_hist_low(b))
			out->hist.max = ks_hist_low(b);
	}
	if (now->max > out->hist.max)
		out->hist.max = now->max;
	memcpy(out->part, now->part, sizeof(out->part));
	if (before)
		subtract_times(out->part, before->part);
	for (int i = 0; i < KS_STATES; i++)
		parts |= out->part[i];
	return out->count || out->hist.count || parts;
}

/* The cell of that number at the interval's start, if it measured the same for the same number. */
static const struct snap_cell *same_cell(const struct delta *d, const struct snap_cell *now)
{
	const struct snap_cell *before = d->from ? snapshot__cell(d->from, now->number) : NULL;

	if (!before || before->owner != now->owner || before->metric != now->metric ||
	    before->key != now->key)
		return NULL;
	return before;
}

/* The same, of the same vCPU. */
static const struct snap_cell *cell_before(const struct delta *d, const struct owned_cell *o)
{
	const struct snap_cell *before = same_cell(d, o->cell);
	const struct snap_vcpu *old;

	if (!before)
		return NULL;
	old = snapshot__vcpu(d->from->vcpu, d->from->n_vcpu, before->owner);
	return old && same_vcpu(old, o->vcpu) ? before : NULL;
}

void delta__each_cell(const struct delta *d, pid_t tgid, uint64_t start_ns,
		      void (*fn)(const struct delta_cell *cell, void *arg), void *arg)
{
	const struct snap_vcpu vm = {.tgid = tgid, .start_ns = start_ns};
	size_t lo = 0, hi = d->n_owned;
	struct delta_cell out;

	while (tgid && lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (by_vm(d->owned[mid].vcpu, &vm) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < d->n_owned; lo++) {
		const struct owned_cell *o = &d->owned[lo];

		if (tgid && by_vm(o->vcpu, &vm))
			break;
		out.vcpu = o->vcpu;
		if (subtract_cell(d, o->cell, cell_before(d, o), &out))
			fn(&out, arg);
	}
}

void delta__each_subject(const struct delta *d, enum ks_domain domain, uint16_t vm,
			 void (*fn)(const struct snap_subject *subject, void *arg), void *arg)
{
	for (size_t i = 0; i < d->n_subjects; i++)
		if (d->subjects[i].who.domain == domain && d->subjects[i].who.vm == vm)
			fn(&d->subjects[i], arg);
}

void delta__subject_hist(const struct delta *d, const struct snap_subject *subject,
			 enum ks_metric metric, struct histogram *out)
{
	const struct snap_subject *old = find_subject(d->from, subject->number);
	size_t lo = 0, hi = d->n_subject_cells;
	struct delta_cell cell;

	if (old && old->since != subject->since)
		old = NULL;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (d->subject_cell[mid]->owner < subject->number)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < d->n_subject_cells && d->subject_cell[lo]->owner == subject->number; lo++) {
		const struct snap_cell *c = d->subject_cell[lo];

		if (c->metric == metric && subtract_cell(d, c, old ? same_cell(d, c) : NULL, &cell))
			histogram__add(out, &cell.hist);
	}
}

/* By the last 16 bits of their tids, of which threads share one flag in the kernel. To be freed. */
static bool *live_tids(const struct delta *d)
{
	bool *live = xcalloc(KS_TID_BYTES, sizeof(*live));

	for (size_t i = 0; i < d->n_vcpus; i++)
		if (!d->vcpus[i].gone)
			live[d->vcpus[i].tid % KS_TID_BYTES] = true;
	return live;
}

void delta__reclaim(const struct delta *d, struct session *s)
{
	bool *live = NULL;

	for (size_t i = 0; i < d->n_vcpus; i++) {
		const struct snap_vcpu *v = &d->vcpus[i];

		if (!v->gone)
			continue;
		live = live ?: live_tids(d);
		for (size_t k = 0; k < d->to->n_cell; k++) {
			const struct snap_cell *c = &d->to->cell[k];

			if (c->owner != v->slot || c->metric >= KS_M_SUBJECTS)
				continue;
			if (KS_DETAIL(c->metric) < KS_DETAILS)
				session__forget_detail(s, c->owner, c->metric, c->key);
			session__give_back(s, ARRAY_CELLS, c->number);
		}
		session__forget_thread(s, v->tid, v->vcpu_id, v->slot);
		session__give_back(s, ARRAY_VCPUS, v->slot);
		if (!live[v->tid % KS_TID_BYTES])
			session__forget_tid(s, v->tid);
	}
	free(live);
}
