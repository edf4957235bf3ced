/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A ledger without a kernel: reports with rows as a domain makes them, of VMs as in struct vms. */
#ifndef KVMSCOPE_TESTS_LEDGER_SAMPLE_H
#define KVMSCOPE_TESTS_LEDGER_SAMPLE_H

#include <stdio.h>
#include <string.h>
#include "ledger.h"
#include "util.h"

static const struct export sample_exports[] = {
	{
		.list = "exits",
		.field = "count",
		.info = &(const struct metric_info){"exits", "none", 1, "Exits, \"all\" of them."},
		.label = {LABEL("reason", "reason")},
	},
	{
		.list = "exits",
		.field = "latency",
		.info = &(const struct metric_info){"exit_handling", "seconds", 1e-9,
						    "Time of exits."},
		.label = {LABEL("reason", "reason")},
	},
	{
		.field = "queue",
		.info = &(const struct metric_info){"queue", "requests", 1, "Length\\of a queue."},
		.gauge = true,
	},
};
static const struct domain sample_domain = {
	.name = "sample",
	.exports = sample_exports,
	.n_exports = ARRAY_SIZE(sample_exports),
};
static const struct domain *const sample_domains[] = {&sample_domain};

static inline struct ledger *sample_ledger(size_t vms, size_t series, size_t values)
{
	const struct ledger_opts opts = {vms, series, values, 300 * NSEC_PER_SEC};

	struct ledger *l = ledger__new(&opts);

	ledger__measure(l, sample_domains, 1, 0, NSEC_PER_SEC);
	return l;
}

/* An empty table of VMs, in which the caller adds ghosts and gives them names. */
static inline struct vms *sample_vms(void)
{
	static const struct vms_roots nowhere = {"/nonexistent", "/nonexistent", "/nonexistent"};

	return vms__open(&nowhere);
}

static inline struct vm *sample_vm(struct vms *vms, pid_t pid, const char *name)
{
	struct vm *vm = vms__add_ghost(vms, pid, (uint64_t)pid * 100);

	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->name_source = "cmdline";
	vm->alive = true;
	return vm;
}

static inline struct row *sample_row(struct report *r, const struct vm *vm, const char *reason,
				     uint64_t count, uint64_t ns)
{
	struct histogram h = {.count = count, .sum = count * ns, .max = ns};
	struct row *row = row__add(&r->top, "vms"), *exit;

	h.bucket[ks_hist_bucket(ns)] = count;
	row__text(row, "name", vm->name);
	row__text(row, "name_source", vm->name_source);
	row__null(row, "uuid");
	row__u64(row, "pid", (uint64_t)vm->pid);
	row__text(row, "platform", "qemu");
	row__u64(row, "queue", count);
	exit = row__add(row, "exits");
	row__text(exit, "reason", reason);
	row__u64(exit, "count", count);
	row__hist(exit, "latency", &h);
	return row;
}

/* One interval in which that VM alone did something. */
static inline void sample_add(struct ledger *l, struct vms *vms, const struct vm *vm,
			      const char *reason, uint64_t count, uint64_t now_s)
{
	struct report *r = report__new("daemon");

	row__list(&r->top, "vms");
	if (vm) {
		sample_row(r, vm, reason, count, 1000);
	}
	ledger__add(l, r, vms, now_s * NSEC_PER_SEC);
	report__free(r);
}

#endif
