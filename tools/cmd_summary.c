/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope without a command: one screen on every VM. */
#include <stdlib.h>
#include "command.h"
#include "layout.h"
#include "layout_disk.h"
#include "layout_net.h"
#include "util.h"

#define SCREEN_VMS   20
#define SCREEN_DISKS 5

static unsigned int modes(const void *opts)
{
	(void)opts;
	return TRACE_TIMES | TRACE_NET | TRACE_DISK | TRACE_DISK_STAGES * KS_STAGES_ALL;
}

/*
 * "io 38 %, msr 22 %": the two rows that cost most, of all time outside the guest that is work; or
 * the first alone.
 */
static const char *most_costly(struct text *t, const struct row *vm, bool both)
{
	const struct rows *exits = row__get_rows(vm, "exits");
	const struct rows *user = row__get_rows(vm, "userspace");
	uint64_t cost[2] = {}, all = 0;

	for (size_t i = 0; i < exits->n; i++) {
		const uint64_t *split = row__get_split(exits->row[i], "split_ns");
		uint64_t c = split[KS_KERNEL] + split[KS_VMM];

		if (i < 2)
			cost[i] = c;
		all += c;
	}
	if (!exits->n && user->n) /* no exits on this back end: what it went to user space for */
		return text__format(t, "(to VMM) %s", row__get_text(user->row[0], "reason"));
	if (!all)
		return exits->n ? row__get_text(exits->row[0], "reason") : NULL;
	if (exits->n == 1 || !cost[1] || !both)
		return text__format(t, "%s %s", row__get_text(exits->row[0], "reason"),
				    text__percent(t, (double)cost[0] / all));
	return text__format(t, "%s %s, %s %s", row__get_text(exits->row[0], "reason"),
			    text__percent(t, (double)cost[0] / all),
			    row__get_text(exits->row[1], "reason"),
			    text__percent(t, (double)cost[1] / all));
}

static uint64_t vm_exits(const struct row *vm)
{
	return layout__count(vm, row__get_rows(vm, "exits")->n ? "exits" : "userspace");
}

/* Time that a VM's vCPUs waited for a CPU or kept one busy outside the guest; then exits. */
static int by_pain(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	uint64_t sx[KS_STATES], sy[KS_STATES], px, py;

	layout__split_sum(x, sx);
	layout__split_sum(y, sy);
	px = sx[KS_STEAL] + sx[KS_KERNEL] + sx[KS_VMM];
	py = sy[KS_STEAL] + sy[KS_KERNEL] + sy[KS_VMM];
	if (px != py)
		return px < py ? 1 : -1;
	return (vm_exits(x) < vm_exits(y)) - (vm_exits(x) > vm_exits(y));
}

/* Which of the VMs that are shown have figures of a part of their vCPUs, or none. */
static void put_partly(struct text *t, const struct report *r, const struct row **vms, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *partly = layout__partly(t, r, vms[i]);

		if (partly)
			text__colored(t, TEXT_YELLOW, "! %s: %s",
				      text__name(t, row__get_text(vms[i], "name"), 36), partly);
	}
}

static void text(struct text *t, const struct report *r, const void *opts)
{
	static const struct {
		const char *title;
		unsigned int states;
		int priority;
	} parts[] = {
		{"guest", 1u << KS_GUEST, 0},
		{"kern", 1u << KS_KERNEL | 1u << KS_HALT_POLL, 0},
		{"vmm", 1u << KS_VMM, TEXT_SPARE},
		{"halt", 1u << KS_HALTED, 0},
		{"block", 1u << KS_BLOCKED, TEXT_SPARE},
		{"steal", 1u << KS_STEAL, 0},
		{"?", 1u << KS_UNACCOUNTED, TEXT_SPARE},
	};
	const struct rows *all = row__get_rows(&r->top, "vms");
	/* the last one is the host: see join.c */
	const struct rows guests = {.row = all->row, .n = all->n ? all->n - 1 : 0}, *vms = &guests;
	const struct row **order = xcalloc(vms->n, sizeof(*order));
	uint64_t sum[KS_STATES], total, part;
	size_t shown = vms->n, n_disks;
	struct layout_disk *disks = layout__disks(vms, &n_disks);

	(void)opts;
	layout__begin(t, r);
	for (size_t i = 0; i < vms->n; i++)
		order[i] = vms->row[i];
	qsort(order, vms->n, sizeof(*order), by_pain);
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "vCPUs", TEXT_RIGHT, 1);
	text__column(t, "exits/s", TEXT_RIGHT, 0);
	text__column(t, "most costly", TEXT_LEFT, 0);
	for (size_t p = 0; p < ARRAY_SIZE(parts); p++)
		text__column(t, parts[p].title, TEXT_RIGHT, parts[p].priority);
	if (!text__opts(t)->all && shown > SCREEN_VMS)
		shown = SCREEN_VMS;
	for (size_t i = 0; i < shown; i++) {
		total = layout__split_sum(order[i], sum);
		text__cell(t, row__get_text(order[i], "name"));
		text__cell(t,
			   text__count(t, row__get_rows(order[i], "vcpus")->n +
						  row__get_rows(order[i], "unmeasured_vcpus")->n));
		text__cell(t, layout__none_measured(r, order[i])
				      ? NULL
				      : text__rate(t, vm_exits(order[i]), r->elapsed_ns));
		text__cell_or(t, most_costly(t, order[i], true), most_costly(t, order[i], false));
		for (size_t p = 0; p < ARRAY_SIZE(parts); p++) {
			part = 0;
			for (int s = 0; s < KS_STATES; s++)
				part += parts[p].states & 1u << s ? sum[s] : 0;
			text__cell(t, layout__share(t, part, total));
		}
	}
	text__table_end(t);
	if (shown < vms->n)
		text__line(t, "and %zu VMs with less going on (-v shows all)", vms->n - shown);
	put_partly(t, r, order, shown);
	if (n_disks)
		text__blank(t);
	layout__disk_table(t, disks,
			   text__opts(t)->all || n_disks < SCREEN_DISKS ? n_disks : SCREEN_DISKS,
			   r->elapsed_ns);
	free(disks);
	free(order);
	layout__net_summary(t, vms, r->elapsed_ns);
	for (size_t i = 0; i < vms->n; i++)
		layout__findings(t, vms->row[i]);
	layout__end(t, r);
}

COMMAND(cmd_summary) = {
	.name = "summary",
	.summary = "One screen on every VM",
	.examples = "  kvmscope                  one screen, after 5 seconds\n"
		    "  kvmscope 2                again every 2 seconds\n"
		    "  kvmscope exits -n web1 1  why web1 leaves guest mode\n"
		    "  kvmscope check            what this host can trace\n",
	.trace = {"exits", "net", "disk"},
	.report = {"exits", "cpu", "threads", "net", "disk"},
	.modes = modes,
	.text = text,
	.default_interval_ns = 5 * NSEC_PER_SEC,
	.default_count = 1,
};
