# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; pids; set by lib-vm.sh and lib.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenario: a vCPU that does not exit at all. It has a tickless CPU (nohz_full) to itself and spins in
# its guest: for seconds there is no event of it, and all of its time is the guest's nevertheless.

# What else would interrupt that CPU: the clocksource's watchdog, each half second (tsc=reliable), and
# the fair server's timer, each second (v6.12; see the scenario). All is attached before the guest
# spins: QEMU's CPUs take turns, of 100 ms, and whoever waits for an answer from that one waits as long.
options_a_vcpu_that_never_exits() {
	printf '%s\n' --smp 2 --mem 768 --append \
		'nohz_full=1 rcu_nocbs=1 isolcpus=nohz,domain,managed_irq,1 irqaffinity=0 nowatchdog tsc=reliable'
}

run_a_vcpu_that_never_exits() {
	local fair=/sys/kernel/debug/sched/fair_server/cpu1/runtime
	grep -qx 1 /sys/devices/system/cpu/nohz_full || skip "this kernel has no CONFIG_NO_HZ_FULL"
	[ ! -e $fair ] || echo 0 >$fair
	vm_start vm web1 --forever --busy-ms 100000 --pin 1
	scope_start scope cpu -j 1
	truth_begin_plain kvm_exit
	vm_go vm
	until_true 30 has_lines 2 scope.out # what attaching has stirred up has settled
	first=$(wc -l <scope.out)
	mark "begin $first"
	until_true 30 has_lines $((first + 3)) scope.out
	mark "end $((first + 3))"
	vm_kill $vm_pid
	truth_end truth
	scope_end scope $scope_pid
}

# The intervals that lie between the marks.
check_a_vcpu_that_never_exits() {
	local first last exits
	first=$(sed -n 's/.*: begin //p' truth.trace)
	last=$(sed -n 's/.*: end //p' truth.trace)
	exits=$(sed '1,/: begin /d; /: end /,$d' truth.trace | grep -c kvm_exit || true)
	at_most "exits in the kernel's trace, in $((last - first)) s" "$exits" 3
	sed -n "$((first + 2)),${last}p" scope.out >quiet.out
	holds "two intervals" quiet.out 'length | must(. == 2)'
	adds_up quiet.out web1
	holds "the guest has it all" quiet.out '[vm("web1")[].vcpus[] | .split_ns.guest / .wall_ns] |
		must(all(.[]; . > 0.998))'
	holds "complete" scope.out '[complete, losses] | must(. == [true, {}])'
	note "$exits exits in $((last - first)) intervals of 1 s; guest" \
		"$(value quiet.out '[vm("web1")[].vcpus[] | 100 * .split_ns.guest / .wall_ns] | min') % at least"
}
