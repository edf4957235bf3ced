/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names of exit codes against an independent source: the kernel headers of the build machine. They
 * may be older than our table, so that each of theirs must be in ours, letter for letter
 * but for the case.
 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <asm/svm.h>
#include <asm/vmx.h>
#include <linux/kvm.h>
#include "names.h"
#include "util.h"

struct expected {
	uint32_t code;
	const char *name;
};

static const struct expected vmx[] = {VMX_EXIT_REASONS};
static const struct expected svm[] = {SVM_EXIT_REASONS};

static void check(enum ks_isa isa, const struct expected *e)
{
	char lower[64] = "", name[64];

	for (size_t i = 0; e->name[i] && i < sizeof(lower) - 1; i++)
		lower[i] = tolower(e->name[i]);
	assert_string_equal(exit_name(isa, e->code, name, sizeof(name)), lower);
}

static void test_vmx(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vmx); i++)
		check(KS_ISA_VMX, &vmx[i]);
}

static void test_svm(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(svm); i++)
		check(KS_ISA_SVM, &svm[i]);
}

static void test_codes_without_a_name(void **state)
{
	char name[64];

	(void)state;
	assert_string_equal(exit_name(KS_ISA_VMX, 5000, name, sizeof(name)), "code-0x1388");
	assert_string_equal(exit_name(KS_ISA_SVM, 0x0fe, name, sizeof(name)), "code-0xfe");
	/* the same number means different things */
	assert_string_equal(exit_name(KS_ISA_VMX, 0x78, name, sizeof(name)), "code-0x78");
	assert_string_equal(exit_name(KS_ISA_SVM, 0x78, name, sizeof(name)), "hlt");
	assert_string_equal(exit_name(KS_ISA_SVM, 12, name, sizeof(name)), "code-0xc");
	assert_string_equal(exit_name(KS_ISA_NONE, 12, name, sizeof(name)), "code-0xc");
}

static void test_failed_entry(void **state)
{
	char name[64];

	(void)state;
	assert_string_equal(exit_name(KS_ISA_VMX, 0x80000021, name, sizeof(name)),
			    "invalid_state failed_vmentry");
	/* bit 31 is part of SVM's SEV-ES codes */
	assert_string_equal(exit_name(KS_ISA_SVM, 0x80000001, name, sizeof(name)),
			    "vmgexit_mmio_read");
	assert_string_equal(exit_name(KS_ISA_SVM, 0xffffffff, name, sizeof(name)),
			    "invalid_guest_state");
}

static void test_userspace(void **state)
{
	static const struct expected some[] = {
		{KVM_EXIT_UNKNOWN, "unknown"},
		{KVM_EXIT_IO, "io"},
		{KVM_EXIT_HLT, "hlt"},
		{KVM_EXIT_MMIO, "mmio"},
		{KVM_EXIT_SHUTDOWN, "shutdown"},
		{KVM_EXIT_INTERNAL_ERROR, "internal_error"},
		{KVM_EXIT_HYPERV, "hyperv"},
		{KVM_EXIT_X86_WRMSR, "x86_wrmsr"},
		{KVM_EXIT_DIRTY_RING_FULL, "dirty_ring_full"},
		{KVM_EXIT_NOTIFY, "notify"},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		assert_string_equal(userspace_name(some[i].code, name, sizeof(name)), some[i].name);
	assert_string_equal(userspace_name(KS_KEY_ERRNO | EINTR, name, sizeof(name)), "restart");
	assert_string_equal(userspace_name(KS_KEY_ERRNO | EFAULT, name, sizeof(name)), "error-14");
	assert_string_equal(userspace_name(4711, name, sizeof(name)), "code-0x1267");
}

static void test_well_known(void **state)
{
	(void)state;
	assert_string_equal(well_known_name(KS_M_PORT, 0x3f8), "com1");
	assert_string_equal(well_known_name(KS_M_PORT, 0xcfc), "pci-data");
	assert_null(well_known_name(KS_M_PORT, 0x10));
	assert_string_equal(well_known_name(KS_M_MSR, 0x6e0), "tsc_deadline");
	assert_string_equal(well_known_name(KS_M_MSR, 0x80b), "x2apic_eoi");
	assert_string_equal(well_known_name(KS_M_MSR, 0x810), "x2apic");
	assert_string_equal(well_known_name(KS_M_MSR, 0x4b564d01), "kvm_system_time");
	assert_null(well_known_name(KS_M_MSR, 0x12345678));
	assert_string_equal(well_known_name(KS_M_HYPERCALL, 0xc4000003), "psci_cpu_on");
	assert_null(well_known_name(KS_M_MMIO, 0x3f8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmx),
		cmocka_unit_test(test_svm),
		cmocka_unit_test(test_codes_without_a_name),
		cmocka_unit_test(test_failed_entry),
		cmocka_unit_test(test_userspace),
		cmocka_unit_test(test_well_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
