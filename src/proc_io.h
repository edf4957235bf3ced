/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guests' side of block I/O: what each VM's process has read and written by system calls, and
 * what of it went to storage, by /proc/PID/io. The difference is the page cache's part.
 */
#ifndef KVMSCOPE_PROC_IO_H
#define KVMSCOPE_PROC_IO_H

#include <stdbool.h>
#include "vm_text.h"

/*
 * rchar and wchar count what read() and write() and their like moved, of all files; linux-aio's and
 * io_uring's I/O, which mostly has no page cache to go through, is not in there. The rest is
 * counted when a bio is submitted for reading, and when a page is made dirty or written directly.
 */
struct proc_io {
	uint64_t rchar, wchar, read_bytes, write_bytes;
};

/* Parses /proc/PID/io (fs/proc/base.c, do_io_accounting). False: not of that form. */
bool proc_io__parse(struct vm_span text, struct proc_io *ret);

struct proc_ios;

struct proc_ios *proc_ios__new(const char *proc_root);
void proc_ios__free(struct proc_ios *ios); /* NULL is fine */

/* Reads all VMs' once more. */
void proc_ios__sample(struct proc_ios *ios, struct vms *vms);
/* What came between the last two samples; false: one of them is missing. */
bool proc_ios__delta(const struct proc_ios *ios, const struct vm *vm, struct proc_io *ret);

#endif
