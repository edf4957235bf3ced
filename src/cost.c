/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a BPF program costs: see cost.h. */
#include <stdlib.h>
#include <string.h>
#include "cost.h"
#include "util.h"

static double average(const struct cost_slice *s)
{
	return (double)s->ns / (double)s->runs;
}

static int by_average(const void *a, const void *b)
{
	double x = average(a), y = average(b);

	return (x > y) - (x < y);
}

double cost__run_ns(const struct cost_slice *slices, size_t n)
{
	struct cost_slice *sorted = xcalloc(n + 1, sizeof(*sorted));
	uint64_t runs = 0, below = 0;
	size_t used = 0, i = 0;
	double median = 0;

	for (size_t k = 0; k < n; k++) {
		if (slices[k].runs)
			sorted[used++] = slices[k];
		runs += slices[k].runs;
	}
	qsort(sorted, used, sizeof(*sorted), by_average);
	for (; i < used; i++) {
		below += sorted[i].runs;
		median = average(&sorted[i]);
		if (below * 2 >= runs)
			break;
	}
	free(sorted);
	return median;
}

double cost__share(const struct cost_slice *slices, size_t n, uint64_t elapsed_ns, double cpus)
{
	uint64_t runs = 0;
	double share;

	if (!elapsed_ns)
		return 0;
	for (size_t i = 0; i < n; i++)
		runs += slices[i].runs;
	share = cost__run_ns(slices, n) * (double)runs / (double)elapsed_ns;
	return share < cpus ? share : cpus;
}
