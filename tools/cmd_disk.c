/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope disk: block I/O of VMs, stage by stage. */
#include <stdlib.h>
#include <string.h>
#include "command.h"
#include "layout.h"
#include "layout_disk.h"
#include "util.h"

#define SHOWN 6 /* rows that are shown stage by stage, without -v */

struct opts {
	unsigned int stages; /* enum ks_disk_stages, or'ed; 0: all */
};

static const struct argp_option options[] = {
	{"stages", 's', "LIST", 0,
	 "Time only these, at the cost of these: some of\n"
	 "                           q2g, g2i, i2d, d2c, q2c, separated by commas",
	 0},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const names[] = {"q2g", "g2i", "i2d", "d2c", "q2c"};
	struct opts *o = state->input;
	size_t len, i;

	if (key != 's')
		return ARGP_ERR_UNKNOWN;
	for (;; arg += len + 1) {
		len = strcspn(arg, ",");
		for (i = 0; i < ARRAY_SIZE(names); i++)
			if (len == strlen(names[i]) && !strncmp(arg, names[i], len))
				break;
		if (i == ARRAY_SIZE(names)) {
			complain("--stages takes some of q2g, g2i, i2d, d2c, q2c, not '%.*s'; see "
				 "kvmscope disk --help",
				 (int)(len < 64 ? len : 64), arg);
			exit(STATUS_USAGE);
		}
		o->stages |= 1U << i;
		if (!arg[len])
			return 0;
	}
}

static unsigned int modes(const void *opts)
{
	const struct opts *o = opts;

	return TRACE_DISK | TRACE_DISK_STAGES * (o->stages ?: KS_STAGES_ALL);
}

static void text(struct text *t, const struct report *r, const void *opts)
{
	const struct rows *vms = row__get_rows(&r->top, "vms");
	size_t n, shown;
	struct layout_disk *disks = layout__disks(vms, &n);

	(void)opts;
	layout__begin(t, r);
	if (n > 1)
		layout__disk_table(t, disks, n, r->elapsed_ns);
	shown = text__opts(t)->all || n < SHOWN ? n : SHOWN;
	for (size_t i = 0; i < shown; i++) {
		if (n > 1)
			text__blank(t);
		layout__disk(t, &disks[i], r->elapsed_ns);
	}
	if (shown < n)
		text__line(t, "and %zu more, stage by stage with -v", n - shown);
	if (!n)
		text__line(t, "no block I/O in %s", text__ns(t, r->elapsed_ns));
	layout__disk_remaps(t, vms, r->elapsed_ns);
	layout__disk_cache(t, vms);
	free(disks);
	layout__end(t, r);
}

COMMAND(cmd_disk) = {
	.name = "disk",
	.summary = "Block I/O by VM, disk and operation: is it queue or device?",
	.examples = "  kvmscope disk 1             every second, all VMs\n"
		    "  kvmscope disk -n db1 5 1    5 seconds of one VM\n"
		    "  kvmscope disk -H -n db1     with histograms of each stage, until Ctrl-C\n"
		    "  kvmscope disk --stages d2c 10   the device's part alone, at the least cost\n"
		    "  kvmscope disk -j 1 | jq .\n",
	.options = options,
	.parse = parse,
	.opts_size = sizeof(struct opts),
	.trace = {"disk"},
	.report = {"disk"},
	.modes = modes,
	.text = text,
};
