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
# So many that a tail of a thousandth is ten exits and more: an interrupt that falls between the two tracers'
# programs is in an exit by one of them alone.
run_icount_percentiles() {
	scope_start scope exits -j -H
	truth_begin_plain kvm_exit kvm_entry
	echo x86-tsc >$tracing/trace_clock
	vm_run vm web1 --out 10007 --mmio 10007 --cpuid 10007 --rdmsr 10007
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
	scope_start scope exits -j
	vm_go neighbour
	vm_run vm web1 --out 211 --mmio 101 --cpuid 503 --hlt 31 --hlt-wake-us 10000 --vmm-sleep-us 1000
	scope_end scope $scope_pid
	vm_kill "$neighbour"
}

check_split_of_each_exit() {
	holds "nothing is under way" scope.out '[vm("web1")[].exits[] | select(.reason != "io") |
		[.reason, .count, .latency.count]] | must(length >= 4 and all(.[]; .[1] == .[2]))'
	holds "each exit's parts are its latencies" scope.out '[vm("web1")[].exits[] |
		select(.count == .latency.count) | [.reason, split_sum, .latency.sum]] |
		must(length >= 4 and all(.[]; .[1] == .[2]))'
	holds "what is under way is no less" scope.out '[vm("web1")[].exits[] |
		[.reason, split_sum, .latency.sum]] | must(all(.[]; .[1] >= .[2]))'
	holds "time on CPU is no more than time" scope.out '[vm("web1")[].exits[] |
		[.reason, .cpu_latency.sum, .latency.sum, .cpu_latency.count, .latency.count]] |
		must(length >= 5 and all(.[]; .[1] <= .[2] and .[3] == .[4]))'
	holds "HLT is idle time" scope.out '[vm("web1")[].exits[] | select(.reason == "hlt").split_ns |
		[.halted + .halt_poll, .steal, .kernel]] | .[0] | must(.[0] > 0.9 * 31 * 10e6 and .[0] + .[1] > 9 * .[2])'
	holds "OUT is the VMM, asleep" scope.out '[vm("web1")[].exits[] | select(.reason == "io").split_ns]
		| .[0] | must(.blocked > 211000000 and .halted == 0)'
	complete_or_told scope.out
}

# Intervals end in the middle of a long halt and of a long stay in user space, and beside many short
# ones of each.
run_icount_intervals() {
	vm_start long long --forever --hlt 1 --hlt-wake-us 600000
	vm_start asleep asleep --forever --out 1 --vmm-sleep-us 600000
	vm_start short short --forever --vcpus 2 --out 5 --cpuid 50 --hlt 2 --hlt-wake-us 700
	scope_start scope cpu -j 0.2 8
	for vm in long asleep short; do
		vm_go $vm
	done
	scope_wait scope $scope_pid
}

check_icount_intervals() {
	local name
	status_is scope 0
	lines_are scope.out 8
	jq -c 'select([.vms[].name] | contains(["long", "short", "asleep"]))' scope.out |
		tail -n +2 >lived.out # through the whole of
	holds "intervals with all" lived.out 'length | must(. > 3)'
	for name in long asleep short; do
		adds_up lived.out $name
		holds "$name: nothing unaccounted" lived.out \
			'[vm($vm)[].vcpus[].split_ns.unaccounted] | must(all(.[]; . == 0))' --arg vm $name
	done
	holds "the long halt is one in all of them" lived.out \
		'[vm("long")[].vcpus[] | .split_ns.halted / .wall_ns] | must(all(.[]; . > 0.99))'
	holds "the VMM's sleep is blocked in all of them" lived.out \
		'[vm("asleep")[].vcpus[] | .split_ns.blocked / .wall_ns] | must(all(.[]; . > 0.99))'
	complete_or_told scope.out
}

# What is there before kvmscope is, and shows no event for long: a vCPU that is halted, one that runs
# its guest, one that never runs. Their time counts from the first interval on.
run_vcpus_without_events() {
	vm_start busy busy --forever --busy-ms 100000
	vm_go busy
	vm_start still still --forever --cpuid 1
	vm_stop $vm_pid
	vm_start halted halted --forever --hlt 1 --hlt-wake-us 30000000
	vm_go halted
	scope cpu cpu -j 0.3 3 # all within the halt, also where it takes seconds to attach
}

check_vcpus_without_events() {
	local name
	for name in halted busy still; do
		adds_up cpu.out $name
		holds "$name: in each interval" cpu.out \
			'[vm($vm)[].vcpus[]] | must(length == 3)' --arg vm $name
	done
	for pair in 'halted .halted' 'busy (.guest+.kernel+.steal+.unaccounted)' 'still .blocked'; do
		holds "${pair%% *}: what it is at" cpu.out '[vm($vm)[].vcpus[] | (.split_ns |
			'"${pair#* }"') / .wall_ns] | must(all(.[]; . > 0.999))' --arg vm "${pair%% *}"
	done
	holds "busy: unaccounted up to its first exit" cpu.out '[vm("busy")[].vcpus[] |
		.split_ns.unaccounted / .wall_ns] | must(.[0] < 0.1 and .[1] == 0 and .[2] == 0)'
	complete_or_told cpu.out
}

# --- the scheduler's sums, and KVM's

# sums_of FILE PID before|after: "TID ns-on-cpu ns-waited" of each vCPU, and KVM's sums of halts.
sums_of() {
	local tid dir name
	for tid in $(vm_threads "$2"); do
		echo "$tid $(cat "/proc/$2/task/$tid/schedstat")"
	done >"$1.$3"
	for dir in /sys/kernel/debug/kvm/"$2"-*; do
		for name in halt_wait_ns halt_poll_success_ns halt_poll_fail_ns; do
			[ ! -e "$dir/$name" ] || echo "$name $(cat "$dir/$name")"
		done
	done >"$1.kvm_$3"
}

# between_stops FILE PID SECONDS: kvmscope's report of FILE, its second, for a time at both ends of
# which the VM stands still, and the sums at both.
between_stops() {
	vm_runs "$2" 10
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

# between FILE BEFORE AFTER: what each first word's numbers grew by, as JSON.
between() {
	awk '{ if (NR != FNR) print $1, $2 - a[$1], $3 - b[$1]; a[$1] = $2; b[$1] = $3 }' "$1" "$2" |
		jq -Rn '[inputs / " " | {(.[0]): [.[1:][] | tonumber]}] | add // {}'
}

# as_schedstat FILE VM [LESS]: time on CPU, and time waited, of each vCPU, within 1 %; and 100 us of
# waits in all. LESS: by what share ours may be less, on v5.10.
#
# A wake-up that preempts somebody brings the scheduler's clock up to date, and has the switch that
# follows leave it as it is (kernel/sched/core.c, check_preempt_curr, rq_clock_skip_update): what passes
# in between is the woken thread's for schedstat, though it is the other one that runs. v5.10 has no
# dynamic preemption, so that up to milliseconds pass: in its trace the woken thread's
# sched_stat_runtime is longer by just the time from its sched_wakeup to its sched_switch.
as_schedstat() {
	local pair less=0
	[ "${series:-}" != 5.10 ] || less=${3:-0}
	between "$1.before" "$1.after" >sched.json
	for pair in '0 on CPU|.guest+.kernel+.vmm+.halt_poll' '1 waiting|.steal'; do
		value "$1.out" '.[1:] | [vm($vm)[].vcpus[] |
			[(.split_ns | '"${pair#*|}"'), $sched[0][.tid | tostring]['"${pair%% *}"']]]' \
			--arg vm "$2" --slurpfile sched sched.json >ours.json
		pair=${pair%|*}
		holds "${pair#* }: as the scheduler's, within 1 %" ours.json '.[0] | must(length > 0 and
			all(.[]; (.[0] - .[1]) as $d | $d < 0.01 * .[1] + $more and -$d < (0.01 + $less) * .[1] + $more))' \
			--argjson more $((${pair%% *} * 100000)) --argjson less "$less"
		note "${pair#* } $(jq -r 'map(select(.[1] > 1000000) | .[0] / .[1] - 1) |
			if . == [] then "none" else
			"\(min * 100000 | round / 1000) to \(max * 100000 | round / 1000) %" end' ours.json)"
	done
}

run_steal() {
	scope_start scope cpu -j
	vm_start vm web1 --forever --busy-ms 10000 --vcpus 4 --pin 0
	vm_go vm
	between_stops scope $vm_pid 2
}

check_steal() {
	status_is scope 0
	lines_are scope.out 2
	holds "some 75 % each" scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns |
		100 * .steal / (.steal + .guest + .kernel)] | must(length == 4 and all(.[]; . > 70 and . < 80))'
	holds "wait by wait it is the same" scope.out '.[1:] | [vm("web1")[].vcpus[] |
		[.steal_latency.count, .steal_latency.sum / .split_ns.steal]] |
		must(length == 4 and all(.[]; .[0] > 50 and .[1] > 0.99 and .[1] < 1.01))'
	as_schedstat scope web1
	complete_or_told scope.out
	note "$(value scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns |
		1000 * .steal / (.steal + .guest + .kernel) | round / 10]') %"
}

# Work and halts by turns, and a neighbour who wants the CPU as well.
run_steal_beside_halts() {
	vm_start neighbour noise --forever --busy-ms 10000
	neighbour=$vm_pid
	scope_start scope cpu -j
	vm_go neighbour
	vm_start vm web1 --forever --vcpus 2 --cpuid 300 --out 5 --hlt 2 --hlt-wake-us 3000
	vm_go vm
	between_stops scope $vm_pid 2
	vm_kill "$neighbour"
}

check_steal_beside_halts() {
	holds "there is steal" scope.out \
		'.[1:] | [vm("web1")[].vcpus[].split_ns.steal] | must(all(.[]; . > 100000000))'
	as_schedstat scope web1 0.25
	complete_or_told scope.out
}

run_icount_halts() {
	scope_start scope cpu -j
	vm_start vm web1 --forever --hlt 1 --hlt-wake-us 20000 --out 1 --cpuid 150
	vm_go vm
	between_stops scope $vm_pid 10
}

check_icount_halts() {
	holds "it is halted" scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns |
		100 * .halted / (([.[]] | add) - .blocked)] | must(length == 1 and all(.[]; . > 90))'
	# a timer wakes it 20 ms after each: so many wake-ups there were
	holds "each halt has its wake-up" scope.out '.[1:] | [vm("web1")[].vcpus[] | .wake_latency.count -
		.split_ns.halted / 20e6] | must(length == 1 and all(.[]; abs <= 2))'
	holds "which takes some microseconds" scope.out '.[1:] | [vm("web1")[].vcpus[].wake_latency |
		.p50, .sum / .count] | must(length == 2 and all(.[]; . > 1000 and . < 20000))'
	as_schedstat scope web1
	as_kvm scope web1 halted halt_wait_ns
}

# as_kvm FILE VM STATE NAME...: a state's time, within 1 % of what KVM's counters of those names come
# to, where it has them (halt_wait_ns: v5.14).
as_kvm() {
	local file=$1 vm=$2 state=$3 sum
	shift 3
	between "$file.kvm_before" "$file.kvm_after" >kvm.json
	sum=$(jq -n --slurpfile kvm kvm.json --args '[$kvm[0][$ARGS.positional[]]?[0]] | add' "$@")
	if [ "$sum" = null ]; then
		note "no $*"
		return
	fi
	holds "$state: as KVM's, within 1 %" "$file.out" '.[1:] |
		[([vm($vm)[].vcpus[].split_ns[$state]] | add), $sum] | must((.[0] - .[1] | abs) <= 0.01 * .[1])' \
		--arg vm "$vm" --arg state "$state" --argjson sum "$sum"
	note "$state $(value "$file.out" '.[1:] | [vm($vm)[].vcpus[].split_ns[$state]] | add' \
		--arg vm "$vm" --arg state "$state") of $sum ns"
}

# Halts so short that KVM polls. (What it takes to fall asleep and to wake up is in KVM's
# halt_wait_ns, and CPU time here: of halts that short it is a large part.)
run_icount_short_halts() {
	scope_start scope cpu -j
	vm_start vm web1 --forever --hlt 1 --hlt-wake-us 60 --cpuid 3
	vm_go vm
	between_stops scope $vm_pid 1
}

check_icount_short_halts() {
	holds "it polls" scope.out '.[1:] | [vm("web1")[].vcpus[].split_ns | .halt_poll] |
		must(length == 1 and all(.[]; . > 1000000))'
	as_schedstat scope web1
	as_kvm scope web1 halt_poll halt_poll_success_ns halt_poll_fail_ns
}

# --- user space

run_vmm_that_sleeps() {
	scope_start scope cpu -j
	vm_run vm web1 --repeat 97 --out 1 --vmm-sleep-us 10000
	scope_end scope $scope_pid
}

check_vmm_that_sleeps() {
	status_is scope 0
	complete_or_told scope.out
	holds "blocked, for as long as it slept" scope.out '[vm("web1")[].vcpus[].split_ns.blocked] |
		must(length == 1 and .[0] >= 97 * 10e6)'
	holds "and little else" scope.out '[vm("web1")[].vcpus[].split_ns | 100 * .blocked / add] | must(.[0] > 90)'
}

run_vmm_that_spins() {
	scope_start scope cpu -j
	scope=$scope_pid
	scope_start exits exits -j
	vm_run vm web1 --repeat 197 --out 1 --spin-vmm-us 5000
	scope_end scope "$scope"
	scope_end exits $scope_pid
}

check_vmm_that_spins() {
	status_is scope 0
	complete_or_told scope.out
	complete_or_told exits.out
	holds "vmm, for as long as it spun" scope.out '[vm("web1")[].vcpus[].split_ns.vmm] |
		must(length == 1 and .[0] >= 0.98 * 197 * 5e6)'
	holds "and little else, but for who else wants the CPU" scope.out '[vm("web1")[].vcpus[].split_ns |
		100 * .vmm / (add - .steal)] | must(.[0] > 90)'
	holds "in the exit's row, too" exits.out '[vm("web1")[].exits[] | select(.reason == "io") |
		.split_ns | 100 * .vmm / (.vmm + .kernel)] | must(.[0] > 90)'
}
