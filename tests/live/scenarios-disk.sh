# shellcheck shell=bash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of block I/O on this machine's own kernel: a loop device on a file in memory.

# loop_begin MEGABYTES: sets loop, and its name.
loop_begin() {
	command -v losetup >/dev/null || skip "no losetup here"
	loop_dir=$(mktemp -d -p /dev/shm)
	truncate -s "$1M" "$loop_dir/image"
	loop=$(losetup -f --show "$loop_dir/image") || {
		rm -r "$loop_dir"
		skip "no loop device to be had"
	}
	echo "${loop##*/}" >disk
	trap 'losetup -d "$loop"; rm -r "$loop_dir"' EXIT
}

stat_fields() {
	awk '{ print $1, $3, $5, $7 }' /sys/block/"${loop##*/}"/stat
}

run_disk_on_loop() {
	local vm scope
	loop_begin 256
	vm_start vm db1 --out 3 --disk "$loop" --disk-reads 10007 --disk-writes 5003 --disk-random \
		--disk-jobs 4
	vm=$vm_pid
	vm_start other web1 --out 3 --disk "$loop" --disk-reads 2003 --disk-writes 1009 --disk-size 8192
	stat_fields >before
	scope_start scope disk -j
	scope=$scope_pid
	scope_start filtered disk -j -n web1
	vm_go vm
	vm_go other
	vm_end vm "$vm"
	vm_end other "$vm_pid"
	scope_end scope "$scope"
	scope_end filtered $scope_pid
	stat_fields >after
	paste before after | awk '{ print $5 - $1, $6 - $2, $7 - $3, $8 - $4 }' >grown
}

check_disk_on_loop() {
	local disk reads read_sectors writes write_sectors
	disk=$(cat disk)
	read -r reads read_sectors writes write_sectors <grown
	complete_or_told scope.out
	same "all, with what it says that it missed" "$((10007 + 5003 + 2003 + 1009))" scope.out "host_disk(\"$disk\"; \"read\") +
		host_disk_told(\"$disk\"; \"write\") + ([.[].vms[].disks[] | select(.name == \"$disk\" and .op == \"read\").in_flight] | add // 0)"
	[ "$(value scope.out losses)$(value filtered.out losses)" = '{}{}' ] || return 0
	same "counts of the one" '[10007, 5003]' scope.out "[disk(\"db1\"; \"$disk\"; \"read\", \"write\").count]"
	same "counts of the other" '[2003, 1009]' scope.out "[disk(\"web1\"; \"$disk\"; \"read\", \"write\").count]"
	same "only the other" '[2003, 1009]' filtered.out "[disk(\"web1\"; \"$disk\"; \"read\", \"write\").count]"
	same "and nothing of the one, nor as the host's" 0 filtered.out "[.[].vms[] | select(.name == \"db1\" or
		.name == \"(host)\") | .disks[]? | select(.name == \"$disk\").count] | add // 0"
	same "bytes of the other" "[$((2003 * 8192)), $((1009 * 8192))]" scope.out \
		"[disk(\"web1\"; \"$disk\"; \"read\", \"write\").bytes]"
	same "the kernel's count" "[$reads, $writes]" scope.out \
		"[host_disk(\"$disk\"; \"read\", \"write\")]"
	same "the kernel's sectors" "[$read_sectors, $write_sectors]" scope.out "[(\"read\", \"write\") as \$op |
		[.[].vms[].disks[] | select(.name == \"$disk\" and .op == \$op).bytes / 512] | add]"
	holds "Q2C, Q2G and D2C of each" scope.out "[disk(\"db1\"; \"$disk\"; \"read\", \"write\") |
		.count == .q2c.count and .count == .q2g.count and .count == .d2c.count] | must(all and length == 2)"
	holds "nothing is in flight" scope.out "[disk(\"db1\"; \"$disk\"; \"read\", \"write\").in_flight] |
		must(add == 0)"
}

run_disk_stages() {
	scope_start one disk -j --stages d2c
	scope_end one $scope_pid
	scope unknown disk --stages q2g,x2y 0.1 1
	scope empty disk --stages '' 0.1 1
	scope text disk 0.2 1
	loop_begin 64
	scope_start d2c disk -j --stages d2c
	vm_run vm db1 --out 3 --disk "$loop" --disk-reads 1009
	scope_end d2c $scope_pid
}

check_disk_stages() {
	status_is one 0
	error_is unknown 2 "not 'x2y'"
	error_is empty 2 "not ''"
	status_is text 0
	same "its count" 1009 d2c.out "[disk(\"db1\"; \"$(cat disk)\"; \"read\").count] | add"
	holds "D2C alone" d2c.out "[disk(\"db1\"; \"$(cat disk)\"; \"read\")] |
		must(all(.[]; .d2c.count > 0 and .q2c == null and .q2g == null and .i2d == null))"
}

# As fast as it goes, for some seconds.
run_disk_load() {
	loop_begin 512
	vm_start vm db1 --out 3 --disk "$loop" --disk-reads 600011 --disk-random --disk-jobs 16
	stat_fields >before
	scope_start scope disk -j
	vm_go vm
	until_true 240 has_line '^done' vm.out || die "no end"
	vm_end vm "$vm_pid"
	scope_end scope $scope_pid
	stat_fields >after
}

check_disk_load() {
	local disk
	disk=$(cat disk)
	complete_or_told scope.out
	same "all, with what it says that it missed" 600011 scope.out "host_disk_told(\"$disk\"; \"read\")"
	[ "$(value scope.out losses)" = '{}' ] || return 0
	same "count and bytes" "[600011, $((600011 * 4096)), 600011, 600011]" scope.out \
		"[disk(\"db1\"; \"$disk\"; \"read\") | .count, .bytes, .q2c.count, .d2c.count]"
	same "the kernel's count" "$(paste before after | awk '{ print $5 - $1 }')" scope.out \
		"host_disk(\"$disk\"; \"read\")"
	note "$(answer vm | awk -F 'elapsed_ns=' '{ printf "%.0f I/O a second", 600011e9 / $2 }')"
}

# fio's own clock is read outside of the system call: what it waits for a CPU after the completion, it
# has more.
run_disk_against_fio() {
	command -v fio >/dev/null || skip "no fio here"
	loop_begin 128
	scope_start scope disk -j
	fio --name=j --filename="$loop" --direct=1 --rw=randread --bs=4k --ioengine=psync --thread \
		--number_ios=20011 --output-format=json --output=fio.json
	scope_end scope $scope_pid
}

check_disk_against_fio() {
	local q name fio
	complete_or_told scope.out
	same "count, with what it says that it missed" 20011 scope.out "host_disk_told(\"$(cat disk)\"; \"read\")"
	for q in 50:p50 99:p99; do
		name=${q#*:}
		fio=$(jq ".jobs[0].read.clat_ns.percentile[\"${q%:*}.000000\"]" fio.json)
		holds "$name: fio's is $fio ns" scope.out "[.[].vms[].disks[] |
			select(.name == \"$(cat disk)\" and .op == \"read\").q2c.$name] |
			must(add as \$x | \$x > 0 and \$x < $fio * 1.07)"
		note "$name $(value scope.out "[.[].vms[].disks[] |
			select(.name == \"$(cat disk)\" and .op == \"read\").q2c.$name] | add") of fio's $fio ns"
	done
}

# qemu_on DISK CACHE FILE: a real QEMU whose guest is tests/guest/sector, up to before its first
# instruction. Sets vm_pid; "cont" to FILE.in makes it go.
qemu_on() {
	mkfifo "$3.in"
	qemu-system-x86_64 -name guest="$3" -accel kvm -cpu qemu64 -m 32 -S -nodefaults -no-user-config -display none \
		-monitor stdio -debugcon file:"$3.port" \
		-drive if=none,id=d,format=raw,file="$1",cache="$2" -device virtio-blk-pci,drive=d \
		<>"$3.in" >"$3.monitor" 2>&1 &
	vm_pid=$!
	started $vm_pid
	await 'monitor - type' "$3.monitor"
}

# The same guest twice: past the page cache, and through it. As a loop device's, so that the disk's own
# counts tell what reached it.
run_disk_page_cache_of_qemu() {
	local cache source
	source=$(dirname "$(readlink -f "$KVMGUEST")")/../../tests/guest/sector/sector.S
	[ "$(uname -m)" = x86_64 ] || skip "its boot sector is for x86"
	command -v qemu-system-x86_64 >/dev/null || skip "no QEMU here"
	as --32 -o sector.o "$source"
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o sector sector.o
	loop_begin 64
	dd if=sector of="$loop" conv=notrunc,fsync 2>dd.log
	ra=$(blockdev --getra "$loop")
	trap 'blockdev --setra "$ra" "$loop"; losetup -d "$loop"; rm -r "$loop_dir"' EXIT
	blockdev --setra 64 "$loop" # sectors: what is read ahead is no part of the question
	for cache in none writeback; do
		blockdev --flushbufs "$loop"
		qemu_on "$loop" $cache $cache
		scope_start $cache.scope disk -j
		stat_fields >$cache.before
		echo cont >$cache.in
		until_true 60 test -s $cache.port || die "the guest does not end: $(cat $cache.monitor)"
		scope_end $cache.scope $scope_pid
		stat_fields >$cache.after
		vm_kill $vm_pid
		sync "$loop"
	done
}

check_disk_page_cache_of_qemu() {
	local cache disk mib=1048576
	disk=$(cat disk)
	for cache in none writeback; do
		says $cache.port D
		complete_or_told $cache.scope.out
		[ "$(value $cache.scope.out losses)" = '{}' ] || return 0
		same "$cache: how QEMU has it open" "[[\"/dev/$disk\", $([ $cache = none ] && echo true || echo false)]]" \
			$cache.scope.out "[vm(\"$cache\")[].images[] | [.source, .direct]]"
		same "$cache: bytes as the disk has them" \
			"$(paste $cache.before $cache.after | awk '{ printf "[%d, %d]", ($6 - $2) * 512, ($8 - $4) * 512 }')" \
			$cache.scope.out "vm(\"$cache\")[0] | [.device_read_bytes, .device_written_bytes]"
		holds "$cache: what the guest read and wrote, with what its BIOS does" $cache.scope.out "vm(\"$cache\")[0] |
			[.vm_read_bytes, .vm_written_bytes] | must(.[0] >= 4 * $mib and .[0] < 4.5 * $mib and
			.[1] >= $mib and .[1] < 1.1 * $mib)"
	done
	holds "past the page cache: twice from the disk" none.scope.out "vm(\"none\")[0] |
		[.device_read_bytes, .device_written_bytes] | must(.[0] >= 4 * $mib and .[0] < 4.1 * $mib and .[1] == $mib)"
	holds "through it: once" writeback.scope.out "vm(\"writeback\")[0].device_read_bytes |
		must(. >= 2 * $mib and . < 2.1 * $mib)"
	note "$(value none.scope.out 'vm("none")[0] | [.vm_read_bytes, .device_read_bytes]') and" \
		"$(value writeback.scope.out 'vm("writeback")[0] | [.vm_read_bytes, .device_read_bytes, .vm_written_bytes, .device_written_bytes]')"
}
