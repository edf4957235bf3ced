/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers meet names: one row a VM, filled by the domains. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "join.h"
#include "util.h"

static const struct {
	const char *name, *help;
} loss_names[KS_LOSSES] = {
#define LOSS(id, name, help) [KS_L_##id] = {#name, help},
#include <kvmscope/loss.def>
#undef LOSS
};

void join__vm(struct row *row, const struct vm *vm)
{
	row__text(row, "name", vm->name);
	row__text(row, "name_source", vm->name_source);
	row__text(row, "uuid", *vm->uuid ? vm->uuid : NULL);
	row__u64(row, "pid", vm->pid);
	row__text(row, "platform", vm->platform);
}

/* /proc shows start times in clock ticks, rounded down (fs/proc/array.c, do_task_stat). */
static uint64_t ticks(uint64_t start_ns)
{
	return start_ns / (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
}

static int by_vm_and_id(const void *a, const void *b)
{
	const struct snap_vcpu *x = *(const struct snap_vcpu *const *)a;
	const struct snap_vcpu *y = *(const struct snap_vcpu *const *)b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->vcpu_id != y->vcpu_id)
		return x->vcpu_id < y->vcpu_id ? -1 : 1;
	return (x->slot > y->slot) - (x->slot < y->slot);
}

static bool same_vm(const struct snap_vcpu *a, const struct snap_vcpu *b)
{
	return a->tgid == b->tgid && a->start_ns == b->start_ns;
}

/* Makes sure that there is a VM for each process in the list, be it one that is gone. */
static void find_vms(struct vms *vms, const struct snap_vcpu **v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i && same_vm(v[i], v[i - 1]))
			continue;
		if (!vms__find(vms, v[i]->tgid, ticks(v[i]->start_ns)) &&
		    !vms__resolve(vms, v[i]->tgid, ticks(v[i]->start_ns)))
			vms__add_ghost(vms, v[i]->tgid, ticks(v[i]->start_ns));
	}
}

static void add_losses(struct report *r, const struct delta *delta)
{
	for (int i = 0; i < KS_LOSSES; i++)
		report__add_loss(r, loss_names[i].name, delta->losses[i], loss_names[i].help);
	report__add_loss(r, "recursion_misses", delta->missed,
			 "program runs that the kernel skipped because one was under way");
}

struct report *join__report(const char *kind, const struct delta *delta, struct vms *vms,
			    const struct features *features, const struct domain *const *domains,
			    size_t n_domains, const void *opts)
{
	const struct report_ctx ctx = {.delta = delta, .features = features, .opts = opts};
	const struct snap_vcpu **v = xcalloc(delta->n_vcpus, sizeof(*v));
	struct report *r = report__new(kind);
	struct vm **all;
	size_t n = 0, n_all;

	r->start = delta->start;
	r->elapsed_ns = delta->elapsed_ns;
	add_losses(r, delta);
	for (size_t i = 0; i < delta->n_vcpus; i++)
		if (!delta->vcpus[i].ignored && !delta->vcpus[i].stale)
			v[n++] = &delta->vcpus[i];
	qsort(v, n, sizeof(*v), by_vm_and_id);
	find_vms(vms, v, n);

	row__list(&r->top, "vms");
	n_all = vms__all(vms, &all);
	for (size_t i = 0, at = 0; i < n_all; i++) {
		struct vm_times times = {.vm = all[i]};
		struct row *row;

		/* both are in order of pid and start time */
		while (at < n && (v[at]->tgid < all[i]->pid ||
				  (v[at]->tgid == all[i]->pid &&
				   ticks(v[at]->start_ns) < all[i]->start_ticks)))
			at++;
		times.vcpus = v + at;
		while (at < n && v[at]->tgid == all[i]->pid &&
		       ticks(v[at]->start_ns) == all[i]->start_ticks) {
			times.n_vcpus++;
			at++;
		}
		if (!all[i]->wanted || (!all[i]->alive && !times.n_vcpus))
			continue;
		row = row__add(&r->top, "vms");
		join__vm(row, all[i]);
		for (size_t k = 0; k < n_domains; k++)
			domains[k]->report(&ctx, &times, row);
	}
	free(v);
	return r;
}
