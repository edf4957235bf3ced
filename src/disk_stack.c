/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel side notes disks' names as it meets them; /sys/dev/block tells the rest. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "disk_flight.h"
#include "disk_mounts.h"
#include "disk_stack.h"
#include "snapshot.h"
#include "util.h"
#include "vm_text.h"

/* The name that was noted when a VM met it; vm -1: when any did. */
static void noted(const struct session *s, const struct delta *d, int vm, uint32_t dev,
		  char buf[DISK_NAME_MAX])
{
	for (size_t i = 0; i < d->n_subjects && !*buf; i++) {
		const struct snap_subject *subject = &d->subjects[i];

		if (subject->who.domain == KS_D_DISK && subject->who.part == KS_DISK_ALL &&
		    subject->who.object == dev && (vm < 0 || subject->who.vm == vm))
			disk_flight__name(s, subject->number, buf);
	}
}

/* The name of the disk that has these numbers now. */
static void present(uint32_t dev, char buf[DISK_NAME_MAX])
{
	char path[64], target[PATH_MAX];
	struct vm_span name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", DISK_MAJOR(dev), DISK_MINOR(dev));
	n = readlink(path, target, sizeof(target));
	name = vm_span__base((struct vm_span){target, n > 0 ? (size_t)n : 0});
	vm_span__copy(buf, DISK_NAME_MAX, name);
	for (; *buf; buf++)
		if (*buf == '!') /* for a slash, which a file's name can't have */
			*buf = '/';
}

/*
 * A disk that has gone leaves its numbers to one that comes, so the VM's own note is best: it is of
 * when the VM used it last. Another's may be of long ago.
 */
void disk_stack__name(const struct session *s, const struct delta *d, uint16_t vm, uint32_t dev,
		      char buf[DISK_NAME_MAX])
{
	*buf = '\0';
	noted(s, d, vm, dev, buf);
	if (!*buf)
		present(dev, buf);
	if (!*buf)
		noted(s, d, -1, dev, buf);
	if (!*buf)
		snprintf(buf, DISK_NAME_MAX, "%u:%u", DISK_MAJOR(dev), DISK_MINOR(dev));
}

const char *disk_stack__alias(uint32_t dev, char *buf, size_t size)
{
	static const char *const files[] = {"dm/name", "loop/backing_file"};
	char path[96];
	FILE *f;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", DISK_MAJOR(dev),
			 DISK_MINOR(dev), files[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(buf, size, f))
			*buf = '\0';
		fclose(f);
		buf[strcspn(buf, "\n")] = '\0';
		return *buf ? buf : NULL;
	}
	return NULL;
}

bool disk_stack__is_partition(uint32_t dev)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", DISK_MAJOR(dev),
		 DISK_MINOR(dev));
	return !access(path, F_OK);
}

static bool has_row(const struct rows *disks, const char *name)
{
	for (size_t i = 0; i < disks->n; i++)
		if (!strcmp(row__get_text(disks->row[i], "name"), name))
			return true;
	return false;
}

/* Does its I/O come out again as another disk's, of which there are rows? */
static bool goes_on(const struct row *row, const struct row *disk, struct disk_mounts *mounts)
{
	const struct rows *remaps = row__get_rows(row, "remaps");
	const char *name = row__get_text(disk, "name"), *file = row__get_text(disk, "alias");

	for (size_t i = 0; i < remaps->n; i++)
		if (!strcmp(row__get_text(remaps->row[i], "from"), name) &&
		    has_row(row__get_rows(row, "disks"), row__get_text(remaps->row[i], "to")))
			return true;
	/* the file of a loop device, unless it is in memory; dm's names are no paths */
	return file && *file == '/' && !disk_mounts__in_memory(mounts, file);
}

void disk_stack__bottom(struct row *row, struct disk_mounts *mounts)
{
	const struct rows *disks = row__get_rows(row, "disks");
	uint64_t bytes[2] = {};

	for (size_t i = 0; i < disks->n; i++) {
		const struct row *disk = disks->row[i];
		const char *op = row__get_text(disk, "op");

		if (goes_on(row, disk, mounts))
			continue;
		if (!strcmp(op, "read"))
			bytes[0] += row__get_u64(disk, "bytes");
		else if (!strcmp(op, "write"))
			bytes[1] += row__get_u64(disk, "bytes");
	}
	row__u64(row, "device_read_bytes", bytes[0]);
	row__u64(row, "device_written_bytes", bytes[1]);
}
