/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain cpu: where each vCPU's time went. It has no events of its own: the exits' events
 * charge the time as it passes.
 */
#include "domain.h"
#include "snapshot.h"

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	uint64_t wall;

	(void)ctx;
	row__list(row, "vcpus");
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct snap_vcpu *v = vm->vcpus[i];
		struct row *r = row__add(row, "vcpus");

		wall = 0;
		for (int s = 0; s < KS_STATES; s++)
			wall += v->ns[s];
		row__i64(r, "id", v->vcpu_id);
		row__u64(r, "tid", v->tid);
		row__u64(r, "wall_ns", wall);
		row__split(r, "split_ns", v->ns, 0);
	}
}

DOMAIN(domain_cpu) = {
	.name = "cpu",
	.report = report,
};
