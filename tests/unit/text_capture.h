/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of text: starts one, and hands back what it wrote once that was judged. */
#ifndef KVMSCOPE_TESTS_TEXT_CAPTURE_H
#define KVMSCOPE_TESTS_TEXT_CAPTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "terminal.h"
#include "text_internal.h"
#include "util.h"

static const struct sink_opts __attribute__((unused)) unicode = {.unicode = true, .width = 80};
static const struct sink_opts __attribute__((unused)) ascii = {.width = 80};

/* One text under test: what it writes comes out of stop(). */
static struct text *t;
static char *written;
static size_t n_written;
static FILE *out;

static inline void start(const struct sink_opts *opts)
{
	out = open_memstream(&written, &n_written);
	assert_non_null(out);
	t = text__begin(out, opts);
}

/* Checks it for width; what was written lives until forget(). */
static inline const char *stop(void)
{
	int width = text__opts(t)->width;
	bool only_ascii = !text__opts(t)->unicode;
	const char *wrong;

	assert_int_equal(text__end(t), 0);
	fclose(out);
	wrong = terminal__judge(written, n_written, width, only_ascii);
	if (wrong)
		fail_msg("%s:\n%s", wrong, written);
	return written;
}

static inline void forget(void)
{
	free(written);
	written = NULL;
}

static inline void assert_written(const char *expected)
{
	assert_string_equal(stop(), expected);
	forget();
}

#endif
