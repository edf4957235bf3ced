/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libvirt's status files: what is refused, what is bounded. A whole one is in
 * fixtures/hosts/libvirt-v2.host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "vm_status.h"

static int parse(const char *xml, struct vm_status *status)
{
	return vm_status__parse(vm_span__of(xml), status);
}

static void test_small(void **state)
{
	struct vm_status status;

	assert_int_equal(
		parse("<?xml version='1.0'?>\n<domstatus pid='7'><domain><name>a &lt;b&gt; "
		      "&#x65e5;</name></domain></domstatus>",
		      &status),
		0);
	assert_int_equal(status.pid, 7);
	assert_string_equal(status.name, "a <b> 日");
	assert_string_equal(status.uuid, "");
	assert_int_equal(status.n_vcpus + status.n_nics + status.n_disks, 0);
	vm_status__clear(&status);
	vm_status__clear(&status);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"<",
		"text",
		"<domstatus pid='7'><domain><name>a</name></domain>",
		"<domstatus><domain><name>a</name></domain></domstatus>",
		"<domstatus pid='0'><domain><name>a</name></domain></domstatus>",
		"<domstatus pid='-7'><domain><name>a</name></domain></domstatus>",
		"<domstatus pid='7x'><domain><name>a</name></domain></domstatus>",
		"<domstatus pid='99999999999'><domain><name>a</name></domain></domstatus>",
		"<domstatus pid='7'/>",
		"<domstatus pid='7'><domain><name/></domain></domstatus>",
		"<domstatus pid='7'><x><domain><name>a</name></domain></x></domstatus>",
		"<domain pid='7'><name>a</name></domain>",
		"<x/>",
		"<domstatus pid='7'><domain><name>\xff</name></domain></domstatus>",
		/* a document type, and with it entities that grow */
		"<!DOCTYPE domstatus><domstatus "
		"pid='7'><domain><name>a</name></domain></domstatus>",
		"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
		"<domstatus pid='7'><domain><name>&b;</name></domain></domstatus>",
		"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"
		"<domstatus pid='7'><domain><name>a</name></domain></domstatus>",
		"<domstatus pid='7'><domain><name>&undefined;</name></domain></domstatus>",
	};
	struct vm_status status;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i], &status), -EINVAL);
		assert_int_equal(status.pid, 0);
		assert_null(status.disks);
	}
	assert_int_equal(vm_status__parse((struct vm_span){"", VM_STATUS_MAX + 1}, &status),
			 -EFBIG);
}

/* A document of the form head, n times part, tail. */
static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
	size_t len = strlen(part), i;
	char *text = xcalloc(strlen(head) + n * len + strlen(tail) + 1, 1);
	char *end = stpcpy(text, head);

	for (i = 0; i < n; i++)
		end = stpcpy(end, part);
	strcpy(end, tail);
	return text;
}

static void test_bounds(void **state)
{
	struct vm_status status;
	char *xml;

	/* depth, of what is known and of what is not */
	xml = repeat("<domstatus pid='7'><domain><name>a</name></domain>", "<x>", 62, "");
	assert_int_equal(parse(xml, &status), -EINVAL);
	free(xml);
	xml = repeat("<domstatus pid='7'><domain><name>a</name></domain>", "<x>", 1000000, "");
	assert_int_equal(parse(xml, &status), -EINVAL);
	free(xml);
	xml = repeat("", "<domstatus>", 1000, "");
	assert_int_equal(parse(xml, &status), -EINVAL);
	free(xml);

	/* a name of many pieces, longer than what is kept */
	xml = repeat("<domstatus pid='7'><domain><name>", "ab&amp;", 10000,
		     "</name></domain></domstatus>");
	assert_int_equal(parse(xml, &status), 0);
	assert_int_equal(strlen(status.name), VM_NAME_MAX - 1);
	assert_memory_equal(status.name, "ab&ab&", 6);
	vm_status__clear(&status);
	free(xml);

	/* numbers of devices */
	xml = repeat("<domstatus pid='7'><domain><name>a</name><devices>",
		     "<disk><source file='/x'/></disk><interface><target dev='v'/></interface>",
		     2000, "</devices></domain></domstatus>");
	assert_int_equal(parse(xml, &status), 0);
	assert_int_equal(status.n_disks, 1024);
	assert_int_equal(status.n_nics, 1024);
	vm_status__clear(&status);
	free(xml);
	xml = repeat("<domstatus pid='7'><domain><name>a</name></domain><vcpus>",
		     "<vcpu id='1' pid='2'/>", 10000, "</vcpus></domstatus>");
	assert_int_equal(parse(xml, &status), 0);
	assert_int_equal(status.n_vcpus, 8192);
	vm_status__clear(&status);
	free(xml);

	/* long attributes */
	xml = repeat("<domstatus pid='7'><domain><name>a</name><devices><disk><source file='",
		     "0123456789", 1000,
		     "'/><target dev='a-target-with-a-name-that-is-longer-than-is-kept'/></disk>"
		     "<interface><target dev=''/></interface></devices></domain></domstatus>");
	assert_int_equal(parse(xml, &status), 0);
	assert_int_equal(strlen(status.disks[0].source), VM_PATH_MAX - 1);
	assert_int_equal(strlen(status.disks[0].target), sizeof(status.disks[0].target) - 1);
	assert_int_equal(status.n_nics, 0);
	vm_status__clear(&status);
	free(xml);
}

static void test_sources(void **state)
{
	struct vm_status status;

	assert_int_equal(
		parse("<domstatus pid='7'><domain><name>a</name><devices>"
		      "<disk><source protocol='rbd' name='pool/img'/><target dev='vda'/></disk>"
		      "<disk><source pool='default' volume='v.img'/><target dev='vdb'/></disk>"
		      "<disk><source protocol='nbd'/><target dev='vdc'/></disk>"
		      "<disk><target dev='sda'/></disk>"
		      "<disk><source dev=''/></disk>"
		      "<disk><mirror><source file='/m'/></mirror><source file='/s'/></disk>"
		      "</devices></domain></domstatus>",
		      &status),
		0);
	assert_int_equal(status.n_disks, 3);
	assert_string_equal(status.disks[0].source, "rbd:pool/img");
	assert_string_equal(status.disks[1].source, "default:v.img");
	assert_string_equal(status.disks[2].source, "/s");
	assert_string_equal(status.disks[2].target, "");
	vm_status__clear(&status);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests_name("vm_status", tests, NULL, NULL);
}
