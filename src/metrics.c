/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of metrics as data. */
#include "export.h"

#define INFO(name, unit, scale, help)     \
	{                                 \
#name, #unit, scale, help \
	}

const struct metric_info metric_infos[KS_METRICS] = {
#define METRIC(id, domain, name, unit, scale, label, help) \
	[KS_M_##id] = INFO(name, unit, scale, help),
#define COUNTER(...)
#include <kvmscope/metrics.def>
#undef METRIC
#undef COUNTER
};

const struct metric_info counter_infos[KS_COUNTERS] = {
#define METRIC(...)
#define COUNTER(id, domain, name, unit, scale, help) [KS_C_##id] = INFO(name, unit, scale, help),
#include <kvmscope/metrics.def>
#undef METRIC
#undef COUNTER
};
