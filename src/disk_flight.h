/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Block I/O that is under way: read from the kernel side's tables while it goes on there, so that
 * what is stuck shows as long as it is stuck.
 */
#ifndef KVMSCOPE_DISK_FLIGHT_H
#define KVMSCOPE_DISK_FLIGHT_H

#include "session.h"

/* Of one operation of a VM on a disk; of the disk itself (KS_DISK_ALL): all that is under way
 * there, as requests. */
struct disk_flight {
	uint32_t requests; /* with the scheduler or the driver */
	uint32_t waiting;  /* bios without a request: they wait for one, or their device has none */
	uint64_t oldest_ns; /* since the oldest of them began */
};

/*
 * Fills in list[n], by numbers of subjects, and names[], of those that are a disk's (KS_DISK_ALL):
 * of KS_DISK_SUBJECTS_MAX + 1 each at most. 0 or -errno.
 */
int disk_flight__take(const struct session *s, struct disk_flight *list, size_t n);

/*
 * Forgets what is under way of that subject for so long: it will not end any more, or nobody waits
 * for it. A bio without a time is as old as its VM's being gone, by CLOCK_MONOTONIC. Returns how
 * many requests, and bios without one.
 */
uint64_t disk_flight__give_up(const struct session *s, uint32_t subject, uint64_t gone,
			      uint64_t age_ns);

/* What the kernel calls the disk of that number, in buf of 32 bytes; "" when it is not known. */
void disk_flight__name(const struct session *s, uint32_t number, char *buf);

#endif
