/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of mounts, which is read when it is first asked for, and again when the kernel says that
 * it is another (poll(), Documentation/filesystems/proc.rst). Of the first process: a unit's
 * sandbox hides from kvmscoped what the host has, and shows it things that are not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "disk_mounts.h"
#include "util.h"
#include "vm_proc.h"

/* Some 10,000 mounts. */
#define MOUNTS_MAX (2 * 1024 * 1024)

struct disk_mounts {
	int fd;
	char *buf; /* NULL until it is needed */
	struct vm_span text;
};

struct disk_mounts *disk_mounts__new(const char *proc_root)
{
	struct disk_mounts *mounts = xcalloc(1, sizeof(*mounts));
	static const char *const files[] = {"1/mountinfo", "self/mountinfo"};
	int proc = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	mounts->fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(files) && mounts->fd < 0; i++)
		mounts->fd = openat(proc, files[i], O_RDONLY | O_CLOEXEC);
	if (proc >= 0)
		close(proc);
	return mounts;
}

void disk_mounts__free(struct disk_mounts *mounts)
{
	if (!mounts)
		return;
	if (mounts->fd >= 0)
		close(mounts->fd);
	free(mounts->buf);
	free(mounts);
}

/* A list that ends early is one: what is on the mounts that are missing is taken for a disk's. */
static void read_list(struct disk_mounts *mounts)
{
	size_t len = 0;
	ssize_t n = 1;

	if (!mounts->buf)
		mounts->buf = xreallocarray(NULL, MOUNTS_MAX, 1);
	if (lseek(mounts->fd, 0, SEEK_SET))
		n = 0;
	while (n > 0 && len < MOUNTS_MAX) {
		n = read(mounts->fd, mounts->buf + len, MOUNTS_MAX - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	mounts->text = (struct vm_span){mounts->buf, len};
}

bool disk_mounts__in_memory(struct disk_mounts *mounts, const char *path)
{
	static const char *const types[] = {"tmpfs", "ramfs", "rootfs"};
	struct pollfd change = {.fd = mounts->fd, .events = POLLPRI};
	char type[32];

	if (mounts->fd < 0)
		return false;
	if (!mounts->buf || poll(&change, 1, 0) > 0)
		read_list(mounts);
	if (!vm_proc__mount_of(mounts->text, path, type, sizeof(type)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (vm_span__is(vm_span__of(type), types[i]))
			return true;
	return false;
}
