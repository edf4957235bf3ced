/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Command lines: any bytes, read as those of each VMM.
 */
#include <stdlib.h>
#include <string.h>

#include "vm_argv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const exes[] = {"", "kvm", "firecracker", "cloud-hypervisor", "crosvm"};
	struct vm_span text = {(const char *)data, size};
	struct vm_argv argv;
	size_t i;

	for (i = 0; i < sizeof(exes) / sizeof(exes[0]); i++) {
		vm_argv__parse(text, exes[i], &argv);
		if (strnlen(argv.name, sizeof(argv.name)) == sizeof(argv.name) ||
		    (*argv.uuid && strlen(argv.uuid) != VM_UUID_LEN - 1))
			abort();
		/* what was found is there, unless commas were halved in it */
		if (*argv.name && !strchr(argv.name, ',') &&
		    !memmem(text.s, text.len, argv.name, strlen(argv.name)))
			abort();
		vm_argv__has_file(text, argv.name);
		vm_argv__has_memory(text, argv.name);
	}
	return 0;
}
