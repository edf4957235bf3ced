#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is shipped for Prometheus and Grafana: rules and queries that parse; each alert fires where it has to, and not
# where it must not; quantiles of classic histograms and of native ones.
set -euo pipefail
shopt -s inherit_errexit

root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

for tool in promtool jq; do
	command -v "$tool" >/dev/null || {
		echo "no $tool"
		exit 77
	}
done
cd "$root/packaging/prometheus"
promtool check rules kvmscope.rules.yml >"$tmp/rules" 2>&1 || fail "$(cat "$tmp/rules")"
promtool test rules kvmscope.test.yml >"$tmp/test" 2>&1 || fail "$(cat "$tmp/test")"
# no alert without a test of either kind
while read -r alert; do
	grep -q "alertname: $alert, exp_alerts: \[\]" kvmscope.test.yml || fail "nothing where $alert must not fire"
	grep -q "alertname: $alert\$" kvmscope.test.yml || fail "nothing where $alert has to fire"
done < <(sed -n 's/.*- alert: //p' kvmscope.rules.yml)
# the queries of the dashboard, as rules that only have to parse
jq -r '"groups: [{name: x, rules: [", ([.panels[].targets[].expr | gsub("\\$__rate_interval"; "5m")] | to_entries[] |
	"{record: \"x:y\(.key)\", expr: \(.value | tojson)},"), "]}]"' ../grafana/kvmscope.json >"$tmp/board.yml"
promtool check rules "$tmp/board.yml" >"$tmp/board" 2>&1 || fail "$(cat "$tmp/board")"
[ "$(grep -c record "$tmp/board.yml")" -ge 15 ] || fail "the dashboard has lost its panels"
# what has buckets is asked for native histograms, too; heatmaps have a panel for each
while read -r metric; do
	grep -qE "rate\(${metric%_bucket}[[{]" ../prometheus/kvmscope.rules.yml ../grafana/kvmscope.json ||
		fail "$metric only, not ${metric%_bucket}"
done < <(grep -ohE 'kvmscope_[a-z0-9_]+_bucket' kvmscope.rules.yml ../grafana/kvmscope.json | sort -u)
[ $failures = 0 ] || exit 1

# Debian 12's promtool can't test native histograms, Debian 13's can
newest=promtool
if ! promtool test rules kvmscope.native.test.yml >"$tmp/native" 2>&1 && grep -q 'unexpected character' "$tmp/native"; then
	tree=$(../debian-tree trixie "$(dpkg --print-architecture)" prometheus 2>"$tmp/tree") || {
		echo "all but native histograms is right; for those: $(tail -n 1 "$tmp/tree")"
		exit 77
	}
	newest=$tree/usr/bin/promtool
fi
for file in *.test.yml; do
	"$newest" test rules "$file" >"$tmp/native" 2>&1 || fail "$(cat "$tmp/native")"
done
exit $((failures > 0))
