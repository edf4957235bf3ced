/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading small files and directories below a directory that is open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vm_file.h"

int vm_file__read(int dirfd, const char *path, char *buf, size_t size, struct vm_span *ret_text)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int err = 0;
	size_t len = 0;

	*ret_text = (struct vm_span){buf, 0};
	if (fd < 0)
		return -errno;
	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (!err)
		ret_text->len = len;
	return err;
}

int vm_dir__open(struct vm_dir *dir, int dirfd, const char *path)
{
	dir->fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir->err = dir->fd < 0 ? -errno : 0;
	dir->len = 0;
	dir->pos = 0;
	return dir->err;
}

void vm_dir__close(struct vm_dir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}

bool vm_dir__next(struct vm_dir *dir, struct vm_dir_entry *ret_entry)
{
	struct dirent64 *entry;

	do {
		if (dir->pos >= dir->len) {
			ssize_t n = getdents64(dir->fd, dir->buf, sizeof(dir->buf));

			if (n < 0)
				dir->err = -errno;
			if (n <= 0)
				return false;
			dir->len = (size_t)n;
			dir->pos = 0;
		}
		entry = (struct dirent64 *)(dir->buf + dir->pos);
		dir->pos += entry->d_reclen;
	} while (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."));
	*ret_entry = (struct vm_dir_entry){entry->d_name, entry->d_ino};
	return true;
}
