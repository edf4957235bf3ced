/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bars and the histograms of -H: widths, rows, and no value lost. */
#include "text_capture.h"

static void test_bar(void **state)
{
	static const uint64_t none[KS_STATES];
	static const uint64_t states[KS_STATES] = {610, 42, 29, 4, 291, 24, 0, 0};
	static const uint64_t huge[2] = {UINT64_MAX, UINT64_MAX};
	uint64_t parts[KS_STATES];
	int width, i, round;

	start(&ascii);
	assert_string_equal(text__bar(t, states, KS_STATES, 20), "###########=+......%");
	assert_string_equal(text__bar(t, none, KS_STATES, 4), "    ");
	assert_string_equal(text__bar(t, huge, 2, 4), "##==");
	assert_string_equal(text__bar(t, states, 1, 3), "###");
	assert_string_equal(text__bar(t, states, KS_STATES, 0), "");
	stop();
	forget();
	start(&unicode);
	assert_string_equal(text__bar(t, states, KS_STATES, 20), "███████████▓▒░░░░░░▚");
	srandom(1);
	for (round = 0; round < 2000; round++) {
		width = 1 + (int)(random() % 60);
		for (i = 0; i < KS_STATES; i++)
			parts[i] = (uint64_t)random() >> random() % 32;
		parts[0]++;
		assert_int_equal(text__columns(t, text__bar(t, parts, KS_STATES, width)), width);
	}
	stop();
	forget();
}

static void add_values(struct histogram *h, uint64_t v, uint64_t n)
{
	h->count += n;
	h->sum += n * v;
	if (v > h->max)
		h->max = v;
	h->bucket[ks_hist_bucket(v)] += n;
}

static void test_histogram(void **state)
{
	struct sink_opts opts = {.unicode = true, .width = 40};
	struct histogram h = {0};

	start(&opts);
	text__histogram(t, "web1   hlt", &h, 'n');
	add_values(&h, 1000, 3);
	add_values(&h, 1100, 1600);
	add_values(&h, 1200, 1200);
	add_values(&h, 2000000, 1);
	text__histogram(t, "web1   io", &h, 'n');
	assert_written("web1   hlt   –\n"
		       "web1   io\n"
		       "   2,804 values, p50 1.09 µs, p99 1.22 …\n"
		       "    960 – 1024 ns      3  ▏\n"
		       "    1.0 –  1.2 µs  1,600  ██████████████\n"
		       "    1.2 –  1.3 µs  1,200  ██████████▌\n"
		       "        …\n"
		       "    2.0 –  2.1 ms      1  ▏\n");
}

static void test_histogram_ascii(void **state)
{
	struct sink_opts opts = {.width = 60};
	struct histogram h = {0};

	add_values(&h, 0, 2);
	add_values(&h, 4096, 200);
	add_values(&h, 65536, 100);
	add_values(&h, 1ULL << 41, 1);
	start(&opts);
	text__histogram(t, "sda", &h, 'b');
	assert_written("sda   303 values, p50 4.25 KiB, p99 68.0 KiB, max 2.00 TiB\n"
		       "      0 -   64 B      2  .\n"
		       "       ...\n"
		       "    4.0 -  4.5 KiB  200  ###################################\n"
		       "       ...\n"
		       "     64 -   72 KiB  100  ##################\n"
		       "       ...\n"
		       "    128 - 2048 GiB    1  .\n");
}

/* Any histogram: at most 24 rows, and no value lost on the way into them. */
static void test_histogram_rows(void **state)
{
	static const char units[] = "nbc";
	struct histogram h;
	uint64_t sum;
	size_t rows;
	char *line, *save;
	int round, i;

	srandom(2);
	for (round = 0; round < 600; round++) {
		memset(&h, 0, sizeof(h));
		for (i = 0; i < 1 + round; i++)
			add_values(&h,
				   (((uint64_t)random() << 31) ^ (uint64_t)random()) >>
					   (random() % 40 + round % 24),
				   1);
		start(round % 2 ? &unicode : &ascii);
		text__histogram(t, "title", &h, units[round % 3]);
		stop();
		sum = 0;
		rows = 0;
		for (line = strtok_r(written, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			size_t n = strlen(line);

			if (strstr(line, "value"))
				continue;
			rows++;
			if (strstr(line, "...") || strstr(line, "…"))
				continue;
			/* the count is what stands before the bar */
			while (n && line[n - 1] != ' ')
				n--;
			while (n && line[n - 1] == ' ')
				n--;
			line[n] = '\0';
			sum += strtoull(strrchr(line, ' ') + 1, NULL, 10);
		}
		assert_true(rows >= 1 && rows <= 24);
		assert_int_equal(sum, h.count);
		forget();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_histogram_ascii),
		cmocka_unit_test(test_histogram_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
