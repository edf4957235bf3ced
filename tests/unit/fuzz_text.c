/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Arbitrary bytes as names: what comes out is UTF-8 (or ASCII), has no control character but
 * the newline and our own colours, and stays within its width. The first two bytes are the options,
 * NULs divide the rest into names; its numbers are the same bytes again.
 */
#include <stdint.h>
#include <stdlib.h>
#include "terminal.h"
#include "text.h"
#include "util.h"

#define MAX_NAMES 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_all(struct text *t, const char *const names[MAX_NAMES], size_t n_names,
		      const uint64_t numbers[KS_STATES], const struct histogram *h)
{
	size_t i;

	for (i = 0; i < n_names; i++) {
		const char *safe = text__safe(t, names[i], 17);

		if (strcmp(text__safe(t, safe, 17), safe))
			abort();
		text__line(t, "%s", names[i]);
		text__colored(t, TEXT_RED, "   %s and %s", names[i], safe);
	}
	text__table(t, (int)(numbers[0] % 10));
	text__column(t, "VM", TEXT_LEFT, 0);
	text__column(t, names[0], numbers[1] % 2 ? TEXT_LEFT : TEXT_RIGHT, 1);
	text__column(t, "rate", TEXT_RIGHT, 0);
	text__column(t, "bar", TEXT_LEFT, (int)(numbers[2] % 3));
	for (i = 0; i < n_names; i++) {
		text__cell(t, names[i]);
		text__cell_color(t, names[n_names - 1 - i], TEXT_BOLD);
		text__cell(t, text__rate(t, numbers[i % KS_STATES], numbers[3]));
		text__cell(t, text__bar(t, numbers, KS_STATES, (int)(numbers[4] % 100)));
	}
	text__table_end(t);
	for (i = 0; i < KS_STATES; i++) {
		double v;

		memcpy(&v, &numbers[i], sizeof(v));
		text__line(t, "%s %s %s %s %s", text__ns(t, numbers[i]), text__count(t, v),
			   text__bytes(t, v), text__percent(t, v), text__exact(t, numbers[i]));
	}
	text__histogram(t, names[0], h, "nbc"[numbers[5] % 3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink_opts opts = {0};
	uint64_t numbers[KS_STATES] = {0};
	const char *names[MAX_NAMES] = {""}, *wrong;
	struct histogram h = {0};
	char *copy, *written = NULL;
	size_t n_written = 0, n_names = 0, i;
	struct text *t;
	FILE *out;

	if (size < 2)
		return 0;
	opts.unicode = data[0] & 1;
	opts.color = data[0] & 2;
	opts.quiet = data[0] & 4;
	opts.width = 20 + data[1] % 100;
	data += 2;
	size -= 2;
	copy = xcalloc(size + 1, 1);
	memcpy(copy, data, size);
	for (i = 0; i <= size && n_names < MAX_NAMES; i += strlen(copy + i) + 1)
		names[n_names++] = copy + i;
	memcpy(numbers, data, size < sizeof(numbers) ? size : sizeof(numbers));
	for (i = 0; i + sizeof(uint64_t) <= size; i++) {
		uint64_t v;

		memcpy(&v, data + i, sizeof(v));
		v >>= data[i] % 64;
		h.count++;
		h.bucket[ks_hist_bucket(v)]++;
		if (v > h.max && data[0] % 16)
			h.max = v;
	}

	out = open_memstream(&written, &n_written);
	t = text__begin(out, &opts);
	write_all(t, names, n_names, numbers, &h);
	if (text__end(t))
		abort();
	fclose(out);
	wrong = terminal__judge(written, n_written, opts.width, !opts.unicode);
	if (wrong || (!opts.color && memchr(written, '\033', n_written))) {
		fprintf(stderr, "%s:\n%s", wrong ? wrong : "a colour", written);
		abort();
	}
	free(written);
	free(copy);
	return 0;
}
