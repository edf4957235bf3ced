# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: times. Percentiles against the kernel's own trace of the same exits, and the split of
# a vCPU's wall time against the scheduler's sums.

# truth_latencies FILE: "REASON NS" for each exit in FILE.trace that an entry follows.
truth_latencies() {
	sed -nE -e 's/^.*-([0-9]+) +\[.* ([0-9]+): kvm_exit: .*reason (.*) rip .*/\1 \2 \3/p' \
		-e 's/^.*-([0-9]+) +\[.* ([0-9]+): kvm_entry: .*/\1 \2/p' "$1.trace" |
		awk 'NF > 2 { at[$1] = $2; reason[$1] = $3 }
			NF == 2 && reason[$1] != "" {
				print reason[$1], $2 - at[$1]
				reason[$1] = ""
			}'
}

# --- percentiles

# The tracer that came first reads its clock first, at both events. kvmscope does, for it is the
# faster one: what it does after the clock read, more at the one event than at the other, is then all
# that lies between the two. How much that is on average is known from the exact sums; it is
# bounded, taken off, and shown. Now and then the trace begins a new page, for some 200 more. The trace's clock is the TSC, for the kernel prints
# it whole, and where instructions are the clock it counts nanoseconds.
run_icount_percentiles() {
	scope_start scope exits -j -H
	truth_begin_plain kvm_exit kvm_entry
	echo x86-tsc >$tracing/trace_clock
	vm_run vm web1 --out 5003 --mmio 2003 --cpuid 5003 --rdmsr 3001
	scope_end scope $scope_pid
	truth_end truth
}

# Instructions, which are nanoseconds there.
apart_max=300
jitter_max=250

check_icount_percentiles() {
	local compared
	truth_latencies truth | jq -Rn '[inputs / " " | {reason: .[0], ns: (.[1] | tonumber)}] |
		group_by(.reason) | map({(.[0].reason): ([.[].ns] | sort)}) | add' >truth.json
	compared=$(value scope.out '
		def rank($q): ($q * length * (1 - 1e-12)) | ceil - 1;
		[vm("web1")[].exits[] | select(.reason != "interrupt") | . as $e | .latency as $l |
		 $truth[0][.reason] as $t |
		 (($l.sum - ($t | add)) / $l.count) as $apart |
		 {reason, n: [$l.count, ($t | length)], apart: $apart,
		  p: [[0.5, $l.p50], [0.9, $l.p90], [0.99, $l.p99], [0.999, $l.p999]] |
			map(. as [$q, $got] | $t[$t | rank($q)] as $true |
			{q: $q, got: $got, true: $true, off: ($got - $true - $apart | abs)})}]' \
		--slurpfile truth truth.json)
	echo "$compared" >compared
	holds "four reasons" compared '.[0] | must(length == 4)'
	holds "as many as in the trace" compared '[.[0][].n] | must(all(.[]; .[0] == .[1]))'
	holds "the tracers are at most $apart_max ns apart" compared \
		'[.[0][] | [.reason, .apart]] | must(all(.[]; .[1] | abs < $max))' --argjson max $apart_max
	holds "percentiles within 6.25 % and $jitter_max ns" compared '[.[0][] | {reason, p: .p[]} |
		select(.p.off > .p.true * 0.0625 + $max)] | must(. == [])' --argjson max $jitter_max
	note "at most $(jq '[.[].p[] | 1000 * .off / .true] | max | round / 10' compared) % off"
	note "tracers $(jq -r 'map(.apart | round) | "\(min) to \(max)"' compared) ns apart"
}

# --- sums

# Halts, stays in user space, a neighbour on the same CPU: exits of all kinds.
run_split_of_each_exit() {
	vm_start neighbour noise --forever --busy-ms 1000
	neighbour=$vm_pid
	vm_go neighbour
	scope_start scope exits -j
	vm_run vm web1 --out 211 --mmio 101 --cpuid 503 --hlt 31 --hlt-wake-us 3000 --vmm-sleep-us 1000
	scope_end scope $scope_pid
	vm_kill "$neighbour"
}

check_split_of_each_exit() {
	holds "nothing is under way" scope.out '[vm("web1")[].exits[] | select(.reason != "io") |
		[.reason, .count, .latency.count]] | must(all(.[]; .[1] == .[2]))'
	holds "each exit's parts are its latencies" scope.out '[vm("web1")[].exits[] |
		select(.count == .latency.count) | [.reason, split_sum, .latency.sum]] |
		must(all(.[]; .[1] == .[2]))'
	holds "what is under way is no less" scope.out '[vm("web1")[].exits[] |
		[.reason, split_sum, .latency.sum]] | must(all(.[]; .[1] >= .[2]))'
	holds "time on CPU is no more than time" scope.out '[vm("web1")[].exits[] |
		[.reason, .cpu_latency.sum, .latency.sum, .cpu_latency.count, .latency.count]] |
		must(all(.[]; .[1] <= .[2] and .[3] == .[4]))'
	holds "HLT is idle time" scope.out '[vm("web1")[].exits[] | select(.reason == "hlt").split_ns |
		[.halted + .halt_poll + .steal, .kernel]] | add as $all | .[0] | must(.[0] > 9 * .[1])'
	holds "OUT is the VMM, asleep" scope.out '[vm("web1")[].exits[] | select(.reason == "io").split_ns]
		| .[0] | must(.blocked > 211000000 and .halted == 0)'
	complete_or_told scope.out
}

# adds_up FILE VM TOLERANCE: each vCPU's parts are its wall time, in each interval that it lived
# through, which are all but the first and the last.
adds_up() {
	holds "$2: the parts are the whole" "$1" \
		'[vm($vm)[].vcpus[] | [split_sum, .wall_ns]] | must(all(.[]; .[0] == .[1]))' --arg vm "$2"
	holds "$2: the whole is the interval" "$1" \
		'[.[1:-1][] | .elapsed_ns as $e | .vms[] | select(.name == $vm).vcpus[] |
		.wall_ns / $e - 1] | must(length > 0 and all(.[]; abs < $tolerance))' \
		--arg vm "$2" --argjson tolerance "$3"
}

run_icount_intervals() {
	scope_start scope cpu -j 1 7
	# a halt in which several intervals end, beside many short ones
	vm_start long long --forever --hlt 1 --hlt-wake-us 3000000
	vm_go long
	vm_start short short --forever --vcpus 2 --out 5 --cpuid 50 --hlt 2 --hlt-wake-us 700
	vm_go short
	scope_wait scope $scope_pid
}

check_icount_intervals() {
	status_is scope 0
	lines_are scope.out 7
	jq -c 'select([.vms[].name] | index("long") and index("short"))' scope.out >both.out
	holds "intervals with both" both.out 'length | must(. > 4)'
	adds_up both.out long 0.005
	adds_up both.out short 0.005
	holds "the long halt is one in all of them" both.out '.[1:-1] |
		[vm("long")[].vcpus[] | .split_ns.halted / .wall_ns] | must(all(.[]; . > 0.9))'
	holds "nothing unaccounted" both.out '.[1:-1] |
		[(vm("long"), vm("short"))[].vcpus[] | .split_ns.unaccounted / .wall_ns] | must(all(.[]; . < 0.005))'
	complete_or_told scope.out
}

# --- the scheduler's sums

# schedstat PID: "TID ns-on-cpu ns-waited" of each vCPU.
schedstat() {
	local tid
	for tid in $(vm_threads "$1"); do
		echo "$tid $(cat "/proc/$1/task/$tid/schedstat")"
	done
}

# sums_of FILE PID before|after: what the scheduler and KVM have counted.
sums_of() {
	schedstat "$2" >"$1.$3"
	cat /sys/kernel/debug/kvm/"$2"-*/halt_wait_ns >"$1.halt_$3" 2>/dev/null || true
}

# between_stops FILE PID SECONDS: kvmscope's report of FILE, its second, for a time at both ends of
# which the VM stands still, and the scheduler's sums at both.
between_stops() {
	sleep 0.5
	vm_stop "$2"
	sums_of "$1" "$2" before
	scope_report "$1" $scope_pid
	vm_continue "$2"
	sleep "$3"
	vm_stop "$2"
	sums_of "$1" "$2" after
	scope_end "$1" $scope_pid
	vm_kill "$2"
}

# as_schedstat FILE VM: time waited and time on CPU of each vCPU, within 1 % and a tick.
as_schedstat() {
	awk '{ if (NR != FNR) print $1, $2 - cpu[$1], $3 - wait[$1]; cpu[$1] = $2; wait[$1] = $3 }' \
		"$1.before" "$1.after" | jq -Rn '[inputs / " " | {(.[0]): {cpu: (.[1] | tonumber),
		wait: (.[2] | tonumber)}}] | add' >sched.json
	for pair in 'wait .steal' 'cpu (.guest+.kernel+.vmm+.halt_poll)'; do
		holds "${pair%% *}: as the scheduler's" "$1.out" '.[1:] | [vm($vm)[].vcpus[] |
			[.tid, (.split_ns | '"${pair#* }"'), $sched[0][.tid | tostring].'"${pair%% *}"']] |
			must(length > 0 and all(.[]; .[2] as $true | .[1] - $true |
			abs < 4000000 + 0.01 * $true))' --arg vm "$2" --slurpfile sched sched.json
	done
}

run_steal() {
	scope_start scope cpu -j
	vm_start vm web1 --forever --busy-ms 10000 --vcpus 4 --pin 0
	vm_go vm
	between_stops scope $vm_pid 4
}

check_steal() {
	status_is scope 0
	lines_are scope.out 2
	holds "some 75 % each" scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns |
		100 * .steal / (.steal + .guest + .kernel)] | must(length == 4 and all(.[]; . > 70 and . < 80))'
	as_schedstat scope web1
	complete_or_told scope.out
	note "$(value scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns |
		1000 * .steal / (.steal + .guest + .kernel) | round / 10]') %"
}

# Work and halts by turns, and a neighbour who wants the CPU as well.
run_steal_beside_halts() {
	vm_start neighbour noise --forever --busy-ms 10000
	neighbour=$vm_pid
	vm_go neighbour
	scope_start scope cpu -j
	vm_start vm web1 --forever --vcpus 2 --cpuid 300 --out 5 --hlt 2 --hlt-wake-us 3000
	vm_go vm
	between_stops scope $vm_pid 4
	vm_kill "$neighbour"
}

check_steal_beside_halts() {
	holds "there is steal" scope.out \
		'.[1:] | [vm("web1")[].vcpus[].split_ns.steal] | must(all(.[]; . > 100000000))'
	as_schedstat scope web1
	complete_or_told scope.out
}

run_icount_halts() {
	scope_start scope cpu -j
	vm_start vm web1 --forever --hlt 1 --hlt-wake-us 20000 --out 1
	vm_go vm
	sleep 0.5
	sums_of scope $vm_pid before
	scope_report scope $scope_pid
	sleep 10
	sums_of scope $vm_pid after
	scope_end scope $scope_pid
	vm_kill $vm_pid
}

check_icount_halts() {
	holds "it is halted" scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns |
		100 * .halted / (([.[]] | add) - .blocked)] | must(length == 1 and all(.[]; . > 90))'
	as_schedstat scope web1
	note "CPU time $(value scope.out '.[1:] | [vm("web1")[].vcpus[] |
		(.split_ns | .guest + .kernel + .vmm + .halt_poll) / $sched[0][.tid | tostring].cpu - 1 |
		1000 * . | round / 10]' --slurpfile sched sched.json) % off the scheduler's"
	[ -s scope.halt_after ] || return 0
	holds "as KVM's halt_wait_ns, within 1 %" scope.out '.[1:] |
		[([vm("web1")[].vcpus[].split_ns.halted] | add), $after - $before] |
		must(.[0] / .[1] - 1 | abs < 0.01)' \
		--argjson before "$(cat scope.halt_before)" --argjson after "$(cat scope.halt_after)"
}

# --- user space

run_vmm_that_sleeps() {
	scope_start scope cpu -j
	vm_start vm web1 --forever --out 1 --vmm-sleep-us 10000
	vm_go vm
	sleep 1
	vm_kill $vm_pid
	scope_end scope $scope_pid
}

check_vmm_that_sleeps() {
	holds "blocked" scope.out '[vm("web1")[].vcpus[].split_ns |
		100 * .blocked / (.blocked + .vmm + .kernel + .guest)] | must(.[0] > 90)'
}

run_vmm_that_spins() {
	scope_start scope cpu -j
	scope=$scope_pid
	scope_start exits exits -j
	vm_start vm web1 --forever --out 1 --spin-vmm-us 5000
	vm_go vm
	sleep 1
	vm_kill $vm_pid
	scope_end scope "$scope"
	scope_end exits $scope_pid
}

check_vmm_that_spins() {
	holds "vmm" scope.out '[vm("web1")[].vcpus[].split_ns | 100 * .vmm / (.vmm + .kernel + .guest)] |
		must(.[0] > 90)'
	holds "in the exit's row, too" exits.out '[vm("web1")[].exits[] | select(.reason == "io") |
		.split_ns | 100 * .vmm / (.vmm + .kernel)] | must(.[0] > 90)'
}
