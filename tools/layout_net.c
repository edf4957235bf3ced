/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Screens of packets: see layout_net.h. */
#include <stdlib.h>
#include <string.h>
#include "domain_net.h"
#include "layout.h"
#include "layout_net.h"
#include "util.h"

#define NAME_COLUMNS 28

static bool is_rx(const struct row *nic)
{
	return !strcmp(row__get_text(nic, "direction"), "rx");
}

/* "vnet0 -> eth0": through a bridge, routing, a link; "eth0 queue"; "eth0 driver". */
static const char *hop_name(struct text *t, const struct row *hop)
{
	const char *stage = row__get_text(hop, "stage");
	const char *from = text__safe(t, row__get_text(hop, "from"), 16);

	if (strcmp(stage, "forward"))
		return text__format(t, "%s %s", from, stage);
	return text__format(t, "%s %s %s", from, text__opts(t)->unicode ? "→" : "->",
			    text__safe(t, row__get_text(hop, "to"), 16));
}

static void hop_line(struct text *t, const char *name, const char *packets,
		     const struct histogram *h)
{
	static const double q[] = {0.5, 0.99, 0.999};

	text__cell(t, name);
	text__cell(t, packets);
	layout__percentiles(t, h, q, ARRAY_SIZE(q));
}

/* A hop's packets; NULL: only those that were followed were counted. */
static const char *counted(struct text *t, const struct row *hop)
{
	return row__field(hop, "packets")->kind == FIELD_NULL
		       ? NULL
		       : text__exact(t, row__get_u64(hop, "packets"));
}

static void hops(struct text *t, const struct row *nic)
{
	const struct rows *list = row__get_rows(nic, "hops");
	const struct histogram *ring = row__get_hist(nic, "ring_wait");

	text__table(t, 2);
	text__column(t, "hop", TEXT_LEFT, 0);
	text__column(t, "packets", TEXT_RIGHT, 0);
	text__column(t, "p50", TEXT_RIGHT, 0);
	text__column(t, "p99", TEXT_RIGHT, 0);
	text__column(t, "p99.9", TEXT_RIGHT, 1);
	text__column(t, "max", TEXT_RIGHT, 0);
	for (size_t i = 0; i < list->n; i++)
		hop_line(t, hop_name(t, list->row[i]), counted(t, list->row[i]),
			 row__get_hist(list->row[i], "latency"));
	if (ring && ring->count)
		hop_line(t,
			 text__format(t, "%s ring", text__name(t, row__get_text(nic, "name"), 16)),
			 net__sampled() == 1 ? text__exact(t, ring->count) : NULL, ring);
	text__table_end(t);
}

static void histograms(struct text *t, const char *vm, const struct row *nic)
{
	const struct rows *list = row__get_rows(nic, "hops");
	const struct histogram *ring = row__get_hist(nic, "ring_wait");

	for (size_t i = 0; i < list->n; i++) {
		const struct histogram *h = row__get_hist(list->row[i], "latency");

		if (!h->count)
			continue;
		text__blank(t);
		text__histogram(t,
				text__format(t, "%s   %s", text__name(t, vm, NAME_COLUMNS),
					     hop_name(t, list->row[i])),
				h, 'n');
	}
	if (!ring || !ring->count)
		return;
	text__blank(t);
	text__histogram(t,
			text__format(t, "%s   %s ring", text__name(t, vm, NAME_COLUMNS),
				     text__name(t, row__get_text(nic, "name"), 16)),
			ring, 'n');
}

/* What drivers have refused; with --driver. */
static void requeues(struct text *t, const struct row *nic)
{
	const struct rows *list = row__get_rows(nic, "hops");

	for (size_t i = 0; i < list->n; i++) {
		uint64_t n = row__field(list->row[i], "requeues")
				     ? row__get_u64(list->row[i], "requeues")
				     : 0;

		if (n)
			text__line(t, "  %s refused a packet %s time%s, which was queued again",
				   hop_name(t, list->row[i]), text__exact(t, n), n == 1 ? "" : "s");
	}
}

/* All ways, where there is more than one or it does not just lead on. */
static void ways(struct text *t, const struct row *nic)
{
	const struct rows *list = row__get_rows(nic, "ways");
	uint64_t all = 0;

	for (size_t i = 0; i < list->n; i++)
		all += row__get_u64(list->row[i], "packets");
	if (list->n < 2 && !(list->n && strchr(row__get_text(list->row[0], "way"), '(')))
		return;
	text__table(t, 2);
	text__column(t, "way", TEXT_LEFT, 0);
	text__column(t, "packets", TEXT_RIGHT, 0);
	text__column(t, "share", TEXT_RIGHT, 0);
	for (size_t i = 0; i < list->n; i++) {
		uint64_t n = row__get_u64(list->row[i], "packets");

		text__cell(t, text__safe(t, row__get_text(list->row[i], "way"), 60));
		text__cell(t, text__exact(t, n));
		text__cell(t, text__percent(t, (double)n / all));
	}
	text__table_end(t);
}

/* "eth0 queue"; "virbr0 -> eth0": there, and where it would have gone. */
static const char *place_of(struct text *t, const struct row *drop)
{
	const char *at = text__safe(t, row__get_text(drop, "at"), 16);
	const char *stage = row__get_text(drop, "stage"), *to = row__get_text(drop, "toward");

	if (strcmp(stage, "received"))
		return text__format(t, "%s %s", at, stage);
	return to ? text__format(t, "%s %s %s", at, text__opts(t)->unicode ? "→" : "->",
				 text__safe(t, to, 16))
		  : at;
}

static void drops(struct text *t, const struct row *nic, uint64_t elapsed_ns)
{
	const struct rows *list = row__get_rows(nic, "drops");

	text__table(t, 2);
	text__column(t, "dropped at", TEXT_LEFT, 0);
	text__column(t, "reason", TEXT_LEFT, 0);
	text__column(t, "packets", TEXT_RIGHT, 0);
	text__column(t, "/s", TEXT_RIGHT, 0);
	for (size_t i = 0; i < list->n; i++) {
		const struct row *d = list->row[i];
		uint64_t count = row__get_u64(d, "count"), copies = row__get_u64(d, "copies");

		text__cell(t, place_of(t, d));
		text__cell(t, text__format(t, "%s%s", text__safe(t, row__get_text(d, "reason"), 40),
					   copies == count ? " (copies)"
					   : copies	   ? " (some of copies)"
							   : ""));
		text__cell_color(t, text__exact(t, count), TEXT_RED);
		text__cell(t, text__rate(t, count, elapsed_ns));
	}
	text__table_end(t);
}

/* What the interface itself has counted, where that is something else, and what waits in its ring.
 */
static void device(struct text *t, const struct row *nic)
{
	uint64_t ours = row__get_u64(nic, "packets"), theirs = row__get_u64(nic, "device_packets");
	uint64_t dropped = row__get_u64(nic, "device_dropped"),
		 waits = row__get_u64(nic, "in_ring");
	uint64_t apart = ours > theirs ? ours - theirs : theirs - ours;
	uint64_t errors = row__get_u64(nic, "device_errors");

	if (!row__field(nic, "device_packets"))
		return;
	if (waits > ours / 1000)
		text__line(t, "  %s packet%s %s in its ring when the interval ended",
			   text__exact(t, waits), waits == 1 ? "" : "s",
			   waits == 1 ? "was" : "were");
	if ((apart > ours / 1000 && apart != waits) || dropped)
		text__line(t,
			   "  the interface itself has counted %s packet%s, %s dropped and %s "
			   "error%s",
			   text__exact(t, theirs), theirs == 1 ? "" : "s", text__exact(t, dropped),
			   text__exact(t, errors), errors == 1 ? "" : "s");
}

bool layout__net_vm(struct text *t, const struct row *vm, uint64_t elapsed_ns)
{
	const struct rows *nics = row__get_rows(vm, "nics");
	bool host = !row__get_u64(vm, "pid"), any = false;

	for (size_t i = 0; i < nics->n; i++) {
		const struct row *nic = nics->row[i];
		uint64_t packets = row__get_u64(nic, "packets");
		uint64_t multi = row__get_u64(nic, "multicast"),
			 broad = row__get_u64(nic, "broadcast");
		uint64_t segments = row__get_u64(nic, "segments");

		if (host) {
			if (!row__get_rows(nic, "drops")->n)
				continue;
			any = true;
			text__colored(t, TEXT_BOLD,
				      "%s   received by %s, and died before it was known for whom",
				      row__get_text(vm, "name"),
				      text__name(t, row__get_text(nic, "name"), 16));
			drops(t, nic, elapsed_ns);
			continue;
		}
		any = true;
		text__colored(
			t, TEXT_BOLD, "%s   %s   guest %s   %s packet%s   %s/s   %s/s%s%s%s",
			text__name(t, row__get_text(vm, "name"), NAME_COLUMNS),
			text__name(t, row__get_text(nic, "name"), 16), is_rx(nic) ? "RX" : "TX",
			text__exact(t, packets), packets == 1 ? "" : "s",
			text__rate(t, packets, elapsed_ns),
			text__byte_rate(t, row__get_u64(nic, "bytes"), elapsed_ns),
			broad ? text__format(t, "   broadcast %s", text__exact(t, broad)) : "",
			multi ? text__format(t, "   multicast %s", text__exact(t, multi)) : "",
			segments > packets
				? text__format(t, "   segments %s", text__exact(t, segments))
				: "");
		hops(t, nic);
		requeues(t, nic);
		ways(t, nic);
		drops(t, nic, elapsed_ns);
		device(t, nic);
		if (text__opts(t)->histograms)
			histograms(t, row__get_text(vm, "name"), nic);
	}
	return any;
}

void layout__findings(struct text *t, const struct row *vm)
{
	const struct rows *list = row__get_rows(vm, "findings");

	for (size_t i = 0; i < list->n; i++)
		text__colored(t, TEXT_YELLOW, "! %s: %s",
			      text__name(t, row__get_text(vm, "name"), NAME_COLUMNS),
			      text__safe(t, row__get_text(list->row[i], "text"), 300));
}

/* --- one line an interface */

/* "eth0 queue p99 7.70 ms": the hop, or the ring, that the slowest hundredth waits for most. */
static const char *slowest(struct text *t, const struct row *nic)
{
	const struct rows *list = row__get_rows(nic, "hops");
	const struct histogram *ring = row__get_hist(nic, "ring_wait");
	uint64_t most = ring && ring->count ? histogram__percentile(ring, 0.99) : 0;
	const char *name = most ? "ring_wait" : NULL;

	for (size_t i = 0; i < list->n; i++) {
		const struct histogram *h = row__get_hist(list->row[i], "latency");
		uint64_t p99 = h->count ? histogram__percentile(h, 0.99) : 0;

		if (p99 <= most)
			continue;
		most = p99;
		name = hop_name(t, list->row[i]);
	}
	return name ? text__format(t, "%s p99 %s", name, text__ns(t, most)) : NULL;
}

static const char *worst_drop(struct text *t, const struct row *nic, uint64_t elapsed_ns)
{
	const struct rows *list = row__get_rows(nic, "drops");
	const struct row *worst = NULL;

	for (size_t i = 0; i < list->n; i++)
		if (!worst || row__get_u64(list->row[i], "count") > row__get_u64(worst, "count"))
			worst = list->row[i];
	return worst ? text__format(t, "%s %s",
				    text__rate(t, row__get_u64(worst, "count"), elapsed_ns),
				    text__safe(t, row__get_text(worst, "reason"), 24))
		     : NULL;
}

/* Of the host's interfaces not all is. */
static bool is_counted(const struct row *nic, const char *field)
{
	const struct field *f = row__field(nic, field);

	return f && f->kind == FIELD_INT;
}

static bool has_packets(const struct rows *vms)
{
	for (size_t i = 0; i < vms->n; i++) {
		const struct rows *nics = row__get_rows(vms->row[i], "nics");

		for (size_t k = 0; k < nics->n && row__get_u64(vms->row[i], "pid"); k++)
			if (row__get_u64(nics->row[k], "packets"))
				return true;
	}
	return false;
}

void layout__net_summary(struct text *t, const struct rows *vms, uint64_t elapsed_ns)
{
	if (!has_packets(vms))
		return;
	text__blank(t);
	text__table(t, 0);
	text__column(t, "NET", TEXT_NAME, 0);
	text__column(t, "nic", TEXT_NAME, 0);
	text__column(t, "dir", TEXT_LEFT, 0);
	text__column(t, "pkt/s", TEXT_RIGHT, 0);
	text__column(t, "bytes/s", TEXT_RIGHT, 1);
	text__column(t, "slowest hop", TEXT_LEFT, 0);
	text__column(t, "drops/s", TEXT_LEFT, 0);
	for (size_t i = 0; i < vms->n; i++) {
		const struct rows *nics = row__get_rows(vms->row[i], "nics");

		for (size_t k = 0; k < nics->n; k++) {
			const struct row *nic = nics->row[k];
			bool is_vm = row__get_u64(vms->row[i], "pid");

			if (!(is_vm && row__get_u64(nic, "packets")) &&
			    !row__get_rows(nic, "drops")->n)
				continue;
			text__cell(t, row__get_text(vms->row[i], "name"));
			text__cell(t, row__get_text(nic, "name"));
			text__cell(t, row__get_text(nic, "direction"));
			text__cell(t,
				   is_counted(nic, "packets")
					   ? text__rate(t, row__get_u64(nic, "packets"), elapsed_ns)
					   : NULL);
			text__cell(t, is_counted(nic, "bytes")
					      ? text__byte_rate(t, row__get_u64(nic, "bytes"),
								elapsed_ns)
					      : NULL);
			text__cell(t, slowest(t, nic));
			text__cell_color(t, worst_drop(t, nic, elapsed_ns), TEXT_RED);
		}
	}
	text__table_end(t);
}
