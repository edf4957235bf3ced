/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allocation that does not fail, and time. Out of memory ends the process: nothing is pinned in
 * the kernel, so that this detaches everything.
 */
#ifndef KVMSCOPE_UTIL_H
#define KVMSCOPE_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC  1000000000ULL

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
__attribute__((format(printf, 1, 2))) char *xasprintf(const char *fmt, ...);

/* A clock in ns; CLOCK_MONOTONIC is what bpf_ktime_get_ns() reads. */
static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* a - b, and never below 0: of counters that may have stepped back, or were not read at once. */
static inline uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

#endif
