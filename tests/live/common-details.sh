# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for this machine and for the kernels of the matrix: what exits were about. The numbers
# are known (tests/guest/README.md): kvmguest's OUTs go to port 0x10 and one to 0x11, its writes to
# 0xd0000, its RDMSRs to MSR 0x1b.

run_details() {
	for what in port mmio msr; do
		scope_start $what exits --by $what -j -v
		echo "$what $scope_pid" >>scopes
	done
	vm_run vm web1 --out 1009 --mmio 503 --rdmsr 107 --vcpus 2
	while read -r what pid; do
		scope_end "$what" "$pid"
	done <scopes
}

# The counts are exact. A classic program's run may be skipped all the same, while a bpf(2) call on that
# CPU is preempted (kernel/trace/bpf_trace.c, trace_call_bpf): seen once on v7.3, of another event, and told.
check_details() {
	local what
	same ports '[[16, "write", 2018], [17, "write", 2]]' port.out \
		'[vm("web1")[].ports[] | [.port, .op, .count]] | sort'
	same "MMIO addresses" '[[851968, "write", 1008]]' mmio.out \
		'[vm("web1")[].mmio[] | [.gpa, .op, .count]]'
	same MSRs '[[27, "read", 214]]' msr.out '[vm("web1")[].msrs[] | [.msr, .op, .count]]'
	for what in port mmio msr; do
		status_is $what 0
		complete_or_told $what.out
	done
}
