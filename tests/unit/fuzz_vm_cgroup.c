/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * /proc/PID/cgroup: any bytes; and what the identity is that follows from them.
 */
#include <stdlib.h>
#include <string.h>

#include "vm_identify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"", "web", "ns_web", "日本"};
	struct vm_span text = {(const char *)data, size};
	struct vm_argv argv = {.vmm = VM_VMM_QEMU};
	struct vm vm = {.pid = 1};
	struct vm_cgroup cgroup;
	size_t i;

	vm_cgroup__parse(text, &cgroup);
	if (cgroup.machine_prefix > strlen(cgroup.machine))
		abort();
	if (cgroup.kind == VM_CGROUP_LIBVIRT) {
		/* what libvirt keeps of a name, it would keep of that again */
		if (!vm_cgroup__agrees(&cgroup, cgroup.hint) && *cgroup.hint)
			abort();
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		strcpy(argv.name, names[i]);
		argv.vmm = i & 1 ? VM_VMM_QEMU : VM_VMM_FIRECRACKER;
		vm_identify(&vm, NULL, &cgroup, &argv);
		if (!*vm.name || strlen(vm.name) >= VM_NAME_MAX || !vm.platform || !vm.name_source)
			abort();
	}
	return 0;
}
