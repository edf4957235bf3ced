/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The code that runs in the VM (L1) and in the VM that it runs (L2), both with 32 bits, flat. ESI is
 * the base of the vCPU's pages. L2 spins for EDX turns and does ECX OUTs.
 */
#include "nested_abi.h"

	.section .rodata
	.code32
	.globl	nested_l1, nested_l1_end
nested_l1:
	movl	NESTED_PARAMS + P_VMRUN(%esi), %ebp
	testl	%ebp, %ebp
	jz	2f
	leal	NESTED_VMCB(%esi), %eax
	/* EAX is saved and restored by VMRUN; the other registers go to L2 and come back from it. */
1:	movl	NESTED_PARAMS + P_L2_OUT(%esi), %ecx
	leal	NESTED_L2(%esi), %edx
	movl	%edx, VMCB_RIP(%eax)
	movl	NESTED_PARAMS + P_L2_SPIN(%esi), %edx
	vmrun
	incl	NESTED_PARAMS + P_DONE_VMRUN(%esi)
	cmpl	$VMEXIT_CPUID, VMCB_EXIT_CODE(%eax)
	jne	odd
	incl	NESTED_PARAMS + P_DONE_L2(%esi)
	decl	%ebp
	jnz	1b
2:	movl	NESTED_PARAMS + P_L1_CPUID(%esi), %ebp
	testl	%ebp, %ebp
	jz	4f
3:	xorl	%eax, %eax
	xorl	%ecx, %ecx
	cpuid
	incl	NESTED_PARAMS + P_DONE_L1(%esi)
	decl	%ebp
	jnz	3b
4:	outb	%al, $NESTED_PORT_DONE
	ud2
odd:	movl	VMCB_EXIT_CODE(%eax), %eax
	outl	%eax, $NESTED_PORT_ODD
	ud2
nested_l1_end:

	/* CPUID never completes here: L1 has it end L2, and starts L2 anew. */
	.globl	nested_l2, nested_l2_end
nested_l2:
5:	decl	%edx
	jns	5b
	jecxz	7f
6:	outb	%al, $NESTED_PORT_WORK
	loop	6b
7:	cpuid
	ud2
nested_l2_end:

	.section .note.GNU-stack, "", @progbits
