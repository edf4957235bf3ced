# shellcheck shell=dash
# shellcheck disable=SC2034,SC2154 # set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# kvmscoped as it is packaged, under systemd as the first process: units, reload, watchdog, sockets, journal,
# and what it says when a capability is taken away.

options_daemon_systemd() {
	local file packaging=$tests/../packaging
	command -v curl >/dev/null || {
		echo "no curl here"
		return 1
	}
	for file in systemd systemd-journald; do
		[ -x /lib/systemd/$file ] || {
			echo "no $file here"
			return 1
		}
	done
	printf '%s\n' --systemd --mem 1024 --timeout 240 --bg tun \
		--file "$build/kvmscoped:/bin/kvmscoped" --file "$(command -v curl):/bin/curl" \
		--file "$packaging/systemd/kvmscoped.service:/lib/systemd/system/kvmscoped.service" \
		--file "$packaging/systemd/kvmscoped.socket:/lib/systemd/system/kvmscoped.socket" \
		--file "$packaging/systemd/kvmscope.sysusers:/lib/sysusers.d/kvmscope.conf" \
		--file "$packaging/kvmscoped.conf:/etc/kvmscope/kvmscoped.conf"
}

# shown FILE: what systemd says of the unit.
shown() {
	systemctl show kvmscoped -p Type,ActiveState,SubState,StatusText,NRestarts,MainPID,Result,ExecMainStatus >"$1"
}

is_shown() {
	shown now
	grep -qxF "$1" now
}

# override LINE...: in a drop-in, in place of all that was in it.
override() {
	mkdir -p /etc/systemd/system/kvmscoped.service.d
	printf '%s\n' '[Service]' "$@" >/etc/systemd/system/kvmscoped.service.d/test.conf
	systemctl daemon-reload
}

# The process that the main one has forked.
worker_of_unit() {
	ps -o pid,ppid | awk -v of="$(systemctl show --value -p MainPID kvmscoped)" '$2 == of { print $1 }'
}

has_other_worker() {
	worker=$(worker_of_unit)
	[ -n "$worker" ] && [ "$worker" != "$1" ]
}

# started_with NAME LINE...: in its unit. Its journal is NAME.journal.
started_with() {
	local name=$1 since
	shift
	since=$(date +%s)
	override "$@"
	journalctl --rotate --vacuum-time=1s >/dev/null 2>&1 || true
	systemctl start kvmscoped && fetch_metrics "$name.metrics" || true
	shown "$name.shown"
	systemctl stop kvmscoped
	systemctl reset-failed kvmscoped 2>/dev/null || true
	journalctl -u kvmscoped -o cat --since "@$since" >"$name.journal"
}

capabilities() { # NAME CAPABILITY...: with these alone
	local name=$1
	shift
	started_with "$name" "CapabilityBoundingSet=" "CapabilityBoundingSet=$*" "AmbientCapabilities=" "AmbientCapabilities=$*"
}

run_daemon_systemd() {
	systemd-sysusers /lib/sysusers.d/kvmscope.conf
	chmod 666 /dev/kvm
	echo 'max-cpu = 0' >>/etc/kvmscope/kvmscoped.conf # in emulation all is over the limit
	# another user's VM
	mkfifo vm.in
	su nobody -c "exec -a qemu-system-x86_64 $KVMGUEST -name guest=web1 --wait-stdin --forever --pace-us 2000" \
		<>vm.in >vm.out 2>vm.err &
	started $!
	await ready vm.out
	echo go >vm.in
	# one with an interface in a network namespace of its own, as KubeVirt's
	modprobe tun
	mkfifo net.in
	unshare -n sh -c "tunctl -t vnet0 >/dev/null && ip link set vnet0 up &&
		exec -a qemu-system-x86_64 $KVMGUEST -name guest=db1 --tap vnet0 --hold" <>net.in >net.out 2>net.err &
	started $!
	await ^done net.out
	override WatchdogSec=3 RestartSec=1
	systemctl start kvmscoped
	shown active
	until_true 20 eval 'fetch_metrics first && grep -q "^kvmscope_exits_total{vm=\"web1\"" first' || true
	until_true 20 metric_is 'kvmscope_vm_info{vm="db1"'
	printf '%s\n' "frame 52540000009952540000000188b5$(printf '%0172d' 0)" 'send 0 101' >net.in
	until_true 20 metric_is 'kvmscope_net_packets_total{vm="db1",nic="vnet0",direction="tx"} 101' || true
	cp polled net
	for pid in $(systemctl show --value -p MainPID kvmscoped) $(worker_of_unit); do
		grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
	done >privileges
	systemd-analyze security --no-pager kvmscoped >security || true
	systemctl reload kvmscoped
	until_true 60 metric_is 'kvmscope_loads_total 2'
	shown reloaded
	# a load that takes longer than the watchdog has patience
	old=$(worker_of_unit)
	systemctl --no-block reload kvmscoped
	until_true 60 has_other_worker "$old"
	kill -STOP "$worker"
	usleep 5000000
	kill -CONT "$worker"
	until_true 60 metric_is 'kvmscope_loads_total 3'
	shown slow
	# a worker that does nothing any more
	kill -STOP "$(worker_of_unit)"
	until_true 60 is_shown NRestarts=1
	until_true 60 is_shown SubState=running
	fetch_metrics restarted
	shown watchdog
	systemctl stop kvmscoped
	journalctl -u kvmscoped -o short >journal
	# systemd listens, and starts it when somebody asks
	systemctl start kvmscoped.socket
	is_shown ActiveState=inactive
	curl -s -f -m 60 http://127.0.0.1:9736/metrics >by_socket
	curl -s -f -m 60 --unix-socket /run/kvmscope.sock http://x/metrics >by_unix
	ls -l /run/kvmscope.sock >socket
	systemctl stop kvmscoped.socket kvmscoped
	# Debian's default of 3 is there only where its sysctl file is
	echo 3 >/proc/sys/kernel/perf_event_paranoid
	capabilities paranoid CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
	echo 2 >/proc/sys/kernel/perf_event_paranoid
	capabilities no_admin CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
	capabilities no_bpf CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
	capabilities no_perfmon CAP_BPF CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
	capabilities no_ptrace CAP_BPF CAP_PERFMON CAP_SYS_ADMIN CAP_DAC_READ_SEARCH
	capabilities no_dac CAP_BPF CAP_PERFMON CAP_SYS_ADMIN CAP_SYS_PTRACE
	started_with no_memfd "SystemCallFilter=~memfd_create"
	printf '%s\n' '[Service]' Type=oneshot SystemCallFilter=~memfd_create SystemCallErrorNumber=EPERM \
		"StandardOutput=file:$PWD/sandboxed.out" "StandardError=file:$PWD/sandboxed.err" \
		"ExecStart=/bin/kvmscope exits -n web1 -j 1 1" >/etc/systemd/system/sandboxed.service
	systemctl daemon-reload
	systemctl start sandboxed
}

check_daemon_systemd() {
	local file
	says active '^Type=notify$'
	says active '^SubState=running$'
	says active '^StatusText=Tracing.$'
	says first '^kvmscope_exits_total\{vm="web1",reason="hlt"\} [0-9]+$'
	says first '^kvmscope_vm_info\{vm="web1",uuid="",pid="[0-9]+",platform="qemu",name_source="cmdline"\} 1$'
	says net '^kvmscope_net_packets_total\{vm="db1",nic="vnet0",direction="tx"\} 101$'
	# the keeper: what the unit gives; the worker: ptrace and dac_read_search
	[ "$(grep -c '^CapEff:	000000c000280004$' privileges) $(grep -c '^CapEff:	0000000000080004$' privileges)" = "1 1" ] ||
		failed "privileges: $(cat privileges)"
	[ "$(grep -c '^Uid:	0' privileges) $(grep -c '^NoNewPrivs:	1$' privileges) $(grep -c '^Seccomp:	2$' privileges)" = "0 2 2" ] ||
		failed "privileges: $(cat privileges)"
	at_most "exposure" "$(sed -n 's/.*exposure level for kvmscoped.service: \([0-9.]*\).*/\1/p' security)" 2.5
	for file in reloaded slow; do
		says $file '^NRestarts=0$'
		says $file '^ActiveState=active$'
	done
	says watchdog '^NRestarts=1$'
	says watchdog '^StatusText=Tracing.$'
	says journal 'kvmscoped\[[0-9]+\]: attached'
	says journal 'kvmscoped\[[0-9]+\]: reloading'
	says journal 'Watchdog timeout'
	"$tests/openmetrics" --text by_socket >/dev/null 2>err || failed "by the socket: $(cat err)"
	"$tests/openmetrics" --text by_unix >/dev/null 2>err || failed "by the unix socket: $(cat err)"
	says socket '^srw-rw---- +1 root +kvmscope '
	# without that one: it goes on, or ends with 3, and says which one
	for file in no_admin no_ptrace no_dac; do
		says $file.shown '^ExecMainStatus=0$'
		says $file.metrics '^kvmscope_complete [01]$'
	done
	says no_admin.journal 'CAP_SYS_ADMIN is missing'
	says no_admin.metrics '^kvmscope_exits_total\{vm="web1",reason="hlt"\} [0-9]+$'
	says no_memfd.shown '^ExecMainStatus=1$'
	says no_memfd.journal "can't start: memfd_create: Operation not permitted"
	# kvmscope does without
	holds "exits in a sandbox" sandboxed.out '[.[].vms[] | select(.name == "web1").exits[] | select(.reason == "hlt").count] |
		must(length == 1 and .[0] > 0)'
	says no_ptrace.journal 'CAP_SYS_PTRACE is missing'
	says paranoid.shown '^ExecMainStatus=3$'
	says paranoid.journal 'CAP_SYS_ADMIN is missing, or kernel.perf_event_paranoid is above 2'
	says no_dac.journal 'CAP_DAC_READ_SEARCH is missing'
	for file in bpf perfmon; do
		says no_$file.shown '^ExecMainStatus=3$'
		says no_$file.journal "privilege is missing to load BPF programs: CAP_${file^^}"
	done
	note "exposure $(sed -n 's/.*exposure level for kvmscoped.service: \([0-9.]*\).*/\1/p' security)"
}
