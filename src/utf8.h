/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* UTF-8 from outside, byte by byte, whatever the process' locale is. */
#ifndef KVMSCOPE_UTF8_H
#define KVMSCOPE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID UINT32_MAX

/*
 * Decodes what s begins with; n, its length, is above 0. Returns how many bytes that is and
 * sets *ret_cp to the code point. For bytes that are not UTF-8 (surrogates, overlong forms and
 * what is above U+10FFFF are not) that is UTF8_INVALID, and the length is that of the
 * maximal subpart (The Unicode Standard, 3.9, "U+FFFD Substitution of Maximal Subparts"):
 * one replacement for each such call is what everybody else's decoders give.
 */
size_t utf8__decode(const char *s, size_t n, uint32_t *ret_cp);

#endif
