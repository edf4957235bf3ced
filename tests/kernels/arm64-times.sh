# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for arm64: the split of a vCPU's time. WFI is idle time, what the VMM does is the VMM's, and
# the parts are the whole.

run_split_of_each_exit() {
	vm_start neighbour noise --forever --busy-ms 1000
	neighbour=$vm_pid
	scope_start scope exits -j
	vm_go neighbour
	vm_run vm web1 --hvc 503 --mmio 101 --wfi 31 --hlt-wake-us 10000 --vmm-sleep-us 1000
	scope_end scope $scope_pid
	vm_kill "$neighbour"
}

check_split_of_each_exit() {
	holds "each exit's parts are its latencies" scope.out '[vm("web1")[].exits[] |
		select(.count == .latency.count) | [.reason, split_sum, .latency.sum]] |
		must(length > 2 and all(.[]; .[1] == .[2]))'
	holds "WFI is idle time" scope.out '[vm("web1")[].exits[] | select(.reason == "wfx").split_ns |
		[.halted + .halt_poll + .steal, .kernel]] | add as $all | .[0] | must(.[0] > 9 * .[1])'
	holds "MMIO is the VMM, asleep" scope.out '[vm("web1")[].exits[] |
		select(.reason == "dabt_low").split_ns] | .[0] | must(.blocked > 101000000 and .halted == 0)'
	complete_or_told scope.out
}

# An interval that the VM lived through as a whole, by a clock that counts instructions.
run_icount_time_adds_up() {
	vm_start vm web1 --forever --vcpus 2 --hvc 50 --mmio 5 --wfi 2 --hlt-wake-us 20000
	vm_go vm
	scope scope cpu -j 1 4
	vm_kill $vm_pid
}

check_icount_time_adds_up() {
	holds "the parts are the whole" scope.out '[vm("web1")[].vcpus[] | [split_sum, .wall_ns]] |
		must(length == 8 and all(.[]; .[0] == .[1]))'
	holds "the whole is the interval" scope.out '[.[1:][] | .elapsed_ns as $e | .vms[].vcpus[] |
		.wall_ns / $e - 1] | must(length == 6 and all(.[]; abs < 0.01))'
	holds "two vCPUs, by their ids" scope.out '.[1:] | [vm("web1")[].vcpus[].id] | unique | must(. == [0, 1])'
	holds "mostly halted" scope.out '.[1:] | [vm("web1")[].vcpus[] |
		(.split_ns | .halted + .halt_poll) / .wall_ns] | must(all(.[]; . > 0.5))'
	holds "next to nothing unaccounted" scope.out '.[1:] | [vm("web1")[].vcpus[] |
		.split_ns.unaccounted / .wall_ns] | must(all(.[]; . < 0.01))'
	complete_or_told scope.out
}
