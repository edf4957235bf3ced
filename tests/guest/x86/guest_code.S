/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The code that runs in the VM, in real mode: every KVM back end runs that,
 * those too that have to emulate it. kvmguest copies it to the page of each
 * vCPU and points CS, DS and SS there; ES covers the MMIO address. It counts
 * in its page what it does, so that what was asked for and what was done can
 * be told apart.
 */
#include "guest_abi.h"

/* Do \body as often as the parameter at \index says; EBP is the loop counter. */
.macro TIMES index:req, body:vararg
	movl	GUEST_PARAMS + 4 * \index, %ebp
	testl	%ebp, %ebp
	jz	2f
1:	\body
	addl	$1, GUEST_PARAMS + P_DONE + 8 * \index
	adcl	$0, GUEST_PARAMS + P_DONE + 8 * \index + 4
	decl	%ebp
	jnz	1b
2:
.endm

.macro RDMSR_ONCE
	movl	$GUEST_MSR, %ecx
	rdmsr
.endm

.macro ARM_TIMER
	movl	GUEST_PARAMS + P_WAKE, %eax
	xorl	%edx, %edx
	movl	$GUEST_MSR_TMICT, %ecx
	wrmsr
.endm

/* STI holds interrupts off until HLT has begun: the timer can't fire in between unseen. */
.macro HLT_ONCE
	cmpl	$0, GUEST_PARAMS + P_WAKE
	je	halt
	ARM_TIMER
	sti
halt:	hlt
	cli
.endm

.macro CPUID_ONCE
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	cpuid
.endm

/* Each time to another port. */
.macro PORT_ONCE
	leal	GUEST_PORTS(%ebp), %edx
	outb	%al, %dx
.endm

.macro VMMCALL_ONCE
	movl	$GUEST_HYPERCALL, %eax
	vmmcall
.endm

	.section .rodata
	.code16
	.globl	guest_code, guest_code_end, guest_handler
guest_code:
	/* Set-up: maps this page, writable, and the MMIO address, so that no later fault does. */
	movl	$0, GUEST_PARAMS + P_DONE
	movb	%al, %es:0
pass:
	movl	GUEST_PARAMS + P_BUSY, %esi
	movl	GUEST_PARAMS + P_BUSY + 4, %edi
	movl	%esi, %eax
	orl	%edi, %eax
	jz	work
	rdtsc
	addl	%eax, %esi
	adcl	%edx, %edi
spin:	rdtsc
	subl	%esi, %eax
	sbbl	%edi, %edx
	js	spin
work:
	TIMES	0, outb %al, $GUEST_PORT_WORK
	TIMES	1, movb %al, %es:0
	TIMES	2, CPUID_ONCE
	TIMES	3, RDMSR_ONCE
	TIMES	4, HLT_ONCE
	TIMES	5, PORT_ONCE
	TIMES	6, VMMCALL_ONCE
	movl	GUEST_PARAMS + P_REPEAT, %eax
	testl	%eax, %eax
	jz	pass
	decl	%eax
	movl	%eax, GUEST_PARAMS + P_REPEAT
	jnz	pass
	outb	%al, $GUEST_PORT_DONE
	ud2

/*
 * Only ever interrupts HLT_ONCE, which needs none of these registers any more.
 * QEMU's emulation of SVM forgets across an exit that STI still holds interrupts
 * off, so that there the timer does come before HLT at times: it is armed again.
 */
guest_handler:
	movl	$GUEST_MSR_EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	cmpw	$(halt - guest_code), (%esp)
	jne	3f
	ARM_TIMER
3:	iretw
guest_code_end:

	.section .note.GNU-stack, "", @progbits
