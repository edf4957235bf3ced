/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmguest's I/O on a disk: as QEMU's threads do it for a guest, an exact number of times. */
#ifndef GUEST_DISK_H
#define GUEST_DISK_H

#include <stdbool.h>

enum disk_order { DISK_SEQUENTIAL, DISK_RANDOM };

struct disk_options {
	const char *file;		      /* NULL: none */
	unsigned long reads, writes, flushes; /* each of so many jobs does its part of all */
	unsigned long commands;		      /* likewise */
	unsigned int jobs;
	unsigned int size; /* bytes of each */
	enum disk_order order;
	bool buffered; /* through the page cache */
	bool uring;    /* by workers of an io_uring, each job's own */
	bool at_once;  /* a job's writes are submitted by one call, so that they can be merged */
};

/* Opens it. Ends the program when that can't be. */
void guest_disk__open(const struct disk_options *o);
/* Does all of it, in as many threads as there are jobs: first what is read, then what is written.
 */
void guest_disk__run(void);
/* Appends " disk_reads=N disk_writes=N disk_flushes=N disk_commands=N disk_errors=N" to stdout. */
void guest_disk__print(void);

#endif
