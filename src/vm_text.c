/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pieces of text that came from outside.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vm_text.h"

struct vm_span vm_span__of(const char *s)
{
	return (struct vm_span){s ? s : "", s ? strlen(s) : 0};
}

bool vm_span__is(struct vm_span span, const char *text)
{
	return span.len == strlen(text) && !memcmp(span.s, text, span.len);
}

bool vm_span__starts(struct vm_span span, const char *prefix)
{
	size_t n = strlen(prefix);

	return span.len >= n && !memcmp(span.s, prefix, n);
}

bool vm_span__ends(struct vm_span span, const char *suffix)
{
	size_t n = strlen(suffix);

	return span.len >= n && !memcmp(span.s + span.len - n, suffix, n);
}

struct vm_span vm_span__skip(struct vm_span span, size_t n)
{
	if (n > span.len)
		n = span.len;
	return (struct vm_span){span.s + n, span.len - n};
}

struct vm_span vm_span__base(struct vm_span path)
{
	const char *slash = memrchr(path.s, '/', path.len);

	return slash ? vm_span__skip(path, (size_t)(slash - path.s) + 1) : path;
}

bool vm_span__next(struct vm_span *rest, char separator, struct vm_span *ret_piece)
{
	const char *end;

	if (!rest->s)
		return false;
	end = memchr(rest->s, separator, rest->len);
	if (!end) {
		*ret_piece = *rest;
		*rest = (struct vm_span){NULL, 0};
		return true;
	}
	*ret_piece = (struct vm_span){rest->s, (size_t)(end - rest->s)};
	*rest = vm_span__skip(*rest, ret_piece->len + 1);
	return true;
}

bool vm_span__uint(struct vm_span span, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i;

	if (!span.len)
		return false;
	for (i = 0; i < span.len; i++) {
		unsigned int digit = (unsigned char)span.s[i] - '0';

		if (digit > 9 || digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}

size_t vm_span__copy(char *dst, size_t size, struct vm_span span)
{
	size_t n = strnlen(span.s, span.len);
	size_t back;

	if (n >= size) {
		n = size - 1;
		/* a character has three bytes after its first: further back it is not UTF-8 */
		for (back = 0; back < 3 && back < n; back++)
			if ((span.s[n - back] & 0xc0) != 0x80)
				break;
		if ((span.s[n - back] & 0xc0) != 0x80)
			n -= back;
	}
	memcpy(dst, span.s, n);
	dst[n] = '\0';
	return n;
}

bool vm_span__uuid(char dst[VM_UUID_LEN], struct vm_span span)
{
	size_t i;

	if (span.len != VM_UUID_LEN - 1)
		return false;
	for (i = 0; i < span.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? span.s[i] != '-' : !isxdigit((unsigned char)span.s[i]))
			return false;
	}
	for (i = 0; i < span.len; i++)
		dst[i] = (char)tolower((unsigned char)span.s[i]);
	dst[i] = '\0';
	return true;
}
