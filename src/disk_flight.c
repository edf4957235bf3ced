/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walks the tables of what is in flight. Nobody stops for it: what changes meanwhile is left out.
 */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include "disk_flight.h"
#include "util.h"

static void add(struct disk_flight *list, size_t n, uint32_t whose, uint64_t since, uint64_t now,
		bool waits)
{
	uint32_t number = KS_WHOSE_OP(whose);
	struct disk_flight *f;

	if (!number || number >= n)
		return;
	f = &list[number];
	f->requests += !waits;
	f->waiting += waits;
	if (now > since && now - since > f->oldest_ns)
		f->oldest_ns = now - since;
}

/* One that has got a request, which has been neither inserted nor issued yet, counts as that. */
static void add_bio(struct disk_flight *list, size_t n, const volatile struct ks_bio *b)
{
	uint64_t bio = b->bio, q = b->q, g = b->g, now;
	uint32_t whose = b->whose;

	if (!bio || !q || g & KS_BIO_MERGED)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	if (b->bio == bio && b->q == q && b->whose == whose)
		add(list, n, whose, q, now, !g);
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

static void add_request(struct disk_flight *list, size_t n, const volatile struct ks_request *r)
{
	uint64_t rq = r->rq, since = began(r), now;
	uint32_t whose = r->whose;

	if (!rq || !r->state || !since)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	if (r->rq == rq && r->state && began(r) == since && r->whose == whose)
		add(list, n, whose, since, now, false);
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

/* Of windows of n places each. */
static int take_bios(const struct array *a, uint32_t first, size_t places, struct disk_flight *list,
		     size_t n)
{
	struct ks_bio *b;
	uint32_t in;

	for (uint32_t i = first; (b = array__map(a, i, &in)); i += in) {
		for (size_t k = 0; k < in * places; k++)
			add_bio(list, n, &b[k]);
		array__unmap(a, b, in);
	}
	return -errno;
}

static int take_requests(const struct array *a, uint32_t first, size_t places,
			 struct disk_flight *list, size_t n)
{
	struct ks_request *r;
	uint32_t in;

	for (uint32_t i = first; (r = array__map(a, i, &in)); i += in) {
		for (size_t k = 0; k < in * places; k++)
			add_request(list, n, &r[k]);
		array__unmap(a, r, in);
	}
	return -errno;
}

int disk_flight__take(const struct session *s, struct disk_flight *list, size_t n)
{
	struct array a;
	uint32_t first;
	int err;

	memset(list, 0, n * sizeof(*list));
	a = session__first_bios(s, &first);
	err = take_bios(&a, first, 1, list, n);
	if (!err)
		err = find_array(s, "disk_bios", sizeof(struct ks_bio_set), &a);
	if (!err)
		err = take_bios(&a, 0, KS_DISK_WAYS, list, n);
	if (err)
		return err;
	a = session__first_requests(s, &first);
	err = take_requests(&a, first, 1, list, n);
	if (!err)
		err = find_array(s, "disk_requests", sizeof(struct ks_request_set), &a);
	return err ?: take_requests(&a, 0, KS_DISK_WAYS, list, n);
}

void disk_flight__name(const struct session *s, uint32_t number, char *buf)
{
	const struct ks_disk *d = session__disk(s, number);

	memcpy(buf, d->name, sizeof(d->name));
	buf[sizeof(d->name) - 1] = '\0';
}
