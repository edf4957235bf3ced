/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tap that vhost-net serves: what a guest's driver and its VMM do together, without a guest. The
 * kernel's worker takes frames out of the tap's ring and puts them into ours, and the other way.
 */
#ifndef GUEST_VHOST_H
#define GUEST_VHOST_H

#include <stddef.h>

#define VHOST_HEADER 12 /* virtio's header in front of each frame: the tap must have that size */

struct guest_vhost;

/* tap: its file, with headers. NULL with errno. It lasts as long as the process. */
struct guest_vhost *guest_vhost__new(int tap);
/* Sends a frame n times; returns how many vhost took. */
unsigned long guest_vhost__send(struct guest_vhost *v, const void *frame, size_t len,
				unsigned long n);
/* Offers room for n frames, and waits ms for each at most; returns how many came. */
unsigned long guest_vhost__take(struct guest_vhost *v, unsigned long n, int ms);

#endif
