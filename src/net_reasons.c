/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of what packets die of: see net_reasons.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net_reasons.h"
#include "util.h"

#define PREFIX	     "SKB_DROP_REASON_"
#define SUBSYS_SHIFT 16 /* include/net/dropreason.h, SKB_DROP_REASON_SUBSYS_SHIFT */

struct reason_name {
	uint32_t value;
	char *name;
};

struct names {
	struct reason_name *list;
	size_t n;
};

struct net_reasons {
	struct names reasons, functions;
	uint32_t unspecified;
};

static char *add(struct names *names, uint32_t value, char *name)
{
	names->list = xreallocarray(names->list, names->n + 1, sizeof(*names->list));
	names->list[names->n++] = (struct reason_name){value, name};
	return name;
}

static const char *find(const struct names *names, uint32_t value)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->list[i].value == value)
			return names->list[i].name;
	return NULL;
}

static void clear(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i].name);
	free(names->list);
}

static void add_reason(const char *name, uint32_t value, void *arg)
{
	struct net_reasons *r = arg;

	if (!strncmp(name, PREFIX, strlen(PREFIX)))
		name += strlen(PREFIX);
	if (!strcmp(name, "NOT_SPECIFIED"))
		r->unspecified = value;
	add(&r->reasons, value, xstrdup(name));
}

struct net_reasons *net_reasons__new(const struct features *f)
{
	struct net_reasons *r = xcalloc(1, sizeof(*r));

	features__each_enum(f, "skb_drop_reason", add_reason, r);
	return r;
}

void net_reasons__free(struct net_reasons *r)
{
	if (!r)
		return;
	clear(&r->reasons);
	clear(&r->functions);
	free(r);
}

uint32_t net_reasons__unspecified(const struct net_reasons *r)
{
	return r->unspecified;
}

const char *net_reasons__name(struct net_reasons *r, uint32_t reason)
{
	const char *name = find(&r->reasons, reason);

	if (name)
		return name;
	if (reason >> SUBSYS_SHIFT)
		return add(&r->reasons, reason,
			   xasprintf("%u:%u", reason >> SUBSYS_SHIFT,
				     reason & ((1u << SUBSYS_SHIFT) - 1)));
	return add(&r->reasons, reason, xasprintf("reason-%u", reason));
}

/*
 * The function that an address is in: the symbol below that is nearest. Kernel and modules are
 * within 2 GB of the end of the address space on x86-64, and of one another elsewhere, so that the
 * low halves of addresses tell them apart.
 */
static char *look_up(uint32_t low)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long addr;
	char type, name[128], best[128] = "";
	uint32_t nearest = UINT32_MAX;
	char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		if (sscanf(line, "%llx %c %127s", &addr, &type, name) != 3 || !addr ||
		    !strchr("tTwW", type) || low - (uint32_t)addr >= nearest)
			continue;
		nearest = low - (uint32_t)addr;
		memcpy(best, name, sizeof(best));
	}
	free(line);
	if (f)
		fclose(f);
	return *best ? xstrdup(best) : xasprintf("0x%08x", low);
}

const char *net_reasons__function(struct net_reasons *r, uint32_t low)
{
	return find(&r->functions, low) ?: add(&r->functions, low, look_up(low));
}
