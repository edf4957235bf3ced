# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of arm64's own. What it shares with x86-64 is in suite-counts.sh and others: see suite.

# What they were about: the guest's HVCs ask for the calling convention's version, its MMIO is to two addresses, each
# a fault of its page, and its first instruction is one, too.
run_arm64_details() {
	for what in mmio hypercall page-fault; do
		scope_start $what exits --by $what -j
		echo "$what $scope_pid" >>scopes
	done
	vm_run vm web1 --mmio 503 --hvc 307
	while read -r what pid; do
		scope_end "$what" "$pid"
	done <scopes
	for what in port msr; do
		scope $what exits --by $what
	done
}

# exact WHAT PROGRAM EXPECTED: where no run was skipped, and else that is told.
exact() {
	complete_or_told "$1.out"
	[ "$(value "$1.out" losses)" != '{}' ] || same "by $1" "$3" "$1.out" "$2"
}

check_arm64_details() {
	local what
	exact mmio '[vm("web1")[].mmio[] | [.gpa, .op, .count]] | sort' \
		'[[268435456, "write", 504], [268435464, "write", 1]]'
	exact hypercall '[vm("web1")[].hypercalls[] | [.nr, .name, .count]]' '[[2147483648, "smccc_version", 307]]'
	exact page-fault '[vm("web1")[].page_faults[] | [.op, .count]] | sort' '[["exec", 1], ["write", 505]]'
	for what in port msr; do
		status_is $what 4
		says $what.err 'there are no (I/O ports|MSRs) but on x86$'
	done
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
	says check.out '^ok  cheap reads ' # of which no event there has need
	says check.out '^ok  load and attach details '
	says_not check.out '^no  (kvm|sched|block|net|skb):|^no  load '
}

run_bpf_programs() {
	CMOCKA_MESSAGE_OUTPUT=tap bpf_tests /suite/kvmscope.bpf.o >result || true
}

check_bpf_programs() {
	grep -A 3 '^not ok [0-9]* - ' result || true
	tap_is_whole result
	at_most "least number of tests" 20 "$(grep -c '^ok' result)"
	within_record result
	note "$(grep -c '^ok [0-9]* - ' result) programs and tests"
	note "$(grep -c '# SKIP' result) not possible here"
}
