/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts of the kernel's about processes, and uevents: any bytes, read as each of them.
 */
#include <stdlib.h>
#include <string.h>

#include "vm_proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_span text = {(const char *)data, size};
	struct vm_proc_fdinfo info;
	struct vm_proc_stat stat;
	char type[8];
	int number;
	pid_t thread;

	if (vm_proc__stat(text, &stat) && strlen(stat.comm) >= sizeof(stat.comm))
		abort();
	if (vm_proc__tgid(text) < 0 || vm_proc__debugfs_thread(text) < 0 ||
	    vm_proc__vcpu_thread(text) < -1)
		abort();
	number = -1;
	if (vm_proc__fd(text, &number) == VM_FD_MACVTAP && number < 0)
		abort();
	vm_proc__fdinfo(text, &info);
	if (strlen(info.iff) >= sizeof(info.iff))
		abort();
	if (vm_proc__mount_type(text, 25, type, sizeof(type)) && strlen(type) >= sizeof(type))
		abort();
	if (vm_proc__mount_of(text, "/a b/c", type, sizeof(type)) && strlen(type) >= sizeof(type))
		abort();
	if (vm_proc__uevent(text, &thread) && thread < 0)
		abort();
	return 0;
}
