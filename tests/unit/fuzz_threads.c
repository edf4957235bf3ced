/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts of the kernel's about CPU time, and names of threads: any bytes, read as each of them.
 */
#include <stdlib.h>

#include "proc_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_span text = {(const char *)data, size};
	enum thread_group group = proc_text__group(text);
	struct proc_times times;
	struct proc_cpus cpus;

	if (group == THREAD_MAIN || group > THREAD_VCPU)
		abort();
	if (proc_text__vhost_owner(text) < 0)
		abort();
	if (proc_text__vhost_owner(text) && group != THREAD_VHOST)
		abort();
	proc_text__schedstat(text, &times);
	if (proc_text__cpus(text, &cpus) && !cpus.online)
		abort();
	return 0;
}
