/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pieces of text that came from outside: a start and a length, no NUL needed. What the parsers
 * of vm_*.c have in common; nothing in here reads past the length that it is given.
 */
#ifndef KVMSCOPE_VM_TEXT_H
#define KVMSCOPE_VM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vms.h"

struct vm_span {
	const char *s;
	size_t len;
};

struct vm_span vm_span__of(const char *s); /* NULL gives an empty one */
bool vm_span__is(struct vm_span span, const char *text);
bool vm_span__starts(struct vm_span span, const char *prefix);
bool vm_span__ends(struct vm_span span, const char *suffix);
struct vm_span vm_span__skip(struct vm_span span, size_t n); /* without its first n bytes */
struct vm_span vm_span__base(struct vm_span path);	     /* what follows the last slash */

/*
 * Takes the next piece off rest, up to a separator or the end. Returns false once nothing
 * is left; a piece may be empty ("a,,b" has three).
 */
bool vm_span__next(struct vm_span *rest, char separator, struct vm_span *ret_piece);

/* Decimal digits only, no sign and no blank, at most max. */
bool vm_span__uint(struct vm_span span, uint64_t max, uint64_t *ret_value);

/*
 * Copies up to the first NUL, cut to fit into size bytes with the NUL at its end; never in
 * the middle of a UTF-8 character. Returns the length of what is in dst then.
 */
size_t vm_span__copy(char *dst, size_t size, struct vm_span span);

/* 8-4-4-4-12 hexadecimal digits, copied in lower case; false, and dst is as it was, otherwise. */
bool vm_span__uuid(char dst[VM_UUID_LEN], struct vm_span span);

#endif
