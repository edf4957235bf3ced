/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Places in the cgroup tree. Whole layouts are in fixtures/hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "vm_cgroup.h"

static void test_unescape(void **state)
{
	static const struct {
		const char *escaped, *want;
	} cases[] = {
		{"qemu\\x2d1\\x2dweb", "qemu-1-web"},
		{"a\\x5cx2d", "a\\x2d"},
		{"\\xe6\\x97\\xa5", "日"},
		{"\\x2", "\\x2"},
		{"\\x", "\\x"},
		{"\\xzz", "\\xzz"},
		{"\\x00a", "\\x00a"}, /* never a NUL */
		{"\\x2D", "-"},
		{"", ""},
	};
	char text[32], small[4];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vm_cgroup__unescape(text, sizeof(text), vm_span__of(cases[i].escaped));
		assert_string_equal(text, cases[i].want);
	}
	assert_int_equal(vm_cgroup__unescape(small, sizeof(small), vm_span__of("a\\x2dbcd")), 3);
	assert_string_equal(small, "a-b");
}

static void check(const char *text, enum vm_cgroup_kind kind, const char *path, const char *hint)
{
	struct vm_cgroup cgroup;

	vm_cgroup__parse(vm_span__of(text), &cgroup);
	assert_int_equal(cgroup.kind, kind);
	assert_string_equal(cgroup.path, path);
	assert_string_equal(cgroup.hint, hint);
}

static void test_layouts(void **state)
{
	/* machines' names: with a user's, with that of an embedding program, in their older order
	 */
	check("0::/m/machine-qemu\\x2djoe\\x2d7\\x2dweb.scope\n", VM_CGROUP_LIBVIRT,
	      "/m/machine-qemu\\x2djoe\\x2d7\\x2dweb.scope", "web");
	check("0::/m/machine-joe\\x2dqemu\\x2d7\\x2dweb\\x2d2.scope/libvirt/emulator\n",
	      VM_CGROUP_LIBVIRT, "/m/machine-joe\\x2dqemu\\x2d7\\x2dweb\\x2d2.scope", "web-2");
	check("0::/m/machine-qemu\\x2dembed\\x2d0a1b2c3d\\x2d1\\x2dweb.scope", VM_CGROUP_LIBVIRT,
	      "/m/machine-qemu\\x2dembed\\x2d0a1b2c3d\\x2d1\\x2dweb.scope", "web");
	/* containers, and what only looks like a machine */
	check("0::/m/machine-lxc\\x2d5\\x2dbox.scope\n", VM_CGROUP_OTHER,
	      "/m/machine-lxc\\x2d5\\x2dbox.scope", "");
	check("0::/machine-.scope\n", VM_CGROUP_OTHER, "/machine-.scope", "");
	check("0::/machine-scope\n", VM_CGROUP_OTHER, "/machine-scope", "");
	check("0::/.libvirt-qemu\n", VM_CGROUP_OTHER, "/.libvirt-qemu", "");
	check("0::/libvirt/qemu/\n", VM_CGROUP_OTHER, "/libvirt/qemu/", "");
	/* a VM in a container that is a machine, and the other way round: the inner one */
	check("0::/machine-box.scope/machine-qemu\\x2d1\\x2dweb.scope\n", VM_CGROUP_LIBVIRT,
	      "/machine-box.scope/machine-qemu\\x2d1\\x2dweb.scope", "web");
	check("0::/machine-qemu\\x2d1\\x2dweb.scope/machine-box.scope\n", VM_CGROUP_LIBVIRT,
	      "/machine-qemu\\x2d1\\x2dweb.scope", "web");
	/* a domain may be called like a machine */
	check("4:cpu:/machine/qemu-web.libvirt-qemu\n", VM_CGROUP_LIBVIRT,
	      "/machine/qemu-web.libvirt-qemu", "qemu-web");
	check("0::/qemu.slice/100.scope\n", VM_CGROUP_PROXMOX, "/qemu.slice/100.scope", "100");
	check("0::/qemu.slice/abc.scope\n", VM_CGROUP_OTHER, "/qemu.slice/abc.scope", "");
	check("0::/x/qemu.slice/100.scope\n", VM_CGROUP_OTHER, "/x/qemu.slice/100.scope", "");
	check("0::/firecracker/a1\n", VM_CGROUP_JAILER, "/firecracker/a1", "a1");
	check("0::/firecracker/a1/sub\n", VM_CGROUP_OTHER, "/firecracker/a1/sub", "");
	check("0::/firecracker.service/a1\n", VM_CGROUP_OTHER, "/firecracker.service/a1", "");
	check("0::/kubepods\n", VM_CGROUP_KUBEPODS, "/kubepods", "");
	check("0::/kubepods-pod1.slice/cri-1.scope/x\n", VM_CGROUP_KUBEPODS,
	      "/kubepods-pod1.slice/cri-1.scope", "");
	check("0::/docker/k1/kubelet/kubepods/burstable/pod1/c1/x/y\n", VM_CGROUP_KUBEPODS,
	      "/docker/k1/kubelet/kubepods/burstable/pod1/c1", "");
}

static void test_odd_texts(void **state)
{
	check("", VM_CGROUP_OTHER, "/", "");
	check("\n\n", VM_CGROUP_OTHER, "/", "");
	check("0:", VM_CGROUP_OTHER, "/", "");
	check("0::", VM_CGROUP_OTHER, "", "");
	check("garbage", VM_CGROUP_OTHER, "/", "");
	check("4:cpu:/a:b\n", VM_CGROUP_OTHER, "/a:b", "");
	check("4:cpu:/four\n1:name=systemd:/one\n", VM_CGROUP_OTHER, "/one", "");
	check("4:cpu:/four\n1:name=systemd:/one\n0::/\n", VM_CGROUP_OTHER, "/one", "");
	check("1:name=systemd:/one\n0::/zero", VM_CGROUP_OTHER, "/zero", "");
}

static void agrees(const char *path, const char *name, bool want)
{
	struct vm_cgroup cgroup;
	char text[512];

	snprintf(text, sizeof(text), "0::/machine.slice/machine-qemu\\x2d3%s.scope\n", path);
	vm_cgroup__parse(vm_span__of(text), &cgroup);
	assert_int_equal(cgroup.kind, VM_CGROUP_LIBVIRT);
	assert_int_equal(vm_cgroup__agrees(&cgroup, name), want);
}

static void test_agrees(void **state)
{
	agrees("\\x2dweb", "web", true);
	agrees("\\x2dweb", "web1", false);
	agrees("\\x2dweb", "we", false);
	agrees("\\x2dweb", "3-web", false);
	agrees("\\x2dweb", "w_e b!", true);
	agrees("\\x2dweb", "-.web.-", true);
	agrees("\\x2dweb.1", "web..1", true);
	/* a character that is dropped once ended a run of dashes, and now does not */
	agrees("\\x2da\\x2db", "a-_-b", true);
	agrees("\\x2da\\x2d\\x2db", "a-_-b", true);
	agrees("\\x2da\\x2db", "a_b", false);
	/* dashes were kept before that */
	agrees("\\x2da\\x2d\\x2db", "a--b", true);
	agrees("\\x2da\\x2d\\x2db", "a-b", false);
	/* nothing is left of these */
	agrees("", "日本", true);
	agrees("", "___", true);
	agrees("", "web", false);
	agrees("\\x2d", "日本", true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_odd_texts),
		cmocka_unit_test(test_agrees),
	};

	return cmocka_run_group_tests_name("vm_cgroup", tests, NULL, NULL);
}
