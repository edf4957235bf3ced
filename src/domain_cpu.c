/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain cpu: where each vCPU's time went. It has no events of its own: the exits' events
 * charge the time as it passes.
 */
#include "domain.h"
#include "domain_exits.h"
#include "snapshot.h"
#include "util.h"

struct waits {
	uint32_t slot;
	struct histogram wake, steal;
};

static void collect(const struct delta_cell *cell, void *arg)
{
	struct waits *w = arg;

	if (cell->vcpu->slot != w->slot)
		return;
	if (cell->metric == KS_M_WAKE_LATENCY)
		histogram__add(&w->wake, &cell->hist);
	else if (cell->metric == KS_M_STEAL_LATENCY)
		histogram__add(&w->steal, &cell->hist);
}

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	uint64_t wall;

	row__list(row, "vcpus");
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct snap_vcpu *v = vm->vcpus[i];
		struct row *r = row__add(row, "vcpus");
		struct waits waits = {.slot = v->slot};

		wall = 0;
		for (int s = 0; s < KS_STATES; s++)
			wall += v->ns[s];
		delta__each_cell(ctx->delta, v->tgid, v->start_ns, collect, &waits);
		if (exits__are_missing(ctx)) /* nothing tells when a guest went on */
			waits.wake = (struct histogram){};
		row__i64(r, "id", v->vcpu_id);
		row__u64(r, "tid", v->tid);
		row__u64(r, "wall_ns", wall);
		row__split(r, "split_ns", v->ns, 0);
		row__hist(r, "wake_latency", &waits.wake);
		row__hist(r, "steal_latency", &waits.steal);
	}
}

/* Of all vCPUs of a VM: one by one they are for the command line. */
static const struct export exports[] = {
	{
		.list = "vcpus",
		.field = "split_ns",
		.info = &(
			const struct metric_info){"vcpu_time", "seconds", 1e-9,
						  "Time of the VM's vCPUs by state; the states add "
						  "up to all of it."},
		.modes = TRACE_TIMES,
	},
	{
		.list = "vcpus",
		.field = "wake_latency",
		.info = &metric_infos[KS_M_WAKE_LATENCY],
		.modes = TRACE_TIMES,
	},
	{
		.list = "vcpus",
		.field = "steal_latency",
		.info = &metric_infos[KS_M_STEAL_LATENCY],
		.modes = TRACE_TIMES,
	},
};

static const char *note(const struct report_ctx *ctx)
{
	return exits__are_missing(ctx) ? "this KVM back end reports no kvm_exit and kvm_entry: "
					 "guest code and KVM can't be told apart, and are "
					 "unaccounted"
				       : NULL;
}

DOMAIN(domain_cpu) = {
	.name = "cpu",
	.events_of = "exits",
	.exports = exports,
	.n_exports = ARRAY_SIZE(exports),
	.report = report,
	.note = note,
};
