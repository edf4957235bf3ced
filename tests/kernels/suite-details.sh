# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: what exits were about, of kinds that only x86 has like that; arm64's are in arm64-own.sh.

# What exits were about, beyond common-details.sh: hypercalls, page faults, and more ports than a
# report has rows for.
run_details_of_other_kinds() {
	truth_begin kvm_exit kvm_page_fault kvm_hypercall
	for what in port hypercall page-fault; do
		scope_start $what exits --by $what -j
		echo "$what $scope_pid" >>scopes
	done
	vm_run vm web1 --out 1009 --port 307 --vmmcall 211 --mmio 503 --repeat 3
	while read -r what pid; do
		scope_end "$what" "$pid"
	done <scopes
	truth_end truth
}

# Of the 309 ports the one of all OUTs is the busiest; 255 others have 3 each, as have the 52 that are
# left for the last row, with the last OUT.
check_details_of_other_kinds() {
	local file
	holds "256 ports and the rest" port.out '[vm("web1")[].ports[] | .count] |
		must(length == 257 and .[0] == 3027 and (.[1:256] | unique) == [3] and .[256] == 157)'
	holds "the rest is the last row, and says so" port.out '[vm("web1")[].ports[]] | .[-1] |
		[.port, .name, .op, .latency.count] | must(. == [null, "(rest)", null, 156])'
	holds "all of them" port.out '[vm("web1")[].ports[].count] | must(add == 3 * (1009 + 307) + 1)'
	same hypercalls '[[4243, 633, 633]]' hypercall.out \
		'[vm("web1")[].hypercalls[] | [.nr, .count, .latency.count]]'
	same "page faults" "$(faults_of truth)" page-fault.out \
		'[vm("web1")[].page_faults[] | {"\(.gpa) \(.op)": .count}] | add'
	holds "as many as there were" page-fault.out \
		'[vm("web1")[].page_faults[].count] | must(add == 3 * 503 + 2)'
	for file in port.out hypercall.out page-fault.out; do
		complete_or_told $file
	done
}

# faults_of FILE: {"ADDRESS OPERATION": n} of FILE.trace, addresses to 2 MiB, all of which are below.
faults_of() {
	sed -nE 's/.*kvm_page_fault: .*address (0x)?0*([0-9a-f]+) error_code (0x)?([0-9a-f]+).*/\2 \4/p' "$1.trace" |
		while read -r address error; do
			op=read
			[ $((0x$error & 2)) = 0 ] || op=write
			[ $((0x$error & 16)) = 0 ] || op=exec
			echo "$((0x$address >> 21 << 21)) $op"
		done | jq -Rn 'reduce inputs as $f ({}; .[$f] += 1)'
}
