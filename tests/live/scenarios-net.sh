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
	"$ip_tool" netns exec "$ns-in" tcpdump -i "$iface" -Q "$direction" --immediate-mode -U -w "$file.pcap" "$@" \
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
	tcpdump -n -r "$file.pcap" "$@" 2>/dev/null | wc -l
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
	await 'sent .*/payload' dnsmasq.out
	vm_stop $qemu
	ip -n "$ns-out" link set wire down
	scope_end scope $scope_pid
	watch_end
	counters counters vnet0 eth0
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
	scope_end scope $scope_pid
}

has_offers() {
	[ "$(grep -c DHCPOFFER dnsmasq.out)" -ge "$1" ]
}

check_net_dhcp() {
	same "requests and replies" '[[3, 0], [1, 1], [1, 0]]' scope.out '[.[].vms[] | select(.name == "web1") |
		[(.nics[] | select(.direction == "tx").dhcp_requests), (.nics[] | select(.direction == "rx").dhcp_replies)]]'
	same "and those that came as far as virbr0" '[0, 1, 1]' scope.out '[nic("web1"; "vnet0"; "tx").bridge_dhcp_replies]'
	same "found" '[["dhcp_unanswered"], [], ["dhcp_reply_lost"]]' scope.out '[.[].vms[] | select(.name == "web1") | [.findings[].finding]]'
	note "$(value scope.out '.[2].vms[] | select(.name == "web1").findings[0].text')"
}
