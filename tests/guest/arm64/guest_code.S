/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The code that runs in the VM, at EL1 with the MMU off and interrupts masked. kvmguest copies it to
 * the page of each vCPU. It counts in its page what it does, so that what was asked for and what was
 * done can be told apart.
 */
#include "guest_abi.h"

/* x28: the page, x27: the MMIO address, x26: the loop counter */

/* Do \body as often as the parameter at \index says. */
.macro TIMES index:req, body:vararg
	ldr	w26, [x28, #GUEST_PARAMS + 4 * \index]
	cbz	w26, 2f
1:	\body
	COUNT	\index
	subs	w26, w26, #1
	b.ne	1b
2:
.endm

.macro COUNT index:req
	ldr	x9, [x28, #GUEST_PARAMS + P_DONE + 8 * \index]
	add	x9, x9, #1
	str	x9, [x28, #GUEST_PARAMS + P_DONE + 8 * \index]
.endm

.macro HVC_ONCE
	mov	w0, #GUEST_HVC
	hvc	#0
.endm

.macro END_TIMER
	msr	cntv_ctl_el0, xzr
	isb
	msr	S3_0_C12_C12_1, x10 /* ICC_EOIR1_EL1 */
	isb
.endm

/* The timer has fired, or is about to: ends it, and takes its interrupt once it is there. */
.macro TAKE_TIMER
6:	mrs	x10, S3_0_C12_C12_0 /* ICC_IAR1_EL1 */
	cmp	x10, #GUEST_TIMER_IRQ
	b.ne	6b
	END_TIMER
.endm

/*
 * WFI ends when an interrupt is pending, masked or not. Then the timer's is taken from the interrupt
 * controller by hand. If it is another that woke us, WFI again, which is one exit more. A timer that
 * has fired before WFI (the thread was preempted) would leave no reason for an exit: once more, then.
 */
.macro WFI_ONCE
5:	mrs	x10, cntvct_el0
	ldr	x11, [x28, #GUEST_PARAMS + P_WAKE]
	add	x10, x10, x11
	msr	cntv_cval_el0, x10
	mov	x11, #1
	msr	cntv_ctl_el0, x11
	isb
	mrs	x11, cntvct_el0
	cmp	x11, x10
	b.lo	4f
	TAKE_TIMER
	b	5b
3:	COUNT	3
4:	wfi
	mrs	x10, S3_0_C12_C12_0 /* ICC_IAR1_EL1 */
	cmp	x10, #GUEST_TIMER_IRQ
	b.ne	3b
	END_TIMER
.endm

	.section .rodata
	.balign	4
	.globl	guest_code, guest_code_end
guest_code:
	adr	x28, guest_code
	mov	x27, #GUEST_MMIO_GPA
	mov	x9, #0xff
	msr	S3_0_C4_C6_0, x9 /* ICC_PMR_EL1: all priorities */
	mov	x9, #1
	msr	S3_0_C12_C12_7, x9 /* ICC_IGRPEN1_EL1 */
	isb
	/* Set-up: maps this page, writable, and tells the VMM, so that no later fault does. */
	str	xzr, [x28, #GUEST_PARAMS + P_DONE]
	strb	wzr, [x27]
pass:
	ldr	x9, [x28, #GUEST_PARAMS + P_BUSY]
	cbz	x9, work
	mrs	x10, cntvct_el0
	add	x10, x10, x9
spin:	mrs	x9, cntvct_el0
	cmp	x9, x10
	b.lo	spin
work:
	TIMES	0, HVC_ONCE
	TIMES	1, strb wzr, [x27]
	TIMES	2, mrs x9, id_aa64pfr0_el1
	TIMES	3, WFI_ONCE
	ldr	w9, [x28, #GUEST_PARAMS + P_REPEAT]
	cbz	w9, pass
	sub	w9, w9, #1
	str	w9, [x28, #GUEST_PARAMS + P_REPEAT]
	cbnz	w9, pass
	strb	wzr, [x27, #GUEST_MMIO_DONE]
	udf	#0
guest_code_end:

	.section .note.GNU-stack, "", %progbits
