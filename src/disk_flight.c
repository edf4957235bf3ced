/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walks the tables of what is in flight. Nobody stops for it: what changes meanwhile is left out.
 */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include "disk_flight.h"
#include "util.h"

struct flights {
	struct disk_flight *list;
	size_t n;
};

static void add(const struct flights *to, uint32_t whose, uint64_t since, uint64_t now, bool waits)
{
	uint32_t number = KS_WHOSE_OP(whose), disk = KS_WHOSE_DISK(whose);
	struct disk_flight *f;

	if (!number || number >= to->n)
		return;
	/* its end counts the disk's depth down: depth_drop() */
	if (disk < to->n)
		to->list[disk].requests++;
	f = &to->list[number];
	f->requests += !waits;
	f->waiting += waits;
	if (now > since && now - since > f->oldest_ns)
		f->oldest_ns = now - since;
}

/*
 * One that has got a request, which has been neither inserted nor issued yet, counts as that. It
 * may have no time, where D2C alone is asked for; but it has an owner, to whom its request will
 * count.
 */
static void add_bio(struct ks_bio *place, bool behind, void *arg)
{
	const volatile struct ks_bio *b = place;
	const struct flights *to = arg;
	uint64_t bio = b->bio, q = b->q, g = b->g, now;
	uint32_t whose = b->whose;

	(void)behind;
	if (!bio || g & KS_BIO_MERGED)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	if (b->bio == bio && b->q == q && b->whose == whose)
		add(to, whose, q ?: now, now, !g);
}

/* When it began, as far as is known. */
static uint64_t began(const volatile struct ks_request *r)
{
	const uint64_t times[] = {r->q, r->g, r->i, r->d};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i])
			return times[i];
	return 0;
}

static void add_request(struct ks_request *place, bool behind, void *arg)
{
	const volatile struct ks_request *r = place;
	const struct flights *to = arg;
	uint64_t rq = r->rq, since = began(r), now;
	uint32_t whose = r->whose;

	(void)behind;
	if (!rq || !r->state || !since)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	if (r->rq == rq && r->state && began(r) == since && r->whose == whose)
		add(to, whose, since, now, false);
}

/* How the kernel side has made them: its maps know. */
static int find_array(const struct session *s, const char *map, size_t elem, struct array *ret)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = session__map(s, map);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return fd < 0 ? fd : -errno;
	*ret = (struct array){.fd = fd, .elem = elem, .entries = info.max_entries};
	return 0;
}

/* What is done with each place; behind: it is not one of the first. */
struct visit {
	void (*bio)(struct ks_bio *b, bool behind, void *arg);
	void (*request)(struct ks_request *r, bool behind, void *arg);
	void *arg;
};

/* Of windows of n places each. */
static int walk_bios(const struct array *a, uint32_t first, size_t places, const struct visit *v)
{
	struct ks_bio *b;
	uint32_t in;

	for (uint32_t i = first; (b = array__map(a, i, &in)); i += in) {
		for (size_t k = 0; k < in * places; k++)
			v->bio(&b[k], places > 1, v->arg);
		array__unmap(a, b, in);
	}
	return -errno;
}

static int walk_requests(const struct array *a, uint32_t first, size_t places,
			 const struct visit *v)
{
	struct ks_request *r;
	uint32_t in;

	for (uint32_t i = first; (r = array__map(a, i, &in)); i += in) {
		for (size_t k = 0; k < in * places; k++)
			v->request(&r[k], places > 1, v->arg);
		array__unmap(a, r, in);
	}
	return -errno;
}

static int walk(const struct session *s, const struct visit *v)
{
	struct array a;
	uint32_t first;
	int err;

	a = session__first_bios(s, &first);
	err = walk_bios(&a, first, 1, v);
	if (!err)
		err = find_array(s, "disk_bios", sizeof(struct ks_bio_set), &a);
	if (!err)
		err = walk_bios(&a, 0, KS_DISK_WAYS, v);
	if (err)
		return err;
	a = session__first_requests(s, &first);
	err = walk_requests(&a, first, 1, v);
	if (!err)
		err = find_array(s, "disk_requests", sizeof(struct ks_request_set), &a);
	return err ?: walk_requests(&a, 0, KS_DISK_WAYS, v);
}

int disk_flight__take(const struct session *s, struct disk_flight *list, size_t n)
{
	struct flights to = {list, n};

	memset(list, 0, n * sizeof(*list));
	return walk(s, &(const struct visit){add_bio, add_request, &to});
}

/* --- those that will not end */

struct given_up {
	struct ks_disk_more *more;
	uint32_t subject;
	uint64_t before; /* since when, at the latest, they are there */
	uint64_t gone;	 /* see disk_flight__give_up() */
	uint64_t n;
};

/*
 * As bio_free() and rq_free() do it. The kernel side may free a place at the same moment, by an end
 * that came after all: who takes its address away is the one who has freed it.
 */
static bool free_place(uint64_t *address, uint64_t held, bool behind, uint64_t *n_behind)
{
	if (!__atomic_compare_exchange_n(address, &held, 0, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	if (behind)
		__atomic_fetch_sub(n_behind, 1, __ATOMIC_SEQ_CST);
	return true;
}

static void give_up_bio(struct ks_bio *b, bool behind, void *arg)
{
	struct given_up *g = arg;
	uint64_t bio = b->bio, since = b->q ?: g->gone;
	bool merged = b->g & KS_BIO_MERGED;

	if (!bio || since > g->before || KS_WHOSE_OP(b->whose) != g->subject)
		return;
	b->q = 0;
	if (free_place((uint64_t *)&b->bio, bio, behind, (uint64_t *)&g->more->bios))
		g->n += !merged; /* or its end is another's */
}

static void give_up_request(struct ks_request *r, bool behind, void *arg)
{
	struct given_up *g = arg;
	uint64_t rq = r->rq, since = began(r);
	uint32_t state = r->state;

	if (!rq || !state || !since || since > g->before || KS_WHOSE_OP(r->whose) != g->subject)
		return;
	r->state = 0;
	if (free_place((uint64_t *)&r->rq, rq, behind, (uint64_t *)&g->more->requests))
		g->n += !(state & KS_RQ_DONE); /* or it is counted */
}

uint64_t disk_flight__give_up(const struct session *s, uint32_t subject, uint64_t gone,
			      uint64_t age_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct given_up g = {
		.more = session__disk_more(s),
		.subject = subject,
		.before = now > age_ns ? now - age_ns : 0,
		.gone = gone,
	};

	walk(s, &(const struct visit){give_up_bio, give_up_request, &g});
	return g.n;
}

void disk_flight__name(const struct session *s, uint32_t number, char *buf)
{
	const struct ks_disk *d = session__disk(s, number);

	memcpy(buf, d->name, sizeof(d->name));
	buf[sizeof(d->name) - 1] = '\0';
}
