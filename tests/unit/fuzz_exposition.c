/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Arbitrary bytes as names of VMs and reasons, as Accept headers and as a saved account. Every line
 * of an exposition keeps its form whatever is in a label, and no two samples are the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "exposition.h"
#include "ledger_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* The labels of a sample: name="value", with only the escapes that there are. Returns what is
 * behind. */
static const char *labels(const char *p, const char *end)
{
	for (;;) {
		while (p < end && ((*p >= 'a' && *p <= 'z') || *p == '_'))
			p++;
		require(end - p > 2 && p[0] == '=' && p[1] == '"');
		for (p += 2; p < end && *p != '"'; p++) {
			require((unsigned char)*p >= ' ');
			if (*p == '\\') {
				p++;
				require(p < end && strchr("\\\"n", *p));
			}
		}
		require(p < end);
		p++;
		if (p < end && *p == ',') {
			p++;
			continue;
		}
		require(p < end && *p == '}');
		return p + 1;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check(const struct buffer *b)
{
	char **seen = xcalloc(b->n + 1, sizeof(*seen));
	size_t n = 0;

	require(b->n && b->data[b->n - 1] == '\n');
	for (const char *line = b->data, *end; line < b->data + b->n; line = end + 1) {
		const char *p = line;

		end = memchr(line, '\n', (size_t)(b->data + b->n - line));
		if (*line == '#')
			continue;
		require(!strncmp(line, "kvmscope_", 9));
		while (p < end && *p != '{' && *p != ' ')
			p++;
		if (*p == '{')
			p = labels(p + 1, end);
		require(end - p > 1 && *p == ' ');
		seen[n++] = strndup(line, (size_t)(p - line));
		for (p++; p < end; p++)
			require((*p >= '0' && *p <= '9') || *p == '.');
	}
	qsort(seen, n, sizeof(*seen), by_text);
	for (size_t i = 0; i < n; i++)
		require(!i || strcmp(seen[i - 1], seen[i]));
	for (size_t i = 0; i < n; i++)
		free(seen[i]);
	free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger *l = sample_ledger(4, 400, 3);
	struct vms *vms = sample_vms();
	char *copy = xcalloc(size + 1, 1);
	struct report *r = report__new("daemon");
	struct buffer b = {}, packed = {};
	pid_t pid = 1;

	memcpy(copy, data, size);
	exposition__negotiate(copy);
	exposition__gzip_ok(copy);
	ledger__restore(l, data, size);
	for (size_t i = 0; i <= size && pid < 64; i += strlen(copy + i) + 1)
		sample_row(r, sample_vm(vms, pid++, copy + i), copy + i, 1, 1000);
	ledger__add(l, r, vms, NSEC_PER_SEC);
	exposition__write(&b, l, EXPOSITION_OPENMETRICS);
	if (ledger__restore(l, data, size)) /* one that restores may have families of any form */
		check(&b);
	require(!exposition__gzip(&b, &packed));
	buffer__free(&packed);
	buffer__free(&b);
	exposition__write(&b, l, EXPOSITION_PROTOBUF);
	buffer__free(&b);
	report__free(r);
	vms__close(vms);
	ledger__free(l);
	free(copy);
	return 0;
}
