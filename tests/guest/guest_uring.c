/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* By system calls alone: what liburing adds is for those who have more than one operation under
 * way. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest_uring.h"

#define ENTRIES 1

static void *map(int fd, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
}

int guest_uring__open(struct guest_uring *u)
{
	struct io_uring_params p = {};
	char *sq, *cq;

	u->fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (u->fd < 0)
		return -errno;
	sq = map(u->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map(u->fd, p.cq_off.cqes + p.cq_entries * sizeof(*u->cqes), IORING_OFF_CQ_RING);
	u->sqes = map(u->fd, p.sq_entries * sizeof(*u->sqes), IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || u->sqes == MAP_FAILED)
		return -errno;
	u->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	u->sq_array = (unsigned int *)(sq + p.sq_off.array);
	u->sq_mask = *(unsigned int *)(sq + p.sq_off.ring_mask);
	u->cq_head = (unsigned int *)(cq + p.cq_off.head);
	u->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	u->cq_mask = *(unsigned int *)(cq + p.cq_off.ring_mask);
	u->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return 0;
}

ssize_t guest_uring__do(struct guest_uring *u, unsigned int op, int fd, void *buffer,
			unsigned int len, off_t at)
{
	unsigned int tail = *u->sq_tail, slot = tail & u->sq_mask, head = *u->cq_head;
	ssize_t got;

	u->sqes[slot] = (struct io_uring_sqe){
		.opcode = op,
		.flags = IOSQE_ASYNC, /* a worker's, from the start */
		.fd = fd,
		.addr = (uintptr_t)buffer,
		.len = len,
		.off = at,
	};
	u->sq_array[slot] = slot;
	__atomic_store_n(u->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	while (__atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE) == head)
		if (syscall(SYS_io_uring_enter, u->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0 &&
		    errno != EINTR)
			return -errno;
	got = u->cqes[head & u->cq_mask].res;
	__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	return got;
}

void guest_uring__close(struct guest_uring *u)
{
	close(u->fd); /* the mappings go with the process */
}
