/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What differs between architectures. A directory of this one's has guest_abi.h, guest_code.S and
 * machine.c.
 */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest_abi.h"

/* The operations' names, as options and in the last line; GUEST_OPS of them. */
extern const char *const machine_ops[];
/* How many of each --pace-us means. */
extern const unsigned int machine_pace[];

/* After the VM is made: what it needs before there are vCPUs. */
void machine__open(int kvm_fd, int vm_fd);
/* A vCPU of that id, whose code and parameters are at page, is made ready to run them. */
void machine__add_vcpu(int vcpu_fd, unsigned int id, uint64_t page, struct guest_params *params);
/* After all vCPUs are there. */
void machine__start(unsigned int vcpus);

enum machine_exit {
	MACHINE_GO_ON,
	MACHINE_WORK, /* the VMM's part of the work is to be done */
	MACHINE_DONE,
	MACHINE_UNEXPECTED,
};
enum machine_exit machine__handle(const struct kvm_run *run);
uint64_t machine__pc(int vcpu_fd); /* for messages */

/* kvmguest.c's: ends the program with a message. */
void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...);

static inline int xioctl(int fd, const char *name, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die("%s: %s", name, strerror(errno));
	return ret;
}
#define XIOCTL(fd, request, arg) xioctl(fd, #request, request, (void *)(arg))

#endif
