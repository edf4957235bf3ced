/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kvmguest (C) and the code that it runs inside the VM (assembler) share: addresses, and the
 * layout of the 4 KiB page that each vCPU owns. The page holds the vCPU's code at 0 and its
 * parameters, so that vCPUs share no memory and touch exactly one page each.
 */
#ifndef GUEST_ABI_H
#define GUEST_ABI_H

#define GUEST_MEMORY_GPA     0x40000000
#define GUEST_MEMORY	     0xd0000
#define GUEST_MMIO_GPA	     0x10000000 /* no memory slot covers it: --mmio writes here */
#define GUEST_MMIO_DONE	     8 /* after it; one write, by which a vCPU says that it is through */
#define GUEST_GIC_DIST_GPA   0x08000000 /* where QEMU's "virt" has them */
#define GUEST_GIC_REDIST_GPA 0x08100000
#define GUEST_TIMER_IRQ	     27		/* the virtual timer's, by KVM's default */
#define GUEST_HVC	     0x80000000 /* SMCCC_VERSION: KVM answers by itself */

#define GUEST_PARAMS	     0x400 /* struct guest_params */

/* Offsets in struct guest_params; machine.c asserts that they match. */
#define P_HVC	 0
#define P_MMIO	 4
#define P_SYSREG 8
#define P_WFI	 12
#define P_REPEAT 16
#define P_WAKE	 24
#define P_BUSY	 32
#define P_DONE	 40

#ifndef __ASSEMBLER__
#include <stdint.h>

#define GUEST_OPS_HELP "--hvc N  --mmio N  --sysreg N  --wfi N"
enum guest_op { GUEST_HVC_OP, GUEST_MMIO_OP, GUEST_SYSREG_OP, GUEST_WFI_OP, GUEST_OPS };

struct guest_params {
	uint32_t count[GUEST_OPS]; /* operations in one pass, in this order */
	uint32_t repeat;	   /* passes; 0: for ever */
	uint32_t pad;
	uint64_t wake;		  /* timer ticks to sleep in each WFI */
	uint64_t busy;		  /* timer ticks to spin at the start of each pass */
	uint64_t done[GUEST_OPS]; /* out: operations that the guest has done */
};

extern const unsigned char guest_code[], guest_code_end[];
#endif

#endif
