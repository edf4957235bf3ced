/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bytes that grow. */
#ifndef KVMSCOPE_BUFFER_H
#define KVMSCOPE_BUFFER_H

#include <stddef.h>

struct buffer {
	char *data; /* n bytes, no NUL behind them; NULL while there is none */
	size_t n, cap;
};

void buffer__add(struct buffer *b, const void *data, size_t n);
void buffer__text(struct buffer *b, const char *s);
__attribute__((format(printf, 2, 3))) void buffer__format(struct buffer *b, const char *fmt, ...);
void buffer__free(struct buffer *b); /* may be filled again */

#endif
