# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # jq variables; lists; set by lib-vm.sh and common-net.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of packets that die: each with the reason that this kernel gives, or the function where it gives none.
# common-net.sh has what they build on.

# drops WHAT COUNT AT STAGE REASON...: those of web1's vnet0, going out; one of the reasons.
drops() {
	local what=$1 count=$2 at=$3 stage=$4 reasons
	shift 4
	reasons=$(printf '"%s",' "$@")
	same "$what: how many, where" "[[$count, \"$at\", \"$stage\"]]" scope.out \
		'[nic("web1"; "vnet0"; "tx").drops[] | [.count, .at, .stage]]'
	holds "$what: why" scope.out "[nic(\"web1\"; \"vnet0\"; \"tx\").drops[].reason] | must(.[0] | IN(${reasons%,}))"
	note "$(value scope.out 'nic("web1"; "vnet0"; "tx").drops[0].reason')"
}

found() { # FINDING COUNT
	same "it is said" "[[\"$1\", $2]]" scope.out '[vm("web1")[].findings[]? | select(.finding | IN("sends_only", "not_taken") | not) | [.finding, .count]]'
}

run_net_filtered() {
	net_begin
	in_ns nft add table bridge f 2>/dev/null || skip "this kernel does not filter on bridges, or there is no nft"
	in_ns nft add chain bridge f forward '{ type filter hook forward priority 0; policy drop; }'
	tap_add vnet0
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $(frame $n $a)" "send 0 43"
	scope_end scope $scope_pid
}

check_net_filtered() {
	drops "by the filter" 43 vnet0 received NETFILTER_DROP nf_hook_slow
	found filtered 43
}

# forwarding_begin [MTU]: vnet0 on virbr0, which the host routes to eth0. Sets mac, virbr0's.
forwarding_begin() {
	net_begin
	tap_add vnet0
	in_ns ip link set eth0 nomaster
	[ $# = 0 ] || in_ns ip link set eth0 mtu "$1"
	in_ns ip addr add 10.9.0.1/24 dev virbr0
	in_ns ip addr add 10.8.0.1/24 dev eth0
	in_ns ip neigh add 10.8.0.2 lladdr 52:54:00:00:00:99 dev eth0
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	mac=$(in_ns cat /sys/class/net/virbr0/address | tr -d :)
	net_vm vm web1 vnet0
}

run_net_wrong_checksum() {
	forwarding_begin
	scope_start scope net -j
	say vm "frame $(ip_frame "$mac" | sed 's/66830a09/66840a09/')" "send 0 31"
	scope_end scope $scope_pid
}

check_net_wrong_checksum() {
	drops "wrong checksum" 31 virbr0 received IP_CSUM IP_INHDR ip_rcv_core
	found bad_checksum 31
}

# too_long FLAGS CHECKSUM COUNTER: 41 packets of 1,500 bytes, to where only 600 fit; how often the host counted that.
too_long() {
	forwarding_begin 600
	in_ns ip neigh add 10.9.0.2 lladdr 52:54:00:00:00:01 dev virbr0
	scope_start scope net -j
	say vm "frame $mac${a}0800450005dc0000${1}4011$(printf '%s0a0900020a080002' "$2")2100002005c80000$(printf '%02944d' 0)" \
		"send 0 41"
	scope_end scope $scope_pid
	in_ns cat /proc/net/snmp | awk -v counter="$3" '
		/^Ip:/ && !head { head = 1; for (i = 1; i <= NF; i++) if ($i == counter) at = i; next }
		/^Ip:/ { print $at }' >counted
}

# They must not be cut.
run_net_too_big() {
	too_long 4000 20fd FragFails
}

check_net_too_big() {
	same "as the host counts" 41 counted .[0]
	same "and where to" '"eth0"' scope.out 'nic("web1"; "vnet0"; "tx").drops[].toward'
	drops "too big" 41 virbr0 received PKT_TOO_BIG ip_forward
	found too_big 41
}

# They may. Of what the host cut none is seen again: no piece is taken for another packet, and that is told.
run_net_fragments() {
	too_long 0000 60fd FragOKs
}

check_net_fragments() {
	same "as the host counts" 41 counted .[0]
	same "what the guest sent" 41 scope.out 'nic("web1"; "vnet0"; "tx").packets'
	same "none goes on" '[]' scope.out '[nics("web1")[].hops[] | select(.to == "eth0")]'
	holds "it is told" scope.out '[complete, losses] |
		must(.[0] == false and (.[1] | keys == ["flights_lost"] and .flights_lost <= 41))'
}

# The same on a bridge, which can't tell the sender.
run_net_too_big_for_a_port() {
	net_begin
	in_ns ip link set eth0 mtu 600
	tap_add vnet0
	in_ns ip link set vnet0 mtu 1500
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $n${a}88b5$(printf '%02800d' 0)" "send 0 37"
	scope_end scope $scope_pid
}

check_net_too_big_for_a_port() {
	same "and where to" '"eth0"' scope.out 'nic("web1"; "vnet0"; "tx").drops[].toward'
	drops "too big" 37 vnet0 received PKT_TOO_BIG br_dev_queue_push_xmit
	found too_big 37
}

# What sniffers on both interfaces have no room for is nobody's loss, nor what one has not read when it ends; what the
# ring has no room for is.
run_net_sniffed() {
	net_begin
	tap_add vnet0
	in_ns ip link set vnet0 txqueuelen 7
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	vm_ns=$ns-in
	net_vm sniffer sniffer eth0/full vnet0/full eth0/sniffer
	vm_ns=
	say vm "frame $(frame $n $a)" "send 0 1"
	scope_start scope net -j
	say vm "send 0 101"
	say world "frame $(frame $a $n)" "send 0 59"
	say sniffer "close 2"
	scope_end scope $scope_pid
	say sniffer "take 0 200 100" "take 1 200 100"
	sed -n 's/^took //p' sniffer.out >heard
	counters_of "$ns-in" vnet0 | cut -d ' ' -f 4 >dropped
}

check_net_sniffed() {
	at_most "two sniffers were full" "$(sort -n heard | tail -n 1)" 50
	same "what went out, and in" '[101, 59]' scope.out '[nic("web1"; "vnet0"; "tx", "rx").packets]'
	same "what died, of all" '[["vnet0", "ring", 52]]' scope.out '[.[].vms[].nics[].drops[] | [.at, .stage, .count]]'
	same "as the tap counts" 52 dropped .[0]
	same "why the reason is a function, where it is" \
		"$(grep -q FULL_RING scope.out && echo 0 || echo 1)" scope.out \
		'[.[].notes[]? | select(test("does not tell why packets are dropped"))] | length'
	same "that the ring was full is certain" \
		"$(grep -q '"FULL_RING"' scope.out && echo true || echo false)" scope.out \
		'[.[].vms[].findings[] | select(.finding == "ring_full").text | test("full ring")] | any'
}

# What the host lets die on the way: 31 packets whose sender is elsewhere, by its routes; 29 for somebody who is not
# there; not the 23 that wait until an address is known. And 41 that a filter keeps from the guest.
run_net_host_drops() {
	forwarding_begin
	in_ns ip neigh add 10.9.0.2 lladdr 52:54:00:00:00:01 dev virbr0
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/virbr0/rp_filter'
	net_vm world world wire/packet
	scope_start scope net -j
	say vm "frame $(ip_frame "$mac" 0a090002 0a080005)" "send 0 23"
	in_ns ip neigh replace 10.8.0.5 lladdr 52:54:00:00:00:99 dev eth0
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/neigh/eth0/mcast_solicit'
	say vm "frame $(ip_frame "$mac" 0a08004d)" "send 0 31" "frame $(ip_frame "$mac" 0a090002 0a080003)" "send 0 29"
	until_true 20 nobody_there
	say vm "deaf 0"
	say world "frame $(ip_frame "$(mac_of eth0)" 0a080002 0a090002)" "send 0 41"
	scope_end scope $scope_pid
}

nobody_there() {
	in_ns ip neigh show 10.8.0.3 | grep -q FAILED
}

check_net_host_drops() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what went out" '["vnet0>virbr0 forward 83", "virbr0>eth0 forward 23", "eth0>eth0 queue 23"]' scope.out \
		'hops("web1"; "vnet0"; "tx")'
	same "what did not, and where to" '[[29, "virbr0", "received", "eth0"], [31, "virbr0", "received", null]]' scope.out \
		'[nic("web1"; "vnet0"; "tx").drops[] | [.count, .at, .stage, .toward]] | sort'
	same "nor in" '[[41, "vnet0", "ring"]]' scope.out '[nic("web1"; "vnet0"; "rx").drops[] | [.count, .at, .stage]]'
	same "one is said on all kernels" '[["no_neighbour", 29]]' scope.out \
		'[vm("web1")[].findings[] | select(.finding == "no_neighbour") | [.finding, .count]]'
	! grep -q SOCKET_FILTER scope.out ||
		same "the others, where the kernel gives reasons" '[["dropped_by_program", 41], ["reverse_path", 31]]' scope.out \
			'[vm("web1")[].findings[] | select(.finding | IN("no_neighbour", "not_taken") | not) | [.finding, .count]] | sort'
	note "$(value scope.out '[nic("web1"; "vnet0"; "tx", "rx").drops[].reason]')"
}

# A macvtap's ring: 7 fit in.
run_net_macvtap_full() {
	macvtap_begin
	in_ns ip link set macvtap0 txqueuelen 7
	net_vm vm web1 "/dev/tap$index"
	net_vm world world wire/packet
	scope_start scope net -j
	say world "frame $(frame $a $n)" "send 0 23"
	say vm "take 0 23 200"
	scope_end scope $scope_pid
	sed -n 's/^took //p' vm.out >took
}

check_net_macvtap_full() {
	local took
	took=$(cat took)
	at_most "some were lost" "$took" 22
	same "what was taken" "$took" scope.out 'nic("web1"; "macvtap0"; "rx").ring_wait.count'
	same "the rest died in its ring" "[$((23 - took)), \"macvtap0\", \"ring\"]" scope.out \
		'nic("web1"; "macvtap0"; "rx").drops[0] | [.count, .at, .stage]'
	note "$(value scope.out 'nic("web1"; "macvtap0"; "rx").drops[0].reason')"
}

# An XDP program sits below all events: the NIC has counted what the stack never sees.
run_net_xdp() {
	net_begin
	tap_add vnet0
	net_vm vm web1 vnet0
	net_vm world world wire/packet
	say vm "frame $(frame $n $a)" "send 0 1"
	scope_start scope net -j
	say world "frame $(frame $a $n)" "send 0 101"
	net_vm xdp xdp eth0/xdp
	say world "send 0 53"
	say xdp "close 0"
	say world "send 0 31"
	say vm "take 0 132 1000"
	scope_end scope $scope_pid
}

check_net_xdp() {
	nics_are_whole scope.out
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what came through" '[132, 132]' scope.out 'nic("web1"; "vnet0"; "rx") | [.packets, .ring_wait.count]'
	same "what eth0 has counted, and what was seen of it" '[185, 132]' scope.out \
		'nic("(host)"; "eth0"; "rx") | [.device_packets, .segments]'
	same "it is said" '[["not_seen", 53]]' scope.out '[vm("(host)")[].findings[] | [.finding, .count]]'
}

# VMs come and go behind a bridge that filters what is for them. That counts under (host), and names the tap that it was
# for: no VM leaves its numbers behind, and none finds the table full, nor eth0 under a number of its own.
churn_net_vms=5

run_net_drops_of_many() {
	local i
	net_begin
	in_ns nft add table bridge f 2>/dev/null || skip "this kernel does not filter on bridges, or there is no nft"
	in_ns nft add chain bridge f forward '{ type filter hook forward priority 0; policy drop; }'
	net_vm world world wire/packet
	scope_start scope net -j --max-subjects 10
	for i in $(seq $churn_net_vms); do
		tap_add "vnet$i"
		net_vm "vm$i" "web$i" "vnet$i"
		until_true 20 next_has '"name":"vnet'"$i"'"' || die "vnet$i is not found"
		say world "frame $(frame $a $n)" "send 0 $((i * 10 + 1))"
		say "vm$i" "frame $(frame $n $a)" "send 0 $((i * 10 + 3))"
		scope_report scope $scope_pid
		vm_kill $vm_pid
		in_ns ip link del "vnet$i"
		until_true 20 next_is_without '"name":"web'"$i"'"' || die "web$i is still there"
	done
	scope_end scope $scope_pid
}

check_net_drops_of_many() {
	holds "room for all" scope.out '[complete, losses] | must(. == [true, {}])'
	same "what was filtered, of whose" \
		"$(for i in $(seq $churn_net_vms); do echo "[\"vnet$i\", $((i * 10 + 1))]"; done | paste -sd, | sed 's/.*/[&]/')" \
		scope.out '[nics("(host)")[] | select(.name == "eth0").drops[] | [.toward, .count]] | group_by(.[0]) |
			map([.[0][0], (map(.[1]) | add)])'
	same "what guests sent" \
		"$(for i in $(seq $churn_net_vms); do echo "[\"web$i\", $((i * 10 + 3))]"; done | paste -sd, | sed 's/.*/[&]/')" \
		scope.out '[.[].vms[] | select(.name | startswith("web")) | [.name, ([.nics[].drops[].count] | add // 0)]] |
			group_by(.[0]) | map([.[0][0], (map(.[1]) | add)])'
	same "the NIC is one all the time" '[155, 155]' scope.out \
		'[nics("(host)")[] | select(.name == "eth0") | [.packets, .device_packets]] | [(map(.[0]) | add), (map(.[1]) | add)]'
}

# One report more has such text.
next_has() {
	scope_report scope $scope_pid
	case $(tail -n 1 scope.out) in
	*"$1"*) ;;
	*) return 1 ;;
	esac
}

next_is_without() {
	! next_has "$1"
}
