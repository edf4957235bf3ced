/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The cost limit: see limit.h. */
#include <stdlib.h>
#include <string.h>
#include "limit.h"
#include "util.h"

#define MARGIN	    0.5
#define WORTH	    0.02 /* of the limit: what a domain costs at least that is stepped down */
#define OVER_FIRST  2	 /* samples in a row that are over: one alone may be chance */
#define WAIT_MAX_NS (3600 * NSEC_PER_SEC)

void limit__init(struct limit *l, double max, uint64_t calm_ns)
{
	*l = (struct limit){.max = max, .margin = MARGIN, .calm_ns = calm_ns, .wait_ns = calm_ns};
}

void limit__add(struct limit *l, const struct domain *domain)
{
	if (!domain->n_levels)
		return;
	if (l->n == LIMIT_DOMAINS)
		abort();
	l->domain[l->n++] = domain;
}

static bool is_on(const struct limit *l, size_t i)
{
	return l->level[i] < l->domain[i]->n_levels;
}

/* What the next step down of a domain is: the smaller, the sooner it is taken. */
static int next_step(const struct limit *l, size_t i)
{
	uint32_t next = l->level[i] + 1;

	return next < l->domain[i]->n_levels ? (int)l->domain[i]->levels[next].step
					     : LEVEL_SAMPLING + 1;
}

static enum limit_step step_down(struct limit *l, const double *of_domain, uint64_t now,
				 const struct domain **ret)
{
	size_t best = l->n;

	/* a step that saves nothing only if there is no other */
	for (int worth = 1; worth >= 0 && best == l->n; worth--) {
		for (size_t i = 0; i < l->n; i++) {
			if (!is_on(l, i) || (worth && of_domain[i] < l->max * WORTH))
				continue;
			if (best == l->n || next_step(l, i) < next_step(l, best) ||
			    (next_step(l, i) == next_step(l, best) &&
			     of_domain[i] > of_domain[best]))
				best = i;
		}
	}
	if (best == l->n || l->n_taken == LIMIT_STEPS)
		return LIMIT_STAY; /* all is off, or as good as */
	/* what was taken back did not last: be slower the next time */
	if (l->up_at && now - l->up_at < 2 * l->wait_ns)
		l->wait_ns = l->wait_ns * 2 < WAIT_MAX_NS ? l->wait_ns * 2 : WAIT_MAX_NS;
	else
		l->wait_ns = l->calm_ns;
	l->level[best]++;
	l->taken[l->n_taken++] = (uint32_t)best;
	*ret = l->domain[best];
	return LIMIT_DOWN;
}

enum limit_step limit__sample(struct limit *l, double cost, const double *of_domain, uint64_t now,
			      const struct domain **ret)
{
	uint32_t last;

	if (!l->max)
		return LIMIT_STAY;
	if (cost > l->max) {
		l->calm_since = 0;
		if (++l->over < OVER_FIRST)
			return LIMIT_STAY;
		l->over = 0;
		return step_down(l, of_domain, now, ret);
	}
	l->over = 0;
	if (cost > l->max * l->margin || !l->n_taken) {
		l->calm_since = 0;
		return LIMIT_STAY;
	}
	if (!l->calm_since)
		l->calm_since = now;
	if (now - l->calm_since < l->wait_ns)
		return LIMIT_STAY;
	last = l->taken[--l->n_taken];
	l->level[last]--;
	l->calm_since = 0;
	l->up_at = now;
	*ret = l->domain[last];
	return LIMIT_UP;
}

static size_t index_of(const struct limit *l, const struct domain *domain)
{
	size_t i = 0;

	while (i < l->n && l->domain[i] != domain)
		i++;
	return i;
}

const struct level *limit__level(const struct limit *l, const struct domain *domain)
{
	size_t i = index_of(l, domain);

	return i < l->n && is_on(l, i) ? &domain->levels[l->level[i]] : NULL;
}

uint32_t limit__reduced(const struct limit *l, const struct domain *domain)
{
	size_t i = index_of(l, domain);

	return i < l->n ? l->level[i] : 0;
}
