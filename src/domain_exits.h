/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What commands may ask of the domain "exits". */
#ifndef KVMSCOPE_DOMAIN_EXITS_H
#define KVMSCOPE_DOMAIN_EXITS_H

#include <stdbool.h>
#include "domain.h"

enum exits_by { EXITS_BY_REASON, EXITS_BY_VCPU, EXITS_BY_USERSPACE, EXITS_BY_DETAIL };

struct exits_opts {
	unsigned int
		modes; /* enum trace_mode, or'ed; first: the domain "details" reads only this */
	enum exits_by by;
};

/* The back end reports no exits and entries, and none came: nothing tells guest code from KVM. */
bool exits__are_missing(const struct report_ctx *ctx);

#endif
