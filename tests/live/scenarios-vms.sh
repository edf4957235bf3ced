# shellcheck shell=bash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for this machine's own kernel, whichever back end its KVM has: exits to user space are
# exact everywhere, exits in the kernel where they show. Other VMs may run here.

ops=(--out 1009 --mmio 503 --cpuid 211 --rdmsr 107 --hlt 53)
userspace_of_ops='{io: 1010, mmio: 504, hlt: 53}'

# --- counts

run_one_vcpu_to_user_space() {
	ls /sys/module >modules
	scope_start scope exits --by userspace -j
	local scope=$scope_pid exits
	scope_start exits exits -j
	exits=$scope_pid
	vm_run vm web1 "${ops[@]}"
	scope_end scope "$scope"
	scope_end exits "$exits"
}

check_one_vcpu_to_user_space() {
	same "exits to user space" "$userspace_of_ops" scope.out 'userspace("web1")'
	complete_or_told scope.out
	if has_kvm_exit; then
		same "exits whose reasons have the same meaning everywhere" '[1010, 211, 107, 53]' exits.out '
			exits("web1") | [(.io // .io_instruction), .cpuid, (.msr // .msr_read), .hlt]'
		holds "no note" exits.out '[.[].notes[]?] | must(. == [])'
	else
		same "exits to user space instead" "$userspace_of_ops" exits.out 'userspace("web1")'
		holds "says so" exits.out 'any(.[].notes[]?; test("reports no kvm_exit"))'
	fi
}

run_four_vcpus_to_user_space() {
	scope_start scope exits --by userspace -j
	vm_run vm web1 "${ops[@]}" --vcpus 4
	scope_end scope $scope_pid
}

check_four_vcpus_to_user_space() {
	same "exits to user space" "$userspace_of_ops | map_values(4 * .)" scope.out 'userspace("web1")'
	complete_or_told scope.out
}

# Two instances too, of which one is killed in the middle, and does not take the other with it.
run_two_vms_two_instances() {
	local one two scope
	scope_start scope exits --by userspace -j
	scope=$scope_pid
	scope_start other exits --by userspace -j
	vm_start one web1 "${ops[@]}"
	one=$vm_pid
	vm_start two web2 --out 601 --mmio 307 --vcpus 2
	two=$vm_pid
	vm_go one
	kill -KILL $scope_pid
	scope_wait other $scope_pid
	vm_go two
	vm_end one "$one"
	vm_end two "$two"
	scope_end scope "$scope"
}

check_two_vms_two_instances() {
	same "exits of the one" "$userspace_of_ops" scope.out 'userspace("web1")'
	same "exits of the other" '{io: 1204, mmio: 616}' scope.out 'userspace("web2")'
	complete_or_told scope.out
}

# What KVM says of each halt when it is over: how long it was, polling and the way back to a CPU
# included. The rest of the steal may be of other times.
run_halts() {
	truth_begin_plain kvm_vcpu_wakeup
	scope_start scope cpu -j
	vm_run vm web1 --out 101 --cpuid 211 --hlt 307 --hlt-wake-us 3000
	scope_end scope $scope_pid
	truth_end truth
}

check_halts() {
	local told
	told=$(sed -nE 's/^ *CPU 0.*kvm_vcpu_wakeup: .* time ([0-9]+) ns.*/\1/p' truth.trace |
		awk '{ ns += $1 } END { print ns + 0 }')
	holds "what KVM calls halts is halted, or polls, or waits" scope.out '[vm("web1")[].vcpus[].split_ns |
		(.halted + .halt_poll) / $told, (.halted + .halt_poll + .steal) / $told] |
		must(.[0] > 0.5 and .[0] < 1.02 and .[1] > 0.98)' --argjson told "$told"
	note "$(value scope.out '[vm("web1")[].vcpus[].split_ns | (.halted + .halt_poll) / $told * 100 | round] |
		.[0]' --argjson told "$told") % of KVM's"
}

# A sentence on what this back end does not report stands only where something is missing for it.
run_notes() {
	ls /sys/module >modules
	vm_start vm web1 --forever --pace-us 2000
	vm_go vm
	scope cpu cpu -j 0.2 1
	scope exits exits -j 0.2 1
	scope by_vcpu exits --by vcpu -j 0.2 1
	scope by_port exits --by port -j 0.2 1
	scope by_userspace exits --by userspace -j 0.2 1
	scope disk disk -j 0.2 1
	scope net net -j 0.2 1
	vm_kill $vm_pid
}

check_notes() {
	local file n=1
	! has_kvm_exit || n=0
	for file in cpu exits by_vcpu by_port; do
		holds "$file: $n notes on kvm_exit" $file.out \
			'[.[].notes[]? | select(test("reports no kvm_exit"))] | must(length == $n)' --argjson n $n
	done
	for file in by_userspace disk net; do
		holds "$file: none" $file.out '[.[].notes[]? | select(test("kvm_exit"))] | must(. == [])'
	done
	holds "each vCPU has rows" by_vcpu.out \
		'[vm("web1")[].vcpus[] | (.exits + .userspace)[]?] | must(length > 0)'
}

# Threads that are no vCPU's: what the scheduler says of each, at two moments at which they stand still.
others_of() {
	local comm
	for comm in /proc/"$1"/task/*/comm; do
		grep -q '^CPU ' "$comm" || cat "${comm%comm}schedstat"
	done | awk '{ cpu += $1; waited += $2; n++ } END { print cpu, waited, n }'
}

run_other_threads() {
	local threads
	others_disk=$(mktemp -p /dev/shm)
	trap 'rm "$others_disk"' EXIT
	truncate -s 16M "$others_disk"
	vm_start vm web1 --out 3 --disk "$others_disk" --disk-reads 1000000007 --disk-jobs 3 --disk-buffered
	vm_go vm
	scope_start scope cpu -j
	until_true 20 other_threads $vm_pid 4 || die "its jobs do not start"
	threads=$(cd /proc/$vm_pid/task && echo *)
	ran_more $vm_pid 50 $threads
	vm_stop $vm_pid
	others_of $vm_pid >before
	scope_report scope $scope_pid
	vm_continue $vm_pid
	ran_more $vm_pid 500 $threads
	vm_stop $vm_pid
	others_of $vm_pid >after
	scope_end scope $scope_pid
	vm_kill $vm_pid
}

# other_threads PID N: it has at least so many.
other_threads() {
	local all n
	n=$(cd /proc/"$1"/task && set -- * && echo $#)
	all=$(vm_threads "$1" | wc -l)
	[ $((n - all)) -ge "$2" ]
}

check_other_threads() {
	local cpu waited n cpu0 waited0
	read -r cpu0 waited0 n <before
	read -r cpu waited n <after
	status_is scope 0
	same "time on CPU and waiting, as the scheduler's" "[$((cpu - cpu0)), $((waited - waited0)), $n]" scope.out \
		'.[1:] | [vm("web1")[].threads] | add | [([.[].cpu_ns] | add), ([.[].steal_ns] | add), ([.[].threads] | add)]'
	at_most "300 ms at least" 300000000 $((cpu - cpu0))
}

run_attach_in_the_middle() {
	vm_start vm web1 --forever --out 3 --mmio 2 --vcpus 2
	vm_go vm
	vm_stop $vm_pid
	truth_begin_plain kvm_userspace_exit
	scope_start scope exits --by userspace -j
	vm_continue $vm_pid
	vm_runs $vm_pid 200
	vm_stop $vm_pid
	truth_end truth
	scope_end scope $scope_pid
	echo $vm_pid >pid
	vm_threads $vm_pid >threads
	vm_kill $vm_pid
}

check_attach_in_the_middle() {
	same "as in the kernel's trace" "$(grep -E -- "-($(paste -sd '|' threads)) " truth.trace |
		sed -nE 's/.*kvm_userspace_exit: reason (KVM_EXIT_)?([A-Za-z_]+) .*/\2/p' |
		jq -Rn 'reduce inputs as $r ({}; .[$r | ascii_downcase] += 1)')" \
		scope.out 'userspace("web1") | with_entries(.key |= sub("interrupted"; "restart"))'
	holds "it ran" scope.out 'userspace("web1").io | must(. > 100)'
}

run_vms_that_come_and_go() {
	local n
	scope_start scope exits --by userspace -j 0.1
	for n in {1..50}; do
		vm_run vm "vm$n" --out 101
	done
	scope_end scope $scope_pid
}

check_vms_that_come_and_go() {
	holds "each is counted, by its name" scope.out '[.[].vms[] | select(.name | test("^vm[0-9]+$"))] |
		group_by(.name) | map(sum([.userspace[].count] | add // 0)) | must(length == 50 and unique == [103])'
	complete_or_told scope.out
}

# Of two the one that was asked for ends.
run_no_vm_that_was_asked_for() {
	vm_start vm1 web1 --forever --pace-us 5000
	web1=$vm_pid
	vm_go vm1
	vm_start vm2 web2 --forever --pace-us 5000
	vm_go vm2
	scope_start scope exits -n web1 0.2
	until_true 20 grep -q '^web1 ' scope.out
	vm_kill "$web1"
	until_true 20 grep -q 'no VM that was asked for in' scope.out || true
	scope_end scope "$scope_pid"
	vm_kill "$vm_pid"
}

check_no_vm_that_was_asked_for() {
	status_is scope 0
	says scope.out '^no VM that was asked for in '
	says_not scope.out 'no VM in'
}

# --- names that mean harm

run_hostile_names() {
	local n=0 name long pids=()
	long=$(printf 'x%.0s' {1..4096})
	local names=(
		$'\e]0;owned\a\e[31mred'
		$'two\nlines\r\tand a tab'
		$'not \xff\xfe UTF-8 \xc3\x28 \xed\xa0\x80'
		'"quotes" \ and {"json": 1} %s %n'
		$'right \u202e to left \u200b and C1 \u009b31m'
		"$long"
	)
	for name in "${names[@]}"; do
		n=$((n + 1))
		vm_start "vm$n" "$name" --forever --pace-us 5000
		pids+=("$vm_pid")
		vm_go "vm$n"
	done
	printf '%s\n' "${pids[@]}" >pids
	vm_start forged "${pids[0]}" --forever --pace-us 5000 # another's pid for a name
	pids+=("$vm_pid")
	vm_go forged
	scope vms vms
	scope vms_json vms -j
	scope exits exits --by userspace 0.3 1
	scope summary 0.3 1
	scope cpu cpu 0.3 1
	scope json exits --by userspace -j 0.3 1
	scope by_pid exits --by userspace -j -p "${pids[0]}" 0.1 1
	scope glob exits --by userspace -j -n $'*\xff*' 0.1 1
	scope none vms -n $'\e[31m*nobody'
	for name in "${pids[@]}"; do
		vm_kill "$name"
	done
}

check_hostile_names() {
	local file
	for file in vms exits summary cpu; do
		status_is $file 0
	done
	for file in vms exits; do
		says $file.out '\\x1b\]0;owned\\x07\\x1b\[31mred'
	done
	for file in summary cpu; do # where a name may be cut
		says $file.out '^ *\\x1b\]0'
	done
	status_is none 5
	for file in vms.out exits.out summary.out cpu.out none.err; do
		if LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' $file; then
			failed "$file has control characters"
		fi
		if grep -qP '[\x{80}-\x{9f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]' \
			<(iconv -f UTF-8 -t UTF-8 <$file); then
			failed "$file has control characters of Unicode's"
		fi
		iconv -f UTF-8 -t UTF-8 <$file >/dev/null || failed "$file is not UTF-8"
	done
	for file in vms exits summary cpu; do
		narrow $file.out
	done
	for file in vms_json json by_pid; do
		iconv -f UTF-8 -t UTF-8 <$file.out >/dev/null || failed "$file is not UTF-8"
		lines_are $file.out 1
	done
	holds "six VMs" json.out '[.[].vms[] | select(.pid | IN($pids[]))] | must(length == 6)' \
		--slurpfile pids pids
	holds "names as they are" json.out '[.[].vms[].name] | must(
		(index("\u001b]0;owned\u0007\u001b[31mred") != null) and
		(index("two\nlines\r\tand a tab") != null) and
		(index("\"quotes\" \\ and {\"json\": 1} %s %n") != null))'
	holds "the long one is cut" json.out '[.[].vms[].name | length] | must(max <= 256 and max > 100)'
	holds "by its pid" by_pid.out 'only.vms | must(length == 1)'
	holds "by a glob with a byte that is not UTF-8" glob.out 'only.vms | must(length == 1)'
}
