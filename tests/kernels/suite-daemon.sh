# shellcheck shell=dash
# shellcheck disable=SC2034,SC2154 # set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: kvmscoped where exits show: its counts are exact, and go on over a reload.

run_daemon_counts() {
	"${KVMSCOPE}d" -V >/dev/null 2>&1 || skip "kvmscoped does not run here"
	daemon_begin one --max-cpu 0
	vm_run vm web1 --out 101 --mmio 23 --cpuid 211 --hlt 13
	until_true 30 metric_is 'kvmscope_exits_total{vm="web1",reason="cpuid"} 211'
	# loaded again: what was counted stays
	kill -HUP $daemon_pid
	until_true 60 metric_is 'kvmscope_loads_total 2'
	vm_run vm web1 --out 101 --mmio 23 --cpuid 211 --hlt 13
	until_true 30 metric_is 'kvmscope_exits_total{vm="web1",reason="cpuid"} 422'
	fetch_metrics end
	kill -TERM $daemon_pid
	wait $daemon_pid
}

check_daemon_counts() {
	local pair
	"$tests/openmetrics" --text end >/dev/null 2>err || failed "$(cat err)"
	for pair in io=204 cpuid=422 npf=50 hlt=26; do
		says end "^kvmscope_exits_total\{vm=\"web1\",reason=\"${pair%=*}\"\} ${pair#*=}\$"
		says end "^kvmscope_exit_handling_seconds_count\{vm=\"web1\",reason=\"${pair%=*}\"\} [0-9]+\$"
	done
	says end '^kvmscope_lost_total\{what="uncounted_exits"\} 0$'
}
