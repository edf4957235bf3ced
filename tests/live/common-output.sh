# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for this machine and for the kernels of the matrix: what every command prints, and what
# kvmscope itself takes. kvm_exit is expected where check says that the back end has it.

work="--forever --out 3 --mmio 2 --cpuid 5 --hlt 1 --hlt-wake-us 20000"

# --- screens

run_screens() {
	ls /sys/module >modules
	scope others vms -j
	vm_start vm web1 $work --vcpus 2
	vm_go vm
	scope summary 0.25 2
	scope exits exits -T 0.25 2
	scope by_vcpu exits --by vcpu 0.25 1
	scope by_userspace exits --by userspace -H 0.25 1
	scope histograms exits -H 0.25 1
	scope counts exits --counts -q 0.25 1
	scope cpu cpu 0.25 1
	scope color cpu --color always 0.25 1
	scope vms vms
	scope file exits -j -o file.json 0.25 2
	scope file exits -j -o file.json 0.25 2
	vm_kill $vm_pid
	scope empty exits 0.2 1
	scope empty_vms vms
	scope empty_net net 0.2 1
}

# Do its KVM's exits show?
has_kvm_exit() {
	grep -qE '^kvm_(amd|intel)$' modules
}

check_screens() {
	local file
	for file in summary exits by_vcpu by_userspace histograms counts cpu color vms file empty empty_vms empty_net; do
		status_is $file 0
		says_not $file.err '^kvmscope: '
		says_not $file.out '(nan|inf|\(null\))'
		[ $file = color ] || says_not $file.out "$(printf '\033')"
		[ $file = color ] || narrow $file.out
	done
	for file in summary exits by_vcpu by_userspace counts cpu vms; do
		says $file.out web1
	done
	for file in summary exits by_vcpu by_userspace histograms cpu; do
		says $file.out '   (complete|INCOMPLETE)   kvmscope itself used '
		if grep -q INCOMPLETE $file.out; then # from v7.2 on runs may be skipped
			says $file.out '^! lost: [0-9,]+ recursion_misses: '
			says_not $file.out '^! lost: [0-9,]+ [^r]'
		fi
		says $file.err '^Tracing .* of all VMs, [0-9]+ now; ends after '
		says $file.err '^attached$'
	done
	says exits.out '^20[0-9-]* [0-9:]*\.[0-9]{3}$'
	says by_userspace.out '^ *mmio '
	says color.out "$(printf '\033')\\["
	if [ "$(value others.out 'only.vms')" = '[]' ]; then
		says empty.out '^no VM in '
		says empty_vms.out '^no VM runs here'
		says empty_net.out '^no interface of a VM in '
	fi
	lines_are counts.err 0
	lines_are file.out 0
	lines_are file.json 4
	says vms.out '^web1   qemu   pid [0-9]+   named by cmdline$'
	says vms.out '^ +vCPUs +2 +id:tid +0:[0-9]+ +1:[0-9]+$'
	if has_kvm_exit; then
		says exits.out '^ *(hlt|idle-halt) '
		says cpu.out 'web1 +all '
		says_not exits.out 'reports no kvm_exit'
	else
		says exits.out '^ *mmio '
		says summary.out '\(to VMM\) '
		for file in summary exits; do
			says $file.out '^! this KVM back end reports no kvm_exit: '
		done
	fi
}

# --- check

run_check_command() {
	scope text check
	scope json check -j
	grep -c 'field:.* reason;' $tracing/events/skb/kfree_skb/format >reasons || true
}

check_check_command() {
	status_is text 0
	status_is json 0
	holds "each with its remedy" json.out 'only.checks |
		map(select(.ok | not)) | map(select(.remedy == null)) | must(. == [])'
	same "each of the domains loads and attaches" '[true, true, true, true]' json.out \
		'[only.checks[] | select(.name | startswith("load and attach")).ok]'
	same "drop reasons, if the kernel's event has one" "$(cat reasons)" json.out \
		'[only.checks[] | select(.name == "drop reasons" and .ok)] | length'
	holds "an event needs no detail that is missing" json.out \
		'[only.checks[] | select((.name | startswith("kvm:")) and (.ok | not))] | must(. == [])'
	holds "no form is missing where it is used" json.out \
		'[only.checks[].detail | select(test("^(BTF tracepoint; no BTF|raw tracepoint; no raw|classic tracepoint; no classic) "))] | must(. == [])'
	says text.out '^ok  load and attach'
	note "$(value json.out 'only.checks[] | select(.name == "kvm:kvm_exit").detail' -r)"
}

# --- what it takes

run_start_and_size() {
	tries=1 # in emulation its time tells nothing
	[ -z "${LIVE:-}" ] || tries="1 2 3 4 5"
	vm_start vm web1 $work
	vm_go vm
	mkfifo err
	for try in $tries; do
		begin=$(now)
		"$KVMSCOPE" exits 2>err >out.$try </dev/null &
		scope_pid=$!
		started $scope_pid
		while read -r line; do
			[ "$line" != attached ] || break
		done <err
		echo "$begin $(now)" >>took
		grep '^Vm\(RSS\|HWM\)' /proc/$scope_pid/status >size
		scope_end try $scope_pid
	done
	rm err
	vm_kill $vm_pid
}

# Emulation makes it slow: the limit is one for this machine.
check_start_and_size() {
	local median
	median=$(awk '{ print ($2 - $1) * 1000 }' took | sort -n | sed -n "$((($(wc -l <took) + 1) / 2))p")
	# wall time is noise where others share the machine: this catches what is broken, not what is slow
	[ -z "${LIVE:-}" ] || at_most "ms to \"attached\", median of 5" "$median" 3000
	at_most "kB resident" "$(awk '/VmRSS/ { print $2 }' size)" 20480
	status_is try 0
	note "attached after $median ms (median of $(wc -l <took))"
	note "$(awk '{ printf "%s%s %s kB", sep, $1, $2; sep = ", " }' size)"
}
