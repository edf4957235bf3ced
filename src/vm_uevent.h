/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket on which the kernel tells that KVM made or destroyed a VM.
 */
#ifndef KVMSCOPE_VM_UEVENT_H
#define KVMSCOPE_VM_UEVENT_H

#include <sys/types.h>

/*
 * Returns a descriptor that never blocks, or -errno. In a network namespace of another user
 * namespace than the first it opens and stays silent (lib/kobject_uevent.c, uevent_net_init).
 */
int vm_uevent__open(void);

/*
 * Takes one message off the socket. Returns 1 if KVM sent it, with the thread that made the VM
 * (0: not known); 0 if it was about something else; -EAGAIN when there is none; -ENOBUFS when
 * some were lost; or another -errno.
 */
int vm_uevent__next(int fd, pid_t *ret_thread);

#endif
