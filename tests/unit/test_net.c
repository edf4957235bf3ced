/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Interfaces: their numbers, their own counters, and what is said of their drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net_findings.h"
#include "net_numbers.h"
#include "net_rows.h"
#include "report.h"
#include "snapshot.h"
#include "util.h"
#include "vms.h"

static const struct net_space here = {.inode = 4026531840};

static struct net_nics *make(void)
{
	struct net_nics *n = xcalloc(1, sizeof(*n));

	n->nic = xcalloc(KS_NICS, sizeof(*n->nic));
	n->map = xcalloc(KS_NICS, sizeof(*n->map));
	n->places = xcalloc(KS_NIC_PLACES, sizeof(*n->places));
	n->report = 10;
	return n;
}

static void discard(struct net_nics *n)
{
	free(n->nic);
	free(n->map);
	free(n->places);
	free(n);
}

/* The host has more than there are numbers for; VMs come late, and a few of theirs find one. */
static void test_full(void **state)
{
	struct net_nics *n = make();
	struct vm vm = {.number = 7, .pid = 4711};
	uint32_t last = 0, number;
	size_t own = 0, vms = 0;

	for (int i = 1; i <= KS_NICS; i++) {
		number = net_number__begin(n, &here, &(struct net_link){.ifindex = i}, NULL);
		own += !!number;
		assert_int_equal(net_number__known(n, &here, i), number);
		last = number ?: last;
	}
	assert_int_equal(own, KS_NICS - 512);
	assert_int_equal(n->unnumbered, 512);
	for (int i = KS_NICS + 1; i <= KS_NICS + 512; i++) {
		number = net_number__begin(n, &here, &(struct net_link){.ifindex = i}, &vm);
		vms += !!number;
		assert_int_equal(net_number__known(n, &here, i), number);
		assert_int_equal(n->map[number].vm, number ? 7 : 0);
	}
	assert_int_equal(vms, 511);
	assert_int_equal(n->unnumbered, 513);

	net_number__end(n, last); /* one goes: two reports later its number is free, for anybody */
	n->unnumbered = 0;
	assert_int_equal(net_number__begin(n, &here, &(struct net_link){.ifindex = 9001}, NULL), 0);
	assert_int_equal(n->unnumbered, 1);
	n->report += 3;
	assert_int_equal(net_number__begin(n, &here, &(struct net_link){.ifindex = 9001}, NULL),
			 last);
	assert_int_equal(n->unnumbered, 1);
	discard(n);
}

static uint64_t of_host(struct net_nics *n, const char *field)
{
	struct snapshot *to = xcalloc(1, sizeof(*to));
	struct delta *d = delta__new(NULL, to, 0);
	struct report *r = report__new("net");
	const struct rows *nics;
	uint64_t v;

	net_rows__host(d, n, NULL, &r->top);
	nics = row__get_rows(&r->top, "nics");
	assert_int_equal(nics->n, 1);
	v = row__get_u64(nics->row[0], field);
	report__free(r);
	delta__free(d);
	snapshot__free(to);
	return v;
}

/* A driver that was reset, or another interface by the same index: 211, and then 3. */
static void test_step_back(void **state)
{
	const struct net_link before = {.ifindex = 2, .count = {.rx_packets = 211, .rx_bytes = 40}};
	struct net_nics *n = make();
	uint32_t number = net_number__begin(n, &here, &before, NULL);
	struct net_nic *nic = &n->nic[number];

	nic->flags = KS_NIC_COUNTS;
	nic->now = (struct net_counters){.rx_packets = 3, .rx_bytes = 47};
	assert_int_equal(of_host(n, "device_packets"), 0);
	assert_int_equal(of_host(n, "device_bytes"), 7);
	nic->now.rx_packets = 228;
	assert_int_equal(of_host(n, "device_packets"), 17);
	discard(n);
}

static void test_step_back_at_rest(void **state)
{
	struct net_link l = {.ifindex = 2, .count = {.rx_packets = 200, .tx_packets = 5}};
	struct net_nics *n = make();
	uint32_t number = net_number__begin(n, &here, &l, NULL);

	l.count = (struct net_counters){.rx_packets = 211, .tx_packets = 7};
	net_number__rest(n, number, &l);
	l.count = (struct net_counters){.rx_packets = 3, .tx_packets = 36};
	net_number__wake(n, number, &here, &l);
	assert_int_equal(n->nic[number].now.rx_packets, 3);
	assert_int_equal(n->nic[number].now.tx_packets, 34);
	discard(n);
}

/* What is said of seven packets that died at that stage, for that reason. */
static void died(const char *reason, bool stopped, const char *text)
{
	static const char *const directions[] = {"tx", "rx"};
	struct report *r = report__new("net");
	const struct rows *findings;
	struct row *nic, *drop;

	row__list(&r->top, "nics");
	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		nic = row__add(&r->top, "nics");
		row__text(nic, "name", "vnet0");
		row__text(nic, "direction", directions[i]);
	}
	drop = row__add(nic, "drops");
	row__text(drop, "at", "vnet0");
	row__text(drop, "stage", "ring");
	row__text(drop, "reason", reason);
	row__u64(drop, "count", 7);
	net_findings__add(&r->top, stopped, NSEC_PER_SEC);
	findings = row__get_rows(&r->top, "findings");
	assert_int_equal(findings->n, 1);
	assert_string_equal(row__get_text(findings->row[0], "text"), text);
	report__free(r);
}

static void test_ring_full(void **state)
{
	died("FULL_RING", false,
	     "7 packets died in vnet0's full ring: its VMM, or vhost, does not take them fast "
	     "enough");
	died("FULL_RING", true, "7 packets died in vnet0's full ring: its VMM is stopped");
	died("tun_net_xmit", false,
	     "7 packets died at vnet0's ring (tun_net_xmit): it was full, or a filter there kept "
	     "them out");
	died("tun_net_xmit", true,
	     "7 packets died at vnet0's ring (tun_net_xmit): it was full, or a filter there kept "
	     "them out; its VMM is stopped");
	died("SOCKET_FILTER", false,
	     "7 packets died at vnet0: a program, of tc or XDP or a socket's filter, dropped them "
	     "(SOCKET_FILTER)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_step_back),
		cmocka_unit_test(test_step_back_at_rest),
		cmocka_unit_test(test_ring_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
