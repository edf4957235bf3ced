/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds the vCPU threads that the kernel side has not met, and says what they sleep in. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "adopt.h"
#include "util.h"

/* Does that file of a sleeping thread name the function by which KVM halts a vCPU? */
static bool names_halt(const char *proc_root, pid_t tid, const char *file)
{
	char buf[1024] = "", *path = xasprintf("%s/%d/%s", proc_root, tid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	if (fd < 0)
		return false;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		*buf = '\0';
	close(fd);
	return strstr(buf, "kvm_vcpu_block") || strstr(buf, "kvm_vcpu_halt");
}

/*
 * virt/kvm/kvm_main.c, kvm_vcpu_block. wchan shows it to those who may trace the VMM, stack to
 * root alone, but on v5.10, where wchan is 0, too.
 */
static bool sleeps_in_halt(const char *proc_root, pid_t tid)
{
	return names_halt(proc_root, tid, "wchan") || names_halt(proc_root, tid, "stack");
}

int adopt__vcpus(struct session *s, struct vms *vms, const char *proc_root)
{
	struct adoptee *list = NULL;
	struct vm **all;
	size_t n = vms__all(vms, &all), found = 0;
	int err;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; all[i]->alive && all[i]->wanted && k < all[i]->n_vcpus; k++) {
			const struct vm_vcpu *v = &all[i]->vcpus[k];

			if (!v->tid || session__knows_thread(s, v->tid))
				continue;
			list = xreallocarray(list, found + 1, sizeof(*list));
			list[found++] = (struct adoptee){
				.tid = v->tid,
				.vcpu_id = v->id,
				.halted = sleeps_in_halt(proc_root, v->tid),
			};
		}
	}
	err = session__adopt(s, list, found);
	free(list);
	return err ? err : (int)found;
}
