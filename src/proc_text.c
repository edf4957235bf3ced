/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts that the kernel writes about CPU time, and what the name of a thread tells of its work.
 */
#include <string.h>

#include "proc_text.h"
#include "util.h"
#include "vm_proc.h"

const char *const thread_group_names[THREAD_GROUPS] = {
	[THREAD_MAIN] = "main",	  [THREAD_IOTHREAD] = "iothread", [THREAD_WORKER] = "worker",
	[THREAD_VHOST] = "vhost", [THREAD_OTHER] = "other",
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "_disk0_q1", "mine_qp0": Cloud Hypervisor's queues, whatever the device is called. */
static bool is_queue(struct vm_span comm)
{
	size_t digits = 0;

	while (comm.len && is_digit(comm.s[comm.len - 1])) {
		comm.len--;
		digits++;
	}
	return digits && (vm_span__ends(comm, "_q") || vm_span__ends(comm, "_qp"));
}

enum thread_group proc_text__group(struct vm_span comm)
{
	static const struct {
		const char *name;
		bool prefix;
		enum thread_group group;
	} names[] = {
		{"IO ", true, THREAD_IOTHREAD},	    /* QEMU: and the object's id */
		{"_", true, THREAD_IOTHREAD},	    /* Cloud Hypervisor: a device's own id */
		{"v_", true, THREAD_IOTHREAD},	    /* crosvm */
		{"virtio-", true, THREAD_IOTHREAD}, /* kvmtool */
		{"worker", false, THREAD_WORKER},   /* QEMU */
		{"aio", true, THREAD_WORKER},
		{"iou-wrk-", true, THREAD_WORKER},	  /* io_uring/io-wq.c, io_wq_worker */
		{"iou-sqp-", true, THREAD_WORKER},	  /* io_uring/sqpoll.c, io_sq_thread */
		{"threadpool-work", true, THREAD_WORKER}, /* kvmtool */
	};

	if (vm_span__ends(comm, "\n"))
		comm.len--;
	if (vm_proc__vcpu_thread(comm) >= 0)
		return THREAD_VCPU;
	if (proc_text__vhost_owner(comm))
		return THREAD_VHOST;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].prefix ? vm_span__starts(comm, names[i].name)
				    : vm_span__is(comm, names[i].name))
			return names[i].group;
	return is_queue(comm) ? THREAD_IOTHREAD : THREAD_OTHER;
}

pid_t proc_text__vhost_owner(struct vm_span comm)
{
	uint64_t owner;

	if (vm_span__ends(comm, "\n"))
		comm.len--;
	if (!vm_span__starts(comm, "vhost-") ||
	    !vm_span__uint(vm_span__skip(comm, strlen("vhost-")), INT32_MAX, &owner))
		return 0;
	return (pid_t)owner;
}

/* The next number of a line of numbers. */
static bool next_number(struct vm_span *line, uint64_t *ret)
{
	struct vm_span field;

	return vm_span__next(line, ' ', &field) && vm_span__uint(field, UINT64_MAX, ret);
}

bool proc_text__schedstat(struct vm_span text, struct proc_times *ret)
{
	struct vm_span line;

	return vm_span__next(&text, '\n', &line) && next_number(&line, &ret->cpu) &&
	       next_number(&line, &ret->delay) && next_number(&line, &ret->runs);
}

bool proc_text__cpus(struct vm_span text, struct proc_cpus *ret)
{
	struct vm_span line;

	*ret = (struct proc_cpus){.online = 0};
	if (!vm_span__next(&text, '\n', &line) || !vm_span__starts(line, "cpu  "))
		return false;
	line = vm_span__skip(line, strlen("cpu  "));
	for (int i = 0; i < CPU_STATES; i++)
		if (!next_number(&line, &ret->ticks[i]))
			return false;
	while (text.len && vm_span__next(&text, '\n', &line) && vm_span__starts(line, "cpu"))
		ret->online++;
	return ret->online > 0;
}
