# shellcheck shell=dash
# shellcheck disable=SC2034,SC2154 # set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A storm of exits: kvmscoped's limit holds, and is seen to.

options_daemon_limit() {
	printf '%s\n' --file "$build/kvmscoped:/bin/kvmscoped"
}

run_daemon_limit() {
	daemon_begin one --domains exits,cpu --max-cpu 8 --cost-interval 0.5 --calm 3
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
}

check_daemon_limit() {
	says reduced '^kvmscope_complete 0$'
	says reduced '^kvmscope_limit_steps_total\{direction="down"\} [12]$'
	says back '^kvmscope_limit_steps_total\{direction="up"\} [12]$'
	note "$(grep -m 1 'goes down' one.err | sed 's/^kvmscoped: //')"
}
