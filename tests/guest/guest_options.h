/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmguest's command line, as plain data. */
#ifndef GUEST_OPTIONS_H
#define GUEST_OPTIONS_H

#include <stdbool.h>

#include "guest_abi.h"
#include "guest_disk.h"
#include "guest_net.h"

#define MAX_VCPUS 192

struct options {
	unsigned int count[GUEST_OPS];
	unsigned int repeat; /* 0: for ever */
	unsigned int vcpus;
	unsigned int hlt_wake_us;
	unsigned int pace_us;
	unsigned int busy_ms;
	unsigned int vmm_sleep_us;
	unsigned int vmm_spin_us;
	int pin[MAX_VCPUS];
	unsigned int pins;
	bool wait_stdin;
	bool hold;
	bool free_vm;
	bool one_thread;
	struct disk_options disk;
	const char *tap[MAX_TAPS];
	unsigned int taps;
};

extern struct options opt;

/* Fills opt. Ends the program: with status 2 on a bad command line, 0 after --help. */
void guest_options__parse(int argc, char **argv);

#endif
