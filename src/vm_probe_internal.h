/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What vm_probe.c and vm_devices.c share: the open /proc, and buffers to read into. */
#ifndef KVMSCOPE_VM_PROBE_INTERNAL_H
#define KVMSCOPE_VM_PROBE_INTERNAL_H

#include <limits.h>
#include "vm_probe.h"

/* Long enough for the longest of "PID/fdinfo/FD" and "NAME/ifindex". */
#define SHORT_PATH 320

struct vm_probe {
	char *proc, *net;
	int proc_fd; /* -1 until the first use */
	char argv[VM_ARGV_MAX];
	char target[PATH_MAX];
	char text[16 * 1024];
};

/* Of /proc itself; -1 where there is none. */
int vm_probe__proc_fd(struct vm_probe *probe);
/* A file of a process: *ret_text lies in buf. 0, -ESRCH when the process is gone, or -errno. */
int vm_probe__read(struct vm_probe *probe, pid_t pid, const char *name, char *buf, size_t size,
		   struct vm_span *ret_text);
/* A directory of a process; as vm_probe__read(), and to be closed after either. */
int vm_probe__open_dir(struct vm_probe *probe, pid_t pid, const char *name, struct vm_dir *dir);
/* The target of a link, read into the probe's own buffer. Empty where there is none. */
struct vm_span vm_probe__link(struct vm_probe *probe, int dirfd, const char *name);
/* The command line, in the probe's own buffer. Empty where there is none. */
struct vm_span vm_probe__argv(struct vm_probe *probe, pid_t pid);

#endif
