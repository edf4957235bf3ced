/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libvirt's status files: any bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "vm_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_status status;
	size_t i;

	if (vm_status__parse((struct vm_span){(const char *)data, size}, &status)) {
		if (status.pid || status.n_vcpus || status.n_nics || status.n_disks)
			abort();
		return 0;
	}
	if (status.pid <= 0 || !*status.name || strlen(status.name) >= VM_NAME_MAX)
		abort();
	for (i = 0; i < status.n_disks; i++)
		if (!*status.disks[i].source || strlen(status.disks[i].source) >= VM_PATH_MAX)
			abort();
	for (i = 0; i < status.n_nics; i++)
		if (!*status.nics[i].name)
			abort();
	vm_status__clear(&status);
	return 0;
}
