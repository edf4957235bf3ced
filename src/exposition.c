/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which exposition a scraper gets: content negotiation (RFC 9110, 12.5), and gzip. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include "exposition.h"
#include "util.h"

static const char *const types[EXPOSITIONS] = {
	[EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	[EXPOSITION_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	[EXPOSITION_PROTOBUF] = ("application/vnd.google.protobuf; "
				 "proto=io.prometheus.client.MetricFamily; encoding=delimited"),
};

const char *exposition__type(enum exposition which)
{
	return types[which];
}

/* A piece of a header, without the blanks around it. */
struct piece {
	const char *s;
	size_t n;
};

/* Cuts off what is before the separator. */
static struct piece cut(struct piece *rest, char separator)
{
	const char *end = rest->n ? memchr(rest->s, separator, rest->n) : NULL;
	struct piece p = {rest->s, end ? (size_t)(end - rest->s) : rest->n};

	rest->s += p.n + (end ? 1 : 0);
	rest->n -= p.n + (end ? 1 : 0);
	while (p.n && strchr(" \t", *p.s)) {
		p.s++;
		p.n--;
	}
	while (p.n && strchr(" \t", p.s[p.n - 1]))
		p.n--;
	return p;
}

static bool is(struct piece p, const char *s)
{
	return p.n == strlen(s) && !strncasecmp(p.s, s, p.n);
}

/* A weight in thousandths; one that is not understood is 0. */
static int weight(struct piece p)
{
	int w = 0, unit = 100;

	if (!p.n || (*p.s != '0' && *p.s != '1') || (p.n > 1 && p.s[1] != '.') || p.n > 5)
		return 0;
	for (size_t i = 2; i < p.n; i++, unit /= 10) {
		if (p.s[i] < '0' || p.s[i] > '9')
			return 0;
		w += unit * (p.s[i] - '0');
	}
	return *p.s == '1' ? 1000 : w;
}

/* One range of an Accept header: what it stands for, -1 if nothing of ours. */
static int range(struct piece range, int *ret_weight)
{
	struct piece type = cut(&range, ';');
	struct piece version = {}, encoding = {}, proto = {};

	*ret_weight = 1000;
	while (range.n) {
		struct piece value = cut(&range, ';'), name = cut(&value, '=');

		if (value.n > 1 && *value.s == '"' && value.s[value.n - 1] == '"') {
			value.s++;
			value.n -= 2;
		}
		if (is(name, "q"))
			*ret_weight = weight(value);
		else if (is(name, "version"))
			version = value;
		else if (is(name, "encoding"))
			encoding = value;
		else if (is(name, "proto"))
			proto = value;
	}
	if (is(type, "application/openmetrics-text"))
		return !version.n || is(version, "1.0.0") ? EXPOSITION_OPENMETRICS : -1;
	if (is(type, "application/vnd.google.protobuf"))
		return is(proto, "io.prometheus.client.MetricFamily") && is(encoding, "delimited")
			       ? EXPOSITION_PROTOBUF
			       : -1;
	if (is(type, "text/plain"))
		return !version.n || is(version, "0.0.4") ? EXPOSITION_TEXT : -1;
	return is(type, "text/*") || is(type, "*/*") ? EXPOSITION_TEXT : -1;
}

enum exposition exposition__negotiate(const char *accept)
{
	struct piece rest = {accept ?: "", accept ? strlen(accept) : 0};
	int best = EXPOSITION_TEXT, best_weight = 0;

	while (rest.n) {
		int w, which = range(cut(&rest, ','), &w);

		if (which >= 0 && w > best_weight) {
			best = which;
			best_weight = w;
		}
	}
	return best;
}

bool exposition__gzip_ok(const char *accept_encoding)
{
	struct piece rest = {accept_encoding ?: "", accept_encoding ? strlen(accept_encoding) : 0};
	bool any = false;

	while (rest.n) {
		struct piece item = cut(&rest, ','), name = cut(&item, ';');
		struct piece value = item, q = cut(&value, '=');
		bool yes = !is(q, "q") || weight(value);

		if (is(name, "gzip"))
			return yes;
		if (is(name, "*"))
			any = yes;
	}
	return any;
}

void exposition__write(struct buffer *out, const struct ledger *l, enum exposition which)
{
	if (which == EXPOSITION_PROTOBUF)
		sink_protobuf__write(out, l);
	else
		sink_openmetrics__write(out, l, which == EXPOSITION_OPENMETRICS);
}

int exposition__gzip(const struct buffer *in, struct buffer *out)
{
	z_stream z = {.next_in = (Bytef *)in->data, .avail_in = (uInt)in->n};
	int err;

	/* the least effort: series differ in little, and a scrape a minute must cost nothing */
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	out->cap = deflateBound(&z, in->n);
	out->data = xcalloc(out->cap, 1);
	z.next_out = (Bytef *)out->data;
	z.avail_out = (uInt)out->cap;
	err = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -EIO;
	out->n = z.total_out;
	deflateEnd(&z);
	return err;
}
