/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text for people: the buffer, what may reach a terminal, and lines of prose.
 *
 * Nothing in here depends on the process' locale: text is formatted and measured in one of its
 * own, with C's decimal point and C.UTF-8's characters. Every distribution of today has that
 * one; where it is missing, text from outside that is not ASCII is escaped, for nobody could tell
 * how wide it is.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <wchar.h>
#include "text_internal.h"
#include "utf8.h"
#include "util.h"

#define DEFAULT_WIDTH 80
#define MIN_WIDTH     20
#define MAX_MARKS     4 /* accents on one character; nobody's name needs more */

struct range {
	uint32_t first;
	uint32_t last;
};

static bool within(const struct range *ranges, size_t n, uint32_t cp)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return true;
	return false;
}

/* What layouts draw with: one column, whatever a locale thinks. */
static const struct range drawn[] = {
	{0xa1, 0xac},	  {0xae, 0xff},	    {0x2010, 0x2027},
	{0x2190, 0x21ff}, {0x2200, 0x22ff}, {0x2500, 0x259f},
};

/*
 * What nobody sees, or what steers the direction of what follows: a name with it looks like
 * another name, or makes another column look like its own.
 */
static const struct range unseen[] = {
	{0xad, 0xad},	    {0x34f, 0x34f},   {0x61c, 0x61c},	  {0x115f, 0x1160},
	{0x17b4, 0x17b5},   {0x180b, 0x180f}, {0x200b, 0x200f},	  {0x2028, 0x202e},
	{0x2060, 0x206f},   {0x3164, 0x3164}, {0xfe00, 0xfe0f},	  {0xfeff, 0xfeff},
	{0xffa0, 0xffa0},   {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	{0xe0000, 0xe0fff},
};

/* Columns of a character, -1 if it must not reach a terminal. In t->locale. */
static int columns_of(const struct text *t, uint32_t cp)
{
	if (cp < 0x80)
		return cp >= 0x20 && cp != 0x7f ? 1 : -1;
	if (cp == UTF8_INVALID || !t->opts.unicode)
		return -1;
	if (within(drawn, ARRAY_SIZE(drawn), cp))
		return 1;
	if (within(unseen, ARRAY_SIZE(unseen), cp) || !t->wide)
		return -1;
	return wcwidth((wchar_t)cp);
}

struct text *text__begin(FILE *out, const struct sink_opts *opts)
{
	struct text *t = xcalloc(1, sizeof(*t));

	t->out = out;
	t->opts = *opts;
	if (t->opts.width <= 0)
		t->opts.width = DEFAULT_WIDTH;
	else if (t->opts.width < MIN_WIDTH)
		t->opts.width = MIN_WIDTH;
	t->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	t->wide = t->locale;
	if (!t->wide)
		t->locale = newlocale(LC_CTYPE_MASK, "C", NULL);
	if (!t->locale)
		abort();
	return t;
}

int text__end(struct text *t)
{
	int rc = sink__write(t->out, t->buf ? t->buf : "", t->n);
	size_t i;

	for (i = 0; i < t->n_kept; i++)
		free(t->kept[i]);
	free(t->kept);
	free(t->buf);
	text__table_free(t->table);
	freelocale(t->locale);
	free(t);
	return rc;
}

const struct sink_opts *text__opts(const struct text *t)
{
	return &t->opts;
}

char *text__keep(struct text *t, char *s)
{
	if (!(t->n_kept & (t->n_kept - 1)))
		t->kept = xreallocarray(t->kept, t->n_kept ? 2 * t->n_kept : 1, sizeof(*t->kept));
	t->kept[t->n_kept++] = s;
	return s;
}

const char *text__escape(struct text *t, const char *s)
{
	size_t n = s ? strlen(s) : 0, in, len, i;
	char *escaped = text__keep(t, xcalloc(n + 1, strlen("\\xHH"))), *p = escaped;
	int columns, marks = MAX_MARKS; /* nothing yet that a mark could stand on */
	locale_t old;
	uint32_t cp;

	if (!s)
		return text__dash(t);
	old = uselocale(t->locale);
	for (in = 0; in < n; in += len) {
		len = utf8__decode(s + in, n - in, &cp);
		columns = columns_of(t, cp);
		marks = columns ? 0 : marks + 1;
		if (columns < 0 || marks > MAX_MARKS) {
			for (i = 0; i < len; i++)
				p += sprintf(p, "\\x%02x", (unsigned char)s[in + i]);
			marks = 0;
		} else {
			p = mempcpy(p, s + in, len);
		}
	}
	uselocale(old);
	return escaped;
}

/* How many bytes of an escaped text fit into max columns, and how many columns these are. */
static size_t fit(const struct text *t, const char *s, int max, int *ret_columns)
{
	size_t n = strlen(s), in, len;
	locale_t old = uselocale(t->locale);
	int sum = 0, columns;
	uint32_t cp;

	for (in = 0; in < n; in += len) {
		len = utf8__decode(s + in, n - in, &cp);
		columns = columns_of(t, cp);
		if (columns > max - sum)
			break;
		sum += columns;
	}
	uselocale(old);
	*ret_columns = sum;
	return in;
}

int text__columns(const struct text *t, const char *s)
{
	int columns;

	fit(t, s, INT32_MAX, &columns);
	return columns;
}

/* What stands where a text was cut; "" where it would leave no room. */
static const char *cut_mark(const struct text *t, int max)
{
	const char *mark = t->opts.unicode ? "…" : "...";

	return text__columns(t, mark) > max ? "" : mark;
}

int text__cut_room(const struct text *t, int max)
{
	return MAX(max - text__columns(t, cut_mark(t, max)), 0);
}

/* The end of an escaped text, as much of it as fits into max columns. */
static const char *end_of(const struct text *t, const char *s, int max)
{
	int left = text__columns(t, s), columns;
	locale_t old = uselocale(t->locale);
	size_t len;
	uint32_t cp;

	for (; *s; s += len) {
		len = utf8__decode(s, strlen(s), &cp);
		columns = columns_of(t, cp);
		if (left <= max && columns) /* an accent goes with what it stood on */
			break;
		left -= columns;
	}
	uselocale(old);
	return s;
}

size_t text__cut_at(const struct text *t, const char *s, int head, int max, const char **ret_end)
{
	int columns;
	size_t n = fit(t, s, head, &columns);

	*ret_end = end_of(t, s + n, max - columns);
	return n;
}

const char *text__cut_to(struct text *t, const char *s, int head, int max)
{
	int room = text__cut_room(t, max);
	const char *end;
	size_t n;

	if (text__columns(t, s) <= max)
		return s;
	n = text__cut_at(t, s, MIN(head, room), room, &end);
	return text__keep(t, xasprintf("%.*s%s%s", (int)n, s, cut_mark(t, max), end));
}

const char *text__cut(struct text *t, const char *s, int max)
{
	int columns;
	size_t n;

	if (text__columns(t, s) <= max)
		return s;
	n = fit(t, s, text__cut_room(t, max), &columns);
	return text__keep(t, xasprintf("%.*s%s", (int)n, s, cut_mark(t, max)));
}

const char *text__safe(struct text *t, const char *s, int max_columns)
{
	return text__cut(t, text__escape(t, s), max_columns);
}

const char *text__name(struct text *t, const char *s, int max_columns)
{
	return text__cut_to(t, text__escape(t, s), text__cut_room(t, max_columns) / 2, max_columns);
}

const char *text__repeat(struct text *t, const char *s, int n)
{
	char *all = text__keep(t, xcalloc((size_t)(n > 0 ? n : 0) + 1, strlen(s) + 1)), *p = all;

	while (n-- > 0)
		p = stpcpy(p, s);
	return all;
}

const char *text__dash(struct text *t)
{
	return t->opts.unicode ? "–" : "-";
}

static void append(struct text *t, const char *s, size_t n)
{
	if (!n)
		return;
	if (t->n + n > t->size) {
		t->size = 2 * (t->n + n);
		t->buf = xreallocarray(t->buf, t->size, 1);
	}
	memcpy(t->buf + t->n, s, n);
	t->n += n;
}

void text__put(struct text *t, enum text_color c, const char *s)
{
	static const char *const start[] = {
		[TEXT_BOLD] = "\033[1m",    [TEXT_DIM] = "\033[2m",    [TEXT_RED] = "\033[31m",
		[TEXT_YELLOW] = "\033[33m", [TEXT_GREEN] = "\033[32m",
	};
	bool colored = t->opts.color && c != TEXT_PLAIN && *s;

	if (colored)
		append(t, start[c], strlen(start[c]));
	append(t, s, strlen(s));
	if (colored)
		append(t, "\033[0m", strlen("\033[0m"));
}

void text__pad(struct text *t, int columns)
{
	while (columns-- > 0)
		append(t, " ", 1);
}

void text__newline(struct text *t)
{
	while (t->n && t->buf[t->n - 1] == ' ')
		t->n--;
	append(t, "\n", 1);
}

/*
 * Where to break a text of which n bytes fit: between two of the parts that a heading has (which
 * are three blanks apart), for "ms" or "100 %" alone on a line says nothing; else, and where that
 * would leave more than half of the line empty, at a blank.
 */
static size_t break_at(const char *s, size_t n, size_t blanks)
{
	size_t end;

	for (end = n; end > MAX(blanks, n / 2); end--)
		if (!strncmp(s + end, "   ", 3) && s[end - 1] != ' ')
			return end;
	for (end = n; end > blanks && s[end] != ' '; end--)
		;
	return end;
}

/* Puts an escaped text on as many lines as it needs, the rest indented. */
static void wrap(struct text *t, enum text_color c, const char *s)
{
	size_t blanks = strspn(s, " "), n, end;
	int rest = (int)MIN(blanks, (size_t)t->opts.width / 2) + 2, lead = 0, columns;

	do {
		n = fit(t, s, t->opts.width - lead, &columns);
		end = s[n] ? break_at(s, n, blanks) : n;
		if (end <= blanks)
			end = n; /* one word wider than the line */
		text__pad(t, lead);
		text__put(t, c, text__keep(t, xasprintf("%.*s", (int)end, s)));
		text__newline(t);
		s += end;
		s += strspn(s, " ");
		blanks = 0;
		lead = rest;
	} while (*s);
}

/* Formatted in t->locale, and escaped: what a caller forgot to make safe stays harmless. */
__attribute__((format(printf, 2, 0))) static const char *format(struct text *t, const char *fmt,
								va_list ap)
{
	locale_t old = uselocale(t->locale);
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	uselocale(old);
	return text__escape(t, text__keep(t, s));
}

const char *text__format(struct text *t, const char *fmt, ...)
{
	const char *s;
	va_list ap;

	va_start(ap, fmt);
	s = format(t, fmt, ap);
	va_end(ap);
	return s;
}

void text__line(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wrap(t, TEXT_PLAIN, format(t, fmt, ap));
	va_end(ap);
}

void text__colored(struct text *t, enum text_color c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wrap(t, c, format(t, fmt, ap));
	va_end(ap);
}

void text__blank(struct text *t)
{
	text__newline(t);
}
