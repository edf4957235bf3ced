# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for this machine and for the kernels of the matrix: what exits were about. The numbers
# are known (tests/guest/README.md): kvmguest's OUTs go to port 0x10 and one to 0x11, its writes to
# 0xd0000, its RDMSRs to MSR 0x1b.

run_details() {
	for what in port mmio msr; do
		scope_start $what exits --by $what -j
		echo "$what $scope_pid" >>scopes
	done
	vm_run vm web1 --out 1009 --mmio 503 --rdmsr 107 --vcpus 2
	while read -r what pid; do
		scope_end "$what" "$pid"
	done <scopes
}

# From v7.2 on the kernel skips runs of these programs where they are preempted: what was skipped is
# told, and together with what was counted it is no less than all.
check_details() {
	detail ports port.out 2020 '[vm("web1")[].ports[] | [.port, .op, .count]] | sort' \
		'[[16, "write", 2018], [17, "write", 2]]'
	detail "MMIO addresses" mmio.out 1008 '[vm("web1")[].mmio[] | [.gpa, .op, .count]]' \
		'[[851968, "write", 1008]]'
	detail MSRs msr.out 214 '[vm("web1")[].msrs[] | [.msr, .op, .count]]' '[[27, "read", 214]]'
	for what in port mmio msr; do
		status_is $what 0
		complete_or_told $what.out
	done
}

# detail WHAT FILE TOTAL JQ EXPECTED
detail() {
	holds "$1" "$2" "[($4), (losses.recursion_misses // 0)] | must(if .[1] == 0 then .[0] == $5
		else ([.[0][][2]] | add) as \$n | \$n <= $3 and \$n + .[1] >= $3 end)"
}
