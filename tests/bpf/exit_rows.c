/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which row an exit is counted in, by events with made-up arguments. It is the only way to see
 * VMX's reasons on a machine without VMX; the form that has the reason among its arguments loads
 * on every kernel, whatever that kernel's own event is like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "exit_rows.h"
#include "object.h"

#define EXIT  "exits__kvm_exit_raw_reason"
#define ENTRY "exits__kvm_entry_raw"
#define USER  "exits__kvm_userspace_exit_raw"

/* An address that is a kernel's, and of which no kernel can read: probe reads give 0. */
#define VCPU		 0xffff800000001000ULL

#define VMX_FAILED_ENTRY 0x80000000U

static struct object *open_object(bool counts)
{
	struct object *o = object__open(few_types);

	assert_non_null(o);
	assert_non_null(object__want(o, EXIT));
	assert_non_null(object__want(o, ENTRY));
	assert_non_null(object__want(o, USER));
	assert_true(object__set(o, "cfg_counts", counts));
	if (object__load(o))
		fail_msg("%s", object__log());
	return o;
}

static void run(struct object *o, const char *program, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t args[] = {a, b, c};

	assert_int_equal(object__run(o, program, args, 3), 0);
}

/* n times out of the guest and in again. */
static void exits(struct object *o, enum ks_isa isa, uint32_t code, unsigned int n)
{
	while (n--) {
		run(o, EXIT, code, VCPU, isa);
		run(o, ENTRY, VCPU, 0, 0);
	}
}

static uint64_t key_of(enum ks_isa isa, uint32_t code)
{
	return (uint64_t)isa << 40 | code;
}

/* How many exits the row has that is the code's; 0 if it has none. */
static uint64_t counted(struct object *o, enum ks_isa isa, uint32_t code)
{
	struct ks_cell cell;
	uint64_t n;

	if (!object__cell(o, KS_M_EXIT, key_of(isa, code), &cell))
		return 0;
	n = cell.count;
	for (int i = 0; i < KS_HIST_BUCKETS; i++)
		n += cell.bucket[i];
	return n;
}

static void assert_nothing_lost(struct object *o)
{
	for (int i = 0; i < KS_LOSSES; i++)
		assert_int_equal(object__loss(o, i), 0);
}

/* A different small number for each code, so that a row taken for another shows. */
static unsigned int times(uint32_t code)
{
	return 1 + code % 7;
}

static void sweep(struct object *o, enum ks_isa isa, uint32_t first, uint32_t last)
{
	for (uint32_t code = first; code <= last; code++)
		exits(o, isa, code, times(code));
	for (uint32_t code = first; code <= last; code++)
		if (counted(o, isa, code) != times(code))
			fail_msg("code 0x%x: %lu, not %u", code,
				 (unsigned long)counted(o, isa, code), times(code));
}

static void test_vmx_reasons(void **state)
{
	struct object *o = open_object(false);

	sweep(o, KS_ISA_VMX, 0, 85);
	assert_int_equal(object__cells(o), 86);
	assert_nothing_lost(o);
	object__close(o);
}

static void test_vmx_reasons_counts_only(void **state)
{
	struct object *o = open_object(true);

	sweep(o, KS_ISA_VMX, 0, 85);
	assert_nothing_lost(o);
	object__close(o);
}

/* The basic reason and "entry failed" tell rows apart; other high bits do not. */
static void test_vmx_failed_entry(void **state)
{
	struct object *o = open_object(false);

	exits(o, KS_ISA_VMX, 33, 3);
	exits(o, KS_ISA_VMX, VMX_FAILED_ENTRY | 33, 5);
	exits(o, KS_ISA_VMX, VMX_FAILED_ENTRY | 2, 7);
	exits(o, KS_ISA_VMX, 1U << 27 | 33, 11); /* in enclave mode */
	assert_int_equal(counted(o, KS_ISA_VMX, 33), 3 + 11);
	assert_int_equal(counted(o, KS_ISA_VMX, VMX_FAILED_ENTRY | 33), 5);
	assert_int_equal(counted(o, KS_ISA_VMX, VMX_FAILED_ENTRY | 2), 7);
	assert_int_equal(object__cells(o), 3);
	assert_nothing_lost(o);
	object__close(o);
}

static void test_svm_codes(void **state)
{
	struct object *o = open_object(false);

	sweep(o, KS_ISA_SVM, 0, 0xff);
	sweep(o, KS_ISA_SVM, 0x400, 0x40f);
	sweep(o, KS_ISA_SVM, 0x80000000, 0x8000001f);
	exits(o, KS_ISA_SVM, 0xffffffff, 13);
	exits(o, KS_ISA_SVM, 0x8000fffd, 17);
	assert_int_equal(counted(o, KS_ISA_SVM, 0xffffffff), 13);
	assert_int_equal(counted(o, KS_ISA_SVM, 0x8000fffd), 17);
	assert_nothing_lost(o);
	object__close(o);
}

/* As many as there are rows for; the next is told as lost, and is in nobody's row. */
static void test_unknown_codes(void **state)
{
	struct object *o = open_object(false);
	const uint32_t first = 0x1234;

	sweep(o, KS_ISA_SVM, first, first + KS_ROWS_OTHER - 1);
	assert_nothing_lost(o);
	exits(o, KS_ISA_SVM, first + KS_ROWS_OTHER, 5);
	assert_int_equal(object__loss(o, KS_L_REASONS), 5);
	assert_int_equal(counted(o, KS_ISA_SVM, first + KS_ROWS_OTHER), 0);
	assert_int_equal(object__cells(o), KS_ROWS_OTHER);
	/* those that have a row still do */
	exits(o, KS_ISA_SVM, first, 2);
	exits(o, KS_ISA_SVM, 0x78, 3);
	assert_int_equal(counted(o, KS_ISA_SVM, first), times(first) + 2);
	assert_int_equal(counted(o, KS_ISA_SVM, 0x78), 3);
	object__close(o);
}

/* The arguments of v5.16 and later (vcpu, isa), given to the program for those before. */
static void test_wrong_arguments(void **state)
{
	struct object *o = open_object(false);

	run(o, EXIT, VCPU, KS_ISA_SVM, 0);
	run(o, EXIT, 0x78, 0x1000, KS_ISA_SVM); /* no kernel address */
	assert_int_equal(object__loss(o, KS_L_SHAPE), 2);
	assert_int_equal(object__cells(o), 0);
	object__close(o);
}

/* An exit whose entry is not seen counts, and so does one that is under way. */
static void test_entry_missed(void **state)
{
	struct object *o = open_object(false);
	struct ks_cell cell;

	exits(o, KS_ISA_SVM, 0x7b, 1);
	run(o, EXIT, 0x7b, VCPU, KS_ISA_SVM);
	run(o, EXIT, 0x7b, VCPU, KS_ISA_SVM);
	run(o, EXIT, 0x78, VCPU, KS_ISA_SVM);
	assert_int_equal(counted(o, KS_ISA_SVM, 0x7b), 3);
	assert_true(object__cell(o, KS_M_EXIT, key_of(KS_ISA_SVM, 0x7b), &cell));
	assert_int_equal(cell.count, 2);		   /* of which no end was seen */
	assert_int_equal(counted(o, KS_ISA_SVM, 0x78), 0); /* user space adds what is under way */
	run(o, ENTRY, VCPU, 0, 0);
	assert_int_equal(counted(o, KS_ISA_SVM, 0x78), 1);
	assert_nothing_lost(o);
	object__close(o);
}

static uint64_t user_counted(struct object *o, uint64_t key)
{
	struct ks_cell cell;

	return object__cell(o, KS_M_USERSPACE, key, &cell) ? cell.count : 0;
}

static void test_userspace_reasons(void **state)
{
	struct object *o = open_object(true);

	for (uint32_t reason = 0; reason < KS_USER_ROW_OTHER; reason++)
		for (unsigned int n = times(reason); n; n--)
			run(o, USER, reason, 0, 0);
	for (unsigned int n = 11; n; n--)
		run(o, USER, 10, -4, 0); /* -EINTR: whatever the reason is, from before */
	for (uint32_t reason = 0; reason < KS_USER_ROW_OTHER; reason++)
		assert_int_equal(user_counted(o, reason), times(reason));
	assert_int_equal(user_counted(o, KS_KEY_ERRNO | 4), 11);
	assert_nothing_lost(o);
	object__close(o);
}

/* Two that share a row for want of one of their own: neither is counted as the other. */
static void test_userspace_rows_shared(void **state)
{
	struct object *o = open_object(true);
	uint64_t all;

	run(o, USER, 70, 0, 0);
	run(o, USER, 71, 0, 0);
	run(o, USER, 0, -14, 0); /* -EFAULT */
	run(o, USER, 0, -22, 0); /* -EINVAL */
	all = object__loss(o, KS_L_REASONS);
	assert_true(user_counted(o, 70) <= 1);
	assert_true(user_counted(o, KS_KEY_ERRNO | 14) <= 1);
	all += user_counted(o, 70) + user_counted(o, 71);
	all += user_counted(o, KS_KEY_ERRNO | 14) + user_counted(o, KS_KEY_ERRNO | 22);
	assert_int_equal(all, 4);
	object__close(o);
}

const struct CMUnitTest exit_row_tests[EXIT_ROW_TESTS] = {
	cmocka_unit_test(test_vmx_reasons),
	cmocka_unit_test(test_vmx_reasons_counts_only),
	cmocka_unit_test(test_vmx_failed_entry),
	cmocka_unit_test(test_svm_codes),
	cmocka_unit_test(test_unknown_codes),
	cmocka_unit_test(test_wrong_arguments),
	cmocka_unit_test(test_entry_missed),
	cmocka_unit_test(test_userspace_reasons),
	cmocka_unit_test(test_userspace_rows_shared),
};
