/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which form of each program this kernel takes: by the shape of its BTF, never by its version. */
#include <stdio.h>
#include <string.h>
#include "session.h"
#include "util.h"

const char *rung__name(enum rung_kind kind)
{
	static const char *const names[] = {"BTF tracepoint", "raw tracepoint",
					    "classic tracepoint"};

	return names[kind];
}

/* NULL: this rung will do. Else why not. */
static const char *rung_missing(const struct features *f, const struct event *e,
				const struct rung *r, char *buf, size_t size)
{
	int args, at;

	if (r->kind == RUNG_TP) {
		if (!*f->tracefs)
			return "tracefs is not mounted";
		if (features__tp_field(f, e->system, e->name, "common_pid") < 0)
			return "tracefs has no such event, or it can't be read";
		return r->missing ? r->missing(f) : NULL;
	}
	args = features__tp_args(f, e->name);
	if (args < 0 && f->kvm_btf && !strcmp(e->system, "kvm"))
		return e->absent ?: "this kernel has no such event";
	if (args < 0) {
		if (r->kind == RUNG_BTF)
			return "there is no BTF for it";
		if (!r->without_btf)
			return "there is no BTF to tell its arguments";
	} else if (r->kind == RUNG_BTF && !f->kvm_types && !strcmp(e->system, "kvm")) {
		return "CAP_SYS_ADMIN is missing for the BTF of kvm.ko";
	} else if (r->arg != ARG_ANY) {
		at = features__tp_arg_struct(f, e->name, e->arg_type ?: "kvm_vcpu");
		if (at != r->arg) {
			if (at < 0) {
				snprintf(buf, size, "BTF has no struct %s among its arguments",
					 e->arg_type ?: "kvm_vcpu");
				return buf;
			}
			snprintf(buf, size, "BTF has struct %s as argument %d of %d",
				 e->arg_type ?: "kvm_vcpu", at + 1, args);
			return buf;
		}
	}
	return r->missing ? r->missing(f) : NULL;
}

bool choice__is_absent(const struct choice *c)
{
	const char *absent = c->event->absent;

	return !c->rung && absent && strstr(c->why, absent);
}

bool rung__may_be_skipped(const struct features *f, const struct event *e, const struct rung *r)
{
	return f->srcu_fast && e->preemptible && r->kind != RUNG_TP;
}

static bool has_classic(const struct features *f, const struct event *e)
{
	for (const struct rung *r = e->rungs; r < e->rungs + RUNGS_MAX && r->program; r++)
		if (r->kind == RUNG_TP && !rung_missing(f, e, r, NULL, 0))
			return true;
	return false;
}

static void choose(const struct features *f, const struct event *e, enum rung_kind floor,
		   struct choice *c)
{
	const char *missing;
	char buf[128];

	for (const struct rung *r = e->rungs; r < e->rungs + RUNGS_MAX && r->program; r++) {
		if (r->kind < floor)
			missing = "the kernel refused to load it";
		else
			missing = rung_missing(f, e, r, buf, sizeof(buf));
		/* of a classic one fewer are: see features.h */
		if (!missing && rung__may_be_skipped(f, e, r) && has_classic(f, e))
			missing = "the kernel may skip runs of that";
		if (!missing) {
			c->rung = r;
			return;
		}
		if (!*c->why) /* the best one's reason is what somebody can do something about */
			snprintf(c->why, sizeof(c->why), "%s: %s", rung__name(r->kind), missing);
	}
}

size_t session__choose(const struct features *f, const struct domain *const *domains, size_t n,
		       unsigned int modes, enum rung_kind floor, struct choice **ret_choices)
{
	struct choice *c = NULL;
	size_t n_choices = 0;

	for (size_t d = 0; d < n; d++) {
		for (size_t i = 0; i < domains[d]->n_events; i++) {
			const struct event *e = &domains[d]->events[i];

			if (!(e->modes & modes) || (e->wanted && !e->wanted(f)))
				continue;
			c = xreallocarray(c, n_choices + 1, sizeof(*c));
			c[n_choices] = (struct choice){.domain = domains[d], .event = e};
			choose(f, e, floor, &c[n_choices++]);
		}
	}
	*ret_choices = c;
	return n_choices;
}
