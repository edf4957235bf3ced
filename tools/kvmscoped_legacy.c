/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmscoped's worker: what one leaves to the next; see kvmscoped_worker.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "kvmscoped_worker.h"
#include "util.h"

void legacy__leave(struct worker *w)
{
	struct legacy legacy = {.limit = w->limit, .loads = w->loads, .read_at = w->read_at};
	struct buffer b = {};

	if (w->config->textfile)
		snprintf(legacy.textfile, sizeof(legacy.textfile), "%s", w->config->textfile);
	ledger__save(w->ledger, &b);
	legacy.ledger_size = b.n;
	if (ftruncate(w->args->memory_fd, 0) ||
	    pwrite(w->args->memory_fd, b.data, b.n, sizeof(legacy)) != (ssize_t)b.n ||
	    pwrite(w->args->memory_fd, &legacy, sizeof(legacy), 0) != sizeof(legacy))
		log__say(LOG_ERR, "the account can't be handed on, counters begin at 0: %s",
			 strerror(errno));
	buffer__free(&b);
}

/* The limit's state begins anew, for it counts domains by their numbers. */
void legacy__init_limit(struct worker *w)
{
	limit__init(&w->limit, w->config->max_cpu, w->config->calm_ns);
	for (size_t i = 0; i < w->n_all; i++)
		limit__add(&w->limit, w->all[i]);
}

/* The limit's state, before anything is loaded. */
void legacy__read(struct worker *w)
{
	struct legacy legacy;
	struct limit *l = &legacy.limit;

	legacy__init_limit(w);
	if (pread(w->args->memory_fd, &legacy, sizeof(legacy), 0) != sizeof(legacy))
		return;
	w->loads = legacy.loads;
	w->blind_since = legacy.read_at;
	/* a reload with other domains or another limit begins anew */
	if (l->n != w->limit.n || l->max != w->limit.max || l->n_taken > LIMIT_STEPS)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->level[i] > w->limit.domain[i]->n_levels)
			return;
	for (size_t i = 0; i < l->n_taken; i++)
		if (l->taken[i] >= l->n)
			return;
	memcpy(l->domain, w->limit.domain, sizeof(l->domain));
	w->limit = *l;
}

/* The account, without privileges: what is in it came from outside. */
void legacy__read_ledger(struct worker *w)
{
	struct legacy legacy;
	char *data;

	if (pread(w->args->memory_fd, &legacy, sizeof(legacy), 0) != sizeof(legacy))
		return;
	legacy.textfile[sizeof(legacy.textfile) - 1] = '\0';
	if (*legacy.textfile && strcmp(legacy.textfile, w->config->textfile ?: ""))
		account__remove_textfile(legacy.textfile);
	if (!legacy.ledger_size || legacy.ledger_size > 1ULL << 32)
		return;
	data = xcalloc(legacy.ledger_size, 1);
	if (pread(w->args->memory_fd, data, legacy.ledger_size, sizeof(legacy)) !=
		    (ssize_t)legacy.ledger_size ||
	    ledger__restore(w->ledger, data, legacy.ledger_size))
		log__say(LOG_ERR, "the account of before can't be read: counters begin at 0");
	free(data);
	if (ftruncate(w->args->memory_fd, 0))
		log__say(LOG_ERR, "memory can't be given back: %s", strerror(errno));
}
