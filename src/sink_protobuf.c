/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io.prometheus.client.MetricFamily, each with its length before it. Histograms carry both forms:
 * Prometheus takes the native one where it is told to, else the classic.
 */
#include <stdlib.h>
#include <string.h>
#include "bounds.h"
#include "exposition.h"
#include "prometheus.pb-c.h"
#include "util.h"

/* What a family's messages are made of; all of it goes when the family is written. */
struct arena {
	void **piece;
	size_t n;
};

static void *take(struct arena *a, size_t n, size_t size)
{
	if (!(a->n & (a->n - 1)))
		a->piece = xreallocarray(a->piece, a->n ? 2 * a->n : 1, sizeof(*a->piece));
	return a->piece[a->n++] = xcalloc(n, size);
}

static void release(struct arena *a)
{
	while (a->n)
		free(a->piece[--a->n]);
	free(a->piece);
	a->piece = NULL;
}

/* n new messages, and the pointers to them that protobuf-c wants. */
#define MESSAGES(arena, Type, init, n, ret_list)                \
	({                                                      \
		size_t n_ = (n);                                \
		Type *all_ = take(arena, n_, sizeof(Type));     \
		Type **list_ = take(arena, n_, sizeof(Type *)); \
                                                                \
		for (size_t i_ = 0; i_ < n_; i_++) {            \
			all_[i_] = (Type)init;                  \
			list_[i_] = &all_[i_];                  \
		}                                               \
		*(ret_list) = list_;                            \
		n_;                                             \
	})

/* The forms of one family's histograms. */
struct shape {
	struct bound bounds[BOUNDS_MAX];
	size_t n_bounds;
	int32_t index[KS_HIST_BUCKETS];
	double zero;
};

static void classic(struct arena *a, Prometheus__Histogram *h, const struct account_hist *from,
		    const struct shape *shape)
{
	uint64_t below = 0;
	uint32_t at = 0;

	h->n_bucket = MESSAGES(a, Prometheus__Bucket, PROMETHEUS__BUCKET__INIT, shape->n_bounds,
			       &h->bucket);
	for (size_t i = 0; i < h->n_bucket; i++) {
		for (; at < from->n && from->first + at < shape->bounds[i].bucket; at++)
			below += from->bucket[at];
		h->bucket[i]->has_cumulative_count = true;
		h->bucket[i]->cumulative_count = below;
		h->bucket[i]->has_upper_bound = true;
		h->bucket[i]->upper_bound = shape->bounds[i].le;
	}
}

/*
 * Spans of native buckets that are not empty, each bucket as the difference to the one before. A
 * histogram without any has one span of nothing, by which it is known to be native.
 */
static void native(struct arena *a, Prometheus__Histogram *h, const struct account_hist *from,
		   const struct shape *shape)
{
	uint64_t *count = take(a, from->n + 1, sizeof(*count));
	int32_t *index = take(a, from->n + 1, sizeof(*index));
	size_t n = 0, spans = 0;

	h->has_schema = h->has_zero_threshold = h->has_zero_count = true;
	h->schema = NATIVE_SCHEMA;
	h->zero_threshold = shape->zero;
	for (uint32_t i = 0; i < from->n; i++) {
		int32_t at = shape->index[from->first + i];

		if (!from->bucket[i])
			continue;
		if (from->first + i == 0) {
			h->zero_count = from->bucket[i];
			continue;
		}
		if (!n || index[n - 1] != at) {
			spans += !n || index[n - 1] + 1 != at;
			index[n++] = at;
		}
		count[n - 1] += from->bucket[i];
	}
	h->n_positive_span = MESSAGES(a, Prometheus__BucketSpan, PROMETHEUS__BUCKET_SPAN__INIT,
				      spans ?: 1, &h->positive_span);
	h->positive_delta = take(a, n + 1, sizeof(*h->positive_delta));
	h->n_positive_delta = n;
	for (size_t i = 0; i < h->n_positive_span; i++)
		h->positive_span[i]->has_offset = h->positive_span[i]->has_length = true;
	spans = 0;
	for (size_t i = 0; i < n; i++) {
		if (!i || index[i - 1] + 1 != index[i])
			h->positive_span[spans++]->offset =
				i ? index[i] - index[i - 1] - 1 : index[i];
		h->positive_span[spans - 1]->length++;
		h->positive_delta[i] = (int64_t)(count[i] - (i ? count[i - 1] : 0));
	}
}

static void put_value(struct arena *a, Prometheus__Metric *m, const struct family *f,
		      const struct series *s, const struct shape *shape)
{
	Prometheus__Number *number;

	if (f->type == FAMILY_HISTOGRAM) {
		m->histogram = take(a, 1, sizeof(*m->histogram));
		*m->histogram = (Prometheus__Histogram)PROMETHEUS__HISTOGRAM__INIT;
		m->histogram->has_sample_count = m->histogram->has_sample_sum = true;
		m->histogram->sample_count = s->hist.count;
		m->histogram->sample_sum = (double)s->hist.sum * f->scale;
		classic(a, m->histogram, &s->hist, shape);
		native(a, m->histogram, &s->hist, shape);
		return;
	}
	number = take(a, 1, sizeof(*number));
	*number = (Prometheus__Number)PROMETHEUS__NUMBER__INIT;
	number->has_value = true;
	number->value = (double)s->n * f->scale;
	if (f->type == FAMILY_COUNTER)
		m->counter = number;
	else
		m->gauge = number;
}

static void put_labels(struct arena *a, Prometheus__Metric *m, const struct family *f,
		       const struct series *s)
{
	char *value = s->value;
	size_t at = 0;

	m->n_label = MESSAGES(a, Prometheus__LabelPair, PROMETHEUS__LABEL_PAIR__INIT,
			      f->by_vm + f->n_labels, &m->label);
	if (f->by_vm) {
		m->label[at]->name = "vm";
		m->label[at++]->value = (char *)series__vm(s);
	}
	for (size_t i = 0; i < f->n_labels; i++, value += strlen(value) + 1) {
		m->label[at]->name = f->label[i];
		m->label[at++]->value = value;
	}
}

static void write_family(struct buffer *out, const struct family *f)
{
	Prometheus__MetricFamily message = PROMETHEUS__METRIC_FAMILY__INIT;
	static const Prometheus__MetricType types[] = {
		[FAMILY_COUNTER] = PROMETHEUS__METRIC_TYPE__COUNTER,
		[FAMILY_GAUGE] = PROMETHEUS__METRIC_TYPE__GAUGE,
		[FAMILY_HISTOGRAM] = PROMETHEUS__METRIC_TYPE__HISTOGRAM,
		[FAMILY_INFO] = PROMETHEUS__METRIC_TYPE__GAUGE,
	};
	struct arena a = {};
	struct shape shape;
	const struct series *s = f->series;
	uint8_t varint[10], *packed;
	size_t size, n = 0;

	message.name = xasprintf("%s%s", f->name,
				 f->type == FAMILY_COUNTER ? "_total"
				 : f->type == FAMILY_INFO  ? "_info"
							   : "");
	message.help = f->help;
	message.has_type = true;
	message.type = types[f->type];
	if (f->type == FAMILY_HISTOGRAM) {
		shape.n_bounds = bounds__of(f->unit, f->scale, shape.bounds);
		bounds__native(f->scale, shape.index, &shape.zero);
	}
	message.n_metric = MESSAGES(&a, Prometheus__Metric, PROMETHEUS__METRIC__INIT, f->n_series,
				    &message.metric);
	for (size_t i = 0; i < message.n_metric; i++, s = s->next) {
		put_labels(&a, message.metric[i], f, s);
		put_value(&a, message.metric[i], f, s, &shape);
	}
	size = prometheus__metric_family__get_packed_size(&message);
	packed = xcalloc(size, 1);
	prometheus__metric_family__pack(&message, packed);
	for (size_t left = size; n == 0 || left; left >>= 7)
		varint[n++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
	buffer__add(out, varint, n);
	buffer__add(out, packed, size);
	free(packed);
	free(message.name);
	release(&a);
}

void sink_protobuf__write(struct buffer *out, const struct ledger *l)
{
	struct family *const *families;
	size_t n = ledger__families(l, &families);

	for (size_t i = 0; i < n; i++)
		if (families[i]->n_series)
			write_family(out, families[i]);
}
