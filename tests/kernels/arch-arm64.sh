# shellcheck shell=dash
# shellcheck disable=SC2034 # the scenarios use them
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the scenarios must know of arm64: see arch-x86.sh.

# A WFI whose timer has fired by then does not trap, in emulation: the halts are longer than this machine's pauses.
ops="--hvc 1009 --mmio 503 --sysreg 211 --wfi 53 --hlt-wake-us 10000"
exits_of_ops='{hvc64: 1009, dabt_low: 505, sys64: 211, wfx: 53, iabt_low: 1}'
userspace_of_ops='{mmio: 505}'
codes_of_ops='{hvc64: [22, "arm64"], dabt_low: [36, "arm64"], sys64: [24, "arm64"], wfx: [1, "arm64"],
	iabt_low: [32, "arm64"]}'

other_ops="--hvc 601 --mmio 307 --sysreg 401 --wfi 31 --hlt-wake-us 10000"
exits_of_other_ops='{hvc64: 601, dabt_low: 309, sys64: 401, wfx: 31, iabt_low: 1}'

wander_ops="--hvc 211 --sysreg 101 --wfi 3 --hlt-wake-us 1000 --repeat 11"
exits_of_wander_ops='{hvc64: 2321, sys64: 1111, dabt_low: 2, iabt_low: 1}'
wander_chance='del(.irq, .wfx)'

loop_ops="--hvc 3 --mmio 2 --sysreg 5"
few_ops="--hvc 3"
last_of_few="hvc64 3"

short_ops="--hvc 101 --mmio 23 --sysreg 211 --wfi 13 --hlt-wake-us 10000"
exits_of_short_ops='{hvc64: 101, dabt_low: 25, sys64: 211, wfx: 13, iabt_low: 1}'
most_of_short="sys64 211"

chance='del(.irq)'

trace_reasons() {
	sed -nE 's/^.*-[0-9]+ +\[.*: kvm_exit: TRAP: .*\((.*)\), PC.*/\1/p
		s/^.*-[0-9]+ +\[.*: kvm_exit: ([A-Z]+): .*/\1/p' "$1"
}

# What is no trap has 128 and its number for a code, as exits_arm64.bpf.c has it.
hist_codes() {
	local code n
	sed -nE 's/^\{ ret: *2, esr_ec: *([0-9]+), .*\} hitcount: *([0-9]+).*/\1 \2/p
		s/^\{ ret: *([013]), esr_ec: *0, .*\} hitcount: *([0-9]+).*/\1+128 \2/p' "$1" |
		while read -r code n; do
			echo "$((code)) $n"
		done
}
