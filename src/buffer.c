/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bytes that grow. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buffer.h"
#include "util.h"

static char *room(struct buffer *b, size_t n)
{
	if (b->cap - b->n < n) {
		b->cap = 2 * (b->n + n);
		b->data = xreallocarray(b->data, b->cap, 1);
	}
	return b->data + b->n;
}

void buffer__add(struct buffer *b, const void *data, size_t n)
{
	if (!n)
		return;
	memcpy(room(b, n), data, n);
	b->n += n;
}

void buffer__text(struct buffer *b, const char *s)
{
	buffer__add(b, s, strlen(s));
}

void buffer__format(struct buffer *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	vsnprintf(room(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
	va_end(again);
	b->n += (size_t)n;
}

void buffer__free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){};
}
