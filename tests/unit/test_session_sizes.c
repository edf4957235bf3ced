/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel side's tables: room for the VMs of a large host, in memory that has a bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "session_sizes.h"

#define MIB	      (1024.0 * 1024)
#define DAEMONS_VCPUS 1024

static struct session_sizes of_daemon(uint32_t cpus, uint32_t subjects)
{
	struct session_sizes z;

	session_sizes__find(&z, &(const struct session_needs){.cpus = cpus,
							      .vcpus = DAEMONS_VCPUS,
							      .subjects = subjects,
							      .disk = true,
							      .net = true});
	return z;
}

/* 200 VMs with two disks and two interfaces: four numbers for a disk, five for an interface. */
static void test_room(void **state)
{
	(void)state;
	for (uint32_t cpus = 1; cpus <= 512; cpus *= 2)
		assert_true(of_daemon(cpus, 0).subjects > 200 * (2 * 4 + 2 * 5));
}

/* What README.md and kvmscoped(8) tell; and no host needs what the unit allows. */
static void test_memory(void **state)
{
	static const struct {
		uint32_t cpus;
		int mib;
	} hosts[] = {{2, 69}, {64, 152}, {128, 266}, {256, 494}, {512, 494}, {1024, 494}};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct session_sizes z = of_daemon(hosts[i].cpus, 0);

		assert_int_equal((int)(session_sizes__bytes(&z) / MIB + 0.5), hosts[i].mib);
	}
	for (uint32_t cpus = 1; cpus <= KS_MAX_CPUS; cpus++) {
		struct session_sizes z = of_daemon(cpus, 0);

		assert_true(session_sizes__bytes(&z) / MIB < 800);
		assert_int_equal(z.tallies, cpus * z.subjects);
	}
}

/* Who says how many gets as many, and their histograms with them. */
static void test_asked_for(void **state)
{
	struct session_sizes few = of_daemon(512, 12), many = of_daemon(4096, KS_SUBJECTS_MAX);

	(void)state;
	assert_int_equal(few.subjects, 13);
	assert_true(few.hists > 12);
	assert_int_equal(many.subjects, KS_SUBJECTS_MAX + 1);
	assert_int_equal(many.tallies, 4096 * (KS_SUBJECTS_MAX + 1));
	assert_true(many.hists > of_daemon(4096, 0).hists);
	assert_true(many.cells > of_daemon(4096, 0).cells);
}

static void test_vcpus_alone(void **state)
{
	struct session_sizes z;

	(void)state;
	session_sizes__find(&z, &(const struct session_needs){.cpus = 512, .vcpus = 16});
	assert_int_equal(z.vcpus, 17);
	assert_int_equal(z.subjects, 1);
	assert_int_equal(z.tallies, 512);
	assert_int_equal(z.hists, 1);
	assert_int_equal(z.details, 1);
	assert_true(z.cells < 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_asked_for),
		cmocka_unit_test(test_vcpus_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
