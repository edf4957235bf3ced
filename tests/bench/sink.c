/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sink IFACE: takes all frames that an interface receives and keeps none, so that each ends as one
 * that was used (consume_skb), and not as one that nobody wanted (kfree_skb). Says "ready"; until
 * a signal.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

int main(int argc, char **argv)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = {.len = 1, .filter = &none};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (argc != 2) {
		fprintf(stderr, "usage: sink IFACE\n");
		return 2;
	}
	at.sll_ifindex = if_nametoindex(argv[1]);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		perror("sink");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
