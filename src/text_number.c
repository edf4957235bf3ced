/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers with units, at three significant digits. */
#include <limits.h>
#include <string.h>
#include <sys/param.h>
#include "text_internal.h"
#include "util.h"

struct unit {
	const char *name;
	double next; /* how many make one of the next unit; the last has none */
};

static const struct unit counts[] = {
	{"", 1000}, {"k", 1000}, {"M", 1000}, {"G", 1000}, {"T", 1000}, {"P", 1000}, {"E", 0},
};

static const struct unit times[] = {
	{"ns", 1000}, {"µs", 1000}, {"ms", 1000}, {"s", 60}, {"min", 60}, {"h", 24}, {"d", 0},
};

static const struct unit bytes[] = {
	{"B", 1024},   {"KiB", 1024}, {"MiB", 1024}, {"GiB", 1024},
	{"TiB", 1024}, {"PiB", 1024}, {"EiB", 0},
};

/*
 * Writes three digits of v, which is not negative. Rounds first and judges then, so that
 * 9.996 is 10.0, and what would reach limit is refused: it belongs to the next unit. A limit
 * of 0 takes everything. Integers throughout, for a locale's decimal point has no say here.
 */
static bool three_digits(char *s, size_t size, double v, double limit, bool whole)
{
	static const unsigned int power[] = {1, 10, 100};
	unsigned long long n;
	int decimals;

	for (decimals = whole ? 0 : 2;; decimals--) {
		n = v < 1e15 ? (unsigned long long)(v * power[decimals] + 0.5) : ULLONG_MAX;
		if (!decimals || n < 1000)
			break;
	}
	if (limit > 0 && (double)n >= limit * power[decimals])
		return false;
	if (decimals)
		snprintf(s, size, "%llu.%0*llu", n / power[decimals], decimals,
			 n % power[decimals]);
	else
		snprintf(s, size, "%llu", n);
	return true;
}

static const char *scaled(struct text *t, double v, const struct unit *unit)
{
	/* what comes in whole has no decimals in its own unit: 4 requests, 870 ns */
	bool whole = v >= 0 && v < 1e15 && v == (double)(uint64_t)v;
	const char *name;
	char digits[32];

	if (!(v >= 0 && v < 1e30))
		return text__dash(t);
	if (v > 0 && v < 0.005)
		strcpy(digits, "< 0.01");
	else
		while (!three_digits(digits, sizeof(digits), v, unit->next, whole)) {
			v /= unit->next;
			unit++;
			whole = false;
		}
	name = !t->opts.unicode && unit == &times[1] ? "us" : unit->name;
	return text__format(t, "%s%s%s", digits, *name ? " " : "", name);
}

const char *text__count(struct text *t, double v)
{
	return scaled(t, v, counts);
}

const char *text__ns(struct text *t, uint64_t ns)
{
	return scaled(t, (double)ns, times);
}

const char *text__bytes(struct text *t, double v)
{
	return scaled(t, v, bytes);
}

const char *text__rate(struct text *t, uint64_t count, uint64_t elapsed_ns)
{
	if (!elapsed_ns)
		return text__dash(t);
	return text__count(t, (double)count * NSEC_PER_SEC / (double)elapsed_ns);
}

const char *text__byte_rate(struct text *t, uint64_t n, uint64_t elapsed_ns)
{
	return text__bytes(t, (double)n * NSEC_PER_SEC / (double)elapsed_ns);
}

const char *text__exact(struct text *t, uint64_t v)
{
	char s[32], *p = s + sizeof(s);
	int digits = 0;

	*--p = '\0';
	do {
		if (digits && digits % 3 == 0)
			*--p = ',';
		*--p = (char)('0' + v % 10);
		digits++;
	} while (v /= 10);
	return text__format(t, "%s", p);
}

const char *text__percent(struct text *t, double share)
{
	double percent = share * 100;
	unsigned long long tenths;

	if (!(percent >= 0 && percent < 1e9))
		return text__dash(t);
	if (percent > 0 && percent < 0.1)
		return "< 0.1 %";
	if (percent > 99 && percent < 100)
		/* down, for 100 % is all of it */
		tenths = MIN((unsigned long long)(percent * 10 + 1e-6), 999ULL);
	else
		tenths = (unsigned long long)(percent * 10 + 0.5);
	if ((tenths > 0 && tenths < 10) || (tenths > 990 && tenths < 1000))
		return text__format(t, "%llu.%llu %%", tenths / 10, tenths % 10);
	return text__format(t, "%.0f %%", percent);
}
