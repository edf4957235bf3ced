/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kvmguest (C) and the code that it runs inside the VM (assembler) share:
 * ports, addresses, and the layout of the 4 KiB page that each vCPU owns. The
 * page holds the vCPU's code at 0, its interrupt vector, its parameters and
 * its stack, so that vCPUs share no memory and touch exactly one page each.
 */
#ifndef GUEST_ABI_H
#define GUEST_ABI_H

#define GUEST_PORT_WORK	 0x10	/* --out writes here */
#define GUEST_PORT_DONE	 0x11	/* one write, by which a vCPU says that it is through */
#define GUEST_PORTS	 0x1000 /* --port writes to the first port above it, the second ... */
#define GUEST_HYPERCALL	 4243	/* --vmmcall: a number that is no hypercall's */
#define GUEST_MMIO_SEG	 0xd000
#define GUEST_MMIO_GPA	 0xd0000 /* no memory slot covers it */
#define GUEST_MEMORY_GPA 0
#define GUEST_MEMORY	 GUEST_MMIO_GPA
#define GUEST_MSR	 0x1b  /* IA32_APIC_BASE: exists everywhere, is always intercepted */
#define GUEST_VECTOR	 0xf0  /* of the local APIC's timer; its vector is at 4 * 0xf0 */
#define GUEST_MSR_EOI	 0x80b /* x2APIC */
#define GUEST_MSR_TMICT	 0x838 /* x2APIC: writing arms the one-shot timer */

#define GUEST_PARAMS	 0x400 /* struct guest_params */
#define GUEST_STACK	 0x1000

/* Offsets in struct guest_params; machine.c asserts that they match. */
#define P_OUT	 0
#define P_MMIO	 4
#define P_CPUID	 8
#define P_RDMSR	 12
#define P_HLT	 16
#define P_PORT	 20
#define P_CALL	 24
#define P_REPEAT 28
#define P_WAKE	 32
#define P_BUSY	 40
#define P_DONE	 48

#ifndef __ASSEMBLER__
#include <stdint.h>

#define GUEST_OPS_HELP "--out N  --mmio N  --cpuid N  --rdmsr N  --hlt N  --port N  --vmmcall N"
enum guest_op {
	GUEST_OUT,
	GUEST_MMIO,
	GUEST_CPUID,
	GUEST_RDMSR,
	GUEST_HLT,
	GUEST_PORT,
	GUEST_VMMCALL,
	GUEST_OPS
};

struct guest_params {
	uint32_t count[GUEST_OPS]; /* operations in one pass, in this order */
	uint32_t repeat;	   /* passes; 0: for ever */
	uint32_t wake; /* 0: plain HLT; else timer ticks (ns, or 16 of them) to sleep in each HLT */
	uint32_t pad;
	uint64_t busy;		  /* TSC ticks to spin at the start of each pass */
	uint64_t done[GUEST_OPS]; /* out: operations that the guest has done */
};

extern const unsigned char guest_code[], guest_code_end[];
extern const unsigned char guest_handler[];
#endif

#endif
