/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tree of a report: order, look-ups, copies, and the bugs that abort. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "report.h"

static void test_empty(void **state)
{
	struct report *r = report__new("exits");

	assert_string_equal(r->kind, "exits");
	assert_true(r->complete);
	assert_false(r->final);
	assert_null(row__field(&r->top, "vms"));
	assert_int_equal(row__get_rows(&r->top, "vms")->n, 0);
	report__free(r);
	report__free(NULL);
}

static void test_loss(void **state)
{
	struct report *r = report__new("exits");

	report__add_loss(r, "cells_full", 0, "help");
	assert_true(r->complete);
	report__add_loss(r, "map_errors", 2, "help");
	assert_false(r->complete);
	report__add_loss(r, "clock_anomalies", 0, "help");
	assert_false(r->complete);
	assert_int_equal(r->n_loss, 3);
	assert_string_equal(r->loss[1].name, "map_errors");
	assert_int_equal(r->loss[1].n, 2);
	report__free(r);
}

static void test_note(void **state)
{
	struct report *r = report__new("exits");
	char note[] = "a hint";

	report__add_note(r, note);
	note[0] = 'x';
	report__add_note(r, "another");
	assert_int_equal(r->n_note, 2);
	assert_string_equal(r->note[0], "a hint");
	report__free(r);
}

static void test_fields(void **state)
{
	static const enum field_kind kinds[] = {
		FIELD_TEXT, FIELD_NULL, FIELD_NULL,  FIELD_BOOL, FIELD_INT,
		FIELD_INT,  FIELD_HIST, FIELD_SPLIT, FIELD_ROWS,
	};
	struct report *r = report__new("exits");
	uint64_t split[KS_STATES] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct histogram h = {.count = 7};
	char name[] = "web1";
	size_t i;

	row__text(&r->top, "text", name);
	name[0] = 'x';
	row__text(&r->top, "no text", NULL);
	row__null(&r->top, "null");
	row__bool(&r->top, "bool", true);
	row__u64(&r->top, "u64", UINT64_MAX);
	row__i64(&r->top, "i64", INT64_MIN);
	row__hist(&r->top, "hist", &h);
	h.count = 8;
	row__split(&r->top, "split", split, 1U << KS_GUEST);
	split[KS_HALTED] = 0;
	row__list(&r->top, "list");

	assert_int_equal(r->top.n, 9);
	for (i = 0; i < r->top.n; i++)
		assert_int_equal(r->top.field[i].kind, kinds[i]);
	assert_string_equal(row__get_text(&r->top, "text"), "web1");
	assert_null(row__get_text(&r->top, "no text"));
	assert_true(row__get_bool(&r->top, "bool"));
	assert_true(row__get_u64(&r->top, "u64") == UINT64_MAX);
	assert_true(row__field(&r->top, "i64")->num.negative);
	assert_true(row__field(&r->top, "i64")->num.value == 1ULL << 63);
	assert_int_equal(row__get_hist(&r->top, "hist")->count, 7);
	assert_int_equal(row__get_split(&r->top, "split")[KS_HALTED], 5);
	assert_int_equal(row__field(&r->top, "split")->split_without, 1);
	assert_int_equal(row__get_rows(&r->top, "list")->n, 0);
	report__free(r);
}

/* What is not there, or is something else, reads as nothing. */
static void test_look_ups(void **state)
{
	struct report *r = report__new("exits");

	row__text(&r->top, "text", "1");
	row__i64(&r->top, "i64", -5);
	assert_int_equal(row__get_u64(&r->top, "text"), 0);
	assert_int_equal(row__get_u64(&r->top, "i64"), 0);
	assert_int_equal(row__get_u64(&r->top, "none"), 0);
	assert_false(row__get_bool(&r->top, "text"));
	assert_null(row__get_text(&r->top, "i64"));
	assert_null(row__get_hist(&r->top, "text"));
	assert_null(row__get_split(&r->top, "text"));
	assert_int_equal(row__get_rows(&r->top, "text")->n, 0);
	assert_null(row__field(&r->top, "none"));
	report__free(r);
}

static void test_rows(void **state)
{
	struct report *r = report__new("exits");
	struct row *first = row__add(&r->top, "vms"), *row;
	const struct rows *vms;
	uint64_t i;

	row__u64(first, "pid", 0);
	for (i = 1; i < 1000; i++) {
		row = row__add(&r->top, "vms");
		row__u64(row, "pid", i);
		row__text(row__add(row__add(row, "vcpus"), "exits"), "reason", "hlt");
	}
	/* pointers to rows stay what they were while the list grows */
	row__text(first, "name", "web1");
	vms = row__get_rows(&r->top, "vms");
	assert_int_equal(vms->n, 1000);
	assert_ptr_equal(vms->row[0], first);
	for (i = 0; i < vms->n; i++)
		assert_int_equal(row__get_u64(vms->row[i], "pid"), i);
	row = row__get_rows(vms->row[999], "vcpus")->row[0];
	assert_string_equal(row__get_text(row__get_rows(row, "exits")->row[0], "reason"), "hlt");
	report__free(r);
}

static void test_bugs_abort(void **state)
{
	int bug, status;
	pid_t pid;

	for (bug = 0; bug < 3; bug++) {
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			struct report *r = report__new("exits");

			signal(SIGABRT, SIG_DFL);
			row__u64(&r->top, "name", 1);
			if (bug == 0)
				row__u64(&r->top, "name", 1);
			else if (bug == 1)
				row__add(&r->top, "name"); /* not a list */
			else
				row__list(&r->top, "name");
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void test_state_names(void **state)
{
	int i;

	for (i = 0; i < KS_STATES; i++)
		assert_non_null(state_names[i]);
	assert_string_equal(state_names[KS_HALT_POLL], "halt_poll");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	   cmocka_unit_test(test_loss),
		cmocka_unit_test(test_note),	   cmocka_unit_test(test_fields),
		cmocka_unit_test(test_look_ups),   cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bugs_abort), cmocka_unit_test(test_state_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
