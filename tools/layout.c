/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of screens that several commands share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "layout.h"
#include "util.h"

#define NAME_COLUMNS 28
#define BAR_COLUMNS  20
/* What part of a vCPU's time in it is worth a colour. */
#define STEAL_ALARM 0.05

void layout__begin(struct text *t, const struct report *r)
{
	char when[64];
	struct tm tm;

	if (text__opts(t)->timestamps) {
		localtime_r(&r->start.tv_sec, &tm);
		strftime(when, sizeof(when), "%F %T", &tm);
		text__colored(t, TEXT_DIM, "%s.%03ld", when, r->start.tv_nsec / 1000000);
	}
	if (!row__get_rows(&r->top, "vms")->n)
		text__line(t, "no VM in %s", text__ns(t, r->elapsed_ns));
}

void layout__prose(struct text *t, const char *sentence)
{
	if (text__opts(t)->quiet)
		return;
	text__colored(t, TEXT_DIM, "%s", sentence);
}

void layout__end(struct text *t, const struct report *r)
{
	for (size_t i = 0; i < r->n_note; i++)
		text__line(t, "! %s", r->note[i]);
	for (size_t i = 0; i < r->n_loss; i++)
		if (r->loss[i].n)
			text__colored(t, TEXT_RED, "! lost: %s %s: %s",
				      text__exact(t, r->loss[i].n), r->loss[i].name,
				      r->loss[i].help);
	if (!text__opts(t)->quiet)
		text__colored(t, TEXT_DIM, "%s   %s   kvmscope itself used %s of one CPU",
			      text__ns(t, r->elapsed_ns), r->complete ? "complete" : "INCOMPLETE",
			      text__percent(t, r->elapsed_ns
						       ? (double)r->cost_ns / r->elapsed_ns
						       : 0));
	text__blank(t);
}

uint64_t layout__count(const struct row *row, const char *list)
{
	const struct rows *rows = row__get_rows(row, list);
	uint64_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		n += row__get_u64(rows->row[i], "count");
	return n;
}

void layout__vm(struct text *t, const struct row *vm, const struct report *r, const char *list,
		const struct rows *vcpus)
{
	uint64_t n = vcpus ? 0 : layout__count(vm, list);

	for (size_t i = 0; vcpus && i < vcpus->n; i++)
		n += layout__count(vcpus->row[i], list);
	text__colored(t, TEXT_BOLD, "%s   %s   pid %llu   %s %s in %s",
		      text__safe(t, row__get_text(vm, "name"), NAME_COLUMNS),
		      row__get_text(vm, "platform"),
		      (unsigned long long)row__get_u64(vm, "pid"), text__count(t, n),
		      strcmp(list, "userspace") ? "exits" : "exits to user space",
		      text__ns(t, r->elapsed_ns));
}

void layout__vcpu(struct text *t, const struct row *vcpu)
{
	const struct field *id = row__field(vcpu, "id");

	if (id && !id->num.negative)
		text__colored(t, TEXT_BOLD, "  vCPU %llu   tid %llu",
			      (unsigned long long)id->num.value,
			      (unsigned long long)row__get_u64(vcpu, "tid"));
	else
		text__colored(t, TEXT_BOLD, "  vCPU ?   tid %llu",
			      (unsigned long long)row__get_u64(vcpu, "tid"));
}

static uint64_t split_total(const uint64_t *split)
{
	uint64_t sum = 0;

	for (int i = 0; split && i < KS_STATES; i++)
		sum += split[i];
	return sum;
}

/* "halt 97 %": the largest part of a row's time that was not work. */
static const char *waits(struct text *t, const uint64_t *split)
{
	static const struct {
		enum ks_state state;
		const char *name;
	} parts[] = {
		{KS_HALTED, "halt"}, {KS_HALT_POLL, "poll"}, {KS_STEAL, "steal"},
		{KS_BLOCKED, "block"},
	};
	uint64_t total = split_total(split), most = 0;
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (split[parts[i].state] > most) {
			most = split[parts[i].state];
			name = parts[i].name;
		}
	}
	if (!name || most * 1000 < total)
		return NULL;
	return text__format(t, "%s %s", name, text__percent(t, (double)most / total));
}

void layout__latencies(struct text *t, const struct row *row, const char *list, uint64_t elapsed,
		       bool counts)
{
	const struct rows *rows = row__get_rows(row, list);
	bool splits = rows->n && row__get_split(rows->row[0], "split_ns");
	uint64_t all = 0;

	for (size_t i = 0; i < rows->n; i++)
		all += split_total(row__get_split(rows->row[i], "split_ns"));
	text__table(t, 2);
	text__column(t, strcmp(list, "userspace") ? "reason" : "to user space", TEXT_LEFT, 0);
	text__column(t, "count", TEXT_RIGHT, 0);
	text__column(t, "/s", TEXT_RIGHT, 0);
	if (!counts) {
		if (splits)
			text__column(t, "cost", TEXT_RIGHT, 0);
		text__column(t, "p50", TEXT_RIGHT, 0);
		text__column(t, "p90", TEXT_RIGHT, 2);
		text__column(t, "p99", TEXT_RIGHT, 0);
		text__column(t, "p99.9", TEXT_RIGHT, 1);
		text__column(t, "max", TEXT_RIGHT, 0);
		if (splits)
			text__column(t, "waits", TEXT_RIGHT, 0);
	}
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = rows->row[i];
		const struct histogram *h = row__get_hist(r, "latency");
		const uint64_t *split = row__get_split(r, "split_ns");

		text__cell(t, row__get_text(r, "reason"));
		text__cell(t, text__count(t, row__get_u64(r, "count")));
		text__cell(t, text__rate(t, row__get_u64(r, "count"), elapsed));
		if (counts)
			continue;
		if (splits)
			text__cell(t, text__percent(t, all ? (double)(split[KS_KERNEL] +
								      split[KS_VMM]) /
								      all
							   : 0));
		if (h && h->count) {
			text__cell(t, text__ns(t, histogram__percentile(h, 0.5)));
			text__cell(t, text__ns(t, histogram__percentile(h, 0.9)));
			text__cell(t, text__ns(t, histogram__percentile(h, 0.99)));
			text__cell(t, text__ns(t, histogram__percentile(h, 0.999)));
			text__cell(t, text__ns(t, h->max));
		} else {
			for (int k = 0; k < 5; k++)
				text__cell(t, NULL);
		}
		if (splits)
			text__cell(t, waits(t, split));
	}
	text__table_end(t);
}

void layout__histogram(struct text *t, const char *vm, const struct row *row)
{
	const struct histogram *h = row__get_hist(row, "latency");

	if (!h || !h->count)
		return;
	text__blank(t);
	text__histogram(t,
			text__format(t, "%s%s%s   latency", vm ? text__safe(t, vm, NAME_COLUMNS) : "",
				     vm ? "   " : "", row__get_text(row, "reason")),
			h, 'n');
}

uint64_t layout__split_sum(const struct row *vm, uint64_t sum[KS_STATES])
{
	const struct rows *vcpus = row__get_rows(vm, "vcpus");

	memset(sum, 0, KS_STATES * sizeof(*sum));
	for (size_t i = 0; i < vcpus->n; i++) {
		const uint64_t *split = row__get_split(vcpus->row[i], "split_ns");

		for (int s = 0; split && s < KS_STATES; s++)
			sum[s] += split[s];
	}
	return split_total(sum);
}

/* What hurts: waiting for a CPU first, then time in KVM and the VMM. */
static double pain(const uint64_t *split, uint64_t total)
{
	return total ? (4.0 * split[KS_STEAL] + split[KS_KERNEL] + split[KS_VMM]) / total : 0;
}

struct ranked {
	const struct row *row;
	double pain;
};

static int by_pain(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->pain < y->pain) - (x->pain > y->pain);
}

static void cpu_cells(struct text *t, const uint64_t *split, uint64_t total)
{
	for (int s = 0; s < KS_STATES; s++) {
		double share = total ? (double)split[s] / total : 0;
		const char *cell = split[s] ? text__format(t, "%.1f", 100 * share) : NULL;

		if (s == KS_STEAL && share >= STEAL_ALARM)
			text__cell_color(t, cell, TEXT_RED);
		else
			text__cell(t, cell);
	}
	text__cell(t, text__bar(t, split, KS_STATES, BAR_COLUMNS));
}

void layout__cpu(struct text *t, const struct rows *vms)
{
	struct ranked *order = xcalloc(vms->n, sizeof(*order));
	uint64_t sum[KS_STATES], total;

	for (size_t i = 0; i < vms->n; i++) {
		total = layout__split_sum(vms->row[i], sum);
		order[i] = (struct ranked){vms->row[i], pain(sum, total)};
	}
	qsort(order, vms->n, sizeof(*order), by_pain);
	text__table(t, 0);
	text__column(t, "VM", TEXT_LEFT, 0);
	text__column(t, "vCPU", TEXT_RIGHT, 0);
	text__column(t, "guest", TEXT_RIGHT, 0);
	text__column(t, "kern", TEXT_RIGHT, 0);
	text__column(t, "vmm", TEXT_RIGHT, 0);
	text__column(t, "poll", TEXT_RIGHT, 0);
	text__column(t, "halt", TEXT_RIGHT, 0);
	text__column(t, "steal", TEXT_RIGHT, 0);
	text__column(t, "block", TEXT_RIGHT, 0);
	text__column(t, "?", TEXT_RIGHT, 0);
	text__column(t, "0 %            100 %", TEXT_LEFT, 1);
	for (size_t i = 0; i < vms->n; i++) {
		const struct row *vm = order[i].row;
		const struct rows *vcpus = row__get_rows(vm, "vcpus");

		total = layout__split_sum(vm, sum);
		if (vcpus->n > 1) {
			text__cell(t, text__safe(t, row__get_text(vm, "name"), 16));
			text__cell(t, "all");
			cpu_cells(t, sum, total);
		}
		for (size_t k = 0; k < vcpus->n; k++) {
			const struct field *id = row__field(vcpus->row[k], "id");
			const uint64_t *split = row__get_split(vcpus->row[k], "split_ns");

			text__cell(t, vcpus->n > 1 ? ""
						   : text__safe(t, row__get_text(vm, "name"), 16));
			text__cell(t, id->num.negative
					      ? "?"
					      : text__format(t, "%llu",
							     (unsigned long long)id->num.value));
			cpu_cells(t, split, split_total(split));
		}
	}
	text__table_end(t);
	free(order);
}
