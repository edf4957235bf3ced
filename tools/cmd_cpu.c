/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope cpu: where each vCPU's time went; all of it. */
#include <stdlib.h>
#include "command.h"
#include "layout.h"

static unsigned int modes(const void *opts)
{
	(void)opts;
	return TRACE_TIMES;
}

static void histograms(struct text *t, const struct row *vm)
{
	static const char *const names[] = {"steal_latency", "wake_latency"};
	const struct rows *vcpus = row__get_rows(vm, "vcpus");

	for (size_t i = 0; i < vcpus->n * 2; i++) {
		const struct row *vcpu = vcpus->row[i / 2];
		const struct histogram *h = row__get_hist(vcpu, names[i % 2]);

		if (!h->count)
			continue;
		text__blank(t);
		text__histogram(t,
				text__format(t, "%s   vCPU %s   %s",
					     text__name(t, row__get_text(vm, "name"), 28),
					     layout__id(t, vcpu), names[i % 2]),
				h, 'n');
	}
}

static void text(struct text *t, const struct report *r, const void *opts)
{
	const struct rows *all = row__get_rows(&r->top, "vms");
	/* the last one is the host: see join.c */
	struct rows guests = layout__by_pain(all, all->n ? all->n - 1 : 0), *vms = &guests;

	(void)opts;
	layout__begin(t, r);
	layout__cpu(t, vms);
	text__blank(t);
	layout__waits(t, vms);
	text__blank(t);
	layout__threads(t, vms, r->elapsed_ns);
	if (vms->n)
		text__blank(t);
	if (all->n)
		layout__host(t, all->row[all->n - 1]);
	for (size_t i = 0; text__opts(t)->histograms && i < vms->n; i++)
		histograms(t, vms->row[i]);
	if (vms->n)
		layout__prose(t, "waits: for a CPU, while it could run; wake-ups: from a halt to "
				 "guest code");
	layout__end(t, r);
	free(guests.row);
}

COMMAND(cmd_cpu) = {
	.name = "cpu",
	.summary = "Where each vCPU's time went; adds up to 100 %",
	.examples = "  kvmscope cpu 1         every second\n"
		    "  kvmscope cpu -j 10 1   one object for 10 seconds\n",
	.trace = {"exits"},
	.report = {"cpu", "threads"},
	.modes = modes,
	.text = text,
};
