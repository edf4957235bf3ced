# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # expanded later; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of kvmscoped's configuration: what is wrong is said, a reload, and what it ends.

# --- options

run_daemon_options() {
	n=0
	for options in "--max-cpu 101" "--interval 5%" "--listen nowhere" "--listen 1.2.3.4.5:1" "--unix relative" "--nonsense" \
		"--domains exits,nonsense" "--domains ," "--user nobody-of-that-name" "word" "--config /nonexistent" \
		"--config bad.conf" "--config nul.conf" "--listen none" "--config"; do
		n=$((n + 1))
		printf 'max-vms = 7\nmax-series = 200\0none\n' >nul.conf
		printf 'max-vms = 7\n# a comment\nmax-series = none\n' >bad.conf
		status=0
		# shellcheck disable=SC2086
		"${KVMSCOPE}d" $options >bad$n.out 2>bad$n.err || status=$?
		echo $status >bad$n.status
	done
	"${KVMSCOPE}d" --help >help
	for options in --help -V; do
		status=0
		"${KVMSCOPE}d" $options >/dev/full 2>full$options.err || status=$?
		echo $status >full$options.status
		status=0
		(trap '' PIPE && exec "${KVMSCOPE}d" $options 2>pipe$options.err) > >(:) || status=$?
		echo $status >pipe$options.status
	done
	status=0
	(ulimit -n 64 && exec "${KVMSCOPE}d" --listen 127.0.0.1:0) >few.out 2>few.err || status=$?
	echo $status >few.status
	# who is not root, and has no more than that, can't become somebody else
	status=0
	setpriv --reuid 65534 --clear-groups --bounding-set -all "${KVMSCOPE}d" --user daemon >other.out 2>other.err || status=$?
	echo $status >other.status
	printf 'max-series = 200\nlisten = none\nunix = %s\ndomains = exits,exits\n' "$PWD/conf.sock" >good.conf
	"${KVMSCOPE}d" --config good.conf --user nobody 2>conf.err &
	daemon_pid=$!
	started $daemon_pid
	await attached conf.err
	grep -E '^(Uid|Gid|Groups|CapEff):' "/proc/$(worker $daemon_pid)/status" >nobody
	fetch conf >conf.om
	# a configuration that is none is refused, and the old one stays
	cp good.conf kept.conf
	for line in 'max-series = none' 'domains = exits,nonsense' 'user = nobody-of-that-name'; do
		n=$(grep -c 'stays as it was' conf.err || true)
		echo "$line" >>good.conf
		kill -HUP $daemon_pid
		until_true 20 eval '[ "$(grep -c "stays as it was" conf.err)" = $((n + 1)) ]'
		cp kept.conf good.conf
	done
	sed -i 's/^listen.*/listen = 127.0.0.1:19736/' good.conf
	kill -HUP $daemon_pid
	await 'changes no addresses' conf.err
	until_true 60 eval 'fetch conf >after.om && grep -q "^kvmscope_loads_total 2" after.om'
	daemon_end $daemon_pid
	# one that is right in itself, and does not work: the worker may not become another user
	printf 'listen = 127.0.0.1:0\nunix = %s\nuser = root\n' "$PWD/back.sock" >back.conf
	setpriv --bounding-set -setuid "${KVMSCOPE}d" --config back.conf 2>back.err &
	daemon_pid=$!
	started $daemon_pid
	await attached back.err
	echo 'user = nobody' >>back.conf
	kill -HUP $daemon_pid
	await 'does not work here; the one before is next' back.err
	until_true 60 eval 'fetch back >back.om && grep -q "^kvmscope_loads_total 2" back.om'
	daemon_end $daemon_pid
	# a worker that is another user, and can do nothing by itself, ends with its keeper
	"${KVMSCOPE}d" --listen none --unix "$PWD/end.sock" --domains exits --user nobody 2>end.err &
	daemon_pid=$!
	started $daemon_pid
	await attached end.err
	worker=$(worker $daemon_pid)
	started "$worker"
	kill -STOP "$worker"
	kill -KILL $daemon_pid
	until_true 20 gone "$worker" && echo gone >states || echo stopped >states
}

# --- what is no longer traced, and files that are no longer written

run_daemon_reloads() {
	loop_begin 64
	printf 'domains = exits,disk\ngrace = 2\ninterval = 1\ntextfile = %s\n' "$PWD/old.prom" >one.conf
	daemon_start one --config one.conf
	vm_start vm web1 --out 101 --hold --disk "$loop" --disk-reads 211 --disk-writes 103
	web1=$vm_pid
	vm_go vm
	await ^done vm.out
	disk="vm=\"web1\",device=\"$(cat disk)\",op=\"read\""
	until_true 20 eval 'fetch one >before.om && has_total before.om web1 102 &&
		[ "$(metric before.om "kvmscope_disk_requests_total{$disk}")" = 211 ]'
	until_true 20 grep -q 'vm="web1",reason="io"} 102' old.prom
	# the disk goes, and the file has another name
	sed -i 's/,disk//; s/old.prom/new.prom/' one.conf
	kill -HUP $daemon_pid
	until_true 20 eval 'fetch one >after.om && grep -q "^kvmscope_loads_total 2" after.om'
	until_true 20 eval 'fetch one >later.om && ! grep -q "^kvmscope_disk_requests_total{vm=\"web1\"" later.om' || true
	until_true 20 test -s new.prom
	ls ./*.prom >files.reloaded
	# cpu reads the events of exits: both are traced
	sed -i 's/^domains.*/domains = cpu/; /^textfile/d' one.conf
	kill -HUP $daemon_pid
	until_true 20 eval 'fetch one >cpu.om && grep -q "^kvmscope_loads_total 3" cpu.om'
	vm_run more web2 --out 307
	until_true 20 eval 'fetch one >cpu.om && has_total cpu.om web2 308' || true
	ls >files.none
	sed -i '$a textfile = '"$PWD/last.prom" one.conf
	kill -HUP $daemon_pid
	until_true 20 test -s last.prom
	# a worker that was held up has no fresh numbers: it says so, and is ready when it has
	ready_after_stop "$(worker $daemon_pid)" >readyz
	vm_kill $web1
	daemon_end $daemon_pid
	ls >files.ended
}

# ready_after_stop PID: asks on a connection that was there before PID was held for longer than three intervals.
ready_after_stop() {
	python3 - one.sock "$1" <<-'END'
		import os, signal, socket, sys, time
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])

		def ask():
		    s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")

		def answer():
		    return s.recv(4096).split(b"\r\n")[0].decode()

		ask()
		print(answer())
		# it has done what a reply is followed by, and waits for the next event
		while open("/proc/%s/stat" % sys.argv[2]).read().rpartition(")")[2].split()[0] != "S":
		    pass
		os.kill(int(sys.argv[2]), signal.SIGSTOP)
		ask()
		until = time.monotonic() + 3.5
		while time.monotonic() < until:
		    time.sleep(until - time.monotonic())
		os.kill(int(sys.argv[2]), signal.SIGCONT)
		print(answer())
		ask()
		print(answer())
	END
}

check_daemon_reloads() {
	local file
	for file in before after later cpu; do
		"$tests/openmetrics" $file.om >/dev/null 2>err || failed "$file: $(cat err)"
	done
	says before.om '^kvmscope_cost_ratio\{part="disk"\}'
	says before.om '^kvmscope_disk_in_flight_requests\{vm="web1"'
	# gauges at once, counters after their grace
	says_not after.om '^kvmscope_cost_ratio\{part="disk"\}|^kvmscope_reduced_steps\{domain="disk"\}|^kvmscope_disk_in_flight'
	says_not later.om '^kvmscope_disk'
	says later.om '^kvmscope_userspace_exits_total\{vm="web1",reason="io"\} 102$'
	[ "$(cat files.reloaded)" = ./new.prom ] || failed "after a reload there are: $(cat files.reloaded)"
	says_not files.none 'prom'
	says_not files.ended 'prom|tmp$'
	says cpu.om '^kvmscope_userspace_exits_total\{vm="web2",reason="io"\} 308$'
	says cpu.om '^kvmscope_vcpu_time_seconds_total\{vm="web2",state="[a-z_]+"\} [0-9.]*[1-9]'
	[ "$(sed 's/HTTP.1.1 //' readyz | tr '\n' ' ')" = "200 OK 503 Service Unavailable 200 OK " ] || failed "readyz: $(cat readyz)"
}

check_daemon_options() {
	local n
	for n in {1..15}; do
		status_is bad$n 2
		lines_are bad$n.out 0
		lines_are bad$n.err 1
		says bad$n.err '^(.*/)?kvmscoped: '
	done
	says bad8.err "names no domain"
	says bad9.err "'nobody-of-that-name' is no user here"
	says bad12.err 'bad.conf, line 3: .*max-series = none.* is not'
	says bad13.err "nul.conf, line 2: 'max-series = 200' has a NUL byte"
	says bad14.err 'nobody would see what is traced'
	says bad15.err '--config takes a value'
	for n in --help -V; do
		status_is full$n 1
		says full$n.err 'standard output: No space left on device$'
		status_is pipe$n 0
		lines_are pipe$n.err 0
	done
	status_is few 1
	says few.err '64 files may be open, .*LimitNOFILE'
	says back.err 'listening on 127\.0\.0\.1:[1-9][0-9]*$'
	[ "$(cat states)" = gone ] || failed "the keeper was killed, and the worker is still there: $(cat states)"
	says help -- '--max-cpu=PERCENT'
	status_is other 3
	says other.err 'only root can become user daemon'
	# of its groups none is root's
	[ "$(awk '{ $1 = ""; print }' nobody | tr '\n' ',')" = " 65534 65534 65534 65534, 65534 65534 65534 65534, 65534, 0000000000080004," ] ||
		failed "who it is: $(cat nobody)"
	"$tests/openmetrics" conf.om >/dev/null 2>err || failed "$(cat err)"
	says_not conf.om 'vcpu_time'
}

# --- what can't be traced

# with_caps CAPABILITIES COMMAND...: as nobody, with these, which are all that it can ever have.
with_caps() {
	local caps=$1
	shift
	exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps "-all,$caps" --ambient-caps "-all,$caps" \
		--bounding-set "-all,$caps" "$@"
}

# Back ends that are not KVM's own two are traced by classic forms, which take tracefs. Once this user must not read
# it, and once it is not there, and can't be mounted.
run_daemon_without_exits() {
	! grep -qE '^kvm_(amd|intel)$' <(ls /sys/module) || skip "exits are traced without tracefs here"
	status=0
	(with_caps +bpf,+perfmon "${KVMSCOPE}d" --listen none --textfile "$PWD/blind.prom") >blind.out 2>blind.err || status=$?
	echo $status >blind.status
	install -d -o 65534 nobody
	export -f with_caps
	unshare -m bash -c 'mount -t tmpfs none /sys/kernel/tracing && mount -t tmpfs none /sys/kernel/debug &&
		with_caps +bpf,+perfmon,+sys_ptrace,+dac_read_search "$@"' - \
		"${KVMSCOPE}d" --listen none --unix "$PWD/nobody/one.sock" 2>one.err &
	daemon_pid=$!
	started $daemon_pid
	await attached one.err
	fetch nobody/one >one.om
	daemon_end $daemon_pid
}

check_daemon_without_exits() {
	status_is blind 3
	says blind.err 'CAP_DAC_READ_SEARCH is missing'
	says one.err 'kvm_exit can.t be traced: .*; going on without domain exits$'
	says one.err 'going on without domain cpu$'
	says_not one.err 'without domain (disk|net)'
	"$tests/openmetrics" one.om >/dev/null 2>err || failed "$(cat err)"
	says one.om '^kvmscope_domain_impossible\{domain="exits"\} 1$'
	says one.om '^kvmscope_reduced_steps\{domain="disk"\} 0$'
	says one.om '^kvmscope_reduced_steps\{domain="net"\} 0$'
	says one.om '^kvmscope_complete 0$'
}
