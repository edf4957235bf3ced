# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios for this machine and for the kernels of the matrix: what is wrong is told in a clear
# line, by the right exit status, and leaves nothing behind.

as_nobody() {
	if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
		setpriv --reuid 65534 --clear-groups "$@"
	else
		su -s /bin/sh nobody -c "$*"
	fi
}

# error_is FILE STATUS PATTERN: that status, nothing on stdout, and on stderr, behind the line that
# says what is traced, one line.
error_is() {
	status_is "$1" "$2"
	lines_are "$1.out" 0
	says "$1.err" "^kvmscope: .*$3"
	grep -v '^Tracing \|^attached$' "$1.err" >"$1.rest" || true
	lines_are "$1.rest" 1
}

# --- command line

run_usage() {
	scope unknown_command exit
	scope unknown_option exits --bye
	scope unknown_letter -Z
	scope no_value exits --by
	scope negative exits -1
	scope no_interval check 1
	scope no_count vms 1 2
	scope no_vm check -n web1
	scope nobody vms -n '[z]z' -n yyy -p 4194303
	scope bad_by exits --by color
	scope two_kinds exits --by port --by msr
	scope no_times exits --counts --by port
	scope bad_interval exits -- -1
	scope bad_count exits 1 0
	scope too_many exits 1 1 1
	scope bad_slots --max-vcpus 0
	scope bad_color --color sometimes
	scope bad_pid -p init
	scope no_pattern exits --vm ''
	scope version -V
	scope help --help
	for command in exits cpu vms check; do
		scope help_$command $command --help
	done
}

check_usage() {
	local file
	for file in unknown_command unknown_option unknown_letter no_value negative no_interval no_count no_vm bad_by \
		bad_interval bad_count too_many bad_slots bad_color bad_pid; do
		error_is $file 2 .
		says $file.err 'see kvmscope.* --help$'
	done
	error_is no_pattern 2 .
	error_is two_kinds 2 'not port and msr'
	error_is no_times 2 '--by port is not without'
	says unknown_option.err "'--bye' is no option"
	says no_value.err '--by takes a value'
	says negative.err "'-1' is no option, and numbers are above 0"
	status_is nobody 5
	says nobody.err "^kvmscope: no VM matches '\[z\]z', 'yyy' or pid 4194303; there "
	status_is version 0
	says version.out '^kvmscope [0-9]'
	for file in help help_exits help_cpu help_vms help_check; do
		status_is $file 0
		lines_are $file.err 0
		says $file.out '^Usage: kvmscope '
		says $file.out '^Exit status: '
		narrow $file.out
	done
}

# narrow FILE: its lines are no longer than a terminal is wide.
narrow() {
	local long
	long=$(LC_ALL=C.UTF-8 grep -E '^.{81}' "$1" | head -n 3) || true
	[ -z "$long" ] || failed "$1 is wider than 80 columns: $long"
}

# --- what is missing

run_not_root() {
	KVMSCOPE="as_nobody $KVMSCOPE"
	for command in exits cpu check vms; do
		status=0
		$KVMSCOPE $command >$command.out 2>$command.err </dev/null || status=$?
		echo $status >$command.status
	done
	for command in '0.1 1' 'vms -j' 'vms -j --strict' 'vms -n web1'; do
		status=0
		$KVMSCOPE $command >"$command.out" 2>"$command.err" </dev/null || status=$?
		echo $status >"$command.status"
	done
}

check_not_root() {
	local file
	for file in exits cpu '0.1 1'; do
		error_is "$file" 3 'privilege is missing.*run as root'
	done
	status_is check 3
	says check.out '^no +privilege '
	says check.out '-> run as root'
	# what it may not look into, it does not call absent
	status_is vms 0
	says vms.out '^! there may be more VMs: [0-9]+ processes .* run as root'
	status_is 'vms -j' 0
	holds "it may not be all" 'vms -j.out' 'only | [.complete, (.notes | length)] | must(. == [false, 1])'
	status_is 'vms -j --strict' 6
	error_is 'vms -n web1' 3 "no VM that this user may look at matches 'web1'; run as root"
}

# with_mount COMMAND...: in a mount namespace of its own.
with_mount() {
	unshare -m sh -euc 'mount --make-rprivate / 2>/dev/null || true
		mount '"$mount"'
		exec "$@"' sh "$@"
}

run_no_btf() {
	: >empty
	mount="--bind empty /sys/kernel/btf/vmlinux"
	for command in exits check; do
		status=0
		with_mount "$KVMSCOPE" $command >$command.out 2>$command.err </dev/null || status=$?
		echo $status >$command.status
	done
}

check_no_btf() {
	error_is exits 4 'has no BTF.*CONFIG_DEBUG_INFO_BTF'
	status_is check 4
	says check.out '^no +BTF '
}

run_no_kvm_device() {
	mount='-t tmpfs none /dev; mount -t tmpfs none /sys/class/misc'
	for command in exits check; do
		status=0
		with_mount timeout -s KILL 30 "$KVMSCOPE" $command >$command.out 2>$command.err || status=$?
		echo $status >$command.status
	done
}

check_no_kvm_device() {
	error_is exits 4 'no KVM: /dev/kvm is missing.*modprobe'
	status_is check 4
	says check.out '^no +kvm '
}

# --- output that can't be written

run_output_to_a_closed_pipe() {
	(
		status=0
		"$KVMSCOPE" exits 0.2 2>pipe.err </dev/null || status=$?
		echo $status >pipe.status
	) | head -n 1 >pipe.out
	(
		status=0
		"$KVMSCOPE" vms -j 2>vms.err </dev/null || status=$?
		echo $status >vms.status
	) | true
	(
		status=0
		"$KVMSCOPE" --help 2>help.err || status=$?
		echo $status >help.status
	) | true
}

check_output_to_a_closed_pipe() {
	status_is help 0
	lines_are help.err 0
	status_is pipe 0
	lines_are pipe.out 1
	says_not pipe.err '^kvmscope: '
	status_is vms 0
}

run_output_to_a_full_disk() {
	scope option exits -j 0.2 -o /dev/full
	scope nowhere exits 0.2 1 -o nowhere/file
	for command in exits vms check; do
		status=0
		interval=
		[ $command != exits ] || interval=0.2
		"$KVMSCOPE" $command -j $interval >/dev/full 2>$command.err </dev/null || status=$?
		echo $status >$command.status
	done
	status=0
	# shellcheck disable=SC3045 # both shells have it
	(ulimit -f 1 && exec "$KVMSCOPE" check -j >large 2>large.err) || status=$?
	echo $status >large.status
	# nor can the types be written that programs are to be relocated by; and files may be open as the hard limit says
	# shellcheck disable=SC3045
	(ulimit -f 1 && ulimit -S -n 20 && scope small exits 0.1 1)
	for option in -V --help; do
		status=0
		"$KVMSCOPE" $option >/dev/full 2>full$option.err || status=$?
		echo $status >full$option.status
	done
}

check_output_to_a_full_disk() {
	local file
	: >large.out
	error_is large 1 'standard output: File too large$'
	status_is small 0
	error_is option 1 '/dev/full: No space left on device$'
	error_is nowhere 1 'nowhere/file.*: No such file or directory$'
	for file in exits vms check full-V full--help; do
		: >$file.out
		error_is $file 1 'standard output: No space left on device$'
	done
}

# What is opened takes the place of what is closed: a report must not go to a socket or a program.
run_nothing_to_write_to() {
	for closed in 1 12; do
		status=0
		case $closed in
		1) "$KVMSCOPE" exits 0.1 1 2>$closed.err <&- >&- || status=$? ;;
		12) "$KVMSCOPE" exits 0.1 1 <&- >&- 2>&- || status=$? ;;
		esac
		echo $status >$closed.status
	done
	"$KVMSCOPE" vms -j -o file.json <&- >&- 2>&-
}

check_nothing_to_write_to() {
	: >1.out
	error_is 1 1 'standard output is closed.* -o$'
	status_is 12 1
	lines_are file.json 1
}

# --- descriptors

run_too_few_open_files() {
	for command in exits check; do
		# shellcheck disable=SC3045
		(ulimit -n 64 && scope $command $command)
	done
}

check_too_few_open_files() {
	error_is exits 1 '64 files may be open, .*: raise the limit of open files'
	status_is check 1
	says check.out '^no +open files '
	says_not check.out '^no +BTF  '
}

# --- signals

run_signals() {
	for signal in INT TERM; do
		scope_start $signal exits -j 1000000 1000000000
		scope_end $signal $scope_pid $signal
	done
	scope_start HUP exits -j 0.2 -o reports
	until_true 20 test -s reports
	mv reports reports.1
	# what can't be opened again is no reason to end
	mkdir reports
	kill -HUP $scope_pid
	await "can't be opened again" HUP.err
	lines=$(wc -l <reports.1)
	until_true 20 has_lines $((lines + 1)) reports.1
	rmdir reports
	kill -HUP $scope_pid
	until_true 20 test -s reports
	scope_end HUP $scope_pid
}

check_signals() {
	local signal
	for signal in INT TERM HUP; do
		status_is $signal 0
		[ $signal = HUP ] || says_not $signal.err '^kvmscope: '
	done
	[ "$(grep -c '^kvmscope: ' HUP.err)" = 1 ] || failed "SIGHUP: $(cat HUP.err)"
	says INT.err '; ends after 1000000000000000 s, or at Ctrl-C.$'
	lines_are INT.out 1
	lines_are TERM.out 1
	holds "reports in both files" reports 'length | must(. > 0)'
	holds "reports in both files" reports.1 'length | must(. > 0)'
	cat reports.1 reports >all
	holds "one after the other, none twice" all '[.[].start] | must(. == (unique))'
}

no_program() {
	! bpftool prog show id "$1" >/dev/null 2>&1
}

run_killed_it_leaves_no_program() {
	scope_start scope exits -j
	sed -n 's/^prog_id:[^0-9]*//p' /proc/$scope_pid/fdinfo/* | sort -nu >programs
	while read -r id; do
		bpftool prog show id "$id" >/dev/null
	done <programs
	kill -KILL $scope_pid
	scope_wait scope $scope_pid
	while read -r id; do
		until_true 20 no_program "$id" || echo "program $id is left"
	done <programs >left
}

check_killed_it_leaves_no_program() {
	cat left
	at_most "least number of programs" 4 "$(wc -l <programs)"
	status_is scope 137
	note "$(wc -l <programs) programs"
}
