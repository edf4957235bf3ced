/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How large the kernel side's tables are. What each CPU has of its own grows with them: so there is
 * less of it for each where they are many, and in the end a bound.
 */
#ifndef KVMSCOPE_SESSION_SIZES_H
#define KVMSCOPE_SESSION_SIZES_H

#include <stdbool.h>
#include <stdint.h>
#include <kvmscope/abi.h>

struct session_needs {
	uint32_t cpus;	   /* that there may be */
	uint32_t vcpus;	   /* that are to have room */
	uint32_t subjects; /* the same; 0: by the CPUs */
	bool details;	   /* ports, MSRs ... are asked for */
	bool disk, net;	   /* domains that measure such subjects */
};

/* All but the last two with number 0, which stands for none. */
struct session_sizes {
	uint32_t vcpus, cells, subjects, hists;
	uint32_t tallies; /* one for each CPU and subject */
	uint32_t details; /* that can be found */
};

void session_sizes__find(struct session_sizes *ret, const struct session_needs *needs);
/* Memory that these take, without what does not depend on them: some MiB. */
uint64_t session_sizes__bytes(const struct session_sizes *sizes);

#endif
