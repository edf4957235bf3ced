/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Expositions: the ledger as Prometheus reads it, in the form that the scraper asked for.
 *
 *   openmetrics  OpenMetrics 1.0
 *   text         Prometheus' own text format 0.0.4
 *   protobuf     io.prometheus.client.MetricFamily, delimited: with native histograms beside the
 * classic
 */
#ifndef KVMSCOPE_EXPOSITION_H
#define KVMSCOPE_EXPOSITION_H

#include <stdbool.h>
#include "buffer.h"
#include "ledger.h"

enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS, EXPOSITION_PROTOBUF, EXPOSITIONS };

/* The best that an Accept header takes (NULL: there was none): text, if it takes none. */
enum exposition exposition__negotiate(const char *accept);
/* Does an Accept-Encoding header (NULL: there was none) take gzip? */
bool exposition__gzip_ok(const char *accept_encoding);

const char *exposition__type(enum exposition which); /* Content-Type */

void exposition__write(struct buffer *out, const struct ledger *l, enum exposition which);
/* Compresses, for Content-Encoding: gzip. 0 or -errno. */
int exposition__gzip(const struct buffer *in, struct buffer *out);

/* The forms: src/sink_openmetrics.c writes both texts, src/sink_protobuf.c the third. */
void sink_openmetrics__write(struct buffer *out, const struct ledger *l, bool openmetrics);
void sink_protobuf__write(struct buffer *out, const struct ledger *l);

#endif
