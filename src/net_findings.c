/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The common questions, answered: see net_findings.h. */
#include <stdlib.h>
#include <string.h>
#include "net_findings.h"
#include "util.h"

#define MISSING_LEAST 10

static void add(struct row *vm, const char *finding, const struct row *nic, uint64_t count,
		char *text)
{
	struct row *r = row__add(vm, "findings");

	row__text(r, "finding", finding);
	row__text(r, "nic", row__get_text(nic, "name"));
	row__u64(r, "count", count);
	row__text(r, "text", text);
	free(text);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Requests that nobody answered in time (net_memory.c): tx what was asked, rx what came back. */
static void unanswered(struct row *vm, const struct row *tx, const struct row *rx)
{
	const char *name = row__get_text(tx, "name");
	uint64_t arp = row__get_u64(tx, "arp_unanswered");
	uint64_t dhcp = row__get_u64(tx, "dhcp_unanswered");
	uint64_t replies = row__get_u64(rx, "dhcp_replies");

	if (arp)
		add(vm, "arp_unanswered", tx, arp,
		    xasprintf("%llu ARP request%s left %s, and no answer came to it",
			      (unsigned long long)arp, plural(arp), name));
	if (dhcp && row__get_u64(tx, "dhcp_replies_lost"))
		add(vm, "dhcp_reply_lost", tx, dhcp,
		    xasprintf(
			    "%llu DHCP message%s left %s; the host sent a reply by %s, but it did "
			    "not come to %s",
			    (unsigned long long)dhcp, plural(dhcp), name,
			    row__get_text(tx, "bridge"), name));
	else if (dhcp)
		add(vm, "dhcp_unanswered", tx, dhcp,
		    xasprintf("%llu DHCP message%s left %s, and no reply came to it",
			      (unsigned long long)dhcp, plural(dhcp), name));
	if (replies && row__get_u64(rx, "in_ring") >= replies &&
	    !row__get_u64(rx, "device_packets"))
		add(vm, "dhcp_not_taken", tx, replies,
		    xasprintf(
			    "%llu DHCP repl%s came to %s, but the VMM took nothing out of its ring",
			    (unsigned long long)replies, replies == 1 ? "y" : "ies", name));
}

/* Where most of a guest's packets were last, if that is an interface: NULL: they went nowhere. */
static const char *last_place(const struct row *tx)
{
	const struct rows *ways = row__get_rows(tx, "ways");
	const char *way = NULL, *last;
	uint64_t most = 0;

	for (size_t i = 0; i < ways->n; i++) {
		if (row__get_u64(ways->row[i], "packets") <= most)
			continue;
		most = row__get_u64(ways->row[i], "packets");
		way = row__get_text(ways->row[i], "way");
	}
	last = way ? strrchr(way, ' ') : NULL;
	return last && last[strlen(last) - 1] != ')' ? last + 1 : NULL;
}

static void one_direction(struct row *vm, const struct row *tx, const struct row *rx)
{
	uint64_t sent = row__get_u64(tx, "packets"), got = row__get_u64(rx, "packets");
	const char *name = row__get_text(tx, "name"), *last = last_place(tx);

	if (row__get_bool(tx, "one_way") && last)
		add(vm, "sends_only", tx, sent,
		    xasprintf("what the guest sends by %s leaves by %s, and nothing comes back",
			      name, last));
	else if (row__get_bool(rx, "one_way") && !row__get_u64(rx, "in_ring")) /* told already */
		add(vm, "receives_only", tx, got,
		    xasprintf("packets are sent to the guest by %s, and it sends none", name));
}

/* What packets die of that somebody can do something about; where there are no reasons: functions.
 */
static const struct cause {
	const char *finding;
	const char *what; /* "3 packets died at eth0: WHAT" */
	const char *reasons[9];
} causes[] = {
	{"filtered",
	 "netfilter dropped them: a rule of nft, iptables or ebtables",
	 {"NETFILTER_DROP", "NETFILTER_INGRESS", "nf_hook_slow", "nf_hook_slow_list"}},
	{"dropped_by_program",
	 "a program, of tc or XDP or a socket's filter, dropped them",
	 {"TC_INGRESS", "TC_EGRESS", "XDP", "BPF_CGROUP_EGRESS", "TAP_FILTER", "TAP_TXFILTER",
	  "SOCKET_FILTER"}},
	{"bad_checksum",
	 "a wrong checksum, or a header that is none",
	 {"IP_CSUM", "TCP_CSUM", "UDP_CSUM", "ICMP_CSUM", "SKB_CSUM", "IP_INHDR", "ip_rcv_core",
	  "ip6_rcv_core"}},
	{"too_big",
	 "probably longer than the MTU of the next interface",
	 {"PKT_TOO_BIG", "br_dev_queue_push_xmit", "__br_forward", "ip_forward", "ip6_forward"}},
	{"no_route",
	 "the host has no route for them, or does not forward",
	 {"IP_INNOROUTES", "IP_OUTNOROUTES", "IPV6_NOROUTE", "ip_error", "ip6_pkt_drop"}},
	{"reverse_path",
	 "the way back would be another one (sysctl rp_filter)",
	 {"IP_RPFILTER", "fib_validate_source"}},
	{"no_neighbour",
	 "nobody answers to ARP for the next host on their way",
	 {"NEIGH_FAILED", "NEIGH_QUEUEFULL", "NEIGH_DEAD", "NEIGH_CREATEFAIL", "neigh_invalidate",
	  "arp_error_report", "__neigh_event_send", "ndisc_error_report"}},
};

static const struct cause *cause_of(const struct row *drop)
{
	static const struct cause queue_full = {
		.finding = "queue_full",
		.what = "its queue (qdisc) was full, or is limited",
	};
	const char *reason = row__get_text(drop, "reason");

	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(causes[i].reasons) && causes[i].reasons[k]; k++)
			if (!strcmp(reason, causes[i].reasons[k]))
				return &causes[i];
	return strcmp(row__get_text(drop, "stage"), "queue") ? NULL : &queue_full;
}

static void died(struct row *vm, const struct row *nic)
{
	const struct rows *drops = row__get_rows(nic, "drops");

	for (size_t i = 0; i < drops->n; i++) {
		const struct cause *cause = cause_of(drops->row[i]);
		uint64_t n = row__get_u64(drops->row[i], "count") -
			     row__get_u64(drops->row[i], "copies");
		const char *to = row__get_text(drops->row[i], "toward");

		if (cause && n)
			add(vm, cause->finding, nic, n,
			    xasprintf("%llu packet%s died at %s%s%s: %s (%s)",
				      (unsigned long long)n, plural(n),
				      row__get_text(drops->row[i], "at"),
				      to ? ", on the way to " : "", to ?: "", cause->what,
				      row__get_text(drops->row[i], "reason")));
	}
}

/* Seen on the tap and nowhere else, and nothing above tells why. */
static void not_forwarded(struct row *vm, const struct row *tx)
{
	const struct rows *ways = row__get_rows(tx, "ways"), *drops = row__get_rows(tx, "drops");
	uint64_t all = row__get_u64(tx, "packets"), n = 0, most = 0;
	const char *name = row__get_text(tx, "name"), *where = NULL;

	for (size_t i = 0; i < ways->n; i++)
		if (strstr(row__get_text(ways->row[i], "way"), "(nowhere)"))
			n += row__get_u64(ways->row[i], "packets");
	for (size_t i = 0; i < drops->n; i++) {
		const struct row *drop = drops->row[i];
		uint64_t count = row__get_u64(drop, "count") - row__get_u64(drop, "copies");

		if (strcmp(row__get_text(drop, "stage"), "received") ||
		    strcmp(row__get_text(drop, "at"), name) || cause_of(drop))
			continue;
		n += count;
		if (count > most) {
			most = count;
			where = row__get_text(drop, "reason");
		}
	}
	if (n && n <= all)
		add(vm, "not_forwarded", tx, n,
		    xasprintf("%llu of the %llu packet%s seen on %s %s never forwarded%s%s%s",
			      (unsigned long long)n, (unsigned long long)all, plural(all), name,
			      n == 1 ? "was" : "were", where ? " (" : "", where ?: "",
			      where ? ")" : ""));
}

/* What those do who should take packets out of the ring; NULL where nothing tells. */
static char *why_full(const struct row *vm, bool stopped, uint64_t elapsed_ns)
{
	const struct rows *threads = row__get_rows(vm, "threads"),
			  *vcpus = row__get_rows(vm, "vcpus");
	const struct row *worker = NULL;
	uint64_t halted = 0, all = 0;
	double share;

	if (stopped)
		return xstrdup("its VMM is stopped");
	for (size_t i = 0; i < threads->n; i++) {
		const char *group = row__get_text(threads->row[i], "group");

		if (!strcmp(group, "vhost") ||
		    (!worker && (!strcmp(group, "iothread") || !strcmp(group, "emulator"))))
			worker = threads->row[i];
	}
	if (worker && elapsed_ns) {
		share = 100.0 * row__get_u64(worker, "steal_ns") / elapsed_ns;
		if (share >= 1)
			return xasprintf("its %s threads wait for a CPU %.0f %% of the time",
					 row__get_text(worker, "group"), share);
	}
	for (size_t i = 0; i < vcpus->n; i++) {
		const uint64_t *split = row__get_split(vcpus->row[i], "split_ns");

		for (int s = 0; split && s < KS_STATES; s++)
			all += split[s];
		halted += split ? split[KS_HALTED] : 0;
	}
	if (all && halted > all * 9 / 10)
		return xasprintf("its vCPUs were halted %.0f %% of the time", 100.0 * halted / all);
	return NULL;
}

/* Packets are in the tap's ring, since this interval or an earlier one, and there they stay. */
static void not_taken(struct row *vm, const struct row *rx, bool stopped, uint64_t elapsed_ns)
{
	uint64_t n = row__get_u64(rx, "in_ring");
	char *why;

	if (!n || row__get_u64(rx, "device_packets"))
		return;
	why = why_full(vm, stopped, elapsed_ns);
	add(vm, "not_taken", rx, n,
	    xasprintf("%llu packet%s wait%s in %s's ring, and none was taken out: %s",
		      (unsigned long long)n, plural(n), n == 1 ? "s" : "",
		      row__get_text(rx, "name"), why ?: "its VMM, or vhost, does not take them"));
	free(why);
}

/*
 * Surely full by the kernel's own word only: before v5.18 (4b4f052e2d89) it has none for rings, and
 * what a filter keeps from a guest dies in the same function.
 */
static void ring_full(struct row *vm, const struct row *rx, bool stopped, uint64_t elapsed_ns)
{
	const struct rows *drops = row__get_rows(rx, "drops");
	const char *name = row__get_text(rx, "name"), *other = NULL;
	uint64_t n = 0;
	char *why;

	for (size_t i = 0; i < drops->n; i++) {
		const char *reason = row__get_text(drops->row[i], "reason");

		if (strcmp(row__get_text(drops->row[i], "stage"), "ring") ||
		    cause_of(drops->row[i]))
			continue;
		n += row__get_u64(drops->row[i], "count");
		if (strcmp(reason, "FULL_RING"))
			other = reason;
	}
	if (!n)
		return;
	why = why_full(vm, stopped, elapsed_ns);
	if (other)
		add(vm, "ring_full", rx, n,
		    xasprintf("%llu packet%s died at %s's ring (%s): it was full, or a filter "
			      "there kept them out%s%s",
			      (unsigned long long)n, plural(n), name, other, why ? "; " : "",
			      why ?: ""));
	else
		add(vm, "ring_full", rx, n,
		    xasprintf("%llu packet%s died in %s's full ring: %s", (unsigned long long)n,
			      plural(n), name,
			      why ?: "its VMM, or vhost, does not take them fast enough"));
	free(why);
}

void net_findings__add(struct row *vm, bool stopped, uint64_t elapsed_ns)
{
	const struct rows *nics = row__get_rows(vm, "nics");
	/* the rows that are added to are another list: these stay where they are */
	struct row **row = nics->row;
	size_t n = nics->n;

	row__list(vm, "findings");
	for (size_t i = 0; i + 1 < n; i++) {
		const struct row *tx = row[i], *rx = row[i + 1];

		if (strcmp(row__get_text(tx, "direction"), "tx") ||
		    strcmp(row__get_text(rx, "direction"), "rx"))
			continue;
		died(vm, tx);
		died(vm, rx);
		ring_full(vm, rx, stopped, elapsed_ns);
		not_taken(vm, rx, stopped, elapsed_ns);
		not_forwarded(vm, tx);
		unanswered(vm, tx, rx);
		one_direction(vm, tx, rx);
	}
}

void net_findings__add_host(struct row *host)
{
	const struct rows *nics = row__get_rows(host, "nics");
	struct row **row = nics->row;
	size_t n = nics->n;

	row__list(host, "findings");
	for (size_t i = 0; i < n; i++) {
		uint64_t theirs = row__get_u64(row[i], "device_packets");
		uint64_t ours = row__get_u64(row[i], "segments");
		uint64_t missing = theirs > ours ? theirs - ours : 0;

		died(host, row[i]);
		/* both are read at about the same time, and what is under way then is no loss */
		if (missing >= MISSING_LEAST && missing >= theirs / 100)
			add(host, "not_seen", row[i], missing,
			    xasprintf("%llu of the %llu packets that %s received never came up to "
				      "the stack: an XDP program, or its driver, took them",
				      (unsigned long long)missing, (unsigned long long)theirs,
				      row__get_text(row[i], "name")));
	}
}
