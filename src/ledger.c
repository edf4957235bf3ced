/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's account: families, VMs and their series, within bounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ledger_internal.h"
#include "utf8.h"
#include "util.h"

#define PREFIX	    "kvmscope_"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

const struct ledger_opts ledger_defaults = {
	.max_vms = 1000,
	.max_series = 100000,
	.max_values = 24,
	.grace_ns = 300 * NSEC_PER_SEC,
};

struct ledger *ledger__new(const struct ledger_opts *opts)
{
	struct ledger *l = xcalloc(1, sizeof(*l));

	l->opts = *opts;
	l->own.overflow = true;
	return l;
}

void label__clean(const char *s, char out[LEDGER_LABEL_MAX + 1])
{
	size_t n = strlen(s), at = 0, len;
	uint32_t cp;

	for (; n; s += len, n -= len) {
		const char *piece = s;
		size_t size;

		len = utf8__decode(s, n, &cp);
		size = len;
		/* controls, C1 too, are of use to nobody who reads a label */
		if (cp == UTF8_INVALID || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			piece = REPLACEMENT;
			size = strlen(REPLACEMENT);
		}
		if (at + size > LEDGER_LABEL_MAX)
			break;
		memcpy(out + at, piece, size);
		at += size;
	}
	out[at] = '\0';
}

/* --- families */

char *metric_info__full_name(const struct metric_info *info)
{
	size_t n = strlen(info->name), u = strlen(info->unit);
	bool has =
		!strcmp(info->unit, "none") || (n > u && !strcmp(info->name + n - u, info->unit));

	return xasprintf(PREFIX "%s%s%s", info->name, has ? "" : "_", has ? "" : info->unit);
}

struct family *family__get(struct ledger *l, enum family_type type, const char *name,
			   const char *unit, const char *help, double scale)
{
	struct family *f;

	for (size_t i = 0; i < l->n_families; i++)
		if (!strcmp(l->family[i]->name, name))
			return l->family[i];
	f = xcalloc(1, sizeof(*f));
	f->name = xstrdup(name);
	f->unit = xstrdup(strcmp(unit, "none") ? unit : "");
	f->help = xstrdup(help);
	f->type = type;
	f->scale = scale;
	f->last = &f->series;
	f->index = l->n_families;
	l->family = xreallocarray(l->family, l->n_families + 1, sizeof(struct family *));
	l->family[l->n_families++] = f;
	return f;
}

struct family *family__by_info(struct ledger *l, enum family_type type,
			       const struct metric_info *info)
{
	char *name = metric_info__full_name(info);
	struct family *f = family__get(l, type, name, info->unit, info->help, info->scale);

	free(name);
	return f;
}

size_t ledger__families(const struct ledger *l, struct family *const **ret)
{
	*ret = l->family;
	return l->n_families;
}

size_t ledger__series(const struct ledger *l)
{
	return l->n_series;
}

const char *series__vm(const struct series *s)
{
	return s->account ? s->account->label : NULL;
}

/* --- accounts */

void account__drop(struct ledger *l, struct account *a)
{
	size_t i = 0;

	while (l->account[i] != a)
		i++;
	memmove(&l->account[i], &l->account[i + 1], (l->n_accounts - i - 1) * sizeof(a));
	l->n_accounts--;
	account__drop_series(l, a);
	free(a->head);
	free(a->label);
	free(a);
}

void ledger__free(struct ledger *l)
{
	if (!l)
		return;
	ledger__clear(l);
	free(l->account);
	free(l->family);
	free(l->own.head);
	free(l->export);
	free(l);
}

void ledger__clear(struct ledger *l)
{
	while (l->n_accounts)
		account__drop(l, l->account[0]);
	account__drop_series(l, &l->own);
	for (size_t i = 0; i < l->n_families; i++) {
		struct family *f = l->family[i];

		for (size_t k = 0; k < f->n_labels; k++)
			free(f->label[k]);
		free(f->name);
		free(f->unit);
		free(f->help);
		free(f);
	}
	l->n_families = 0;
	free(l->own.head);
	l->own = (struct account){.overflow = true};
}

struct account *account__labelled(const struct ledger *l, const char *label)
{
	for (size_t i = 0; i < l->n_accounts; i++)
		if (!strcmp(l->account[i]->label, label))
			return l->account[i];
	return NULL;
}

/* Names that are no single VM's. */
static bool is_shared(const char *label)
{
	return !strcmp(label, LEDGER_OVERFLOW) || !strcmp(label, LEDGER_GONE) ||
	       !strcmp(label, LEDGER_HOST);
}

struct account *account__new(struct ledger *l, const char *label)
{
	struct account *a = xcalloc(1, sizeof(*a));

	a->label = xstrdup(label);
	a->overflow = !strcmp(label, LEDGER_OVERFLOW);
	a->shared = is_shared(label);
	l->account = xreallocarray(l->account, l->n_accounts + 1, sizeof(*l->account));
	l->account[l->n_accounts++] = a;
	return a;
}

/* One of those that are no single VM's. */
struct account *account__shared(struct ledger *l, const char *label)
{
	return account__labelled(l, label) ?: account__new(l, label);
}

/* Makes room by ending the VM that ended first. */
bool account__evict(struct ledger *l, const struct account *but)
{
	struct account *oldest = NULL;

	for (size_t i = 0; i < l->n_accounts; i++) {
		struct account *a = l->account[i];

		if (a->ended && a != but && (!oldest || a->ended < oldest->ended))
			oldest = a;
	}
	if (oldest)
		account__drop(l, oldest);
	return oldest;
}

size_t ledger__vms(const struct ledger *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_accounts; i++)
		n += !l->account[i]->shared;
	return n;
}

/*
 * A label that no other VM has: the name, or the name and a number behind it. One that an ended VM
 * had is free: *ret_heir is that VM.
 */
static char *free_label(const struct ledger *l, const char *name, struct account **ret_heir)
{
	char clean[LEDGER_LABEL_MAX + 1], *label;

	label__clean(name, clean);
	for (unsigned int i = 1;; i++) {
		label = i > 1 ? xasprintf("%s#%u", clean, i)
			      : xstrdup(*clean ? clean : "(no name)");
		*ret_heir = account__labelled(l, label);
		if (!is_shared(label) && (!*ret_heir || (*ret_heir)->ended))
			return label;
		free(label);
	}
}

static void add_values(const struct family *f, struct series *to, const struct series *from)
{
	if (f->type == FAMILY_HISTOGRAM)
		account_hist__merge(&to->hist, &from->hist);
	else if (f->type == FAMILY_COUNTER)
		to->n += from->n;
}

/* a, which is new or has got a better name, goes on where an ended VM of that name stopped. */
static void inherit(struct ledger *l, struct account *a, struct account *dead)
{
	for (size_t i = 0; i < dead->n_heads; i++) {
		struct family *f = l->family[i];

		if (f->type == FAMILY_INFO || f->type == FAMILY_GAUGE)
			continue;
		for (struct series *s = dead->head[i].first; s; s = s->of_account) {
			struct series *mine = series__find(series__head(l, a, f), f, s->value)
						      ?: series__new(l, a, f, s->value);

			add_values(f, mine, s);
		}
	}
	account__drop(l, dead);
}

struct account *account__of(struct ledger *l, const struct vm *vm)
{
	struct account *a = NULL, *heir;
	char *label;

	for (size_t i = 0; i < l->n_accounts && !a; i++)
		if (l->account[i]->pid == vm->pid && l->account[i]->start == vm->start_ticks)
			a = l->account[i];
	if (!a && !vm->alive && !strcmp(vm->name_source, "pid"))
		return account__shared(l, LEDGER_GONE);
	if (a && !strcmp(a->name, vm->name))
		return a;
	if (!a) {
		while (ledger__vms(l) >= l->opts.max_vms && account__evict(l, NULL))
			;
		if (ledger__vms(l) >= l->opts.max_vms) {
			l->overflows[OVERFLOW_VMS]++;
			return account__shared(l, LEDGER_OVERFLOW);
		}
	}
	label = free_label(l, vm->name, &heir);
	if (a) {
		free(a->label);
		a->label = xstrdup("");
	} else {
		a = account__new(l, "");
		a->pid = vm->pid;
		a->start = vm->start_ticks;
	}
	if (heir)
		inherit(l, a, heir);
	free(a->label);
	a->label = label;
	snprintf(a->name, sizeof(a->name), "%s", vm->name);
	return a;
}

/* --- adding up */
