/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading small files and directories below a directory that is open, as /proc wants it:
 * one read of a bounded buffer, no stdio, no allocation for each.
 */
#ifndef KVMSCOPE_VM_FILE_H
#define KVMSCOPE_VM_FILE_H

#include <sys/types.h>

#include "vm_text.h"

/*
 * Reads at most size bytes into buf, in as many reads as it takes. Does not follow a symbolic
 * link, does not wait for a FIFO's writer. The span is of buf, empty on error. Returns 0
 * or -errno.
 */
int vm_file__read(int dirfd, const char *path, char *buf, size_t size, struct vm_span *ret_text);

/* A directory that is listed, many entries with one system call. */
struct vm_dir {
	int fd; /* to look things up in */
	int err;
	size_t len, pos;
	char buf[16 * 1024] __attribute__((aligned(8)));
};

struct vm_dir_entry {
	const char *name; /* until the next call */
	uint64_t ino;
};

/* Returns 0 or -errno; vm_dir__close() is fine after either. */
int vm_dir__open(struct vm_dir *dir, int dirfd, const char *path);
void vm_dir__close(struct vm_dir *dir);

/* "." and ".." are left out. False after the last entry, and after an error: dir->err is it. */
bool vm_dir__next(struct vm_dir *dir, struct vm_dir_entry *ret_entry);

#endif
