/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How requests and bios failed: how many of each disk's, by status. */
#ifndef KVMSCOPE_DISK_FAILURES_H
#define KVMSCOPE_DISK_FAILURES_H

#include <stdint.h>

#include "report.h"

struct disk_failures;
struct session;

struct disk_failures *disk_failures__new(void);
void disk_failures__free(struct disk_failures *failures); /* NULL is fine */

/* Reads the kernel side's counts. Those of the call before are what rows are counted from. */
void disk_failures__sample(struct disk_failures *failures, const struct session *s);

/* Forgets those of a subject whose number another one will have. */
void disk_failures__forget(struct disk_failures *failures, const struct session *s,
			   uint32_t subject);

/* Adds "errors_by" to the row of a disk: that subject's failures since the sample before. */
void disk_failures__rows(const struct disk_failures *failures, uint32_t subject, struct row *row);

#endif
