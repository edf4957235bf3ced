# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a scenario does things with: VMs, kvmscope, the kernel's own trace. Sourced by bash on this
# machine and by busybox's sh in the kernels of the matrix. A scenario is a function run_NAME;
# its working directory is its own, and what it leaves there is what check_NAME looks at.
#
# Needs: KVMSCOPE, KVMGUEST: paths. PIDS: a file for the pids of what was started.
# Set -e holds inside a scenario: what fails ends it.

tracing=/sys/kernel/tracing

die() {
	echo "$*" >&2
	exit 1
}

skip() {
	echo "$*" >&2
	exit 77
}

# until_true SECONDS COMMAND...: polls; 1 when time is up.
until_true() {
	local tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		nap
	done
}

# A twentieth of a second. Here and below: no process, for where the CPU is emulated that takes some
# 10 ms of it, and who is waited for wants to run.
nap() {
	[ -p "$PIDS.silent" ] || mkfifo "$PIDS.silent"
	# shellcheck disable=SC3045 # bash's and busybox's
	read -r -t 0.05 _ <>"$PIDS.silent" || true
}

# has_line TEXT FILE: a whole line with that text; "^TEXT": that begins with it.
has_line() {
	local line
	[ -e "$2" ] || return 1
	while read -r line; do
		case ^$line in
		*"$1"*) return 0 ;;
		esac
	done <"$2"
	return 1
}

# await TEXT FILE: such a line, which will be there.
await() {
	until_true 60 has_line "$1" "$2" || die "no line '$1' in $2 after 60 s: $(tail -n 3 "$2" 2>&1)"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

started() {
	echo "$1" >>"$PIDS"
}

# Ends what was started and has not ended, by pid.
end_all() {
	local pid
	[ -s "$PIDS" ] || return 0
	while read -r pid; do
		kill -KILL "$pid" 2>/dev/null || continue
		until_true 20 gone "$pid" || true
	done <"$PIDS"
	: >"$PIDS"
}

# Seconds, as precisely as the shell can tell.
now() {
	local up _
	# shellcheck disable=SC3028 # bash's
	if [ -n "${EPOCHREALTIME:-}" ]; then
		echo "$EPOCHREALTIME"
	else
		read -r up _ </proc/uptime
		echo "$up"
	fi
}

# scenario NAME DIR: runs run_NAME in DIR, which gets log, status and seconds, too.
scenario() {
	local name=$1 dir=$2 pid watch status=0 begin seconds=0
	rm -rf "$dir"
	mkdir -p "$dir"
	begin=$(now)
	(
		cd "$dir"
		set -eu
		"run_$name"
	) >"$dir/log" 2>&1 </dev/null &
	pid=$!
	(
		while sleep 1 && kill -0 $pid; do
			seconds=$((seconds + 1))
			[ $seconds -lt 300 ] || kill -KILL $pid
		done
	) 2>/dev/null &
	watch=$!
	wait $pid || status=$?
	kill $watch 2>/dev/null || true
	end_all
	echo "$status" >"$dir/status"
	echo "$begin $(now)" | awk '{ printf "%.1f\n", $2 - $1 }' >"$dir/seconds"
}

# --- virtual machines

# In place of the shell that calls it, as QEMU's process looks. Both shells have exec -a.
exec_as_qemu() {
	# shellcheck disable=SC3038
	exec -a qemu-system-x86_64 "$KVMGUEST" "$@"
}

# vm_start FILE VM OPTION...: a VM of that name, up to its "ready". Its output goes to FILE.out.
# Sets vm_pid. vm_go FILE makes it start.
vm_start() {
	local file=$1 name=$2
	shift 2
	rm -f "$file.in" "$file.out"
	mkfifo "$file.in"
	# opened for both, a FIFO neither blocks nor ends
	exec_as_qemu -name "guest=$name" --wait-stdin "$@" <>"$file.in" >"$file.out" 2>"$file.err" &
	vm_pid=$!
	started $vm_pid
	await ready "$file.out"
}

vm_go() {
	echo go >"$1.in"
	rm "$1.in"
}

# vm_end FILE PID: waits for the end of a VM that ends by itself.
vm_end() {
	wait "$2" || die "VM $1 ended with $?: $(cat "$1.err")"
	grep -q ^done "$1.out" || die "VM $1 was not done: $(cat "$1.out" "$1.err")"
}

# vm_run FILE VM OPTION...: from start to end.
vm_run() {
	vm_start "$@"
	vm_go "$1"
	vm_end "$1" $vm_pid
}

vm_kill() {
	kill -KILL "$1"
	wait "$1" 2>/dev/null || true
}

task_states() {
	sed 's/.*) \(.\) .*/\1/' /proc/"$1"/task/*/stat
}

# One that has died has no states, and is not stopped.
is_stopped() {
	local states
	states=$(task_states "$1" 2>/dev/null | tr -d '\n')
	case $states in
	'' | *[!T]*) return 1 ;;
	esac
}

# vm_stop PID: no thread of it runs when this returns.
vm_stop() {
	kill -STOP "$1"
	until_true 20 is_stopped "$1" || die "VM $1 does not stop"
}

vm_continue() {
	kill -CONT "$1"
}

# vm_runs PID MS: until its vCPUs have had so many ms more of a CPU.
vm_runs() {
	# shellcheck disable=SC2046 # a list
	ran_more "$1" "$2" $(vm_threads "$1")
}

# ran_more PID MS TID...: the same for these threads of it.
ran_more() {
	local pid=$1 ms=$2
	shift 2
	has_run "$pid" 0 "$@"
	until_true 60 has_run "$pid" $((run_ms + ms)) "$@" || die "VM $pid does not run"
}

# has_run PID MS TID...: have these had so many ms of a CPU? Sets run_ms.
has_run() {
	local pid=$1 ms=$2 tid ns
	shift 2
	run_ms=0
	for tid; do
		read -r ns _ <"/proc/$pid/task/$tid/schedstat" || return 1
		run_ms=$((run_ms + ns / 1000000))
	done
	[ $run_ms -ge "$ms" ]
}

# vm_threads PID: the ids of its vCPUs' threads, in order of the vCPUs.
vm_threads() {
	grep -l '^CPU [0-9]*/KVM' /proc/"$1"/task/*/comm | while read -r comm; do
		echo "$(cat "$comm") ${comm%/comm}"
	done | sort -k2n | sed 's,.*/,,'
}

# --- kvmscope

# scope FILE ARGUMENT...: to its end. Leaves FILE.out, FILE.err, FILE.status.
scope() {
	local file=$1 status=0
	shift
	"$KVMSCOPE" "$@" >"$file.out" 2>"$file.err" </dev/null &
	started $!
	wait $! || status=$?
	echo $status >"$file.status"
}

# scope_start FILE ARGUMENT...: in the background, up to "attached". Sets scope_pid.
scope_start() {
	local file=$1
	shift
	"$KVMSCOPE" "$@" >"$file.out" 2>"$file.err" </dev/null &
	scope_pid=$!
	started $scope_pid
	await '^attached' "$file.err"
}

# scope_wait FILE PID: until it ends by itself.
scope_wait() {
	local status=0
	wait "$2" || status=$?
	echo $status >"$1.status"
}

# scope_end FILE PID [SIGNAL]: the last report, and the end.
scope_end() {
	kill -s "${3:-INT}" "$2"
	scope_wait "$1" "$2"
}

has_lines() {
	[ "$(wc -l <"$2")" -ge "$1" ]
}

# scope_report FILE PID: one report more, now.
scope_report() {
	local lines
	lines=$(wc -l <"$1.out")
	kill -USR1 "$2"
	until_true 20 has_lines $((lines + 1)) "$1.out" || die "no report at SIGUSR1"
}

# --- the kernel's own trace, which knows nothing of kvmscope

# What tells kvm_exit's reason: x86's field, or arm64's.
truth_hist() {
	if grep -q exit_reason $tracing/events/kvm/kvm_exit/format; then
		echo 'hist:keys=exit_reason,common_pid:size=4096'
	else
		echo 'hist:keys=ret,esr_ec,common_pid:size=4096'
	fi
}

# truth_begin EVENT...: of the group kvm. A histogram of exits too, where this kernel has them.
truth_begin() {
	if [ -e $tracing/events/kvm/kvm_exit/hist ]; then
		truth_hist >$tracing/events/kvm/kvm_exit/trigger
	fi
	truth_begin_plain "$@"
}

# Without it.
truth_begin_plain() {
	local event
	echo 0 >$tracing/tracing_on
	echo 16384 >$tracing/buffer_size_kb
	echo mono >$tracing/trace_clock
	for event; do
		echo 1 >$tracing/events/kvm/"$event"/enable
	done
	: >$tracing/trace
	echo 1 >$tracing/tracing_on
}

# mark TEXT: a line of the trace.
mark() {
	echo "$1" >$tracing/trace_marker
}

# truth_end FILE: leaves FILE.trace and, where there is one, FILE.hist.
truth_end() {
	local trigger=$tracing/events/kvm/kvm_exit/trigger
	echo 0 >$tracing/tracing_on
	if grep -q '^hist' $trigger; then
		cat $tracing/events/kvm/kvm_exit/hist >"$1.hist"
		echo "!$(truth_hist)" >$trigger
	fi
	echo 0 >$tracing/events/kvm/enable
	cat $tracing/trace >"$1.trace"
	if grep '^\(overrun\|dropped events\): [1-9]' $tracing/per_cpu/cpu*/stats; then
		die "the kernel's own trace has lost events"
	fi
	: >$tracing/trace
}

# --- kvmscoped, on its own port

# daemon_begin FILE OPTION...: up to "attached". Sets daemon_pid.
daemon_begin() {
	local file=$1
	shift
	"${KVMSCOPE}d" "$@" 2>"$file.err" &
	daemon_pid=$!
	started $daemon_pid
	await attached "$file.err"
}

fetch_metrics() {
	wget -q -O - http://127.0.0.1:9736/metrics >"$1"
}

metric_is() {
	fetch_metrics polled && grep -qF "$1" polled
}
