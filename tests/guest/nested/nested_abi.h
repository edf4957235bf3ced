/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What nestedguest (C) and the code that runs inside the VM (assembler) share: ports, and the
 * layout of the four pages that each vCPU owns.
 */
#ifndef NESTED_ABI_H
#define NESTED_ABI_H

#define NESTED_PORT_WORK 0x10 /* L2's OUTs */
#define NESTED_PORT_DONE 0x11 /* one write, by which a vCPU says that it is through */
#define NESTED_PORT_ODD	 0x12 /* one write of the exit code with which L2 should not have ended */

/* A vCPU's pages, from its base on. */
#define NESTED_PARAMS 0x0800 /* struct nested_params; L1's code is at 0 */
#define NESTED_VMCB   0x1000
#define NESTED_HSAVE  0x2000 /* where a CPU may save L1's state meanwhile */
#define NESTED_L2     0x3000

/* Offsets in struct nested_params; nestedguest.c asserts that they match. */
#define P_VMRUN	     0
#define P_L2_OUT     4
#define P_L2_SPIN    8
#define P_L1_CPUID   12
#define P_DONE_VMRUN 16
#define P_DONE_L2    20
#define P_DONE_L1    24

/* AMD64 Architecture Programmer's Manual, volume 2, appendix B: offsets in a VMCB. */
#define VMCB_INTERCEPT_3  0x00c
#define VMCB_INTERCEPT_4  0x010
#define VMCB_ASID	  0x058
#define VMCB_EXIT_CODE	  0x070
#define VMCB_ES		  0x400
#define VMCB_CS		  0x410
#define VMCB_SS		  0x420
#define VMCB_DS		  0x430
#define VMCB_GDTR	  0x460
#define VMCB_IDTR	  0x480
#define VMCB_TR		  0x490
#define VMCB_EFER	  0x4d0
#define VMCB_CR4	  0x548
#define VMCB_CR0	  0x558
#define VMCB_DR7	  0x560
#define VMCB_DR6	  0x568
#define VMCB_RFLAGS	  0x570
#define VMCB_RIP	  0x578
#define INTERCEPT_3_CPUID (1U << 18)
#define INTERCEPT_4_VMRUN (1U << 0)
#define VMEXIT_CPUID	  0x72

#ifndef __ASSEMBLER__
#include <stdint.h>

struct nested_params {
	uint32_t vmrun, l2_out, l2_spin, l1_cpuid;	   /* what to do; l2_: for each VMRUN */
	uint32_t done_vmrun, done_l2_cpuid, done_l1_cpuid; /* what L1 has done and seen */
};

extern const unsigned char nested_l1[], nested_l1_end[];
extern const unsigned char nested_l2[], nested_l2_end[];
#endif

#endif
