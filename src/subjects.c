/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads subjects and the tallies that each CPU has of them, and gives them back. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include "session.h"
#include "subjects.h"
#include "util.h"

/* How many subjects a CPU's part of the tallies has room for, number 0 among them. */
static uint32_t per_cpu(struct session *s)
{
	return session__array(s, ARRAY_SUBJECTS)->entries;
}

static uint32_t n_cpus(struct session *s)
{
	return session__array(s, ARRAY_TALLIES)->entries / per_cpu(s);
}

/* Calls fn with each CPU's tally of each of the snapshot's subjects. 0 or -errno. */
static int each_tally(struct session *s, struct snap_subject *subject, size_t n,
		      void (*fn)(struct snap_subject *subject, struct ks_tally *tally))
{
	const struct array *a = session__array(s, ARRAY_TALLIES);
	struct ks_tally *window = NULL;
	uint32_t first = 0, in_window = 0;

	for (uint32_t cpu = 0; cpu < n_cpus(s); cpu++) {
		for (size_t i = 0; i < n; i++) {
			uint32_t at = cpu * per_cpu(s) + subject[i].number;

			if (at >= first + in_window) {
				if (window)
					array__unmap(a, window, in_window);
				first = at;
				window = array__map_some(
					a, first, subject[n - 1].number - subject[i].number + 1,
					&in_window);
				if (!window)
					return errno ? -errno : -ERANGE;
			}
			fn(&subject[i], &window[at - first]);
		}
	}
	if (window)
		array__unmap(a, window, in_window);
	return 0;
}

/* Of its domain's counters alone: see KS_TALLY(). */
static void add_tally(struct snap_subject *subject, struct ks_tally *tally)
{
	bool disk = subject->who.domain == KS_D_DISK;
	int first = disk ? 0 : KS_C_NET_PACKETS, end = disk ? KS_C_NET_PACKETS : KS_COUNTERS;

	for (int i = first; i < end; i++)
		subject->n[i] += tally->n[KS_TALLY(i)];
}

static struct snap_subject *find(struct snapshot *snap, uint32_t number)
{
	size_t lo = 0, hi = snap->n_subject;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (snap->subject[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < snap->n_subject && snap->subject[lo].number == number ? &snap->subject[lo]
									  : NULL;
}

static void add_counted(struct snapshot *snap)
{
	for (size_t i = 0; i < snap->n_counted; i++) {
		const struct hists_count *c = &snap->counted[i];
		struct snap_subject *subject = find(snap, c->owner);

		if (!subject)
			continue;
		subject->n[KS_C_DISK_REQUESTS] += c->requests;
		subject->n[KS_C_DISK_BYTES] += c->bytes;
		subject->n[KS_C_DISK_SEQUENTIAL] += c->sequential;
	}
}

static void clear_tally(struct snap_subject *subject, struct ks_tally *tally)
{
	memset(tally, 0, sizeof(*tally));
}

int subjects__take(struct session *s, struct snapshot *snap)
{
	const struct array *a = session__array(s, ARRAY_SUBJECTS);
	struct ks_subject_slot *slot;
	uint32_t n;

	for (uint32_t i = 1; (slot = array__map(a, i, &n)); i += n) {
		for (uint32_t k = 0; k < n; k++) {
			if (!slot[k].since)
				continue;
			snap->subject = xreallocarray(snap->subject, snap->n_subject + 1,
						      sizeof(*snap->subject));
			snap->subject[snap->n_subject++] = (struct snap_subject){
				.number = i + k,
				.who = slot[k].who,
				.since = slot[k].since,
			};
		}
		array__unmap(a, slot, n);
	}
	if (errno)
		return -errno;
	add_counted(snap);
	return each_tally(s, snap->subject, snap->n_subject, add_tally);
}

uint32_t subjects__hists_number(struct session *s, uint32_t hists)
{
	return session__array(s, ARRAY_CELLS)->entries + hists * KS_DISK_METRICS;
}

void subjects__give_back(struct session *s, const struct snapshot *snap,
			 const struct snap_subject *subject)
{
	uint32_t cells = session__array(s, ARRAY_CELLS)->entries, hists;
	struct snap_subject one = *subject;

	/* first what leads to it */
	bpf_map_delete_elem(session__map(s, "subject_numbers"), &one.who);
	each_tally(s, &one, 1, clear_tally);
	session__forget_disk(s, one.number);
	for (size_t i = 0; i < snap->n_cell; i++) {
		const struct snap_cell *c = &snap->cell[i];

		if (c->owner != one.number || c->metric < KS_M_SUBJECTS)
			continue;
		hists = c->number < cells ? 0 : (c->number - cells) / KS_DISK_METRICS;
		if (!hists)
			session__give_back(s, ARRAY_CELLS, c->number);
		else if (c->number == subjects__hists_number(s, hists)) /* once, for all of them */
			session__give_back(s, ARRAY_DISK_HISTS, hists);
	}
	session__give_back(s, ARRAY_SUBJECTS, one.number);
}
