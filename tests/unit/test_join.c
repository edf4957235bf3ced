/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Our count of a VM's exits against KVM's own: below 99.9 % a report is not complete, and says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "join.h"
#include "ledger_sample.h"

struct counts {
	uint64_t ours, kernels;
};

/* What a report with a VM of these vCPUs says: missing exits, and its row's two counts. */
static uint64_t uncounted(const struct counts *vcpus, size_t n, struct counts *ret_row)
{
	struct vms *vms = sample_vms();
	const struct vm *vm = sample_vm(vms, 11, "web1");
	struct snap_vcpu vcpu[4] = {};
	struct delta delta = {.vcpus = vcpu, .n_vcpus = n};
	const struct row *row;
	struct report *r;
	uint64_t lost = 0;

	for (size_t i = 0; i < n; i++)
		vcpu[i] = (struct snap_vcpu){
			.slot = (uint32_t)i + 1,
			.tgid = vm->pid,
			.tid = vm->pid + (pid_t)i,
			.vcpu_id = (int32_t)i,
			.start_ns = vm->start_ticks * NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK),
			.exits = vcpus[i].ours,
			.kernel_exits = vcpus[i].kernels,
		};
	r = join__report("exits", &delta, vms, NULL, NULL, 0, NULL);
	assert_int_equal(row__get_rows(&r->top, "vms")->n, 1);
	row = row__get_rows(&r->top, "vms")->row[0];
	ret_row->ours = row__get_u64(row, "counted_exits");
	ret_row->kernels = row__get_u64(row, "kernel_exits");
	for (size_t i = 0; i < r->n_loss; i++)
		if (!strcmp(r->loss[i].name, "uncounted_exits"))
			lost = r->loss[i].n;
	assert_int_equal(r->complete, !lost);
	report__free(r);
	vms__close(vms);
	return lost;
}

static void test_all_counted(void **state)
{
	struct counts row;

	assert_int_equal(uncounted(&(struct counts){10007, 10007}, 1, &row), 0);
	assert_int_equal(row.ours, 10007);
	assert_int_equal(row.kernels, 10007);
	/* kernels before v6.4 leave out some */
	assert_int_equal(uncounted(&(struct counts){10007, 5003}, 1, &row), 0);
}

static void test_coverage_falls(void **state)
{
	const struct counts two[] = {{60000, 60000}, {39899, 40000}};
	struct counts row;

	assert_int_equal(uncounted(&(struct counts){99901, 100000}, 1, &row), 0);
	assert_int_equal(uncounted(&(struct counts){99899, 100000}, 1, &row), 101);
	assert_int_equal(uncounted(&(struct counts){0, 100000}, 1, &row), 100000);
	/* of a VM it is that of all of its vCPUs */
	assert_int_equal(uncounted(two, 2, &row), 101);
	assert_int_equal(row.ours, 99899);
	assert_int_equal(row.kernels, 100000);
}

/* Each vCPU may be in the middle of one. */
static void test_few(void **state)
{
	const struct counts apart[] = {{2, 3}, {1, 2}}, missing[] = {{1, 3}, {1, 2}};
	struct counts row;

	assert_int_equal(uncounted(apart, 2, &row), 0);
	assert_int_equal(uncounted(missing, 2, &row), 3);
}

static void test_not_known(void **state)
{
	struct counts row;

	assert_int_equal(uncounted(&(struct counts){10007, 0}, 1, &row), 0);
	assert_int_equal(row.ours, 0); /* no field at all */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_counted),
		cmocka_unit_test(test_coverage_falls),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_not_known),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
