/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope net: where each VM's packets wait, and where they die. */
#include <stdlib.h>
#include "command.h"
#include "domain_net.h"
#include "layout.h"
#include "layout_net.h"

struct opts {
	unsigned int sample;
	bool driver;
};

static const struct argp_option options[] = {
	{"driver", 'd', NULL, 0, "And how long the drivers took; costs two thirds more", 0},
	{"sample", 's', "N", 0, "Follow one packet in N; counts stay exact", 0},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	unsigned long n;
	char *end;

	if (key == 'd') {
		o->driver = true;
		return 0;
	}
	if (key != 's')
		return ARGP_ERR_UNKNOWN;
	n = strtoul(arg, &end, 10);
	if (end == arg || *end || n < 1 || n > 65535) {
		complain("--sample takes a number from 1 to 65535, not '%.64s'", arg);
		exit(STATUS_USAGE);
	}
	o->sample = n;
	return 0;
}

static unsigned int modes(const void *opts)
{
	const struct opts *o = opts;

	net__sample_one_in(o->sample ?: 1);
	return TRACE_NET | (o->driver ? TRACE_NET_DRIVER : 0);
}

static void text(struct text *t, const struct report *r, const void *opts)
{
	const struct rows *vms = row__get_rows(&r->top, "vms");

	bool any = false;

	(void)opts;
	layout__begin(t, r);
	for (size_t i = 0; i < vms->n; i++)
		any |= layout__net_vm(t, vms->row[i], r->elapsed_ns);
	if (!any)
		text__line(t, "no interface of a VM in %s", text__ns(t, r->elapsed_ns));
	for (size_t i = 0; i < vms->n; i++)
		layout__findings(t, vms->row[i]);
	layout__end(t, r);
}

COMMAND(cmd_net) = {
	.name = "net",
	.summary = "Where packets wait, hop by hop, and where they die",
	.examples = "  kvmscope net 1             every second, all VMs\n"
		    "  kvmscope net -n web1 10 1  10 seconds of one VM\n"
		    "  kvmscope net -j 1 | jq .   for programs\n"
		    "  kvmscope net --sample 100  at millions of packets a second\n",
	.options = options,
	.parse = parse,
	.opts_size = sizeof(struct opts),
	.trace = {"net"},
	.report = {"threads", "net"},
	.modes = modes,
	.text = text,
};
