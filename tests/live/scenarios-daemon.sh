# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # PromQL; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of kvmscoped on this machine: served, scraped by a real Prometheus, attacked, killed.

daemon_work="--forever --out 3 --mmio 2 --hlt 1 --hlt-wake-us 2000"

# daemon_start FILE OPTION...: up to "attached". Sets daemon_pid. Serves on the unix socket FILE.sock.
# daemon_in: a command that runs it, in a namespace.
daemon_start() {
	local file=$1
	shift
	${daemon_in:-} "${KVMSCOPE}d" --listen none --unix "$PWD/$file.sock" "$@" 2>"$file.err" &
	daemon_pid=$!
	started $daemon_pid
	await attached "$file.err"
}

daemon_end() {
	kill -TERM "$1"
	wait "$1" || die "kvmscoped ended with $?"
}

# worker PID: the process that traces.
worker() {
	tr -d ' ' <"/proc/$1/task/$1/children"
}

# fetch FILE [ACCEPT]: what FILE.sock serves at /metrics.
fetch() {
	curl -s -f -m 10 -H "Accept: ${2:-application/openmetrics-text; version=1.0.0}" \
		--unix-socket "$PWD/$1.sock" http://kvmscoped/metrics
}

# metric FILE SAMPLE: the value of that sample (a fixed string) in an exposition.
metric() {
	awk -v sample="$2" 'index($0, sample " ") == 1 { print $NF }' "$1"
}

# The ids of the programs that a process has; and how many of those in FILE the kernel still has.
programs_of() {
	grep -h ^prog_id: /proc/"$1"/fdinfo/* | awk '{ print $2 }' | sort -u
}

programs_left() {
	local id n=0
	while read -r id; do
		! bpftool prog show id "$id" >/dev/null 2>&1 || n=$((n + 1))
	done <"$1"
	echo $n
}

# complete_unless_told FILE: the machine's own disk may be busy, and its kernel skip runs: of its requests some ends may be
# missed, but nothing else, and then that is told.
complete_unless_told() {
	local told
	told=$(grep -E '^kvmscope_lost_total.* [1-9]' "$1" || true)
	[ -z "$(grep -vE 'disk_ends_missed|recursion_misses' <<<"$told")" ] || failed "lost: $told"
	[ -z "$told" ] || note "told: $(tr '\n' ' ' <<<"$told")"
	[ "$(metric "$1" kvmscope_complete)" = 1 ] || [ -n "$told" ] || failed "not complete, and nothing is told"
}

# has_total FILE VM N: exits to user space for I/O.
has_total() {
	[ "$(metric "$1" "kvmscope_userspace_exits_total{vm=\"$2\",reason=\"io\"}")" = "$3" ]
}

# --- served

run_daemon_serves() {
	daemon_start one --textfile "$PWD/one.prom" -v
	vm_start vm web1 $daemon_work --vcpus 2
	vm_go vm
	until_true 20 eval 'fetch one >first.om && grep -q "^kvmscope_userspace_exits_total{vm=\"web1\"" first.om'
	fetch one text/plain >first.txt
	# what is served is read once a second at the most
	until_true 10 eval 'fetch one >second.om && ! cmp -s first.om second.om' || true
	curl -s --compressed -D head --unix-socket "$PWD/one.sock" http://x/metrics -o packed.txt
	for path in healthz readyz nothing ''; do
		curl -s -o "page.$path" -w '%{http_code}\n' --unix-socket "$PWD/one.sock" "http://x/$path" >"status.$path"
	done
	curl -s -o post -w '%{http_code}\n' --unix-socket "$PWD/one.sock" -d x=1 http://x/metrics >status.post
	grep -E '^(Cap|NoNewPrivs)' "/proc/$(worker $daemon_pid)/status" >caps
	until_true 20 test -s one.prom
	cp one.prom written.txt
	# two requests, one connection
	curl -s --unix-socket "$PWD/one.sock" -o kept -o kept -w '%{num_connects}\n' http://x/healthz http://x/metrics >connects
	# a reload: the counters go on
	kill -HUP $daemon_pid
	until_true 20 eval 'fetch one >third.om && grep -q "^kvmscope_loads_total 2" third.om'
	vm_kill $vm_pid
	daemon_end $daemon_pid
	ls >left
}

check_daemon_serves() {
	local file
	for file in first second third; do
		"$tests/openmetrics" $file.om >/dev/null 2>err || failed "$file: $(cat err)"
	done
	for file in first.txt written.txt packed.txt; do
		"$tests/openmetrics" --text $file >/dev/null 2>err || failed "$file: $(cat err)"
		promtool check metrics <$file >lint 2>&1 || failed "$file: $(cat lint)"
	done
	"$tests/openmetrics" --grown first.om second.om >/dev/null 2>err || failed "$(cat err)"
	"$tests/openmetrics" --grown second.om third.om >/dev/null 2>err || failed "after a reload: $(cat err)"
	says head '^Content-Encoding: gzip'
	[ "$(cat status.healthz status.readyz status.nothing status. status.post)" = "$(printf '200\n200\n404\n200\n405')" ] ||
		failed "statuses: $(cat status.*)"
	says page. '<h1>kvmscoped'
	says second.om '^kvmscope_vm_info\{vm="web1",uuid="",pid="[0-9]+",platform="qemu",name_source="cmdline"\} 1$'
	complete_unless_told second.om
	says_not left 'one.sock|one.prom|tmp$'
	# what a reload misses is told
	[ "$(metric first.om kvmscope_untraced_seconds_total)" = 0.0 ] || failed "untraced before a reload"
	metric third.om kvmscope_untraced_seconds_total | awk '$1 <= 0 || $1 > 20 { print "untraced in a reload: " $1 " s" }'
	[ "$(paste -sd ' ' connects)" = "1 0" ] || failed "connections by request: $(cat connects)"
	# ptrace and dac_read_search, no more
	says caps '^CapEff:	0000000000080004$'
	says caps '^CapPrm:	0000000000080004$'
	says caps '^CapBnd:	0000000000000000$'
	says caps '^NoNewPrivs:	1$'
	note "$(metric second.om kvmscope_series) series of one VM"
}

# --- two at once; kill -9

run_daemon_killed() {
	daemon_start one
	one=$daemon_pid
	daemon_start two
	two=$daemon_pid
	vm_start vm web1 --out 10007
	vm_go vm
	vm_end vm $vm_pid
	until_true 10 eval 'fetch one >one.om && has_total one.om web1 10008' || true
	until_true 10 eval 'fetch two >two.om && has_total two.om web1 10008' || true
	vm_start load db1 --forever --out 100 # it works while all of this happens
	vm_go load
	worker=$(worker $one)
	programs_of "$worker" >programs
	programs_left programs >before
	kill -KILL $one
	until_true 20 gone "$worker"
	until_true 20 eval 'programs_left programs >after && [ "$(cat after)" = 0 ]' || true
	until_true 10 eval 'fetch two >two.later && ! cmp -s two.om two.later' || true
	# the worker alone: the keeper tells, and ends
	kill -KILL "$(worker $two)"
	status=0
	wait $two || status=$?
	echo $status >two.status
	vm_kill $vm_pid
}

check_daemon_killed() {
	local file
	for file in one.om two.om two.later; do
		[ "$(metric $file 'kvmscope_userspace_exits_total{vm="web1",reason="io"}')" = 10008 ] ||
			failed "$file: $(grep web1 $file | grep total)"
	done
	at_most "programs left" "$(cat after)" 0
	[ "$(cat before)" -gt 0 ] || failed "no program before"
	status_is two 1
	says two.err 'the worker ended by signal 9'
}

# --- many VMs one after the other, and at once

# KVMSCOPE_CHURN: how many in a row; 5000 take a minute.
churn_vms=${KVMSCOPE_CHURN:-600}

# churn FIRST LAST: VMs one after the other, of 12 to 18 exits to user space each; then, until the daemon
# has forgotten them: what it holds, to LAST.rss, .fds.
churn() {
	local n=$1
	while [ "$n" -le "$2" ]; do
		(exec_as_qemu -name guest=vm$n --out $((n % 7 + 11))) >vm.out
		n=$((n + 1))
	done
	# one reading may be from before the last, the next has it, in the third its grace is over
	for n in 1 2 3 4; do
		fetch one >seen.om
		until_true 10 eval 'fetch one >end.om && ! cmp -s seen.om end.om'
	done
	grep RssAnon "/proc/$w/status" >"$2.rss" # windows on the kernel's arrays come and go
	ls "/proc/$w/fd" | wc -l >"$2.fds"
}

# The one forgets each VM at once; the other none, so that what it has adds up to all.
run_daemon_churn() {
	local third=$((churn_vms / 3))
	daemon_start one --grace 1 --max-vcpus 256 --max-cpu 0
	one=$daemon_pid
	w=$(worker $one)
	daemon_start all --max-vms 6000 --grace 3600 --max-vcpus 256 --max-cpu 0 --max-series 1000000
	churn 1 $third
	churn $((third + 1)) $((2 * third))
	churn $((2 * third + 1)) $((3 * third))
	# series of all that have ended are gone: what was counted is in the log of scrapes alone
	vm_start vm last --out 101
	vm_go vm
	vm_end vm $vm_pid
	until_true 10 eval 'fetch one >last.om && has_total last.om last 102' || true
	until_true 10 eval 'fetch all >all.om && has_total all.om last 102' || true
	daemon_end $daemon_pid
	daemon_end $one
}

check_daemon_churn() {
	local third=$((churn_vms / 3))
	# how many are in their grace at once, and so the heap's size, depends on how busy this machine is: one that
	# is not forgotten takes 20 kB
	at_most "kB more" "$(($(awk '{ print $2 }' $((3 * third)).rss) - $(awk '{ print $2 }' $((2 * third)).rss)))" 1024
	at_most "descriptors more" "$(($(cat $((3 * third)).fds) - $(cat $third.fds)))" 0
	at_most "VMs with series" "$(metric end.om kvmscope_vms)" 1
	[ "$(metric last.om 'kvmscope_userspace_exits_total{vm="last",reason="io"}')" = 102 ] ||
		failed "the last one: $(grep -F last last.om | grep total)"
	for file in last all; do
		[ "$(metric $file.om 'kvmscope_lost_total{what="vcpu_slots_full"}')" = 0 ] || failed "slots ran out"
		[ "$(metric $file.om 'kvmscope_overflow_total{bound="vms"}')" = 0 ] || failed "VMs were folded"
	done
	# each has its own count and no other; all of them together have what was done
	awk -v vms=$((3 * third)) '
		match($0, /^kvmscope_userspace_exits_total\{vm="[^"]*",reason="io"\} /) {
			split($0, part, "\""); n = $NF; sum += n
			if (part[2] ~ /^\(gone\)|^pid:/) next # nobody could read its name any more
			if (part[2] ~ /^vm[0-9]+$/) { named++; if (n != substr(part[2], 3) % 7 + 12) print part[2] ": " n }
			else if (part[2] != "last") print "whose is " $0
		}
		END {
			for (i = 1; i <= vms; i++) all += i % 7 + 12
			if (sum != all + 102) print "in all " sum ", not " all + 102
			if (named < vms * 0.7) print "only " named " have a name"
			printf "%d VMs, of which %d ended before their name was read; ", vms, vms - named >"counted"
		}' all.om
	note "$(cat counted)$(awk '{ print $2 }' $((3 * third)).rss) kB of its own"
}

# --- 200 VMs of 4 vCPUs, at once

# used: CPU time of the worker, ns.
used() {
	awk '{ print $1 }' "/proc/$w/schedstat"
}

run_daemon_two_hundred_vms() {
	local n
	daemon_start one --max-cpu 0 --grace 1
	w=$(worker $daemon_pid)
	ls "/proc/$w/fd" | wc -l >before.fds
	mkfifo hold
	exec 7<>hold
	for n in $(seq 200); do
		(exec_as_qemu -name guest=at$n --vcpus 4 --pace-us 20000 --repeat 2 --hold) <&7 >vm$n.out 2>&1 7<&- &
		started $!
		echo $! >>vms
	done
	for n in $(seq 200); do
		await ^done vm$n.out
	done
	until_true 30 eval 'fetch one >all.om && [ "$(metric all.om kvmscope_vms)" = 200 ]' || true
	until_true 30 eval 'fetch one >later.om && ! cmp -s all.om later.om' || true
	used >before.cpu
	date +%s%N >before.time
	# what ten seconds of being there cost, with a scrape each second
	for n in 1 2 3 4 5 6 7 8 9 10; do
		until_true 30 eval 'fetch one >next.om && ! cmp -s later.om next.om'
		mv next.om later.om
	done
	used >after.cpu
	date +%s%N >after.time
	cat "/proc/$w/status" >status.worker
	xargs kill <vms
	until_true 60 eval 'fetch one >end.om && [ "$(metric end.om kvmscope_vms)" = 0 ]' || true
	ls "/proc/$w/fd" | wc -l >after.fds
	daemon_end $daemon_pid
}

check_daemon_two_hundred_vms() {
	local n share
	for n in 1 2 3 197 199 200; do
		# 4 vCPUs, 2 passes of 2 OUTs, and the last one
		[ "$(metric later.om "kvmscope_userspace_exits_total{vm=\"at$n\",reason=\"io\"}")" = 20 ] ||
			failed "at$n: $(grep -F "\"at$n\"" later.om | grep userspace_exits_total)"
	done
	awk '/^kvmscope_userspace_exits_total.*reason="io"/ { sum += $NF; n++ }
		END { if (n != 200 || sum != 4000) print n " VMs, " sum " exits" }' later.om
	for what in vcpu_slots_full cells_full subjects_full; do
		[ "$(metric later.om "kvmscope_lost_total{what=\"$what\"}")" = 0 ] || failed "lost: $what"
	done
	[ "$(metric end.om kvmscope_vms)" = 0 ] || failed "left: $(grep '^kvmscope_vms ' end.om)"
	says_not end.om 'vm="at'
	at_most "descriptors more" "$(($(cat after.fds) - $(cat before.fds)))" 0
	at_most "kB resident" "$(awk '$1 == "VmRSS:" { print $2 }' status.worker)" 65536
	share=$(awk -v cpu="$(($(cat after.cpu) - $(cat before.cpu)))" -v time="$(($(cat after.time) - $(cat before.time)))" \
		'BEGIN { printf "%.1f", cpu / time * 100 }')
	at_most "% of one CPU, with a scrape each second" "$share" 20
	note "$(metric later.om kvmscope_series) series, $share % of one CPU with a scrape each second, $(awk '$1 == "RssAnon:" { print $2 }' status.worker) kB of its own, $(awk '$1 == "VmRSS:" { print $2 }' status.worker) kB resident"
}

# --- all domains, as it starts by default: what is scraped is what was done, and what kvmscope says

run_daemon_all_domains() {
	loop_begin 64
	net_begin
	trap 'net_end; losetup -d "$loop"; rm -r "$loop_dir"' EXIT
	tap_add vnet0
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	say vm "frame $(frame $n $a)" "send 0 1"
	vm_start db db1 --out 1009 --mmio 211 --disk "$loop" --disk-reads 2003 --disk-writes 503 --disk-size 8192
	db=$vm_pid
	daemon_in="nsenter --net=/run/netns/$ns-in" # where the interfaces are the host's own
	daemon_start one --max-cpu 0
	until_true 20 eval 'fetch one >before.om && grep -q "vm_info{vm=\"web1\"" before.om && grep -q "vm_info{vm=\"db1\"" before.om' || true
	scope_start exits exits --by userspace -j
	exits=$scope_pid
	scope_start disk disk -j
	disk=$scope_pid
	scope_start net net -j
	counters rx_before vnet0
	say world "frame $(frame $a $n)"
	for round in 1 2 3 4 5 6 7; do # the ring holds some 500
		say world "send 0 149"
		say vm "take 0 149 500"
	done
	say vm "send 0 307"
	vm_go db
	vm_end db $db
	counters rx_after vnet0
	scope_end exits "$exits"
	scope_end disk "$disk"
	scope_end net $scope_pid
	until_true 20 eval 'fetch one >one.om && has_total one.om db1 1010 &&
		[ "$(metric one.om "kvmscope_disk_requests_total{vm=\"db1\",device=\"$(cat disk)\",op=\"write\"}")" = 503 ]' || true
	daemon_end $daemon_pid
}

# sample FAMILY LABELS: of one.om
sample() {
	metric one.om "kvmscope_$1{$2}"
}

check_daemon_all_domains() {
	local disk nic='vm="web1",nic="vnet0"' dir op
	disk=$(cat disk)
	"$tests/openmetrics" one.om >/dev/null 2>err || failed "$(cat err)"
	[ "$(sample userspace_exits_total 'vm="db1",reason="io"') $(sample userspace_exits_total 'vm="db1",reason="mmio"')" = "1010 211" ] ||
		failed "exits: $(grep 'userspace_exits_total{vm="db1"' one.om)"
	same "by kvmscope" '[1010, 211]' exits.out '[userspace("db1") | .io, .mmio]'
	for op in read=2003 write=503; do
		[ "$(sample disk_requests_total "vm=\"db1\",device=\"$disk\",op=\"${op%=*}\"")" = ${op#*=} ] ||
			failed "${op%=*}s: $(grep 'disk_requests_total{vm="db1"' one.om)"
		[ "$(sample disk_bytes_total "vm=\"db1\",device=\"$disk\",op=\"${op%=*}\"")" = $((${op#*=} * 8192)) ] ||
			failed "bytes of ${op%=*}s"
		[ "$(sample disk_d2c_seconds_count "vm=\"db1\",device=\"$disk\",op=\"${op%=*}\"")" = ${op#*=} ] ||
			failed "times of ${op%=*}s"
		same "by kvmscope" ${op#*=} disk.out "[disk(\"db1\"; \"$disk\"; \"${op%=*}\").count] | add"
	done
	[ "$(sample net_packets_total "$nic,direction=\"rx\"")" = 1043 ] ||
		failed "to it: $(grep 'net_packets_total{vm="web1"' one.om)"
	[ "$(sample net_packets_total "$nic,direction=\"tx\"")" = 307 ] ||
		failed "from it: $(grep 'net_packets_total{vm="web1"' one.om)"
	same "by kvmscope" '[1043, 307]' net.out '[[nic("web1"; "vnet0"; "rx").packets], [nic("web1"; "vnet0"; "tx").packets]] | map(add)'
	# what the host sends to a guest, the tap calls received or sent the other way round
	paste -d' ' rx_before rx_after | awk '{ if ($6 - $2 != 307 || $7 - $3 != 1043) print "the tap itself: " $0 }'
	# times are of one packet in 16
	for dir in rx tx; do
		awk -v dir=$dir '/^kvmscope_net_hop_seconds_count\{vm="web1"/ && index($0, "direction=\"" dir "\"") { n += $NF }
			END { if (n < 10 || n > 400) print n + 0 " sampled times of " dir }' one.om
	done
	serves one.om '^kvmscope_(exit|wake_latency|net_drops)' # no exits here, no drops: daemon alerts has some
	complete_unless_told one.om
}

# --- bad clients

run_daemon_bad_clients() {
	"${KVMSCOPE}d" --listen 127.0.0.1:19737 2>one.err &
	daemon_pid=$!
	started $daemon_pid
	await attached one.err
	python3 - 127.0.0.1 19737 >clients 2>crowd <<-'END'
		import socket, sys, threading, time, urllib.request
		where = (sys.argv[1], int(sys.argv[2]))
		url = "http://%s:%d/metrics" % where

		def scrape(after):
		    begin = time.monotonic()
		    body = urllib.request.urlopen(url, timeout=10).read()
		    print(after, len(body) > 500, time.monotonic() - begin < 5, flush=True)

		def connect(send=b""):
		    s = socket.create_connection(where, timeout=5)
		    if send:
		        s.sendall(send)
		    return s

		# thirty at once, again and again: what was read is as old as a second, and the same for all
		def crowd():
		    while time.monotonic() < end:
		        body = urllib.request.urlopen(url, timeout=10).read().decode()
		        answers.append(next(l for l in body.split("\n") if l.startswith("kvmscope_daemon_cpu_seconds_total")))

		answers, begin = [], time.monotonic()
		end = begin + 3
		threads = [threading.Thread(target=crowd) for _ in range(30)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		readings, seconds = len(set(answers)), time.monotonic() - begin
		print("crowd", len(answers) > 60 and 2 <= readings <= seconds + 2, True)
		print("%d scrapes in %.1f s by 30 clients took %d readings" % (len(answers), seconds, readings), file=sys.stderr)
		scrape("first")
		idle = []
		for i in range(1000):
		    try:
		        idle.append(connect(b"GET /metr" if i % 2 else b""))
		    except OSError:
		        pass
		    if i in (100, 999):
		        scrape("idle %d" % (i + 1))
		slow = []
		for i in range(200):
		    try:
		        slow.append(connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
		    except OSError:
		        pass
		scrape("replies that nobody reads")
		for huge in (b"GET /" + b"a" * 1000000 + b" HTTP/1.1\r\n\r\n",
		             b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100000 + b"\r\n",
		             b"\x00\xff" * 5000, b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"):
		    try:
		        s = connect(huge)
		        s.settimeout(5)
		        answer = s.recv(64)
		    except OSError:
		        answer = b""
		    print("huge", b" 200 " not in answer, True)
		scrape("last")
	END
	grep VmRSS "/proc/$(worker $daemon_pid)/status" >rss
	ls "/proc/$(worker $daemon_pid)/fd" | wc -l >fds
	daemon_end $daemon_pid
}

check_daemon_bad_clients() {
	lines_are clients 10
	note "$(tail -n 1 crowd)"
	says_not clients False
	at_most "kB resident" "$(awk '{ print $2 }' rss)" 20480
	at_most "descriptors" "$(cat fds)" 160
}
