/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A fleet without hosts: reports of HOSTS hosts with VMS virtual machines each, as the real domains
 * make them (12 exit reasons, 4 vCPUs, a disk, an interface with two hops each way), through the
 * real account and the real sinks. Prints what a host's scrape is and takes.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "exposition.h"
#include "ledger.h"
#include "util.h"

static void hist(struct row *row, const char *name, uint64_t seed)
{
	struct histogram h = {};

	for (uint32_t i = 0; i < 40; i++) {
		uint32_t b = 20 + (uint32_t)(seed * 7 % 60) + i;

		h.bucket[b] = 1 + seed * (i + 1) % 97;
		h.count += h.bucket[b];
		h.sum += h.bucket[b] * ks_hist_low(b);
		h.max = ks_hist_low(b);
	}
	row__hist(row, name, &h);
}

static void vm_rows(struct row *row, const struct vm *vm, uint64_t seed)
{
	static const char *const reasons[] = {"io",	  "msr",       "hlt",	 "npf",
					      "cpuid",	  "interrupt", "wbinvd", "write_dr7",
					      "read_cr0", "vintr",     "nmi",	 "xsetbv"};
	uint64_t split[KS_STATES];
	struct row *r;

	for (int i = 0; i < KS_STATES; i++)
		split[i] = seed * 1000003 % 999983 * (uint64_t)(i + 1);
	row__text(row, "name", vm->name);
	row__text(row, "name_source", "libvirt");
	row__text(row, "uuid", "5b0c7c64-5d3f-4c4e-8d6e-1f1a2b3c4d5e");
	row__u64(row, "pid", (uint64_t)vm->pid);
	row__text(row, "platform", "libvirt");
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		r = row__add(row, "exits");
		row__text(r, "reason", reasons[i]);
		row__u64(r, "count", seed + i);
		hist(r, "latency", seed + i);
		row__split(r, "split_ns", split, 1u << KS_GUEST);
	}
	for (int i = 0; i < 4; i++) {
		r = row__add(row, "vcpus");
		row__split(r, "split_ns", split, 0);
		hist(r, "wake_latency", seed);
		hist(r, "steal_latency", seed);
	}
	for (int i = 0; i < 2; i++) {
		struct row *n = row__add(row, "nics");

		r = row__add(row, "disks");
		row__text(r, "name", "nvme0n1");
		row__text(r, "op", i ? "write" : "read");
		for (const char *const *f = (const char *const[]){"count", "bytes", "errors",
								  "merged", "in_flight", NULL};
		     *f; f++)
			row__u64(r, *f, seed);
		hist(r, "d2c", seed);
		hist(r, "q2c", seed);
		row__text(n, "name", "vnet0");
		row__text(n, "direction", i ? "tx" : "rx");
		row__u64(n, "packets", seed);
		row__u64(n, "bytes", seed);
		hist(n, "ring_wait", seed);
		for (int k = 0; k < 2; k++) {
			r = row__add(n, "hops");
			row__text(r, "from", k ? "vnet0" : "br0");
			row__text(r, "to", k ? "br0" : "eth0");
			hist(r, "latency", seed);
		}
	}
}

static double ms(uint64_t since)
{
	return (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - since) / 1e6;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"exits", "cpu", "disk", "net"};
	static const struct vms_roots nowhere = {"/nonexistent", "/nonexistent", "/nonexistent"};
	struct ledger_opts opts = ledger_defaults;
	int hosts = argc > 1 ? atoi(argv[1]) : 1000, n_vms = argc > 2 ? atoi(argv[2]) : 40;
	double add = 0, text = 0, proto = 0, gzip = 0;
	size_t series = 0, bytes = 0, packed = 0, proto_bytes = 0, heap = 0;
	const struct domain *domains[ARRAY_SIZE(names)];

	/* so that the series of so many VMs are counted, and not those that the bound leaves */
	opts.max_series = 1000000;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		domains[i] = domain__find(names[i]);
	for (int host = 0; host < hosts; host++) {
		struct ledger *l = ledger__new(&opts);
		struct vms *vms = vms__open(&nowhere);
		struct report *r = report__new("daemon");
		struct buffer b = {}, z = {};
		uint64_t began;

		ledger__measure(l, domains, ARRAY_SIZE(names), ~0U, NSEC_PER_SEC);
		for (int i = 1; i <= n_vms; i++) {
			struct vm *vm = vms__add_ghost(vms, i, (uint64_t)i);

			snprintf(vm->name, sizeof(vm->name), "instance-%08x", host * n_vms + i);
			vm->name_source = "libvirt";
			vm->alive = true;
			vm_rows(row__add(&r->top, "vms"), vm, (uint64_t)(host * n_vms + i));
		}
		ledger__add(l, r, vms, NSEC_PER_SEC);
		began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		ledger__add(l, r, vms, 2 * NSEC_PER_SEC);
		add += ms(began);
		report__free(r);
		heap = mallinfo2().uordblks;
		series += ledger__series(l);
		began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		exposition__write(&b, l, EXPOSITION_OPENMETRICS);
		text += ms(began);
		bytes += b.n;
		began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		exposition__gzip(&b, &z);
		gzip += ms(began);
		packed += z.n;
		buffer__free(&b);
		buffer__free(&z);
		began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		exposition__write(&b, l, EXPOSITION_PROTOBUF);
		proto += ms(began);
		proto_bytes += b.n;
		buffer__free(&b);
		vms__close(vms);
		ledger__free(l);
	}
	printf("%d hosts, %d VMs each, by host:\n", hosts, n_vms);
	printf("  series of VMs          %zu\n", series / (size_t)hosts);
	printf("  account in memory      %zu KiB\n", heap / 1024);
	printf("  adding an interval     %.2f ms of CPU\n", add / hosts);
	printf("  OpenMetrics            %zu KiB, %.2f ms; gzip %zu KiB, %.2f ms more\n",
	       bytes / (size_t)hosts / 1024, text / hosts, packed / (size_t)hosts / 1024,
	       gzip / hosts);
	printf("  protobuf, both forms   %zu KiB, %.2f ms\n", proto_bytes / (size_t)hosts / 1024,
	       proto / hosts);
	return 0;
}
