/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Windows on mapped BPF arrays. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "arrays.h"

#define WINDOW_BYTES (512 * 1024)

void *array__map(const struct array *a, uint32_t first, uint32_t *ret_n)
{
	return array__map_some(a, first, UINT32_MAX, ret_n);
}

void *array__map_some(const struct array *a, uint32_t first, uint32_t most, uint32_t *ret_n)
{
	size_t page = sysconf(_SC_PAGESIZE), from, to, start;
	uint32_t n = WINDOW_BYTES / a->elem;
	char *p;

	if (first >= a->entries) {
		errno = 0;
		return NULL;
	}
	if (n > a->entries - first)
		n = a->entries - first;
	if (n > most)
		n = most;
	from = first * a->elem;
	to = from + n * a->elem;
	start = from / page * page;
	p = mmap(NULL, (to + page - 1) / page * page - start, PROT_READ | PROT_WRITE, MAP_SHARED,
		 a->fd, start);
	if (p == MAP_FAILED)
		return NULL;
	*ret_n = n;
	return p + (from - start);
}

void array__unmap(const struct array *a, void *p, uint32_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)p / page * page;

	munmap((void *)start, (uintptr_t)p + n * a->elem - start);
}
