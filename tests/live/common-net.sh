# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # jq variables; lists; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of packets, in namespaces of their own: "in" has a tap, a bridge and a NIC, which is one end of a
# veth; "out" has the other, which is the world. kvmscope stays outside of both. All counts are prime; the
# second witness are the interfaces' own counters.

a=525400000001 # the guest
b=525400000002 # another
n=525400000099 # somebody out there
zeros=$(printf '%0172d' 0)

# Experimental Ethernet frames of 100 bytes, which no host has an opinion on.
frame() { # TO FROM
	echo "$1${2}88b5$zeros"
}

# busybox's ip knows too little
ip_tool=ip
if command -v iproute2 >/dev/null; then
	ip_tool=iproute2
	ip() {
		iproute2 "$@"
	}
fi

in_ns() {
	if [ "$1" = ip ]; then
		shift
		ip -n "$ns-in" "$@"
	else
		ip netns exec "$ns-in" "$@"
	fi
}

net_end() {
	end_all
	ip -force -batch - 2>/dev/null <<-END || true
		netns del $ns-in
		netns del $ns-out
	END
}

# Without a mount of its own, which ip netns exec makes, and its libraries: for what asks nothing of /sys. Where the
# CPU is emulated that is a tenth of the time.
enter() { # NAMESPACE COMMAND...
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace" "$@"
}

# Devices that will be made in there have no packets of IPv6's own.
no_ipv6() { # NAMESPACE
	enter "$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || true
}

# net_begin: the namespaces, virbr0 and eth0 in it, wire at its other end.
net_begin() {
	for module in tun bridge veth sch_tbf sch_netem nf_tables nft_chain_nat nft_masq; do # where they are modules
		[ -e "/sys/module/$module" ] || modprobe "$module" 2>/dev/null || true
	done
	ns=ks$$
	trap net_end EXIT
	ip -batch - <<-END || skip "no network namespaces here"
		netns add $ns-in
		netns add $ns-out
	END
	no_ipv6 "$ns-in"
	no_ipv6 "$ns-out"
	in_ns ip -batch - <<-END || skip "this kernel has no bridges, or no veth"
		link add virbr0 type bridge mcast_snooping 0
		link add eth0 type veth peer name wire netns $ns-out
		link set eth0 master virbr0
		link set virbr0 up
		link set eth0 up
	END
	ip -n "$ns-out" link set wire up
	if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
		enter "$ns-in" sh -c 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables' 2>/dev/null || true
	fi
}

tap_add() { # IFACE [OPTION...]
	in_ns ip -batch - <<-END
		tuntap add $1 mode tap
		link set $1 master virbr0
		link set $1 up
	END
}

# net_vm FILE VM TAP...: a VM that obeys, in the namespace that it belongs to, or $vm_ns; vm_pid. Its lines go to FILE.say, its answers
# come to FILE.out.
net_vm() {
	local file=$1 name=$2 tap options='' where=$ns-in
	shift 2
	for tap; do
		options="$options --tap $tap"
	done
	case $1 in */packet) where=$ns-out ;; esac
	where=${vm_ns:-$where}
	mkfifo "$file.say"
	nsenter --net="/run/netns/$where" "$KVMGUEST" -name "guest=$name" --hold $options \
		<>"$file.say" >"$file.out" 2>"$file.err" &
	vm_pid=$!
	started $vm_pid
	await ^done "$file.out"
}

# say FILE LINE...: each is answered before the next.
say() {
	local file=$1 line count
	shift
	for line; do
		count=$(wc -l <"$file.out")
		echo "$line" >"$file.say"
		until_true 60 has_lines $((count + 1)) "$file.out" || die "no answer to '$line'"
	done
}

# counters FILE IFACE...: what interfaces say of themselves: packets in, packets out, drops on the way out.
counters() {
	local file=$1
	shift
	counters_of "$ns-in" "$@" >"$file"
}

counters_of() { # NAMESPACE IFACE...
	local namespace=$1
	shift
	enter "$namespace" cat /proc/net/dev | awk -F '[: ]+' -v list="$*" '
		{ sub(/^ +/, ""); counted[$1] = $1 " " $3 " " $11 " " $13 }
		END { n = split(list, iface, " "); for (i = 1; i <= n; i++) print counted[iface[i]] }'
}

# --- a tap on a bridge

run_net_bridge() {
	net_begin
	tap_add vnet0
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	nproc >cpus
	scope_start sampled net --sample 10 -j
	sampled=$scope_pid
	scope_start scope net -j -H
	say vm "frame $(frame $n $a)" "send 0 1009" "frame $(frame ffffffffffff $a)" "send 0 53" \
		"frame $(frame 01005e000001 $a)" "send 0 31"
	say world "frame $(frame $a $n)" "send 0 211" "frame $(frame ffffffffffff $n)" "send 0 17"
	say vm "take 0 228 1000"
	scope_end scope $scope_pid
	scope_end sampled $sampled
	counters counters vnet0 eth0
}

# What the contract promises is there, on the host's own interfaces too: null is what is not counted.
nics_are_whole() {
	holds "all fields of the interfaces" "$1" '[.[].vms[].nics[] | [has("name", "ifindex", "direction", "packets", "bytes",
		"ring_wait")] + [(.hops, .drops) | type == "array"] | all] | must(length > 0 and all)'
}

check_net_bridge() {
	nics_are_whole scope.out
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what the guest sent" '[1093, 109300, 1093, 53, 31]' scope.out \
		'nic("web1"; "vnet0"; "tx") | [.packets, .bytes, .segments, .broadcast, .multicast]'
	same "what it was sent" '[228, 22800, 17]' scope.out \
		'nic("web1"; "vnet0"; "rx") | [.packets, .bytes, .broadcast]'
	same "hops out; the host has its copy of what is for all" \
		'["eth0>eth0 queue 1093", "vnet0>eth0 forward 1093", "vnet0>virbr0 forward 84"]' scope.out \
		'hops("web1"; "vnet0"; "tx") | sort'
	# one in ten: what waited in queues and rings is not known, all else is exact
	same "hops out, sampled" '["eth0>eth0 queue null", "vnet0>eth0 forward 1093", "vnet0>virbr0 forward 84"]' sampled.out \
		'hops("web1"; "vnet0"; "tx") | sort'
	holds "one in ten of them is timed, on each CPU" sampled.out "[nics(\"web1\")[].hops[] | select(.to == \"eth0\" and
		.stage == \"forward\").latency.count] | must(add >= 109 - $(cat cpus) and add <= 109 + $(cat cpus))"
	holds "it is told" sampled.out '[.[].notes[] | select(startswith("one packet in 10 was followed"))] | must(length == 1)'
	same "hops in" '["eth0>vnet0 forward 228", "vnet0>vnet0 queue 228"]' scope.out 'hops("web1"; "vnet0"; "rx")'
	same "taken out of the ring" 228 scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	same "no drops but of copies by the host, which knows no such protocol" '[["virbr0", 84, 84]]' scope.out \
		'[nics("web1")[].drops[] | [.at, .count, .copies]]'
	holds "histograms have all of them" scope.out \
		'[nics("web1")[].hops[] | .packets == .latency.count and .packets == ([.latency.buckets[][2]] | add)] | must(all)'
	same "as vnet0 counts" "[$(awk '$1 == "vnet0" { print $2 ", " $3 }' counters)]" scope.out \
		'[nic("web1"; "vnet0"; "tx", "rx").packets]'
	same "its counters beside ours" '[1093, 228]' scope.out '[nic("web1"; "vnet0"; "tx", "rx").device_packets]'
}

# vm_elsewhere FILE VM TAP NAMESPACE: a VM whose process is out there, and its tap in a namespace that is no VM's.
vm_elsewhere() {
	ip -n "$ns-out" tuntap add "$3" mode tap
	vm_ns=$ns-out
	net_vm "$1" "$2" "$3"
	vm_ns=
	ip -n "$ns-out" link set "$3" netns "$4"
	ip -n "$4" link set "$3" up
}

net_decoy_end() {
	net_end
	ip netns del "$ns-decoy" 2>/dev/null || true
}

# Of two more there are two taps that may be either's. Nobody has the second vnet0. And of two there are two by
# one name, of which one is where the second kvmscope is.
run_net_two_guests() {
	local own_pid
	net_begin
	trap net_decoy_end EXIT
	ip netns add "$ns-decoy"
	ip -n "$ns-decoy" tuntap add vnet0 mode tap
	vm_elsewhere one web1 vnet0 "$ns-in"
	vm_elsewhere two web2 vnet1 "$ns-in"
	vm_elsewhere three web3 vnet2 "$ns-in"
	vm_elsewhere four web4 vnet2 "$ns-decoy"
	vm_elsewhere five web5 vnet3 "$ns-decoy"
	in_ns ip tuntap add vnet3 mode tap
	in_ns ip link set vnet3 up
	net_vm six web6 vnet3
	in_ns ip link set vnet0 master virbr0
	in_ns ip link set vnet1 master virbr0
	say two "frame $(frame $n $b)" "send 0 1" # so that the bridge knows where it is
	printf '#!/bin/sh\nexec nsenter --net="/run/netns/%s" "%s" "$@"\n' "$ns-in" "$KVMSCOPE" >inside
	chmod +x inside
	KVMSCOPE=./inside scope_start own net -j
	own_pid=$scope_pid
	scope_start scope net -j
	say one "frame $(frame $b $a)" "send 0 307"
	say two "take 0 307 1000" "frame $(frame $a $b)" "send 0 101"
	say one "take 0 102 1000" # one has been there before
	say five "frame $(frame $n $a)" "send 0 5"
	say six "frame $(frame $n $a)" "send 0 11"
	scope_end scope $scope_pid
	scope_end own $own_pid
}

check_net_two_guests() {
	local file
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "whose is not known is told" '[0, true]' scope.out '[(nics("web3") + nics("web4") | length),
		([.[].notes[] | test(": vnet2 of web[34], vnet2 of web[34]$")] | any)]'
	same "counts" '[307, 101, 101, 307]' scope.out '[nic("web1"; "vnet0"; "tx", "rx"), nic("web2"; "vnet1"; "tx", "rx") | .packets]'
	same "hops of the one" '["vnet0>vnet1 forward 307", "vnet1>vnet1 queue 307"]' scope.out 'hops("web1"; "vnet0"; "tx")'
	same "hops of the other" '["vnet0>vnet1 forward 307", "vnet1>vnet1 queue 307"]' scope.out 'hops("web2"; "vnet1"; "rx")'
	same "ways" '["vnet0 > vnet1"]' scope.out '[nic("web2"; "vnet1"; "rx").ways[].way]'
	same "rings" '[101, 307]' scope.out '[nic("web1"; "vnet0"; "rx"), nic("web2"; "vnet1"; "rx") | .ring_wait.count]'
	for file in scope own; do
		same "$file: of one name, each its own" '[[5], [11]]' $file.out \
			'[[nic("web5"; "vnet3"; "tx").packets], [nic("web6"; "vnet3"; "tx").packets]]'
	done
}

# Three guests and a NIC: each broadcast goes to three places.
run_net_flood() {
	net_begin
	tap_add vnet0
	tap_add vnet1
	tap_add vnet2
	net_vm one web1 vnet0
	net_vm two web2 vnet1
	net_vm three web3 vnet2
	scope_start scope net -j
	say one "frame $(frame ffffffffffff $a)" "send 0 103"
	say two "take 0 103 1000"
	say three "take 0 103 1000"
	scope_end scope $scope_pid
}

check_net_flood() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "sent, and received" '[103, 103, 103]' scope.out \
		'[nic("web1"; "vnet0"; "tx"), nic("web2"; "vnet1"; "rx"), nic("web3"; "vnet2"; "rx") | .packets]'
	same "four hops of as many" '{"eth0": 103, "virbr0": 103, "vnet1": 103, "vnet2": 103}' scope.out \
		'[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "forward") | {(.to): .packets}] | add'
	same "taken" '[103, 103]' scope.out '[nic("web2"; "vnet1"; "rx"), nic("web3"; "vnet2"; "rx") | .ring_wait.count]'
	same "none was left behind" '[]' scope.out '[nic("web1"; "vnet0"; "tx").ways[] | select(.way | test("nowhere"))]'
}

# --- where packets wait, and die

run_net_ring_full() {
	net_begin
	tap_add vnet0
	in_ns ip link set vnet0 txqueuelen 7
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	say vm "frame $(frame $n $a)" "send 0 1"
	scope_start scope net -j
	say world "frame $(frame $a $n)" "send 0 60"
	sleep 0.2 # so long the guest does not read: it is what the ring's histogram must show
	say vm "take 0 100 100"
	scope_end scope $scope_pid
	in_ns cat /sys/class/net/vnet0/statistics/tx_dropped >dropped
}

check_net_ring_full() {
	local dropped
	dropped=$(cat dropped)
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	at_most "it dropped some" 1 "$dropped"
	same "what was not taken at first is said" 0 scope.out 'nic("web1"; "vnet0"; "rx").in_ring'
	same "sent to it" 60 scope.out 'nic("web1"; "vnet0"; "rx").packets'
	same "dropped, as it says itself" "[$dropped, $dropped]" scope.out \
		'nic("web1"; "vnet0"; "rx") | [([.drops[].count] | add), .device_dropped]'
	holds "where and why" scope.out '[nic("web1"; "vnet0"; "rx").drops[] | [.at, .stage, .reason]] |
		must(. == [["vnet0", "ring", "FULL_RING"]] or . == [["vnet0", "ring", "tun_net_xmit"]])'
	same "the rest was taken" "$((60 - dropped))" scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	holds "and has waited" scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.p50 | must(. > 180000000)'
	holds "it is said" scope.out '[.[].vms[].findings[]?.finding] | must(any(. == "ring_full"))'
}

run_net_bridge_drops() {
	net_begin
	tap_add vnet0
	tap_add vnet1
	in_ns bridge link set dev vnet0 isolated on || skip "bridges can't isolate here"
	in_ns bridge link set dev vnet1 isolated on
	net_vm one web1 vnet0
	net_vm two web2 vnet1
	say two "frame $(frame $n $b)" "send 0 1"
	scope_start scope net -j
	say one "frame $(frame $b $a)" "send 0 29"
	scope_end scope $scope_pid
}

check_net_bridge_drops() {
	same "dropped by the bridge" '[29, "vnet0", "received"]' scope.out \
		'nic("web1"; "vnet0"; "tx").drops | [([.[].count] | add), .[0].at, .[0].stage]'
	same "nothing came to the other" 0 scope.out 'nic("web2"; "vnet1"; "rx").packets'
	holds "it is said" scope.out '[.[].vms[].findings[]? | select(.finding == "not_forwarded").count] | must(. == [29])'
	note "$(value scope.out 'nic("web1"; "vnet0"; "tx").drops[0].reason')"
}

run_net_qdisc() {
	net_begin
	tap_add vnet0
	in_ns tc qdisc add dev eth0 root tbf rate 80kbit burst 1000 limit 3000 || skip "this kernel has no tbf"
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 61"
	until_true 20 empty_qdisc
	scope_end scope $scope_pid
	in_ns tc -s qdisc show dev eth0 >tbf
}

empty_qdisc() {
	in_ns tc -s qdisc show dev eth0 | grep -q 'backlog 0b'
}

check_net_qdisc() {
	local sent dropped
	sent=$(sed -n 's/^ Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' tbf)
	dropped=$(sed -n 's/.*dropped \([0-9]*\),.*/\1/p' tbf)
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	at_most "it dropped some" 1 "$dropped"
	same "sent and dropped, as the qdisc says" "[61, $sent, $dropped]" scope.out 'nic("web1"; "vnet0"; "tx") |
		[.packets, ([.hops[] | select(.stage == "queue").packets] | add), ([.drops[].count] | add)]'
	holds "where and why" scope.out '[nic("web1"; "vnet0"; "tx").drops[] | [.at, .stage]] | must(. == [["eth0", "queue"]])'
	holds "it waited there" scope.out '[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "queue").latency.max] |
		must(.[0] > 50000000)'
	holds "and nowhere else" scope.out '[nic("web1"; "vnet0"; "tx").hops[] | select(.stage != "queue").latency.p50] |
		must(max < 5000000)'
	note "$(value scope.out 'nic("web1"; "vnet0"; "tx").drops[0].reason')"
}

run_net_netem() {
	net_begin
	tap_add vnet0
	in_ns tc qdisc add dev eth0 root netem delay 5ms || skip "this kernel has no netem"
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 59"
	until_true 20 empty_qdisc
	scope_end scope $scope_pid
}

check_net_netem() {
	holds "5 ms on the queue" scope.out '[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "queue") |
		.packets, .latency.p50] | must(.[0] == 59 and .[1] > 4500000 and .[1] < 50000000)'
	holds "and nowhere else" scope.out '[nic("web1"; "vnet0"; "tx").hops[] | select(.stage != "queue").latency.p50] |
		must(max < 1000000)'
}

# How long single packets waited, by the kernel's own trace.
net_trace_end() {
	echo 0 >"$trace/events/enable"
	rmdir "$trace"
	net_end
}

run_icount_net_against_trace() {
	local event
	trace=$tracing/instances/ks$$
	net_begin
	tap_add vnet0
	in_ns tc qdisc add dev eth0 root tbf rate 80kbit burst 200 limit 10000 || skip "this kernel has no tbf"
	mkdir "$trace" || skip "no instances of tracefs here"
	trap net_trace_end EXIT
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	echo mono >"$trace/trace_clock"
	for event in net/net_dev_queue net/net_dev_start_xmit; do
		echo '(name == "eth0" || name == "vnet0") && len == 100' >"$trace/events/$event/filter"
	done
	echo len == 100 >"$trace/events/skb/skb_copy_datagram_iovec/filter"
	for event in net/net_dev_queue net/net_dev_start_xmit skb/skb_copy_datagram_iovec; do
		echo 1 >"$trace/events/$event/enable"
	done
	scope_start scope net -j -H
	say vm "frame $(frame $n $a)" "send 0 7"
	for i in 1 2 3 4 5; do
		say world "frame $(frame $a $n)" "send 0 1"
		nap
		[ $i = 3 ] || nap
		say vm "take 0 1 1000"
	done
	until_true 20 empty_qdisc
	scope_end scope $scope_pid
	cat "$trace/trace" >events
}

# waits FROM-EVENT DEV TO-EVENT: between the two, of each packet, in ns, as JSON, in order.
waits() {
	sed -n 's/.* \([0-9.]*\): \([a-z_]*\): \(.*\)/\1 \2 \3/p' events | awk -v from="$1" -v dev="$2" -v to="$3" '
		{ skb = $0; sub(/.*skbaddr=/, "", skb); sub(/ .*/, "", skb) }
		$2 == to && skb in at && (to != "net_dev_start_xmit" || index($0, "dev=" dev)) {
			printf "%d\n", ($1 - at[skb]) * 1e9
			delete at[skb]
		}
		$2 == from && index($0, "dev=" dev) { at[skb] = $1 }' | jq -s -c sort
}

# alike WHAT WAITS FILE PROGRAM: as long as buckets say, each within their error and the trace's own time.
alike() {
	holds "$1, as the trace has it: $2" "$3" "[$2, ([$4.buckets[] | . as \$b | range(.[2]) | (\$b[0] + \$b[1]) / 2] | sort)] |
		must(.[0] as \$t | .[1] as \$o | (\$t | length) == (\$o | length) and (\$t | length) > 0 and
			([range(\$t | length) as \$i | (\$t[\$i] - \$o[\$i] | abs) <= \$t[\$i] * 0.0625 + 100000] | all))"
}

check_icount_net_against_trace() {
	alike "queue of eth0" "$(waits net_dev_queue eth0 net_dev_start_xmit)" scope.out \
		'nic("web1"; "vnet0"; "tx").hops[] | select(.from == "eth0" and .stage == "queue").latency'
	alike "vnet0's ring" "$(waits net_dev_start_xmit vnet0 skb_copy_datagram_iovec)" scope.out 'nic("web1"; "vnet0"; "rx").ring_wait'
	note "ms: $(waits net_dev_queue eth0 net_dev_start_xmit | jq -c 'map(. / 1e6 | floor)')"
}

# --- through the host

mac_of() {
	in_ns cat "/sys/class/net/$1/address" | tr -d :
}

# UDP to somebody by the host's address, with the right checksum; from 10.9.0.2 to 10.8.0.2 if nothing else is said.
ip_frame() { # MAC [FROM TO]
	local from=${2:-0a090002} to=${3:-0a080002} sum
	sum=$((0x4500 + 0x0056 + 0x4011 + 0x${from%????} + 0x${from#????} + 0x${to%????} + 0x${to#????}))
	printf '%s%s080045000056000000004011%04x%s%s100020000042%s' "$1" "$a" $((0xffff - sum % 0xffff)) "$from" "$to" "$zeros" |
		cut -c1-200
}

run_net_routed() {
	local mac
	net_begin
	tap_add vnet0
	in_ns ip link set eth0 nomaster
	in_ns ip addr add 10.9.0.1/24 dev virbr0
	in_ns ip addr add 10.8.0.1/24 dev eth0
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	in_ns ip neigh add 10.8.0.2 lladdr 52:54:00:00:00:99 dev eth0
	if in_ns nft add table ip nat 2>/dev/null; then
		in_ns nft add chain ip nat post '{ type nat hook postrouting priority 100; }' &&
			in_ns nft add rule ip nat post oif eth0 masquerade && echo yes >nat
	fi
	mac=$(in_ns cat /sys/class/net/virbr0/address | tr -d :)
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $(ip_frame "$mac")" "send 0 503"
	scope_end scope $scope_pid
}

check_net_routed() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "hops" '["vnet0>virbr0 forward 503", "virbr0>eth0 forward 503", "eth0>eth0 queue 503"]' scope.out \
		'hops("web1"; "vnet0"; "tx")'
	same "it is said" '["what the guest sends by vnet0 leaves by eth0, and nothing comes back"]' scope.out \
		'[vm("web1")[].findings[].text]'
	same "way" '[["vnet0 > virbr0 > eth0", 503]]' scope.out '[nic("web1"; "vnet0"; "tx").ways[] | [.way, .packets]]'
	note "$(cat nat 2>/dev/null || echo no) masquerading"
}

run_net_no_route() {
	local mac
	net_begin
	tap_add vnet0
	in_ns ip addr add 10.9.0.1/24 dev virbr0
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	mac=$(in_ns cat /sys/class/net/virbr0/address | tr -d :)
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $(ip_frame "$mac")" "send 0 37"
	scope_end scope $scope_pid
}

check_net_no_route() {
	same "dropped after virbr0 had it" '[37, "virbr0", "received"]' scope.out \
		'nic("web1"; "vnet0"; "tx").drops | [([.[].count] | add), .[0].at, .[0].stage]'
	note "$(value scope.out 'nic("web1"; "vnet0"; "tx").drops[0].reason')"
}

# --- what people ask

# An interval later, or later still: what has had no answer for a second is told.
tells() { # FINDING
	scope_report scope $scope_pid
	grep -q "\"finding\":\"$1\"" scope.out
}

run_net_arp() {
	net_begin
	tap_add vnet0
	net_vm vm web1 vnet0
	in_ns ip addr add 10.9.0.1/24 dev virbr0
	scope_start scope net -j
	# of nobody; an announcement, which is for nobody to answer; and of one that answers
	say vm "frame ffffffffffff${a}08060001080006040001${a}0a0900020000000000000a090063" "send 0 5" \
		"frame ffffffffffff${a}08060001080006040001${a}0a0900020000000000000a090002" "send 0 7" \
		"frame ffffffffffff${a}08060001080006040001${a}0a0900020000000000000a090001" "send 0 3" "take 0 3 1000"
	scope_report scope $scope_pid
	until_true 10 tells arp_unanswered || die "not told"
	say vm "frame ffffffffffff${a}08060001080006040001${a}0a0900020000000000000a090001" "send 0 3" "take 0 3 1000"
	scope_end scope $scope_pid
}

check_net_arp() {
	same "requests, replies" '[[15, 3], [3, 3]]' scope.out '[.[].vms[] | select(.name == "web1") |
		[(.nics[] | select(.direction == "tx").arp_requests), (.nics[] | select(.direction == "rx").arp_replies)]] |
		map(select(. != [0, 0]))'
	same "found, once, in a later interval" '[["arp_unanswered", 5]]' scope.out '[.[1:][].vms[].findings[]? | [.finding, .count]]'
	same "the answer's way" '["virbr0 > vnet0"]' scope.out '[.[-1].vms[].nics[]?.ways[]? | .way | select(endswith("> vnet0"))]'
}

# --- what comes and goes

reports() {
	scope_report scope $scope_pid
	tail -n 1 scope.out | grep -q "\"name\":\"$1\""
}

# A tap that appears while it runs is there a second later; one that takes its ifindex is another.
run_net_hot_plug() {
	net_begin
	net_vm vm web1 wire/packet
	tap_add vnet0
	net_vm one web2 vnet0
	scope_start scope net -j
	tap_add vnet5
	index=$(in_ns cat /sys/class/net/vnet5/ifindex)
	net_vm two web3 vnet5
	until_true 1 reports vnet5 || die "not found within a second"
	say two "frame $(frame $n $b)" "send 0 41"
	scope_report scope $scope_pid
	say two "close 0"
	vm_kill $vm_pid
	in_ns ip tuntap del vnet5 mode tap
	in_ns ip link add name vnet5 index "$index" type dummy 2>/dev/null && in_ns ip link del vnet5
	scope_end scope $scope_pid
}

check_net_hot_plug() {
	same "seen" 41 scope.out '[.[].vms[] | select(.name == "web3").nics[] | select(.direction == "tx").packets] | add'
	same "nobody else's; it was flooded to that one" '[0, 41]' scope.out '. as $all | ["tx", "rx"] | map(. as $d | [$all[].vms[] |
		select(.name == "web2").nics[] | select(.direction == $d).packets] | add)'
	same "who never takes them is told of as long as they wait" '[[41, 41], [41, 41]]' scope.out '[.[-2:][].vms[] | select(.name == "web2") |
		[(.nics[] | select(.direction == "rx").in_ring), (.findings[] | select(.finding == "not_taken").count)]]'
	same "and of nothing else" '["not_taken", "not_taken"]' scope.out \
		'[.[-2:][].vms[] | select(.name == "web2").findings[].finding]'
}
