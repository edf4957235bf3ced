/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscope cpu: where each vCPU's time went; all of it. */
#include "command.h"
#include "layout.h"

static unsigned int modes(const void *opts)
{
	(void)opts;
	return TRACE_TIMES;
}

static void text(struct text *t, const struct report *r, const void *opts)
{
	(void)opts;
	layout__begin(t, r);
	layout__cpu(t, row__get_rows(&r->top, "vms"));
	layout__end(t, r);
}

COMMAND(cmd_cpu) = {
	.name = "cpu",
	.summary = "Where each vCPU's time went; adds up to 100 %",
	.examples = "  kvmscope cpu 1         every second\n"
		    "  kvmscope cpu -j 10 1   one object for 10 seconds\n",
	.trace = {"exits"},
	.report = {"cpu"},
	.modes = modes,
	.text = text,
};
