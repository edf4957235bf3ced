/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between keeper and worker: a byte, and descriptors with it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kvmscoped.h"

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
};

int message__send(int socket, char what, const int *fd, size_t n)
{
	struct iovec byte = {&what, 1};
	union control control = {};
	struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1};

	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), fd, n * sizeof(int));
	}
	return sendmsg(socket, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int message__receive(int socket, char *what, int fd[MESSAGE_FDS])
{
	struct iovec byte = {what, 1};
	union control control;
	struct msghdr m = {.msg_iov = &byte,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	size_t n = 0;

	if (got != 1)
		return got ? -errno : -EPIPE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fd, CMSG_DATA(c), n * sizeof(int));
	}
	return (int)n;
}
