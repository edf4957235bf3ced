# shellcheck shell=dash
# shellcheck disable=SC2034,SC2154 # set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A storm of exits: kvmscoped's limit holds, and is seen to; and what it says that it costs is so.

options_daemon_limit() {
	printf '%s\n' --file "$build/kvmscoped:/bin/kvmscoped"
}

run_daemon_limit() {
	daemon_begin one --domains exits,cpu --max-cpu 6 --cost-interval 1 --calm 3
	until_true 60 metric_is 'kvmscope_reduced_steps{domain="exits"} 0'
	vm_start vm web1 --forever --cpuid 1000
	vm_go vm
	await 'exits goes down to counts' one.err
	until_true 60 metric_is 'kvmscope_reduced_steps{domain="exits"} 1'
	cp polled reduced
	until_true 60 metric_is 'kvmscope_cost_ratio'
	vm_kill $vm_pid
	await 'exits goes up to times' one.err
	until_true 60 metric_is 'kvmscope_reduced_steps{domain="exits"} 0'
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
	says reduced '^kvmscope_complete 0$'
	says reduced '^kvmscope_limit_steps_total\{direction="down"\} [12]$'
	says back '^kvmscope_limit_steps_total\{direction="up"\} [12]$'
	says off '^kvmscope_complete 0$'
	says off '^kvmscope_limit_steps_total\{direction="down"\} 4$'
	case $(sed -n 's/.*: \([a-z]* goes down to .*\)/\1/p' two.err | tr '\n' ',') in
	"exits goes down to counts,net goes down to 1 in 256,exits goes down to off,net goes down to off,") ;;
	"exits goes down to counts,net goes down to 1 in 256,net goes down to off,exits goes down to off,") ;;
	*) failed "not in that order: $(grep 'goes' two.err)" ;;
	esac
	note "$(grep -m 1 'goes down' one.err | sed 's/^kvmscoped: //')"
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
	note "programs $ours of a CPU, by bpftool $theirs; the daemon $(awk '{ print $2 }' cpu) s, by schedstat $(cat cpu.before) to $(cat cpu.after) ns"
}
