# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh and lib.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios of block I/O. What is right is known beforehand (kvmguest's counts, primes), and is what
# the kernel's own counts say: /sys/block/DISK/stat.

# --- disks

# null_disk NAME ATTRIBUTE=VALUE...: a null_blk.
null_disk() {
	local name=$1 attribute dir=/sys/kernel/config/nullb
	shift
	[ -d $dir ] || {
		modprobe null_blk nr_devices=0
		mount -t configfs configfs /sys/kernel/config
	}
	mkdir $dir/"$name"
	for attribute; do
		echo "${attribute#*=}" >$dir/"$name/${attribute%%=*}"
	done
	echo 1 >$dir/"$name"/power
	# the kernel calls it by its number, or by this name: the same where that is nullbN
	null_name=$name
	await_disk "$null_name"
}

null_end() {
	echo 0 >/sys/kernel/config/nullb/"$1"/power
	rmdir /sys/kernel/config/nullb/"$1"
}

await_disk() {
	until_true 20 test -b /dev/"$1" || die "no disk $1"
}

schedule() {
	# the kernel would load them by names that only depmod's lists tell
	modprobe "$2" 2>/dev/null || modprobe "$2-iosched" 2>/dev/null || true
	echo "$2" >/sys/block/"$1"/queue/scheduler 2>/dev/null &&
		grep -q "\[$2\]" /sys/block/"$1"/queue/scheduler
}

# disk_run FILE DISK SCOPE-OPTIONS -- KVMGUEST-OPTIONS: a VM db1 works on a disk, all of it traced.
disk_run() {
	local file=$1 disk=$2 options=
	shift 2
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	vm_start "$file.vm" db1 $few_ops --disk /dev/"$disk" "$@"
	cat /sys/block/"$disk"/stat >"$file.stat0"
	scope_start "$file" disk -j -H $options
	vm_go "$file.vm"
	vm_end "$file.vm" $vm_pid
	scope_end "$file" $scope_pid
	cat /sys/block/"$disk"/stat >"$file.stat1"
	echo "$disk" >"$file.disk"
}

# stat_of FILE FIELD: by how much a field of the kernel's own count grew: Documentation/block/stat.rst.
stat_of() {
	paste "$1.stat0" "$1.stat1" | awk -v f="$2" '{ print $(f + NF / 2) - $f }'
}

# --- exact counts

disk_jobs="--disk-reads 10007 --disk-writes 5003 --disk-random --disk-jobs 4"

run_disk_null_blk() {
	local scheduler
	null_disk nullb0 queue_mode=2 memory_backed=0 irqmode=1 size=256 submit_queues=1
	for scheduler in none mq-deadline kyber; do
		schedule "$null_name" $scheduler || {
			echo "no $scheduler" >>missing
			continue
		}
		disk_run "$scheduler" "$null_name" -- $disk_jobs
	done
	null_end nullb0
}

# covered FILE DISK OPERATION N: db1's count is N, or less and what is told as lost covers the rest. What comes
# in a row may be merged.
covered() {
	holds "$1: $3s, with what was told" "$1" '{count: ([disk("db1"; $disk; $op) | .count + .merged] | add // 0), losses: losses} |
		must(covers($n))' --arg disk "$2" --arg op "$3" --argjson n "$4"
}

# disk_counts FILE READS WRITES SIZE: what must be so for any request-based disk. What one job submits beside
# another's may be merged with it.
disk_counts() {
	local file=$1 reads=$2 writes=$3 size=$4 disk
	disk=$(cat "$file.disk")
	status_is "$file" 0
	complete_or_told "$file.out"
	covered "$file.out" "$disk" read "$reads"
	covered "$file.out" "$disk" write "$writes"
	[ "$(value "$file.out" losses)" = '{}' ] || return 0
	same "$file: counts" "[$reads, $writes]" "$file.out" \
		"[disk(\"db1\"; \"$disk\"; \"read\", \"write\") | .count + .merged]"
	same "$file: bytes" "[$((reads * size)), $((writes * size))]" "$file.out" \
		"[disk(\"db1\"; \"$disk\"; \"read\", \"write\").bytes]"
	same "$file: the kernel's count" "[$(stat_of "$file" 1), $(stat_of "$file" 5)]" "$file.out" \
		"[host_disk(\"$disk\"; \"read\", \"write\")]"
	same "$file: the kernel's merges" "[$(stat_of "$file" 2), $(stat_of "$file" 6)]" "$file.out" "[(\"read\", \"write\") as \$op |
		[.[].vms[].disks[] | select(.name == \"$disk\" and .op == \$op).merged] | add]"
	holds "$file: Q2C, D2C and sizes are all there" "$file.out" "[disk(\"db1\"; \"$disk\"; \"read\", \"write\") |
		[.q2c.count - .merged, .d2c.count, .size_bytes.count, .count]] | must(length == 2 and all(.[]; unique | length == 1))"
	same "$file: nothing else" '[0, 0]' "$file.out" "[disk(\"db1\"; \"$disk\"; \"read\", \"write\") |
		.errors + .in_flight + .partial + .split]"
}

check_disk_null_blk() {
	local file
	[ ! -s missing ] || note "$(cat missing)"
	for file in none mq-deadline kyber; do
		[ -e $file.out ] || continue
		disk_counts $file 10007 5003 4096
		[ "$(value $file.out losses)" = '{}' ] || continue
		if [ $file = none ]; then
			# v5.10 inserts what comes without a plug, later ones what finds the driver busy: then
			# all that was inserted was issued
			holds "none: no insertion that is not one" none.out '[disk("db1"; "nullb0"; "read", "write") |
				[.g2i.count, .i2d.count, .count]] | must(all(.[]; .[0] == .[1] and (.[0] == null or .[0] <= .[2])))'
		else
			holds "$file: each was inserted" $file.out '[disk("db1"; "nullb0"; "read", "write") |
				.count == .g2i.count and .count == .i2d.count] | must(all and length == 2)'
		fi
		holds "$file: stages are within the whole" $file.out '[disk("db1"; "nullb0"; "read", "write") |
			.q2c.sum - (.q2g.sum + (.g2i.sum // 0) + (.i2d.sum // 0) + .d2c.sum)] |
			must(all(.[]; . >= 0))'
	done
}

# --- other kinds of disks

run_disk_virtio_blk() {
	local disk found=
	modprobe virtio_pci 2>/dev/null || true
	modprobe virtio_blk
	for disk in /sys/block/vd*; do
		[ "$(cat "$disk"/serial)" != kvmscope-extra ] || found=${disk##*/}
	done
	[ -n "$found" ] || die "no virtio disk"
	await_disk "$found"
	disk_run virtio "$found" -- --disk-reads 503 --disk-writes 211 --disk-random --disk-jobs 3
}

check_disk_virtio_blk() {
	disk_counts virtio 503 211 4096
}

run_disk_loop() {
	modprobe loop max_loop=2 2>/dev/null || true
	truncate -s 16M image
	losetup /dev/loop0 image
	disk_run loop loop0 -- --disk-reads 1009 --disk-writes 503 --disk-jobs 2
	# as text, of a VM that ends within the interval
	vm_start ended db1 $few_ops --disk /dev/loop0 --disk-reads 307
	scope_start text disk
	vm_go ended
	vm_end ended $vm_pid
	scope_end text $scope_pid
	losetup -d /dev/loop0
}

check_disk_loop() {
	disk_counts loop 1009 503 4096
	holds "its file" loop.out '[disk("db1"; "loop0"; "read").alias] | must(all(endswith("/image")))'
	says text.out '^db1 +- +- +[0-9.]+ [KM]iB +- +- +0 B$'
	[ "$(value loop.out losses)" = '{}' ] || return 0
	same "it has ended: nobody knows what it asked for, but what devices did" '[null, null, null, null, [], 4132864, 2060288]' \
		loop.out 'vm("db1")[0] | [.vm_read_bytes, .vm_written_bytes, .storage_read_bytes, .storage_written_bytes, .images,
			.device_read_bytes, .device_written_bytes]'
}

# One without requests: Q and C of the bio.
run_disk_brd() {
	modprobe brd rd_nr=1 rd_size=16384
	await_disk ram0
	disk_run brd ram0 -- --disk-reads 1009 --disk-writes 503
	rmmod brd
}

check_disk_brd() {
	complete_or_told brd.out
	same "counts, bytes" '[1009, 4132864, 503, 2060288]' brd.out \
		'[disk("db1"; "ram0"; "read", "write") | .count, .bytes]'
	holds "Q2C alone" brd.out '[disk("db1"; "ram0"; "read", "write") |
		[.q2c.count == .count, .q2g, .g2i, .i2d, .d2c]] | must(all(. == [true, null, null, null, null]))'
}

scsi_disk() {
	local disk
	modprobe sd_mod
	modprobe scsi_debug dev_size_mb=16 "$@"
	until_true 20 sh -c 'ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*:*/block/sd*' >/dev/null ||
		die "no disk of scsi_debug's"
	disk=$(echo /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*:*/block/sd*)
	scsi_name=${disk##*/}
	await_disk "$scsi_name"
}

# A delay of 2 ms is the device's; a disk that takes one request at a time makes the others wait.
run_disk_delay() {
	scsi_disk ndelay=2000000 max_queue=1
	schedule "$scsi_name" mq-deadline || schedule "$scsi_name" none
	disk_run one "$scsi_name" -- --disk-reads 211 --disk-random
	disk_run eight "$scsi_name" -- --disk-reads 503 --disk-random --disk-jobs 8
	rmmod scsi_debug
}

check_disk_delay() {
	local file disk
	disk=$(cat one.disk)
	for file in one eight; do
		complete_or_told $file.out
		holds "$file: the device takes 2 ms" $file.out "[disk(\"db1\"; \"$disk\"; \"read\").d2c.p50] |
			must(all(.[]; . > 1870000 and . < 6000000) and length == 1)"
	done
	covered one.out "$disk" read 211
	covered eight.out "$disk" read 503
	[ "$(value one.out losses)$(value eight.out losses)" = '{}{}' ] || return 0
	same "counts" 211 one.out "[disk(\"db1\"; \"$disk\"; \"read\").count] | add"
	same "counts" 503 eight.out "[disk(\"db1\"; \"$disk\"; \"read\") | .count + .merged] | add"
	holds "one at a time: nobody waits" one.out "[disk(\"db1\"; \"$disk\"; \"read\") |
		(.q2c.sum - .d2c.sum) / .q2c.sum] | must(all(.[]; . < 0.25))"
	holds "eight: they wait before the device" eight.out "[disk(\"db1\"; \"$disk\"; \"read\") |
		(.q2c.sum - .d2c.sum) / .q2c.sum] | must(all(.[]; . > 0.7))"
	holds "and the stages say so" eight.out "[disk(\"db1\"; \"$disk\"; \"read\") |
		((.i2d.sum // 0) + (.q2g.sum // 0) + .d2c.sum) / .q2c.sum] | must(all(.[]; . > 0.9 and . <= 1.001))"
	note "$(value eight.out "[disk(\"db1\"; \"$disk\"; \"read\") | [.q2g.p50, .i2d.p50, .d2c.p50, .requeued]]")"
}

# Every hundredth place of it answers after 20 ms, in jiffies of 4 ms.
run_disk_tail() {
	modprobe dm_mod
	modprobe dm_delay
	null_disk nullb0 queue_mode=2 memory_backed=0 irqmode=1 size=16
	printf '0 792 linear /dev/nullb0 0\n792 8 delay /dev/nullb0 792 20\n' |
		dmsetup create --noudevsync tail
	dmsetup mknodes 2>/dev/null || true
	await_disk dm-0
	disk_run tail dm-0 -- --disk-reads 5003
	dmsetup remove --noudevsync tail
	null_end nullb0
}

check_disk_tail() {
	complete_or_told tail.out
	same "count, Q2C" '[5003, 5003, null]' tail.out \
		'[disk("db1"; "dm-0"; "read") | .count, .q2c.count, .d2c]'
	holds "20 ms are in p99.9, not in p50" tail.out '[disk("db1"; "dm-0"; "read") | [.q2c.p50, .q2c.p999]] |
		must(all(.[]; .[0] < 2000000 and .[1] > 15000000 and .[1] < 60000000))'
	same "the volume's name" '"tail"' tail.out 'disk("db1"; "dm-0"; "read").alias'
	# on v5.10 dm-delay does not tell of the 50 that it has delayed
	holds "what went to the disk below" tail.out '[.[].vms[].remaps[] |
		select(.from == "dm-0" and .to == "nullb0").count] | must(add | . == 5003 or . == 5003 - 50)'
	same "which had as many" 5003 tail.out 'host_disk("nullb0"; "read")'
}

# --- several VMs; failures; flushes; large I/O

run_disk_two_vms() {
	local one two scope scheduler
	null_disk nullb0 queue_mode=2 irqmode=2 completion_nsec=20000 size=64
	for scheduler in none mq-deadline; do
		schedule nullb0 $scheduler || continue
		vm_start one db1 $few_ops --disk /dev/nullb0 --disk-reads 2003 --disk-jobs 3 --disk-random
		one=$vm_pid
		vm_start two web1 $few_ops --disk /dev/nullb0 --disk-writes 1009 --disk-reads 601 \
			--disk-jobs 2 --disk-size 8192
		two=$vm_pid
		scope_start all.$scheduler disk -j
		scope=$scope_pid
		scope_start d2c.$scheduler disk -j --stages d2c
		vm_go one
		vm_go two
		vm_end one "$one"
		vm_end two "$two"
		scope_end d2c.$scheduler $scope_pid
		scope_end all.$scheduler "$scope"
		echo all.$scheduler d2c.$scheduler >>files
	done
	null_end nullb0
}

check_disk_two_vms() {
	local file
	for file in $(cat files); do
		complete_or_told $file.out
		[ "$(value $file.out losses)" = '{}' ] || continue
		same "$file: each has its own" '[2003, 601, 1009]' $file.out '[disk("db1"; "nullb0"; "read"),
			disk("web1"; "nullb0"; "read", "write") | .count + .merged]'
		same "$file: and their bytes" "[$((2003 * 4096)), $((601 * 8192)), $((1009 * 8192))]" $file.out \
			'[disk("db1"; "nullb0"; "read"), disk("web1"; "nullb0"; "read", "write") | .bytes]'
	done
}

# Place 0 of 256 is bad: 40 of 10,007 reads in a row fail.
run_disk_errors() {
	null_disk nullb0 queue_mode=2 irqmode=1 size=1 badblocks=+0-7
	disk_run bad nullb0 -- --disk-reads 10007
	modprobe dm_mod
	echo '0 800 error' | dmsetup create --noudevsync broken
	dmsetup mknodes 2>/dev/null || true
	await_disk dm-0
	disk_run broken dm-0 -- --disk-writes 53
	dmsetup remove --noudevsync broken
	null_end nullb0
}

check_disk_errors() {
	complete_or_told bad.out
	complete_or_told broken.out
	says bad.vm.out 'disk_reads=9967 .*disk_errors=40'
	same "count, those that failed" '[10007, 40, 40]' bad.out \
		'[disk("db1"; "nullb0"; "read") | .count, .errors, (.errors_by | map(.count) | add)]'
	holds "what they say" bad.out '[disk("db1"; "nullb0"; "read").errors_by[].status] |
		must(all(. == "I/O error"))'
	same "without requests" '[53, 53]' broken.out '[disk("db1"; "dm-0"; "write") | .count, .errors]'
}

run_disk_flushes() {
	null_disk nullb0 queue_mode=2 irqmode=1 memory_backed=1 cache_size=8 size=16
	scope_start text disk -v
	text=$scope_pid
	disk_run flush nullb0 -- --disk-writes 503 --disk-flushes 211 --disk-jobs 3
	scope_end text "$text"
	null_end nullb0
}

check_disk_flushes() {
	complete_or_told flush.out
	# what a flush waits for is no stage's, and in no plug
	says text.out '^\(host\)   nullb0   flush '
	says text.out '^  Q -+[0-9.]+ [num]?s-+ G \.+~[0-9.]+ [num]?s\.+ (D -+[0-9.]+ [num]?s-+ )?C   p50$'
	awk '/^[^ ]/ { flush = / flush / } flush' text.out >flushes
	says_not flushes plug
	covered flush.out nullb0 write 503
	covered flush.out nullb0 flush 211
	[ "$(value flush.out losses)" = '{}' ] || return 0
	same "writes, flushes, and all took their way" '[503, 211, 503, 211]' flush.out \
		'[disk("db1"; "nullb0"; "write", "flush") | .count + .merged] +
			[disk("db1"; "nullb0"; "write", "flush") | .q2c.count]'
	holds "the disk's own" flush.out '[vm("(host)")[].disks[] | select(.op == "flush") | [.count, .d2c.count]] |
		must(length == 1 and .[0][0] > 0 and .[0][0] <= 422 and .[0][0] == .[0][1])'
}

# 1 MiB is cut into 16.
run_disk_splits() {
	null_disk nullb0 queue_mode=2 irqmode=1 size=16
	echo 64 >/sys/block/nullb0/queue/max_sectors_kb
	disk_run large nullb0 -- --disk-reads 11 --disk-size 1048576
	null_end nullb0
}

check_disk_splits() {
	complete_or_told large.out
	same "requests, bytes, pieces" "[$(stat_of large 1), $((11 << 20)), true]" large.out \
		'[disk("db1"; "nullb0"; "read") | .count, .bytes, (.split >= 165)]'
	holds "each piece has its time" large.out '[disk("db1"; "nullb0"; "read") |
		[.q2c.count, .count + .merged]] | must(all(.[]; .[0] == .[1]))'
	holds "64 KiB each" large.out '[disk("db1"; "nullb0"; "read").size_bytes.max] | must(all(. <= 65536))'
}

# Through the page cache: what it reads comes from there the second time; what it writes, others
# submit later, in larger pieces.
run_disk_page_cache() {
	null_disk nullb0 queue_mode=2 irqmode=1 memory_backed=1 size=16
	schedule nullb0 mq-deadline || true
	echo 1 >$tracing/events/block/block_bio_backmerge/enable
	echo 1 >$tracing/tracing_on
	vm_start vm db1 $few_ops --disk /dev/nullb0 --hold --disk-buffered --disk-reads 8192 \
		--disk-writes 1009 --disk-flushes 1
	scope_start cached disk -j
	vm_go vm
	await ^done vm.out
	scope_end cached $scope_pid
	vm_kill "$vm_pid"
	cat $tracing/trace >trace
	echo 0 >$tracing/events/block/block_bio_backmerge/enable
	: >$tracing/trace
	null_end nullb0
}

check_disk_page_cache() {
	complete_or_told cached.out
	holds "16 MiB from the disk, of 32" cached.out '[vm("db1")[] | [.vm_read_bytes, .storage_read_bytes] |
		map(. / 1048576)] | must(length == 1 and .[0][0] >= 31.9 and .[0][1] >= 15.9 and .[0][1] <= 16.1)'
	same "merges as in the trace" "$(grep -c 'block_bio_backmerge' trace)" cached.out \
		'[.[].vms[].disks[] | select(.name == "nullb0").merged_back] | add'
	same "bytes written, by whomever" "$((1009 * 4096))" cached.out \
		'[.[].vms[].disks[] | select(.name == "nullb0" and .op == "write").bytes] | add'
	holds "all of it is the VM's, which alone has the disk" cached.out \
		'[disk("db1"; "nullb0"; "write").bytes] | must(add == 4132864)'
}

# Stuck: it shows while it is, and for how long.
is_old() {
	scope_report scope $scope_pid
	grep -qE '"oldest_ns":([4-9][0-9]{8}|[0-9]{10,})' scope.out
}

run_disk_stuck() {
	modprobe dm_mod
	null_disk nullb0 queue_mode=2 irqmode=1 size=16
	echo '0 32768 linear /dev/nullb0 0' | dmsetup create --noudevsync stuck
	dmsetup mknodes 2>/dev/null || true
	await_disk dm-0
	vm_start vm db1 $few_ops --disk /dev/dm-0 --disk-reads 1
	scope_start scope disk -j
	dmsetup suspend --noudevsync --nolockfs stuck
	vm_go vm
	until_true 20 is_old || die "no request gets old"
	wc -l <scope.out >stuck
	dmsetup resume --noudevsync stuck
	vm_end vm "$vm_pid"
	scope_end scope $scope_pid
	dmsetup remove --noudevsync stuck
	null_end nullb0
}

check_disk_stuck() {
	holds "in flight, and since when" scope.out ".[$(cat stuck) - 1:$(cat stuck)] | "'[disk("db1"; "dm-0"; "read") | [.count, .in_flight, .oldest_ns]] |
		must(length == 1 and .[0][0] == 0 and .[0][1] == 1 and .[0][2] > 400000000)'
	holds "and done" scope.out ".[$(cat stuck):] | "'[disk("db1"; "dm-0"; "read") | [.count, .in_flight]] | must(. == [[1, 0]])'
}

# What a VM leaves that is gone: failures under its numbers; and a request that will never end, for the event was
# skipped and the device went away, which nothing but a look for its kind tells. It is planted here.
plant_request() { # SUBJECT
	local zeros='0 0 0 0 0 0 0 0'
	# shellcheck disable=SC2046 # bytes: rq, bio, q, g, i, d, d_first, op, disk, state; and three places more
	bpftool map update name disk_requests key 0 0 0 0 value 1 0 0 0 0 0 0 0 $zeros 1 0 0 0 0 0 0 0 $zeros $zeros $zeros $zeros \
		$(($1 % 256)) $(($1 / 256)) 0 0 2 0 0 0 $(for _ in $(seq 24); do echo "$zeros"; done)
}

# The number of what a VM has read.
reads_subject() {
	bpftool map dump name subject_numbers | tr -dc 'a-z0-9:\n' | awk -F: '
		/^part/ { part = $2 } /^vm/ { vm = $2 } /^domain/ { domain = $2 }
		/^value/ && vm > 0 && domain == 1 && part == 0 { print $2 }'
}

errors_left() {
	bpftool map dump name disk_errors | grep -c status || true
}

is_up_for_long() {
	[ "$(cut -d. -f1 /proc/uptime)" -ge 31 ]
}

run_disk_given_up() {
	local number
	command -v bpftool >/dev/null || skip "no bpftool"
	null_disk nullb0 queue_mode=2 irqmode=1 size=1 badblocks=+0-7
	vm_start vm db1 $few_ops --disk /dev/nullb0 --disk-reads 1009
	scope_start scope disk -j
	vm_go vm
	vm_end vm "$vm_pid"
	until_true 60 is_up_for_long
	number=$(reads_subject)
	[ -n "$number" ] || skip "bpftool does not tell what is in the map"
	plant_request "$number"
	errors_left >errors
	until_true 20 is_forgotten || die "db1 is still there"
	errors_left >>errors
	scope_end scope $scope_pid
	null_end nullb0
}

is_forgotten() {
	scope_report scope $scope_pid
	! tail -n 1 scope.out | grep -q '"name":"db1"'
}

check_disk_given_up() {
	same "it was counted" 1009 scope.out '[disk("db1"; "nullb0"; "read").count] | add'
	holds "in flight as long as it is known" scope.out '[disk("db1"; "nullb0"; "read").in_flight] | must(.[0] == 1)'
	holds "given up, once, and told" scope.out '[complete, losses] | must(. == [false, {"disk_ends_missed": 1}])'
	same "failures that are remembered" '[1, 0]' errors '.'
}

# VMs that die while their I/O goes on: one's is with the driver; the other's has no request, nor a time where D2C alone
# is asked for. Their numbers may be others' only when it has ended.
stuck_disk() { # NAME DISK
	echo "0 16384 linear /dev/$2 0" | dmsetup create --noudevsync "$1"
	dmsetup mknodes 2>/dev/null || true
	until_true 20 test -b /dev/mapper/"$1" || die "no $1"
}

is_stuck() { # DISK SCOPE
	scope_report all "$2"
	tail -n 1 all.out | grep -q '"name":"'"$1"'"'
}

four_in_flight() {
	[ "$(awk '{ print $1 }' /sys/block/loop0/inflight)" -ge 4 ]
}

reads_done() { # DISK
	awk '{ print $1 }' "/sys/block/$1/stat"
}

# have_ended LOOP0 NULLB1: their I/O since these reads were done has.
have_ended() {
	[ "$(awk '{ print $1 }' /sys/block/loop0/inflight)" = 0 ] &&
		[ "$(reads_done loop0)" -ge $(($1 + 4)) ] && [ "$(reads_done nullb1)" -gt "$2" ]
}

run_disk_outlives_vm() {
	local first scope i before
	modprobe dm_mod
	modprobe loop max_loop=2 2>/dev/null || true
	null_disk nullb0 queue_mode=2 irqmode=1 size=16
	null_disk nullb1 queue_mode=2 irqmode=1 size=16
	stuck_disk below nullb0
	stuck_disk stuck nullb1
	losetup /dev/loop0 /dev/mapper/below
	# or the end of who has it open last waits for what it reads
	exec 7</dev/loop0 8</dev/dm-1
	vm_start one db1 --out 3 --disk /dev/loop0 --disk-buffered --disk-random --disk-reads 4 --disk-jobs 4
	first=$vm_pid
	vm_start two db2 --out 3 --disk /dev/dm-1 --disk-buffered --disk-reads 1
	# 3 are unused when the two have died: the next that was given back, db1's disk's, is then a disk's again
	scope_start all disk -j --max-subjects 15
	scope=$scope_pid
	scope_start d2c disk -j --stages d2c
	before="$(reads_done loop0) $(reads_done nullb1)"
	dmsetup suspend --noudevsync --nolockfs below
	dmsetup suspend --noudevsync --nolockfs stuck
	vm_go two
	until_true 20 is_stuck dm-1 "$scope" || die "dm-1 does not get stuck"
	vm_go one
	until_true 20 four_in_flight || die "loop0 does not get stuck"
	is_stuck loop0 "$scope" || die "loop0 is not reported"
	kill -KILL "$first" $vm_pid
	wait "$first" $vm_pid || true
	outlives_reports "$scope"
	dmsetup resume --noudevsync below
	dmsetup resume --noudevsync stuck
	# shellcheck disable=SC2086 # two words
	until_true 20 have_ended $before || die "their I/O does not end: $before, $(cat /sys/block/loop0/stat /sys/block/nullb1/stat)"
	outlives_reports "$scope"
	# who has their numbers then, among them the host on the disks below
	for i in 1 2 3; do
		vm_start web$i web$i $few_ops --disk /dev/nullb1 --disk-reads 53
		scope_report all "$scope"
		vm_go web$i
		vm_end web$i $vm_pid
	done
	dd if=/dev/nullb0 of=/dev/null bs=4096 count=53 iflag=direct 2>dd.log
	dd if=/dev/nullb1 of=/dev/null bs=4096 count=53 iflag=direct 2>dd.log
	scope_end d2c $scope_pid
	scope_end all "$scope"
	exec 7<&- 8<&-
	losetup -d /dev/loop0
	dmsetup remove --noudevsync below
	dmsetup remove --noudevsync stuck
	null_end nullb0
	null_end nullb1
}

# So many that numbers of a VM that is gone are given back.
outlives_reports() {
	local i
	for i in 1 2 3; do
		scope_report all "$1"
		scope_report d2c $scope_pid
	done
}

check_disk_outlives_vm() {
	local file
	for file in all d2c; do
		lossless $file.out || continue
		holds "$file: the dead VMs'" $file.out '[("db1", "db2") as $vm |
			[vm($vm)[].disks[] | select(.name == "loop0" or .name == "dm-1").count] | add] | must(all(. > 0) and length == 2)'
		same "$file: who came later has its own" '[53, 53, 53]' $file.out \
			'[("web1", "web2", "web3") as $vm | [disk($vm; "nullb1"; "read").count] | add]'
	done
	lossless d2c.out || return 0
	lossless all.out || return 0
	same "of those that had no time, none is lost" "$(value all.out '[disk("db2"; "dm-1"; "read").count] | add')" d2c.out \
		'[disk("db2"; "dm-1"; "read").count] | add'
	holds "none begins below zero" all.out '[.[].vms[].disks[].depth.max // empty] | must(length > 0 and max < 1000)'
}

# Many bios in one request: more than a loop over them goes to is told, and no Q2C is missing in silence.
run_disk_many_bios() {
	local n
	scsi_disk
	schedule "$scsi_name" mq-deadline || skip "no mq-deadline"
	for n in 1000 2003; do
		disk_run $n "$scsi_name" -- --disk-writes $n --disk-size 512 --disk-at-once
	done
	rmmod scsi_debug
}

check_disk_many_bios() {
	local n disk
	disk=$(cat 1000.disk)
	for n in 1000 2003; do
		says $n.vm.out "disk_writes=$n .*disk_errors=0"
		covered $n.out "$disk" write $n
		note "$n: $(value $n.out "[losses, [disk(\"db1\"; \"$disk\"; \"write\") | [.count, .merged, .q2c.count, .size_bytes.max]]]")"
	done
	holds "no Q2C is missing in silence" 2003.out "[losses, ([disk(\"db1\"; \"$disk\"; \"write\") | .count + .merged - .q2c.count] | add)] |
		must(.[0] != {} or .[1] == 0)"
	lossless 1000.out || return 0
	holds "each has its Q2C" 1000.out "[disk(\"db1\"; \"$disk\"; \"write\") | [.q2c.count, .count + .merged]] |
		must(length > 0 and all(.[]; .[0] == .[1]))"
}

# --- against peers, in the same run

run_icount_disk_against_peers() {
	local scope biolatency= blktrace=
	null_disk nullb0 queue_mode=2 irqmode=2 completion_nsec=100000 size=64
	schedule nullb0 mq-deadline || true
	vm_start vm db1 $few_ops --disk /dev/nullb0 --disk-reads 2003 --disk-random --disk-jobs 2
	if command -v blktrace >/dev/null; then
		blktrace -d /dev/nullb0 -o trace >blktrace.log 2>&1 &
		blktrace=$!
		started $blktrace
		until_true 20 test -e trace.blktrace.0 || die "blktrace does not start: $(cat blktrace.log)"
	fi
	if command -v biolatency >/dev/null; then
		biolatency >biolatency.log 2>&1 &
		biolatency=$!
		started $biolatency
		until_true 20 eval 'gone $biolatency || grep -q "^230 " /proc/$biolatency/syscall' || true
		! gone $biolatency || echo "biolatency does not run here: $(tail -n 1 biolatency.log)" >>absent
	fi
	scope_start scope disk -j -H
	scope=$scope_pid
	vm_go vm
	vm_end vm "$vm_pid"
	scope_end scope "$scope"
	[ -z "$biolatency" ] || kill -INT $biolatency 2>/dev/null || true
	[ -z "$blktrace" ] || kill -INT $blktrace
	wait
	null_end nullb0
}

# "STAGE AVERAGE N" of btt's table of all devices, in ns. It takes a null_blk's major for the device mapper's.
btt_averages() {
	btt -i trace.bin 2>/dev/null | awk '/==== All Devices/ { on = 1 } /==== Device/ { on = 0 }
		on && $1 ~ /^(Q2G|G2I|I2D|D2C|Q2C|Q2Cdm)$/ { printf "%s %.0f %d\n", tolower(substr($1, 1, 3)), $3 * 1e9, $5 }'
}

check_icount_disk_against_peers() {
	local stage average n bins
	complete_or_told scope.out
	[ "$(value scope.out losses)" = '{}' ] || return 0
	if [ -e trace.blktrace.0 ] && command -v btt >/dev/null; then
		blkparse -q -i trace -d trace.bin -O >/dev/null 2>&1
		btt_averages >averages
		[ "$(cut -d' ' -f1 averages | sort -u | wc -l)" = 5 ] || failed "btt does not tell all stages: $(cat averages)"
		while read -r stage average n; do
			same "$stage: as many as blktrace has" "$n" scope.out "[disk(\"db1\"; \"nullb0\"; \"read\").$stage.count] | add"
			holds "$stage: blktrace's average, $average ns" scope.out "[disk(\"db1\"; \"nullb0\"; \"read\").$stage |
				.sum / .count] | must((add - $average | abs) < ([2000, $average * 0.05] | max))"
			note "$stage $(value scope.out "disk(\"db1\"; \"nullb0\"; \"read\").$stage | .sum / .count | round") of $average ns"
		done <averages
	else
		note "no blktrace here"
	fi
	# "         64 -> 127        : 1998     |****|"
	bins=$(sed -nE 's/^ *([0-9]+) -> ([0-9]+) *: ([0-9]+) .*/[\1,\2,\3]/p' biolatency.log 2>/dev/null | jq -s -c .)
	if [ ! -e absent ] && [ "${bins:-[]}" != '[]' ]; then
		holds "biolatency's count" scope.out "[disk(\"db1\"; \"nullb0\"; \"read\").d2c.count] |
			must(add == ($bins | map(.[2]) | add))"
		holds "D2C's p50 is where most of biolatency's are" scope.out "[disk(\"db1\"; \"nullb0\"; \"read\").d2c.p50 / 1000] |
			must(add as \$p | $bins | max_by(.[2]) | \$p >= .[0] * 0.94 and \$p < (.[1] + 1) * 1.06)"
		note "biolatency agrees"
	else
		note "no biolatency on this kernel"
	fi
}
