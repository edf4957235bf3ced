/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts that the kernel writes about processes.
 */
#include <string.h>

#include "util.h"
#include "vm_proc.h"

/* include/linux/sched.h: the same since 2.6.27 */
#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

/* Numbers of fields in /proc/PID/stat as proc(5) has them, the state's being 3. */
#define STAT_FLAGS  9
#define STAT_START  22

#define VCPU_ID_MAX (1 << 20) /* far above KVM_MAX_VCPU_IDS of any architecture */

bool vm_proc__stat(struct vm_span text, struct vm_proc_stat *ret)
{
	const char *open = memchr(text.s, '(', text.len);
	const char *close = memrchr(text.s, ')', text.len);
	struct vm_span rest, field;
	uint64_t flags = 0;
	int n;

	if (!open || !close || close < open)
		return false;
	*ret = (struct vm_proc_stat){.state = '?'};
	vm_span__copy(ret->comm, sizeof(ret->comm),
		      (struct vm_span){open + 1, (size_t)(close - open) - 1});
	rest = vm_span__skip(text, (size_t)(close - text.s) + 1);
	if (!vm_span__starts(rest, " "))
		return false;
	rest = vm_span__skip(rest, 1);
	for (n = 3; n <= STAT_START && vm_span__next(&rest, ' ', &field); n++) {
		if (n == 3 && field.len == 1)
			ret->state = *field.s;
		else if (n == STAT_FLAGS && !vm_span__uint(field, UINT32_MAX, &flags))
			return false;
		else if (n == STAT_START && !vm_span__uint(field, UINT64_MAX, &ret->start_ticks))
			return false;
	}
	ret->kernel_thread = flags & PF_KTHREAD;
	ret->exiting = flags & PF_EXITING;
	return n > STAT_START;
}

/* The value of the line "KEY:<blanks>VALUE", its end trimmed. */
static bool keyed_line(struct vm_span line, const char *key, struct vm_span *ret_value)
{
	if (!vm_span__starts(line, key))
		return false;
	line = vm_span__skip(line, strlen(key));
	while (line.len && (*line.s == ' ' || *line.s == '\t'))
		line = vm_span__skip(line, 1);
	*ret_value = line;
	return true;
}

pid_t vm_proc__tgid(struct vm_span text)
{
	struct vm_span line, value;
	uint64_t tgid;

	while (text.len && vm_span__next(&text, '\n', &line))
		if (keyed_line(line, "Tgid:", &value))
			return vm_span__uint(value, INT32_MAX, &tgid) ? (pid_t)tgid : 0;
	return 0;
}

static bool prefixed_number(struct vm_span span, const char *prefix, uint64_t max, int *ret_number)
{
	uint64_t number;

	if (!vm_span__starts(span, prefix) ||
	    !vm_span__uint(vm_span__skip(span, strlen(prefix)), max, &number))
		return false;
	*ret_number = (int)number;
	return true;
}

enum vm_fd_kind vm_proc__fd(struct vm_span target, int *ret_number)
{
	if (vm_span__starts(target, "anon_inode:")) {
		if (vm_span__is(target, "anon_inode:kvm-vm"))
			return VM_FD_KVM_VM;
		*ret_number = -1;
		if (vm_span__is(target, "anon_inode:kvm-vcpu") ||
		    prefixed_number(target, "anon_inode:kvm-vcpu:", VCPU_ID_MAX, ret_number))
			return VM_FD_KVM_VCPU;
		return VM_FD_OTHER;
	}
	if (!vm_span__starts(target, "/") || vm_span__ends(target, " (deleted)"))
		return VM_FD_OTHER;
	/* a jailed VMM has its own /dev, which looks longer from out here */
	if (vm_span__ends(target, "/dev/net/tun"))
		return VM_FD_TUN;
	if (target.len > strlen("/dev/") &&
	    vm_span__ends((struct vm_span){target.s, target.len - vm_span__base(target).len},
			  "/dev/") &&
	    prefixed_number(vm_span__base(target), "tap", INT32_MAX, ret_number))
		return VM_FD_MACVTAP;
	return vm_span__starts(target, "/dev/") ? VM_FD_DEVICE : VM_FD_FILE;
}

static unsigned int octal(struct vm_span span)
{
	unsigned int value = 0;

	while (span.len && *span.s >= '0' && *span.s <= '7') {
		value = value << 3 | (unsigned int)(*span.s - '0');
		span = vm_span__skip(span, 1);
	}
	return value;
}

void vm_proc__fdinfo(struct vm_span text, struct vm_proc_fdinfo *ret)
{
	struct vm_span line, value;

	*ret = (struct vm_proc_fdinfo){.mnt_id = 0};
	while (text.len && vm_span__next(&text, '\n', &line)) {
		if (keyed_line(line, "iff:", &value))
			vm_span__copy(ret->iff, sizeof(ret->iff), value);
		else if (keyed_line(line, "flags:", &value))
			ret->flags = octal(value);
		else if (keyed_line(line, "mnt_id:", &value))
			vm_span__uint(value, UINT64_MAX, &ret->mnt_id);
		else if (keyed_line(line, "ino:", &value))
			vm_span__uint(value, UINT64_MAX, &ret->ino);
	}
}

/* The type in what is left of a mount's line: behind a lone "-", which ends the optional fields. */
static bool type_field(struct vm_span line, struct vm_span *ret_type)
{
	struct vm_span field;

	while (vm_span__next(&line, ' ', &field))
		if (vm_span__is(field, "-"))
			break;
	return vm_span__next(&line, ' ', ret_type);
}

bool vm_proc__mount_type(struct vm_span text, uint64_t mnt_id, char *dst, size_t size)
{
	struct vm_span line, field;

	while (text.len && vm_span__next(&text, '\n', &line)) {
		uint64_t id;

		if (!vm_span__next(&line, ' ', &field) || !vm_span__uint(field, UINT64_MAX, &id) ||
		    id != mnt_id)
			continue;
		if (!type_field(line, &field))
			return false;
		vm_span__copy(dst, size, field);
		return true;
	}
	return false;
}

/* One character of a path that is escaped as mangle_path() does, taken off it: "\\040" is a blank.
 */
static char unescaped(struct vm_span *span)
{
	char c = *span->s;

	if (c == '\\' && span->len >= 4) {
		c = (char)octal((struct vm_span){span->s + 1, 3});
		*span = vm_span__skip(*span, 3);
	}
	*span = vm_span__skip(*span, 1);
	return c;
}

/* Is the path that place, or below it? */
static bool is_below(const char *path, struct vm_span place)
{
	if (vm_span__is(place, "/"))
		return *path == '/';
	for (; place.len; path++)
		if (!*path || *path != unescaped(&place))
			return false;
	return !*path || *path == '/';
}

bool vm_proc__mount_of(struct vm_span text, const char *path, char *dst, size_t size)
{
	struct vm_span line, place, type;
	size_t longest = 0;
	bool found = false;

	while (text.len && vm_span__next(&text, '\n', &line)) {
		int field = 0;

		while (field < 5 && vm_span__next(&line, ' ', &place))
			field++;
		/* of those on one place the last is on top; one path's places are as long as they
		 * are deep, escaped or not */
		if (field < 5 || !place.len || place.len < longest || !is_below(path, place) ||
		    !type_field(line, &type))
			continue;
		longest = place.len;
		vm_span__copy(dst, size, type);
		found = true;
	}
	return found;
}

int vm_proc__vcpu_thread(struct vm_span comm)
{
	static const char *const prefixes[] = {"fc_vcpu ", "vcpu", "crosvm_vcpu", "kvm-vcpu-"};
	int number;
	size_t i;

	if (vm_span__ends(comm, "\n"))
		comm.len--;
	if (vm_span__ends(comm, "/KVM")) {
		comm.len -= strlen("/KVM");
		return prefixed_number(comm, "CPU ", VCPU_ID_MAX, &number) ? number : -1;
	}
	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (prefixed_number(comm, prefixes[i], VCPU_ID_MAX, &number))
			return number;
	return -1;
}

pid_t vm_proc__debugfs_thread(struct vm_span name)
{
	struct vm_span thread;
	uint64_t tid, fd;

	if (!vm_span__next(&name, '-', &thread) || !name.s ||
	    !vm_span__uint(thread, INT32_MAX, &tid) || !vm_span__uint(name, INT32_MAX, &fd))
		return 0;
	return (pid_t)tid;
}

bool vm_proc__uevent(struct vm_span text, pid_t *ret_thread)
{
	bool kvm = false, event = false;
	struct vm_span part;
	int thread;

	*ret_thread = 0;
	while (text.len && vm_span__next(&text, '\0', &part)) {
		if (vm_span__is(part, "DEVNAME=kvm") ||
		    (vm_span__starts(part, "DEVPATH=") && vm_span__ends(part, "/misc/kvm")))
			kvm = true;
		else if (vm_span__is(part, "EVENT=create") || vm_span__is(part, "EVENT=destroy"))
			event = true;
		else if (prefixed_number(part, "PID=", INT32_MAX, &thread))
			*ret_thread = thread;
	}
	return kvm && event;
}
