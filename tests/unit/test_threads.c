/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain threads: made-up hosts whose threads come, work and go, and what the report says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain.h"
#include "snapshot.h"
#include "thread_tree.h"

#define TICK_NS (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK))

struct fixture {
	struct host host;
	struct vms *vms;
	const struct domain *domain;
	void *state;
	struct report *report;
};

static void set_stat(const struct host *host, const char *line)
{
	host__write_text(host__path(host, "proc/stat"),
			 xasprintf("cpu  %s\ncpu0 0\ncpu1 0\nintr 9\n", line));
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	host__init(&f->host);
	f->vms = vms__open(&f->host.roots);
	f->domain = domain__find("threads");
	f->state = f->domain->open(f->host.paths[0]);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	report__free(f->report);
	f->domain->close(f->state);
	vms__close(f->vms);
	host__clear(&f->host);
	free(f);
	return 0;
}

static void sample(struct fixture *f)
{
	assert_true(vms__rescan(f->vms) >= 0);
	f->domain->sample(f->state, f->vms);
}

/* The row of a VM, whose vCPUs the kernel side has met in the threads with these tids. */
static const struct row *report_vm(struct fixture *f, int pid, pid_t vcpu)
{
	struct report_ctx ctx = {.state = f->state};
	struct snap_vcpu snap = {.tgid = pid, .tid = vcpu};
	const struct snap_vcpu *vcpus[] = {&snap};
	struct vm_times times = {vms__find(f->vms, pid, 0), vcpus, 1};
	struct row *row;

	assert_non_null(times.vm);
	report__free(f->report);
	f->report = report__new("cpu");
	row = row__add(&f->report->top, "vms");
	f->domain->report(&ctx, &times, row);
	return row;
}

static const struct row *report_host(struct fixture *f)
{
	struct report_ctx ctx = {.state = f->state};
	struct row *row;

	report__free(f->report);
	f->report = report__new("cpu");
	row = row__add(&f->report->top, "vms");
	f->domain->report_host(&ctx, row);
	return row;
}

/* A VM's groups as "main 1 20 3; other 2 - -"; to be freed. */
static char *groups_of(const struct row *vm)
{
	const struct rows *rows = row__get_rows(vm, "threads");
	char *text = xstrdup("");

	assert_non_null(row__field(vm, "threads"));
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = rows->row[i];
		bool known = row__field(r, "cpu_ns")->kind == FIELD_INT;
		char *longer;

		assert_int_equal(row__field(r, "steal_ns")->kind, known ? FIELD_INT : FIELD_NULL);
		longer = known ? xasprintf("%s%s%s %d %d %d", text, i ? "; " : "",
					   row__get_text(r, "group"),
					   (int)row__get_u64(r, "threads"),
					   (int)row__get_u64(r, "cpu_ns"),
					   (int)row__get_u64(r, "steal_ns"))
			       : xasprintf("%s%s%s %d - -", text, i ? "; " : "",
					   row__get_text(r, "group"),
					   (int)row__get_u64(r, "threads"));
		free(text);
		text = longer;
	}
	return text;
}

static void expect_groups(struct fixture *f, int pid, pid_t vcpu, const char *expected)
{
	char *text = groups_of(report_vm(f, pid, vcpu));

	assert_string_equal(text, expected);
	free(text);
}

static void test_interval(void **state)
{
	struct fixture *f = *state;

	host__start_vm(&f->host, 500, LONG_AGO);
	host__add_thread(&f->host, 500, 501, "call_rcu", LONG_AGO, 10, 1);
	host__add_thread(&f->host, 500, 502, "CPU 0/KVM", LONG_AGO, 77777, 7777);
	host__add_thread(&f->host, 500, 503, "IO iothread1", LONG_AGO, 2000, 0);
	host__add_thread(&f->host, 500, 504, "worker", LONG_AGO, 50, 0);
	host__add_thread(&f->host, 500, 505, "worker", LONG_AGO, 60, 0);
	host__add_thread(&f->host, 500, 506, "vhost-500", LONG_AGO, 70, 0);
	sample(f);
	/* of one sample nothing can be said */
	expect_groups(f, 500, 0,
		      "main 1 - -; iothread 1 - -; worker 2 - -; vhost 1 - -; "
		      "other 1 - -");

	host__set_times(&f->host, 500, 500, 1020, 103);
	host__set_times(&f->host, 500, 502, 99999, 9999);
	host__set_times(&f->host, 500, 504, 57, 4);
	host__set_times(&f->host, 500, 505, 65, 6);
	host__set_times(&f->host, 500, 506, 170, 0);
	sample(f);
	expect_groups(f, 500, 0,
		      "main 1 20 3; iothread 1 0 0; worker 2 12 10; vhost 1 100 0; "
		      "other 1 0 0");
	/* each interval on its own */
	host__set_times(&f->host, 500, 500, 1021, 103);
	sample(f);
	expect_groups(f, 500, 0,
		      "main 1 1 0; iothread 1 0 0; worker 2 0 0; vhost 1 0 0; "
		      "other 1 0 0");
}

static void test_come_and_go(void **state)
{
	struct fixture *f = *state;

	host__start_vm(&f->host, 500, LONG_AGO);
	host__add_thread(&f->host, 500, 501, "worker", LONG_AGO, 10, 1);
	sample(f);
	/* one that began within the interval, and one that only turns up late */
	host__add_thread(&f->host, 500, 502, "worker", LATER, 30, 2);
	host__add_thread(&f->host, 500, 503, "call_rcu", LONG_AGO, 5000, 300);
	sample(f);
	expect_groups(f, 500, 0, "main 1 0 0; worker 2 30 2; other 1 - -");

	host__set_times(&f->host, 500, 503, 5001, 300);
	host__remove(&f->host, "proc/500/task/501");
	sample(f);
	expect_groups(f, 500, 0, "main 1 0 0; worker 1 0 0; other 1 1 0");

	/* one for another: their number does not change */
	host__remove(&f->host, "proc/500/task/502");
	host__add_thread(&f->host, 500, 504, "IO io1", LATER, 8, 0);
	for (int i = 0; i < 64; i++)
		sample(f);
	expect_groups(f, 500, 0, "main 1 0 0; iothread 1 0 0; other 1 0 0");
}

static void test_new_vm(void **state)
{
	struct fixture *f = *state;

	sample(f);
	host__start_vm(&f->host, 500, LATER);
	sample(f);
	expect_groups(f, 500, 0, "main 1 1000 100");
	/* its pid is another VM's now */
	host__replace_process(&f->host, 500, LATER + 1, "qemu-system-x86");
	host__arg(&f->host, "/usr/bin/qemu-system-x86_64");
	host__fd(&f->host, 9, "anon_inode:kvm-vm");
	host__add_thread(&f->host, 500, 500, "qemu-system-x86", LATER + 1, 44, 4);
	sample(f);
	expect_groups(f, 500, 0, "main 1 44 4");
	host__remove(&f->host, "proc/500");
	sample(f);
	expect_groups(f, 500, 0, "");
}

static void test_unwanted(void **state)
{
	struct fixture *f = *state;

	host__start_vm(&f->host, 500, LONG_AGO);
	host__start_vm(&f->host, 600, LONG_AGO);
	assert_int_equal(vms__want(f->vms, "600"), 0);
	sample(f);
	sample(f);
	expect_groups(f, 500, 0, "");
	expect_groups(f, 600, 0, "main 1 0 0");
}

static void test_vcpus(void **state)
{
	struct fixture *f = *state;

	/* without names only the kernel side knows which thread is one: the second here */
	host__start_vm(&f->host, 500, LONG_AGO);
	host__add_thread(&f->host, 500, 501, "qemu-system-x86", LONG_AGO, 10, 1);
	host__add_thread(&f->host, 500, 502, "qemu-system-x86", LONG_AGO, 10, 1);
	sample(f);
	host__set_times(&f->host, 500, 501, 14, 1);
	host__set_times(&f->host, 500, 502, 9014, 1);
	sample(f);
	expect_groups(f, 500, 502, "main 1 0 0; other 1 4 0");
	/* the process' first may be one, too */
	expect_groups(f, 500, 500, "other 2 9008 0");
}

static void test_unknown_times(void **state)
{
	struct fixture *f = *state;

	host__start_vm(&f->host, 500, LONG_AGO);
	/* a kernel that does not count; one that says something else */
	host__add_thread(&f->host, 500, 501, "worker", LONG_AGO, 0, 0);
	host__add_thread(&f->host, 500, 502, "IO io1", LONG_AGO, 1, 1);
	host__write_text(host__path(&f->host, "proc/500/task/502/schedstat"), xstrdup("n/a\n"));
	sample(f);
	sample(f);
	expect_groups(f, 500, 0, "main 1 0 0; iothread 1 - -; worker 1 - -");
	/* it has had its first turn on a CPU; what it used before was nothing */
	host__set_times(&f->host, 500, 501, 25, 3);
	host__set_times(&f->host, 500, 502, 25, 3);
	sample(f);
	expect_groups(f, 500, 0, "main 1 0 0; iothread 1 - -; worker 1 25 3");
}

static void test_worker_of_vm(void **state)
{
	struct fixture *f = *state;

	host__start_vm(&f->host, 500, LONG_AGO);
	host__add_thread(&f->host, 500, 501, "vhost-500", LONG_AGO, 10, 0);
	host__add_worker(&f->host, 70, "vhost-500", LONG_AGO, 100);
	host__add_worker(&f->host, 71, "vhost-999", LONG_AGO, 100);
	sample(f);
	host__add_worker(&f->host, 70, "vhost-500", LONG_AGO, 130);
	host__set_times(&f->host, 500, 501, 14, 0);
	sample(f);
	expect_groups(f, 500, 0, "main 1 0 0; vhost 2 34 0");
}

static void test_host(void **state)
{
	static const char *const names[] = {"user_ns",	"system_ns", "irq_ns",	  "softirq_ns",
					    "guest_ns", "steal_ns",  "iowait_ns", "idle_ns",
					    "wall_ns",	"cpus"};
	static const uint64_t ticks[] = {10 + 6 - 4 - 1, 20, 2, 3, 4 + 1, 7, 0, 40};
	struct fixture *f = *state;
	const struct row *row;

	sample(f);
	row = report_host(f);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(row__field(row, names[i])->kind, FIELD_NULL);

	/* user, nice, system, idle, iowait (which steps back), irq, softirq, steal, guests' */
	set_stat(&f->host, "100 200 300 400 500 600 700 800 50 20");
	sample(f);
	set_stat(&f->host, "110 206 320 440 499 602 703 807 54 21");
	sample(f);
	row = report_host(f);
	for (size_t i = 0; i < ARRAY_SIZE(ticks); i++)
		assert_int_equal(row__get_u64(row, names[i]), ticks[i] * TICK_NS);
	assert_int_equal(row__get_u64(row, "cpus"), 2);
	assert_true(row__get_u64(row, "wall_ns") > 0);
	assert_non_null(row__field(row, "vcpus"));
	assert_int_equal(row__get_rows(row, "vcpus")->n, 0);

	/* guests' time a tick ahead of what contains it */
	set_stat(&f->host, "110 206 320 440 499 602 703 807 55 21");
	sample(f);
	row = report_host(f);
	assert_int_equal(row__get_u64(row, "user_ns"), 0);
	assert_int_equal(row__get_u64(row, "guest_ns"), TICK_NS);
}

#define HOST_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		HOST_TEST(test_interval),     HOST_TEST(test_come_and_go),
		HOST_TEST(test_new_vm),	      HOST_TEST(test_unwanted),
		HOST_TEST(test_vcpus),	      HOST_TEST(test_unknown_times),
		HOST_TEST(test_worker_of_vm), HOST_TEST(test_host),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
