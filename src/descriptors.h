/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Descriptors: the three that everybody has, and how many there may be. */
#ifndef KVMSCOPE_DESCRIPTORS_H
#define KVMSCOPE_DESCRIPTORS_H

#include <stdbool.h>

/*
 * Programs, maps and links are one each: all that there is takes some 105, looks into processes
 * a few more, and libbpf holds the types of modules while it loads.
 */
#define DESCRIPTORS_LEAST  256

#define DESCRIPTORS_REMEDY "raise the limit of open files (ulimit -n, systemd's LimitNOFILE=)"

/*
 * Puts /dev/null where standard input, output or error is closed, so that nothing that is opened
 * later is taken for them. What was closed stays useless: output to it fails. 0 or -errno.
 */
int descriptors__fill(void);

/* May as many be opened as the hard limit allows: the soft one is for those who use select(). */
void descriptors__raise(void);

/* How many may be opened. */
unsigned long descriptors__limit(void);

/* Is this -errno that of one too many, in this process or in all? */
bool descriptors__exhausted(int err);

#endif
