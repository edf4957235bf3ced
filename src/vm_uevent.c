/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket on which the kernel tells that KVM made or destroyed a VM.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vm_proc.h"
#include "vm_uevent.h"

#define KERNEL_GROUP 1 /* what the kernel sends; 2 is what udev makes of it */

/* Some thousand messages: a host that boots or gets a disk array sends them in bursts. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)

int vm_uevent__open(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int size = RECEIVE_BUFFER, err;

	if (fd < 0)
		return -errno;
	/* the first needs CAP_NET_ADMIN; the second gives as much as net.core.rmem_max allows */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int vm_uevent__next(int fd, pid_t *ret_thread)
{
	struct sockaddr_nl sender = {.nl_pid = 0};
	socklen_t sender_len;
	char buf[8192]; /* UEVENT_BUFFER_SIZE is 2048, and a header comes before it */
	ssize_t n;

	do {
		sender_len = sizeof(sender);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&sender, &sender_len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* a process with CAP_SYS_ADMIN can send to the group as well: its port is not 0 */
	if (sender_len != sizeof(sender) || sender.nl_pid != 0)
		return 0;
	return vm_proc__uevent((struct vm_span){buf, (size_t)n}, ret_thread);
}
