/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A boot sector for a real QEMU: it reads 2 MiB of its disk twice, in pieces of 32 KiB, writes 1 MiB
 * behind them, and says so on port 0xe9 ("D"; "F" for a failure). By the BIOS, so by QEMU's own
 * devices and block layer.
 */
	.code16
	.set sectors, 64
	.set first, 2048 /* sector from which on it reads */

	.globl _start
_start:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	movb %dl, drive

	movw $2, %di
again:	movl $first, sector
	movb $0x42, command
	movw $(2 << 20) / (sectors * 512), %cx
	call pieces
	decw %di
	jnz again

	movb $0x43, command
	movw $(1 << 20) / (sectors * 512), %cx
	call pieces
	movb $'D', %al
end:	outb %al, $0xe9
halt:	hlt
	jmp halt

pieces:	pushw %cx
	pushw %di
	movb command, %ah
	movb $0, %al
	movb drive, %dl
	movw $packet, %si
	int $0x13
	popw %di
	popw %cx
	movb $'F', %al
	jc end
	addl $sectors, sector
	loop pieces
	ret

drive:	.byte 0
command: .byte 0
	.balign 4
packet:	.byte 16, 0
	.word sectors, 0, 0x1000 /* at 0x1000:0 */
sector:	.long 0, 0

	.org 510
	.word 0xaa55
