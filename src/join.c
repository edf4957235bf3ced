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

/* Events that name no vCPU leave its id open; the VM's thread list may know it. */
static int32_t vcpu_id(const struct vm *vm, const struct snap_vcpu *v)
{
	if (v->vcpu_id >= 0)
		return v->vcpu_id;
	for (size_t i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpus[i].tid == v->tid)
			return vm->vcpus[i].id;
	return -1;
}

/* Makes sure that there is a VM for each process in the list, be it one that is gone. */
static void find_vms(struct vms *vms, struct snap_vcpu **v, size_t n)
{
	const struct vm *vm = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!i || !same_vm(v[i], v[i - 1])) {
			vm = vms__find(vms, v[i]->tgid, ticks(v[i]->start_ns));
			if (!vm)
				vm = vms__resolve(vms, v[i]->tgid, ticks(v[i]->start_ns));
			if (!vm)
				vm = vms__add_ghost(vms, v[i]->tgid, ticks(v[i]->start_ns));
		}
		v[i]->vcpu_id = vcpu_id(vm, v[i]);
	}
}

static void add_losses(struct report *r, const struct delta *delta)
{
	for (int i = 0; i < KS_LOSSES; i++)
		report__add_loss(r, loss_names[i].name, delta->losses[i], loss_names[i].help);
	report__add_loss(
		r, "recursion_misses", delta->missed,
		"program runs that the kernel skipped because one, or a bpf() call, was under way");
}

static bool measures_vcpus(const struct reporter *reporters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!reporters[i].domain->subjects &&
		    (reporters[i].domain->n_events || reporters[i].domain->events_of))
			return true;
	return false;
}

/* Is that one of the VM's list among those that the kernel side has met? */
static bool is_met(const struct vm_vcpu *vcpu, const struct vm_times *vm)
{
	for (size_t i = 0; i < vm->n_vcpus; i++)
		if ((vcpu->tid && vcpu->tid == vm->vcpus[i]->tid) ||
		    (vcpu->id >= 0 && vcpu->id == vm->vcpus[i]->vcpu_id))
			return true;
	return false;
}

/*
 * The VM's vCPUs that the kernel side has not met: there was no room for them, or they have done
 * nothing since we came. Where threads are known, an id without one is none: QEMU keeps
 * the descriptor of a vCPU that was unplugged. The list may be as of the last look for VMs, so
 * that as many as there are in it are enough. Returns how many.
 */
static size_t add_unmeasured(struct row *row, const struct vm_times *times)
{
	const struct vm *vm = times->vm;
	size_t there = 0, met = 0, n = 0;
	bool threads = false;

	for (size_t i = 0; i < vm->n_vcpus; i++)
		threads |= vm->vcpus[i].tid > 0;
	for (size_t i = 0; i < vm->n_vcpus; i++)
		there += vm->vcpus[i].tid || !threads;
	for (size_t i = 0; i < times->n_vcpus; i++)
		met += !times->vcpus[i]->gone;
	row__u64(row, "measured_vcpus", times->n_vcpus);
	row__list(row, "unmeasured_vcpus");
	for (size_t i = 0; i < vm->n_vcpus && met + n < there; i++) {
		struct row *r;

		if ((threads && !vm->vcpus[i].tid) || is_met(&vm->vcpus[i], times))
			continue;
		r = row__add(row, "unmeasured_vcpus");
		row__i64(r, "id", vm->vcpus[i].id);
		row__u64(r, "tid", vm->vcpus[i].tid);
		n++;
	}
	return n;
}

/*
 * Holds our count of exits against the kernel's. Each vCPU may be one exit apart, for the two are
 * not counted by the same instruction; kernels before v6.4 leave out exits that are handled
 * on the fast path (8b703a49c9df), so that we may have counted more. Returns how many are missing.
 * partly: the VM has vCPUs for which there was no room, and of which KVM's count is not known
 * either: what it has counted of the others is not the VM's.
 */
static uint64_t audit(struct row *row, const struct vm_times *vm, bool partly)
{
	uint64_t ours = 0, kernel = 0;

	for (size_t i = 0; i < vm->n_vcpus; i++) {
		ours += vm->vcpus[i]->exits;
		kernel += vm->vcpus[i]->kernel_exits;
	}
	if (partly && !vm->n_vcpus)
		row__null(row, "counted_exits");
	else if (partly || kernel)
		row__u64(row, "counted_exits", ours);
	if (partly)
		row__null(row, "kernel_exits");
	else if (kernel)
		row__u64(row, "kernel_exits", kernel);
	if (!kernel)
		return 0;
	return ours + vm->n_vcpus < kernel && ours < kernel - kernel / 1000 ? kernel - ours : 0;
}

/* The row of what belongs to no VM; one, whoever asks first. */
static struct row *host_row(struct report *r)
{
	const struct rows *vms = row__get_rows(&r->top, "vms");
	struct row *row;

	if (vms->n && !strcmp(row__get_text(vms->row[vms->n - 1], "platform"), "host"))
		return vms->row[vms->n - 1];
	row = row__add(&r->top, "vms");
	row__text(row, "name", "(host)");
	row__text(row, "name_source", "host");
	row__null(row, "uuid");
	row__u64(row, "pid", 0);
	row__text(row, "platform", "host");
	return row;
}

struct report *join__report(const char *kind, const struct delta *delta, struct vms *vms,
			    const struct features *features, const struct reporter *reporters,
			    size_t n_reporters, const void *opts)
{
	struct report_ctx ctx = {
		.delta = delta,
		.features = features,
		.opts = opts,
		.vms = vms,
	};
	struct snap_vcpu **v = xcalloc(delta->n_vcpus, sizeof(*v));
	struct report *r = report__new(kind);
	struct vm **all;
	bool vcpus = measures_vcpus(reporters, n_reporters), partly;
	uint64_t uncounted = 0;
	size_t n = 0, n_all;
	const char *note;

	r->start = delta->start;
	r->elapsed_ns = delta->elapsed_ns;
	add_losses(r, delta);
	for (size_t i = 0; i < delta->n_vcpus; i++)
		if (!delta->vcpus[i].ignored)
			v[n++] = &delta->vcpus[i];
	qsort(v, n, sizeof(*v), by_vm_and_id);
	find_vms(vms, v, n);
	qsort(v, n, sizeof(*v), by_vm_and_id); /* ids may be known now */

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
		times.vcpus = (const struct snap_vcpu **)(v + at);
		while (at < n && v[at]->tgid == all[i]->pid &&
		       ticks(v[at]->start_ns) == all[i]->start_ticks) {
			times.n_vcpus++;
			at++;
		}
		if (!all[i]->wanted || (!all[i]->alive && !times.n_vcpus && !all[i]->number))
			continue;
		row = row__add(&r->top, "vms");
		join__vm(row, all[i]);
		partly = false;
		if (vcpus && (add_unmeasured(row, &times) || !times.n_vcpus))
			partly = delta->losses[KS_L_VCPU_SLOTS];
		uncounted += audit(row, &times, partly);
		for (size_t k = 0; k < n_reporters; k++) {
			ctx.state = reporters[k].state;
			reporters[k].domain->report(&ctx, &times, row);
		}
	}
	report__add_loss(
		r, "uncounted_exits", uncounted,
		"exits that KVM itself counted (vcpu->stat.exits) and that we did not see");
	for (size_t k = 0; k < n_reporters; k++) {
		ctx.state = reporters[k].state;
		if (reporters[k].domain->report_host)
			reporters[k].domain->report_host(&ctx, host_row(r));
		note = reporters[k].domain->note ? reporters[k].domain->note(&ctx) : NULL;
		if (note)
			report__add_note(r, note);
	}
	free(v);
	return r;
}
