# shellcheck shell=dash
# shellcheck disable=SC2034 # the scenarios use them
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the scenarios must know of x86-64, as SVM has it: what kvmguest is told to do, how often, and what exits that
# comes to on one vCPU from its first entry on. Primes; tests/guest/README.md has the arithmetic. arch-arm64.sh is
# the same for arm64.

ops="--out 1009 --mmio 503 --cpuid 211 --rdmsr 107 --hlt 53"
exits_of_ops='{io: 1010, npf: 505, cpuid: 211, msr: 107, hlt: 53}'
userspace_of_ops='{io: 1010, mmio: 504, hlt: 53}'
codes_of_ops='{io: [123, "svm"], npf: [1024, "svm"], cpuid: [114, "svm"], msr: [124, "svm"], hlt: [120, "svm"]}'

other_ops="--out 601 --mmio 307 --cpuid 401 --rdmsr 31 --hlt 97"
exits_of_other_ops='{io: 602, npf: 309, cpuid: 401, msr: 31, hlt: 97}'

wander_ops="--out 211 --cpuid 101 --hlt 3 --hlt-wake-us 1000 --repeat 11"
exits_of_wander_ops='{io: 2322, cpuid: 1111, hlt: 33, npf: 2}'
wander_chance='del(.interrupt, .vintr, .msr)'

loop_ops="--out 3 --mmio 2 --cpuid 5"
few_ops="--out 3"
last_of_few="io 4"

short_ops="--out 101 --mmio 23 --cpuid 211 --hlt 13"
exits_of_short_ops='{io: 102, npf: 25, cpuid: 211, hlt: 13}'
most_of_short="cpuid 211"

# what comes as often as it likes
chance='del(.interrupt)'

# trace_reasons FILE: those of kvm_exit's lines, in order; hist_codes FILE: "CODE N" each of the histogram's.
trace_reasons() {
	sed -nE 's/^.*-[0-9]+ +\[.*: kvm_exit: .*reason (.*) rip .*/\1/p' "$1"
}

hist_codes() {
	sed -nE 's/^\{ exit_reason: *([0-9]+), .*\} hitcount: *([0-9]+).*/\1 \2/p' "$1"
}
