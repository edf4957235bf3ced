/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a terminal would make of some text: a judge of its own, not the code under test. */
#ifndef KVMSCOPE_TESTS_TERMINAL_H
#define KVMSCOPE_TESTS_TERMINAL_H

#include <locale.h>
#include <stddef.h>
#include <string.h>
#include <wchar.h>

/*
 * NULL if all lines of s are complete, valid UTF-8 (ASCII with ascii), hold no control
 * character but the newline and the colours of SGR, and take at most width columns (0: any
 * number); else what is wrong.
 */
static inline const char *terminal__judge(const char *s, size_t n, int width, int ascii)
{
	static locale_t utf8;
	const char *end = s + n, *wrong = NULL;
	mbstate_t shift = {0};
	locale_t old;
	int column = 0, one;
	size_t len;
	wchar_t c;

	if (n && s[n - 1] != '\n')
		return "the last line has no end";
	if (!utf8)
		utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
	old = uselocale(utf8);
	while (s < end && !wrong) {
		if (*s == '\n') {
			column = 0;
			s++;
			continue;
		}
		if (*s == '\033' && end - s > 1 && s[1] == '[') {
			len = strspn(s + 2, "0123456789;");
			if (s[2 + len] != 'm') {
				wrong = "an escape sequence that is no colour";
				break;
			}
			s += 3 + len;
			continue;
		}
		len = mbrtowc(&c, s, (size_t)(end - s), &shift);
		if (len == 0 || len > 4) {
			wrong = "not UTF-8";
			break;
		}
		one = wcwidth(c);
		if (one < 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
			wrong = "a control character";
		else if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
			 (c >= 0x2066 && c <= 0x2069) || c == 0x61c)
			wrong = "a character that steers direction, or is not seen";
		else if (ascii && c > 0x7f)
			wrong = "not ASCII";
		column += one;
		if (width && column > width)
			wrong = "wider than the terminal";
		s += len;
	}
	uselocale(old);
	return wrong;
}

#endif
