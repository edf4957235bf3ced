# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # jq variables; lists; set by lib-vm.sh and lib.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios: disks upon disks, disks of several ways, disks that come and go, and requests that do
# not go straight through. suite-disk.sh has what makes disks.

# events_begin EVENT...: the kernel's own trace of block events.
events_begin() {
	local event
	echo 0 >$tracing/tracing_on
	: >$tracing/trace
	for event; do
		echo 1 >$tracing/events/block/"$event"/enable
	done
	echo 1 >$tracing/tracing_on
}

# events_end FILE
events_end() {
	echo 0 >$tracing/events/block/enable
	cat $tracing/trace >"$1"
	: >$tracing/trace
}

# traced FILE EVENT DISK-FILE: how many such lines there are, of the disk whose "M:m" is in there.
traced() {
	grep -c "$2: $(tr : , <"$3") " "$1" || true
}

md_name=md0

# md_begin LEVEL DISK DISK: /dev/$md_name of two, without mdadm and metadata. Documentation/admin-guide/md.rst.
md_begin() {
	local level=$1 disk slot=0 size md=/sys/block/$md_name/md async=/sys/module/md_mod/parameters/legacy_async_del_gendisk
	shift
	modprobe md_mod
	[ ! -e $async ] || echo N >$async # v6.18 has it: an array that is cleared stays else
	modprobe "$level"
	echo "$md_name" >/sys/module/md_mod/parameters/new_array
	until_true 20 test -d "$md" || die "no $md_name"
	echo none >"$md"/metadata_version
	echo "$level" >"$md"/level
	[ "$level" != raid0 ] || echo 65536 >"$md"/chunk_size
	echo 2 >"$md"/raid_disks
	size=$(($(cat /sys/block/"$1"/size) / 2))
	for disk; do
		cat /sys/block/"$disk"/dev >"$md"/new_dev
		echo $size >"$md"/dev-"$disk"/size
		echo $slot >"$md"/dev-"$disk"/slot
		slot=$((slot + 1))
	done
	echo none >"$md"/resync_start
	echo $size >"$md"/component_size
	echo active >"$md"/array_state
	await_disk "$md_name"
}

md_end() {
	echo clear >/sys/block/"$md_name"/md/array_state
}

# A disk goes, and the next that comes has its numbers: as NVMe's do, whose names then differ.
run_disk_renamed() {
	local minor host
	null_disk nullb0 queue_mode=2 memory_backed=1 irqmode=1 size=16
	null_disk nullb1 queue_mode=2 memory_backed=1 irqmode=1 size=16
	md_name=md_one
	md_begin raid0 nullb0 nullb1
	minor=$(cut -d : -f 2 /sys/block/md_one/dev)
	scope_start host disk -j
	host=$scope_pid
	scope_start scope disk -j 0.5
	dd if=/dev/md_one of=/dev/null bs=4096 count=103 iflag=direct 2>dd.log
	md_end
	until_true 20 test ! -e /sys/block/md_one || die "md_one stays"
	md_name=md$minor
	md_begin raid0 nullb0 nullb1
	dd if=/dev/"$md_name" of=/dev/null bs=4096 count=53 iflag=direct 2>dd.log
	scope_end host "$host"
	vm_start vm db1 --out 3 --disk /dev/"$md_name" --disk-reads 211
	await '"name":"db1"' scope.out
	vm_go vm
	vm_end vm $vm_pid
	scope_end scope $scope_pid
	md_end
	echo "$minor" >minor
	null_end nullb0
	null_end nullb1
}

check_disk_renamed() {
	local minor
	minor=$(cat minor)
	lossless host.out || return 0
	same "numbers that two had go by the last" "[\"md$minor\"]" host.out \
		"[.[].vms[].disks[] | select(.dev == \"9:$minor\").name] | unique"
	lossless scope.out || return 0
	same "a VM's by the name that it has" "[\"md$minor\"]" scope.out \
		"[vm(\"db1\")[].disks[] | select(.dev == \"9:$minor\").name] | unique"
	same "all of it" 211 scope.out "[disk(\"db1\"; \"md$minor\"; \"read\").count] | add"
}

run_disk_mirror() {
	null_disk nullb0 queue_mode=2 memory_backed=1 irqmode=1 size=16
	null_disk nullb1 queue_mode=2 memory_backed=1 irqmode=1 size=16
	md_begin raid1 nullb0 nullb1
	cat /sys/block/nullb1/stat >second.stat0
	disk_run mirror md0 -- --disk-reads 1009 --disk-writes 503
	cat /sys/block/nullb1/stat >second.stat1
	md_end
	# stripes of 64 KiB: what is larger is cut, and what lies across the border of two
	md_begin raid0 nullb0 nullb1
	dd if=/dev/md0 of=/dev/null count=1 2>dd.log # its first opening has the kernel look for partitions
	cat /sys/block/nullb0/stat >first.stat0
	cat /sys/block/nullb1/stat >other.stat0
	disk_run stripes md0 -- --disk-reads 11 --disk-writes 7 --disk-size 1048576
	cat /sys/block/nullb0/stat >first.stat1
	cat /sys/block/nullb1/stat >other.stat1
	md_end
	null_end nullb0
	null_end nullb1
}

check_disk_mirror() {
	complete_or_told mirror.out
	[ "$(value mirror.out losses)" = '{}' ] || return 0
	same "counts, bytes" '[1009, 4132864, 503, 2060288]' mirror.out \
		'[disk("db1"; "md0"; "read", "write") | .count, .bytes]'
	holds "without requests: Q2C alone" mirror.out '[disk("db1"; "md0"; "read", "write") |
		[.q2c.count == .count, .d2c]] | must(all(. == [true, null]))'
	same "below, each is written" '[503, 503]' mirror.out '[host_disk(("nullb0", "nullb1"); "write")]'
	same "and one is read" 1009 mirror.out 'host_disk("nullb0"; "read") + host_disk("nullb1"; "read")'
	same "the second's, as the kernel counts" "[$(stat_of second 1), $(stat_of second 5)]" mirror.out \
		'[host_disk("nullb1"; "read", "write")]'
	same "what went where" '[["nullb0", "nullb1"], 2015]' mirror.out '[.[].vms[].remaps[] | select(.from == "md0")] |
		[(map(.to) | unique), (map(.count) | add)]'
	stripes_counts
}

# 1 MiB is 16 stripes.
stripes_counts() {
	complete_or_told stripes.out
	[ "$(value stripes.out losses)" = '{}' ] || return 0
	same "stripes: bytes" "[$((11 << 20)), $((7 << 20))]" stripes.out '[disk("db1"; "md0"; "read", "write").bytes]'
	same "stripes: pieces, each with its Q2C, and how many were cut off" '[176, 176, 165, 112, 112, 105]' stripes.out \
		'[disk("db1"; "md0"; "read", "write") | .count, .q2c.count, .split]'
	same "stripes: what went where" "[[\"nullb0\", $((9 << 20))], [\"nullb1\", $((9 << 20))]]" stripes.out '[.[].vms[].remaps[] |
		select(.from == "md0") | [.to, .bytes]] | sort'
	if [ "$(value stripes.out '[disk("db1"; "md0"; "read").d2c] | .[0] == null')" = false ]; then
		# before v5.14 raid0 sends the bio itself on, not a clone: requests have its disk, as with multipath
		same "stripes: requests are the array's" '[176, 112]' stripes.out '[disk("db1"; "md0"; "read", "write").d2c.count]'
		return
	fi
	same "stripes: below, as the kernel counts" "[$(stat_of first 1), $(stat_of other 1), $(stat_of first 5), $(stat_of other 5)]" \
		stripes.out '[("read", "write") as $op | host_disk(("nullb0", "nullb1"); $op)]'
	same "stripes: half of it each" "[$((11 << 19)), $((11 << 19)), $((7 << 19)), $((7 << 19))]" stripes.out '[("read", "write") as $op |
		disk("db1"; "nullb0", "nullb1"; $op).bytes]'
}

# Two ways to one namespace, of which the kernel makes one disk; it takes turns where it is told to.
run_disk_multipath() {
	local dir head=
	for dir in /sys/class/nvme-subsystem/*/nvme*n*; do
		[ ! -b /dev/"${dir##*/}" ] || head=${dir##*/}
	done
	[ -n "$head" ] || skip "this kernel has no multipath of NVMe"
	echo round-robin >/sys/class/nvme-subsystem/"$(basename "$(dirname "$dir")")"/iopolicy
	path_stats "$head" >paths.stat0
	disk_run multi "$head" -- --disk-reads 1009 --disk-writes 503
	path_stats "$head" >paths.stat1
}

# path_stats HEAD: "NAME FIELDS" of each way to it, which has no device file.
path_stats() {
	local dir
	for dir in /sys/block/"${1%n*}"c*n*; do
		echo "${dir##*/} $(cat "$dir"/stat)"
	done
}

check_disk_multipath() {
	local disk
	disk=$(cat multi.disk)
	complete_or_told multi.out
	[ "$(value multi.out losses)" = '{}' ] || return 0
	same "counts, bytes: of the one disk that it has" '[1009, 4132864, 503, 2060288]' multi.out \
		"[disk(\"db1\"; \"$disk\"; \"read\", \"write\") | .count, .bytes]"
	holds "with the stages of the way that it took" multi.out "[disk(\"db1\"; \"$disk\"; \"read\", \"write\") |
		.q2c.count == .count and .q2g.count == .count and .d2c.count == .count] | must(all and length == 2)"
	holds "by two ways" multi.out "[vm(\"db1\")[].remaps[] | select(.from == \"$disk\")] |
		must((map(.to) | unique | length) == 2 and (map(.count) | add) == 1512)"
	same "as many by each as the kernel says" "$(paste paths.stat0 paths.stat1 |
		awk '{ print "[\"" $1 "\"," $(NF / 2 + 2) + $(NF / 2 + 6) - $2 - $6 "]" }' | jq -s -c sort)" \
		multi.out "[vm(\"db1\")[].remaps[] | [.to, .count]] | sort"
	note "$(value multi.out '[.[].vms[].remaps[] | {(.to): .count}] | add')"
}

# Partitions are their disk; each VM has its own.
run_disk_partitions() {
	local one
	scsi_disk num_parts=2
	until_true 20 test -b /dev/"$scsi_name"2 || die "no partitions"
	vm_start one db1 --out 3 --disk /dev/"$scsi_name"1 --disk-reads 503
	one=$vm_pid
	vm_start two web1 --out 3 --disk /dev/"$scsi_name"2 --disk-writes 211
	scope_start scope disk -j
	vm_go one
	vm_go two
	vm_end one "$one"
	vm_end two "$vm_pid"
	scope_end scope $scope_pid
	echo "$scsi_name" >disk
	rmmod scsi_debug
}

check_disk_partitions() {
	complete_or_told scope.out
	[ "$(value scope.out losses)" = '{}' ] || return 0
	same "counts" '[503, 211]' scope.out "[disk(\"db1\"; \"$(cat disk)\"; \"read\"), disk(\"web1\"; \"$(cat disk)\"; \"write\") | .count]"
	same "no other disk, and nothing that lies upon another" "[[\"$(cat disk)\"], []]" scope.out \
		'[([.[].vms[].disks[].name] | unique), [.[].vms[].remaps[]]]'
}

# Is that VM known by now?
knows() {
	scope_report scope "$1"
	tail -n 1 scope.out | grep -q "\"name\":\"$2\""
}

# Disks that come and go while it is traced, and VMs.
run_disk_hotplug() {
	vm_start idle web1 --out 3
	scope_start scope disk -j
	scsi_disk
	echo "$scsi_name" >disk
	vm_start one db1 --out 3 --disk /dev/"$scsi_name" --disk-reads 211
	until_true 20 knows $scope_pid db1 || die "it does not see db1"
	vm_go one
	vm_end one $vm_pid
	rmmod scsi_debug
	modprobe loop max_loop=2 2>/dev/null || true
	truncate -s 16M image
	losetup /dev/loop0 image
	vm_start two db2 --out 3 --disk /dev/loop0 --disk-reads 307
	until_true 20 knows $scope_pid db2 || die "it does not see db2"
	vm_go two
	vm_end two $vm_pid
	losetup -d /dev/loop0
	scope_end scope $scope_pid
	vm_kill "$(head -n 1 "$PIDS")"
}

check_disk_hotplug() {
	complete_or_told scope.out
	[ "$(value scope.out losses)" = '{}' ] || return 0
	same "one that is gone" 211 scope.out "[disk(\"db1\"; \"$(cat disk)\"; \"read\").count] | add"
	same "one that came" 307 scope.out '[disk("db2"; "loop0"; "read").count] | add'
	same "nothing is left in flight" 0 scope.out '[.[-1].vms[].disks[].in_flight] | add // 0'
}

# --- requests that do not go straight through

# scsi_traced EVENT NAME WORK...: a VM's work on the adapter's disk, and the events meanwhile; then it is gone.
scsi_traced() {
	local event=$1 name=$2
	shift 2
	events_begin "$event"
	disk_run "$name" "$scsi_name" -- "$@"
	events_end trace
	cat /sys/block/"$scsi_name"/dev >dev
	rmmod scsi_debug
}

# Every 7th command finds the adapter busy, and is issued again: its D2C is that of the last time. (The event
# block_rq_requeue fires too for those that the driver did not take yet, and so have not been issued.)
run_disk_requeues() {
	scsi_disk every_nth=7 opts=0x8000
	schedule "$scsi_name" none || true
	scsi_traced block_rq_issue busy --disk-reads 503 --disk-random --disk-jobs 2
}

check_disk_requeues() {
	local disk n
	disk=$(cat busy.disk)
	n=$(($(traced trace block_rq_issue dev) - 503))
	complete_or_told busy.out
	[ "$(value busy.out losses)" = '{}' ] || return 0
	[ "$n" != 0 ] || failed "this kernel's adapter is never busy"
	same "each counted once, $n requeued" "[503, 503, 503, $n]" busy.out \
		"[disk(\"db1\"; \"$disk\"; \"read\") | .count, .d2c.count, .q2c.count, .requeued]"
	same "the kernel's count" "$(stat_of busy 1)" busy.out "host_disk(\"$disk\"; \"read\")"
	note "$n requeued"
}

# A bad sector in the middle of one request of 64 KiB: what is before it is done, the rest fails.
run_disk_bad_sector() {
	scsi_disk opts=2
	echo 64 >/sys/block/"$scsi_name"/queue/max_sectors_kb
	scsi_traced block_rq_complete bad --disk-reads 61 --disk-size 65536
}

check_disk_bad_sector() {
	local disk n
	disk=$(cat bad.disk)
	n=$(traced trace block_rq_complete dev)
	complete_or_told bad.out
	says bad.vm.out 'disk_reads=60 .*disk_errors=1'
	same "partial ones are no requests" "[61, $((n - 61))]" bad.out \
		"[disk(\"db1\"; \"$disk\"; \"read\") | .count, .partial]"
	holds "some are partial" bad.out "[disk(\"db1\"; \"$disk\"; \"read\").partial] | must(add > 0)"
	same "one failed, and why" '[1, [{"count": 1, "status": "medium"}]]' bad.out \
		"disk(\"db1\"; \"$disk\"; \"read\") | [.errors, .errors_by]"
	note "$n completions of 61 requests"
}
