/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /proc/PID/io of each VM, sample by sample. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "proc_io.h"
#include "util.h"
#include "vm_file.h"

struct sampled {
	pid_t pid;
	uint64_t start_ticks;
	unsigned int known; /* of now and before: 0, 1 or 2 */
	struct proc_io now, before;
};

struct proc_ios {
	int proc_fd;
	struct sampled *list;
	size_t n;
};

bool proc_io__parse(struct vm_span text, struct proc_io *ret)
{
	const struct {
		const char *name;
		uint64_t *value;
	} fields[] = {
		{"rchar: ", &ret->rchar},
		{"wchar: ", &ret->wchar},
		{"read_bytes: ", &ret->read_bytes},
		{"write_bytes: ", &ret->write_bytes},
	};
	struct vm_span line;
	size_t found = 0;

	while (vm_span__next(&text, '\n', &line)) {
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			struct vm_span number;

			if (!vm_span__starts(line, fields[i].name))
				continue;
			number = vm_span__skip(line, __builtin_strlen(fields[i].name));
			found += vm_span__uint(number, UINT64_MAX, fields[i].value);
		}
	}
	return found == ARRAY_SIZE(fields);
}

struct proc_ios *proc_ios__new(const char *proc_root)
{
	struct proc_ios *ios = xcalloc(1, sizeof(*ios));

	ios->proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ios;
}

void proc_ios__free(struct proc_ios *ios)
{
	if (!ios)
		return;
	if (ios->proc_fd >= 0)
		close(ios->proc_fd);
	free(ios->list);
	free(ios);
}

static int by_process(const void *a, const void *b)
{
	const struct sampled *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->start_ticks > y->start_ticks) - (x->start_ticks < y->start_ticks);
}

static struct sampled *find(const struct proc_ios *ios, const struct vm *vm)
{
	struct sampled key = {.pid = vm->pid, .start_ticks = vm->start_ticks};

	return ios->n ? bsearch(&key, ios->list, ios->n, sizeof(key), by_process) : NULL;
}

void proc_ios__sample(struct proc_ios *ios, struct vms *vms)
{
	struct sampled *next;
	struct vm **all;
	size_t n_vms = vms__all(vms, &all), n = 0;

	next = xcalloc(n_vms, sizeof(*next));
	/* in order of pid and start time: vms__all() has them so */
	for (size_t i = 0; i < n_vms; i++) {
		const struct sampled *old = find(ios, all[i]);
		struct sampled *s = &next[n];
		struct vm_span text;
		char path[32], buf[512];

		if (!all[i]->wanted || !all[i]->alive)
			continue;
		*s = old ? *old
			 : (struct sampled){.pid = all[i]->pid, .start_ticks = all[i]->start_ticks};
		snprintf(path, sizeof(path), "%d/io", (int)all[i]->pid);
		s->before = s->now;
		if (!vm_file__read(ios->proc_fd, path, buf, sizeof(buf), &text) &&
		    proc_io__parse(text, &s->now))
			s->known += s->known < 2;
		else
			s->known = 0;
		n++;
	}
	free(ios->list);
	ios->list = next;
	ios->n = n;
}

bool proc_ios__delta(const struct proc_ios *ios, const struct vm *vm, struct proc_io *ret)
{
	const struct sampled *s = find(ios, vm);

	if (!s || s->known < 2)
		return false;
	ret->rchar = less(s->now.rchar, s->before.rchar);
	ret->wchar = less(s->now.wchar, s->before.wchar);
	ret->read_bytes = less(s->now.read_bytes, s->before.read_bytes);
	ret->write_bytes = less(s->now.write_bytes, s->before.write_bytes);
	return true;
}
