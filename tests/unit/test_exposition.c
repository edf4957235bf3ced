/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Expositions: whole ones as they must be, bounds, numbers, negotiation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bounds.h"
#include "exposition.h"
#include "ledger_sample.h"
#include "prometheus.pb-c.h"

#define BUCKETS(labels)                                                            \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"5.12e-07\"} 0\n"    \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"2.048e-06\"} 3\n"   \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"8.192e-06\"} 3\n"   \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"3.2768e-05\"} 3\n"  \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.000131072\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.000524288\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.002097152\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.008388608\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.033554432\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.134217728\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"0.536870912\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"2.147483648\"} 3\n" \
	"kvmscope_exit_handling_seconds_bucket{" labels ",le=\"+Inf\"} 3\n"        \
	"kvmscope_exit_handling_seconds_sum{" labels "} 0.000003\n"                \
	"kvmscope_exit_handling_seconds_count{" labels "} 3\n"
#define NAME   "a\\\"b\\\\c\ufffd\u00e9"
#define LABELS "vm=\"" NAME "\",reason=\"io\""

static const char openmetrics[] =
	"# TYPE kvmscope_vm info\n"
	"# HELP kvmscope_vm A VM, for joins: its uuid and pid, and where its name comes from.\n"
	"kvmscope_vm_info{vm=\"" NAME
	"\",uuid=\"\",pid=\"11\",platform=\"qemu\",name_source=\"cmdline\"} 1\n"
	"# TYPE kvmscope_exits counter\n"
	"# HELP kvmscope_exits Exits, \\\"all\\\" of them.\n"
	"kvmscope_exits_total{" LABELS "} 3\n"
	"# TYPE kvmscope_exit_handling_seconds histogram\n"
	"# UNIT kvmscope_exit_handling_seconds seconds\n"
	"# HELP kvmscope_exit_handling_seconds Time of exits.\n" BUCKETS(
		LABELS) "# TYPE kvmscope_queue_requests gauge\n"
			"# UNIT kvmscope_queue_requests requests\n"
			"# HELP kvmscope_queue_requests Length\\\\of a queue.\n"
			"kvmscope_queue_requests{vm=\"" NAME "\"} 3\n"
			"# TYPE kvmscope_overflow counter\n";

static const char text[] = "# TYPE kvmscope_vm_info gauge\n"
			   "# HELP kvmscope_vm_info A VM, for joins: its uuid and pid, and where "
			   "its name comes from.\n"
			   "kvmscope_vm_info{vm=\"" NAME
			   "\",uuid=\"\",pid=\"11\",platform=\"qemu\",name_source=\"cmdline\"} 1\n"
			   "# TYPE kvmscope_exits_total counter\n"
			   "# HELP kvmscope_exits_total Exits, \"all\" of them.\n"
			   "kvmscope_exits_total{" LABELS "} 3\n"
			   "# TYPE kvmscope_exit_handling_seconds histogram\n"
			   "# HELP kvmscope_exit_handling_seconds Time of exits.\n" BUCKETS(
				   LABELS) "# TYPE kvmscope_queue_requests gauge\n"
					   "# HELP kvmscope_queue_requests Length\\\\of a queue.\n"
					   "kvmscope_queue_requests{vm=\"" NAME "\"} 3\n"
					   "# TYPE kvmscope_overflow_total counter\n";

static struct ledger *one_vm(void)
{
	struct ledger *l = sample_ledger(10, 1000, 10);
	struct vms *vms = sample_vms();

	sample_add(l, vms, sample_vm(vms, 11, "a\"b\\c\n\u00e9"), "io", 3, 1);
	vms__close(vms);
	return l;
}

static void assert_begins(const struct buffer *b, const char *s)
{
	char *got = xcalloc(b->n + 1, 1);

	memcpy(got, b->data, b->n);
	if (b->n > strlen(s))
		got[strlen(s)] = '\0';
	assert_string_equal(got, s);
	free(got);
}

static void test_texts(void **state)
{
	struct ledger *l = one_vm();
	struct buffer b = {};

	exposition__write(&b, l, EXPOSITION_OPENMETRICS);
	assert_begins(&b, openmetrics);
	assert_memory_equal(b.data + b.n - 6, "# EOF\n", 6);
	buffer__free(&b);
	exposition__write(&b, l, EXPOSITION_TEXT);
	assert_begins(&b, text);
	buffer__free(&b);
	ledger__free(l);
}

static void test_protobuf(void **state)
{
	struct ledger *l = one_vm();
	struct buffer b = {};
	const uint8_t *p, *end;
	int histograms = 0;

	exposition__write(&b, l, EXPOSITION_PROTOBUF);
	p = (const uint8_t *)b.data;
	end = p + b.n;
	while (p < end) {
		Prometheus__MetricFamily *f;
		size_t n = 0;

		for (int shift = 0;; shift += 7) {
			n |= (size_t)(*p & 0x7f) << shift;
			if (!(*p++ & 0x80))
				break;
		}
		f = prometheus__metric_family__unpack(NULL, n, p);
		assert_non_null(f);
		p += n;
		if (f->type == PROMETHEUS__METRIC_TYPE__HISTOGRAM) {
			const Prometheus__Histogram *h = f->metric[0]->histogram;
			double high;

			histograms++;
			assert_int_equal(f->n_metric, 1);
			assert_int_equal(h->sample_count, 3);
			assert_true(h->sample_sum == 3e-6);
			assert_int_equal(h->n_bucket, 12);
			assert_true(h->bucket[1]->upper_bound == 2.048e-06);
			assert_int_equal(h->schema, 3);
			assert_int_equal(h->n_positive_span, 1);
			assert_int_equal(h->positive_span[0]->length, 1);
			assert_int_equal(h->n_positive_delta, 1);
			assert_int_equal(h->positive_delta[0], 3);
			/* 1000 ns is in [960, 1024), the middle of which is in the native bucket */
			high = exp2(h->positive_span[0]->offset / 8.0);
			assert_true(high >= 992e-9 && high / exp2(1 / 8.0) < 992e-9);
		}
		prometheus__metric_family__free_unpacked(f, NULL);
	}
	assert_int_equal(histograms, 1);
	buffer__free(&b);
	ledger__free(l);
}

static void test_bounds(void **state)
{
	static const struct {
		const char *unit;
		double scale;
	} units[] = {{"seconds", 1e-9}, {"bytes", 1}, {"requests", 1}, {"requests", 1.0 / 64}};
	struct bound b[BOUNDS_MAX];

	for (size_t u = 0; u < ARRAY_SIZE(units); u++) {
		size_t n = bounds__of(units[u].unit, units[u].scale, b);

		for (size_t i = 0; i < n; i++) {
			uint64_t edge = ks_hist_low(b[i].bucket);
			double high = (double)edge * units[u].scale;

			/* all that is in lower buckets is at or below le, all that is not is above
			 */
			if (strcmp(units[u].unit, "seconds"))
				assert_true(b[i].le == high - 1);
			else
				assert_true(fabs(b[i].le / high - 1) < 1e-15);
			assert_int_equal(ks_hist_bucket(edge - 1), b[i].bucket - 1);
			assert_true(strtod(b[i].text, NULL) == b[i].le);
			assert_true(!i || b[i].le > b[i - 1].le);
		}
	}
}

static void test_native_error(void **state)
{
	int32_t index[KS_HIST_BUCKETS];
	double zero;

	bounds__native(1e-9, index, &zero);
	for (uint32_t i = 1; i < KS_HIST_LAST; i++) {
		double low = (double)ks_hist_low(i) * 1e-9,
		       high = (double)ks_hist_low(i + 1) * 1e-9;

		assert_true(index[i] >= index[i - 1] || i == 1);
		/* a native bucket's bounds are never farther off than one of its widths */
		assert_true(exp2((index[i] + 1) / 8.0) >= high);
		assert_true(exp2((index[i] - 2) / 8.0) <= low);
		assert_true(exp2((index[i] - 1) / 8.0) >= zero * 0.9999999);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		double v;
		const char *s;
	} doubles[] = {{1, "1.0"},
		       {0.1, "0.1"},
		       {1e6, "1e+06"},
		       {123456, "123456.0"},
		       {1048575, "1.048575e+06"},
		       {0.0001, "0.0001"},
		       {0.00001234, "1.234e-05"},
		       {0, "0.0"},
		       {0.3, "0.3"},
		       {4095, "4095.0"},
		       {2.147483648, "2.147483648"}};
	char out[NUMBER_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(doubles); i++) {
		number__canonical(doubles[i].v, out);
		assert_string_equal(out, doubles[i].s);
	}
	number__text(UINT64_MAX, 1, out);
	assert_string_equal(out, "18446744073709551615");
	number__text(UINT64_MAX, 1e-9, out);
	assert_string_equal(out, "18446744073.709551615");
	number__text(1000000000, 1e-9, out);
	assert_string_equal(out, "1.0");
	number__text(120, 1e-9, out);
	assert_string_equal(out, "0.00000012");
}

#define OM "application/openmetrics-text"
#define PROTO          \
	"application/" \
	"vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static void test_negotiation(void **state)
{
	static const struct {
		const char *accept;
		enum exposition want;
	} accepts[] = {
		{NULL, EXPOSITION_TEXT},
		{"", EXPOSITION_TEXT},
		{"*/*", EXPOSITION_TEXT},
		{"text/html,*/*;q=0.8", EXPOSITION_TEXT},
		/* Prometheus 2.42, without and with native histograms */
		{OM ";version=1.0.0," OM
		    ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 EXPOSITION_OPENMETRICS},
		{PROTO "," OM ";version=1.0.0;q=0.8," OM
		       ";version=0.0.1;q=0.75,text/plain;version=0.0.4;"
		       "q=0.5,*/*;q=0.1",
		 EXPOSITION_PROTOBUF},
		{OM " ; Version=\"1.0.0\" ; q=0.3 , text/plain;q=0.2", EXPOSITION_OPENMETRICS},
		{OM ";version=0.0.1", EXPOSITION_TEXT},
		{OM ";q=0,text/plain;q=0.1", EXPOSITION_TEXT},
		{OM ";q=nonsense", EXPOSITION_TEXT},
		{"application/vnd.google.protobuf", EXPOSITION_TEXT},
		{";;;,,,;=;q=1,=", EXPOSITION_TEXT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(accepts); i++)
		assert_int_equal(exposition__negotiate(accepts[i].accept), accepts[i].want);
	assert_true(exposition__gzip_ok("gzip"));
	assert_true(exposition__gzip_ok("deflate, GZIP;q=0.5"));
	assert_true(exposition__gzip_ok("*"));
	assert_false(exposition__gzip_ok(NULL));
	assert_false(exposition__gzip_ok("identity"));
	assert_false(exposition__gzip_ok("*, gzip;q=0"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),	cmocka_unit_test(test_protobuf),
		cmocka_unit_test(test_bounds),	cmocka_unit_test(test_native_error),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_negotiation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
