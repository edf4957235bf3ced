# shellcheck shell=dash
# shellcheck disable=SC2034,SC2086,SC2154 # lists; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: kvmscoped where exits show: its counts are exact, and go on over a reload; what is skipped is told.

# A VM that the daemon has seen before it runs: it is over in less time than a busy daemon takes to look at its name,
# and would be counted as "(gone)", its I/O as the host's.
seen_vm_start() { # FILE VM OPTION...
	vm_start "$@"
	until_true 30 metric_is "kvmscope_vm_info{vm=\"$2\",uuid=\"\",pid=\"$vm_pid\"" || die "$2 is not found"
}

seen_vm_runs() {
	seen_vm_start vm web1 $short_ops
	vm_go vm
	vm_end vm $vm_pid
}

# await_exits VM REASON COUNT
await_exits() {
	until_true 30 metric_is "kvmscope_exits_total{vm=\"$1\",reason=\"$2\"} $3" || die "$1 has no $3 $2: $(grep "^kvmscope_exits_total" polled)"
}

run_daemon_counts() {
	"${KVMSCOPE}d" -V >/dev/null 2>&1 || skip "kvmscoped does not run here"
	daemon_begin one --max-cpu 0
	seen_vm_runs
	await_exits web1 $most_of_short
	# loaded again: what was counted stays
	kill -HUP $daemon_pid
	until_true 60 metric_is 'kvmscope_loads_total 2'
	seen_vm_runs
	await_exits web1 "${most_of_short% *}" $((2 * ${most_of_short#* }))
	# several threads on one disk: there runs may be skipped, which is told
	null_disk nullb0 queue_mode=2 memory_backed=0 irqmode=1 size=256 submit_queues=1
	seen_vm_start db db1 $few_ops --disk /dev/nullb0 --disk-reads 2003 --disk-writes 1009 --disk-random --disk-jobs 4
	cat /sys/block/nullb0/stat >disk.stat0
	vm_go db
	vm_end db $vm_pid
	cat /sys/block/nullb0/stat >disk.stat1
	await_exits db1 $last_of_few
	fetch_metrics end
	null_end nullb0
	kill -TERM $daemon_pid
	wait $daemon_pid
}

check_daemon_counts() {
	local pair
	"$tests/openmetrics" --text end >/dev/null 2>err || failed "$(cat err)"
	for pair in $(jq -n -r "$exits_of_short_ops | to_entries[] | \"\(.key)=\(2 * .value)\""); do
		says end "^kvmscope_exits_total\{vm=\"web1\",reason=\"${pair%=*}\"\} ${pair#*=}\$"
		says end "^kvmscope_exit_handling_seconds_count\{vm=\"web1\",reason=\"${pair%=*}\"\} [0-9]+\$"
	done
	serves end '^kvmscope_(net|userspace)_'
	says end '^kvmscope_lost_total\{what="uncounted_exits"\} 0$'
	[ "$(stat_of disk 1) $(stat_of disk 5)" = "2003 1009" ] || failed "the disk itself: $(cat disk.stat1)"
	awk '/^kvmscope_disk_requests_total\{vm="db1",device="nullb0"/ { n += $NF }
		/^kvmscope_lost_total\{what="(recursion_misses|disk_ends_missed)"/ { lost += $NF }
		END {
			if (n > 3012 || n + lost < 3012) print n " requests, and " lost " lost, of 3012"
			if (lost) printf "told: %d of 3012 requests; ", lost >"note"
		}' end
}
