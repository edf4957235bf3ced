/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts of the kernel's about processes, and its uevents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "util.h"
#include "vm_proc.h"

#define TAIL " 1 1 0 -1 4194560 1 0 0 0 5 5 0 0 20 0 4 0 126259 364011520 8329\n"

static void test_stat(void **state)
{
	struct vm_proc_stat stat;

	assert_true(vm_proc__stat(vm_span__of("4729 (qemu-system-x86) S 1" TAIL), &stat));
	assert_string_equal(stat.comm, "qemu-system-x86");
	assert_int_equal(stat.state, 'S');
	assert_int_equal(stat.start_ticks, 126259);
	assert_false(stat.kernel_thread);
	assert_false(stat.exiting);

	/* a name that is chosen to mislead */
	assert_true(vm_proc__stat(vm_span__of("7 (a) Z 1 (\n) R 1" TAIL), &stat));
	assert_string_equal(stat.comm, "a) Z 1 (\n");
	assert_int_equal(stat.state, 'R');
	assert_int_equal(stat.start_ticks, 126259);

	assert_true(vm_proc__stat(
		vm_span__of("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0\n"),
		&stat));
	assert_true(stat.kernel_thread);
	assert_true(vm_proc__stat(
		vm_span__of("4729 (qemu-system-x86) R 1 1 1 0 -1 4194564 1 0 0 0 5 5 0 0 20 0 4 0 "
			    "126259 0 0\n"),
		&stat));
	assert_true(stat.exiting);

	assert_false(vm_proc__stat(vm_span__of(""), &stat));
	assert_false(vm_proc__stat(vm_span__of("1 (a"), &stat));
	assert_false(vm_proc__stat(vm_span__of(") ("), &stat));
	assert_false(vm_proc__stat(vm_span__of("1 (a)"), &stat));
	assert_false(vm_proc__stat(vm_span__of("1 (a) S 1 2 3"), &stat));
	assert_false(vm_proc__stat(vm_span__of("1 (a) S 1 1 1 0 -1 x 1 0 0 0 5 5 0 0 20 0 4 0 1 "),
				   &stat));
}

static void test_tgid(void **state)
{
	assert_int_equal(
		vm_proc__tgid(vm_span__of("Name:\tx\nUmask:\t0022\nTgid:\t42\nPid:\t43\n")), 42);
	assert_int_equal(vm_proc__tgid(vm_span__of("Name:\tTgid: 7\n")), 0);
	assert_int_equal(vm_proc__tgid(vm_span__of("Tgid:\t-1\n")), 0);
	assert_int_equal(vm_proc__tgid(vm_span__of("Tgid:")), 0);
}

static void test_fds(void **state)
{
	static const struct {
		const char *target;
		enum vm_fd_kind kind;
		int number;
	} cases[] = {
		{"anon_inode:kvm-vm", VM_FD_KVM_VM, 99},
		{"anon_inode:kvm-vcpu:0", VM_FD_KVM_VCPU, 0},
		{"anon_inode:kvm-vcpu:255", VM_FD_KVM_VCPU, 255},
		{"anon_inode:kvm-vcpu", VM_FD_KVM_VCPU, -1},
		{"anon_inode:kvm-vcpu:x", VM_FD_OTHER, -1},
		{"anon_inode:kvm-vcpu:99999999999", VM_FD_OTHER, -1},
		{"anon_inode:kvm-vm-stats", VM_FD_OTHER, -1},
		{"anon_inode:kvm-vcpu-stats:0", VM_FD_OTHER, -1},
		{"anon_inode:[eventfd]", VM_FD_OTHER, -1},
		{"socket:[123]", VM_FD_OTHER, 99},
		{"/tmp/anon_inode:kvm-vm", VM_FD_FILE, 99},
		{"/dev/net/tun", VM_FD_TUN, 99},
		{"/srv/jail/root/dev/net/tun", VM_FD_TUN, 99},
		{"/dev/tap12", VM_FD_MACVTAP, 12},
		{"/srv/jail/root/dev/tap7", VM_FD_MACVTAP, 7},
		{"/dev/tapx", VM_FD_DEVICE, 99},
		{"/home/tap12", VM_FD_FILE, 99},
		{"/dev/kvm", VM_FD_DEVICE, 99},
		{"/images/a (deleted)", VM_FD_OTHER, 99},
		{"relative", VM_FD_OTHER, 99},
		{"/", VM_FD_FILE, 99},
		{"", VM_FD_OTHER, 99},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int number = 99;

		assert_int_equal(vm_proc__fd(vm_span__of(cases[i].target), &number), cases[i].kind);
		assert_int_equal(number, cases[i].number);
	}
}

static void test_fdinfo(void **state)
{
	struct vm_proc_fdinfo info;

	vm_proc__fdinfo(
		vm_span__of("pos:\t0\nflags:\t0104002\nmnt_id:\t15\nino:\t9\niff:\tvnet0\n"),
		&info);
	assert_string_equal(info.iff, "vnet0");
	assert_int_equal(info.flags, 0104002);
	assert_int_equal(info.mnt_id, 15);
	assert_int_equal(info.ino, 9);
	vm_proc__fdinfo(vm_span__of("flags:\nmnt_id:\tx\niff:"), &info);
	assert_string_equal(info.iff, "");
	assert_int_equal(info.flags, 0);
	assert_int_equal(info.mnt_id, 0);
	assert_int_equal(info.ino, 0);
	vm_proc__fdinfo(vm_span__of(""), &info);
	assert_string_equal(info.iff, "");
}

static void test_mounts(void **state)
{
	struct vm_span mounts =
		vm_span__of("25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
			    "40 25 0:44 / /mnt/a\\040- rw - fuse.sshfs host:/ rw\n"
			    "41 25 0:45 / /x rw master:1 propagate_from:2 - nfs4 nas:/ rw\n"
			    "50 25 0:1 / /y rw\n");
	char type[8];

	assert_true(vm_proc__mount_type(mounts, 25, type, sizeof(type)));
	assert_string_equal(type, "ext4");
	assert_true(vm_proc__mount_type(mounts, 40, type, sizeof(type)));
	assert_string_equal(type, "fuse.ss");
	assert_true(vm_proc__mount_type(mounts, 41, type, sizeof(type)));
	assert_string_equal(type, "nfs4");
	assert_false(vm_proc__mount_type(mounts, 50, type, sizeof(type)));
	assert_false(vm_proc__mount_type(mounts, 4, type, sizeof(type)));
}

static void test_mount_of_a_path(void **state)
{
	static const struct {
		const char *path, *type;
	} cases[] = {
		{"/image", "ext4"},
		{"/", "ext4"},
		{"/run/image", "tmpfs"},
		{"/run", "tmpfs"},
		{"/runs/image", "ext4"},
		{"/run/nas/image", "nfs4"},
		{"/run/nas", "nfs4"},
		{"/run/na", "tmpfs"},
		{"/run/nas (deleted)", "tmpfs"},
		{"/a b/image", "xfs"},
		{"/a b/c\\d/image", "tmpfs"},
		{"/a\\040b/image", "ext4"},
		{"/over/image", "ext4"}, /* the last is on top */
		{"/broken/image", "ext4"},
		{"image", NULL},
		{"", NULL},
	};
	static const char text[] = "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
				   "26 25 0:21 / /run rw shared:2 master:1 - tmpfs tmpfs rw\n"
				   "41 26 0:45 / /run/nas rw - nfs4 nas:/ rw\n"
				   "42 25 8:1 / /a\\040b rw - xfs /dev/sda1 rw\n"
				   "43 42 0:46 / /a\\040b/c\\134d rw - tmpfs tmpfs rw\n"
				   "44 25 0:47 / /over rw - tmpfs tmpfs rw\n"
				   "45 44 8:2 / /over rw - ext4 /dev/sda2 rw\n"
				   "46 25 0:48 / /broken rw\n"
				   "47 25 0:48 / /trunc\\04";
	char type[8];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool found =
			vm_proc__mount_of(vm_span__of(text), cases[i].path, type, sizeof(type));

		assert_int_equal(found, cases[i].type != NULL);
		if (found)
			assert_string_equal(type, cases[i].type);
	}
}

static void test_threads(void **state)
{
	static const struct {
		const char *comm;
		int id;
	} cases[] = {
		{"CPU 0/KVM\n", 0},
		{"CPU 17/KVM", 17},
		{"CPU 0/TCG\n", -1},
		{"CPU /KVM\n", -1},
		{"CPU -1/KVM\n", -1},
		{"fc_vcpu 3\n", 3},
		{"vcpu12\n", 12},
		{"vcpu\n", -1},
		{"crosvm_vcpu1\n", 1},
		{"kvm-vcpu-4\n", 4},
		{"qemu-kvm\n", -1},
		{"\n", -1},
		{"", -1},
		{"/KVM", -1},
		{"vcpu99999999999\n", -1},
		{"vcpu1 \n", -1},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(vm_proc__vcpu_thread(vm_span__of(cases[i].comm)), cases[i].id);
}

static void test_debugfs_names(void **state)
{
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("4729-8")), 4729);
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("4729")), 0);
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("4729-")), 0);
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("-8")), 0);
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("halt-poll")), 0);
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("1-2-3")), 0);
	assert_int_equal(vm_proc__debugfs_thread(vm_span__of("")), 0);
}

#define MESSAGE(text) ((struct vm_span){text, sizeof(text)})

static void test_uevents(void **state)
{
	pid_t thread = 99;

	/* as Linux 6.18 sends it */
	assert_true(vm_proc__uevent(
		MESSAGE("change@/devices/virtual/misc/kvm\0ACTION=change\0"
			"DEVPATH=/devices/virtual/misc/kvm\0SUBSYSTEM=misc\0CREATED=1\0COUNT=1\0"
			"EVENT=create\0PID=4729\0STATS_PATH=/kvm/4729-8\0MAJOR=10\0MINOR=232\0"
			"DEVNAME=kvm\0SEQNUM=815"),
		&thread));
	assert_int_equal(thread, 4729);
	assert_true(vm_proc__uevent(MESSAGE("change@x\0DEVNAME=kvm\0EVENT=destroy"), &thread));
	assert_int_equal(thread, 0);
	assert_true(vm_proc__uevent(MESSAGE("DEVPATH=/x/misc/kvm\0EVENT=create\0PID=x"), &thread));
	assert_int_equal(thread, 0);
	/* the device itself appears; somebody else's event; nothing at all */
	assert_false(
		vm_proc__uevent(MESSAGE("add@/devices/virtual/misc/kvm\0DEVNAME=kvm"), &thread));
	assert_false(
		vm_proc__uevent(MESSAGE("change@x\0DEVNAME=sda\0EVENT=create\0PID=1"), &thread));
	assert_false(vm_proc__uevent((struct vm_span){"", 0}, &thread));
	/* an end without its NUL */
	assert_true(vm_proc__uevent((struct vm_span){"DEVNAME=kvm\0EVENT=create\0PID=12", 30},
				    &thread));
	assert_int_equal(thread, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),	cmocka_unit_test(test_tgid),
		cmocka_unit_test(test_fds),	cmocka_unit_test(test_fdinfo),
		cmocka_unit_test(test_mounts),	cmocka_unit_test(test_mount_of_a_path),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_debugfs_names),
		cmocka_unit_test(test_uevents),
	};

	return cmocka_run_group_tests_name("vm_proc", tests, NULL, NULL);
}
