/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel side notes disks' names as it meets them; /sys/dev/block tells the rest. */
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "disk_flight.h"
#include "disk_stack.h"
#include "snapshot.h"
#include "util.h"

void disk_stack__name(const struct session *s, const struct delta *d, uint32_t dev,
		      char buf[DISK_NAME_MAX])
{
	*buf = '\0';
	for (size_t i = 0; i < d->n_subjects && !*buf; i++) {
		const struct snap_subject *subject = &d->subjects[i];

		if (subject->who.domain == KS_D_DISK && subject->who.part == KS_DISK_ALL &&
		    subject->who.object == dev)
			disk_flight__name(s, subject->number, buf);
	}
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
static bool goes_on(const struct row *row, const struct row *disk)
{
	const struct rows *remaps = row__get_rows(row, "remaps");
	const char *name = row__get_text(disk, "name"), *file = row__get_text(disk, "alias");
	struct statfs fs;

	for (size_t i = 0; i < remaps->n; i++)
		if (!strcmp(row__get_text(remaps->row[i], "from"), name) &&
		    has_row(row__get_rows(row, "disks"), row__get_text(remaps->row[i], "to")))
			return true;
	/* the file of a loop device, unless it is in memory; dm's names are no paths */
	return file && *file == '/' && (statfs(file, &fs) || fs.f_type != TMPFS_MAGIC);
}

void disk_stack__bottom(struct row *row)
{
	const struct rows *disks = row__get_rows(row, "disks");
	uint64_t bytes[2] = {};

	for (size_t i = 0; i < disks->n; i++) {
		const struct row *disk = disks->row[i];
		const char *op = row__get_text(disk, "op");

		if (goes_on(row, disk))
			continue;
		if (!strcmp(op, "read"))
			bytes[0] += row__get_u64(disk, "bytes");
		else if (!strcmp(op, "write"))
			bytes[1] += row__get_u64(disk, "bytes");
	}
	row__u64(row, "device_read_bytes", bytes[0]);
	row__u64(row, "device_written_bytes", bytes[1]);
}
