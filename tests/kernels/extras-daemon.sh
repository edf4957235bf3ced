# shellcheck shell=dash
# shellcheck disable=SC2034,SC2154 # set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A storm of exits: kvmscoped's limit holds, and is seen to; and what it says that it costs is so.

options_daemon_limit() {
	printf '%s\n' --timeout 290 --file "$build/kvmscoped:/bin/kvmscoped"
}

# cost_of FILE: all parts of it, as a share of all CPUs; nothing: the daemon's own is not known before the second look.
cost_of() {
	awk '/^kvmscope_cost_ratio\{/ { sum += $NF; known += /"daemon"/ && $NF > 0 } END { if (known) printf "%.6f\n", sum }' "$1"
}

# What the daemon wrote last, which costs it less than being asked twenty times a second. In polled.
written() {
	cp one.prom polled 2>/dev/null
}

written_is() {
	written && grep -qxF "$1" polled
}

# is_below LIMIT: in per cent
is_below() {
	written && [ -n "$(cost_of polled)" ] && awk -v cost="$(cost_of polled)" -v limit="$1" 'BEGIN { exit !(cost * 100 < limit) }'
}

# has_costs N: so many different samples of what the programs of the exits cost, while there were some.
has_costs() {
	written && grep '^kvmscope_cost_ratio{part="exits"} 0.*[1-9]' polled >>samples
	[ "$(sort -u samples | wc -l)" -ge "$1" ]
}

run_daemon_limit() {
	local limit
	# what a storm costs is this machine's matter, and what else it does: the limit is a little below
	echo 'max-cpu = 0' >one.conf
	daemon_begin one --config one.conf --domains exits,cpu --cost-interval 2 --calm 3 --interval 5 --textfile "$PWD/one.prom"
	vm_start vm web1 --forever --cpuid 1000
	vm_go vm
	until_true 60 has_costs 4
	cp polled storm
	limit=$(awk -v cost="$(cost_of storm)" 'BEGIN { printf "%.3f", cost * 80 }')
	echo "max-cpu = $limit" >one.conf
	kill -HUP $daemon_pid
	await 'exits goes down to counts' one.err
	until_true 60 eval 'written_is "kvmscope_reduced_steps{domain=\"exits\"} 1" || written_is "kvmscope_reduced_steps{domain=\"exits\"} 2"'
	cp polled reduced
	until_true 60 is_below "$limit" || true
	cp polled held
	vm_kill $vm_pid
	# a step up wants half of the limit, and the daemon's own time, loading included, is much of that in emulation
	until_true 120 has_line 'exits goes up to times' one.err
	until_true 60 written_is 'kvmscope_reduced_steps{domain="exits"} 0'
	cp polled back
	kill -TERM $daemon_pid
	wait $daemon_pid
	# one that nothing can keep: the daemon's own time is above it. All is taken away, in the order of the levels
	daemon_begin two --domains exits,cpu,net --max-cpu 0.001 --cost-interval 0.5 --calm 600
	until_true 120 eval 'metric_is "kvmscope_reduced_steps{domain=\"exits\"} 2" && metric_is "kvmscope_reduced_steps{domain=\"net\"} 2"'
	cp polled off
	kill -TERM $daemon_pid
	wait $daemon_pid
}

check_daemon_limit() {
	local storm held limit
	# above the limit, a step or two, below it; and back
	storm=$(cost_of storm)
	held=$(cost_of held)
	limit=$(awk '$1 == "kvmscope_cost_limit_ratio" { print $2 }' held)
	awk -v storm="$storm" -v held="$held" -v limit="$limit" 'BEGIN { exit !(limit > 0 && storm > limit && held > 0 && held < limit) }' ||
		failed "a storm cost $storm, and after the step $held; the limit is $limit"
	says held '^kvmscope_reduced_steps\{domain="exits"\} [12]$'
	says reduced '^kvmscope_complete 0$'
	says reduced '^kvmscope_limit_steps_total\{direction="down"\} [12]$'
	says back '^kvmscope_limit_steps_total\{direction="up"\} [12]$'
	says held '^kvmscope_complete 0$'
	says back '^kvmscope_complete 1$'
	says off '^kvmscope_complete 0$'
	says off '^kvmscope_limit_steps_total\{direction="down"\} 4$'
	case $(sed -n 's/.*: \([a-z]* goes down to .*\)/\1/p' two.err | tr '\n' ',') in
	"exits goes down to counts,net goes down to 1 in 256,exits goes down to off,net goes down to off,") ;;
	"exits goes down to counts,net goes down to 1 in 256,net goes down to off,exits goes down to off,") ;;
	*) failed "not in that order: $(grep 'goes' two.err)" ;;
	esac
	note "a storm cost $storm of all CPUs, after the step $held; the limit was $limit"
}

# --- what it costs, against the kernel's own sums of the same programs and of the same process

options_daemon_cost() {
	options_daemon_limit
	printf '%s\n' --icount --timeout 300 --file "$(PATH=$PATH:/usr/sbin:/sbin command -v bpftool):/bin/bpftool"
}

# all_programs FILE: what bpftool says of all programs; nobody else has any here.
all_programs() {
	awk '{ print $1 }' /proc/uptime >"$1.uptime"
	bpftool -j prog show >"$1.json"
}

# next_reading: the counters are read once more, after what came before. Leaves it in polled.
next_reading() {
	local before
	before=$(grep '^kvmscope_daemon_cpu_seconds_total ' polled)
	until_true 60 eval 'fetch_metrics polled && ! grep -qxF "$before" polled'
	echo "$(awk '{ print $1 }' /proc/uptime) $(grep '^kvmscope_exits_total.*reason="cpuid"' polled)" >>scrapes
}

run_daemon_cost() {
	daemon_begin one --domains exits,cpu --max-cpu 0 --cost-interval 0.5
	worker=$(pidof kvmscoped | tr ' ' '\n' | grep -vx $daemon_pid)
	vm_start vm web1 --forever --cpuid 1000
	vm_go vm
	fetch_metrics polled
	next_reading # the sample before the next one is of the VM at work
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	all_programs before
	for n in 1 2; do
		next_reading
		grep -F 'cost_ratio{part="exits"}' polled >>samples
	done
	all_programs after
	awk '{ print $1 }' "/proc/$worker/schedstat" >cpu.before
	next_reading
	awk '{ print $1 }' "/proc/$worker/schedstat" >cpu.after
	grep '^kvmscope_daemon_cpu_seconds_total' polled >cpu
	vm_kill $vm_pid
	kill -TERM $daemon_pid
	wait $daemon_pid
}

# storm_alert: the alert as it is shipped, with its threshold, on what was scraped while the VM did nothing but leave guest
# mode; over the seconds that this took in place of five minutes, and at once.
storm_alert() {
	local values span
	# at each second the value, or "_"
	values=$(awk '
		{ at = int($1 + 0.5); first = first ? first : at; value[at] = $NF; last = at }
		END { for (at = first; at <= last; at++) printf "%s ", at in value ? value[at] : "_" }' scrapes)
	span=$(($(echo "$values" | wc -w) - 1))
	sed -E "s/\\[5m\\]/[${span}s]/; s/for: [0-9]+[mh]/for: 0s/" \
		"$tests/../packaging/prometheus/kvmscope.rules.yml" >storm.rules.yml
	cat >storm.test.yml <<-END
		rule_files: [storm.rules.yml]
		evaluation_interval: 1s
		tests:
		  - interval: 1s
		    input_series:
		      - {series: 'kvmscope_exits_total{instance="h1",vm="web1",reason="cpuid"}', values: '$values'}
		    promql_expr_test:
		      - expr: ALERTS{alertname="KvmscopeExitStorm"}
		        eval_time: ${span}s
		        exp_samples:
		          - labels: 'ALERTS{alertname="KvmscopeExitStorm",alertstate="firing",instance="h1",reason="cpuid",severity="warning",vm="web1"}'
		            value: 1
	END
	promtool test rules storm.test.yml >storm.out 2>&1 || failed "no alert of a storm: $(cat scrapes storm.out)"
	note "$(awk '{ if (!n++) { t = $1; c = $NF } } END { printf "%d exits a second", ($NF - c) / ($1 - t) }' scrapes): KvmscopeExitStorm"
}

check_daemon_cost() {
	local ours theirs
	ours=$(awk '{ sum += $NF } END { print sum / NR }' samples)
	theirs=$(jq -n --slurpfile a before.json --slurpfile b after.json \
		--argjson s "$(cat before.uptime after.uptime | tr '\n' ' ' | awk '{ print $2 - $1 }')" '
		([$b[0][].run_time_ns // 0] | add) - ([$a[0][].run_time_ns // 0] | add) | . / $s / 1e9')
	awk -v a="$ours" -v b="$theirs" 'BEGIN { exit !(b > 0.05 && a > b * 0.9 && a < b * 1.1) }' ||
		failed "the programs: $ours of a CPU, by bpftool $theirs"
	# between two looks at what the scheduler has summed up, 1 ms for a tick
	awk -v low="$(cat cpu.before)" -v high="$(cat cpu.after)" '
		{ ns = $NF * 1e9; exit !(ns >= low - 1e6 && ns <= high + 1e6 && low > 0) }' cpu ||
		failed "the daemon: $(cat cpu), by schedstat $(cat cpu.before) to $(cat cpu.after) ns"
	if command -v promtool >/dev/null; then
		storm_alert
	else
		note "no promtool here"
	fi
	note "programs $ours of a CPU, by bpftool $theirs; the daemon $(awk '{ print $2 }' cpu) s, by schedstat $(cat cpu.before) to $(cat cpu.after) ns"
}
