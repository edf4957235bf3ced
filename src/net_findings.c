/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The common questions, answered: see net_findings.h. */
#include <stdlib.h>
#include <string.h>
#include "net_findings.h"
#include "util.h"

/* One direction only is no finding for a handful of packets. */
#define ONE_WAY_LEAST 10

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

/* Requests that nobody answered: tx what was asked, rx what came back. */
static void unanswered(struct row *vm, const struct row *tx, const struct row *rx)
{
	const char *name = row__get_text(tx, "name");
	uint64_t arp = row__get_u64(tx, "arp_requests"), dhcp = row__get_u64(tx, "dhcp_requests");
	uint64_t replies = row__get_u64(rx, "dhcp_replies");
	const struct histogram *ring = row__get_hist(rx, "ring_wait");

	if (arp && !row__get_u64(rx, "arp_replies"))
		add(vm, "arp_unanswered", tx, arp,
		    xasprintf("%llu ARP request%s left %s, and no answer came to it",
			      (unsigned long long)arp, plural(arp), name));
	if (dhcp && !replies)
		add(vm, "dhcp_unanswered", tx, dhcp,
		    xasprintf("%llu DHCP message%s left %s, and no reply came to it",
			      (unsigned long long)dhcp, plural(dhcp), name));
	else if (dhcp && ring && !ring->count)
		add(vm, "dhcp_not_taken", tx, replies,
		    xasprintf("DHCP replies came to %s, but the VMM took nothing out of its ring",
			      name));
}

static void one_direction(struct row *vm, const struct row *tx, const struct row *rx)
{
	uint64_t sent = row__get_u64(tx, "packets"), got = row__get_u64(rx, "packets");
	const char *name = row__get_text(tx, "name");

	if (sent >= ONE_WAY_LEAST && !got)
		add(vm, "sends_only", tx, sent,
		    xasprintf("the guest sends by %s, and nothing is sent to it", name));
	else if (got >= ONE_WAY_LEAST && !sent)
		add(vm, "receives_only", tx, got,
		    xasprintf("packets are sent to the guest by %s, and it sends none", name));
}

static void not_forwarded(struct row *vm, const struct row *tx)
{
	const struct rows *ways = row__get_rows(tx, "ways"), *drops = row__get_rows(tx, "drops");
	uint64_t all = row__get_u64(tx, "packets"), n = 0;
	const char *name = row__get_text(tx, "name");

	for (size_t i = 0; i < ways->n; i++)
		if (strstr(row__get_text(ways->row[i], "way"), "(nowhere)"))
			n += row__get_u64(ways->row[i], "packets");
	for (size_t i = 0; i < drops->n; i++)
		if (!strcmp(row__get_text(drops->row[i], "stage"), "received") &&
		    !strcmp(row__get_text(drops->row[i], "at"), name))
			n += row__get_u64(drops->row[i], "count");
	if (n && n <= all)
		add(vm, "not_forwarded", tx, n,
		    xasprintf("%llu of the %llu packets seen on %s were never forwarded",
			      (unsigned long long)n, (unsigned long long)all, name));
}

static void checksum_or_mtu(struct row *vm, const struct row *nic)
{
	static const char *const mtu[] = {"PKT_TOO_BIG", "br_dev_queue_push_xmit", "__br_forward",
					  "ip_forward", "ip6_forward"};
	const struct rows *drops = row__get_rows(nic, "drops");

	for (size_t i = 0; i < drops->n; i++) {
		const char *reason = row__get_text(drops->row[i], "reason");
		const char *at = row__get_text(drops->row[i], "at");
		uint64_t n = row__get_u64(drops->row[i], "count");

		if (strstr(reason, "CSUM") || !strcmp(reason, "IP_INHDR"))
			add(vm, "bad_checksum", nic, n,
			    xasprintf("%llu packet%s died at %s of a wrong checksum or header (%s)",
				      (unsigned long long)n, plural(n), at, reason));
		for (size_t k = 0; k < ARRAY_SIZE(mtu); k++)
			if (!strcmp(reason, mtu[k]))
				add(vm, "too_big", nic, n,
				    xasprintf("%llu packet%s died at %s, probably longer than the "
					      "MTU of the next interface (%s)",
					      (unsigned long long)n, plural(n), at, reason));
	}
}

/* What those do who should take packets out of the ring. */
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
	return xstrdup("its VMM, or vhost, does not take them fast enough");
}

static void ring_full(struct row *vm, const struct row *rx, bool stopped, uint64_t elapsed_ns)
{
	const struct rows *drops = row__get_rows(rx, "drops");
	uint64_t n = 0;
	char *why;

	for (size_t i = 0; i < drops->n; i++)
		if (!strcmp(row__get_text(drops->row[i], "stage"), "ring"))
			n += row__get_u64(drops->row[i], "count");
	if (!n)
		return;
	why = why_full(vm, stopped, elapsed_ns);
	add(vm, "ring_full", rx, n,
	    xasprintf("%llu packet%s died in %s's full ring: %s", (unsigned long long)n, plural(n),
		      row__get_text(rx, "name"), why));
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
		unanswered(vm, tx, rx);
		one_direction(vm, tx, rx);
		not_forwarded(vm, tx);
		checksum_or_mtu(vm, tx);
		checksum_or_mtu(vm, rx);
		ring_full(vm, rx, stopped, elapsed_ns);
	}
}
