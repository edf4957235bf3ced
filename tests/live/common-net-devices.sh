# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # jq variables; lists; set by lib-vm.sh and common-net.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of packets: devices other than a tap on a bridge with one NIC. common-net.sh has what they build on.

# counted FILE IFACE NAMESPACE: packets that came to an interface out there, by its own count.
counted() {
	counters_of "$3" "$2" | cut -d ' ' -f 2 >"$1"
}

# --- macvtap: the VM is found by /dev/tapN

macvtap_end() {
	[ -z "$made" ] || rm -f "$made"
	net_end
}

# macvtap_begin: on eth0. Sets index.
macvtap_begin() {
	made=
	net_begin
	trap macvtap_end EXIT
	modprobe macvtap 2>/dev/null || true
	in_ns ip link set eth0 nomaster
	in_ns ip link add link eth0 name macvtap0 address 52:54:00:00:00:01 type macvtap mode bridge ||
		skip "this kernel has no macvtap"
	in_ns ip link set macvtap0 up
	index=$(in_ns cat /sys/class/net/macvtap0/ifindex)
	if [ ! -e "/dev/tap$index" ]; then
		made=/dev/tap$index
		in_ns cat "/sys/class/net/macvtap0/tap$index/dev" >number
		IFS=: read -r major minor <number
		mknod "$made" c "$major" "$minor"
	fi
}

run_net_macvtap() {
	macvtap_begin
	net_vm vm web1 "/dev/tap$index"
	net_vm world world wire/packet
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 307" "frame $(frame ffffffffffff $a)" "send 0 13"
	say world "frame $(frame $a $n)" "send 0 101" "frame $(frame ffffffffffff $n)" "send 0 7"
	say vm "take 0 108 1000"
	scope_end scope $scope_pid
	counted out wire "$ns-out"
}

check_net_macvtap() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what the guest sent" '[320, 32000, 13]' scope.out 'nic("web1"; "macvtap0"; "tx") | [.packets, .bytes, .broadcast]'
	same "what it took" '[108, 108]' scope.out 'nic("web1"; "macvtap0"; "rx") | [.packets, .ring_wait.count]'
	same "hops out" '["eth0>eth0 queue 320", "macvtap0>eth0 forward 320", "macvtap0>macvtap0 queue 320"]' scope.out \
		'hops("web1"; "macvtap0"; "tx") | sort'
	same "way in" '[["eth0 > macvtap0", 108]]' scope.out '[nic("web1"; "macvtap0"; "rx").ways[] | [.way, .packets]]'
	same "what came out there" 320 out .[0]
	same "as macvtap0 counts" '[320, 108]' scope.out '[nic("web1"; "macvtap0"; "tx", "rx").device_packets]'
}

# --- a VLAN on the NIC, a bond of two

run_net_vlan() {
	net_begin
	modprobe 8021q 2>/dev/null || true
	in_ns ip link set eth0 nomaster
	in_ns ip link add link eth0 name eth0.7 type vlan id 7 || skip "this kernel has no VLANs"
	in_ns ip link set eth0.7 master virbr0
	in_ns ip link set eth0.7 up
	tap_add vnet0
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 211"
	say world "frame $a${n}8100000788b5$zeros" "send 0 103"
	say vm "take 0 103 1000"
	scope_end scope $scope_pid
	counted out wire "$ns-out"
}

check_net_vlan() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "hops out" '["eth0.7>eth0 forward 211", "eth0>eth0 queue 211", "vnet0>eth0.7 forward 211"]' scope.out \
		'hops("web1"; "vnet0"; "tx") | map(select(. != "eth0.7>eth0.7 queue 211")) | sort'
	same "way out" '[["vnet0 > eth0.7 > eth0", 211]]' scope.out '[nic("web1"; "vnet0"; "tx").ways[] | [.way, .packets]]'
	same "way in" '[["eth0 > vnet0", 103]]' scope.out '[nic("web1"; "vnet0"; "rx").ways[] | [.way, .packets]]'
	same "taken" 103 scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	same "what came out there" 211 out .[0]
}

run_net_bond() {
	net_begin
	modprobe bonding 2>/dev/null || true
	in_ns ip link add bond0 type bond mode balance-rr || skip "this kernel has no bonds"
	ip -n "$ns-in" link add eth1 type veth peer name wire1 netns "$ns-out"
	in_ns ip link set eth0 nomaster
	in_ns ip link set eth0 down
	in_ns ip link set eth0 master bond0
	in_ns ip link set eth1 master bond0
	in_ns ip link set bond0 master virbr0
	for iface in eth0 eth1 bond0; do
		in_ns ip link set $iface up
	done
	ip -n "$ns-out" link set wire1 up
	tap_add vnet0
	until_true 10 bond_is_up || die "the bond has no ports"
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 210"
	say world "frame $(frame $a $n)" "send 0 103"
	say vm "take 0 103 1000"
	scope_end scope $scope_pid
	counted out wire "$ns-out"
	counted out1 wire1 "$ns-out"
}

bond_is_up() {
	[ "$(in_ns grep -c 'MII Status: up' /proc/net/bonding/bond0)" = 3 ]
}

check_net_bond() {
	local one two
	one=$(cat out) two=$(cat out1)
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "both ports had some" 210 scope.out "$one + $two"
	same "ways out" "[[\"vnet0 > bond0 > eth0\", $one], [\"vnet0 > bond0 > eth1\", $two]]" scope.out \
		'[nic("web1"; "vnet0"; "tx").ways[] | [.way, .packets]] | sort'
	same "way in" '[["eth0 > vnet0", 103]]' scope.out '[nic("web1"; "vnet0"; "rx").ways[] | [.way, .packets]]'
	note "$one + $two packets by its ports"
}

# --- several queues; large packets; other CPUs

run_net_queues() {
	net_begin
	in_ns ip tuntap add vnet0 mode tap multi_queue || skip "no taps with several queues here"
	in_ns ip link set vnet0 master virbr0
	in_ns ip link set vnet0 up
	net_vm vm web1 vnet0/mq vnet0/mq vnet0/mq
	net_vm world world wire/packet
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 101" "send 1 103" "send 2 107"
	say world "frame $(frame $a $n)" "send 0 211"
	say vm "take 0 211 200" "take 1 211 200" "take 2 211 200"
	scope_end scope $scope_pid
	sed -n 's/^took //p' vm.out >took
}

check_net_queues() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "counts of all queues" '[311, 211]' scope.out '[nic("web1"; "vnet0"; "tx", "rx").packets]'
	same "and rings" 211 scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	same "one interface" '["vnet0", "vnet0"]' scope.out '[nics("web1")[].name]'
	note "taken out of each: $(tr '\n' ' ' <took)"
}

# 7 segments of 1,000 bytes each: cut up by the NIC, or by the host where the NIC can't.
run_net_segments() {
	net_begin
	ethtool --version >/dev/null 2>&1 || skip "no ethtool here"
	tap_add vnet0
	net_vm vm web1 vnet0/vnet
	scope_start scope net -j
	say vm "gso 1000" "frame $n${a}080045001b801234400040060000$(printf '0a0900020a080002')0050005000000001000000025010ffff00000000$(printf '%014000d' 0)" \
		"send 0 53"
	scope_report scope $scope_pid
	in_ns ethtool -K eth0 tso off gso off sg off >/dev/null
	say vm "send 0 59"
	scope_end scope $scope_pid
	counted out wire "$ns-out"
}

check_net_segments() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "packets and segments" '[[53, 371], [59, 413]]' scope.out '[nic("web1"; "vnet0"; "tx") | [.packets, .segments]]'
	same "each is one, however it left" '["vnet0>eth0 forward 53", "eth0>eth0 queue 53", "vnet0>eth0 forward 59", "eth0>eth0 queue 59"]' \
		scope.out 'hops("web1"; "vnet0"; "tx")'
	same "way" '[["vnet0 > eth0", 53], ["vnet0 > eth0", 59]]' scope.out '[nic("web1"; "vnet0"; "tx").ways[] | [.way, .packets]]'
	same "cut up on the way out" "53 + 7 * 59" out .[0]
}

# What one CPU has received is worked on by another.
run_smp4_net_other_cpu() {
	local cpus
	cpus=$(nproc)
	[ "$cpus" -gt 1 ] || skip "one CPU"
	net_begin
	tap_add vnet0
	in_ns sh -c 'echo 2 >/sys/class/net/vnet0/queues/rx-0/rps_cpus' || skip "this kernel has no RPS"
	in_ns sh -c 'echo 2 >/sys/class/net/eth0/queues/rx-0/rps_cpus'
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	taskset -p 1 $vm_pid >/dev/null
	softnet >before
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 307"
	say world "frame $(frame $a $n)" "send 0 101"
	say vm "take 0 101 1000"
	until_true 10 arrived wire 307 || die "not all arrived"
	scope_end scope $scope_pid
	softnet >after
}

arrived() {
	[ "$(counters_of "$ns-out" "$1" | cut -d ' ' -f 2)" -ge "$2" ]
}

softnet() { # packets that came to the second CPU by RPS
	sed -n 2p /proc/net/softnet_stat | awk '{ print $10 }'
}

check_smp4_net_other_cpu() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "counts" '[307, 101]' scope.out '[nic("web1"; "vnet0"; "tx", "rx").packets]'
	same "hops" '["vnet0>eth0 forward 307", "eth0>eth0 queue 307"]' scope.out 'hops("web1"; "vnet0"; "tx")'
	same "and in" '["eth0>vnet0 forward 101", "vnet0>vnet0 queue 101"]' scope.out 'hops("web1"; "vnet0"; "rx")'
	same "rings" 101 scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	at_most "the other CPU was called" 1 $((0x$(cat after) - 0x$(cat before)))
}

# A copy of all that the one sends goes to another's tap.
run_net_mirror() {
	net_begin
	modprobe -a sch_ingress cls_u32 act_mirred 2>/dev/null || true
	tap_add vnet0
	tap_add vnet1
	in_ns ip link set vnet1 nomaster
	in_ns tc qdisc add dev vnet0 ingress || skip "this kernel has no ingress qdisc"
	in_ns tc filter add dev vnet0 parent ffff: protocol all u32 match u32 0 0 action mirred egress mirror dev vnet1 ||
		skip "this kernel can't mirror"
	net_vm vm web1 vnet0
	net_vm watch watch vnet1
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 61"
	say watch "take 0 61 1000"
	scope_end scope $scope_pid
	counted out wire "$ns-out"
}

check_net_mirror() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "sent once" 61 scope.out 'nic("web1"; "vnet0"; "tx").packets'
	same "and at two places" '{"eth0": 61, "vnet1": 61}' scope.out \
		'[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "forward") | {(.to): .packets}] | add'
	same "the one who looks got them" '[61, 61]' scope.out 'nic("watch"; "vnet1"; "rx") | [.packets, .ring_wait.count]'
	same "and they left" 61 out .[0]
}

# A tap that is no bridge's port: the host routes to it and from it.
run_net_routed_tap() {
	net_begin
	in_ns ip tuntap add vnet0 mode tap
	in_ns ip link set vnet0 up
	in_ns ip link set eth0 nomaster
	in_ns ip addr add 10.9.0.1/24 dev vnet0
	in_ns ip addr add 10.8.0.1/24 dev eth0
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	in_ns ip neigh add 10.8.0.2 lladdr 52:54:00:00:00:99 dev eth0
	in_ns ip neigh add 10.9.0.2 lladdr 52:54:00:00:00:01 dev vnet0
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	vm_ns=$ns-in
	net_vm host host vnet0/packet
	vm_ns=
	scope_start scope net -j
	say vm "frame $(ip_frame "$(mac_of vnet0)")" "send 0 307"
	say world "frame $(ip_frame "$(mac_of eth0)" 0a080002 0a090002)" "send 0 109"
	say host "frame $(frame $a $n)" "send 0 53"
	say vm "take 0 162 1000"
	scope_end scope $scope_pid
	counters counters vnet0 eth0
}

check_net_routed_tap() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "hops out" '["vnet0>eth0 forward 307", "eth0>eth0 queue 307"]' scope.out 'hops("web1"; "vnet0"; "tx")'
	same "hops in" '["eth0>vnet0 forward 109", "vnet0>vnet0 queue 162"]' scope.out 'hops("web1"; "vnet0"; "rx") | sort'
	same "taken out of the ring" 162 scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	same "ways" '[["(host) > vnet0", 53], ["eth0 > vnet0", 109], ["vnet0 > eth0", 307]]' scope.out \
		'[nic("web1"; "vnet0"; "tx", "rx").ways[] | [.way, .packets]] | sort'
	same "as vnet0 counts" "[$(awk '$1 == "vnet0" { print $2 ", " $3 }' counters)]" scope.out \
		'[nic("web1"; "vnet0"; "tx", "rx").packets]'
}

# --- every fifth packet overtakes those before it, on eth0's queue

run_net_reordered() {
	net_begin
	tap_add vnet0
	in_ns tc qdisc add dev eth0 root netem delay 50ms reorder 100% gap 5 || skip "this kernel has no netem"
	net_vm vm web1 vnet0
	scope_start scope net -j -H
	say vm "frame $(frame $n $a)" "send 0 61"
	until_true 20 empty_qdisc
	scope_end scope $scope_pid
	counted out wire "$ns-out"
}

check_net_reordered() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "all left" 61 out .[0]
	same "each once" '["eth0>eth0 queue 61", "vnet0>eth0 forward 61"]' scope.out 'hops("web1"; "vnet0"; "tx") | sort'
	holds "12 of them before others: 49 waited" scope.out '[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "queue") |
		.latency.buckets[] | select(.[0] > 40000000)[2]] | add | must(. >= 49 and . < 61)'
}

# --- eth0's driver refuses what its peer's ring has no room for (from v6.16 on, dc82a33297fc, and in stable ones); so it is put back

requeued_trace_end() {
	echo 0 >"$trace/events/enable"
	rmdir "$trace"
	net_end
}

run_net_requeued() {
	local thread
	trace=$tracing/instances/ks$$
	net_begin
	ethtool --version >/dev/null 2>&1 || skip "no ethtool here"
	tap_add vnet0
	ip netns exec "$ns-out" ethtool -K wire gro on || skip "this kernel's veth has no GRO"
	in_ns ethtool -K eth0 tso off >/dev/null
	echo 1 | ip netns exec "$ns-out" tee /sys/class/net/wire/threaded >/dev/null || skip "this kernel has no threads for NAPI"
	in_ns tc qdisc add dev eth0 root pfifo limit 1000 || skip "this kernel has no pfifo"
	net_vm vm web1 vnet0
	# who empties the ring has to wait while the guest sends
	for thread in $(grep -l '^napi/wire' /proc/[0-9]*/comm | sed 's/.*proc.\([0-9]*\).*/\1/'); do
		taskset -p 1 "$thread" >/dev/null
		renice -n 19 -p "$thread" >/dev/null
	done
	taskset -p 1 $vm_pid >/dev/null
	chrt -f -p 50 $vm_pid >/dev/null 2>&1 || true # where there is such
	mkdir "$trace" || skip "no instances of tracefs here"
	trap requeued_trace_end EXIT
	echo 'name == "eth0" && rc == 16' >"$trace/events/net/net_dev_xmit/filter"
	echo 1 >"$trace/events/net/net_dev_xmit/enable"
	scope_start scope net --driver -j
	say vm "frame $(frame $n $a)" "send 0 401" "send 0 401" "send 0 401"
	until_true 20 empty_qdisc
	scope_end scope $scope_pid
	grep -c 'net_dev_xmit: dev=eth0' "$trace/trace" >refused || true
	in_ns tc -s qdisc show dev eth0 | sed -n 's/^ backlog .*requeues \([0-9]*\).*/\1/p' >requeues
	counted out wire "$ns-out"
	[ "$(cat refused)" -gt 0 ] || skip "this kernel's veth refuses nothing"
}

check_net_requeued() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "as the kernel traces it" "$(cat refused)" scope.out \
		'[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "driver").requeues] | add'
	at_most "what the qdisc counts is that, or more" "$(cat refused)" "$(cat requeues)"
	same "each is one" '["eth0>eth0 driver 1203", "eth0>eth0 queue 1203", "vnet0>eth0 forward 1203"]' scope.out \
		'hops("web1"; "vnet0"; "tx") | sort'
	same "all came out there" 1203 out .[0]
	note "$(cat refused) refused"
}

# --- Open vSwitch's datapath instead of a bridge, with two flows and none of its daemons

run_net_ovs() {
	net_begin
	modprobe openvswitch 2>/dev/null || true
	[ -d /sys/module/openvswitch ] || skip "this kernel has no openvswitch"
	in_ns ip link set eth0 nomaster
	in_ns ip link del virbr0
	in_ns ip tuntap add vnet0 mode tap
	in_ns ip link set vnet0 up
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	say vm "ovs br-int vnet0 eth0"
	grep -q '^ovs Success' vm.out || die "$(tail -n 1 vm.out)"
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 503" "frame $a${n}0800$zeros" "send 0 19"
	say world "frame $(frame $a $n)" "send 0 127"
	say vm "take 0 127 1000"
	scope_end scope $scope_pid
	counted out wire "$ns-out"
}

check_net_ovs() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what the guest sent, and where it went" '[522, ["vnet0>eth0 forward 503", "eth0>eth0 queue 503"]]' scope.out \
		'[nic("web1"; "vnet0"; "tx").packets, hops("web1"; "vnet0"; "tx")]'
	same "in" '["eth0>vnet0 forward 127", "vnet0>vnet0 queue 127"]' scope.out 'hops("web1"; "vnet0"; "rx")'
	same "taken out of the ring" 127 scope.out 'nic("web1"; "vnet0"; "rx").ring_wait.count'
	same "as many left" 503 out .[0]
	same "what has no flow dies there" '[[19, "vnet0", "received"]]' scope.out \
		'[nic("web1"; "vnet0"; "tx").drops[] | [.count, .at, .stage]]'
	same "it is said" '[["not_forwarded", 19]]' scope.out '[vm("web1")[].findings[] | [.finding, .count]]'
	note "$(value scope.out 'nic("web1"; "vnet0"; "tx").drops[0].reason')"
}

# --- vhost-net: its worker serves the tap, and is part of the VM

run_net_vhost() {
	modprobe vhost_net 2>/dev/null || true
	[ -e /dev/vhost-net ] || skip "this kernel has no vhost-net"
	net_begin
	tap_add vnet0
	in_ns ip link set vnet0 txqueuelen 61
	net_vm vm web1 vnet0/vhost
	net_vm world world wire/packet
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 307"
	say world "frame $(frame $a $n)" "send 0 53"
	say vm "take 0 53 1000" # they have waited in the tap's ring: there was no room in the guest's
	scope_report scope $scope_pid
	say world "send 0 211" # 61 fit, and 64 that vhost takes at once
	say vm "take 0 211 500"
	scope_end scope $scope_pid
	sed -n 's/^took //p' vm.out | tail -n 1 >took
}

check_net_vhost() {
	local took
	took=$(cat took)
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what the guest sent" '[307, "vnet0>eth0 forward 307", "eth0>eth0 queue 307"]' scope.out \
		'[.[0]] | [nic("web1"; "vnet0"; "tx").packets] + hops("web1"; "vnet0"; "tx")'
	same "what it was sent, and what vhost took" "[[53, 53], [211, $took]]" scope.out \
		'[nic("web1"; "vnet0"; "rx") | [.packets, .ring_wait.count]]'
	at_most "the ring was too small" "$took" 210
	same "the rest died there" "[$((211 - took)), \"vnet0\", \"ring\"]" scope.out \
		'[.[1]] | nic("web1"; "vnet0"; "rx").drops[0] | [.count, .at, .stage]'
	same "it is said" '["ring_full"]' scope.out '[vm("web1")[].findings[].finding | select(. != "receives_only")]'
	holds "who takes from it is a thread of the VM's" scope.out '[vm("web1")[].threads[] | select(.group == "vhost")] |
		must(length > 0 and any(.cpu_ns > 0))'
}

# --- what comes and goes

ifindex_of() { # NAMESPACE IFACE
	ip -n "$1" -o link show dev "$2" | sed 's/:.*//'
}

# One VM's tap goes, and another's takes its number at once, from a namespace where a tap has the same.
run_net_ifindex_again() {
	local index
	net_begin
	tap_add vnet0
	index=$(ifindex_of "$ns-in" vnet0)
	while ip -n "$ns-out" tuntap add vnet1 mode tap && [ "$(ifindex_of "$ns-out" vnet1)" -lt "$index" ]; do
		ip -n "$ns-out" tuntap del vnet1 mode tap
	done
	net_vm one web1 vnet0
	one=$vm_pid
	scope_start scope net -j
	say one "frame $(frame $n $a)" "send 0 61" "close 0"
	in_ns ip tuntap del vnet0 mode tap
	ip -n "$ns-out" link set vnet1 netns "$ns-in"
	[ "$(ifindex_of "$ns-in" vnet1)" = "$index" ] || skip "a tap does not keep its number here"
	in_ns ip link set vnet1 master virbr0
	in_ns ip link set vnet1 up
	net_vm two web2 vnet1
	until_true 1 reports vnet1 || die "not found within a second"
	say two "frame $(frame $n $b)" "send 0 43"
	scope_end scope $scope_pid
}

check_net_ifindex_again() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "each has its own" '[["vnet0", 61], ["vnet1", 43]]' scope.out '[("web1", "web2") as $v |
		vm($v)[].nics[] | select(.direction == "tx" and .packets > 0) | [.name, .packets]]'
	same "at the same number" 1 scope.out '[.[].vms[].nics[] | select(.direction == "tx").ifindex] | unique | length'
}
