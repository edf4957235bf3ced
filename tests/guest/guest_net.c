/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a VMM does with packets, in slow motion: each interface is a file that frames are written to
 * (the guest sends) and read from (it receives), when a line on stdin says so.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "guest_net.h"
#include "guest_ovs.h"
#include "guest_vhost.h"

#define FRAME_MAX 65536

static struct tap {
	int fd;
	bool vnet_hdr;
	struct guest_vhost *vhost; /* which serves it, or NULL */
} taps[MAX_TAPS];
static unsigned int n_taps;

static unsigned char frame[FRAME_MAX];
static size_t frame_len;
static struct virtio_net_hdr header;

static void __attribute__((noreturn)) fail(const char *what, const char *name)
{
	fprintf(stderr, "kvmguest: %s %s: %s\n", what, name, strerror(errno));
	exit(EXIT_FAILURE);
}

/* kind: "/packet" receives nothing, the others hear all that passes; "/full" has no room for it. */
static void open_packet(struct tap *t, const char *name, const char *kind)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = strcmp(kind, "/packet") ? htons(ETH_P_ALL) : 0,
		.sll_ifindex = if_nametoindex(name),
	};
	int room = 1;

	t->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (!strcmp(kind, "/full"))
		setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (t->fd < 0 || bind(t->fd, (struct sockaddr *)&at, sizeof(at)))
		fail("packet socket on", name);
}

/* As long as its file is open, an XDP program drops all that the interface receives. */
static void open_xdp(struct tap *t, const char *name)
{
	const struct bpf_insn drop[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (unsigned long)drop,
		.insn_cnt = 2,
		.license = (unsigned long)"GPL",
	};
	union bpf_attr link = {};
	/* before v5.11 (97306be45fbe), programs count as locked memory */
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_MEMLOCK, &all);
	link.link_create.prog_fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	link.link_create.target_ifindex = if_nametoindex(name);
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_DRV_MODE;
	t->fd = syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));
	if (t->fd < 0)
		fail("XDP on", name);
	close(link.link_create.prog_fd);
}

/* "vnet0" is a tap; "eth0/packet" a packet socket on any interface, "eth0/sniffer" one that
 * receives, too, "eth0/full" one that has no room; "vnet0/mq" one of several
 * queues, "vnet0/vnet" one with virtio headers; "vnet0/vhost" one that vhost-net serves; "eth0/xdp"
 * an XDP program that drops all;
 * "/dev/tap7" a macvtap, which has them always. */
void guest_net__open(const char *name)
{
	struct tap *t = &taps[n_taps++];
	const char *slash = strchr(name, '/');
	struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int size = sizeof(struct virtio_net_hdr);

	if (slash &&
	    (!strcmp(slash, "/packet") || !strcmp(slash, "/sniffer") || !strcmp(slash, "/full"))) {
		/* no VM's: a socket on any interface */
		snprintf(req.ifr_name, IFNAMSIZ, "%.*s", (int)(slash - name), name);
		open_packet(t, req.ifr_name, slash);
		return;
	}
	if (slash && !strcmp(slash, "/xdp")) {
		snprintf(req.ifr_name, IFNAMSIZ, "%.*s", (int)(slash - name), name);
		open_xdp(t, req.ifr_name);
		return;
	}
	if (*name == '/') {
		t->fd = open(name, O_RDWR | O_CLOEXEC);
		if (t->fd < 0)
			fail("open", name);
		t->vnet_hdr = true;
		if (ioctl(t->fd, TUNSETVNETHDRSZ, &size))
			fail("headers of", name);
		return;
	}
	t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (t->fd < 0)
		fail("open", "/dev/net/tun");
	snprintf(req.ifr_name, IFNAMSIZ, "%.*s", slash ? (int)(slash - name) : IFNAMSIZ - 1, name);
	if (slash && strstr(slash, "mq"))
		req.ifr_flags |= IFF_MULTI_QUEUE;
	if (slash && (strstr(slash, "vnet") || strstr(slash, "vhost"))) {
		req.ifr_flags |= IFF_VNET_HDR;
		t->vnet_hdr = true;
	}
	if (ioctl(t->fd, TUNSETIFF, &req))
		fail("TUNSETIFF", name);
	if (slash && strstr(slash, "vhost")) {
		size = VHOST_HEADER;
		if (ioctl(t->fd, TUNSETVNETHDRSZ, &size))
			fail("headers of", name);
		t->vhost = guest_vhost__new(t->fd);
		if (!t->vhost)
			fail("vhost for", name);
	} else if (t->vnet_hdr) {
		ioctl(t->fd, TUNSETVNETHDRSZ, &size);
		ioctl(t->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	}
}

/* --- what the lines say */

static bool parse_frame(const char *hex)
{
	unsigned int byte;

	frame_len = 0;
	for (; sscanf(hex, "%2x", &byte) == 1 && frame_len < FRAME_MAX; hex += 2)
		frame[frame_len++] = byte;
	return frame_len >= 14;
}

static size_t with_header(const struct tap *t, unsigned char *buf)
{
	size_t at = 0;

	if (t->vnet_hdr) {
		memcpy(buf, &header, sizeof(header));
		at = sizeof(header);
	}
	memcpy(buf + at, frame, frame_len);
	return at + frame_len;
}

/* Sends the frame n times, and says how many the kernel took. */
static void send_frames(const struct tap *t, unsigned long n)
{
	static unsigned char buf[FRAME_MAX + sizeof(header)];
	size_t len = with_header(t, buf);
	struct timespec a, b;
	unsigned long sent = 0;

	clock_gettime(CLOCK_MONOTONIC, &a);
	if (t->vhost)
		sent = guest_vhost__send(t->vhost, frame, frame_len, n);
	for (unsigned long i = 0; i < n && !t->vhost; i++)
		sent += write(t->fd, buf, len) == (ssize_t)len;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("sent %lu elapsed_ns=%lld\n", sent,
	       (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec);
}

/* Takes up to n frames; waits ms for each at most. */
static void take_frames(const struct tap *t, unsigned long n, int ms)
{
	struct pollfd p = {.fd = t->fd, .events = POLLIN};
	static unsigned char buf[FRAME_MAX];
	unsigned long taken = 0;

	if (t->vhost)
		taken = guest_vhost__take(t->vhost, n, ms);
	while (!t->vhost && taken < n && poll(&p, 1, ms) > 0 && read(t->fd, buf, sizeof(buf)) > 0)
		taken++;
	printf("took %lu\n", taken);
}

/* Has the kernel drop all that the guest is sent, by a filter. */
static void turn_deaf(const struct tap *t)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = {.len = 1, .filter = &nothing};

	printf("deaf %d\n", ioctl(t->fd, TUNATTACHFILTER, &filter));
}

void guest_net__serve(void)
{
	char *line = NULL, *hex, name[3][IFNAMSIZ];
	unsigned int tap, size;
	unsigned long n;
	size_t cap = 0;
	int ms;

	while (getline(&line, &cap, stdin) > 0) {
		hex = strchr(line, ' ');
		if (!strncmp(line, "frame ", 6) && parse_frame(hex + 1)) {
			printf("frame %zu\n", frame_len);
		} else if (sscanf(line, "gso %u", &size) == 1) {
			/* TCP over IPv4, with 20 bytes each of headers, to be cut to that size */
			header = (struct virtio_net_hdr){
				.flags = size ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
				.gso_type =
					size ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE,
				.gso_size = size,
				.hdr_len = size ? 54 : 0,
				.csum_start = size ? 34 : 0,
				.csum_offset = size ? 16 : 0,
			};
			printf("gso %u\n", size);
		} else if (sscanf(line, "send %u %lu", &tap, &n) == 2 && tap < n_taps) {
			send_frames(&taps[tap], n);
		} else if (sscanf(line, "take %u %lu %d", &tap, &n, &ms) == 3 && tap < n_taps) {
			take_frames(&taps[tap], n, ms);
		} else if (!strncmp(line, "tap ", 4) && n_taps < MAX_TAPS) {
			line[strcspn(line, "\n")] = '\0';
			guest_net__open(line + 4);
			printf("tap %u\n", n_taps - 1);
		} else if (sscanf(line, "deaf %u", &tap) == 1 && tap < n_taps) {
			turn_deaf(&taps[tap]);
		} else if (sscanf(line, "ovs %15s %15s %15s", name[0], name[1], name[2]) == 3) {
			printf("ovs %s\n", strerror(-guest_ovs__make(name[0], name[1], name[2])));
		} else if (sscanf(line, "close %u", &tap) == 1 && tap < n_taps) {
			close(taps[tap].fd);
			printf("closed %u\n", tap);
		} else {
			printf("? %s", line);
		}
		fflush(stdout);
	}
	free(line);
}
