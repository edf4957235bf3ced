/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BPF arrays that are mapped in windows: what is mapped counts as resident memory, and an array for
 * thousands of vCPUs is large.
 */
#ifndef KVMSCOPE_ARRAYS_H
#define KVMSCOPE_ARRAYS_H

#include <stddef.h>
#include <stdint.h>

struct array {
	int fd;	     /* of a map with BPF_F_MMAPABLE */
	size_t elem; /* size of an element, a multiple of 8 */
	uint32_t entries;
	uint32_t used; /* numbers from here on have never been in use, as far as was seen */
};

/*
 * Elements [first, first + n), readable and writable, and n: up to some hundred kB. NULL with
 * errno 0 when first is past the end, with another errno on failure. array__unmap() it.
 */
void *array__map(const struct array *a, uint32_t first, uint32_t *ret_n);
/* The same, but not more than most of them: to map takes time for each page. */
void *array__map_some(const struct array *a, uint32_t first, uint32_t most, uint32_t *ret_n);
void array__unmap(const struct array *a, void *p, uint32_t n);

#endif
