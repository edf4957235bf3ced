# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: every exit is counted, once, for the VM and the vCPU that it is of. What the guest does
# is a prime number of each operation: arch-x86.sh, arch-arm64.sh. The second witness is the kernel's own trace
# of the same boot.

# same_as_truth FILE VM TRUTH: of the only VM that ran. All reasons, those of chance too.
same_as_truth() {
	same "$2: exits as in the kernel's trace" "$(trace_reasons "$3.trace" |
		jq -Rn 'reduce inputs as $r ({}; .[$r | ascii_downcase] += 1)')" "$1" "exits(\"$2\")"
	[ -e "$3.hist" ] || return 0
	same "$2: exits as in the kernel's histogram" "$(hist_codes "$3.hist" |
		jq -Rn 'reduce (inputs / " ") as [$code, $n] ({}; .[$code] += ($n | tonumber))')" \
		"$1" "[vm(\"$2\")[].exits[]] | map({(.code | tostring): .count}) | add"
}

# --- one vCPU

run_one_vcpu() {
	truth_begin kvm_exit
	scope_start scope exits -j -H
	vm_run vm web1 $ops
	scope_end scope $scope_pid
	truth_end truth
}

check_one_vcpu() {
	status_is scope 0
	lines_are scope.out 1
	same exits "$exits_of_ops" scope.out 'exits("web1") | '"$chance"
	holds "code and isa" scope.out '[vm("web1")[].exits[] | {(.reason): [.code, .isa]}] | add |
		'"$chance"' | must(. == '"$codes_of_ops"')'
	holds "one VM" scope.out '[.[].vms[].name] | must(. == ["web1"])'
	holds "complete, nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	holds "as many as KVM has counted" scope.out 'vm("web1") | map([.counted_exits, .kernel_exits]) |
		must(all(.[]; .[1] == null or .[0] == .[1]))'
	holds "buckets add up" scope.out '[vm("web1")[].exits[] | [.count, .latency.count,
		([.latency.buckets[][2]] | add), .cpu_latency.count] |
		(.[0] - .[1] | IN(0, 1)) and .[1] == .[2] and .[1] == .[3]] | must(all)'
	same_as_truth scope.out web1 truth
}

run_one_vcpu_to_user_space() {
	scope_start scope exits --by userspace -j
	vm_run vm web1 $ops
	scope_end scope $scope_pid
}

check_one_vcpu_to_user_space() {
	status_is scope 0
	same "exits to user space" "$userspace_of_ops" scope.out 'userspace("web1")'
	holds "code" scope.out '[vm("web1")[].userspace[] | [.reason, .code]] |
		must(. - [["io", 2], ["mmio", 6], ["hlt", 5]] == [])'
	complete_or_told scope.out
}

run_counts_only() {
	truth_begin kvm_exit
	scope_start scope exits --counts -j
	scope_start user exits --counts --by userspace -j
	user=$scope_pid
	vm_run vm web1 $ops
	scope_end scope "$(head -n 1 "$PIDS")"
	scope_end user "$user"
	truth_end truth
}

check_counts_only() {
	same exits "$exits_of_ops" scope.out 'exits("web1") | '"$chance"
	same "exits to user space" "$userspace_of_ops" user.out 'userspace("web1")'
	complete_or_told scope.out
	holds "no times" scope.out '[vm("web1")[].exits[].latency | .count + .sum] | must(add == 0)'
	same_as_truth scope.out web1 truth
}

# --- several vCPUs, on one CPU and on several

run_four_vcpus_on_one_cpu() {
	truth_begin kvm_exit
	scope_start scope exits -j
	scope=$scope_pid
	scope_start by_vcpu exits --by vcpu -j
	vm_run vm web1 $ops --vcpus 4 --pin 0
	scope_end scope "$scope"
	scope_end by_vcpu $scope_pid
	truth_end truth
}

check_four_vcpus_on_one_cpu() {
	check_four_vcpus
}

check_four_vcpus() {
	same exits "$exits_of_ops | map_values(4 * .)" scope.out 'exits("web1") | '"$chance"
	same "exits by vCPU" "$exits_of_ops as \$e | [range(4) | {(tostring): \$e}] | add" \
		by_vcpu.out "exits_by_vcpu(\"web1\") | map_values($chance)"
	holds "four threads" by_vcpu.out '[vm("web1")[].vcpus[].tid] | unique | must(length == 4)'
	complete_or_told scope.out
	same_as_truth scope.out web1 truth
}

run_smp4_four_vcpus_on_four_cpus() {
	truth_begin kvm_exit
	scope_start scope exits -j
	scope=$scope_pid
	scope_start by_vcpu exits --by vcpu -j
	vm_run vm web1 $ops --vcpus 4 --pin 0,1,2,3
	scope_end scope "$scope"
	scope_end by_vcpu $scope_pid
	truth_end truth
}

check_smp4_four_vcpus_on_four_cpus() {
	check_four_vcpus
}

# Not pinned, and with halts: the threads wander.
run_smp4_vcpus_that_migrate() {
	truth_begin kvm_exit
	scope_start scope exits --by vcpu -j
	vm_start vm web1 $wander_ops --vcpus 6
	vm_go vm
	until gone $vm_pid; do
		for tid in $(vm_threads $vm_pid 2>/dev/null); do
			for cpu in 1 2 4 8; do
				taskset -p $cpu "$tid" >/dev/null 2>&1 || true
			done
		done
	done
	vm_end vm $vm_pid
	scope_end scope $scope_pid
	truth_end truth
}

check_smp4_vcpus_that_migrate() {
	same "exits by vCPU" "$exits_of_wander_ops as \$e | [range(6) | {(tostring): \$e}] | add" \
		scope.out "exits_by_vcpu(\"web1\") | map_values($wander_chance)"
	complete_or_told scope.out
}

# --- several VMs

run_two_vms_at_once() {
	truth_begin kvm_exit
	scope_start scope exits -j
	vm_start one web1 $ops
	one=$vm_pid
	vm_start two "db 2,,x" $other_ops
	vm_go one
	vm_go two
	vm_end one "$one"
	vm_end two $vm_pid
	scope_end scope $scope_pid
	truth_end truth
}

check_two_vms_at_once() {
	same "exits of the one" "$exits_of_ops" scope.out 'exits("web1") | '"$chance"
	same "exits of the other" "$exits_of_other_ops" scope.out 'exits("db 2,x") | '"$chance"
	complete_or_told scope.out
}

# The one's thread outlives its VM, whose vCPU's memory KVM gives to the other's.
freed_by_a_live_thread() {
	scope_start scope exits -j "$@"
	vm_start one web1 $short_ops --hold --free-vm
	one=$vm_pid
	vm_go one
	await ^done one.out
	vm_start two web2 $ops --hold
	vm_go two
	await ^done two.out
	scope_end scope $scope_pid
	vm_kill "$one"
	vm_kill "$vm_pid"
}

check_freed_by_a_live_thread() {
	same "exits of the one" "$exits_of_short_ops" scope.out 'exits("web1") | '"$chance"
	same "exits of the other" "$exits_of_ops" scope.out 'exits("web2") | '"$chance"
	complete_or_told scope.out
}

run_vm_freed_by_a_live_thread() {
	freed_by_a_live_thread
}

check_vm_freed_by_a_live_thread() {
	check_freed_by_a_live_thread
}

# Neither entries nor context switches are seen.
run_counts_of_a_freed_vm() {
	freed_by_a_live_thread --counts
}

check_counts_of_a_freed_vm() {
	check_freed_by_a_live_thread
}

# --- attached in the middle

# Stopped while kvmscope and the trace come and go, so that both see the same.
run_attach_to_a_stopped_vm() {
	vm_start vm web1 --forever --vcpus 2 $loop_ops
	vm_go vm
	vm_runs $vm_pid 100
	vm_stop $vm_pid
	truth_begin kvm_exit
	scope_start scope exits -j
	vm_continue $vm_pid
	vm_runs $vm_pid 300
	vm_stop $vm_pid
	truth_end truth
	scope_end scope $scope_pid
	vm_kill $vm_pid
}

check_attach_to_a_stopped_vm() {
	holds "it ran" scope.out 'exits("web1") | must(add > 100)'
	complete_or_told scope.out
	same_as_truth scope.out web1 truth
}

# Running: as many as between the marks inside, and no more than between those outside.
run_attach_to_a_running_vm() {
	vm_start vm web1 --forever --vcpus 2 $loop_ops --vmm-sleep-us 1500
	vm_go vm
	truth_begin kvm_exit
	vm_runs $vm_pid 50
	mark outside-begin
	scope_start scope exits -j
	mark inside-begin
	vm_runs $vm_pid 100
	mark inside-end
	scope_end scope $scope_pid
	mark outside-end
	vm_runs $vm_pid 50
	truth_end truth
	vm_kill $vm_pid
}

check_attach_to_a_running_vm() {
	local count marks
	count=$(value scope.out 'exits("web1") | add')
	marks=$(awk '/outside-begin/ { o = 1 } /outside-end/ { o = 0 } /inside-begin/ { i = 1 }
		/inside-end/ { i = 0 } / kvm_exit: / { outside += o; inside += i }
		END { print inside, outside }' truth.trace)
	at_most "the trace's exits inside" "${marks% *}" "$count"
	at_most "exits" "$count" "${marks#* }"
	at_most 100 100 "${marks% *}"
	complete_or_told scope.out
	note "${marks% *} to ${marks#* }: $count"
}
