/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain exits: which events it wants and in which forms, and its rows: exits by reason, by
 * vCPU, and exits to user space.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "domain.h"
#include "domain_exits.h"
#include "names.h"
#include "session.h"
#include "snapshot.h"
#include "util.h"
#include "vms.h"

/* --- events */

/* The reason is read from the vCPU: the back end's types must be known, and no third one run. */
static const char *vendor_types_missing(const struct features *f)
{
	if (!f->kvm_types)
		return "CAP_SYS_ADMIN is missing for the types of kvm.ko";
	if (f->backends & ~(BACKEND_VMX | BACKEND_SVM))
		return "the back end is neither kvm_intel nor kvm_amd";
	if (f->backends & BACKEND_SVM && !features__has_struct(f, "vcpu_svm"))
		return "BTF has no struct vcpu_svm";
	if (f->backends & BACKEND_VMX && !features__has_struct(f, "vcpu_vmx"))
		return "BTF has no struct vcpu_vmx";
	return NULL;
}

/*
 * kvm_entry must find the vCPU by what kvm_exit finds it by: the pointer, or (classic
 * tracepoints) its number.
 */
static const char *pointer_missing(const struct features *f)
{
	int at = features__tp_arg_struct(f, "kvm_exit", "kvm_vcpu");

	if (at == 0)
		return vendor_types_missing(f);
	return at == 1 || at == -ENODATA ? NULL : "kvm_exit has no struct kvm_vcpu argument";
}

/* Where no argument is a vCPU, the reason is one. */
static const char *arm64_missing(const struct features *f)
{
	return f->arm64 ? NULL : "the kernel is not an arm64 one";
}

static const char *exit_record_missing(const struct features *f)
{
	return features__tp_field(f, "kvm", "kvm_exit", "vcpu_id") < 0 ? "the record has no vcpu_id"
								       : NULL;
}

static const char *entry_record_missing(const struct features *f)
{
	return features__tp_field(f, "kvm", "kvm_entry", "vcpu_id") < 0
		       ? "the record has no vcpu_id"
		       : NULL;
}

/* Back ends that report no exits tell at least when KVM_RUN starts: see bpf/exits.bpf.c. */
static bool no_exit_events(const struct features *f)
{
	return f->backends && !(f->backends & ~BACKEND_OTHER);
}

/* Whose exit it is, kvm_exit finds in the vCPU: see vcpu_in_l2() in bpf/compat.bpf.h. */
static bool exit_tells_no_level(const struct features *f)
{
	return !f->arm64 &&
	       !(f->kvm_types && features__has_member(f, "kvm_vcpu_stat", "guest_mode"));
}

static const struct event events[] = {
	{
		.system = "kvm",
		.name = "kvm_exit",
		.modes = TRACE_COUNTS | TRACE_TIMES,
		.rungs =
			{
				{"exits__kvm_exit_btf", RUNG_BTF, 0, false, vendor_types_missing},
				{"exits__kvm_exit_raw", RUNG_RAW, 0, false, vendor_types_missing},
				{"exits__kvm_exit_raw_reason", RUNG_RAW, 1, true, NULL},
				{"exits__kvm_exit_arm64", RUNG_RAW, ARG_NONE, false, arm64_missing},
				{"exits__kvm_exit_tp", RUNG_TP, ARG_ANY, true, exit_record_missing},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_entry",
		.modes = TRACE_TIMES,
		.rungs =
			{
				{"exits__kvm_entry_btf", RUNG_BTF, 0, false, pointer_missing},
				{"exits__kvm_entry_raw", RUNG_RAW, 0, true, pointer_missing},
				{"exits__kvm_entry_arm64", RUNG_RAW, ARG_NONE, false,
				 arm64_missing},
				{"exits__kvm_entry_tp", RUNG_TP, ARG_ANY, true,
				 entry_record_missing},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_userspace_exit",
		.modes = TRACE_TIMES | TRACE_USERSPACE,
		.preemptible = true,
		.rungs =
			{
				{"exits__kvm_userspace_exit_btf", RUNG_BTF, ARG_ANY, false, NULL},
				{"exits__kvm_userspace_exit_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"exits__kvm_userspace_exit_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_fpu",
		.modes = TRACE_TIMES,
		.optional = true,
		.wanted = no_exit_events,
		.rungs =
			{
				{"exits__kvm_fpu_btf", RUNG_BTF, ARG_ANY, false, NULL},
				{"exits__kvm_fpu_raw", RUNG_RAW, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_nested_vmexit",
		.modes = TRACE_COUNTS | TRACE_TIMES,
		.optional = true,
		.wanted = exit_tells_no_level,
		.rungs = {{"exits__kvm_nested_vmexit_raw", RUNG_RAW, ARG_ANY, true, NULL}},
	},
	{
		.system = "sched",
		.name = "sched_switch",
		.modes = TRACE_TIMES,
		.rungs =
			{
				{"vcpu__sched_switch_btf", RUNG_BTF, ARG_ANY, false, NULL},
				{"vcpu__sched_switch_raw", RUNG_RAW, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_vcpu_wakeup",
		.modes = TRACE_TIMES,
		.preemptible = true,
		.rungs =
			{
				{"vcpu__kvm_vcpu_wakeup_btf", RUNG_BTF, ARG_ANY, false, NULL},
				{"vcpu__kvm_vcpu_wakeup_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"vcpu__kvm_vcpu_wakeup_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "sched",
		.name = "sched_process_exit",
		.modes = TRACE_COUNTS | TRACE_TIMES | TRACE_USERSPACE,
		.preemptible = true,
		.rungs =
			{
				{"vcpu__sched_process_exit_btf", RUNG_BTF, ARG_ANY, false, NULL},
				{"vcpu__sched_process_exit_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"vcpu__sched_process_exit_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
};

static int configure(struct session *s, const struct features *f)
{
	static const struct record_field fields[] = {
		{"cfg_exit_reason_at", "kvm_exit", "exit_reason"},
		{"cfg_exit_isa_at", "kvm_exit", "isa"},
		{"cfg_exit_vcpu_at", "kvm_exit", "vcpu_id"},
		{"cfg_entry_vcpu_at", "kvm_entry", "vcpu_id"},
		{"cfg_user_reason_at", "kvm_userspace_exit", "reason"},
		{"cfg_user_errno_at", "kvm_userspace_exit", "errno"},
		{"cfg_wakeup_ns_at", "kvm_vcpu_wakeup", "ns"},
		{"cfg_wakeup_waited_at", "kvm_vcpu_wakeup", "waited"},
	};

	return session__set_offsets(s, f, "kvm", fields, ARRAY_SIZE(fields));
}

/* --- rows */

/* One line of a table: the sum of all cells with that key. */
struct line {
	uint64_t key;
	uint64_t count;
	uint64_t split[KS_STATES];
	struct histogram wall, cpu;
};

struct table {
	struct line *line;
	size_t n;
};

static struct line *table_line(struct table *t, uint64_t key)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->line[i].key == key)
			return &t->line[i];
	t->line = xreallocarray(t->line, t->n + 1, sizeof(*t->line));
	memset(&t->line[t->n], 0, sizeof(*t->line));
	t->line[t->n].key = key;
	return &t->line[t->n++];
}

static void add_cell(struct table *exits, struct table *user, const struct delta_cell *cell)
{
	struct line *l;

	switch (cell->metric) {
	case KS_M_EXIT:
		l = table_line(exits, cell->key);
		l->count += cell->count;
		histogram__add(&l->wall, &cell->hist);
		histogram__add(&l->cpu, &cell->hist);
		for (int i = 0; i < KS_STATES; i++)
			l->split[i] += cell->part[i];
		break;
	case KS_M_EXIT_OFF_WALL:
		l = table_line(exits, cell->key);
		l->count += cell->hist.count;
		histogram__add(&l->wall, &cell->hist);
		break;
	case KS_M_EXIT_OFF_CPU:
		histogram__add(&table_line(exits, cell->key)->cpu, &cell->hist);
		break;
	case KS_M_USERSPACE:
		l = table_line(user, cell->key);
		l->count += cell->count;
		histogram__add(&l->wall, &cell->hist);
		break;
	default:
		break;
	}
}

/* What hurts most on top: time on CPU, then how often. */
static int by_cost(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	uint64_t cx = x->split[KS_KERNEL] + x->split[KS_VMM];
	uint64_t cy = y->split[KS_KERNEL] + y->split[KS_VMM];

	if (cx != cy)
		return cx < cy ? 1 : -1;
	if (x->wall.sum != y->wall.sum)
		return x->wall.sum < y->wall.sum ? 1 : -1;
	return (x->count < y->count) - (x->count > y->count);
}

static void exit_rows(struct row *row, struct table *t)
{
	char name[64];

	row__list(row, "exits");
	qsort(t->line, t->n, sizeof(*t->line), by_cost);
	for (size_t i = 0; i < t->n; i++) {
		struct line *l = &t->line[i];
		struct row *r = row__add(row, "exits");
		enum ks_isa isa = KS_KEY_ISA(l->key);

		/* an exit that was under way was L1's until kvm_nested_vmexit said otherwise */
		if ((int64_t)l->count < 0)
			l->count = 0;
		row__text(r, "reason", exit_name(isa, KS_KEY_CODE(l->key), name, sizeof(name)));
		row__u64(r, "code", KS_KEY_CODE(l->key));
		row__text(r, "isa", isa_name(isa));
		row__bool(r, "nested", l->key & KS_KEY_NESTED);
		row__u64(r, "count", l->count);
		row__hist(r, "latency", &l->wall);
		row__hist(r, "cpu_latency", &l->cpu);
		row__split(r, "split_ns", l->split, 1u << KS_GUEST);
	}
	free(t->line);
}

static void userspace_rows(struct row *row, struct table *t)
{
	char name[64];

	row__list(row, "userspace");
	qsort(t->line, t->n, sizeof(*t->line), by_cost);
	for (size_t i = 0; i < t->n; i++) {
		struct line *l = &t->line[i];
		struct row *r = row__add(row, "userspace");

		row__text(r, "reason", userspace_name(l->key, name, sizeof(name)));
		row__u64(r, "code", KS_KEY_CODE(l->key));
		row__u64(r, "count", l->count);
		row__hist(r, "latency", &l->wall);
	}
	free(t->line);
}

struct collect {
	struct table exits, user;
	const struct snap_vcpu *only; /* NULL: all vCPUs of the VM */
};

static void collect_cell(const struct delta_cell *cell, void *arg)
{
	struct collect *c = arg;

	if (!c->only || c->only->slot == cell->vcpu->slot)
		add_cell(&c->exits, &c->user, cell);
}

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	const struct exits_opts defaults = {}, *opts = ctx->opts ? ctx->opts : &defaults;
	struct collect all = {};

	if (opts->by == EXITS_BY_DETAIL)
		return;
	if (opts->by == EXITS_BY_VCPU) {
		row__list(row, "vcpus");
		for (size_t i = 0; i < vm->n_vcpus; i++) {
			const struct snap_vcpu *v = vm->vcpus[i];
			struct row *r = row__add(row, "vcpus");
			struct collect one = {.only = v};

			row__i64(r, "id", v->vcpu_id);
			row__u64(r, "tid", v->tid);
			delta__each_cell(ctx->delta, v->tgid, v->start_ns, collect_cell, &one);
			exit_rows(r, &one.exits);
			if (no_exit_events(ctx->features))
				userspace_rows(r, &one.user);
			else
				free(one.user.line);
		}
		return;
	}
	if (vm->n_vcpus)
		delta__each_cell(ctx->delta, vm->vcpus[0]->tgid, vm->vcpus[0]->start_ns,
				 collect_cell, &all);
	if (opts->by == EXITS_BY_REASON) {
		exit_rows(row, &all.exits);
		all.exits = (struct table){};
	}
	if (opts->by == EXITS_BY_USERSPACE || no_exit_events(ctx->features)) {
		userspace_rows(row, &all.user);
		all.user = (struct table){};
	}
	free(all.exits.line);
	free(all.user.line);
}

bool exits__are_missing(const struct report_ctx *ctx)
{
	struct vm **all;

	if (!no_exit_events(ctx->features) || !vms__all(ctx->vms, &all))
		return false;
	for (size_t i = 0; i < ctx->delta->n_vcpus; i++)
		if (ctx->delta->vcpus[i].exits)
			return false;
	return true;
}

static const char *note(const struct report_ctx *ctx)
{
	const struct exits_opts defaults = {}, *opts = ctx->opts ? ctx->opts : &defaults;

	if (opts->by == EXITS_BY_USERSPACE || !exits__are_missing(ctx))
		return NULL;
	if (opts->by == EXITS_BY_DETAIL)
		return "this KVM back end reports no kvm_exit: what these took is not known";
	return "this KVM back end reports no kvm_exit: exits to user space are shown instead";
}

static const struct export exports[] = {
	{
		.list = "exits",
		.field = "count",
		.info = &(const struct metric_info){"exits", "none", 1, "VM exits by reason."},
		.modes = TRACE_COUNTS | TRACE_TIMES,
		.label = {LABEL("reason", "reason")},
	},
	{
		.list = "exits",
		.field = "latency",
		.info = &(const struct metric_info){"exit_handling", "seconds", 1e-9,
						    "Wall time from a VM exit to the next VM entry "
						    "of the same vCPU."},
		.modes = TRACE_TIMES,
		.label = {LABEL("reason", "reason")},
	},
	{
		.list = "exits",
		.field = "split_ns",
		.info = &(const struct metric_info){"exit_time", "seconds", 1e-9,
						    "Time outside the guest by exit reason, and by "
						    "what it was spent on."},
		.modes = TRACE_TIMES,
		.label = {LABEL("reason", "reason")},
	},
	{
		.list = "userspace",
		.field = "count",
		.info = &(const struct metric_info){"userspace_exits", "none", 1,
						    "Exits to user space (KVM_EXIT_*) by reason."},
		.modes = TRACE_TIMES | TRACE_USERSPACE,
		.label = {LABEL("reason", "reason")},
	},
	{
		.list = "userspace",
		.field = "latency",
		.info = &metric_infos[KS_M_USERSPACE],
		.modes = TRACE_TIMES,
		.label = {LABEL("reason", "reason")},
	},
};

static const struct level levels[] = {
	{"times", LEVEL_ALL, TRACE_TIMES, NULL, 0},
	{"counts", LEVEL_DETAIL, TRACE_COUNTS | TRACE_USERSPACE, NULL, 0},
};

DOMAIN(domain_exits) = {
	.name = "exits",
	DOMAIN_TABLES,
	.configure = configure,
	.report = report,
	.note = note,
};
