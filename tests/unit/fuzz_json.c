/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Arbitrary bytes as names: one line of valid UTF-8 comes out, which parses back to as many
 * names, and those that were valid are what they were. NULs divide the bytes into names.
 */
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <json-c/json.h>
#include "sink.h"
#include "util.h"

#define MAX_NAMES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* By the C library, which also takes the five and six bytes of an older UTF-8. */
static bool is_valid(const char *s)
{
	mbstate_t shift = {0};
	size_t len;
	wchar_t c;

	for (; *s; s += len) {
		len = mbrtowc(&c, s, strlen(s), &shift);
		if (len > 4 || c > 0x10ffff)
			return false;
	}
	return true;
}

static void check_back(const char *line, size_t n, const char *const *names, size_t n_names)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *o, *vms, *value;
	size_t i;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, line, (int)n);
	require(o && json_tokener_get_error(tokener) == json_tokener_success);
	require(json_object_object_get_ex(o, "vms", &vms));
	require(json_object_array_length(vms) == n_names);
	for (i = 0; i < n_names; i++) {
		require(json_object_object_get_ex(json_object_array_get_idx(vms, i), "name",
						  &value));
		if (is_valid(names[i]))
			require(!strcmp(json_object_get_string(value), names[i]));
		require(is_valid(json_object_get_string(value)));
	}
	require(json_object_object_get_ex(o, "notes", &value));
	require(json_object_array_length(value) == n_names);
	json_object_put(o);
	json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sink_opts opts = {.histograms = true};
	const char *names[MAX_NAMES];
	struct report *r = report__new("vms");
	char *copy = xcalloc(size + 1, 1), *line = NULL;
	size_t n_names = 0, n = 0, i;
	struct histogram h = {0};
	struct row *row;
	FILE *out;

	require(setlocale(LC_ALL, "C.UTF-8"));
	memcpy(copy, data, size);
	memcpy(&h, data, size < sizeof(h) ? size : sizeof(h));
	for (i = 0; i <= size && n_names < MAX_NAMES; i += strlen(copy + i) + 1)
		names[n_names++] = copy + i;
	for (i = 0; i < n_names; i++) {
		row = row__add(&r->top, "vms");
		row__text(row, "name", names[i]);
		row__hist(row, "latency", &h);
		row__split(row, "split_ns", h.bucket, (unsigned int)h.max);
		row__i64(row, "number", (int64_t)h.sum);
		report__add_note(r, names[i]);
	}
	out = open_memstream(&line, &n);
	require(!sink_json__write(out, r, &opts));
	fclose(out);
	require(n > 1 && line[n - 1] == '\n' && memchr(line, '\n', n) == line + n - 1);
	check_back(line, n - 1, names, n_names);
	free(line);
	free(copy);
	report__free(r);
	return 0;
}
