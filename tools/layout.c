/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of screens that several commands share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "layout.h"
#include "util.h"

#define NAME_COLUMNS 36

void layout__begin(struct text *t, const struct report *r)
{
	const struct rows *vms = row__get_rows(&r->top, "vms");
	char when[64];
	struct tm tm;

	if (text__opts(t)->timestamps) {
		localtime_r(&r->start.tv_sec, &tm);
		strftime(when, sizeof(when), "%F %T", &tm);
		text__colored(t, TEXT_DIM, "%s.%03ld", when, r->start.tv_nsec / 1000000);
	}
	if (!vms->n || (vms->n == 1 && !row__get_u64(vms->row[0], "pid")))
		text__line(t, "no VM %sin %s", text__opts(t)->some ? "that was asked for " : "",
			   text__ns(t, r->elapsed_ns));
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
		text__line(t, "! %s", text__safe(t, r->note[i], 1000));
	for (size_t i = 0; i < r->n_loss; i++)
		if (r->loss[i].n)
			text__colored(t, TEXT_RED, "! lost: %s %s: %s",
				      text__exact(t, r->loss[i].n), r->loss[i].name,
				      r->loss[i].help);
	if (!text__opts(t)->quiet)
		text__colored(
			t, TEXT_DIM, "%s   %s   kvmscope itself used %s of one CPU",
			text__ns(t, r->elapsed_ns), r->complete ? "complete" : "INCOMPLETE",
			text__percent(t, r->elapsed_ns ? (double)r->cost_ns / r->elapsed_ns : 0));
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

static const char *what_of(const char *list)
{
	static const struct {
		const char *list, *what;
	} names[] = {
		{"exits", "exits"},
		{"userspace", "exits to user space"},
		{"ports", "port accesses"},
		{"mmio", "MMIO accesses"},
		{"msrs", "MSR accesses"},
		{"hypercalls", "hypercalls"},
		{"page_faults", "page faults"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(list, names[i].list))
			return names[i].what;
	return list;
}

/* Did any vCPU find no room? Then those that are not measured may have done something. */
static bool lacked_room(const struct report *r)
{
	for (size_t i = 0; i < r->n_loss; i++)
		if (!strcmp(r->loss[i].name, "vcpu_slots_full"))
			return r->loss[i].n;
	return false;
}

const char *layout__partly(struct text *t, const struct report *r, const struct row *vm)
{
	size_t measured = row__get_u64(vm, "measured_vcpus");
	size_t unmet = row__get_rows(vm, "unmeasured_vcpus")->n;

	if (!lacked_room(r) || !row__field(vm, "measured_vcpus") || (measured && !unmet))
		return NULL;
	if (!measured && !unmet) /* nobody knows how many there are */
		return "not measured";
	return text__format(t, "%zu of %zu vCPU%s measured", measured, measured + unmet,
			    measured + unmet == 1 ? "" : "s");
}

bool layout__none_measured(const struct report *r, const struct row *vm)
{
	return lacked_room(r) && row__field(vm, "measured_vcpus") &&
	       !row__get_u64(vm, "measured_vcpus");
}

void layout__vm(struct text *t, const struct row *vm, const struct report *r, const char *list,
		const struct rows *vcpus)
{
	uint64_t n = vcpus ? 0 : layout__count(vm, list), kernel, seen;
	const char *coverage = "", *partly = layout__partly(t, r, vm);

	for (size_t i = 0; vcpus && i < vcpus->n; i++)
		n += layout__count(vcpus->row[i], list);
	kernel = row__get_u64(vm, "kernel_exits");
	seen = row__get_u64(vm, "counted_exits");
	if (partly)
		coverage = text__format(t, "   %s", partly);
	else if (kernel && !strcmp(list, "exits"))
		coverage =
			text__format(t, "   coverage %s",
				     text__percent(t, seen < kernel ? (double)seen / kernel : 1));
	text__colored(t, TEXT_BOLD, "%s   %s   pid %llu   %s %s in %s%s",
		      text__name(t, row__get_text(vm, "name"), NAME_COLUMNS),
		      row__get_text(vm, "platform"), (unsigned long long)row__get_u64(vm, "pid"),
		      layout__none_measured(r, vm) ? text__dash(t) : text__count(t, n),
		      what_of(list), text__ns(t, r->elapsed_ns), coverage);
}

const char *layout__id(struct text *t, const struct row *vcpu)
{
	const struct field *id = row__field(vcpu, "id");

	return !id || id->num.negative ? "?"
				       : text__format(t, "%llu", (unsigned long long)id->num.value);
}

void layout__vcpu(struct text *t, const struct row *vcpu)
{
	text__colored(t, TEXT_BOLD, "  vCPU %s   tid %llu", layout__id(t, vcpu),
		      (unsigned long long)row__get_u64(vcpu, "tid"));
}

void layout__unmeasured(struct text *t, const struct report *r, const struct row *vm)
{
	const struct rows *rows = row__get_rows(vm, "unmeasured_vcpus");

	for (size_t i = 0; lacked_room(r) && i < rows->n; i++)
		text__line(t, "  vCPU %s   tid %llu   not measured", layout__id(t, rows->row[i]),
			   (unsigned long long)row__get_u64(rows->row[i], "tid"));
}

uint64_t layout__total(const uint64_t *split)
{
	uint64_t sum = 0;

	for (int i = 0; split && i < KS_STATES; i++)
		sum += split[i];
	return sum;
}

const char *layout__share(struct text *t, uint64_t part, uint64_t total)
{
	double percent = total ? 100.0 * part / total : 0;

	if (!part)
		return NULL;
	return percent < 1 ? "<1 %" : text__format(t, "%.0f %%", percent);
}

/* What of a row's time was no work: in columns of their own, where any row has a thousandth of it.
 */
static const struct wait {
	const char *title;
	unsigned int states;
} all_waits[] = {
	{"idle", 1u << KS_HALTED | 1u << KS_HALT_POLL},
	{"steal", 1u << KS_STEAL},
	{"block", 1u << KS_BLOCKED},
};

static uint64_t waited(const struct wait *w, const uint64_t *split)
{
	uint64_t ns = 0;

	for (int s = 0; s < KS_STATES; s++)
		ns += w->states & 1u << s ? split[s] : 0;
	return ns;
}

static bool anyone_waited(const struct wait *w, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const uint64_t *split = row__get_split(rows->row[i], "split_ns");

		if (split && waited(w, split) * 1000 >= layout__total(split) && waited(w, split))
			return true;
	}
	return false;
}

void layout__percentiles(struct text *t, const struct histogram *h, const double *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text__cell(t, h && h->count ? text__ns(t, histogram__percentile(h, q[i])) : NULL);
	text__cell(t, h && h->count ? text__ns(t, h->max) : NULL);
}

static const double all_of_them[] = {0.5, 0.9, 0.99, 0.999};
static const double some_of_them[] = {0.5, 0.99};

void layout__latencies(struct text *t, const struct row *row, const char *list, uint64_t elapsed,
		       bool counts)
{
	const struct rows *rows = row__get_rows(row, list);
	bool splits = rows->n && row__get_split(rows->row[0], "split_ns");
	const struct wait *waits[ARRAY_SIZE(all_waits)];
	size_t n_waits = 0;
	uint64_t all = 0;

	for (size_t i = 0; i < rows->n; i++)
		all += layout__total(row__get_split(rows->row[i], "split_ns"));
	text__table(t, 2);
	text__column(t, strcmp(list, "userspace") ? "reason" : "to user space", TEXT_LEFT, 0);
	text__column(t, "count", TEXT_RIGHT, 0);
	text__column(t, "/s", TEXT_RIGHT, 1);
	if (!counts) {
		if (splits)
			text__column(t, "cost", TEXT_RIGHT, 0);
		text__column(t, "p50", TEXT_RIGHT, 0);
		text__column(t, "p90", TEXT_RIGHT, 3);
		text__column(t, "p99", TEXT_RIGHT, 0);
		text__column(t, "p99.9", TEXT_RIGHT, 2);
		text__column(t, "max", TEXT_RIGHT, 0);
		for (size_t w = 0; splits && w < ARRAY_SIZE(all_waits); w++) {
			if (!anyone_waited(&all_waits[w], rows))
				continue;
			waits[n_waits++] = &all_waits[w];
			text__column(t, all_waits[w].title, TEXT_RIGHT, 0);
		}
	}
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = rows->row[i];
		const struct histogram *h = row__get_hist(r, "latency");
		const uint64_t *split = row__get_split(r, "split_ns");

		text__cell(t, row__get_bool(r, "nested")
				      ? text__format(t, "%s (L2)", row__get_text(r, "reason"))
				      : row__get_text(r, "reason"));
		text__cell(t, text__count(t, row__get_u64(r, "count")));
		text__cell(t, text__rate(t, row__get_u64(r, "count"), elapsed));
		if (counts)
			continue;
		if (splits)
			text__cell(t,
				   text__percent(
					   t, all ? (double)(split[KS_KERNEL] + split[KS_VMM]) / all
						  : 0));
		layout__percentiles(t, h, all_of_them, ARRAY_SIZE(all_of_them));
		for (size_t w = 0; w < n_waits; w++)
			text__cell(t,
				   layout__share(t, waited(waits[w], split), layout__total(split)));
	}
	text__table_end(t);
}

void layout__details(struct text *t, const struct row *row, const char *list, uint64_t elapsed)
{
	const struct rows *rows = row__get_rows(row, list);
	uint64_t all = layout__count(row, list);
	const char *key_name = rows->n ? rows->row[0]->field[0].name : list;

	if (!strcmp(list, "page_faults"))
		key_name = "gpa (2 MiB from)";
	text__table(t, 2);
	text__column(t, key_name, TEXT_RIGHT, 0);
	text__column(t, "name", TEXT_LEFT, 0);
	text__column(t, "op", TEXT_LEFT, 0);
	text__column(t, "count", TEXT_RIGHT, 0);
	text__column(t, "/s", TEXT_RIGHT, 0);
	text__column(t, "share", TEXT_RIGHT, 0);
	text__column(t, "p50", TEXT_RIGHT, 0);
	text__column(t, "p99", TEXT_RIGHT, 0);
	text__column(t, "max", TEXT_RIGHT, 0);
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = rows->row[i];
		const struct histogram *h = row__get_hist(r, "latency");
		const struct field *key = &r->field[0]; /* its name is the kind's: port, gpa ... */
		uint64_t count = row__get_u64(r, "count");

		text__cell(t,
			   key->kind == FIELD_INT
				   ? text__format(t, "0x%llx", (unsigned long long)key->num.value)
				   : NULL);
		text__cell(t, row__get_text(r, "name"));
		text__cell(t, row__get_text(r, "op"));
		text__cell(t, text__count(t, count));
		text__cell(t, text__rate(t, count, elapsed));
		text__cell(t, text__percent(t, all ? (double)count / all : 0));
		layout__percentiles(t, h, some_of_them, ARRAY_SIZE(some_of_them));
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
			text__format(t, "%s%s%s   latency",
				     vm ? text__name(t, vm, NAME_COLUMNS) : "", vm ? "   " : "",
				     row__get_text(row, "reason")),
			h, 'n');
}
