/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmguest's machine on arm64: registers, and a GICv3 for the timer's interrupt. */
#define _GNU_SOURCE
#include <stddef.h>

#include "../guest_options.h"
#include "../machine.h"

/* In a redistributor's second frame: which of its own interrupts are of group 1, and enabled. */
#define GICR_IGROUPR0	0x10080
#define GICR_ISENABLER0 0x10100
#define GICD_CTLR	0
#define GICD_CTLR_GRP1	2

#define REG_PC                                                 \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 offsetof(struct kvm_regs, regs.pc) / sizeof(__u32))

_Static_assert(offsetof(struct guest_params, count[GUEST_HVC_OP]) == P_HVC, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_MMIO_OP]) == P_MMIO, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_SYSREG_OP]) == P_SYSREG, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, count[GUEST_WFI_OP]) == P_WFI, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, repeat) == P_REPEAT, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, wake) == P_WAKE, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, busy) == P_BUSY, "guest_abi.h");
_Static_assert(offsetof(struct guest_params, done) == P_DONE, "guest_abi.h");

const char *const machine_ops[GUEST_OPS] = {"hvc", "mmio", "sysreg", "wfi"};
const unsigned int machine_pace[GUEST_OPS] = {4, 2, 1, 1};

static struct kvm_vcpu_init init;
static int gic;

void machine__open(int kvm_fd, int vm_fd)
{
	struct kvm_create_device device = {.type = KVM_DEV_TYPE_ARM_VGIC_V3};

	XIOCTL(vm_fd, KVM_ARM_PREFERRED_TARGET, &init);
	init.features[0] = 1U << KVM_ARM_VCPU_PSCI_0_2; /* it brings HVC's calling convention */
	XIOCTL(vm_fd, KVM_CREATE_DEVICE, &device);
	gic = device.fd;
}

static void gic__set(__u32 group, __u64 attr, const void *value)
{
	struct kvm_device_attr a = {.group = group, .attr = attr, .addr = (uintptr_t)value};

	XIOCTL(gic, KVM_SET_DEVICE_ATTR, &a);
}

static uint64_t timer_hz(void)
{
	uint64_t hz;

	__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
}

void machine__add_vcpu(int vcpu_fd, unsigned int id, uint64_t page, struct guest_params *params)
{
	const unsigned int wake_us = opt.hlt_wake_us ? opt.hlt_wake_us : 3000;
	struct kvm_one_reg pc = {.id = REG_PC, .addr = (uintptr_t)&page};

	XIOCTL(vcpu_fd, KVM_ARM_VCPU_INIT, &init);
	XIOCTL(vcpu_fd, KVM_SET_ONE_REG, &pc);
	params->wake = wake_us * timer_hz() / 1000000;
	params->busy = opt.busy_ms * timer_hz() / 1000;
}

void machine__start(unsigned int vcpus)
{
	const uint64_t dist = GUEST_GIC_DIST_GPA, redist = GUEST_GIC_REDIST_GPA;
	const uint32_t groups = GICD_CTLR_GRP1, group1 = ~0U, enabled = 1U << GUEST_TIMER_IRQ;

	gic__set(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &dist);
	gic__set(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &redist);
	gic__set(KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	gic__set(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_CTLR, &groups);
	for (unsigned int id = 0; id < vcpus; id++) {
		/* a vCPU's number in its MPIDR, by KVM's default: 16 to each cluster */
		uint64_t mpidr = (uint64_t)(id % 16 | id / 16 << 8) << 32;

		gic__set(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, mpidr | GICR_IGROUPR0, &group1);
		gic__set(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, mpidr | GICR_ISENABLER0, &enabled);
	}
}

enum machine_exit machine__handle(const struct kvm_run *run)
{
	if (run->exit_reason != KVM_EXIT_MMIO)
		return MACHINE_UNEXPECTED;
	return run->mmio.phys_addr == GUEST_MMIO_GPA + GUEST_MMIO_DONE ? MACHINE_DONE
								       : MACHINE_WORK;
}

uint64_t machine__pc(int vcpu_fd)
{
	uint64_t value = 0;
	struct kvm_one_reg pc = {.id = REG_PC, .addr = (uintptr_t)&value};

	XIOCTL(vcpu_fd, KVM_GET_ONE_REG, &pc);
	return value;
}
