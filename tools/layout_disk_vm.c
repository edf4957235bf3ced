/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The screens of block I/O: what is around a VM's disks. Below them the disks that they lie upon,
 * and above them the page cache.
 */
#include <string.h>
#include "layout.h"
#include "layout_disk.h"
#include "util.h"

/* --- below */

/*
 * Is that disk one that passes I/O on ("from"), or that some is passed on to ("to")? Of the first
 * n.
 */
static bool in_remaps(const struct row *vm, const char *which, const char *name, size_t n)
{
	const struct rows *remaps = row__get_rows(vm, "remaps");

	for (size_t i = 0; i < n && i < remaps->n; i++)
		if (!strcmp(row__get_text(remaps->row[i], which), name))
			return true;
	return false;
}

bool layout__disk_passes_on(const struct row *vm, const char *name)
{
	return in_remaps(vm, "from", name, SIZE_MAX);
}

/* A disk, and below it what it passes its I/O on to. depth: no kernel has that many layers. */
static void put_tree(struct text *t, const struct row *vm, const char *from, const char *indent,
		     int depth, uint64_t elapsed_ns)
{
	const struct rows *remaps = row__get_rows(vm, "remaps");
	bool unicode = text__opts(t)->unicode;
	size_t left = 0;

	for (size_t i = 0; i < remaps->n; i++)
		left += !strcmp(row__get_text(remaps->row[i], "from"), from);
	for (size_t i = 0; i < remaps->n && depth < 8; i++) {
		const struct row *r = remaps->row[i];
		const char *to = row__get_text(r, "to"), *branch, *below;

		if (strcmp(row__get_text(r, "from"), from))
			continue;
		left--;
		branch = unicode ? (left ? "├─ " : "└─ ") : (left ? "|- " : "`- ");
		below = !left ? "   " : unicode ? "│  " : "|  ";
		text__line(t, "%s%s%s   %s/s   %s/s", indent, branch,
			   text__safe(t, to, LAYOUT_DISK_NAME),
			   text__rate(t, row__get_u64(r, "count"), elapsed_ns),
			   text__byte_rate(t, row__get_u64(r, "bytes"), elapsed_ns));
		put_tree(t, vm, to, text__format(t, "%s%s", indent, below), depth + 1, elapsed_ns);
	}
}

void layout__disk_remaps(struct text *t, const struct rows *vms, uint64_t elapsed_ns)
{
	bool any = false;

	for (size_t i = 0; i < vms->n; i++) {
		const struct row *vm = vms->row[i];
		const struct rows *remaps = row__get_rows(vm, "remaps");

		for (size_t k = 0; k < remaps->n; k++) {
			const char *from = row__get_text(remaps->row[k], "from");

			/* from the top, and each once */
			if (in_remaps(vm, "to", from, remaps->n) || in_remaps(vm, "from", from, k))
				continue;
			if (!any)
				text__blank(t);
			any = true;
			text__line(t, "%s   %s passes on to",
				   text__name(t, row__get_text(vm, "name"), LAYOUT_DISK_NAME),
				   text__safe(t, from, LAYOUT_DISK_NAME));
			put_tree(t, vm, from, "  ", 0, elapsed_ns);
		}
	}
}

/* --- above */

/*
 * "1 direct, 2 cached": the VM's images, by whether the VMM goes through the page cache. NULL: not
 * known.
 */
static const char *images(struct text *t, const struct row *vm, uint64_t *ret_cached)
{
	const struct rows *all = row__get_rows(vm, "images");
	uint64_t direct = 0;

	*ret_cached = 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct field *f = row__field(all->row[i], "direct");

		if (f->kind == FIELD_NULL)
			return NULL;
		direct += f->truth;
		*ret_cached += !f->truth;
	}
	if (!all->n)
		return NULL;
	return *ret_cached && direct ? text__format(t, "%zu direct, %zu cached", (size_t)direct,
						    (size_t)*ret_cached)
	       : direct		     ? "direct"
				     : "cached";
}

/*
 * What a VM asked for. NULL: that is not known. Where nobody knows its images (it has ended), its
 * system calls do not tell it if devices did more: then they were others than read() and write().
 */
static const char *asked(struct text *t, const struct row *vm, const char *how, uint64_t bytes,
			 uint64_t device)
{
	if (row__field(vm, "vm_read_bytes")->kind == FIELD_NULL || (!how && bytes < device))
		return NULL;
	return text__bytes(t, bytes);
}

/*
 * The share of what a VM asked for that no device had to do. NULL where that can't be told: its
 * system calls tell less than there was (linux-aio's and io_uring's are not counted).
 */
static const char *from_cache(struct text *t, uint64_t bytes, uint64_t device)
{
	return bytes && bytes >= device ? text__percent(t, 1 - (double)device / (double)bytes)
					: NULL;
}

static bool asks(const struct row *vm)
{
	static const char *const fields[] = {"vm_read_bytes", "vm_written_bytes",
					     "device_read_bytes", "device_written_bytes"};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (row__get_u64(vm, fields[i]))
			return row__get_rows(vm, "images")->n || row__get_rows(vm, "disks")->n;
	return false;
}

void layout__disk_cache(struct text *t, const struct rows *vms)
{
	text__table(t, 0);
	text__column(t, "VM", TEXT_NAME, 0);
	text__column(t, "images", TEXT_LEFT, 1);
	text__column(t, "it read", TEXT_RIGHT, 0);
	text__column(t, "of devices", TEXT_RIGHT, 0);
	text__column(t, "of cache", TEXT_RIGHT, 0);
	text__column(t, "it wrote", TEXT_RIGHT, 0);
	text__column(t, "to devices", TEXT_RIGHT, 0);
	for (size_t i = 0; i < vms->n; i++) {
		const struct row *vm = vms->row[i];
		uint64_t read = row__get_u64(vm, "vm_read_bytes"), cached;
		uint64_t device_read = row__get_u64(vm, "device_read_bytes");
		uint64_t written = row__get_u64(vm, "vm_written_bytes");
		uint64_t device_written = row__get_u64(vm, "device_written_bytes");
		const char *how = images(t, vm, &cached);

		if (!asks(vm))
			continue;
		/* what bypasses the cache is in the process' account, by whatever call it came */
		if (how && !cached) {
			read = row__get_u64(vm, "storage_read_bytes");
			written = row__get_u64(vm, "storage_written_bytes");
		}
		text__cell(t, row__get_text(vm, "name"));
		text__cell(t, how);
		text__cell(t, asked(t, vm, how, read, device_read));
		text__cell(t, text__bytes(t, device_read));
		text__cell(t, how && !cached ? "bypassed" : from_cache(t, read, device_read));
		text__cell(t, asked(t, vm, how, written, device_written));
		text__cell(t, text__bytes(t, device_written));
	}
	text__table_end(t);
	for (size_t i = 0; i < vms->n; i++) {
		uint64_t all = row__get_u64(vms->row[i], "disk_requests_of_all");
		uint64_t host = row__get_u64(vms->row[i], "disk_requests");

		if (host)
			layout__prose(t,
				      text__format(t,
						   "(host): what is attributed to no VM, %s of all "
						   "requests",
						   text__percent(t, (double)host / (double)all)));
	}
}
