/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain details: exits by what they were about: port, address, MSR, hypercall. Each VM's busiest
 * keys, and one row for the rest.
 */
#include <stdlib.h>
#include <string.h>
#include "domain.h"
#include "names.h"
#include "session.h"
#include "snapshot.h"
#include "util.h"

#define KEYS_MAX 256 /* rows of a VM, without the one for the rest */

static bool is_x86(const struct features *f)
{
	return !f->arm64;
}

static bool is_arm64(const struct features *f)
{
	return f->arm64;
}

static const struct event events[] = {
	{
		.system = "kvm",
		.name = "kvm_pio",
		.absent = "there are no I/O ports but on x86",
		.modes = TRACE_PORT,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_pio_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"details__kvm_pio_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_mmio",
		.modes = TRACE_MMIO,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_mmio_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"details__kvm_mmio_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_msr",
		.absent = "there are no MSRs but on x86",
		.modes = TRACE_MSR,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_msr_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"details__kvm_msr_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_hypercall",
		.modes = TRACE_HYPERCALL,
		.wanted = is_x86,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_hypercall_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"details__kvm_hypercall_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_page_fault",
		.modes = TRACE_PAGE_FAULT,
		.wanted = is_x86,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_page_fault_raw", RUNG_RAW, 0, false, NULL},
				{"details__kvm_page_fault_raw_old", RUNG_RAW, ARG_NONE, true, NULL},
				{"details__kvm_page_fault_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_hvc_arm64",
		.modes = TRACE_HYPERCALL,
		.wanted = is_arm64,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_hvc_arm64_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"details__kvm_hvc_arm64_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "kvm",
		.name = "kvm_guest_fault",
		.modes = TRACE_PAGE_FAULT,
		.wanted = is_arm64,
		.preemptible = true,
		.rungs =
			{
				{"details__kvm_guest_fault_raw", RUNG_RAW, ARG_ANY, true, NULL},
				{"details__kvm_guest_fault_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
};

static int configure(struct session *s, const struct features *f)
{
	static const struct record_field fields[] = {
		{"cfg_pio_rw_at", "kvm_pio", "rw"},
		{"cfg_pio_port_at", "kvm_pio", "port"},
		{"cfg_mmio_type_at", "kvm_mmio", "type"},
		{"cfg_mmio_gpa_at", "kvm_mmio", "gpa"},
		{"cfg_msr_write_at", "kvm_msr", "write"},
		{"cfg_msr_ecx_at", "kvm_msr", "ecx"},
		{"cfg_hypercall_nr_at", "kvm_hypercall", "nr"},
		{"cfg_fault_address_at", "kvm_page_fault", "fault_address"},
		{"cfg_fault_error_at", "kvm_page_fault", "error_code"},
		{"cfg_hvc_r0_at", "kvm_hvc_arm64", "r0"},
		{"cfg_guest_fault_hsr_at", "kvm_guest_fault", "hsr"},
		{"cfg_guest_fault_ipa_at", "kvm_guest_fault", "ipa"},
	};

	return session__set_offsets(s, f, "kvm", fields, ARRAY_SIZE(fields));
}

/* How each detail looks in a report. */
static const struct {
	enum ks_metric metric;
	const char *list, *key;
	bool ops;
} kinds[] = {
	{KS_M_PORT, "ports", "port", true},
	{KS_M_MMIO, "mmio", "gpa", true},
	{KS_M_MSR, "msrs", "msr", true},
	{KS_M_HYPERCALL, "hypercalls", "nr", false},
	{KS_M_PAGE_FAULT, "page_faults", "gpa", true},
};

struct line {
	uint64_t key;
	uint64_t count;
	struct histogram hist;
};

struct table {
	enum ks_metric metric;
	struct line *line;
	size_t n, cap;
};

static void collect(const struct delta_cell *cell, void *arg)
{
	struct table *t = arg;
	struct line *l = NULL;

	if (cell->metric != t->metric)
		return;
	for (size_t i = 0; i < t->n && !l; i++)
		if (t->line[i].key == cell->key)
			l = &t->line[i];
	if (!l) {
		if (t->n == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 16;
			t->line = xreallocarray(t->line, t->cap, sizeof(*t->line));
		}
		l = &t->line[t->n++];
		*l = (struct line){.key = cell->key};
	}
	l->count += cell->count;
	histogram__add(&l->hist, &cell->hist);
}

/* The busiest first, the rest last. */
static int by_count(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if ((x->key == KS_KEY_REST) != (y->key == KS_KEY_REST))
		return x->key == KS_KEY_REST ? 1 : -1;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->key > y->key) - (x->key < y->key);
}

/* Folds what is beyond KEYS_MAX into one line. */
static void fold(struct table *t)
{
	struct line *rest;

	if (t->n <= KEYS_MAX)
		return;
	rest = &t->line[KEYS_MAX];
	rest->key = KS_KEY_REST;
	for (size_t i = KEYS_MAX + 1; i < t->n; i++) {
		rest->count += t->line[i].count;
		histogram__add(&rest->hist, &t->line[i].hist);
	}
	t->n = KEYS_MAX + 1;
}

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	static const char *const ops[] = {"read", "write", "exec", NULL};
	const unsigned int modes = *(const unsigned int *)ctx->opts;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct table t = {.metric = kinds[k].metric};

		if (!(modes & events[k].modes))
			continue;
		row__list(row, kinds[k].list);
		if (vm->n_vcpus)
			delta__each_cell(ctx->delta, vm->vcpus[0]->tgid, vm->vcpus[0]->start_ns,
					 collect, &t);
		if (t.n)
			qsort(t.line, t.n, sizeof(*t.line), by_count);
		fold(&t);
		for (size_t i = 0; i < t.n; i++) {
			const struct line *l = &t.line[i];
			uint64_t value = l->key & ((1ULL << KS_OP_SHIFT) - 1);
			struct row *r = row__add(row, kinds[k].list);

			if (l->key == KS_KEY_REST) {
				row__null(r, kinds[k].key);
				row__text(r, "name", "(rest)");
			} else {
				row__u64(r, kinds[k].key, value);
				row__text(r, "name", well_known_name(t.metric, value));
			}
			if (kinds[k].ops)
				row__text(r, "op",
					  l->key == KS_KEY_REST ? NULL
								: ops[l->key >> KS_OP_SHIFT & 3]);
			row__u64(r, "count", l->count);
			row__hist(r, "latency", &l->hist);
		}
		free(t.line);
	}
}

DOMAIN(domain_details) = {
	.name = "details",
	.events = events,
	.n_events = ARRAY_SIZE(events),
	.configure = configure,
	.report = report,
};
