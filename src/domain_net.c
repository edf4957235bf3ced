/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain net: packets of VMs, by interface and direction: hops, ways, waiting in the ring, drops.
 * net_nics.c knows the interfaces, net_rows.c makes rows of what was measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "cpus.h"
#include "domain.h"
#include "domain_net.h"
#include "net_findings.h"
#include "net_nics.h"
#include "net_reasons.h"
#include "net_rows.h"
#include "session.h"
#include "snapshot.h"
#include "util.h"
#include "vms.h"

static unsigned int sample_one_in = 1;
static struct net_reasons *reasons; /* of the kernel that we run on */
static bool reasons_given;	    /* by it */

void net__sample_one_in(unsigned int n)
{
	sample_one_in = n;
}

unsigned int net__sampled(void)
{
	return sample_one_in;
}

#define NET_EVENT(event, how, ...)                                                       \
	{                                                                                \
		.system = how, .name = event, .arg_type = "sk_buff", .modes = TRACE_NET, \
		.rungs = {                                                               \
			{__VA_ARGS__}                                                    \
		}                                                                        \
	}

static const struct event events[] = {
	NET_EVENT("netif_receive_skb", "net", "net__netif_receive_skb_btf", RUNG_BTF, 0, false,
		  NULL),
	NET_EVENT("net_dev_queue", "net", "net__net_dev_queue_btf", RUNG_BTF, 0, false, NULL),
	NET_EVENT("net_dev_start_xmit", "net", "net__net_dev_start_xmit_btf", RUNG_BTF, 0, false,
		  NULL),
	{
		.system = "net",
		.name = "net_dev_xmit",
		.arg_type = "net_device",
		.modes = TRACE_NET_DRIVER,
		.rungs = {{"net__net_dev_xmit_btf", RUNG_BTF, 2, false, NULL}},
	},
	{
		.system = "skb",
		.name = "skb_copy_datagram_iovec",
		.arg_type = "sk_buff",
		.modes = TRACE_NET,
		.preemptible = true,
		.rungs =
			{
				{"net__skb_copy_datagram_iovec_btf", RUNG_BTF, 0, false, NULL},
				{"net__skb_copy_datagram_iovec_tp", RUNG_TP, ARG_ANY, true, NULL},
			},
	},
	{
		.system = "skb",
		.name = "kfree_skb",
		.arg_type = "sk_buff",
		.modes = TRACE_NET,
		.preemptible = true,
		.rungs = {{"net__kfree_skb_btf", RUNG_BTF, 0, false, NULL}},
	},
};

static int configure(struct session *s, const struct features *f)
{
	int cpus = cpus__numbers(), err = 0, at;

	if (!(session__modes(s) & TRACE_NET))
		return 0;
	if (cpus < 0)
		return cpus;
	net_reasons__free(reasons);
	reasons = net_reasons__new(f);
	reasons_given = features__tp_args(f, "kfree_skb") > 2;
	err = err ?: session__resize(s, "nics", KS_NICS);
	err = err ?: session__resize(s, "flights", KS_FLIGHT_SETS);
	err = err ?: session__resize(s, "net_cpus", cpus);
	err = err ?: session__set(s, "cfg_net_driver", !!(session__modes(s) & TRACE_NET_DRIVER));
	err = err ?: session__set(s, "cfg_net_sample", sample_one_in);
	err = err ?: session__set(s, "cfg_drop_reason", reasons_given);
	err = err ?: session__set(s, "cfg_drop_unspecified", net_reasons__unspecified(reasons));
	at = features__tp_field(f, "skb", "skb_copy_datagram_iovec", "skbaddr");
	if (at >= 0)
		err = err ?: session__set(s, "cfg_copy_skb_at", at);
	return err;
}

/* --- a session's state */

struct net {
	struct net_nics *nics;
	struct session *session;
	uint8_t *busy; /* a byte a subject: is a packet under way that leads to it? */
	uint32_t n_busy;
	size_t unnumbered; /* interfaces that this interval is known to lack */
	bool dropped;	   /* its report has drops */
};

static void *open_state(const char *proc_root)
{
	struct net *net = xcalloc(1, sizeof(*net));

	net->nics = net_nics__new(proc_root);
	return net;
}

static void close_state(void *state)
{
	struct net *net = state;

	net_nics__free(net->nics);
	free(net->busy);
	free(net);
	net_reasons__free(reasons);
	reasons = NULL;
}

/* Once each in an interval, however often it is looked. */
static void lose_unnumbered(struct net *net)
{
	size_t n = net->nics->unnumbered;

	if (!net->session || n <= net->unnumbered)
		return;
	session__lose(net->session, KS_L_NICS, n - net->unnumbered);
	net->unnumbered = n;
}

static void follow(void *state, struct session *s, struct vms *vms)
{
	struct net *net = state;

	if (!(session__modes(s) & TRACE_NET))
		return;
	net->session = s;
	net_nics__follow(net->nics, s, vms);
	lose_unnumbered(net);
}

static int wake_fd(void *state)
{
	const struct net *net = state;

	return net->session ? net->nics->wake : -1;
}

static void sample(void *state, struct vms *vms)
{
	struct net *net = state;

	(void)vms;
	net_nics__sample(net->nics);
	free(net->busy); /* as of the last interval */
	net->busy = NULL;
	net->unnumbered = 0; /* the next begins */
	lose_unnumbered(net);
	net->dropped = false;
}

/*
 * Marks what packets under way lead to. Those of subjects whose VM is gone will not end any more,
 * or soon will, and are forgotten: the next time they are not there.
 */
static void find_busy(struct net *net, struct ks_flights *table)
{
	for (uint32_t i = 0; i < KS_FLIGHT_SETS * KS_FLIGHT_WAYS; i++) {
		const struct ks_flight *f = &table[i / KS_FLIGHT_WAYS].way[i % KS_FLIGHT_WAYS];

		if (!f->skb)
			continue;
		if (f->tx < net->n_busy)
			net->busy[f->tx] = 1;
		if (f->rx < net->n_busy)
			net->busy[f->rx] = 1;
	}
}

static struct ks_flights *map_flights(const struct net *net)
{
	void *p = mmap(NULL, KS_FLIGHT_SETS * sizeof(struct ks_flights), PROT_READ | PROT_WRITE,
		       MAP_SHARED, session__map(net->session, "flights"), 0);

	return p == MAP_FAILED ? NULL : p;
}

static void forget_flights(struct ks_flights *table, uint32_t subject)
{
	for (uint32_t i = 0; i < KS_FLIGHT_SETS * KS_FLIGHT_WAYS; i++) {
		struct ks_flight *f = &table[i / KS_FLIGHT_WAYS].way[i % KS_FLIGHT_WAYS];

		if (f->skb && (f->tx == subject || f->rx == subject))
			f->skb = 0;
	}
}

static bool busy(void *state, uint32_t subject)
{
	struct net *net = state;
	struct ks_flights *table = NULL;
	bool is;

	if (!net->session)
		return false;
	if (!net->busy) {
		net->n_busy = session__array(net->session, ARRAY_SUBJECTS)->entries;
		net->busy = xcalloc(net->n_busy, 1);
		table = map_flights(net);
		if (table)
			find_busy(net, table);
	}
	is = subject < net->n_busy && net->busy[subject];
	if (is && !table)
		table = map_flights(net);
	if (is && table)
		forget_flights(table, subject);
	if (table)
		munmap(table, KS_FLIGHT_SETS * sizeof(*table));
	return is;
}

/*
 * With the interface that it was measured at: nothing leads to it any more. Of what died, where it
 * died and where to are looked up each time, and not remembered as ways are.
 */
static bool over(void *state, const struct ks_subject *who)
{
	const struct net *net = state;
	uint8_t kind = KS_NET_KIND(who->object);

	if (net_nics__is_over(net->nics, KS_NET_PART(who->part) >> 1))
		return true;
	return (kind == KS_NET_DROP || kind == KS_NET_DROP_AT) &&
	       (net_nics__is_over(net->nics, KS_NET_NIC(who->object)) ||
		net_nics__is_over(net->nics, KS_NET_TOWARD(who->part)));
}

/* Is a process stopped, by a signal or a debugger? */
static bool is_stopped(const struct net *net, pid_t pid)
{
	char *path = xasprintf("%s/%d/stat", net->nics->proc_root, (int)pid), line[512];
	FILE *f = fopen(path, "re");
	const char *end;
	size_t n = 0;

	free(path);
	if (f) {
		n = fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
	}
	line[n] = '\0';
	end = strrchr(line, ')');
	return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

static bool has_drops(const struct row *row)
{
	const struct rows *nics = row__get_rows(row, "nics");

	for (size_t i = 0; i < nics->n; i++)
		if (row__get_rows(nics->row[i], "drops")->n)
			return true;
	return false;
}

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	struct net *net = ctx->state;

	row__list(row, "nics");
	if (vm->vm->number && reasons)
		net_rows__vm(ctx->delta, net->nics, reasons, vm->vm, row);
	net->dropped |= has_drops(row);
	net_findings__add(row, is_stopped(net, vm->vm->pid), ctx->delta->elapsed_ns);
}

static void report_host(const struct report_ctx *ctx, struct row *row)
{
	struct net *net = ctx->state;

	row__list(row, "nics");
	if (reasons)
		net_rows__host(ctx->delta, net->nics, reasons, row);
	net->dropped |= has_drops(row);
	net_findings__add_host(row);
}

/* What it could not do, for people; names are from outside: the sink escapes them. */
static const char *note(const struct report_ctx *ctx)
{
	static char text[1024];
	const struct net *net = ctx->state;
	int n = 0;

	if (sample_one_in > 1)
		n += snprintf(text + n, sizeof(text) - n,
			      "one packet in %u was followed: times are of those, and how many "
			      "waited in queues and rings is not known; other counts are of all "
			      "packets",
			      sample_one_in);
	if (net->dropped && !reasons_given)
		n += snprintf(text + n, sizeof(text) - n,
			      "%sthis kernel does not tell why packets are dropped: the function "
			      "that did it stands for the reason",
			      n ? "; " : "");
	if (net->nics->unnumbered)
		n += snprintf(text + n, sizeof(text) - n,
			      "%s%zu interfaces are more than the %d that can be told apart: no "
			      "packets are seen there",
			      n ? "; " : "", net->nics->unnumbered, KS_NICS - 1);
	if (net->nics->lost)
		n += snprintf(text + n, sizeof(text) - n,
			      "%snot in this report, for no network namespace has it, or more than "
			      "one may: %.400s",
			      n ? "; " : "", net->nics->lost);
	return n ? text : NULL;
}

static const struct export exports[] = {
	{
		.list = "nics",
		.field = "packets",
		.info = &counter_infos[KS_C_NET_PACKETS],
		.label = {LABEL("nic", "name"), FIXED_LABEL("direction", "direction")},
	},
	{
		.list = "nics",
		.field = "bytes",
		.info = &counter_infos[KS_C_NET_BYTES],
		.label = {LABEL("nic", "name"), FIXED_LABEL("direction", "direction")},
	},
	{
		.list = "nics.hops",
		.field = "latency",
		.info = &metric_infos[KS_M_NET_HOP],
		.label = {LABEL("nic", "name"), FIXED_LABEL("direction", "direction"),
			  LABEL("from", "from"), LABEL("to", "to")},
	},
	{
		.list = "nics",
		.field = "ring_wait",
		.info = &metric_infos[KS_M_NET_RING_WAIT],
		.label = {LABEL("nic", "name"), FIXED_LABEL("direction", "direction")},
	},
	{
		.list = "nics.drops",
		.field = "count",
		.info = &(const struct metric_info){"net_drops", "none", 1, "Packets that died."},
		.label = {LABEL("nic", "name"), FIXED_LABEL("direction", "direction"),
			  LABEL("at", "at"), LABEL("reason", "reason")},
	},
};

/* Counts are of all packets; how long one takes is measured on one of so many. */
static const struct level levels[] = {
	{"1 in 16", LEVEL_ALL, TRACE_NET, "cfg_net_sample", 16},
	{"1 in 256", LEVEL_SAMPLING, TRACE_NET, "cfg_net_sample", 256},
};

DOMAIN(domain_net) = {
	.name = "net",
	DOMAIN_TABLES,
	.subjects = KS_D_NET,
	.configure = configure,
	.open = open_state,
	.sample = sample,
	.close = close_state,
	.follow = follow,
	.fd = wake_fd,
	.busy = busy,
	.over = over,
	.report = report,
	.report_host = report_host,
	.note = note,
};
