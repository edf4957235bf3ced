# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # jq variables; lists; set by lib-vm.sh and lib.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: whose block I/O is. What others submit on a VM's behalf is the VM's: by the cgroup of
# the bio, in libvirt's layouts, or by who alone holds the disk open. Truth: what the kernel itself
# counts for each cgroup (io.stat), for the disk (stat), and what kvmguest was told to do.

groups=/sys/fs/cgroup
# libvirt's layouts: src/vm_cgroup.c
group_db1='machine.slice/machine-qemu\x2d1\x2ddb1.scope/libvirt'
group_web1='machine.slice/machine-qemu\x2d2\x2dweb1.scope'
group_build='machine/qemu-3-build.libvirt-qemu'

# group_make PATH: it and all above it, with the controllers of I/O and memory.
group_make() {
	local rest=$1/ at=$groups
	while [ -n "$rest" ]; do
		echo '+io +memory' >$at/cgroup.subtree_control
		at=$at/${rest%%/*}
		rest=${rest#*/}
		mkdir -p "$at"
	done
}

# group_threads PATH PID: as libvirt's, whose vCPUs' and other threads have cgroups of their own.
group_threads() {
	local part tid
	for part in emulator vcpu0; do
		mkdir -p "$groups/$1/$part"
		echo threaded >"$groups/$1/$part/cgroup.type"
	done
	for tid in /proc/"$2"/task/*; do
		case $(cat "$tid/comm") in
		'CPU 0/KVM') echo "${tid##*/}" >"$groups/$1/vcpu0/cgroup.threads" ;;
		*) echo "${tid##*/}" >"$groups/$1/emulator/cgroup.threads" ;;
		esac
	done
}

# group_vm GROUP FILE VM OPTION...: a VM in there, held. Sets vm_pid.
group_vm() {
	local group=$1
	shift
	group_make "$group"
	vm_start "$@" --hold
	echo $vm_pid >"$groups/$group/cgroup.procs"
}

# groups_remove HIERARCHY: those that these scenarios make.
groups_remove() {
	local dir
	for dir in "$1"/machine "$1"/machine.slice; do
		[ ! -d "$dir" ] || find "$dir" -depth -type d -exec rmdir {} +
	done
}

# groups_end: their VMs are gone.
groups_end() {
	groups_remove $groups
	echo '-io -memory' >$groups/cgroup.subtree_control
}

# vm_work FILE: it does all, and stays.
vm_work() {
	echo go >"$1.in"
	await ^done "$1.out"
}

# group_counts FILE GROUP DISK: the kernel's own counts of that cgroup.
group_counts() {
	grep "^$(cat /sys/block/"$3"/dev) " "$groups/$2/io.stat" >"$1" || : >"$1"
}

# group_counted FILE FIELD: of what group_counts left.
group_counted() {
	tr ' ' '\n' <"$1" | sed -n "s/^$2=//p" | grep . || echo 0
}

# lossless FILE: what else is to be exact. Else it is told: what the kernel has skipped (from v7.2 on).
lossless() {
	complete_or_told "$1"
	[ "$(value "$1" losses)" = '{}' ]
}

# A file system with files in it, none of it in the page cache
files_begin() {
	local file
	null_disk nullb0 queue_mode=2 memory_backed=1 irqmode=1 size=96
	mke2fs /dev/nullb0 >/dev/null
	mkdir -p /tmp/files
	mount -t ext4 -o noatime /dev/nullb0 /tmp/files
	for file; do
		dd if=/dev/zero of=/tmp/files/"$file" bs=1048576 count=16 2>/dev/null
	done
	# inodes, too: a new one belongs to who first writes to it
	umount /tmp/files
	mount -t ext4 -o noatime /dev/nullb0 /tmp/files
	sync
}

files_end() {
	umount /tmp/files
	null_end nullb0
}

# cgroup v1: the controller's own hierarchy, in which libvirt puts a VM's threads below the VM's cgroup, too.
# In another boot than v2's scenarios: loop's workers keep cgroups for a while, and so the controller.
run_smp4_disk_cgroup_v1() {
	local one two group
	mkdir -p /tmp/blkio
	mount -t cgroup -o blkio cgroup /tmp/blkio 2>/dev/null || skip "no cgroup v1 here"
	modprobe loop max_loop=2 2>/dev/null || true
	files_begin one two
	losetup /dev/loop0 /tmp/files/one
	losetup /dev/loop1 /tmp/files/two
	mkdir -p /tmp/blkio/machine/qemu-1-db1.libvirt-qemu/emulator /tmp/blkio/machine/qemu-2-web1.libvirt-qemu
	vm_start one db1 --out 3 --disk /dev/loop0 --disk-reads 1009 --hold
	one=$vm_pid
	echo "$one" >/tmp/blkio/machine/qemu-1-db1.libvirt-qemu/emulator/cgroup.procs
	vm_start two web1 --out 3 --disk /dev/loop1 --disk-reads 503 --hold
	two=$vm_pid
	echo "$two" >/tmp/blkio/machine/qemu-2-web1.libvirt-qemu/cgroup.procs
	# it counts where there is a limit
	for group in qemu-1-db1.libvirt-qemu/emulator qemu-2-web1.libvirt-qemu; do
		echo "$(cat /sys/block/nullb0/dev) 1000000000000" >/tmp/blkio/machine/$group/blkio.throttle.read_bps_device
	done
	scope_start scope disk -j
	vm_work one
	vm_work two
	scope_end scope $scope_pid
	v1_counts db1 qemu-1-db1.libvirt-qemu/emulator
	v1_counts web1 qemu-2-web1.libvirt-qemu
	vm_kill "$one"
	vm_kill "$two"
	losetup -d /dev/loop0
	losetup -d /dev/loop1
	files_end
	groups_remove /tmp/blkio
	umount /tmp/blkio
}

v1_counts() {
	awk -v d="$(cat /sys/block/nullb0/dev)" '$1 == d && $2 == "Read" { n = $3 } END { print n + 0 }' \
		"/tmp/blkio/machine/$2/blkio.throttle.io_service_bytes" >"$1"
}

check_smp4_disk_cgroup_v1() {
	lossless scope.out || return 0
	same "on the loop devices" '[1009, 503]' scope.out '[disk("db1"; "loop0"; "read"), disk("web1"; "loop1"; "read") | .count]'
	# v5.10's loop does not tell
	[ "$(cat db1)" != 0 ] || return 0
	same "below, as the cgroups'" "[$(cat db1), $(cat web1)]" scope.out \
		'[disk("db1", "web1"; "nullb0"; "read").bytes]'
	holds "all that they read" scope.out "[disk(\"db1\", \"web1\"; \"nullb0\"; \"read\").bytes] |
		must(length == 2 and .[0] >= $((1009 * 4096)) and .[1] >= $((503 * 4096)))"
}

# Nobody waits for it: the flusher's kworker writes it.
run_disk_write_back() {
	local one two
	files_begin one two three
	group_vm "$group_db1" one db1 --out 3 --disk /tmp/files/one --disk-buffered --disk-writes 1009
	one=$vm_pid
	group_threads "$group_db1" "$one"
	group_vm "$group_web1" two web1 --out 3 --disk /tmp/files/two --disk-buffered --disk-writes 503 --disk-size 8192
	two=$vm_pid
	group_vm "$group_build" three build --out 3 --disk /tmp/files/three --disk-buffered --disk-writes 211
	scope_start scope disk -j
	vm_work one
	vm_work two
	vm_work three
	cat /sys/block/nullb0/stat >disk.stat0
	sync
	cat /sys/block/nullb0/stat >disk.stat1
	group_counts db1 "$group_db1" nullb0
	group_counts web1 "$group_web1" nullb0
	group_counts build "$group_build" nullb0
	scope_end scope $scope_pid
	vm_kill "$one"
	vm_kill "$two"
	vm_kill "$vm_pid"
	files_end
	groups_end
}

check_disk_write_back() {
	local vm least
	lossless scope.out || return 0
	for vm in db1:$((1009 * 4096)) web1:$((503 * 8192)) build:$((211 * 4096)); do
		least=${vm#*:}
		vm=${vm%:*}
		same "$vm: bytes that its cgroup wrote" "$(group_counted $vm wbytes)" scope.out \
			"[disk(\"$vm\"; \"nullb0\"; \"write\").bytes] | add"
		holds "$vm: and that is what it wrote" scope.out "[disk(\"$vm\"; \"nullb0\"; \"write\").bytes] |
			must(add >= $least and add <= $least + 16384)"
	done
	same "what the disk had" "$(($(stat_of disk 7) * 512))" scope.out \
		'[.[].vms[].disks[] | select(.name == "nullb0" and .op == "write").bytes] | add'
	note "$(value scope.out '[.[].vms[] | {(.name): ([.disks[] | select(.op == "write").bytes] | add)}] | add')"
}

# A loop device's worker, on the disk that its file is on: the loop device itself is the VM's own I/O.
run_disk_loop_below() {
	local one
	modprobe loop max_loop=2 2>/dev/null || true
	files_begin one two
	losetup /dev/loop0 /tmp/files/one
	losetup /dev/loop1 /tmp/files/two
	group_vm "$group_db1" one db1 --out 3 --disk /dev/loop0 --disk-reads 1009 --disk-writes 211
	one=$vm_pid
	group_threads "$group_db1" "$one"
	group_vm "$group_web1" two web1 --out 3 --disk /dev/loop1 --disk-reads 503
	scope_start scope disk -j
	vm_work one
	vm_work two
	sync
	group_counts db1 "$group_db1" nullb0
	group_counts web1 "$group_web1" nullb0
	group_counts db1.loop "$group_db1" loop0
	scope_end scope $scope_pid
	vm_kill "$one"
	vm_kill "$vm_pid"
	losetup -d /dev/loop0
	losetup -d /dev/loop1
	files_end
	groups_end
}

# Before v5.14 (c74d40e8b5e2) loop tells whom it works for only where it bypasses the page cache.
loop_tells() {
	[ "$(group_counted db1 rbytes)" != 0 ] || {
		note "this kernel's loop does not tell whom it works for"
		return 1
	}
}

check_disk_loop_below() {
	local vm
	lossless scope.out || return 0
	same "on the loop devices" '[1009, 211, 503]' scope.out '[disk("db1"; "loop0"; "read", "write"),
		disk("web1"; "loop1"; "read") | .count]'
	same "the cgroup's on the loop device" "[$(group_counted db1.loop rios), $(group_counted db1.loop wbytes)]" scope.out \
		'[(disk("db1"; "loop0"; "read").count), (disk("db1"; "loop0"; "write").bytes)]'
	for vm in db1 web1; do
		same "$vm: below, as its cgroup's" "[$(group_counted $vm rbytes), $(group_counted $vm wbytes)]" scope.out \
			"[([disk(\"$vm\"; \"nullb0\"; \"read\").bytes] | add // 0), ([disk(\"$vm\"; \"nullb0\"; \"write\").bytes] | add // 0)]"
	done
	loop_tells || return 0
	holds "all that they read" scope.out "[disk(\"db1\", \"web1\"; \"nullb0\"; \"read\").bytes] |
		must(length == 2 and .[0] >= $((1009 * 4096)) and .[1] >= $((503 * 4096)))"
	note "$(value scope.out '[.[].vms[] | {(.name): [.disks[] | select(.name == "nullb0") | .op, .bytes]}] | add')"
}

# What blk-throttle holds back, a kworker submits.
run_disk_throttled() {
	local one
	null_disk nullb0 queue_mode=2 irqmode=1 memory_backed=0 size=64
	group_vm "$group_db1" one db1 --out 3 --disk /dev/nullb0 --disk-reads 211 --disk-random --disk-jobs 4
	one=$vm_pid
	group_vm "$group_web1" two web1 --out 3 --disk /dev/nullb0 --disk-writes 1009
	echo "$(cat /sys/block/nullb0/dev) riops=200" >"$groups/$group_db1/io.max" || skip "this kernel does not throttle"
	events_begin block_bio_queue
	scope_start scope disk -j
	vm_go one
	vm_work two
	await ^done one.out
	scope_end scope $scope_pid
	events_end trace
	group_counts db1 "$group_db1" nullb0
	vm_kill "$one"
	vm_kill "$vm_pid"
	null_end nullb0
	groups_end
}

check_disk_throttled() {
	lossless scope.out || return 0
	same "each has its own" '[211, 864256, 1009]' scope.out '[(disk("db1"; "nullb0"; "read") | .count, .bytes),
		disk("web1"; "nullb0"; "write").count]'
	same "as its cgroup's" "[$(group_counted db1 rios), $(group_counted db1 rbytes)]" scope.out \
		'[disk("db1"; "nullb0"; "read") | .count, .bytes]'
	note "$(grep -c 'kworker.*block_bio_queue' trace || true) queued by kworkers; Q2C, p50 $(value scope.out 'disk("db1"; "nullb0"; "read").q2c.p50')"
}

# io_uring's workers; and one who is no thread of the VM's, but in its cgroup: vhost's were so, until v6.4
# (6e890c5d5021).
run_disk_workers() {
	local one
	null_disk nullb0 queue_mode=2 irqmode=1 memory_backed=0 size=64
	group_vm "$group_db1" one db1 --out 3 --disk /dev/nullb0 --disk-uring --disk-reads 1009 --disk-writes 503 --disk-jobs 3
	one=$vm_pid
	group_threads "$group_db1" "$one"
	group_vm "$group_web1" two web1 --out 3 --disk /dev/nullb0 --disk-uring --disk-reads 601
	events_begin block_bio_queue
	scope_start scope disk -j
	vm_work one
	vm_work two
	sh -c 'echo $$ >"$1"; exec dd if=/dev/nullb0 of=/dev/null bs=4096 count=307 iflag=direct' worker \
		"$groups/$group_web1/cgroup.procs" 2>dd.log
	dd if=/dev/nullb0 of=/dev/null bs=8192 count=103 iflag=direct 2>dd.log
	scope_end scope $scope_pid
	events_end trace
	group_counts web1 "$group_web1" nullb0
	vm_kill "$one"
	vm_kill "$vm_pid"
	null_end nullb0
	groups_end
}

check_disk_workers() {
	says one.out 'disk_reads=1009 disk_writes=503 .*disk_errors=0'
	lossless scope.out || return 0
	same "by its own workers" '[1009, 503]' scope.out '[disk("db1"; "nullb0"; "read", "write").count]'
	holds "and it was workers" scope.out \
		"$(grep -c 'io[uw][^ ]*-.*block_bio_queue' trace || true) | must(. >= 2113)"
	same "with who else is in its cgroup" '[908]' scope.out '[disk("web1"; "nullb0"; "read").count]'
	same "as its cgroup's" "$(group_counted web1 rios)" scope.out 'disk("web1"; "nullb0"; "read").count'
	same "others are the host's" '[103, 843776]' scope.out '[disk("(host)"; "nullb0"; "read") | .count, .bytes]'
	holds "and its share" scope.out 'vm("(host)")[0] | [.disk_requests, .disk_requests_of_all] | must(. == [103, 2523])'
}

# program FILE LINE...: a script, to stand for KVMSCOPE or KVMGUEST.
program() {
	local file=$1
	shift
	printf '%s\n' '#!/bin/sh' "$@" >"$file"
	chmod +x "$file"
}

# Without a cgroup of its own: the last hint is that no other VM holds the disk open. Told as well
# where /dev has no disks, as in the unit's sandbox.
run_disk_last_hint() {
	local one two scope real=$KVMSCOPE
	null_disk nullb0 queue_mode=2 irqmode=1 memory_backed=1 size=16
	null_disk nullb1 queue_mode=2 irqmode=1 memory_backed=1 size=16
	vm_start one db1 --out 3 --disk /dev/nullb0 --hold --disk-buffered --disk-writes 211
	one=$vm_pid
	vm_start two web1 --out 3 --disk /dev/nullb1 --hold --disk-buffered --disk-writes 307
	two=$vm_pid
	vm_start three web2 --out 3 --disk /dev/nullb1 --hold
	scope_start scope disk -j
	scope=$scope_pid
	program sandboxed "exec unshare -m sh -c 'mount --make-rprivate / 2>/dev/null
		mount -t tmpfs none /dev && exec \"\$0\" \"\$@\"' $real \"\$@\""
	KVMSCOPE=./sandboxed
	scope_start sandboxed disk -j
	vm_work one
	vm_work two
	vm_work three
	sync
	# a backup
	dd if=/dev/nullb0 of=/dev/null bs=8192 count=103 iflag=direct 2>dd.log
	scope_end sandboxed $scope_pid
	scope_end scope "$scope"
	vm_kill "$one"
	vm_kill "$two"
	vm_kill "$vm_pid"
	null_end nullb0
	null_end nullb1
}

check_disk_last_hint() {
	last_hint_counts scope
	last_hint_counts sandboxed
}

# last_hint_counts FILE
last_hint_counts() {
	lossless "$1.out" || return 0
	same "$1: one has it alone" $((211 * 4096)) "$1.out" 'disk("db1"; "nullb0"; "write").bytes'
	same "$1: two have the other: nobody's" "[[], $((307 * 4096))]" "$1.out" '[[disk("web1", "web2"; "nullb1"; "write").bytes],
		disk("(host)"; "nullb1"; "write").bytes]'
	same "$1: what the host reads is its own" "[[], $((103 * 8192))]" "$1.out" \
		'[[disk("db1"; "nullb0"; "read").bytes], disk("(host)"; "nullb0"; "read").bytes]'
	holds "$1: and the share of that" "$1.out" '[vm("(host)")[] | [.disk_requests, .disk_requests_of_all]] |
		must(length == 1 and .[0][0] > 0 and .[0][0] < .[0][1])'
}

# Nobody gets a disk by saying that it is theirs: by a file of libvirt's that a user can write, by a descriptor
# that opens nothing, by a path that means another disk to the host.
run_disk_claims() {
	local one two three real=$KVMGUEST dir=/run/user/65534/libvirt/qemu/run
	for one in nullb0 nullb1 nullb2 nullb3 nullb4; do
		null_disk $one queue_mode=2 irqmode=1 memory_backed=1 size=16
	done
	chmod 666 /dev/kvm
	program as_nobody "exec su -s /bin/sh nobody -c \"exec -a qemu-system-x86_64 $real \$*\""
	KVMGUEST=./as_nobody
	vm_start path path --out 3 --path /dev/nullb2 --hold
	three=$vm_pid
	vm_start liar liar --out 3 --hold
	one=$vm_pid
	mkdir -p $dir
	printf '%s' "<domstatus pid='$vm_pid'><domain><name>liar</name><devices>" >$dir/liar.xml
	for two in nullb0 nullb1; do
		printf '%s' "<disk type='block'><source dev='/dev/$two'/><target dev='$two'/></disk>" >>$dir/liar.xml
	done
	printf '%s' '</devices></domain></domstatus>' >>$dir/liar.xml
	chown -R nobody /run/user/65534
	KVMGUEST=$real
	vm_start victim db1 --out 3 --disk /dev/nullb1 --hold --disk-buffered --disk-writes 211
	two=$vm_pid
	# its /dev/nullb4 is nullb3
	program elsewhere "exec unshare -m sh -c 'mount --make-rprivate / 2>/dev/null
		mknod other b $(tr : ' ' </sys/block/nullb3/dev)
		mount --bind other /dev/nullb4 && exec -a qemu-system-x86_64 \"\$0\" \"\$@\"' $real \"\$@\""
	KVMGUEST=./elsewhere
	vm_start jailed web1 --out 3 --disk /dev/nullb4 --hold --disk-buffered --disk-writes 101
	"$KVMSCOPE" vms -j >vms.out
	scope_start scope disk -j
	vm_work victim
	vm_work jailed
	# the host's own: held open, or dd's end would write it all
	exec 7<>/dev/nullb4 8<>/dev/nullb0 9<>/dev/nullb2
	dd if=/dev/zero of=/dev/nullb0 bs=4096 count=307 2>dd.log
	dd if=/dev/zero of=/dev/nullb2 bs=4096 count=53 2>dd.log
	dd if=/dev/zero of=/dev/nullb4 bs=4096 count=59 2>dd.log
	sync
	exec 7<&- 8<&- 9<&-
	dd if=/dev/nullb0 of=/dev/null bs=8192 count=103 iflag=direct 2>dd.log
	scope_end scope $scope_pid
	vm_kill "$one"
	vm_kill "$two"
	vm_kill "$three"
	vm_kill "$vm_pid"
	rm -r /run/user/65534
	for one in nullb0 nullb1 nullb2 nullb3 nullb4; do
		null_end $one
	done
}

check_disk_claims() {
	holds "its file is read" vms.out '[.[].vms[] | select(.name == "liar") | .disks[].source] |
		must(sort == ["/dev/nullb0", "/dev/nullb1"])'
	lossless scope.out || return 0
	same "who has no disk open has no I/O" '[]' scope.out '[vm("liar", "path")[].disks[] | .name, .bytes]'
	same "what the host does is the host's" "[$((307 * 4096)), $((53 * 4096)), $((59 * 4096)), $((103 * 8192))]" scope.out \
		'[(disk("(host)"; "nullb0", "nullb2", "nullb4"; "write"), disk("(host)"; "nullb0"; "read")) | .bytes]'
	same "who has one open is not robbed of it" $((211 * 4096)) scope.out 'disk("db1"; "nullb1"; "write").bytes'
	same "what is open counts, not what it is called" "[\"nullb3\", $((101 * 4096))]" scope.out \
		'vm("web1")[].disks[] | select(.op == "write") | [.name, .bytes]'
}

# A loop device's file whose path leads to where nobody answers: looked up, it would keep us waiting.
run_disk_loop_unanswered() {
	modprobe loop max_loop=2 2>/dev/null || true
	modprobe dm_mod 2>/dev/null || true
	modprobe ext4 2>/dev/null || true
	null_disk nullb0 queue_mode=2 memory_backed=1 irqmode=1 size=64
	echo '0 131072 linear /dev/nullb0 0' | dmsetup create --noudevsync below
	dmsetup mknodes 2>/dev/null || true
	mke2fs /dev/mapper/below >/dev/null
	mkdir -p /tmp/over/inner
	truncate -s 16M /tmp/over/inner/image
	losetup /dev/loop0 /tmp/over/inner/image
	mount -t ext4 /dev/mapper/below /tmp/over
	mkdir /tmp/over/inner
	umount /tmp/over
	mount -t ext4 /dev/mapper/below /tmp/over
	echo 3 >/proc/sys/vm/drop_caches
	vm_start vm db1 --out 3 --disk /dev/loop0 --disk-reads 211
	scope_start scope disk -j
	dmsetup suspend --nolockfs --noudevsync below
	vm_go vm
	vm_end vm $vm_pid
	kill -INT $scope_pid
	until_true 20 test -s scope.out || echo "it waits" >waits
	dmsetup resume --noudevsync below
	scope_wait scope $scope_pid
	umount /tmp/over
	dmsetup remove --noudevsync below
	losetup -d /dev/loop0
	null_end nullb0
}

check_disk_loop_unanswered() {
	[ ! -e waits ] || failed "it waits for the file"
	lossless scope.out || return 0
	same "and its file is told" '[["/tmp/over/inner/image", 211]]' scope.out '[disk("db1"; "loop0"; "read") | [.alias, .count + .merged]]'
}

# --- D2C alone: the cgroup tells whose a request is, while each VM has its own

# grouped GROUP FILE VM OPTION...: a VM in there, held; "-": in the root, which is nobody's. Sets vm_pid.
grouped() {
	local group=$1
	shift
	if [ "$group" = - ]; then
		vm_start "$@" --hold
	else
		group_vm "$group" "$@"
	fi
}

# by_cgroup_run FILE GROUP-OF-DB1 GROUP-OF-WEB1: both work, and so does the host.
by_cgroup_run() {
	local file=$1 one scope
	grouped "$2" "$file.one" db1 --out 3 --disk /dev/nullb0 --disk-reads 1009 --disk-writes 503 --disk-flushes 53 \
		--disk-jobs 3
	one=$vm_pid
	grouped "$3" "$file.two" web1 --out 3 --disk /dev/nullb0 --disk-uring --disk-reads 601
	cat /sys/block/nullb0/stat >"$file.stat0"
	scope_start "$file" disk -j --stages d2c
	scope=$scope_pid
	scope_start "$file.web1" disk -j --stages d2c -n web1
	vm_work "$file.one"
	vm_work "$file.two"
	dd if=/dev/nullb0 of=/dev/null bs=8192 count=103 iflag=direct 2>dd.log
	scope_end "$file.web1" $scope_pid
	scope_end "$file" "$scope"
	cat /sys/block/nullb0/stat >"$file.stat1"
	vm_kill "$one"
	vm_kill "$vm_pid"
}

run_disk_by_cgroup() {
	local one
	null_disk nullb0 queue_mode=2 irqmode=1 memory_backed=1 cache_size=8 size=16
	schedule nullb0 mq-deadline || schedule nullb0 none
	by_cgroup_run own "$group_db1" "$group_web1"
	by_cgroup_run shared machine.slice/both machine.slice/both
	by_cgroup_run none "$group_db1" -
	# one that comes while we trace
	group_vm "$group_db1" early db1 --out 3 --disk /dev/nullb0 --disk-reads 307
	one=$vm_pid
	scope_start late disk -j --stages d2c 1
	await '"disk_told_by":"cgroup"' late.out
	vm_start late.vm web1 --out 3 --disk /dev/nullb0 --disk-reads 211 --hold
	await '"disk_told_by":"task"' late.out
	vm_work early
	vm_work late.vm
	scope_end late $scope_pid
	vm_kill "$one"
	vm_kill "$vm_pid"
	groups_end
	# cgroups of their own, which the controller does not know
	mkdir -p "$groups/$group_db1" "$groups/$group_web1"
	vm_start off.one db1 --out 3 --disk /dev/nullb0 --disk-reads 307 --hold
	one=$vm_pid
	echo $one >"$groups/$group_db1/cgroup.procs"
	vm_start off.two web1 --out 3 --disk /dev/nullb0 --disk-reads 211 --hold
	echo $vm_pid >"$groups/$group_web1/cgroup.procs"
	scope_start off disk -j --stages d2c
	vm_work off.one
	vm_work off.two
	scope_end off $scope_pid
	vm_kill "$one"
	vm_kill "$vm_pid"
	groups_remove $groups
	null_end nullb0
}

# by_cgroup_counts FILE WAY
by_cgroup_counts() {
	says "$1.one.out" 'disk_reads=1009 disk_writes=503 disk_flushes=53 .*disk_errors=0'
	holds "$1: told by" "$1.out" '[.[].vms[].disk_told_by // empty] | must(unique == [$way])' --arg way "$2"
	lossless "$1.out" || return 0
	same "$1: each has its own" '[1009, 503, 53, 601, 103]' "$1.out" '[(disk("db1"; "nullb0"; "read", "write", "flush"),
		disk("web1"; "nullb0"; "read"), disk("(host)"; "nullb0"; "read")) | .count + .merged]'
	same "$1: and its bytes" "[$((1009 * 4096)), $((503 * 4096)), 0, $((601 * 4096)), $((103 * 8192))]" "$1.out" \
		'[(disk("db1"; "nullb0"; "read", "write", "flush"), disk("web1"; "nullb0"; "read"), disk("(host)"; "nullb0"; "read")).bytes]'
	same "$1: the kernel's count" "[$(stat_of "$1" 1), $(($(stat_of "$1" 3) * 512)), $(($(stat_of "$1" 7) * 512))]" "$1.out" \
		'[host_disk("nullb0"; "read"), (("read", "write") as $op | [.[].vms[].disks[] | select(.op == $op).bytes] | add)]'
	same "$1: the kernel's merges" "[$(stat_of "$1" 2), $(stat_of "$1" 6)]" "$1.out" '[("read", "write") as $op |
		[.[].vms[].disks[] | select(.op == $op).merged] | add]'
	holds "$1: each D2C, and no other" "$1.out" '[.[].vms[].disks[] | select(.op == "read" or .op == "write") |
		[.d2c.count == .count, .q2c, .i2d, .in_flight]] | must(length == 4 and all(. == [true, null, null, 0]))'
	same "$1: of one VM alone" '[["read", 601]]' "$1.web1.out" '[vm("web1")[].disks[] | [.op, .count + .merged]]'
	same "$1: and nothing of the other" '[]' "$1.web1.out" '[vm("db1")[]]'
}

check_disk_by_cgroup() {
	by_cgroup_counts own cgroup
	by_cgroup_counts shared task
	by_cgroup_counts none task
	holds "a VM has come" late.out '[.[].vms[].disk_told_by // empty] | must(.[0] == "cgroup" and .[-1] == "task")'
	lossless late.out || return 0
	same "and each has its own, before and after" '[307, 211]' late.out '[("db1", "web1") as $vm |
		[disk($vm; "nullb0"; "read") | .count + .merged] | add]'
	same "without the controller" '["task", 307, 211]' off.out '[vm("(host)")[0].disk_told_by,
		(disk("db1", "web1"; "nullb0"; "read") | .count + .merged)]'
}

# What QEMU's scsi-block passes on: a command's bio has neither a device nor a cgroup.
run_disk_scsi_commands() {
	local other scope
	scsi_disk
	group_vm "$group_web1" two web1 --out 3
	other=$vm_pid
	group_vm "$group_db1" one db1 --out 3 --disk /dev/"$scsi_name" --disk-commands 101
	echo "$scsi_name" >disk
	scope_start all disk -j
	scope=$scope_pid
	scope_start d2c disk -j --stages d2c
	vm_work one
	scope_end d2c $scope_pid
	scope_end all "$scope"
	vm_kill "$vm_pid"
	vm_kill "$other"
	groups_end
	rmmod scsi_debug
}

check_disk_scsi_commands() {
	local file
	says one.out 'disk_commands=101 disk_errors=0'
	holds "told by the cgroup" d2c.out '[.[].vms[].disk_told_by // empty] | must(unique == ["cgroup"])'
	for file in all d2c; do
		lossless $file.out || continue
		same "$file: theirs who has the disk" "[101, $((101 * 512)), 101]" $file.out \
			"[disk(\"db1\"; \"$(cat disk)\"; \"other\") | .count, .bytes, .d2c.count]"
		same "$file: and on no other disk" "[\"$(cat disk)\"]" $file.out '[.[].vms[].disks[].name] | unique'
	done
}
