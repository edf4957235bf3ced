/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's account: histograms as they add up. */
#include <stdlib.h>
#include <string.h>
#include "ledger_internal.h"
#include "util.h"

/* Widens the stretch of buckets so that [first, last] is in it. */
static void stretch(struct account_hist *h, uint32_t first, uint32_t last)
{
	uint64_t *wider;
	uint32_t n;

	if (h->n && h->first < first)
		first = h->first;
	if (h->n && h->first + h->n - 1 > last)
		last = h->first + h->n - 1;
	n = last - first + 1;
	if (n == h->n)
		return;
	wider = xcalloc(n, sizeof(*wider));
	if (h->n)
		memcpy(wider + (h->first - first), h->bucket, h->n * sizeof(*wider));
	free(h->bucket);
	*h = (struct account_hist){h->count, h->sum, first, n, wider};
}

void account_hist__add(struct account_hist *to, const struct histogram *from)
{
	uint32_t first = KS_HIST_BUCKETS, last = 0;

	for (uint32_t b = 0; b < KS_HIST_BUCKETS; b++) {
		if (!from->bucket[b])
			continue;
		if (first > b)
			first = b;
		last = b;
	}
	to->count += from->count;
	to->sum += from->sum;
	if (first > last)
		return;
	stretch(to, first, last);
	for (uint32_t b = first; b <= last; b++)
		to->bucket[b - to->first] += from->bucket[b];
}

void account_hist__merge(struct account_hist *to, const struct account_hist *from)
{
	to->count += from->count;
	to->sum += from->sum;
	if (!from->n)
		return;
	stretch(to, from->first, from->first + from->n - 1);
	for (uint32_t i = 0; i < from->n; i++)
		to->bucket[from->first + i - to->first] += from->bucket[i];
}
