/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * VMs that come, change and go, and what does not look as it should. What VMs are called is
 * test_vm_hosts.c's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host_tree.h"

struct fixture {
	struct host host;
	struct vms *vms;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	host__init(&f->host);
	f->vms = vms__open(&f->host.roots);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vms__close(f->vms);
	host__clear(&f->host);
	free(f);
	return 0;
}

/* A VM with that name; QEMU's, with one vCPU. */
static void start_vm(struct host *host, int pid, unsigned long long start, const char *name)
{
	host__process(host, pid, start, "qemu-system-x86");
	host__arg(host, "/usr/bin/qemu-system-x86_64");
	if (name) {
		host__arg(host, "-name");
		host__arg(host, name);
	}
	host__fd(host, 9, "anon_inode:kvm-vm");
	host__fd(host, 10, "anon_inode:kvm-vcpu:0");
}

static void write_status(const struct host *host, const char *file, int pid, const char *name)
{
	char *xml = xasprintf("<domstatus pid='%d'><domain><name>%s</name><devices>"
			      "<interface><target dev='%s-nic'/></interface></devices></domain>"
			      "</domstatus>",
			      pid, name, name);
	char *path = host__path(host, "run/libvirt/qemu/%s", file);
	char *temporary = xasprintf("%s.new", path);

	/* as libvirt does: a new file, renamed */
	host__write(xstrdup(temporary), xml, strlen(xml), false);
	assert_int_equal(rename(temporary, path), 0);
	free(temporary);
	free(path);
	free(xml);
}

static void rescan(struct fixture *f, int times)
{
	while (times--)
		assert_true(vms__rescan(f->vms) >= 0);
}

static void test_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct vm **all, *web, *db;

	assert_int_equal(vms__rescan(f->vms), 0);
	start_vm(&f->host, 200, 5000, "web");
	start_vm(&f->host, 100, 6000, "db");
	assert_int_equal(vms__rescan(f->vms), 2);
	assert_int_equal(vms__all(f->vms, &all), 2);
	db = all[0];
	web = all[1];
	assert_string_equal(db->name, "db");
	assert_string_equal(web->name, "web");
	assert_ptr_equal(vms__find(f->vms, 200, 5000), web);
	assert_ptr_equal(vms__find(f->vms, 200, 0), web);
	assert_null(vms__find(f->vms, 200, 5001));
	assert_null(vms__find(f->vms, 201, 0));

	/* gone is not forgotten */
	host__remove(&f->host, "proc/100");
	assert_int_equal(vms__rescan(f->vms), 1);
	assert_int_equal(vms__all(f->vms, &all), 2);
	assert_false(db->alive);
	assert_true(web->alive);
	assert_string_equal(db->name, "db");
	vms__forget(f->vms, db);
	assert_int_equal(vms__all(f->vms, &all), 1);
	assert_ptr_equal(all[0], web);
	assert_int_equal(vms__rescan(f->vms), 1);
}

static void test_pid_comes_back(void **state)
{
	struct fixture *f = *state;
	struct vm *old, *new;

	start_vm(&f->host, 100, 5000, "old");
	rescan(f, 1);
	old = vms__find(f->vms, 100, 0);
	host__replace_process(&f->host, 100, 7000, "qemu-system-x86");
	start_vm(&f->host, 100, 7000, "new");
	assert_int_equal(vms__rescan(f->vms), 1);
	new = vms__find(f->vms, 100, 0);
	assert_ptr_not_equal(old, new);
	assert_false(old->alive);
	assert_string_equal(old->name, "old");
	assert_true(new->alive);
	assert_string_equal(new->name, "new");
	assert_ptr_equal(vms__find(f->vms, 100, 5000), old);

	/* to a process that is no VM */
	host__replace_process(&f->host, 100, 9000, "bash");
	assert_int_equal(vms__rescan(f->vms), 0);
	assert_false(new->alive);
}

static void test_vm_ends_but_process_stays(void **state)
{
	struct fixture *f = *state;
	struct vm *vm;

	start_vm(&f->host, 100, 5000, "kept");
	rescan(f, 1);
	vm = vms__find(f->vms, 100, 5000);
	host__remove(&f->host, "proc/100/fd/9");
	rescan(f, 40);
	assert_false(vm->alive);
	/* and starts another: it is the same process */
	host__process(&f->host, 100, 5000, "qemu-system-x86");
	host__fd(&f->host, 9, "anon_inode:kvm-vm");
	rescan(f, 40);
	assert_true(vm->alive);
}

static void test_old_process_becomes_vm(void **state)
{
	struct fixture *f = *state;
	int scans = 0;

	host__process(&f->host, 100, 5000, "firecracker");
	host__arg(&f->host, "firecracker");
	rescan(f, 30);
	host__fd(&f->host, 9, "anon_inode:kvm-vm");
	while (!vms__rescan(f->vms))
		assert_true(++scans <= 16);

	/* where KVM's directory is there, the next scan knows */
	host__process(&f->host, 300, 5000, "firecracker");
	host__write(host__path(&f->host, "sys/kernel/debug/kvm/exits"), "0\n", 2, false);
	rescan(f, 30);
	host__fd(&f->host, 9, "anon_inode:kvm-vm");
	host__write(host__path(&f->host, "sys/kernel/debug/kvm/300-9/exits"), "0\n", 2, false);
	assert_int_equal(vms__rescan(f->vms), 2);
}

static void test_young_process_becomes_vm(void **state)
{
	struct fixture *f = *state;
	unsigned long long now = clock_ns(CLOCK_BOOTTIME) / (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));

	host__process(&f->host, 100, now, "qemu-system-x86");
	rescan(f, 2);
	host__fd(&f->host, 9, "anon_inode:kvm-vm");
	assert_int_equal(vms__rescan(f->vms), 1);
	assert_int_equal(vms__find(f->vms, 100, now)->n_vcpus, 0);
	host__fd(&f->host, 10, "anon_inode:kvm-vcpu:0");
	rescan(f, 1);
	assert_int_equal(vms__find(f->vms, 100, now)->n_vcpus, 1);
}

/* What is left of a process that nobody has waited for: KVM's directory goes with the VM. */
static void test_zombie(void **state)
{
	struct fixture *f = *state;

	host__write(host__path(&f->host, "sys/kernel/debug/kvm/100-9/exits"), "0\n", 2, false);
	start_vm(&f->host, 100, 5000, "ended");
	rescan(f, 10);
	host__remove(&f->host, "proc/100/fd/9");
	host__remove(&f->host, "proc/100/fd/10");
	host__remove(&f->host, "sys/kernel/debug/kvm/100-9");
	assert_int_equal(vms__rescan(f->vms), 0);
	assert_false(vms__find(f->vms, 100, 5000)->alive);
}

/* Its memory has gone, and its command line with that; what it had open goes later. */
static void test_exiting(void **state)
{
	struct fixture *f = *state;
	struct vm *vm;

	assert_int_equal(vms__want(f->vms, "large"), 0);
	start_vm(&f->host, 100, 5000, "large");
	host__fd(&f->host, 11, "/dev/net/tun");
	host__append_line(host__path(&f->host, "proc/100/fdinfo/11"), "iff:\tvnet0");
	host__append_line(host__path(&f->host, "proc/100/cgroup"), "4:cpu:/machine/large");
	rescan(f, 1);
	vm = vms__find(f->vms, 100, 5000);
	assert_int_equal(vm->n_nics, 1);

	host__stat(&f->host, 100, "qemu-system-x86", HOST_EXITING, 5000);
	host__write(host__path(&f->host, "proc/100/cmdline"), "", 0, false);
	host__write(host__path(&f->host, "proc/100/cgroup"), "4:cpu:/\n", 8, false);
	host__remove(&f->host, "proc/100/fd/10");
	host__remove(&f->host, "proc/100/fd/11");
	assert_int_equal(vms__rescan(f->vms), 1);
	vms__refresh_devices(f->vms);
	for (int i = 0; i < 40; i++) {
		assert_string_equal(vm->name, "large");
		assert_string_equal(vm->name_source, "cmdline");
		assert_string_equal(vm->cgroup, "/machine/large");
		assert_int_equal(vm->n_vcpus, 1);
		assert_int_equal(vm->n_nics, 1);
		assert_true(vm->alive && vm->wanted);
		rescan(f, 1);
	}
	host__remove(&f->host, "proc/100");
	rescan(f, 1);
	assert_false(vm->alive);
	assert_true(vm->wanted);
	assert_string_equal(vm->name, "large");
}

/* Its pid is another's before anybody has looked. */
static void test_refresh_after_pid_is_reused(void **state)
{
	struct fixture *f = *state;
	struct vm *vm;

	start_vm(&f->host, 100, 5000, "old");
	rescan(f, 1);
	vm = vms__find(f->vms, 100, 5000);
	host__replace_process(&f->host, 100, 9000, "qemu-system-x86");
	start_vm(&f->host, 100, 9000, "new");
	vms__refresh_devices(f->vms);
	assert_string_equal(vm->name, "old");
	assert_int_equal(vms__rescan(f->vms), 1);
	assert_string_equal(vm->name, "old");
	assert_false(vm->alive);
	assert_string_equal(vms__find(f->vms, 100, 9000)->name, "new");
}

/* Seen for the first time as it exits: what it still shows is better than nothing. */
static void test_found_exiting(void **state)
{
	struct fixture *f = *state;
	struct vm *vm;

	start_vm(&f->host, 100, 5000, "late");
	host__stat(&f->host, 100, "qemu-system-x86", HOST_EXITING, 5000);
	rescan(f, 1);
	vm = vms__find(f->vms, 100, 5000);
	assert_string_equal(vm->name, "late");
	host__write(host__path(&f->host, "proc/100/cmdline"), "", 0, false);
	rescan(f, 2);
	assert_string_equal(vm->name, "late");
}

static void test_hotplug(void **state)
{
	struct fixture *f = *state;
	struct vm *vm;

	start_vm(&f->host, 100, 5000, "grows");
	rescan(f, 10);
	vm = vms__find(f->vms, 100, 5000);
	assert_int_equal(vm->n_vcpus, 1);
	host__fd(&f->host, 11, "anon_inode:kvm-vcpu:1");
	host__thread(&f->host, 101, "CPU 0/KVM");
	host__thread(&f->host, 102, "CPU 1/KVM");
	rescan(f, 32);
	assert_int_equal(vm->n_vcpus, 2);
	assert_int_equal(vm->vcpus[1].tid, 102);
}

static void test_libvirt_status_comes_and_changes(void **state)
{
	struct fixture *f = *state;
	struct vm *vm;

	start_vm(&f->host, 100, 5000, "guest=web");
	rescan(f, 50);
	vm = vms__find(f->vms, 100, 5000);
	assert_string_equal(vm->name_source, "cmdline");
	write_status(&f->host, "web.xml", 100, "web");
	rescan(f, 1);
	assert_string_equal(vm->name_source, "libvirt");
	assert_string_equal(vm->platform, "libvirt");
	assert_string_equal(vm->nics[0].name, "web-nic");
	write_status(&f->host, "web.xml", 100, "renamed");
	rescan(f, 1);
	assert_string_equal(vm->name, "renamed");
	assert_string_equal(vm->nics[0].name, "renamed-nic");
	host__remove(&f->host, "run/libvirt/qemu/web.xml");
	rescan(f, 1);
	assert_string_equal(vm->name, "web");
	assert_string_equal(vm->name_source, "cmdline");
	assert_int_equal(vm->n_nics, 0);
}

static void test_stale_libvirt_status(void **state)
{
	static const struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
	struct fixture *f = *state;
	char *path;
	struct vm *vm;

	/* a file older than the process describes another one, unless the names agree */
	start_vm(&f->host, 100, 5000, "new");
	start_vm(&f->host, 200, 5000, "same");
	write_status(&f->host, "old.xml", 100, "old");
	write_status(&f->host, "same.xml", 200, "same");
	path = host__path(&f->host, "run/libvirt/qemu/old.xml");
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	free(path);
	path = host__path(&f->host, "run/libvirt/qemu/same.xml");
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	free(path);
	rescan(f, 2);
	vm = vms__find(f->vms, 100, 5000);
	assert_string_equal(vm->name, "new");
	assert_string_equal(vm->name_source, "cmdline");
	assert_string_equal(vms__find(f->vms, 200, 5000)->name_source, "libvirt");

	/* of two that claim it, the younger */
	write_status(&f->host, "young.xml", 100, "young");
	rescan(f, 1);
	assert_string_equal(vm->name, "young");
}

static void test_resolve(void **state)
{
	struct fixture *f = *state;
	struct vm *vm, *hidden, **all;

	start_vm(&f->host, 100, 5000, "met");
	assert_null(vms__resolve(f->vms, 100, 4999));
	assert_null(vms__resolve(f->vms, 101, 0));
	vm = vms__resolve(f->vms, 100, 5000);
	assert_non_null(vm);
	assert_string_equal(vm->name, "met");
	assert_true(vm->alive && vm->wanted);
	assert_ptr_equal(vms__resolve(f->vms, 100, 0), vm);
	assert_int_equal(vms__rescan(f->vms), 1);
	assert_ptr_equal(vms__find(f->vms, 100, 5000), vm);

	/* one whose descriptors show nothing stays for as long as its process does */
	host__process(&f->host, 200, 6000, "vmm");
	rescan(f, 1);
	hidden = vms__resolve(f->vms, 200, 6000);
	assert_non_null(hidden);
	assert_string_equal(hidden->name, "pid:200");
	rescan(f, 40);
	assert_true(hidden->alive);
	host__remove(&f->host, "proc/200");
	rescan(f, 1);
	assert_false(hidden->alive);

	/* met after the last scan, and gone before the next */
	start_vm(&f->host, 300, 5000, "brief");
	vm = vms__resolve(f->vms, 300, 5000);
	assert_non_null(vm);
	host__remove(&f->host, "proc/300");
	rescan(f, 1);
	assert_false(vm->alive);
	assert_null(vms__resolve(f->vms, 300, 0));
	assert_int_equal(vms__all(f->vms, &all), 3);
}

static void test_ghost(void **state)
{
	struct fixture *f = *state;
	struct vm *ghost = vms__add_ghost(f->vms, 77, 1234);

	assert_string_equal(ghost->name, "pid:77");
	assert_string_equal(ghost->name_source, "pid");
	assert_string_equal(ghost->platform, "other");
	assert_false(ghost->alive);
	assert_true(ghost->wanted);
	assert_ptr_equal(vms__add_ghost(f->vms, 77, 1234), ghost);
	assert_ptr_equal(vms__find(f->vms, 77, 1234), ghost);
	rescan(f, 2);
	assert_false(ghost->alive);
	vms__forget(f->vms, ghost);
	assert_null(vms__find(f->vms, 77, 0));
}

static void test_filter(void **state)
{
	struct fixture *f = *state;

	start_vm(&f->host, 100, 5000, "web1");
	start_vm(&f->host, 200, 5000, "db1");
	assert_int_equal(vms__want(f->vms, "web*"), 0);
	rescan(f, 1);
	assert_true(vms__find(f->vms, 100, 0)->wanted);
	assert_false(vms__find(f->vms, 200, 0)->wanted);
	/* said after the scan */
	assert_int_equal(vms__want(f->vms, "200"), 0);
	assert_true(vms__find(f->vms, 200, 0)->wanted);
	/* a name that changes */
	write_status(&f->host, "web1.xml", 100, "mail");
	rescan(f, 1);
	assert_false(vms__find(f->vms, 100, 0)->wanted);
}

/* A name is whatever somebody typed: it can be another VM's pid. */
static void test_filter_by_pid(void **state)
{
	struct fixture *f = *state;

	start_vm(&f->host, 100, 5000, "web1");
	start_vm(&f->host, 200, 5000, "100");
	vms__want_pid(f->vms, 100);
	rescan(f, 2);
	assert_true(vms__find(f->vms, 100, 0)->wanted);
	assert_false(vms__find(f->vms, 200, 0)->wanted);
	assert_int_equal(vms__want(f->vms, "100"), 0);
	assert_true(vms__find(f->vms, 200, 0)->wanted);
}

static void test_hostile_processes(void **state)
{
	struct fixture *f = *state;
	char *big = xcalloc(1, 512 * 1024), *fifo;
	struct vm *vm;

	/* a command line with neither end nor NUL, beyond what is read */
	start_vm(&f->host, 100, 5000, NULL);
	memset(big, 'a', 512 * 1024);
	memcpy(big, "kvm\0-name\0", 10);
	host__write(host__path(&f->host, "proc/100/cmdline"), big, 512 * 1024, false);
	/* a name with everything in it that a terminal minds */
	start_vm(&f->host, 200, 5000, "\x1b]52;c;AAAA\x07\n\xc2\x9b\xff\xe2\x80\xae");
	/* texts that are not what they should be */
	start_vm(&f->host, 300, 5000, "no stat");
	host__write(host__path(&f->host, "proc/300/stat"), "300 (x", 6, false);
	start_vm(&f->host, 400, 5000, "odd cgroup");
	host__write(host__path(&f->host, "proc/400/cgroup"), big, 64 * 1024, false);
	/* names of files that are no numbers, and one that is too large */
	free(host__path(&f->host, "proc/self-made/x"));
	free(host__path(&f->host, "proc/99999999999999/x"));
	/* a status file that is a FIFO, one that is a link, one that is a directory */
	fifo = host__path(&f->host, "run/libvirt/qemu/fifo.xml");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	free(fifo);
	host__link(host__path(&f->host, "run/libvirt/qemu/link.xml"), "/dev/zero");
	free(host__path(&f->host, "run/libvirt/qemu/dir.xml/x"));

	assert_int_equal(vms__rescan(f->vms), 3);
	vm = vms__find(f->vms, 100, 0);
	assert_int_equal(strlen(vm->name), VM_NAME_MAX - 1);
	vm = vms__find(f->vms, 200, 0);
	assert_string_equal(vm->name, "\x1b]52;c;AAAA\x07\n\xc2\x9b\xff\xe2\x80\xae");
	assert_null(vms__find(f->vms, 300, 0));
	vm = vms__find(f->vms, 400, 0);
	assert_string_equal(vm->name, "odd cgroup");
	free(big);
}

static void test_no_proc(void **state)
{
	static const struct vms_roots nowhere = {"/nonexistent", "/nonexistent", "/nonexistent"};
	struct vms *vms = vms__open(&nowhere);

	assert_int_equal(vms__rescan(vms), -ENOENT);
	assert_null(vms__resolve(vms, 1, 0));
	assert_non_null(vms__add_ghost(vms, 1, 1));
	vms__close(vms);
	vms__close(NULL);
}

static void test_unreadable(void **state)
{
	struct fixture *f = *state;
	char *path;

	if (!getuid()) /* who may read everything */
		skip();
	start_vm(&f->host, 100, 5000, "closed");
	path = xasprintf("%s/proc/100/fd", f->host.root);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(vms__rescan(f->vms), 0);
	assert_int_equal(vms__unreadable(f->vms), 1);
	/* whoever met a vCPU of it knows better */
	assert_string_equal(vms__resolve(f->vms, 100, 0)->name, "closed");
	assert_int_equal(vms__rescan(f->vms), 1);
	assert_int_equal(chmod(path, 0755), 0);
	free(path);
}

static void test_dispatch_without_events(void **state)
{
	struct fixture *f = *state;

	if (vms__fd(f->vms) < 0)
		assert_int_equal(vms__dispatch(f->vms), vms__fd(f->vms));
	else
		assert_true(vms__dispatch(f->vms) >= 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_come_and_go),
		TEST(test_pid_comes_back),
		TEST(test_vm_ends_but_process_stays),
		TEST(test_old_process_becomes_vm),
		TEST(test_young_process_becomes_vm),
		TEST(test_zombie),
		TEST(test_exiting),
		TEST(test_refresh_after_pid_is_reused),
		TEST(test_found_exiting),
		TEST(test_hotplug),
		TEST(test_libvirt_status_comes_and_changes),
		TEST(test_stale_libvirt_status),
		TEST(test_resolve),
		TEST(test_ghost),
		TEST(test_filter),
		TEST(test_filter_by_pid),
		TEST(test_hostile_processes),
		TEST(test_unreadable),
		TEST(test_dispatch_without_events),
		cmocka_unit_test(test_no_proc),
	};

	return cmocka_run_group_tests_name("vms", tests, NULL, NULL);
}
