# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for arm64: every exit is counted, once, by its exception class, for the VM and the vCPU
# that it is of. What the guest does is a prime number of each operation; tests/guest/README.md has the
# arithmetic. The second witness is the kernel's own trace of the same boot.

ops="--hvc 1009 --mmio 503 --sysreg 211 --wfi 53"
other_ops="--hvc 601 --mmio 307 --sysreg 401 --wfi 31"

# What $ops come to on one vCPU, from its first entry on.
exits_of_ops='{hvc64: 1009, dabt_low: 505, sys64: 211, wfx: 53, iabt_low: 1}'
exits_of_other_ops='{hvc64: 601, dabt_low: 309, sys64: 401, wfx: 31, iabt_low: 1}'

# same_as_truth FILE VM TRUTH: of the only VM that ran. All reasons, those of chance too.
same_as_truth() {
	local trace hist
	trace='s/^.*-[0-9]+ +\[.*: kvm_exit: TRAP: .*\((.*)\), PC.*/\1/p
		s/^.*-[0-9]+ +\[.*: kvm_exit: ([A-Z]+): .*/\1/p'
	same "$2: exits as in the kernel's trace" "$(sed -nE "$trace" "$3.trace" |
		jq -Rn 'reduce inputs as $r ({}; .[$r | ascii_downcase] += 1)')" "$1" "exits(\"$2\")"
	[ -e "$3.hist" ] || return 0
	hist='s/^\{ ret: *2, esr_ec: *([0-9]+), .*\} hitcount: *([0-9]+).*/\1 \2/p
		s/^\{ ret: *([013]), esr_ec: *0, .*\} hitcount: *([0-9]+).*/\1+128 \2/p'
	same "$2: exits as in the kernel's histogram" "$(sed -nE "$hist" "$3.hist" |
		while read -r code n; do echo "$((code)) $n"; done |
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
	same exits "$exits_of_ops" scope.out 'exits("web1") | del(.irq)'
	holds "code and isa" scope.out '[vm("web1")[].exits[] | {(.reason): [.code, .isa]}] | add |
		del(.irq) | must(. == {hvc64: [22, "arm64"], dabt_low: [36, "arm64"], sys64: [24, "arm64"],
		wfx: [1, "arm64"], iabt_low: [32, "arm64"]})'
	holds "one VM" scope.out '[.[].vms[].name] | must(. == ["web1"])'
	holds "complete, nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	holds "as many as KVM has counted" scope.out \
		'vm("web1") | map([.counted_exits, .kernel_exits]) | must(.[0][0] == .[0][1] and .[0][0] > 0)'
	holds "buckets add up" scope.out '[vm("web1")[].exits[] | [.count, .latency.count,
		([.latency.buckets[][2]] | add), .cpu_latency.count] |
		(.[0] - .[1] | IN(0, 1)) and .[1] == .[2] and .[1] == .[3]] | must(all)'
	same_as_truth scope.out web1 truth
	note "$(value scope.out 'exits("web1").irq // 0') irq"
}

run_one_vcpu_to_user_space() {
	scope_start scope exits --by userspace -j
	vm_run vm web1 $ops
	scope_end scope $scope_pid
}

check_one_vcpu_to_user_space() {
	same "exits to user space" '{mmio: 505}' scope.out 'userspace("web1")'
	complete_or_told scope.out
}

run_counts_only() {
	truth_begin kvm_exit
	scope_start scope exits --counts -j
	vm_run vm web1 $ops
	scope_end scope $scope_pid
	truth_end truth
}

check_counts_only() {
	same exits "$exits_of_ops" scope.out 'exits("web1") | del(.irq)'
	complete_or_told scope.out
	holds "no times" scope.out '[vm("web1")[].exits[].latency | .count + .sum] | must(add == 0)'
	same_as_truth scope.out web1 truth
}

run_mmio_addresses() {
	scope_start scope exits --by mmio -j
	vm_run vm web1 --mmio 503
	scope_end scope $scope_pid
	scope ports exits --by port
}

check_mmio_addresses() {
	same addresses '[[268435456, "write", 504], [268435464, "write", 1]]' scope.out \
		'[vm("web1")[].mmio[] | [.gpa, .op, .count]] | sort'
	status_is ports 4
	says ports.err 'kvm_pio.*no such event'
}

# --- several vCPUs, on one CPU and on several; several VMs

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
	same exits "$exits_of_ops | map_values(4 * .)" scope.out 'exits("web1") | del(.irq)'
	same "exits by vCPU" "$exits_of_ops as \$e | [range(4) | {(tostring): \$e}] | add" \
		by_vcpu.out 'exits_by_vcpu("web1") | map_values(del(.irq))'
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
	same "exits of the one" "$exits_of_ops" scope.out 'exits("web1") | del(.irq)'
	same "exits of the other" "$exits_of_other_ops" scope.out 'exits("db 2,x") | del(.irq)'
	complete_or_told scope.out
}

# Stopped while kvmscope and the trace come and go, so that both see the same.
run_attach_to_a_stopped_vm() {
	vm_start vm web1 --forever --vcpus 2 --hvc 3 --mmio 2 --sysreg 5
	vm_go vm
	sleep 0.3
	vm_stop $vm_pid
	truth_begin kvm_exit
	scope_start scope exits -j
	vm_continue $vm_pid
	sleep 0.5
	vm_stop $vm_pid
	truth_end truth
	scope_end scope $scope_pid
	vm_kill $vm_pid
}

check_attach_to_a_stopped_vm() {
	holds "it ran" scope.out 'exits("web1").hvc64 | must(. > 100)'
	complete_or_told scope.out
	same_as_truth scope.out web1 truth
}

# --- names, programs, what this host can trace

run_names() {
	cp $tracing/events/kvm/kvm_exit/format format
	scope check check
}

# Each class that kvm_exit prints by name has that name here.
check_names() {
	local code name
	grep -oE '\{ \(*0x[0-9a-fA-F]+[UL]*\)*, "[A-Za-z0-9_]+" \}' format |
		sed -nE 's/.*0x([0-9a-fA-F]+)[UL)]*, "(.*)".*/\1 \2/p' >classes
	at_most "30 classes at least" 30 "$(wc -l <classes)"
	while read -r code name; do
		[ "$name" != HYP_GONE ] || continue
		grep -qiE "^EXIT_REASON\(ARM64, 0x0?$code, \"$name\"\)$" \
			"$tests/../include/kvmscope/exit_reasons.def" || failed "no such name: $code $name"
	done <classes
	status_is check 0
	says check.out '^ok  back end  *arm64$'
}

run_bpf_programs() {
	CMOCKA_MESSAGE_OUTPUT=tap bpf_tests /suite/kvmscope.bpf.o >result || true
}

check_bpf_programs() {
	grep -A 3 '^not ok [0-9]* - ' result || true
	at_most "least number of tests" 20 "$(grep -c '^ok' result)"
	"$tests/kernels/verifier" check "$series" result 2>why || note "$(cat why)"
	note "$(grep -c '^ok [0-9]* - ' result) programs and tests"
	note "$(grep -c '# SKIP' result) have no event here"
}
