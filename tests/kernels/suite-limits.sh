# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: tables that are full, VMs that nobody asked for, VMs that end, program runs that the
# kernel skips. What is counted is right, what is not counted is told.

# --- slots

# More vCPUs, one after the other, than there are slots: each is given back, of a thread that ran several, too.
run_slots_come_back() {
	scope_start scope exits -j --max-vcpus 8 0.2
	for n in 1 2 3 4 5 6; do
		vm_run "vm$n" "web$n" $short_ops --vcpus 3 --one-thread
		has=$(wc -l <scope.out)
		until_true 60 has_lines $((has + 2)) scope.out # one report that shows it, and one that it is gone
	done
	until_true 60 has_lines $((has + 4)) scope.out
	scope_end scope $scope_pid
}

check_slots_come_back() {
	same "exits of them all" "$exits_of_short_ops | map_values(18 * .)" scope.out \
		'[.[].vms[].exits[]] | counts | '"$chance"
	complete_or_told scope.out
	same "they have no time when they are gone" '[]' scope.out '.[-1].vms'
}

# --- more vCPUs than slots

run_more_vcpus_than_slots() {
	scope_start scope exits --by vcpu -j --max-vcpus 2 --strict
	vm_run vm web1 $short_ops --vcpus 4
	scope_end scope $scope_pid
}

check_more_vcpus_than_slots() {
	status_is scope 6
	says scope.err '^kvmscope: data was lost'
	same "the vCPUs that fit" "$exits_of_short_ops as \$e | [\$e, \$e]" scope.out \
		'exits_by_vcpu("web1") | map_values(del(.interrupt)) | [.[]]'
	holds "the rest is told" scope.out \
		'[complete, (losses | keys), losses.vcpu_slots_full > 0] | must(. == [false, ["vcpu_slots_full"], true])'
}

# Tables that are larger than this kernel's memory: that is told, how large, and what to do.
run_tables_too_large() {
	scope tables disk --max-vcpus 65536
}

check_tables_too_large() {
	error_is tables 1 'they take 2[0-9]* MiB of the kernel.s memory: lower --max-subjects or --max-vcpus'
}

# Which of the three finds room is chance; no two do.
run_vms_measured_in_part() {
	lazy_ops="--forever --out 3 --cpuid 5 --hlt 1 --hlt-wake-us 20000"
	vm_start one instance-0000001a $lazy_ops --vcpus 2
	vm_go one
	one=$vm_pid
	vm_start two instance-0000001b $lazy_ops
	vm_go two
	for command in exits cpu "exits --by vcpu" ""; do
		name=${command##* }
		scope "text${name:+_$name}" $command --strict --max-vcpus 1 0.25 1
	done
	scope json -j --max-vcpus 1 0.25 1
	scope json_cpu cpu -j --max-vcpus 1 0.25 1
	vm_kill "$one"
	vm_kill $vm_pid
}

check_vms_measured_in_part() {
	local file
	for file in text text_exits text_cpu text_vcpu; do
		status_is $file 6
		says $file.out '^instance-0000001a '
		says $file.out '^instance-0000001b '
		narrow $file.out
	done
	for file in text_exits text_vcpu; do
		says $file.out '   - exits in '
		says $file.out '(^|  )[01] of 2 vCPUs measured$'
		says $file.out '(^|  )0 of [12] vCPUs? measured$'
		at_most "$file: those of which KVM's count is known" "$(grep -c coverage $file.out || true)" 1
	done
	says text_vcpu.out '^  vCPU [01]   tid [0-9]+   not measured$'
	says text_cpu.out '^instance-0000001a +[01] of 2 '
	says text_cpu.out ' [01] +-( +-)+$'
	says text.out '^instance-0000001[ab] +([12] +)?- +- '
	says text.out '^! instance-0000001a: [01] of 2 vCPUs measured$'
	for file in json json_cpu; do
		holds "$file: who is measured, and who is not" $file.out '[.[].vms[] | select(.pid > 0) |
			[.measured_vcpus, (.unmeasured_vcpus | length)]] | sort |
			must(. == [[0, 1], [1, 1]] or . == [[0, 2], [1, 0]])'
		holds "$file: KVM counts of the whole alone" $file.out '[.[].vms[] | select(.pid > 0) |
			if .unmeasured_vcpus == [] then true else has("kernel_exits") and .kernel_exits == null end] |
			must(all)'
	done
	holds "three different threads" json_cpu.out '[.[].vms[] | select(.pid > 0) |
		(.vcpus[], .unmeasured_vcpus[]) | .tid] | unique | must(length == 3 and .[0] > 0)'
}

# --- filters

run_filter() {
	uuid=5b0c7c64-5d3f-4c4e-8d6e-1f1a2b3c4d5e
	vm_start one web1 --hold $short_ops -uuid $uuid
	one=$vm_pid
	vm_start two web2 --hold $short_ops
	vm_start three db1 --hold $short_ops
	scope vms vms -j
	by=0 scopes=
	for filter in "-n web1" "-n web*" "--vm $uuid" "-p $one" "-n db1 --vm web2"; do
		by=$((by + 1))
		set -f
		scope_start by$by exits -j $filter
		set +f
		scopes="$scopes $scope_pid"
	done
	for vm in one two three; do
		vm_go $vm
	done
	for vm in one two three; do
		await ^done $vm.out
	done
	vm_start late web3 --hold $short_ops # until its name has been looked at, for the last reports at the latest
	vm_go late
	await ^done late.out
	by=0
	for pid in $scopes; do
		by=$((by + 1))
		scope_end by$by "$pid"
	done
	scope none exits --vm 'nobody*' 0.1 1
	scope none_vms vms --vm nobody
}

check_filter() {
	local n
	holds "the VMs" vms.out '[.[].vms[] | [.name, .name_source, .platform, (.vcpus | length)]] | sort |
		must(. == [["db1", "cmdline", "qemu", 1], ["web1", "cmdline", "qemu", 1],
		["web2", "cmdline", "qemu", 1]])'
	for n in 1 2 3 4 5; do
		status_is by$n 0
		complete_or_told by$n.out
		same "by$n: what it counts" "$exits_of_short_ops | .npf -= 2" by$n.out \
			'[.[].vms[] | select(.name != "web3").exits | counts | del(.interrupt)] | unique | .[0]'
	done
	for n in 1 3 4; do
		holds "by$n: who" by$n.out '[.[].vms[].name] | must(. == ["web1"])'
	done
	holds "glob: who" by2.out '[.[].vms[].name] | sort | must(. == ["web1", "web2", "web3"])'
	same "glob: the late one" "$exits_of_short_ops" by2.out 'exits("web3") | del(.interrupt)'
	holds "two patterns: who" by5.out '[.[].vms[].name] | sort | must(. == ["db1", "web2"])'
	for n in none none_vms; do
		status_is $n 5
		lines_are $n.out 0
		says $n.err "^kvmscope: no VM matches 'nobody"
		says $n.err '^  web1 .*pid .*uuid 5b0c7c64'
		says $n.err '^  db1 '
	done
}

# report_has FILE PID VM: does a report have it?
report_has() {
	scope_report "$1" "$2"
	tail -n 1 "$1.out" | grep -q '"name":"'"$3"'"'
}

# A VM whose name, when it is found at last, is one that is asked for: measured from then on.
run_filter_late_name() {
	vm_start wanted web0 --hold $short_ops # or there would be none to begin with
	wanted=$vm_pid
	vm_start late other --forever --vcpus 2 $loop_ops
	scope_start counts exits -j --counts -n 'web*'
	counts=$scope_pid
	scope_start scope exits -j -n 'web*'
	vm_go late
	vm_runs $vm_pid 100
	vm_stop $vm_pid
	mkdir -p /run/libvirt/qemu
	printf '%s' "<domstatus pid='$vm_pid'><domain><name>web1</name></domain></domstatus>" >/run/libvirt/qemu/web1.xml
	until_true 20 report_has scope "$scope_pid" web1 || die "web1 is not found"
	until_true 20 report_has counts "$counts" web1 || die "web1 is not found for --counts"
	truth_begin kvm_exit
	vm_continue $vm_pid
	vm_runs $vm_pid 300
	vm_stop $vm_pid
	truth_end truth
	scope_end counts $counts
	scope_end scope $scope_pid
	vm_kill $vm_pid
	vm_kill $wanted
	rm -r /run/libvirt
}

check_filter_late_name() {
	local file
	for file in scope counts; do
		holds "$file: it ran" $file.out 'exits("web1") | must(add > 100)'
		same_as_truth $file.out web1 truth
		complete_or_told $file.out
	done
	holds "no time from before" scope.out '[.[].vms[] | .split_ns.unaccounted] | must(add < 1000000)'
}

# --- VMs that end

run_vm_that_is_killed() {
	truth_begin kvm_exit
	scope_start scope exits -j
	vm_start vm web1 --forever --out 5 --cpuid 11 --vcpus 2
	vm_go vm
	vm_runs $vm_pid 200
	vm_kill $vm_pid
	truth_end truth
	scope_report scope $scope_pid
	scope_report scope $scope_pid
	scope_end scope $scope_pid
}

check_vm_that_is_killed() {
	same_as_truth scope.out web1 truth
	holds "in the next report, and in none after it" scope.out \
		'[.[].vms | length] | must(. == [1, 0, 0])'
	complete_or_told scope.out
}

run_vm_between_two_reports() {
	scope_start scope exits -j
	vm_run vm web1 $short_ops
	scope_report scope $scope_pid
	vm_run vm web1 $short_ops
	vm_run other web2 $short_ops
	scope_end scope $scope_pid
}

check_vm_between_two_reports() {
	holds "one, then two" scope.out '[.[] | [.vms[].name] | sort] | must(. == [["web1"], ["web1", "web2"]])'
	same "what they did" "$exits_of_short_ops as \$e | [\$e, \$e, \$e]" scope.out \
		'[.[].vms[].exits | counts | del(.interrupt)]'
}

# More than there are slots: those of the dead are given to the next, at the second report after
# their end.
run_many_short_vms() {
	scope_start scope exits -j --max-vcpus 8
	n=0
	while [ $n -lt 53 ]; do
		n=$((n + 1))
		(exec_as_qemu -name guest=vm$n --out 101 --cpuid 53) >vm.out
		grep -q ^done vm.out
		[ $((n % 4)) -gt 0 ] || scope_report scope $scope_pid
	done
	scope_end scope $scope_pid
}

check_many_short_vms() {
	holds "the sum" scope.out '[.[].vms[].exits[]] | counts | del(.interrupt) |
		must(. == {io: 5406, cpuid: 2809, npf: 106})'
	holds "each by itself" scope.out '[.[].vms[] | {pid, exits: (.exits | counts)}] | group_by(.pid) |
		map([.[].exits | to_entries[]] | group_by(.key) | map({(.[0].key): sum(.value)}) | add |
		del(.interrupt)) | unique | must(. == [{io: 102, cpuid: 53, npf: 2}])'
	holds "all of them" scope.out '[.[].vms[] | select(.exits | length > 0).pid] | unique | length |
		must(. == 53)'
	complete_or_told scope.out
	# a name is looked up beside the data path: a VM may be gone before anybody could look
	holds "nearly each by its name" scope.out "$nameless | must(. < 10)"
	note "$(value scope.out "$nameless") without a name"
}

nameless='[.[].vms[] | select(.exits | length > 0) | [.pid, (.name | startswith("vm"))]] |
	group_by(.[0]) | map(select(any(.[]; .[1]) | not)) | length'

# --- skipped runs: from v7.2 on the kernel skips a program that is preempted in itself

four_vms() {
	local n pids=
	for n in 1 2 3 4; do
		vm_start vm$n web$n --out 10007 --pin 0
		pids="$pids $vm_pid"
	done
	for n in 1 2 3 4; do
		vm_go vm$n
	done
	for n in $pids; do
		wait "$n"
	done
}

# There events where that can happen are traced in the form of which that does not skip any: chosen before, by the
# kernel's types.
run_no_run_is_skipped() {
	scope_start scope exits --by userspace --counts -j 0.5
	four_vms
	scope_end scope $scope_pid
}

check_no_run_is_skipped() {
	holds "every exit is counted" scope.out '[.[].vms[].userspace[].count] | must(add == 4 * 10009)'
	holds "and none is told to be lost" scope.out 'losses | must(. == {})'
}
