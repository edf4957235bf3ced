/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The map "disk_errors": see disk_failures.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <kvmscope/abi.h>
#include "disk_failures.h"
#include "session.h"
#include "util.h"

struct failure {
	struct ks_disk_error who;
	uint64_t n, before;
};

struct disk_failures {
	struct failure *list;
	size_t n;
};

struct disk_failures *disk_failures__new(void)
{
	return xcalloc(1, sizeof(struct disk_failures));
}

void disk_failures__free(struct disk_failures *failures)
{
	if (!failures)
		return;
	free(failures->list);
	free(failures);
}

static struct failure *find(struct disk_failures *failures, const struct ks_disk_error *who)
{
	for (size_t i = 0; i < failures->n; i++)
		if (!memcmp(&failures->list[i].who, who, sizeof(*who)))
			return &failures->list[i];
	failures->list = xreallocarray(failures->list, failures->n + 1, sizeof(*failures->list));
	failures->list[failures->n] = (struct failure){.who = *who};
	return &failures->list[failures->n++];
}

void disk_failures__sample(struct disk_failures *failures, const struct session *s)
{
	struct ks_disk_error key, *last = NULL;
	int fd = session__map(s, "disk_errors");
	uint64_t n;

	for (size_t i = 0; i < failures->n; i++)
		failures->list[i].before = failures->list[i].n;
	while (!bpf_map_get_next_key(fd, last, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &n))
			find(failures, &key)->n = n;
		last = &key;
	}
}

void disk_failures__forget(struct disk_failures *failures, const struct session *s,
			   uint32_t subject)
{
	int fd = session__map(s, "disk_errors");

	for (size_t i = failures->n; i--;) {
		if (failures->list[i].who.subject != subject)
			continue;
		bpf_map_delete_elem(fd, &failures->list[i].who);
		failures->list[i] = failures->list[--failures->n];
	}
}

/* blk_status_t (include/linux/blk_types.h): those below 14 have kept their numbers. */
static const struct {
	const char *name;
	int errnum; /* as block/blk-core.c has it, and kernels told it until v5.16 */
} statuses[] = {
	[1] = {"not supported", EOPNOTSUPP}, [2] = {"timeout", ETIMEDOUT},
	[3] = {"no space", ENOSPC},	     [4] = {"transport", ENOLINK},
	[5] = {"target", EREMOTEIO},	     [6] = {"reservation conflict", EBADE},
	[7] = {"medium", ENODATA},	     [8] = {"protection", EILSEQ},
	[9] = {"resource", ENOMEM},	     [10] = {"I/O error", EIO},
	[11] = {"dm requeue", EREMCHG},	     [12] = {"try again", EAGAIN},
	[13] = {"device resource", EBUSY},
};

static const char *status_name(uint32_t status, char buf[32])
{
	if (status & KS_STATUS_ERRNO) {
		int errnum = status & ~KS_STATUS_ERRNO;

		for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
			if (statuses[i].errnum == errnum)
				return statuses[i].name;
		return strerror(errnum);
	}
	if (status < ARRAY_SIZE(statuses) && statuses[status].name)
		return statuses[status].name;
	snprintf(buf, 32, "status %u", status);
	return buf;
}

void disk_failures__rows(const struct disk_failures *failures, uint32_t subject, struct row *row)
{
	char buf[32];

	row__list(row, "errors_by");
	for (size_t i = 0; i < failures->n; i++) {
		const struct failure *f = &failures->list[i];
		struct row *r;

		if (f->who.subject != subject || f->n == f->before)
			continue;
		r = row__add(row, "errors_by");
		row__text(r, "status", status_name(f->who.status, buf));
		row__u64(r, "count", f->n - f->before);
	}
}
