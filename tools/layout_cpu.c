/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The screens of vCPUs' time: the split, waits and wake-ups, other threads, the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "layout.h"
#include "util.h"

#define CPU_NAME_COLUMNS 36 /* tables cut what is longer before they leave out columns */
/* What part of a vCPU's time in it is worth a colour. */
#define STEAL_ALARM 0.05

uint64_t layout__split_sum(const struct row *vm, uint64_t sum[KS_STATES])
{
	const struct rows *vcpus = row__get_rows(vm, "vcpus");

	memset(sum, 0, KS_STATES * sizeof(*sum));
	for (size_t i = 0; i < vcpus->n; i++) {
		const uint64_t *split = row__get_split(vcpus->row[i], "split_ns");

		for (int s = 0; split && s < KS_STATES; s++)
			sum[s] += split[s];
	}
	return layout__total(sum);
}

/* What hurts: waiting for a CPU first, then time in KVM and the VMM. */
static double pain(const uint64_t *split, uint64_t total)
{
	return total ? (4.0 * split[KS_STEAL] + split[KS_KERNEL] + split[KS_VMM]) / total : 0;
}

static int by_pain(const void *a, const void *b)
{
	uint64_t sx[KS_STATES], sy[KS_STATES];
	double x, y;

	x = pain(sx, layout__split_sum(*(const struct row *const *)a, sx));
	y = pain(sy, layout__split_sum(*(const struct row *const *)b, sy));
	return (x < y) - (x > y);
}

struct rows layout__by_pain(const struct rows *vms, size_t n)
{
	struct rows sorted = {.row = xcalloc(n, sizeof(*sorted.row)), .n = n};

	for (size_t i = 0; i < n; i++)
		sorted.row[i] = vms->row[i];
	qsort(sorted.row, n, sizeof(*sorted.row), by_pain);
	return sorted;
}

/* The table of `cpu`: a column a state, those of which there is none left out; then the bar. */
struct cpu_table {
	bool has[KS_STATES];
	int bar;
};

static const char *const state_titles[KS_STATES] = {
	[KS_GUEST] = "guest", [KS_KERNEL] = "kern", [KS_VMM] = "vmm",	    [KS_HALT_POLL] = "poll",
	[KS_HALTED] = "halt", [KS_STEAL] = "steal", [KS_BLOCKED] = "block", [KS_UNACCOUNTED] = "?",
};

static void cpu_columns(struct text *t, struct cpu_table *table, const struct rows *vms)
{
	int name = 2, used = 0;
	uint64_t sum[KS_STATES];

	for (size_t i = 0; i < vms->n; i++) {
		int len = strlen(row__get_text(vms->row[i], "name"));

		layout__split_sum(vms->row[i], sum);
		for (int s = 0; s < KS_STATES; s++)
			table->has[s] |= sum[s] > 0;
		name = len > name ? len : name;
	}
	name = name > CPU_NAME_COLUMNS ? CPU_NAME_COLUMNS : name;
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "vCPU", TEXT_RIGHT, 0);
	for (int s = 0; s < KS_STATES; s++) {
		if (!table->has[s])
			continue;
		text__column(t, state_titles[s], TEXT_RIGHT, 0);
		used += 7;
	}
	table->bar = text__opts(t)->width - name - 6 - used - 2;
	if (table->bar > 24)
		table->bar = 24;
	if (table->bar >= 8)
		text__column(t, "%", TEXT_LEFT, 1);
}

/* split NULL: of a vCPU that is not measured. */
static void cpu_cells(struct text *t, const struct cpu_table *table, const uint64_t *split)
{
	uint64_t total = layout__total(split);

	for (int s = 0; s < KS_STATES; s++) {
		double share = total ? (double)split[s] / total : 0;
		const char *cell = total && split[s] ? text__format(t, "%.1f", 100 * share) : NULL;

		if (!table->has[s])
			continue;
		if (s == KS_STEAL && share >= STEAL_ALARM)
			text__cell_color(t, cell, TEXT_RED);
		else
			text__cell(t, cell);
	}
	if (table->bar >= 8 && !split)
		text__cell(t, NULL);
	else if (table->bar >= 8)
		text__cell(t, text__bar(t, split, KS_STATES, table->bar));
}

static void cpu_legend(struct text *t, const struct cpu_table *table)
{
	const char *legend = "";

	if (text__opts(t)->quiet || table->bar < 8)
		return;
	for (int s = 0; s < KS_STATES; s++)
		if (table->has[s])
			legend = text__format(t, "%s%s %s   ", legend, text__fill(t, s),
					      s == KS_UNACCOUNTED ? state_names[s]
								  : state_titles[s]);
	text__colored(t, TEXT_DIM, "%s", legend);
}

/* A VM's vCPUs, those that are not measured too, in order of their ids (caller frees). */
static const struct row **all_vcpus(const struct row *vm, size_t *ret_n)
{
	const struct rows *a = row__get_rows(vm, "vcpus");
	const struct rows *b = row__get_rows(vm, "unmeasured_vcpus");
	const struct row **all = xcalloc(a->n + b->n + 1, sizeof(*all));
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		bool measured = k == b->n || (i < a->n && row__get_u64(a->row[i], "id") <=
								  row__get_u64(b->row[k], "id"));

		all[i + k] = measured ? a->row[i] : b->row[k];
		i += measured;
		k += !measured;
	}
	*ret_n = i + k;
	return all;
}

void layout__cpu(struct text *t, const struct rows *vms)
{
	struct cpu_table table = {};
	uint64_t sum[KS_STATES];

	cpu_columns(t, &table, vms);
	for (size_t i = 0; i < vms->n; i++) {
		const struct row *vm = vms->row[i];
		const char *name = row__get_text(vm, "name");
		size_t n, n_measured = row__get_rows(vm, "vcpus")->n;
		const struct row **vcpus = all_vcpus(vm, &n);

		layout__split_sum(vm, sum);
		if (n > 1) {
			text__cell(t, name);
			text__cell(t, n_measured == n
					      ? "all"
					      : text__format(t, "%zu of %zu", n_measured, n));
			cpu_cells(t, &table, sum);
		}
		for (size_t k = 0; k < n; k++) {
			text__cell(t, n > 1 ? "" : name);
			text__cell(t, layout__id(t, vcpus[k]));
			cpu_cells(t, &table, row__get_split(vcpus[k], "split_ns"));
		}
		free(vcpus);
	}
	text__table_end(t);
	if (vms->n)
		cpu_legend(t, &table);
}

static void wait_cells(struct text *t, const struct histogram *h)
{
	static const double q[] = {0.5, 0.99};

	text__cell(t, h->count ? text__count(t, h->count) : NULL);
	layout__percentiles(t, h, q, ARRAY_SIZE(q));
}

void layout__waits(struct text *t, const struct rows *vms)
{
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "vCPU", TEXT_RIGHT, 0);
	for (int i = 0; i < 2; i++) {
		text__column(t, i ? "wake-ups" : "waits", TEXT_RIGHT, 0);
		text__column(t, "p50", TEXT_RIGHT, 1);
		text__column(t, "p99", TEXT_RIGHT, 0);
		text__column(t, "max", TEXT_RIGHT, 0);
	}
	for (size_t i = 0; i < vms->n; i++) {
		const struct rows *vcpus = row__get_rows(vms->row[i], "vcpus");
		const char *name = row__get_text(vms->row[i], "name");

		for (size_t k = 0; k < vcpus->n; k++) {
			const struct histogram *steal, *wake;

			steal = row__get_hist(vcpus->row[k], "steal_latency");
			wake = row__get_hist(vcpus->row[k], "wake_latency");
			if (!steal->count && !wake->count)
				continue;
			text__cell(t, k ? "" : name);
			text__cell(t, layout__id(t, vcpus->row[k]));
			wait_cells(t, steal);
			wait_cells(t, wake);
		}
	}
	text__table_end(t);
}

/* Share of the interval, as a column of `cpu`: "12.3", a dash where it is not known. */
static void share_cell(struct text *t, const struct row *row, const char *field, uint64_t wall)
{
	const struct field *f = row__field(row, field);

	text__cell(t, f && f->kind == FIELD_INT && wall
			      ? text__format(t, "%.1f", 100.0 * f->num.value / wall)
			      : NULL);
}

void layout__threads(struct text *t, const struct rows *vms, uint64_t elapsed_ns)
{
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "other threads", TEXT_LEFT, 0);
	text__column(t, "", TEXT_RIGHT, 0);
	text__column(t, "cpu %", TEXT_RIGHT, 0);
	text__column(t, "steal %", TEXT_RIGHT, 0);
	for (size_t i = 0; i < vms->n; i++) {
		const struct rows *groups = row__get_rows(vms->row[i], "threads");

		for (size_t k = 0; groups && k < groups->n; k++) {
			const struct row *g = groups->row[k];

			text__cell(t, k ? "" : row__get_text(vms->row[i], "name"));
			text__cell(t, row__get_text(g, "group"));
			text__cell(t, text__count(t, row__get_u64(g, "threads")));
			share_cell(t, g, "cpu_ns", elapsed_ns);
			share_cell(t, g, "steal_ns", elapsed_ns);
		}
	}
	text__table_end(t);
}

void layout__host(struct text *t, const struct row *host)
{
	static const struct {
		const char *title, *field;
	} parts[] = {
		{"user", "user_ns"},	   {"system", "system_ns"}, {"irq", "irq_ns"},
		{"softirq", "softirq_ns"}, {"guest", "guest_ns"},   {"steal", "steal_ns"},
		{"iowait", "iowait_ns"},   {"idle", "idle_ns"},
	};
	uint64_t all = 0;

	/* of what was counted, as top and mpstat do: by ticks, it may be less than all time */
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		all += row__get_u64(host, parts[i].field);
	if (!all)
		return;
	text__table(t, 0);
	text__column(t, "(host)", TEXT_LEFT, 0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		text__column(t, parts[i].title, TEXT_RIGHT, 0);
	text__cell(t,
		   text__format(t, "%llu CPU%s, %%", (unsigned long long)row__get_u64(host, "cpus"),
				row__get_u64(host, "cpus") == 1 ? "" : "s"));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		share_cell(t, host, parts[i].field, all);
	text__table_end(t);
}
