/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ledger as bytes and back: when kvmscoped loads its programs again, a new process goes on with
 * the account of the old one. Both are of the same build; what is read is checked all the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ledger_internal.h"
#include "util.h"

#define MAGIC "kvmscope-ledger/2"

static void put(struct buffer *b, uint64_t n)
{
	buffer__add(b, &n, sizeof(n));
}

static void put_bytes(struct buffer *b, const void *data, size_t n)
{
	put(b, n);
	buffer__add(b, data, n);
}

static void put_text(struct buffer *b, const char *s)
{
	put_bytes(b, s, strlen(s) + 1);
}

static void put_series(struct buffer *b, const struct family *f, const struct series *s)
{
	const char *value = s->value;

	for (size_t i = 0; i < f->n_labels; i++, value += strlen(value) + 1)
		put_text(b, value);
	if (f->type != FAMILY_HISTOGRAM) {
		put(b, s->n);
		return;
	}
	put(b, s->hist.count);
	put(b, s->hist.sum);
	put(b, s->hist.first);
	put_bytes(b, s->hist.bucket, s->hist.n * sizeof(*s->hist.bucket));
}

/* Behind each other: families, accounts, and of each account its series by family. */
void ledger__save(const struct ledger *l, struct buffer *out)
{
	put_text(out, MAGIC);
	put(out, l->n_families);
	for (size_t i = 0; i < l->n_families; i++) {
		const struct family *f = l->family[i];

		put_text(out, f->name);
		put_text(out, f->unit);
		put_text(out, f->help);
		put(out, f->type);
		put_bytes(out, &f->scale, sizeof(f->scale));
		put(out, f->by_vm);
		put(out, f->idle_since);
		put(out, f->n_labels);
		for (size_t k = 0; k < f->n_labels; k++) {
			put_text(out, f->label[k]);
			put(out, f->fixed[k]);
		}
	}
	put(out, l->n_accounts);
	for (size_t i = 0; i < l->n_accounts; i++) {
		const struct account *a = l->account[i];

		put_text(out, a->label);
		put_text(out, a->name);
		put(out, (uint64_t)a->pid);
		put(out, a->start);
		put(out, a->ended);
	}
	for (size_t i = 0; i < l->n_families; i++) {
		const struct family *f = l->family[i];

		put(out, f->n_series);
		for (const struct series *s = f->series; s; s = s->next) {
			size_t k = 0;

			while (s->account && l->account[k] != s->account)
				k++;
			put(out, s->account ? k : l->n_accounts);
			put_series(out, f, s);
		}
	}
}

struct reader {
	const char *at;
	size_t left;
	bool bad;
};

static const void *get_raw(struct reader *r, size_t n)
{
	const char *p = r->at;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	r->left -= n;
	return p;
}

static uint64_t get(struct reader *r)
{
	const void *p = get_raw(r, sizeof(uint64_t));
	uint64_t n = 0;

	if (p)
		memcpy(&n, p, sizeof(n));
	return n;
}

/* A number that says how many of something follow: not more than there are bytes. */
static size_t get_count(struct reader *r)
{
	uint64_t n = get(r);

	if (n > r->left)
		r->bad = true;
	return r->bad ? 0 : n;
}

static const void *get_bytes(struct reader *r, size_t *ret_n)
{
	*ret_n = get_count(r);
	return get_raw(r, *ret_n);
}

/* Never NULL, and shorter than max bytes with its NUL. */
static const char *get_text(struct reader *r, size_t max)
{
	size_t n;
	const char *s = get_bytes(r, &n);

	if (!s || !n || n > max || strnlen(s, n) != n - 1)
		r->bad = true;
	return r->bad ? "" : s;
}

static void get_family(struct reader *r, struct ledger *l)
{
	const char *name = get_text(r, 256), *unit = get_text(r, 64), *help = get_text(r, 1024);
	uint64_t type = get(r);
	struct family *f;
	const void *scale;
	size_t n;

	scale = get_bytes(r, &n);
	if (!scale || n != sizeof(f->scale) || type > FAMILY_INFO) {
		r->bad = true;
		return;
	}
	f = family__get(l, type, name, *unit ? unit : "none", help, 1);
	memcpy(&f->scale, scale, sizeof(f->scale));
	f->by_vm = get(r);
	f->idle_since = get(r);
	n = get_count(r);
	if (n > LEDGER_LABELS_MAX || f->n_labels)
		r->bad = true;
	for (size_t i = 0; i < n && !r->bad; i++) {
		f->label[f->n_labels++] = xstrdup(get_text(r, 64));
		f->fixed[i] = get(r);
	}
}

static void get_series(struct reader *r, struct ledger *l, struct family *f)
{
	char value[LEDGER_VALUES_MAX];
	uint64_t owner = get(r), number[3];
	const void *buckets = NULL;
	size_t at = 0, n = 0;
	struct series *s;

	for (size_t i = 0; i < f->n_labels; i++) {
		const char *text = get_text(r, LEDGER_LABEL_MAX + 1);

		memcpy(value + at, text, strlen(text) + 1);
		at += strlen(text) + 1;
	}
	for (int i = 0; i < (f->type == FAMILY_HISTOGRAM ? 3 : 1); i++)
		number[i] = get(r);
	if (f->type == FAMILY_HISTOGRAM) {
		buckets = get_bytes(r, &n);
		if (n % sizeof(uint64_t) || number[2] > KS_HIST_BUCKETS ||
		    number[2] + n / sizeof(uint64_t) > KS_HIST_BUCKETS)
			r->bad = true;
	}
	if (r->bad || owner > l->n_accounts || (owner < l->n_accounts) != f->by_vm) {
		r->bad = true;
		return;
	}
	/* what the program says of itself as it is now, the next one says anew */
	if (f->type == FAMILY_GAUGE && !f->by_vm)
		return;
	s = series__new(l, owner < l->n_accounts ? l->account[owner] : NULL, f, value);
	if (f->type != FAMILY_HISTOGRAM) {
		s->n = number[0];
		return;
	}
	s->hist.count = number[0];
	s->hist.sum = number[1];
	s->hist.first = (uint32_t)number[2];
	s->hist.n = (uint32_t)(n / sizeof(uint64_t));
	if (n) {
		s->hist.bucket = xcalloc(s->hist.n, sizeof(uint64_t));
		memcpy(s->hist.bucket, buckets, n);
	}
}

int ledger__restore(struct ledger *l, const void *data, size_t n)
{
	struct reader r = {data, n, false};
	size_t many;

	ledger__clear(l);
	if (strcmp(get_text(&r, sizeof(MAGIC)), MAGIC))
		r.bad = true;
	many = get_count(&r);
	for (size_t i = 0; i < many && !r.bad; i++)
		get_family(&r, l);
	if (l->n_families != many)
		r.bad = true;
	many = get_count(&r);
	for (size_t i = 0; i < many && !r.bad; i++) {
		struct account *a = account__new(l, get_text(&r, LEDGER_LABEL_MAX + 16));

		strcpy(a->name, get_text(&r, sizeof(a->name)));
		a->pid = (pid_t)get(&r);
		a->start = get(&r);
		a->ended = get(&r);
	}
	for (size_t i = 0; i < l->n_families && !r.bad; i++) {
		many = get_count(&r);
		for (size_t k = 0; k < many && !r.bad; k++)
			get_series(&r, l, l->family[i]);
	}
	if (!r.bad && !r.left)
		return 0;
	ledger__clear(l);
	return -EINVAL;
}
