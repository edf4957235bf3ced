# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # PromQL; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# kvmscoped in a real Prometheus: classic and native histograms, rules and dashboard as they are shipped, and what
# kvmscope itself says.

# query PORT PROMQL
query() {
	curl -s -f -G --data-urlencode "query=$2" "http://127.0.0.1:$1/api/v1/query"
}

# yields PORT PROMQL: something?
yields() {
	query "$1" "$2" | grep -q value
}

# prometheus_start PORT OPTION...: on loopback, in a directory of its own. Sets prometheus_pid.
prometheus_start() {
	local port=$1
	shift
	prometheus --config.file="$PWD/prometheus.yml" --storage.tsdb.path="$PWD/data.$port" \
		--web.listen-address="127.0.0.1:$port" "$@" >"prometheus.$port" 2>&1 &
	prometheus_pid=$!
	started $prometheus_pid
}

# prometheus_begin PORT: kvmscoped on that port, scraped each second, with the rules as they are shipped and their own
# thresholds; but over 5 seconds in place of minutes, and alerts at once, for a test can't wait. Sets daemon_pid.
prometheus_begin() {
	command -v prometheus >/dev/null || skip "no prometheus here"
	port=$1
	daemon_on_port one
	cat >prometheus.yml <<-END
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [rules.yml]
		scrape_configs: [{job_name: kvmscope, static_configs: [{targets: ['127.0.0.1:$port']}]}]
	END
	sed -E 's/\[(5|10)m\]/[5s]/; s/for: [0-9]+[mh]/for: 0s/' "$tests/../packaging/prometheus/kvmscope.rules.yml" >rules.yml
}

# daemon_on_port FILE: for Prometheus. Sets daemon_pid.
daemon_on_port() {
	"${KVMSCOPE}d" --listen "127.0.0.1:$port" --max-cpu 0 2>"$1.err" &
	daemon_pid=$!
	started $daemon_pid
	await attached "$1.err"
}

# --- histograms, in both forms

# The dashboard's quantiles, as they are shipped.
board_quantiles() {
	jq -r '.panels[].targets[].expr | select(contains("histogram_quantile")) |
		gsub("\\$instance"; ".*") | gsub("\\$vm"; "web1") | gsub("\\$__rate_interval"; "1m")' "$tests/../packaging/grafana/kvmscope.json"
}

run_daemon_in_prometheus() {
	local expr stage n=0
	loop_begin 64
	prometheus_begin 19738
	prometheus_start 19091
	prometheus_start 19092 --enable-feature=native-histograms
	# a rate is of what comes after the first scrape of a series
	vm='{vm="web1",reason="io"}'
	vm_run first web1 --out 10 --disk "$loop" --disk-reads 1 --disk-writes 1
	for port in 19091 19092; do
		until_true 30 yields $port "kvmscope_userspace_exits_total$vm == 11" || true
	done
	scope_start scope exits --by userspace -j -H
	vm_start vm web1 --out 50021 --mmio 20011 --disk "$loop" --disk-reads 20011 --disk-writes 10007
	vm_go vm
	vm_end vm $vm_pid
	scope_end scope $scope_pid
	writes='kvmscope_disk_requests_total{vm="web1",op="write"} == 10008'
	for port in 19091 19092; do
		until_true 30 yields $port "kvmscope_userspace_exits_total$vm == 50033 and on (vm) $writes" || true
	done
	query 19091 "kvmscope_userspace_exits_total$vm" >count.json
	for q in 0.5 0.9 0.99; do
		query 19091 "histogram_quantile($q, kvmscope_userspace_exit_handling_seconds_bucket$vm)" >classic.$q.json
		query 19092 "histogram_quantile($q, kvmscope_userspace_exit_handling_seconds$vm)" >native.$q.json
	done
	for port in 19091 19092; do
		# what rules made of it while there was something; NaN is of before and after
		for stage in d2c q2c; do
			rule="max_over_time(vm_device_op:kvmscope_disk_${stage}_seconds:p99_5m{vm=\"web1\"}[5m]) > 0"
			until_true 30 yields $port "count($rule) == 2" || true
			query $port "$rule" >$stage.$port.json
		done
		n=0
		while read -r expr; do
			n=$((n + 1))
			query $port "$expr" >board.$n.$port.json
		done < <(board_quantiles)
	done
	echo $n >panels
	query 19092 'count({__name__=~"kvmscope_.*_bucket"})' >buckets.json
	query 19091 'count({job="kvmscope",__name__=~"kvmscope_.*"})' >arrived.json
	port=19738
	curl -s http://127.0.0.1:$port/metrics | grep -vc '^#' >served
	# killed and started again: its counters begin at 0, which is no loss
	kill -KILL $daemon_pid
	wait $daemon_pid || true
	until_true 20 eval '! curl -s http://127.0.0.1:$port/ >/dev/null'
	daemon_on_port two
	vm_run vm3 web1 --out 1009
	until_true 30 yields 19091 "kvmscope_userspace_exits_total$vm == 1010" || true
	query 19091 "resets(kvmscope_userspace_exits_total${vm}[5m])" >resets.json
	query 19091 "increase(kvmscope_userspace_exits_total${vm}[5m])" >increase.json
	daemon_end $daemon_pid
}

# of FILE: the number that the query yields
answer_of() {
	jq -r '.data.result[0].value[1]' "$1"
}

# of FILE: which series have a number
series_of() {
	jq -c '[.data.result[] | select(.value[1] != "NaN").metric] | sort' "$1"
}

check_daemon_in_prometheus() {
	local q key ours n stage
	[ "$(answer_of count.json)" = 50033 ] || failed "the count: $(cat count.json)"
	[ "$(answer_of resets.json)" = 1 ] || failed "resets: $(cat resets.json)"
	awk -v n="$(answer_of increase.json)" 'BEGIN { exit !(n >= 1010 && n < 200000) }' || failed "increase: $(cat increase.json)"
	# series that come with the next VM may be served already
	at_most "series that did not arrive" "$(($(cat served) - $(answer_of arrived.json)))" 0
	for q in 0.5 0.9 0.99; do
		key=p${q#0.} && [ $q != 0.5 ] || key=p50
		[ $q != 0.9 ] || key=p90
		ours=$(value scope.out "[.[].vms[] | select(.name == \"web1\").userspace[] | select(.reason == \"io\").latency.$key] | max")
		# classic: in the same of its buckets, which are four wide; native: half of our bucket and one of its own
		awk -v a="$(answer_of classic.$q.json)" -v b="$ours" 'BEGIN {
			a *= 1e9; low = 0; high = 512
			while (b >= high) { low = high; high *= 4 }
			exit !(a >= low && a <= high) }' || failed "classic $q: $(answer_of classic.$q.json) s, kvmscope says $ours ns"
		awk -v a="$(answer_of native.$q.json)" -v b="$ours" 'BEGIN { exit !(a * 1e9 >= b * 0.88 && a * 1e9 <= b * 1.12) }' ||
			failed "native $q: $(answer_of native.$q.json) s, kvmscope says $ours ns"
		note "p$q: $ours ns, classic $(answer_of classic.$q.json), native $(answer_of native.$q.json) s"
	done
	# with native histograms there is no other form, and rules and dashboard have what they have without
	[ "$(jq '.data.result | length' buckets.json)" = 0 ] || failed "buckets: $(cat buckets.json)"
	for stage in d2c q2c; do
		# reads and writes
		[ "$(series_of $stage.19091.json | jq length)" = 2 ] || failed "$stage by classic rules: $(cat $stage.19091.json)"
		[ "$(series_of $stage.19091.json)" = "$(series_of $stage.19092.json)" ] ||
			failed "$stage by native rules: $(cat $stage.19092.json)"
	done
	[ "$(cat panels)" -ge 6 ] || failed "the dashboard has only $(cat panels) quantiles"
	for n in $(seq "$(cat panels)"); do
		[ "$(series_of board.$n.19091.json)" = "$(series_of board.$n.19092.json)" ] ||
			failed "panel $n: classic $(cat board.$n.19091.json), native $(cat board.$n.19092.json)"
		[ "$(series_of board.$n.19091.json)" = '[]' ] || echo "$n" >>filled
	done
	# a disk with its queue and without, and, if it had to wait for a CPU, that
	[ "$(wc -l <filled)" -ge 2 ] || failed "only these panels have something: $(cat filled)"
}

# --- alerts: as they are shipped, of what is provoked

# fires FILE ALERT LABELS
fires() {
	local alert="ALERTS{alertname=\"$2\",alertstate=\"firing\",$3}"
	until_true 30 yields 19093 "$alert" || true
	query 19093 "$alert" >"$1.json"
}

run_daemon_alerts() {
	prometheus_begin 19739
	prometheus_start 19093
	# one that does little, one whose two vCPUs do nothing but I/O
	vm_start quiet quiet --forever --pace-us 20000
	quiet=$vm_pid
	vm_go quiet
	vm_start storm db1 --forever --out 100 --vcpus 2
	vm_go storm
	fires storm KvmscopeExitStorm 'vm="db1",reason="io"'
	query 19093 'ALERTS{alertname="KvmscopeExitStorm",vm!="db1"}' >others.json
	query 19093 'ALERTS{alertname=~"KvmscopeDown|KvmscopeTapRingDrops"}' >early.json
	vm_kill $vm_pid
	vm_kill "$quiet"
	# a guest that takes nothing out of its tap's ring
	net_begin
	tap_add vnet0
	in_ns ip link set vnet0 txqueuelen 7
	net_vm vm2 web2 vnet0
	net_vm world world wire/packet
	say vm2 "frame $(frame $n $a)" "send 0 1"
	say world "frame $(frame $a $n)"
	firing='ALERTS{alertname="KvmscopeTapRingDrops",alertstate="firing",vm="web2",nic="vnet0"}'
	until_true 30 eval 'say world "send 0 60"; yields 19093 "$firing"' || true
	query 19093 "$firing" >ring.json
	daemon_end $daemon_pid
	fires down KvmscopeDown 'job="kvmscope"'
}

check_daemon_alerts() {
	local file
	for file in storm ring down; do
		[ "$(jq '.data.result | length' $file.json)" -ge 1 ] || failed "no alert: $file: $(cat $file.json)"
	done
	for file in others early; do
		[ "$(jq '.data.result | length' $file.json)" = 0 ] || failed "an alert of nothing: $(cat $file.json)"
	done
}
