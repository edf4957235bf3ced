/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An io_uring whose operations its kernel workers do, one at a time: as QEMU's with aio=io_uring
 * when it must wait. */
#ifndef GUEST_URING_H
#define GUEST_URING_H

#include <stdint.h>
#include <sys/types.h>

struct guest_uring {
	int fd;
	unsigned int *sq_tail, *sq_array, *cq_head, *cq_tail;
	unsigned int sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

/* 0 or -errno. */
int guest_uring__open(struct guest_uring *u);
/* A read or a write (IORING_OP_READ, IORING_OP_WRITE), to its end: bytes or -errno. */
ssize_t guest_uring__do(struct guest_uring *u, unsigned int op, int fd, void *buffer,
			unsigned int len, off_t at);
void guest_uring__close(struct guest_uring *u);

#endif
