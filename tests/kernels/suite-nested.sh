# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: a VM that runs a VM. Exits of the inner one (L2) are told from those of the outer one
# (L1), which has exits of the same reasons. tests/guest/nested/README.md has the arithmetic.

nested_ops="--vmrun 211 --l2-out 3 --l1-cpuid 107"

# What $nested_ops come to on one vCPU, but for page faults and the timer's interrupts.
l1_exits_of_nested_ops='{vmrun: 211, cpuid: 107, io: 1}'
l2_exits_of_nested_ops='{cpuid: 211, io: 633}'
by_chance='del(.interrupt, .npf)'

needs_nested() {
	grep -q '[1Y]' /sys/module/kvm_amd/parameters/nested || skip "kvm_amd runs with nested=0"
}

# nested_run OPTION...: a VM "web1" that is done but still there when this returns.
nested_run() {
	KVMGUEST=${KVMGUEST%/*}/nestedguest
	vm_start vm web1 --hold "$@"
	vm_go vm
	await ^done vm.out
	# who joins a thread learns of its end before the tracepoint does (kernel/exit.c, do_exit: exit_mm comes first)
	until_true 20 has_no_vcpu $vm_pid || die "its vCPUs do not end"
}

has_no_vcpu() {
	[ -z "$(vm_threads "$1")" ]
}

# nested_truth FILE: {L1: {reason: n}, L2: ...}: an exit is L2's if kvm_nested_vmexit follows it.
nested_truth() {
	sed -nE -e 's/^.*-([0-9]+) +\[.*: kvm_exit: .*reason (.*) rip .*/\1 \2/p' \
		-e 's/^.*-([0-9]+) +\[.*: kvm_nested_vmexit: .*/\1/p' "$1.trace" |
		awk 'function count(level) {
				if (tid in reason)
					print level "\t" reason[tid]
				delete reason[tid]
			}
			{ tid = $1 }
			NF == 1 { count("L2") }
			NF > 1 { count("L1"); sub(/^[0-9]+ /, ""); reason[tid] = tolower($0) }
			END { for (tid in reason) print "L1\t" reason[tid] }' |
		jq -Rn 'reduce (inputs / "\t") as [$level, $r] ({}; .[$level][$r] += 1)'
}

# exits_are FILE VM VCPUS TRUTH: of both levels, summed over the vCPUs.
exits_are() {
	local levels="{L1: [vm(\"$2\")[] | .exits, .vcpus[]?.exits | .[]? | select(.nested | not)] | counts,
		L2: [vm(\"$2\")[] | .exits, .vcpus[]?.exits | .[]? | select(.nested)] | counts}"
	same "exits" "{L1: $l1_exits_of_nested_ops, L2: $l2_exits_of_nested_ops} |
		map_values(map_values($3 * .))" "$1" "$levels | map_values($by_chance)"
	same "exits as in the kernel's trace" "$(nested_truth "$4")" "$1" "$levels"
}

# --- one vCPU

run_nested_guest() {
	needs_nested
	truth_begin kvm_exit kvm_nested_vmexit
	scope_start scope exits -j -H
	scope=$scope_pid
	scope_start ports exits --by port -j
	nested_run $nested_ops
	scope_end scope "$scope"
	scope_end ports $scope_pid
	vm_kill $vm_pid
	truth_end truth
}

check_nested_guest() {
	status_is scope 0
	says vm.out '^done vmrun=211 l2_cpuid=211 l1_cpuid=107 l2_out=633 vcpus=1$'
	exits_are scope.out web1 1 truth
	holds "a time for each exit, but for one under way" scope.out '[vm("web1")[].exits[] |
		[.reason, .nested, .count - .latency.count, .latency.count - .cpu_latency.count]] |
		must(all(.[]; .[2] == (if .[0] == "io" and (.[1] | not) then 1 else 0 end) and .[3] == 0))'
	holds "each exit's parts are its latencies" scope.out '[vm("web1")[].exits[] |
		select(.count == .latency.count) | [.reason, .nested, split_sum, .latency.sum]] |
		must(length > 4 and all(.[]; .[2] == .[3]))'
	holds "L2's OUTs go to user space" scope.out '[vm("web1")[].exits[] | select(.reason == "io") |
		{(.nested | tostring): (.split_ns.vmm > 0)}] | add | must(. == {"true": true, "false": false})'
	holds "ports" ports.out '[vm("web1")[].ports[] | .count] | sort | must(. == [1, 633])'
	holds complete scope.out '[complete, losses] | must(. == [true, {}])'
}

# --- several

run_nested_guest_counts_only() {
	needs_nested
	truth_begin kvm_exit kvm_nested_vmexit
	scope_start scope exits --counts -j
	nested_run $nested_ops --vcpus 2
	scope_end scope $scope_pid
	vm_kill $vm_pid
	truth_end truth
}

check_nested_guest_counts_only() {
	status_is scope 0
	exits_are scope.out web1 2 truth
	holds "no times" scope.out '[vm("web1")[].exits[].latency | .count + .sum] | must(add == 0)'
	holds complete scope.out '[complete, losses] | must(. == [true, {}])'
}

run_smp4_nested_guest() {
	needs_nested
	truth_begin kvm_exit kvm_nested_vmexit
	scope_start scope exits --by vcpu -j
	nested_run $nested_ops --vcpus 2
	scope_end scope $scope_pid
	vm_kill $vm_pid
	truth_end truth
}

check_smp4_nested_guest() {
	status_is scope 0
	exits_are scope.out web1 2 truth
	holds "both vCPUs did the same" scope.out '[vm("web1")[].vcpus[] |
		[.exits[] | select(.reason | IN("vmrun", "cpuid", "io")) | [.reason, .nested, .count]] |
		sort] | must(length == 2 and .[0] == .[1])'
	holds complete scope.out '[complete, losses] | must(. == [true, {}])'
}

# A report may come between an exit and the moment at which KVM handles it. With one CPU, and a kernel
# that preempts wherever it may, many do: it is kvmscope's own timer that ends L2's spinning.
long_nested_ops="--vmrun 101 --l2-spin 3000000 --l1-cpuid 107"

preempt=/sys/kernel/debug/sched/preempt

preempt_fully() {
	[ -e $preempt ] || return 0
	# shellcheck disable=SC2064 # the mode of now
	trap "echo $(sed 's/.*(\(.*\)).*/\1/' $preempt) >$preempt" EXIT
	echo full >$preempt
}

run_nested_guest_intervals() {
	needs_nested
	preempt_fully
	truth_begin kvm_exit kvm_nested_vmexit
	scope_start scope exits -j 0.1
	scope=$scope_pid
	scope_start counts exits --counts -j 0.1
	nested_run $long_nested_ops
	scope_end scope "$scope"
	scope_end counts $scope_pid
	vm_kill $vm_pid
	truth_end truth
}

check_nested_guest_intervals() {
	local file
	for file in scope.out counts.out; do
		holds "some intervals" $file '[vm("web1")[].exits] | must(length > 7)'
		holds "counts that can be" $file '[vm("web1")[].exits[] | [.reason, .nested, .count] |
			select(.[2] > 1000 or .[2] < 0)] | must(. == [])'
		same "exits as in the kernel's trace" "$(nested_truth truth)" $file \
			'{L1: [vm("web1")[].exits[] | select(.nested | not)] | counts,
			L2: [vm("web1")[].exits[] | select(.nested)] | counts}'
		# v7.3 skips sched_process_exit's program where it preempts kvmscope's own bpf(2)
		holds "else nothing lost" $file 'losses | del(.recursion_misses) | must(. == {})'
	done
}
