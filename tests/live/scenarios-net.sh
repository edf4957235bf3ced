# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # jq variables; lists; set by lib-vm.sh and common-net.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of packets with programs that this machine alone has: QEMU, dnsmasq, tcpdump, trace-cmd.
# common-net.sh has what they build on.

# watch FILE IFACE in|out [EXPRESSION]: tcpdump counts what goes by there, until watch_end.
watch_begin() {
	local file=$1 iface=$2 direction=$3
	shift 3
	"$ip_tool" netns exec "$ns-in" tcpdump -p -i "$iface" -Q "$direction" --immediate-mode -s 256 -B 16384 -U -w "$file.pcap" "$@" \
		>/dev/null 2>"$file.err" </dev/null &
	started $!
	watches="${watches:-} $!"
	await 'listening on' "$file.err"
}

watch_end() {
	local pid
	for pid in $watches; do
		kill -INT "$pid"
		wait "$pid" || true
	done
}

# seen FILE [EXPRESSION]: how many packets tcpdump has seen.
seen() {
	local file=$1
	shift
	tcpdump --count -r "$file.pcap" "$@" 2>/dev/null | sed 's/ packet.*//'
}

seen_all() { # FILE NUMBER
	[ "$(seen "$1")" -ge "$2" ]
}

# watched FILE NUMBER...: tcpdump is behind; waits until it has written so many.
watched() {
	while [ $# -gt 1 ]; do
		until_true 20 seen_all "$1" "$2" || true # the check will tell
		shift 2
	done
}

dnsmasq_begin() { # NAMESPACE IFACE OPTION...
	local where=$1 iface=$2
	shift 2
	"$ip_tool" netns exec "$where" dnsmasq --no-daemon --conf-file=/dev/null --user=root --port=0 --interface="$iface" \
		--bind-interfaces --dhcp-range=10.9.0.10,10.9.0.90,1h --dhcp-leasefile="$PWD/leases" --no-ping \
		--log-dhcp --pid-file= "$@" >dnsmasq.out 2>&1 </dev/null &
	started $!
	await 'DHCP, IP range' dnsmasq.out
}

# QEMU in a namespace, with software emulation: not every KVM runs all of iPXE. An empty VM of KVM's, whose file it
# inherits, makes it one of those that are traced.
exec_qemu() {
	local code='import fcntl, os, sys
vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xae01, 0)  # KVM_CREATE_VM
os.set_inheritable(vm, True)
os.execvp(sys.argv[1], sys.argv[1:])'
	exec "$ip_tool" netns exec "$ns-in" python3 -c "$code" qemu-system-x86_64 -accel tcg -m 64 -nodefaults -display none "$@"
}

# --- a guest with a network stack of its own: SeaBIOS and iPXE boot from the network

run_net_real_guest() {
	command -v qemu-system-x86_64 >/dev/null || skip "no QEMU here"
	command -v tcpdump >/dev/null || skip "no tcpdump here"
	command -v dnsmasq >/dev/null || skip "no dnsmasq here"
	net_begin
	tap_add vnet0
	ip -n "$ns-out" addr add 10.9.0.1/24 dev wire
	mkdir tftp
	printf '#!ipxe\nimgfetch tftp://10.9.0.1/payload\n' >tftp/boot.ipxe
	head -c 200003 /dev/zero >tftp/payload
	chmod -R a+rX .
	dnsmasq_begin "$ns-out" wire --dhcp-boot=boot.ipxe --enable-tftp --tftp-root="$PWD/tftp"
	for iface in vnet0 virbr0 eth0; do
		watch_begin "$iface-in" $iface in
		watch_begin "$iface-out" $iface out
	done
	scope_start scope net -j
	exec_qemu -name guest=real -netdev tap,id=n0,ifname=vnet0,script=no,downscript=no \
		-device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01 -boot n >qemu.out 2>&1 </dev/null &
	qemu=$!
	started $qemu
	until_true 200 has_line tftp/payload dnsmasq.out || die "no boot: $(tail -n 3 dnsmasq.out)"
	vm_stop $qemu
	ip -n "$ns-out" link set wire down
	scope_end scope $scope_pid
	counters counters vnet0 eth0
	while read -r iface rx tx _; do
		watched "$iface-in" "$rx" "$iface-out" "$tx"
	done <counters
	watch_end
}

check_net_real_guest() {
	local sent got broadcast out in
	sent=$(seen vnet0-in) got=$(seen vnet0-out) broadcast=$(seen vnet0-in ether multicast)
	out=$(seen eth0-out) in=$(seen eth0-in)
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	at_most "it has downloaded, in so many blocks" 140 "$got"
	same "what the guest sent, as tcpdump and vnet0 count" "[$sent, $(awk '$1 == "vnet0" { print $2 }' counters)]" scope.out \
		'nic("real"; "vnet0"; "tx") | [.packets, .packets]'
	same "broadcasts and multicasts" "$broadcast" scope.out 'nic("real"; "vnet0"; "tx") | .broadcast + .multicast'
	same "out by eth0" "$out" scope.out '[nic("real"; "vnet0"; "tx").hops[] | select(.to == "eth0" and .stage == "forward").packets] | add'
	same "up to virbr0" "$(seen virbr0-in ether src 52:54:00:00:00:01)" scope.out \
		'[nic("real"; "vnet0"; "tx").hops[] | select(.to == "virbr0").packets] | add // 0'
	same "in by eth0 and to vnet0" "[$got, $got]" scope.out 'nic("real"; "vnet0"; "rx") |
		[.packets, ([.hops[] | select(.stage == "forward").packets] | add)]'
	same "came in by eth0" "$in" scope.out 'nic("(host)"; "eth0"; "rx").packets'
	same "DHCP and ARP" "[$(seen vnet0-in udp dst port 67), $(seen vnet0-out udp src port 67), $(seen vnet0-in arp and 'arp[6:2] = 1')]" scope.out \
		'[(nic("real"; "vnet0"; "tx").dhcp_requests), (nic("real"; "vnet0"; "rx").dhcp_replies), (nic("real"; "vnet0"; "tx").arp_requests)]'
	same "no findings" '[]' scope.out '[vm("real")[].findings[].finding]'
	note "$sent packets out, $got in"
}

# --- DHCP: answered, not answered, and answered in vain

# A DHCPDISCOVER of the guest's.
discover() {
	local bootp options
	options=63825363350101ff
	bootp=010106001234567800008000$(printf '%032d' 0)$a$(printf '%0404d' 0)$options
	printf 'ffffffffffff%s08004500011000000000401179de00000000ffffffff0044004300fc0000%s' "$a" "$bootp"
}

run_net_dhcp() {
	command -v dnsmasq >/dev/null || skip "no dnsmasq here"
	net_begin
	tap_add vnet0
	in_ns ip addr add 10.9.0.1/24 dev virbr0
	net_vm vm web1 vnet0
	scope_start scope net -j
	say vm "frame $(discover)" "send 0 3"
	scope_report scope $scope_pid
	until_true 10 tells dhcp_unanswered || die "not told"
	dnsmasq_begin "$ns-in" virbr0 --dhcp-broadcast
	say vm "send 0 1"
	await 'DHCPOFFER' dnsmasq.out
	say vm "take 0 1 1000"
	scope_report scope $scope_pid
	in_ns nft add table bridge f || skip "no nft here"
	in_ns nft add chain bridge f output '{ type filter hook output priority 0; }'
	in_ns nft add rule bridge f output udp sport 67 drop
	say vm "send 0 1"
	until_true 20 has_offers 2 || die "no second offer"
	scope_report scope $scope_pid
	until_true 10 tells dhcp_reply_lost || die "not told"
	scope_end scope $scope_pid
}

has_offers() {
	[ "$(grep -c DHCPOFFER dnsmasq.out)" -ge "$1" ]
}

check_net_dhcp() {
	same "requests and replies" '[[3, 0], [1, 1], [1, 0]]' scope.out '[.[].vms[] | select(.name == "web1") |
		[(.nics[] | select(.direction == "tx").dhcp_requests), (.nics[] | select(.direction == "rx").dhcp_replies)]] |
		map(select(. != [0, 0]))'
	same "and those that came as far as virbr0" 2 scope.out '[nic("web1"; "vnet0"; "tx").bridge_dhcp_replies] | add'
	same "found, each once" '[["dhcp_unanswered", 3], ["dhcp_reply_lost", 1]]' scope.out \
		'[vm("web1")[].findings[] | [.finding, .count]]'
	note "$(value scope.out '[vm("web1")[].findings[] | select(.finding == "dhcp_reply_lost").text]')"
}

# --- counts, at each place, against tcpdump; on a bridge, through NAT, between two guests

run_net_against_tcpdump() {
	local mac
	command -v tcpdump >/dev/null || skip "no tcpdump here"
	net_begin
	tap_add vnet0
	tap_add vnet1
	ip -n "$ns-in" link add eth1 type veth peer name wire1 netns "$ns-out" # the way out, by NAT
	in_ns ip link set eth1 up
	ip -n "$ns-out" link set wire1 up
	in_ns ip addr add 10.9.0.1/24 dev virbr0
	in_ns ip addr add 10.8.0.1/24 dev eth1
	enter "$ns-in" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	in_ns ip neigh add 10.8.0.2 lladdr 52:54:00:00:00:99 dev eth1
	in_ns nft add table ip nat || skip "no nft here"
	in_ns nft add chain ip nat post '{ type nat hook postrouting priority 100; }'
	in_ns nft add rule ip nat post oif eth1 masquerade
	mac=$(in_ns cat /sys/class/net/virbr0/address | tr -d :)
	net_vm one web1 vnet0
	net_vm two web2 vnet1
	net_vm world world wire/packet
	say two "frame $(frame $n $b)" "send 0 1"
	say world "frame $(frame $b $n)" "send 0 1"
	for place in vnet0:in vnet0:out vnet1:out virbr0:in eth0:out eth0:in eth1:out; do
		watch_begin "${place%:*}-${place#*:}" "${place%:*}" "${place#*:}"
	done
	scope_start scope net -j
	say one "frame $(frame $n $a)" "send 0 307" "frame $(frame $b $a)" "send 0 101" "frame $(ip_frame "$mac")" "send 0 211"
	say world "frame $(frame $a $n)" "send 0 53"
	say one "take 0 55 500"
	say two "take 0 102 500"
	scope_end scope $scope_pid
	counters counters vnet0 vnet1
	watched vnet0-in 619 vnet0-out 53 vnet1-out 101 virbr0-in 211 eth0-out 307 eth0-in 53 eth1-out 211
	watch_end
}

check_net_against_tcpdump() {
	holds "nothing lost" scope.out '[complete, losses] | must(. == [true, {}])'
	same "as vnet0 counts, which had one before" "$(awk '$1 == "vnet0" { print $2 }' counters)" scope.out \
		'nic("web1"; "vnet0"; "tx").packets'
	same "as vnet1 counts, which had one before" "$(awk '$1 == "vnet1" { print $3 }' counters)" scope.out \
		'1 + nic("web2"; "vnet1"; "rx").packets'
	same "sent by vnet0" "$(seen vnet0-in)" scope.out 'nic("web1"; "vnet0"; "tx").packets'
	same "sent to vnet0" "$(seen vnet0-out)" scope.out 'nic("web1"; "vnet0"; "rx").packets'
	same "sent to vnet1" "$(seen vnet1-out)" scope.out 'nic("web2"; "vnet1"; "rx").packets'
	same "at each place on the way" "{\"eth0\": $(seen eth0-out ether src 52:54:00:00:00:01), \"eth1\": $(seen eth1-out udp),
		\"virbr0\": $(seen virbr0-in udp), \"vnet1\": $(seen vnet1-out ether src 52:54:00:00:00:01)}" scope.out \
		'[nic("web1"; "vnet0"; "tx").hops[] | select(.stage == "forward") | {key: .to, value: .packets}] |
		from_entries'
	same "came in" "[$(seen eth0-in), $(seen eth0-in)]" scope.out '[(nic("(host)"; "eth0"; "rx").packets),
		([nic("web1"; "vnet0"; "rx").hops[] | select(.from == "eth0").packets] | add)]'
	same "ways out" '[["vnet0 > eth0", 307], ["vnet0 > virbr0 > eth1", 211], ["vnet0 > vnet1", 101]]' scope.out \
		'[nic("web1"; "vnet0"; "tx").ways[] | [.way, .packets]] | sort'
}
