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

static void report_nothing(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	(void)ctx;
	(void)vm;
	(void)row;
}

static const struct domain vcpus_domain = {
	.name = "vcpus", .events_of = "exits", .report = report_nothing};
static const struct domain disks_domain = {
	.name = "disks", .subjects = KS_D_DISK, .report = report_nothing};

/* What is said of a VM of which the kernel side has met some vCPUs. */
struct part {
	uint64_t measured;
	size_t n_unmeasured;
	int first_id; /* of these; -1: there are none */
	enum field_kind counted, kernel;
};

static struct part part_of(struct vm_vcpu *list, size_t n_list, const struct snap_vcpu *met,
			   size_t n_met, uint64_t slots_lost)
{
	const struct reporter reporter = {&vcpus_domain, NULL};
	struct vms *vms = sample_vms();
	struct vm *vm = sample_vm(vms, 11, "web1");
	struct snap_vcpu vcpu[4] = {};
	struct delta delta = {.vcpus = vcpu, .n_vcpus = n_met};
	const struct rows *unmeasured;
	const struct row *row;
	struct report *r;
	struct part p;

	vm->alive = true;
	vm->vcpus = list;
	vm->n_vcpus = n_list;
	delta.losses[KS_L_VCPU_SLOTS] = slots_lost;
	for (size_t i = 0; i < n_met; i++) {
		vcpu[i] = met[i];
		vcpu[i].slot = (uint32_t)i + 1;
		vcpu[i].tgid = vm->pid;
		vcpu[i].start_ns = vm->start_ticks * NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
		vcpu[i].exits = vcpu[i].kernel_exits = 1009;
	}
	r = join__report("exits", &delta, vms, NULL, &reporter, 1, NULL);
	row = row__get_rows(&r->top, "vms")->row[0];
	unmeasured = row__get_rows(row, "unmeasured_vcpus");
	p = (struct part){
		.measured = row__get_u64(row, "measured_vcpus"),
		.n_unmeasured = unmeasured->n,
		.first_id = unmeasured->n ? (int)row__get_u64(unmeasured->row[0], "id") : -1,
		.counted = row__field(row, "counted_exits") ? row__field(row, "counted_exits")->kind
							    : FIELD_BOOL, /* that it never is */
		.kernel = row__field(row, "kernel_exits") ? row__field(row, "kernel_exits")->kind
							  : FIELD_BOOL,
	};
	report__free(r);
	vm->vcpus = NULL; /* the test's */
	vm->n_vcpus = 0;
	vms__close(vms);
	return p;
}

#define assert_part(got, n, n_not, id, ours, kernels)       \
	do {                                                \
		const struct part part = got;               \
                                                            \
		assert_int_equal(part.measured, n);         \
		assert_int_equal(part.n_unmeasured, n_not); \
		assert_int_equal(part.first_id, id);        \
		assert_int_equal(part.counted, ours);       \
		assert_int_equal(part.kernel, kernels);     \
	} while (0)

/* KVM's count of some of a VM's vCPUs is not that of the VM; what was not counted is not 0. */
static void test_no_room(void **state)
{
	struct vm_vcpu two[] = {{0, 21}, {1, 22}};
	struct vm_vcpu no_threads[] = {{0, 0}, {1, 0}};
	const struct snap_vcpu second[] = {{.tid = 22, .vcpu_id = -1}};
	const struct snap_vcpu both[] = {{.tid = 21, .vcpu_id = 0}, {.tid = 22, .vcpu_id = 1}};

	assert_part(part_of(two, 2, both, 2, 3), 2, 0, -1, FIELD_INT, FIELD_INT);
	assert_part(part_of(two, 2, second, 1, 3), 1, 1, 0, FIELD_INT, FIELD_NULL);
	assert_part(part_of(two, 2, NULL, 0, 3), 0, 2, 0, FIELD_NULL, FIELD_NULL);
	assert_part(part_of(no_threads, 2, both, 1, 3), 1, 1, 1, FIELD_INT, FIELD_NULL);
	/* nobody knows how many it has */
	assert_part(part_of(NULL, 0, NULL, 0, 3), 0, 0, -1, FIELD_NULL, FIELD_NULL);
}

/* Without a loss the others have done nothing: what is counted is all there was. */
static void test_not_met(void **state)
{
	struct vm_vcpu two[] = {{0, 21}, {1, 22}};
	struct vm_vcpu unplugged[] = {{0, 21}, {1, 0}};
	struct vm_vcpu before[] = {{0, 20}, {1, 22}};
	const struct snap_vcpu first[] = {{.tid = 21, .vcpu_id = 0}};
	const struct snap_vcpu both[] = {{.tid = 21, .vcpu_id = 5}, {.tid = 22, .vcpu_id = 1}};

	assert_part(part_of(two, 2, first, 1, 0), 1, 1, 1, FIELD_INT, FIELD_INT);
	assert_part(part_of(two, 2, NULL, 0, 0), 0, 2, 0, FIELD_BOOL, FIELD_BOOL);
	/* its descriptor is left, and no thread */
	assert_part(part_of(unplugged, 2, first, 1, 3), 1, 0, -1, FIELD_INT, FIELD_INT);
	/* the list is older than what was met: as many are enough */
	assert_part(part_of(before, 2, both, 2, 3), 2, 0, -1, FIELD_INT, FIELD_INT);
}

/* Of block I/O and packets no vCPU has to be known. */
static void test_no_vcpus_at_all(void **state)
{
	const struct reporter reporter = {&disks_domain, NULL};
	struct vms *vms = sample_vms();
	struct delta delta = {};
	const struct row *row;
	struct report *r;

	sample_vm(vms, 11, "web1")->alive = true;
	r = join__report("disk", &delta, vms, NULL, &reporter, 1, NULL);
	row = row__get_rows(&r->top, "vms")->row[0];
	assert_null(row__field(row, "measured_vcpus"));
	assert_null(row__field(row, "unmeasured_vcpus"));
	report__free(r);
	vms__close(vms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_counted),
		cmocka_unit_test(test_coverage_falls),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_not_known),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_not_met),
		cmocka_unit_test(test_no_vcpus_at_all),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
