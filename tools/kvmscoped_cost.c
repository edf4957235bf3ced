/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kvmscoped's worker: what tracing costs, and the limit's steps; see kvmscoped_worker.h. The keeper
 * has the kernel count the programs' runs for a short time, which is looked at in slices: cost.h.
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "kvmscoped_worker.h"
#include "util.h"

#define SLICE_NS (NSEC_PER_SEC / 100)

static bool ask(struct worker *w, char what)
{
	char answer = ANSWER_NO;
	int fd[MESSAGE_FDS];

	return !message__send(w->args->keeper_fd, what, NULL, 0) &&
	       message__receive(w->args->keeper_fd, &answer, fd) == 0 && answer == ANSWER_YES;
}

void worker__tell(struct worker *w, char what)
{
	int err = message__send(w->args->keeper_fd, what, NULL, 0);

	if (err)
		log__say(LOG_ERR, "the keeper does not hear: %s", strerror(-err));
}

/* --- the programs */

/* What has run since the last time, as this slice of the sample; NULL: of none. */
static void read_slice(struct worker *w, size_t *slice)
{
	struct costs *c = &w->costs;

	for (size_t i = 0; i < c->n_programs; i++) {
		struct program_cost *p = &c->program[i];
		uint64_t runs, ns;

		if (session__runtime(w->monitor->session, i, &runs, &ns)) {
			runs = p->runs;
			ns = p->ns;
		}
		if (slice)
			p->slice[*slice] = (struct cost_slice){runs - p->runs, ns - p->ns};
		p->runs = runs;
		p->ns = ns;
	}
	if (slice)
		++*slice;
}

/* --- the daemon: of the whole time since the last sample, for it comes in bursts */

static void own_share(struct costs *c, uint64_t now, double cpus)
{
	uint64_t used = monitor__cpu_time();

	if (c->self_at && now > c->self_at)
		c->of_self = (double)(used - c->self_ns) / (double)(now - c->self_at) / cpus;
	c->self_ns = used;
	c->self_at = now;
}

static void begin(struct worker *w, uint64_t now)
{
	struct costs *c = &w->costs;
	const struct choice *choices;

	c->sample_at = now + w->config->cost_interval_ns;
	if (!c->no_stats && !ask(w, ASK_STATS_ON)) /* without CAP_SYS_ADMIN: that has been told */
		c->no_stats = true;
	if (!c->program) {
		c->n_programs = session__choices(w->monitor->session, &choices);
		c->program = xcalloc(c->n_programs + 1, sizeof(*c->program));
		for (size_t i = 0; i < c->n_programs; i++)
			c->program[i].domain = choices[i].domain;
	}
	if (!c->self_at)
		own_share(c, now, 1); /* from here on */
	read_slice(w, NULL);
	c->n_slices = 0;
	c->began = clock_ns(CLOCK_MONOTONIC);
	c->slice_at = c->began + SLICE_NS;
}

static double share_of(const struct costs *c, const struct domain *d, uint64_t elapsed, double cpus)
{
	double sum = 0;

	for (size_t i = 0; i < c->n_programs; i++)
		if (c->program[i].domain == d)
			sum += cost__share(c->program[i].slice, c->n_slices, elapsed, cpus) / cpus;
	return sum < 1 ? sum : 1;
}

/* --- the limit */

static const char *level_name(const struct worker *w, const struct domain *d)
{
	const struct level *level = limit__level(&w->limit, d);

	return level ? level->name : "off";
}

static int step(struct worker *w, uint64_t now)
{
	const struct costs *c = &w->costs;
	double limited[MAX_DOMAINS], sum = c->of_self;
	const struct domain *stepped;
	enum limit_step step;

	for (size_t i = 0, k = 0; i < w->n_all; i++) {
		sum += c->of_domain[i];
		if (w->all[i]->n_levels)
			limited[k++] = c->of_domain[i];
	}
	step = limit__sample(&w->limit, sum, limited, now, &stepped);
	if (step == LIMIT_STAY)
		return -1;
	log__say(step == LIMIT_DOWN ? LOG_WARNING : LOG_NOTICE,
		 "tracing costs %.2f %% of all CPUs, the limit is %.2f %%: %s goes %s to %s",
		 sum * 100, w->limit.max * 100, stepped->name, step == LIMIT_DOWN ? "down" : "up",
		 level_name(w, stepped));
	COUNTER("limit_steps", "none", 1, "Steps that the cost limit has taken.", 1, "direction",
		step == LIMIT_DOWN ? "down" : "up");
	return STATUS_AGAIN;
}

static int end(struct worker *w, uint64_t now)
{
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	struct costs *c = &w->costs;

	for (size_t i = 0; i < w->n_all; i++)
		c->of_domain[i] = share_of(c, w->all[i], now - c->began, cpus);
	own_share(c, now, cpus);
	if (!c->no_stats)
		ask(w, ASK_STATS_OFF);
	c->began = 0;
	c->known = true;
	return step(w, now);
}

uint64_t costs__next(const struct worker *w)
{
	return w->costs.began ? w->costs.slice_at : w->costs.sample_at;
}

int costs__run(struct worker *w, uint64_t now)
{
	struct costs *c = &w->costs;

	if (now < costs__next(w))
		return -1;
	if (!c->began) {
		begin(w, now);
		return -1;
	}
	now = clock_ns(CLOCK_MONOTONIC);
	read_slice(w, &c->n_slices);
	c->slice_at = now + SLICE_NS;
	return c->n_slices < COST_SLICES ? -1 : end(w, now);
}

void costs__free(struct worker *w)
{
	free(w->costs.program);
}
