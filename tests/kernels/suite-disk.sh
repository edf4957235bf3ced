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
	vm_start "$file.vm" db1 --out 3 --disk /dev/"$disk" "$@"
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

# disk_counts FILE READS WRITES SIZE: what must be so for any request-based disk without merges.
disk_counts() {
	local file=$1 reads=$2 writes=$3 size=$4 disk
	disk=$(cat "$file.disk")
	status_is "$file" 0
	complete_or_told "$file.out"
	[ "$(value "$file.out" losses)" = '{}' ] || return 0
	same "$file: counts" "[$reads, $writes]" "$file.out" "[disk(\"db1\"; \"$disk\"; \"read\", \"write\").count]"
	same "$file: bytes" "[$((reads * size)), $((writes * size))]" "$file.out" \
		"[disk(\"db1\"; \"$disk\"; \"read\", \"write\").bytes]"
	same "$file: the kernel's count" "[$(stat_of "$file" 1), $(stat_of "$file" 5)]" "$file.out" \
		"[host_disk(\"$disk\"; \"read\", \"write\")]"
	same "$file: Q2C, D2C and sizes are all there" "[$reads, $reads, $reads, $writes, $writes, $writes]" \
		"$file.out" "[disk(\"db1\"; \"$disk\"; \"read\", \"write\") |
			.q2c.count, .d2c.count, .size_bytes.count]"
	same "$file: nothing else" '[0, 0, 0, 0, 0]' "$file.out" "[disk(\"db1\"; \"$disk\"; \"read\", \"write\") |
		.errors + .in_flight + .partial + .merged + .split] + [0, 0, 0] | .[0:5]"
}

check_disk_null_blk() {
	local file
	[ ! -s missing ] || note "$(cat missing)"
	for file in none mq-deadline kyber; do
		[ -e $file.out ] || continue
		disk_counts $file 10007 5003 4096
		if [ $file = none ]; then
			holds "none: no insertion" none.out '[disk("db1"; "nullb0"; "read", "write") |
				.g2i, .i2d] | must(all(. == null))'
		else
			holds "$file: each was inserted" $file.out '[disk("db1"; "nullb0"; "read", "write") |
				.count == .g2i.count and .count == .i2d.count] | must(all and length == 2)'
		fi
		holds "$file: stages are within the whole" $file.out '[disk("db1"; "nullb0"; "read", "write") |
			.q2c.sum - (.q2g.sum + (.g2i.sum // 0) + (.i2d.sum // 0) + .d2c.sum)] |
			must(all(.[]; . >= 0))'
	done
}
