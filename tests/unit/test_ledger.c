/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's account: it only grows, over whatever comes and goes, and it is bounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ledger_sample.h"

/* The value of a counter's series, -1: there is none. */
static int64_t value(const struct ledger *l, const char *family, const char *vm, const char *reason)
{
	struct family *const *f;
	size_t n = ledger__families(l, &f);

	for (size_t i = 0; i < n; i++)
		for (const struct series *s = f[i]->series; s; s = s->next)
			if (!strcmp(f[i]->name, family) && !strcmp(series__vm(s) ?: "", vm) &&
			    !strcmp(s->value, reason))
				return f[i]->type == FAMILY_HISTOGRAM ? (int64_t)s->hist.count
								      : (int64_t)s->n;
	return -1;
}

static int64_t exits(const struct ledger *l, const char *vm, const char *reason)
{
	return value(l, "kvmscope_exits", vm, reason);
}

static void test_adds_up(void **state)
{
	struct ledger *l = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");

	sample_add(l, vms, a, "io", 3, 1);
	sample_add(l, vms, a, "io", 4, 2);
	sample_add(l, vms, a, "hlt", 5, 3);
	assert_int_equal(exits(l, "web1", "io"), 7);
	assert_int_equal(exits(l, "web1", "hlt"), 5);
	assert_int_equal(value(l, "kvmscope_exit_handling_seconds", "web1", "io"), 7);
	assert_int_equal(value(l, "kvmscope_queue_requests", "web1", ""), 5);
	vms__close(vms);
	ledger__free(l);
}

/* A time that was not taken does not make a counter of its histogram. */
static void test_not_measured(void **state)
{
	struct ledger *l = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");
	struct report *r = report__new("daemon");
	struct row *row = row__add(&r->top, "vms"), *exit;
	struct family *const *f;
	size_t n;

	row__text(row, "name", a->name);
	row__u64(row, "pid", (uint64_t)a->pid);
	row__text(row, "platform", "qemu");
	exit = row__add(row, "exits");
	row__text(exit, "reason", "io");
	row__u64(exit, "count", 3);
	row__null(exit, "latency");
	ledger__add(l, r, vms, NSEC_PER_SEC);
	report__free(r);
	assert_int_equal(value(l, "kvmscope_exit_handling_seconds", "web1", "io"), -1);
	sample_add(l, vms, a, "io", 4, 2);
	assert_int_equal(exits(l, "web1", "io"), 7);
	assert_int_equal(value(l, "kvmscope_exit_handling_seconds", "web1", "io"), 4);
	n = ledger__families(l, &f);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(f[i]->type == FAMILY_HISTOGRAM,
				 !strcmp(f[i]->name, "kvmscope_exit_handling_seconds"));
	vms__close(vms);
	ledger__free(l);
}

static void test_grace_and_heirs(void **state)
{
	struct ledger *l = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1"), *b = sample_vm(vms, 22, "web1"), *c;

	sample_add(l, vms, a, "io", 3, 1);
	sample_add(l, vms, NULL, NULL, 0, 2); /* it ended */
	assert_int_equal(exits(l, "web1", "io"), 3);
	sample_add(l, vms, b, "io", 4, 100); /* the next of that name goes on */
	assert_int_equal(exits(l, "web1", "io"), 7);
	sample_add(l, vms, NULL, NULL, 0, 101);
	sample_add(l, vms, NULL, NULL, 0, 400);
	assert_int_equal(exits(l, "web1", "io"), 7);
	sample_add(l, vms, NULL, NULL, 0, 402); /* its grace is over */
	assert_int_equal(exits(l, "web1", "io"), -1);
	assert_int_equal(ledger__series(l), 0);
	assert_int_equal(ledger__vms(l), 0);
	/* a VM gets its name late: the series go on under it */
	c = sample_vm(vms, 33, "pid:33");
	sample_add(l, vms, c, "io", 1, 500);
	strcpy(c->name, "db1");
	sample_add(l, vms, c, "io", 1, 501);
	assert_int_equal(exits(l, "db1", "io"), 2);
	assert_int_equal(exits(l, "pid:33", "io"), -1);
	vms__close(vms);
	ledger__free(l);
}

static void test_same_names(void **state)
{
	struct ledger *l = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *vm[] = {sample_vm(vms, 11, "web1"),	      sample_vm(vms, 22, "web1"),
			   sample_vm(vms, 33, "(host)"),      sample_vm(vms, 44, "__overflow__"),
			   sample_vm(vms, 55, "a\xff\n\x1b"), sample_vm(vms, 66, "a\xfe\r\x7f")};
	struct report *r = report__new("daemon");

	for (size_t i = 0; i < ARRAY_SIZE(vm); i++)
		sample_row(r, vm[i], "io", i + 1, 1000);
	ledger__add(l, r, vms, NSEC_PER_SEC);
	report__free(r);
	assert_int_equal(exits(l, "web1", "io"), 1);
	assert_int_equal(exits(l, "web1#2", "io"), 2);
	assert_int_equal(exits(l, "(host)#2", "io"), 3);
	assert_int_equal(exits(l, "__overflow__#2", "io"), 4);
	assert_int_equal(exits(l, "a\ufffd\ufffd\ufffd", "io"), 5);
	assert_int_equal(exits(l, "a\ufffd\ufffd\ufffd#2", "io"), 6);
	vms__close(vms);
	ledger__free(l);
}

/* Over each bound: nothing is lost, nothing grows. */
static void test_bounds(void **state)
{
	struct ledger *l = sample_ledger(3, 100, 2);
	struct vms *vms = sample_vms();
	struct family *const *f;
	int64_t sum = 0;
	char name[16];
	size_t n;

	for (int i = 1; i <= 20; i++) {
		struct report *r = report__new("daemon");

		for (int k = 1; k <= 6; k++) {
			struct vm *vm = vms__find(vms, k, (uint64_t)k * 100);

			snprintf(name, sizeof(name), "vm%d", k);
			snprintf(name + 8, 8, "r%d", i);
			sample_row(r, vm ?: sample_vm(vms, k, name), name + 8, 1, 1000);
		}
		ledger__add(l, r, vms, (uint64_t)i * NSEC_PER_SEC);
		report__free(r);
		assert_true(ledger__series(l) <= 100);
	}
	assert_int_equal(exits(l, "vm1", "r1") + exits(l, "vm1", "r2") +
				 exits(l, "vm1", LEDGER_OVERFLOW),
			 20);
	assert_int_equal(exits(l, "vm4", "r1"), -1);
	n = ledger__families(l, &f);
	for (size_t i = 0; i < n; i++)
		for (const struct series *s = f[i]->series; s; s = s->next)
			sum += strcmp(f[i]->name, "kvmscope_exits") ? 0 : (int64_t)s->n;
	assert_int_equal(sum, 6 * 20);
	assert_int_equal(value(l, "kvmscope_overflow", "", "vms"), 60);
	assert_true(value(l, "kvmscope_overflow", "", "values") > 0);
	vms__close(vms);
	ledger__free(l);
}

/* A VM that ends and one that is started in its place, within one reading, in either order of pids.
 */
static void test_restart_within_a_reading(void **state)
{
	for (int wrapped = 0; wrapped < 2; wrapped++) {
		struct ledger *l = sample_ledger(10, 1000, 10);
		struct vms *vms = sample_vms();
		struct vm *old = sample_vm(vms, wrapped ? 44 : 11, "web1"), *new;
		struct report *r = report__new("daemon");

		sample_add(l, vms, old, "io", 3, 1);
		new = sample_vm(vms, 22, "web1");
		old->alive = false;
		row__list(&r->top, "vms");
		sample_row(r, wrapped ? new : old, "io", 5, 1000);
		sample_row(r, wrapped ? old : new, "io", 7, 1000);
		ledger__add(l, r, vms, 2 * NSEC_PER_SEC);
		assert_int_equal(exits(l, "web1", "io"), 15);
		assert_int_equal(exits(l, "web1#2", "io"), -1);
		assert_int_equal(value(l, "kvmscope_queue_requests", "web1", ""), wrapped ? 5 : 7);
		assert_int_equal(ledger__vms(l), 1);
		report__free(r);
		vms__close(vms);
		ledger__free(l);
	}
}

/* Thousands one after the other: room is made by ending what ended. */
static void test_churn(void **state)
{
	struct ledger *l = sample_ledger(200, 100000, 10);
	struct vms *vms = sample_vms();
	char name[16];

	for (int i = 1; i <= 5000; i++) {
		struct vm *vm;

		snprintf(name, sizeof(name), "vm%d", i);
		vm = sample_vm(vms, i, name);
		sample_add(l, vms, vm, "io", 1, (uint64_t)i);
		vm->alive = false;
		vms__forget(vms, vm);
	}
	assert_true(ledger__vms(l) <= 200);
	assert_int_equal(value(l, "kvmscope_overflow", "", "vms"), 0);
	sample_add(l, vms, NULL, NULL, 0, 5000);
	sample_add(l, vms, NULL, NULL, 0, 6000);
	assert_int_equal(ledger__vms(l), 0);
	assert_int_equal(ledger__series(l), 0);
	vms__close(vms);
	ledger__free(l);
}

static void test_save_and_restore(void **state)
{
	struct ledger *l = sample_ledger(10, 1000, 10), *again = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");
	struct buffer first = {}, second = {};

	sample_add(l, vms, a, "io", 3, 1);
	sample_add(l, vms, NULL, NULL, 0, 2);
	ledger__save(l, &first);
	assert_int_equal(ledger__restore(again, first.data, first.n), 0);
	ledger__save(again, &second);
	assert_int_equal(first.n, second.n);
	assert_memory_equal(first.data, second.data, first.n);
	assert_int_equal(ledger__series(again), ledger__series(l));
	sample_add(again, vms, a, "io", 4, 3);
	assert_int_equal(exits(again, "web1", "io"), 7);
	for (size_t n = 0; n < first.n; n++)
		assert_int_equal(ledger__restore(again, first.data, n), -EINVAL);
	assert_int_equal(ledger__series(again), 0);
	buffer__free(&first);
	buffer__free(&second);
	vms__close(vms);
	ledger__free(l);
	ledger__free(again);
}

/* What is no longer measured: gauges end, counters after the grace; and it begins anew. */
static void test_no_longer_measured(void **state)
{
	static const char *const part[] = {"part", "sample", NULL};
	static const struct metric_info cost = {"cost", "ratio", 1e-9, "Cost."};
	struct ledger *l = sample_ledger(10, 1000, 10), *again = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");
	struct buffer saved = {};

	sample_add(l, vms, a, "io", 3, 1);
	ledger__own(l, FAMILY_GAUGE, &cost, 7, part);
	assert_int_equal(value(l, "kvmscope_cost_ratio", "", "sample"), 7);
	ledger__measure(l, NULL, 0, 0, 10 * NSEC_PER_SEC);
	sample_add(l, vms, a, "io", 4, 11);
	assert_int_equal(exits(l, "web1", "io"), 3);
	assert_int_equal(value(l, "kvmscope_queue_requests", "web1", ""), -1);
	/* over a reload: what the last process said of itself is not said again */
	ledger__save(l, &saved);
	assert_int_equal(ledger__restore(again, saved.data, saved.n), 0);
	ledger__measure(again, NULL, 0, 0, 200 * NSEC_PER_SEC);
	assert_int_equal(value(again, "kvmscope_cost_ratio", "", "sample"), -1);
	sample_add(again, vms, a, "io", 4, 309);
	assert_int_equal(exits(again, "web1", "io"), 3);
	sample_add(again, vms, a, "io", 4, 310);
	assert_int_equal(exits(again, "web1", "io"), -1);
	assert_int_equal(value(again, "kvmscope_exit_handling_seconds", "web1", "io"), -1);
	assert_int_equal(ledger__vms(again), 1);
	ledger__measure(again, sample_domains, 1, 0, 320 * NSEC_PER_SEC);
	ledger__own(again, FAMILY_GAUGE, &cost, 8, part);
	sample_add(again, vms, a, "io", 5, 321);
	assert_int_equal(exits(again, "web1", "io"), 5);
	assert_int_equal(value(again, "kvmscope_cost_ratio", "", "sample"), 8);
	/* back before the grace is over: as if nothing had been */
	ledger__measure(again, NULL, 0, 0, 330 * NSEC_PER_SEC);
	ledger__measure(again, sample_domains, 1, 0, 340 * NSEC_PER_SEC);
	sample_add(again, vms, a, "io", 6, 900);
	assert_int_equal(exits(again, "web1", "io"), 11);
	buffer__free(&saved);
	vms__close(vms);
	ledger__free(l);
	ledger__free(again);
}

/* An export of which a mode is asked for is there with that mode alone. */
static void test_modes(void **state)
{
	static const struct metric_info counted = {"exits", "none", 1, "Exits."},
					timed = {"exit_handling", "seconds", 1e-9, "Time."};
	static const struct export exports[] = {
		{.list = "exits",
		 .field = "count",
		 .info = &counted,
		 .modes = 3,
		 .label = {LABEL("reason", "reason")}},
		{.list = "exits",
		 .field = "latency",
		 .info = &timed,
		 .modes = 2,
		 .label = {LABEL("reason", "reason")}},
	};
	static const struct domain domain = {
		.name = "sample", .exports = exports, .n_exports = ARRAY_SIZE(exports)};
	const struct domain *const domains[] = {&domain};
	struct ledger *l = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");

	ledger__measure(l, domains, 1, 1, NSEC_PER_SEC);
	sample_add(l, vms, a, "io", 3, 1);
	assert_int_equal(exits(l, "web1", "io"), 3);
	assert_int_equal(value(l, "kvmscope_exit_handling_seconds", "web1", "io"), -1);
	ledger__measure(l, domains, 1, 2, 2 * NSEC_PER_SEC);
	sample_add(l, vms, a, "io", 4, 2);
	assert_int_equal(exits(l, "web1", "io"), 7);
	assert_int_equal(value(l, "kvmscope_exit_handling_seconds", "web1", "io"), 4);
	vms__close(vms);
	ledger__free(l);
}

/* --- bounds of families that have a label of few values, as the domains have them */

/* The same by two labels; NULL: any value of the first, added up. */
static int64_t value_by(const struct ledger *l, const char *family, const char *vm,
			const char *first, const char *second)
{
	struct family *const *f;
	size_t n = ledger__families(l, &f);
	int64_t sum = -1;

	for (size_t i = 0; i < n; i++)
		for (const struct series *s = f[i]->series; s; s = s->next)
			if (!strcmp(f[i]->name, family) && !strcmp(series__vm(s) ?: "", vm) &&
			    (!first || !strcmp(s->value, first)) &&
			    !strcmp(s->value + strlen(s->value) + 1, second))
				sum = (sum < 0 ? 0 : sum) + (int64_t)s->n;
	return sum;
}

static size_t count_series(const struct ledger *l, const char *family, const char *vm)
{
	struct family *const *f;
	size_t n = ledger__families(l, &f), found = 0;

	for (size_t i = 0; i < n; i++)
		for (const struct series *s = f[i]->series; s; s = s->next)
			found += !strcmp(f[i]->name, family) && !strcmp(series__vm(s) ?: "", vm);
	return found;
}

/* Of how many states there is a series of that reason. */
static int states_of(const struct ledger *l, const char *vm, const char *reason)
{
	int n = 0;

	for (int i = 0; i < KS_STATES; i++)
		n += value_by(l, "kvmscope_exit_time_seconds", vm, reason, state_names[i]) >= 0;
	return n;
}

static struct ledger *domain_ledger(const struct ledger_opts *opts, const char *domain)
{
	const struct domain *const domains[] = {domain__find(domain)};
	struct ledger *l = ledger__new(opts);

	assert_non_null(domains[0]);
	ledger__measure(l, domains, 1, ~0U, NSEC_PER_SEC);
	return l;
}

static struct row *vm_row(struct report *r, const struct vm *vm)
{
	struct row *row = row__add(&r->top, "vms");

	row__text(row, "name", vm->name);
	row__text(row, "name_source", vm->name_source);
	row__null(row, "uuid");
	row__u64(row, "pid", (uint64_t)vm->pid);
	row__text(row, "platform", "qemu");
	return row;
}

/* An interval in which that VM exited for reasons r1 to rN: in state s for s + 1. */
static void add_reasons(struct ledger *l, struct vms *vms, const struct vm *vm, int reasons,
			uint64_t now_s)
{
	struct report *r = report__new("daemon");
	struct row *row = vm_row(r, vm);
	const struct histogram h = {.count = 1, .sum = 1000, .max = 1000};
	uint64_t split[KS_STATES];
	char reason[8];

	for (int i = 0; i < KS_STATES; i++)
		split[i] = (uint64_t)i + 1;
	for (int i = 1; i <= reasons; i++) {
		struct row *exit = row__add(row, "exits");

		snprintf(reason, sizeof(reason), "r%d", i);
		row__text(exit, "reason", reason);
		row__u64(exit, "count", 1);
		row__hist(exit, "latency", &h);
		row__split(exit, "split_ns", split, 1u << KS_GUEST);
	}
	ledger__add(l, r, vms, now_s * NSEC_PER_SEC);
	report__free(r);
}

/* Each state's time over all reasons is n times what one reason had. */
static void assert_sums_by_state(const struct ledger *l, const char *vm, int64_t n)
{
	for (int i = 0; i < KS_STATES; i++)
		assert_int_equal(
			value_by(l, "kvmscope_exit_time_seconds", vm, NULL, state_names[i]),
			i == KS_GUEST ? -1 : n * (i + 1));
}

/* What a busy guest does is within the bounds that kvmscoped has by default. */
static void test_reasons_by_default(void **state)
{
	struct ledger *l = domain_ledger(&ledger_defaults, "exits");
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");
	char reason[8];

	for (int now = 1; now <= 3; now++)
		add_reasons(l, vms, a, 24, (uint64_t)now);
	for (int i = 1; i <= 24; i++) {
		snprintf(reason, sizeof(reason), "r%d", i);
		assert_int_equal(exits(l, "web1", reason), 3);
		assert_int_equal(states_of(l, "web1", reason), KS_STATES - 1);
		assert_int_equal(value_by(l, "kvmscope_exit_time_seconds", "web1", reason, "vmm"),
				 3 * (KS_VMM + 1));
	}
	assert_int_equal(count_series(l, "kvmscope_exit_time_seconds", "web1"),
			 24 * (KS_STATES - 1));
	assert_sums_by_state(l, "web1", 3 * 24);
	assert_int_equal(value(l, "kvmscope_overflow", "", "values"), 0);
	vms__close(vms);
	ledger__free(l);
}

/* More reasons than the bound: the same ones in each family, whole; the others by state. */
static void test_more_reasons(void **state)
{
	struct ledger *l = domain_ledger(&ledger_defaults, "exits");
	struct ledger *again = ledger__new(&ledger_defaults);
	struct vms *vms = sample_vms();
	struct vm *a = sample_vm(vms, 11, "web1");
	struct buffer saved = {};
	char reason[8];

	add_reasons(l, vms, a, 10, 1);
	add_reasons(l, vms, a, 40, 2);
	add_reasons(l, vms, a, 40, 3);
	for (int i = 1; i <= 40; i++) {
		snprintf(reason, sizeof(reason), "r%d", i);
		assert_int_equal(exits(l, "web1", reason), i > 24 ? -1 : i > 10 ? 2 : 3);
		assert_int_equal(states_of(l, "web1", reason), i > 24 ? 0 : KS_STATES - 1);
	}
	assert_int_equal(exits(l, "web1", LEDGER_OVERFLOW), 2 * 16);
	assert_int_equal(states_of(l, "web1", LEDGER_OVERFLOW), KS_STATES - 1);
	assert_int_equal(value_by(l, "kvmscope_exit_time_seconds", "web1", LEDGER_OVERFLOW, "vmm"),
			 2 * 16 * (KS_VMM + 1));
	assert_int_equal(count_series(l, "kvmscope_exit_time_seconds", "web1"),
			 25 * (KS_STATES - 1));
	assert_sums_by_state(l, "web1", 10 + 40 + 40);
	/* of the 16: a count, a histogram, and seven series of a split; twice */
	assert_int_equal(value(l, "kvmscope_overflow", "", "values"), 2 * 16 * (1 + 1 + 7));
	/* the next process has the same bounds with the same account */
	ledger__save(l, &saved);
	assert_int_equal(ledger__restore(again, saved.data, saved.n), 0);
	ledger__measure(again, (const struct domain *[]){domain__find("exits")}, 1, ~0U,
			4 * NSEC_PER_SEC);
	add_reasons(again, vms, a, 41, 4);
	assert_int_equal(count_series(again, "kvmscope_exit_time_seconds", "web1"),
			 25 * (KS_STATES - 1));
	assert_sums_by_state(again, "web1", 10 + 40 + 40 + 41);
	buffer__free(&saved);
	vms__close(vms);
	ledger__free(l);
	ledger__free(again);
}

/* Where the room for series ends, wherever that is, it is in the middle of no split. */
static void test_split_at_the_last_series(void **state)
{
	const int split = KS_STATES - 1;
	char reason[8];

	for (int room = 0; room < 2 * split; room++) {
		/* what comes first: vm_info, ten counts, ten histograms; then three splits */
		const struct ledger_opts opts = {10, (size_t)(1 + 10 + 10 * 15 + 3 * split + room),
						 24, 300 * NSEC_PER_SEC};
		struct ledger *l = domain_ledger(&opts, "exits");
		struct vms *vms = sample_vms();
		struct vm *a = sample_vm(vms, 11, "web1");
		int whole = 3 + room / split;

		add_reasons(l, vms, a, 10, 1);
		add_reasons(l, vms, a, 10, 2);
		for (int i = 1; i <= 10; i++) {
			snprintf(reason, sizeof(reason), "r%d", i);
			assert_int_equal(states_of(l, "web1", reason), i <= whole ? split : 0);
		}
		assert_int_equal(states_of(l, LEDGER_OVERFLOW, LEDGER_OVERFLOW), split);
		assert_sums_by_state(l, "web1", 2 * whole);
		assert_sums_by_state(l, LEDGER_OVERFLOW, 2 * (10 - whole));
		assert_true(ledger__series(l) <= opts.max_series);
		assert_int_equal(value(l, "kvmscope_overflow", "", "values"), 0);
		vms__close(vms);
		ledger__free(l);
	}
}

/* Disks by operation and interfaces by direction are bounded as disks and as interfaces. */
static void test_other_fixed_labels(void **state)
{
	static const char *const domains[] = {"disk", "net"};
	static const char *const lists[] = {"disks", "nics"};
	static const char *const counts[] = {"count", "packets"};
	static const char *const labels[] = {"op", "direction"};
	static const char *const families[] = {"kvmscope_disk_requests", "kvmscope_net_packets"};
	static const char *const halves[][2] = {{"read", "write"}, {"rx", "tx"}};
	char name[8];

	for (int k = 0; k < 2; k++) {
		struct ledger *l = domain_ledger(&ledger_defaults, domains[k]);
		struct vms *vms = sample_vms();
		struct report *r = report__new("daemon");
		struct row *row = vm_row(r, sample_vm(vms, 11, "web1"));

		for (int i = 1; i <= 30; i++)
			for (int half = 0; half < 2; half++) {
				struct row *device = row__add(row, lists[k]);

				snprintf(name, sizeof(name), "d%d", i);
				row__text(device, "name", name);
				row__text(device, labels[k], halves[k][half]);
				row__u64(device, counts[k], 1 + (uint64_t)half);
			}
		ledger__add(l, r, vms, NSEC_PER_SEC);
		for (int half = 0; half < 2; half++) {
			const char *with = halves[k][half];

			assert_int_equal(value_by(l, families[k], "web1", "d24", with), 1 + half);
			assert_int_equal(value_by(l, families[k], "web1", "d25", with), -1);
			assert_int_equal(value_by(l, families[k], "web1", LEDGER_OVERFLOW, with),
					 6 * (1 + half));
			assert_int_equal(value_by(l, families[k], "web1", NULL, with),
					 30 * (1 + half));
		}
		assert_int_equal(count_series(l, families[k], "web1"), 25 * 2);
		report__free(r);
		vms__close(vms);
		ledger__free(l);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_up),
		cmocka_unit_test(test_not_measured),
		cmocka_unit_test(test_grace_and_heirs),
		cmocka_unit_test(test_restart_within_a_reading),
		cmocka_unit_test(test_same_names),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_save_and_restore),
		cmocka_unit_test(test_no_longer_measured),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_reasons_by_default),
		cmocka_unit_test(test_more_reasons),
		cmocka_unit_test(test_split_at_the_last_series),
		cmocka_unit_test(test_other_fixed_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
