/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tap that vhost-net serves: see guest_vhost.h. Two split rings; see linux/virtio_ring.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "guest_vhost.h"

#define ENTRIES	    256
#define RING_SIZE   32768
#define BUFFER_SIZE 2048
#define ANSWER_MS   5000 /* longer than any worker waits for its CPU */

enum { RX, TX }; /* vhost-net's numbers for them */

struct ring {
	struct vring vring;
	char *buffers;
	int kick, call;
	uint16_t offered, taken; /* entries, ever, as their indexes count them */
};

struct guest_vhost {
	int fd;
	struct ring ring[2];
};

static int ring_begin(struct guest_vhost *v, unsigned int index, char *memory, int tap)
{
	struct ring *r = &v->ring[index];
	struct vhost_vring_state state = {.index = index, .num = ENTRIES};
	struct vhost_vring_addr addr = {.index = index};
	struct vhost_vring_file file = {.index = index};

	vring_init(&r->vring, ENTRIES, memory, 4096);
	r->buffers = memory + RING_SIZE;
	for (unsigned int i = 0; i < ENTRIES; i++) {
		r->vring.desc[i] = (struct vring_desc){
			.addr = (uintptr_t)r->buffers + i * BUFFER_SIZE,
			.len = BUFFER_SIZE,
			.flags = index == RX ? VRING_DESC_F_WRITE : 0,
		};
		r->vring.avail->ring[i] = i;
	}
	r->kick = eventfd(0, EFD_CLOEXEC);
	r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	addr.desc_user_addr = (uintptr_t)r->vring.desc;
	addr.avail_user_addr = (uintptr_t)r->vring.avail;
	addr.used_user_addr = (uintptr_t)r->vring.used;
	if (r->kick < 0 || r->call < 0 || ioctl(v->fd, VHOST_SET_VRING_NUM, &state))
		return -1;
	state.num = 0;
	if (ioctl(v->fd, VHOST_SET_VRING_BASE, &state) || ioctl(v->fd, VHOST_SET_VRING_ADDR, &addr))
		return -1;
	file.fd = r->kick;
	if (ioctl(v->fd, VHOST_SET_VRING_KICK, &file))
		return -1;
	file.fd = r->call;
	if (ioctl(v->fd, VHOST_SET_VRING_CALL, &file))
		return -1;
	file.fd = tap;
	return ioctl(v->fd, VHOST_NET_SET_BACKEND, &file);
}

struct guest_vhost *guest_vhost__new(int tap)
{
	const size_t half = RING_SIZE + ENTRIES * BUFFER_SIZE, size = 2 * half;
	struct guest_vhost *v = calloc(1, sizeof(*v));
	struct vhost_memory *table = calloc(1, sizeof(*table) + sizeof(table->regions[0]));
	uint64_t features = 1ULL << VIRTIO_F_VERSION_1;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!v || !table || memory == MAP_FAILED)
		abort();
	table->nregions = 1;
	/* what the guest calls an address is ours, too */
	table->regions[0].guest_phys_addr = (uintptr_t)memory;
	table->regions[0].userspace_addr = (uintptr_t)memory;
	table->regions[0].memory_size = size;
	v->fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (v->fd < 0 || ioctl(v->fd, VHOST_SET_OWNER, NULL) ||
	    ioctl(v->fd, VHOST_SET_FEATURES, &features) ||
	    ioctl(v->fd, VHOST_SET_MEM_TABLE, table) || ring_begin(v, RX, memory, tap) ||
	    ring_begin(v, TX, memory + half, tap))
		return NULL;
	free(table);
	return v;
}

/* Offers so many entries more to the worker. */
static void offer(struct ring *r, unsigned int n)
{
	const uint64_t one = 1;

	r->offered += n;
	__atomic_store_n(&r->vring.avail->idx, r->offered, __ATOMIC_RELEASE);
	if (write(r->kick, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* How many it has finished since; waits ms for the first. */
static unsigned int finished(struct ring *r, int ms)
{
	struct pollfd p = {.fd = r->call, .events = POLLIN};
	uint64_t calls;
	uint16_t n;

	for (;;) {
		n = __atomic_load_n(&r->vring.used->idx, __ATOMIC_ACQUIRE) - r->taken;
		if (n || poll(&p, 1, ms) <= 0)
			break;
		if (read(r->call, &calls, sizeof(calls)) < 0 && errno != EAGAIN)
			break;
	}
	for (uint16_t i = 0; i < n; i++) /* it is offered again in this order */
		r->vring.avail->ring[(uint16_t)(r->taken + i) % ENTRIES] =
			r->vring.used->ring[(uint16_t)(r->taken + i) % ENTRIES].id;
	r->taken += n;
	return n;
}

static unsigned int under_way(const struct ring *r)
{
	return (uint16_t)(r->offered - r->taken);
}

unsigned long guest_vhost__send(struct guest_vhost *v, const void *frame, size_t len,
				unsigned long n)
{
	struct ring *r = &v->ring[TX];
	unsigned long sent = 0;
	unsigned int some;

	if (len + VHOST_HEADER > BUFFER_SIZE)
		return 0;
	for (unsigned int i = 0; i < ENTRIES; i++) {
		memset(r->buffers + i * BUFFER_SIZE, 0, VHOST_HEADER);
		memcpy(r->buffers + i * BUFFER_SIZE + VHOST_HEADER, frame, len);
		r->vring.desc[i].len = VHOST_HEADER + len;
	}
	while (sent < n) {
		offer(r, n - sent < ENTRIES ? n - sent : ENTRIES);
		while (under_way(r)) {
			some = finished(r, ANSWER_MS);
			if (!some)
				return sent;
			sent += some;
		}
	}
	return sent;
}

unsigned long guest_vhost__take(struct guest_vhost *v, unsigned long n, int ms)
{
	struct ring *r = &v->ring[RX];
	unsigned long taken = 0, wanted;
	unsigned int some;

	while (taken < n) {
		wanted = n - taken < ENTRIES ? n - taken : ENTRIES;
		if (under_way(r) < wanted)
			offer(r, wanted - under_way(r));
		some = finished(r, ms);
		if (!some)
			break;
		taken += some;
	}
	return taken;
}
