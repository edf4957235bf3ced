# shellcheck shell=dash
# shellcheck disable=SC2016,SC2086,SC2154 # jq variables; lists of options; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenarios that this machine is no place for: kernels without KVM's modules; and every program that
# there is, on kernels of all kinds.

# Where it is a module: kvm's back end, and then all of it.
run_no_kvm_module() {
	rmmod kvm_amd
	scope no_back_end exits
	rmmod kvm
	scope exits exits
	scope check check
	scope vms vms
	modprobe kvm-amd
	scope again exits 0.1 1
}

check_no_kvm_module() {
	error_is no_back_end 4 'no KVM: .*modprobe'
	error_is exits 4 'no KVM: .*modprobe'
	status_is check 4
	status_is vms 0
	status_is again 0
}

# --- the programs, each alone, not only those that a session takes here

run_bpf_programs() {
	CMOCKA_MESSAGE_OUTPUT=tap bpf_tests /suite/kvmscope.bpf.o /lib/kvm/kvm_intel.ko >result || true
	# another compiler's code, where verifiers are the strictest: before v6.2
	! [ -e /suite/trixie.bpf.o ] || grep -q ' bpf_rdonly_cast$' /proc/kallsyms ||
		CMOCKA_MESSAGE_OUTPUT=tap bpf_tests /suite/trixie.bpf.o >trixie || true
}

check_bpf_programs() {
	grep -A 3 '^not ok [0-9]* - ' result || true
	tap_is_whole result
	at_most "least number of tests" 20 "$(grep -c '^ok' result)"
	if [ -e trixie ]; then
		tap_is_whole trixie
		grep -A 3 '^not ok [0-9]* - ' trixie | sed "s/^/by trixie's clang: /" || true
		note "$(grep -c '^ok [0-9]* - ' trixie) by trixie's clang"
	fi
	# where the VMX path looks, by the programs and by bpftool
	local status=0
	"$tests/kernels/offsets" "$series" >offsets 2>why || status=$?
	case $status in
	0)
		grep '^# offset of' result | sort -u >found || true
		sort offsets | cmp -s - found ||
			failed "VMX: the programs say $(tr '\n' ';' <found) and bpftool $(tr '\n' ';' <offsets)"
		;;
	77) note "VMX: $(tail -n 1 why)" ;;
	*) failed "VMX: bpftool's view can't be had: $(cat why)" ;;
	esac
	note "$(grep -c '^ok [0-9]* - ' result) programs and tests"
	note "$(grep -c '# SKIP' result) not possible here"
	within_record result
	note "the verifier went through $(sed -n 's/.*went through \([0-9]*\).*/\1/p' result |
		sort -n | tail -n 1) instructions at most"
}
