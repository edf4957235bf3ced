/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmguest's machine on x86-64: registers, CPUID, the local APIC. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>

#include "../guest_options.h"
#include "../machine.h"

#define MAX_CPUIDS    256
#define SHORT_HALT_US 4000000 /* its ns fit the timer's 32 bits */

/* In the register page that KVM_GET_LAPIC gives, and the values that the guest needs there. */
#define LAPIC_SPIV	   0xf0
#define LAPIC_SPIV_ENABLE  0x1ff
#define LAPIC_LVTT	   0x320
#define LAPIC_TDCR	   0x3e0
#define LAPIC_TDCR_BY_1	   0xb
#define LAPIC_TDCR_BY_16   0x3
#define APIC_BASE_X2APIC   0xc00ULL
#define CPUID_1_ECX_X2APIC (1U << 21)

_Static_assert(offsetof(struct guest_params, count[GUEST_OUT]) == P_OUT, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_MMIO]) == P_MMIO, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_CPUID]) == P_CPUID, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_RDMSR]) == P_RDMSR, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_HLT]) == P_HLT, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_PORT]) == P_PORT, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_VMMCALL]) == P_CALL, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, repeat) == P_REPEAT, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, wake) == P_WAKE, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, busy) == P_BUSY, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, done) == P_DONE, "guest_abi.h");

const char *const machine_ops[GUEST_OPS] = {"out", "mmio", "cpuid",  "rdmsr",
					    "hlt", "port", "vmmcall"};
const unsigned int machine_pace[GUEST_OPS] = {2, 1, 4, 1, 1, 0, 0};

static int kvm;

void machine__open(int kvm_fd, int vm_fd)
{
	kvm = kvm_fd;
	/* Intel without unrestricted guest mode needs it; elsewhere it has no effect. */
	if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0)
		XIOCTL(vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	if (opt.hlt_wake_us)
		XIOCTL(vm_fd, KVM_CREATE_IRQCHIP, 0);
}

static void set_cpuid(int vcpu_fd)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUIDS * sizeof(cpuid->entries[0]));
	if (!cpuid)
		abort();
	cpuid->nent = MAX_CPUIDS;
	XIOCTL(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (unsigned int i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_1_ECX_X2APIC;
	}
	XIOCTL(vcpu_fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
}

/* The order matters: SREGS are checked against CPUID, and LAPIC's layout depends on both. */
static void set_registers(int vcpu_fd, unsigned int page)
{
	struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_regs regs = {.rflags = 2, .rsp = GUEST_STACK};
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;

	XIOCTL(vcpu_fd, KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.ds.base = sregs.ss.base = page;
	sregs.cs.selector = sregs.ds.selector = sregs.ss.selector = page >> 4;
	sregs.es.base = GUEST_MMIO_GPA;
	sregs.es.selector = GUEST_MMIO_SEG;
	sregs.idt.base = page;
	sregs.idt.limit = 0x3ff;
	if (opt.hlt_wake_us)
		sregs.apic_base |= APIC_BASE_X2APIC;
	XIOCTL(vcpu_fd, KVM_SET_SREGS, &sregs);
	XIOCTL(vcpu_fd, KVM_SET_REGS, &regs);
	if (!opt.hlt_wake_us)
		return;

	XIOCTL(vcpu_fd, KVM_GET_LAPIC, &lapic);
	*(uint32_t *)&lapic.regs[LAPIC_SPIV] = LAPIC_SPIV_ENABLE;
	*(uint32_t *)&lapic.regs[LAPIC_LVTT] = GUEST_VECTOR;
	*(uint32_t *)&lapic.regs[LAPIC_TDCR] =
		opt.hlt_wake_us <= SHORT_HALT_US ? LAPIC_TDCR_BY_1 : LAPIC_TDCR_BY_16;
	XIOCTL(vcpu_fd, KVM_SET_LAPIC, &lapic);
	/* With the chip in the kernel, all vCPUs but the first would wait to be woken by it. */
	XIOCTL(vcpu_fd, KVM_SET_MP_STATE, &mp);
}

void machine__add_vcpu(int vcpu_fd, unsigned int id, uint64_t page, struct guest_params *params)
{
	uint16_t *vector = (uint16_t *)((char *)params - GUEST_PARAMS + 4 * GUEST_VECTOR);
	long tsc_khz = opt.busy_ms ? XIOCTL(vcpu_fd, KVM_GET_TSC_KHZ, 0) : 0;

	set_cpuid(vcpu_fd);
	set_registers(vcpu_fd, page);
	vector[0] = guest_handler - guest_code;
	vector[1] = page >> 4;
	params->wake = opt.hlt_wake_us <= SHORT_HALT_US ? opt.hlt_wake_us * 1000
							: opt.hlt_wake_us / 16 * 1000;
	params->busy = (uint64_t)opt.busy_ms * tsc_khz;
}

void machine__start(unsigned int vcpus)
{
}

enum machine_exit machine__handle(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return run->io.port == GUEST_PORT_DONE ? MACHINE_DONE : MACHINE_WORK;
	case KVM_EXIT_MMIO:
	case KVM_EXIT_HLT:
		return MACHINE_GO_ON;
	default:
		return MACHINE_UNEXPECTED;
	}
}

uint64_t machine__pc(int vcpu_fd)
{
	struct kvm_regs regs;

	XIOCTL(vcpu_fd, KVM_GET_REGS, &regs);
	return regs.rip;
}
