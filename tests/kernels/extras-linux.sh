# shellcheck shell=dash
# shellcheck disable=SC2016,SC2154 # jq variables; set by lib-vm.sh and lib.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenario: a Linux guest boots under QEMU and KVM, works, sleeps and ends, while kvmscope watches.
# Counts are those of the kernel's own histogram; in each interval the parts are the whole.

linux_series=5.10

# Without XSAVE: TCG's sizes of its parts contradict each other, and a signal's frame is bad.
linux_cpu=host,-xsave

# One CPU: TCG delivers an interrupt that KVM has injected once more, without KVM, if right then it
# stops that CPU to let another one run (VMRUN leaves exception_index set). The guest's timer then
# interrupts itself while it holds its lock, and waits for ever. Seen with QEMU 7.2. No counted
# instructions either: the end of a share of them may stop the CPU at that place, too.
options_linux_guest() {
	local kernel rom
	if ! kernel=$("$tests/kernels/fetch" "$linux_series" 2>&1); then
		echo "$kernel"
		return 1
	fi
	for rom in /usr/share/qemu/qboot.rom /usr/share/qboot/bios.bin ''; do
		[ ! -f "$rom" ] || break
	done
	if [ -z "$rom" ]; then
		echo "no qboot here"
		return 1
	fi
	printf '%s\n' --smp 1 --mem 1536 --timeout 240 \
		--file "$(command -v qemu-system-x86_64)" \
		--file "$rom:/linux/qboot.rom" --file "$kernel/vmlinuz:/linux/vmlinuz"
}

# linux_initrd FILE: busybox, and a first process that tells what it does.
linux_initrd() {
	mkdir -p root/bin
	cp /bin/busybox root/bin/
	cat >root/init <<-'END'
		#!/bin/busybox sh
		echo GUEST-UP
		i=0
		while [ $i -lt 2000 ]; do
			i=$((i + 1))
		done
		/bin/busybox md5sum /bin/busybox
		/bin/busybox sleep 1
		echo GUEST-DOWN
		/bin/busybox reboot -f
	END
	chmod +x root/init
	(cd root && find . | cpio -o -H newc) >"$1"
	rm -r root
}

run_linux_guest() {
	linux_initrd /tmp/initrd
	scope_start exits exits -j
	exits=$scope_pid
	scope_start cpu cpu -j 1
	truth_begin
	timeout -s KILL 200 qemu-system-x86_64 -name guest=linux,debug-threads=on \
		-M microvm,pit=off,pic=off,rtc=off,x-option-roms=off -bios /linux/qboot.rom \
		-accel kvm -cpu $linux_cpu -smp 2 -m 128 -nodefaults -no-user-config -display none \
		-no-reboot -serial file:serial -kernel /linux/vmlinuz -initrd /tmp/initrd \
		-append 'console=ttyS0 quiet panic=-1 reboot=t' &
	started $!
	wait $! || die "QEMU ended with $?: $(tail -n 3 serial)"
	truth_end truth
	scope_end cpu "$scope_pid"
	scope_end exits "$exits"
}

# Its vCPUs live through all but the first and the last of their intervals.
check_linux_guest() {
	local hist='s/^\{ exit_reason: *([0-9]+), .*\} hitcount: *([0-9]+).*/\1 \2/p'
	says serial GUEST-DOWN
	status_is exits 0
	status_is cpu 0
	lines_are exits.out 1
	same "exits as in the kernel's histogram" "$(sed -nE "$hist" truth.hist |
		jq -Rn 'reduce (inputs / " ") as [$code, $n] ({}; .[$code] += ($n | tonumber))')" \
		exits.out '[vm("linux")[].exits[]] | map({(.code | tostring): .count}) | add'
	holds "one VM, QEMU's" exits.out \
		'[.[].vms[] | [.name, .platform]] | must(. == [["linux", "qemu"]])'
	holds "exits complete" exits.out '[complete, losses] | must(. == [true, {}])'
	jq -c 'select(any(.vms[]; .name == "linux" and (.vcpus | length) == 2))' cpu.out >lived.out
	holds "some intervals" lived.out 'length | must(. > 4)'
	holds "the parts are the whole" cpu.out '[vm("linux")[].vcpus[] | [split_sum, .wall_ns]] |
		must(all(.[]; .[0] == .[1]))'
	holds "the whole is the interval" lived.out '[.[1:-1][] | .elapsed_ns as $e |
		.vms[].vcpus[] | .wall_ns - $e] | must(length > 4 and all(.[]; . == 0))'
	holds "cpu complete" cpu.out '[complete, losses] | must(. == [true, {}])'
	note "$(value exits.out '[vm("linux")[].exits[].count] | add') exits," \
		"$(value lived.out 'length') intervals"
}
