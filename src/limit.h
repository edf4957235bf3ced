/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cost limit: which level (domain.h) each domain is at. When what tracing costs is over the
 * limit, it takes one step down: less detail first, then sampling, then a domain off; of several
 * such steps that of the domain that costs most. When it has been well below for long enough the
 * last step is taken back; one that did not last is waited longer for, up to an hour.
 */
#ifndef KVMSCOPE_LIMIT_H
#define KVMSCOPE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "domain.h"

#define LIMIT_DOMAINS 8
#define LIMIT_STEPS   16

struct limit {
	const struct domain *domain[LIMIT_DOMAINS];
	size_t n;
	double max;	  /* as a share of all CPUs; 0: no limit */
	double margin;	  /* below this share of max it may step up */
	uint64_t calm_ns; /* after so long */

	uint32_t level[LIMIT_DOMAINS]; /* n_levels: off */
	uint32_t taken[LIMIT_STEPS];   /* which domains stepped down, in order */
	uint32_t n_taken;
	uint32_t over;	     /* samples in a row */
	uint64_t calm_since; /* 0: it is not */
	uint64_t wait_ns;    /* how long it has to be calm now */
	uint64_t up_at;	     /* when it last stepped up; 0: never */
};

enum limit_step { LIMIT_STAY, LIMIT_DOWN, LIMIT_UP };

void limit__init(struct limit *l, double max, uint64_t calm_ns);
/* A domain that takes part; those without levels do not. */
void limit__add(struct limit *l, const struct domain *domain);

/*
 * Takes a sample of the cost, as a share of all CPUs, and of each domain in the order they were
 * added. *ret_domain: which one stepped. now: ns of a clock that never goes back.
 */
enum limit_step limit__sample(struct limit *l, double cost, const double *of_domain, uint64_t now,
			      const struct domain **ret_domain);

/* The level that a domain is at; NULL: off. */
const struct level *limit__level(const struct limit *l, const struct domain *domain);
/* How many steps below all a domain is. */
uint32_t limit__reduced(const struct limit *l, const struct domain *domain);

#endif
