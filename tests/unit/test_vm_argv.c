/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Command lines of VMMs, honest and hostile. Whole ones are in fixtures/hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vm_argv.h"

static void test_qemu_names(void **state)
{
	static const struct {
		const char *value, *want; /* NULL: none */
	} cases[] = {
		{"web1", "web1"},
		{"web1,debug-threads=on", "web1"},
		{"guest=web1,process=qemu", "web1"},
		{"process=qemu,guest=web1", "web1"},
		{"a,,b", "a,b"},
		{"guest=a,,b,,,,c,debug-threads=on", "a,b,,c"},
		{"guest=a=b", "a=b"},
		{"a,,b=c", "a,b=c"},
		{"guest=,,", ","},
		{"guest=one,guest=two", "two"},
		{"one,guest=two", "two"},
		{"debug-threads=on,two", NULL}, /* only the first may go without its key */
		{"debug-threads", "debug-threads"},
		{"guest=web1,", "web1"},
		{"guest=", NULL},
		{"", NULL},
		{"=x", NULL},
		{",,", ","},
		{",guest=x", "x"},
		{"Guest=x", NULL},
		{"line\nfeed \x1b[31m", "line\nfeed \x1b[31m"},
	};
	char name[VM_NAME_MAX];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_span value = vm_span__of(cases[i].value);

		strcpy(name, "kept");
		assert_int_equal(vm_argv__qemu_name(name, value), cases[i].want != NULL);
		assert_string_equal(name, cases[i].want ? cases[i].want : "kept");
	}
}

static void test_vmms(void **state)
{
	static const struct {
		const char *exe;
		enum vm_vmm vmm;
	} cases[] = {
		{"/usr/bin/qemu-system-x86_64", VM_VMM_QEMU},
		{"/usr/bin/qemu-system-x86_64 (deleted)", VM_VMM_QEMU},
		{"/usr/libexec/qemu-kvm", VM_VMM_QEMU},
		{"/usr/bin/kvm", VM_VMM_QEMU},
		{"kvm", VM_VMM_QEMU},
		{"/usr/bin/kvm-ok", VM_VMM_OTHER},
		{"/nix/store/x/bin/.qemu-kvm-wrapped", VM_VMM_QEMU},
		{"/usr/bin/qemu-img", VM_VMM_OTHER},
		{"./firecracker", VM_VMM_FIRECRACKER},
		{"/opt/firecracker-v1.9.1-aarch64", VM_VMM_FIRECRACKER},
		{"/usr/bin/cloud-hypervisor-static", VM_VMM_CLOUD_HYPERVISOR},
		{"crosvm", VM_VMM_CROSVM},
		{"/qemu-system-x86_64/bash", VM_VMM_OTHER},
		{"", VM_VMM_OTHER},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(vm_argv__vmm(vm_span__of(cases[i].exe)), cases[i].vmm);
}

#define ARGV(text) ((struct vm_span){text, sizeof(text)})

static void check(struct vm_span text, const char *exe, enum vm_vmm vmm, const char *name,
		  const char *uuid)
{
	struct vm_argv argv;

	vm_argv__parse(text, exe, &argv);
	assert_int_equal(argv.vmm, vmm);
	assert_string_equal(argv.name, name);
	assert_string_equal(argv.uuid, uuid);
}

static void test_command_lines(void **state)
{
	static const char uuid[] = "6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a55";

	check(ARGV("kvm\0-name\0x\0-uuid\0"
		   "6A1C1B62-4C5E-4B4E-9E0A-3B7D2C1F0A55"),
	      "", VM_VMM_QEMU, "x", uuid);
	check(ARGV("kvm\0-smbios\0type=1,serial=a,,b,uuid=6a1c1b62-4c5e-4b4e-9e0a-3b7d2c1f0a55"),
	      NULL, VM_VMM_QEMU, "", uuid);
	/* the executable tells, not what argv[0] pretends; unless it says nothing */
	check(ARGV("kvm\0-name\0x"), "/usr/bin/firecracker", VM_VMM_FIRECRACKER, "", "");
	check(ARGV("kvm\0-name\0x"), "/lib/ld-linux.so", VM_VMM_QEMU, "x", "");
	check(ARGV("x\0--name\0guest=x"), "", VM_VMM_OTHER, "guest=x", "");
	check(ARGV("x\0-name\0guest=x"), "", VM_VMM_OTHER, "x", "");
	check(ARGV("firecracker\0--id=a"), "", VM_VMM_FIRECRACKER, "a", "");
	check(ARGV("firecracker\0--identity\0a"), "", VM_VMM_FIRECRACKER, "", "");
	check(ARGV("firecracker\0--api-sock\0/firecracker.sock"), "", VM_VMM_FIRECRACKER, "", "");
	check(ARGV("cloud-hypervisor\0--api-socket\0/a/web.sock"), "", VM_VMM_CLOUD_HYPERVISOR,
	      "web", "");
	check(ARGV("cloud-hypervisor\0--api-socket\0path=/a/b.c.sock,x=1"), "",
	      VM_VMM_CLOUD_HYPERVISOR, "b.c", "");
	check(ARGV("cloud-hypervisor\0--api-socket=/run/web/ch.sock"), "", VM_VMM_CLOUD_HYPERVISOR,
	      "web", "");
	check(ARGV("cloud-hypervisor\0--api-socket\0ch.sock"), "", VM_VMM_CLOUD_HYPERVISOR, "", "");
	check(ARGV("crosvm\0run\0-s\0/x/arc.sock"), "", VM_VMM_CROSVM, "arc", "");
	check(ARGV("crosvm\0run\0-s\0/x/arc.sock\0--name\0vm"), "", VM_VMM_CROSVM, "vm", "");
}

static void test_hostile(void **state)
{
	static char big[VM_ARGV_MAX];
	struct vm_argv argv;

	/* an element without its NUL, an option at the very end */
	check((struct vm_span){"kvm\0-name\0abc", 12}, "", VM_VMM_QEMU, "ab", "");
	check((struct vm_span){"kvm\0-name", 9}, "", VM_VMM_QEMU, "", "");
	check((struct vm_span){"kvm\0-name\0", 10}, "", VM_VMM_QEMU, "", "");
	check((struct vm_span){"", 0}, "kvm", VM_VMM_QEMU, "", "");
	check((struct vm_span){"\0\0\0", 3}, "kvm", VM_VMM_QEMU, "", "");

	/* one name that fills it all; cut before the character that does not fit */
	memset(big, 0xc3, sizeof(big));
	memcpy(big, "kvm\0-name\0xx", 12);
	for (size_t i = 13; i < sizeof(big); i += 2)
		big[i] = (char)0xa4;
	vm_argv__parse((struct vm_span){big, sizeof(big)}, "", &argv);
	assert_int_equal(strlen(argv.name), VM_NAME_MAX - 2);
	assert_int_equal((unsigned char)argv.name[VM_NAME_MAX - 3], 0xa4);
}

static void test_files(void **state)
{
	struct vm_span argv = ARGV("kvm\0-hda\0/a.img\0-drive\0file=/b.img,if=virtio\0"
				   "-blockdev\0{\"filename\":\"/c.img\"}\0-disk\0path:/d.img:rw\0"
				   "-object\0memory-backend-file,mem-path=/m.ram,id=m\0/e.img.bak");
	size_t i;
	static const char *const named[] = {"/a.img", "/b.img", "/c.img", "/d.img"};
	static const char *const not [] = {"/e.img", "/img", "a.img", "", "/a.img\n"};

	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		assert_true(vm_argv__has_file(argv, named[i]));
	for (i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		assert_false(vm_argv__has_file(argv, not [i]));
	assert_true(vm_argv__has_memory(argv, "/m.ram"));
	assert_false(vm_argv__has_memory(argv, "/a.img"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu_names),    cmocka_unit_test(test_vmms),
		cmocka_unit_test(test_command_lines), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("vm_argv", tests, NULL, NULL);
}
