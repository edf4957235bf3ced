/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope exits: why VMs leave guest mode, how often, and what that costs. */
#include <stdlib.h>
#include <string.h>
#include "command.h"
#include "domain_exits.h"
#include "layout.h"
#include "util.h"

struct opts {
	struct exits_opts exits; /* first: the domains read it */
	const char *list;	 /* --by a detail: the list of its rows */
	const char *what;	 /* as --by says; NULL: nothing */
	bool counts;
};

static const struct {
	const char *name;
	enum exits_by by;
	unsigned int mode; /* in addition to those for times or counts */
	const char *list;
} whats[] = {
	{"reason", EXITS_BY_REASON, 0, NULL},
	{"vcpu", EXITS_BY_VCPU, 0, NULL},
	{"userspace", EXITS_BY_USERSPACE, 0, NULL},
	{"port", EXITS_BY_DETAIL, TRACE_PORT, "ports"},
	{"mmio", EXITS_BY_DETAIL, TRACE_MMIO, "mmio"},
	{"msr", EXITS_BY_DETAIL, TRACE_MSR, "msrs"},
	{"hypercall", EXITS_BY_DETAIL, TRACE_HYPERCALL, "hypercalls"},
	{"page-fault", EXITS_BY_DETAIL, TRACE_PAGE_FAULT, "page_faults"},
};

static const struct argp_option options[] = {
	{"by", 'b', "WHAT", 0,
	 "reason (default), vcpu, userspace (KVM_EXIT_*),\n"
	 "                           port, mmio, msr, hypercall, page-fault",
	 0},
	{"counts", 'c', NULL, 0, "Counts only, at the least cost: no times", 0},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case 'b':
		if (o->what && strcmp(o->what, arg)) {
			complain("--by takes one kind at a time, not %.64s and %.64s: run a second "
				 "kvmscope beside this one",
				 o->what, arg);
			exit(STATUS_USAGE);
		}
		o->what = arg;
		for (size_t i = 0; i < ARRAY_SIZE(whats); i++) {
			if (strcmp(arg, whats[i].name))
				continue;
			o->exits.by = whats[i].by;
			o->exits.modes = whats[i].mode;
			o->list = whats[i].list;
			return 0;
		}
		complain("--by takes reason, vcpu, userspace, port, mmio, msr, hypercall or "
			 "page-fault, not '%.64s'; see kvmscope exits --help",
			 arg);
		exit(STATUS_USAGE);
	case 'c':
		o->counts = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->counts || !o->list)
			return 0;
		complain(
			"--counts leaves out times, and --by %s is not without: use one of the two",
			o->what);
		exit(STATUS_USAGE);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static unsigned int modes(const void *opts)
{
	const struct opts *o = opts;

	if (!o->counts)
		return o->exits.modes | TRACE_TIMES;
	return o->exits.modes |
	       (o->exits.by == EXITS_BY_USERSPACE ? TRACE_USERSPACE
						  : TRACE_COUNTS | TRACE_USERSPACE);
}

static void reasons(struct text *t, const struct row *row, const char *list, uint64_t elapsed,
		    bool counts)
{
	layout__latencies(t, row, list, elapsed, counts);
	if (!text__opts(t)->histograms || counts)
		return;
	for (size_t i = 0; i < row__get_rows(row, list)->n; i++)
		layout__histogram(t, row__get_text(row, "name"), row__get_rows(row, list)->row[i]);
}

static void text(struct text *t, const struct report *r, const void *opts)
{
	bool costs = false;
	const struct rows *vms = row__get_rows(&r->top, "vms");
	const struct opts *o = opts;

	layout__begin(t, r);
	for (size_t i = 0; i < vms->n; i++) {
		const struct row *vm = vms->row[i];
		const struct rows *vcpus = row__get_rows(vm, "vcpus");

		if (o->exits.by == EXITS_BY_VCPU) {
			layout__vm(t, vm, r,
				   vcpus->n && row__field(vcpus->row[0], "userspace") ? "userspace"
										      : "exits",
				   vcpus);
			layout__unmeasured(t, r, vm);
			for (size_t k = 0; k < vcpus->n; k++) {
				layout__vcpu(t, vcpus->row[k]);
				costs |= row__get_rows(vcpus->row[k], "exits")->n > 0;
				if (row__field(vcpus->row[k], "userspace"))
					reasons(t, vcpus->row[k], "userspace", r->elapsed_ns,
						o->counts);
				else
					reasons(t, vcpus->row[k], "exits", r->elapsed_ns,
						o->counts);
			}
			continue;
		}
		if (o->list) {
			layout__vm(t, vm, r, o->list, NULL);
			layout__details(t, vm, o->list, r->elapsed_ns);
			continue;
		}
		layout__vm(t, vm, r, row__field(vm, "userspace") ? "userspace" : "exits", NULL);
		costs |= row__get_rows(vm, "exits")->n > 0;
		if (row__field(vm, "exits") &&
		    (row__get_rows(vm, "exits")->n || !row__field(vm, "userspace")))
			reasons(t, vm, "exits", r->elapsed_ns, o->counts);
		if (row__field(vm, "userspace"))
			reasons(t, vm, "userspace", r->elapsed_ns, o->counts);
	}
	if (costs && !o->counts) {
		layout__prose(
			t,
			"cost: KVM's and the VMM's time on a CPU, of all time outside the guest");
		layout__prose(t, "idle, steal, block: what else its time was: halted, waiting for "
				 "a CPU, asleep");
	}
	layout__end(t, r);
}

COMMAND(cmd_exits) = {
	.name = "exits",
	.summary = "Why VMs leave guest mode: count, rate, time split, percentiles",
	.examples = "  kvmscope exits 1            every second, all VMs\n"
		    "  kvmscope exits -n web1 5 1  5 seconds of one VM\n"
		    "  kvmscope exits -H -n web1   with histograms, until Ctrl-C\n"
		    "  kvmscope exits --by userspace -j 1 | jq .\n"
		    "  kvmscope exits --by port 5 1   which I/O ports, and what they cost\n"
		    "  kvmscope exits --counts 10  at the least cost\n",
	.options = options,
	.parse = parse,
	.opts_size = sizeof(struct opts),
	.trace = {"exits", "details"},
	.report = {"exits", "details"},
	.modes = modes,
	.text = text,
};
