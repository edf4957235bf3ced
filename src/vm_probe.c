/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looks at one process through /proc: who it is, its threads. What it has open: vm_devices.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"
#include "vm_devices.h"
#include "vm_probe_internal.h"

struct vm_probe *vm_probe__open(const struct vms_roots *roots)
{
	struct vm_probe *probe = xcalloc(1, sizeof(*probe));

	probe->proc_fd = -1;
	probe->proc = xstrdup(roots->proc);
	probe->net = xasprintf("%s/class/net", roots->sys);
	return probe;
}

void vm_probe__close(struct vm_probe *probe)
{
	if (!probe)
		return;
	if (probe->proc_fd >= 0)
		close(probe->proc_fd);
	free(probe->proc);
	free(probe->net);
	free(probe);
}

int vm_probe__proc_fd(struct vm_probe *probe)
{
	if (probe->proc_fd < 0)
		probe->proc_fd = open(probe->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return probe->proc_fd;
}

int vm_probe__list(const struct vm_probe *probe, struct vm_dir *dir)
{
	return vm_dir__open(dir, AT_FDCWD, probe->proc);
}

/* A process that ends under our hands shows as either. */
static int gone(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

int vm_probe__read(struct vm_probe *probe, pid_t pid, const char *name, char *buf, size_t size,
		   struct vm_span *ret_text)
{
	char path[SHORT_PATH];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	return gone(vm_file__read(vm_probe__proc_fd(probe), path, buf, size, ret_text));
}

int vm_probe__open_dir(struct vm_probe *probe, pid_t pid, const char *name, struct vm_dir *dir)
{
	char path[SHORT_PATH];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	return gone(vm_dir__open(dir, vm_probe__proc_fd(probe), path));
}

struct vm_span vm_probe__link(struct vm_probe *probe, int dirfd, const char *name)
{
	ssize_t n = readlinkat(dirfd, name, probe->target, sizeof(probe->target));

	return (struct vm_span){probe->target, n > 0 ? (size_t)n : 0};
}

int vm_probe__stat(struct vm_probe *probe, pid_t pid, struct vm_proc_stat *ret)
{
	struct vm_span text;
	int err = vm_probe__read(probe, pid, "stat", probe->text, sizeof(probe->text), &text);

	if (err)
		return err;
	return vm_proc__stat(text, ret) ? 0 : -EINVAL;
}

pid_t vm_probe__tgid(struct vm_probe *probe, pid_t thread)
{
	struct vm_span text;

	if (vm_probe__read(probe, thread, "status", probe->text, sizeof(probe->text), &text))
		return 0;
	return vm_proc__tgid(text);
}

int vm_probe__is_vm(struct vm_probe *probe, pid_t pid)
{
	struct vm_dir_entry entry;
	struct vm_dir dir;
	bool found = false;
	int number, err;

	err = vm_probe__open_dir(probe, pid, "fd", &dir);
	if (err)
		return err;
	while (!found && vm_dir__next(&dir, &entry))
		found = vm_proc__fd(vm_probe__link(probe, dir.fd, entry.name), &number) ==
			VM_FD_KVM_VM;
	vm_dir__close(&dir);
	return found ? 1 : gone(dir.err);
}

struct vm_span vm_probe__argv(struct vm_probe *probe, pid_t pid)
{
	struct vm_span argv;

	vm_probe__read(probe, pid, "cmdline", probe->argv, sizeof(probe->argv), &argv);
	return argv;
}

void vm_probe__identity(struct vm_probe *probe, pid_t pid, struct vm_probe_identity *ret)
{
	struct vm_span argv = vm_probe__argv(probe, pid), text, link;
	char path[SHORT_PATH], exe[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%d/exe", (int)pid);
	link = vm_probe__link(probe, vm_probe__proc_fd(probe), path);
	vm_span__copy(exe, sizeof(exe), link);
	vm_argv__parse(argv, exe, &ret->argv);
	vm_probe__read(probe, pid, "cgroup", probe->text, sizeof(probe->text), &text);
	vm_cgroup__parse(text, &ret->cgroup);
	snprintf(path, sizeof(path), "%d", (int)pid);
	ret->uid = fstatat(vm_probe__proc_fd(probe), path, &st, 0) ? (uid_t)-1 : st.st_uid;
}

/* Adds those of a process' threads whose names say which vCPU they run. */
static void read_threads(struct vm_probe *probe, pid_t pid, struct vm_vcpus *threads)
{
	struct vm_dir_entry entry;
	struct vm_dir dir;

	if (vm_probe__open_dir(probe, pid, "task", &dir))
		return;
	while (vm_dir__next(&dir, &entry)) {
		char path[SHORT_PATH], buf[64];
		struct vm_span comm;
		uint64_t tid;
		int id;

		snprintf(path, sizeof(path), "%s/comm", entry.name);
		if (!vm_span__uint(vm_span__of(entry.name), INT32_MAX, &tid) ||
		    vm_file__read(dir.fd, path, buf, sizeof(buf), &comm))
			continue;
		id = vm_proc__vcpu_thread(comm);
		if (id >= 0)
			vm_vcpus__add(threads, id, (pid_t)tid);
	}
	vm_dir__close(&dir);
}

/* Drops the pairs whose thread is none of the process': a source may be behind. */
static void keep_own_threads(struct vm_probe *probe, pid_t pid, struct vm_vcpus *threads)
{
	char path[SHORT_PATH];
	struct stat st;
	size_t i, n = 0;

	for (i = 0; i < threads->n; i++) {
		snprintf(path, sizeof(path), "%d/task/%d", (int)pid, (int)threads->list[i].tid);
		if (!fstatat(vm_probe__proc_fd(probe), path, &st, 0))
			threads->list[n++] = threads->list[i];
	}
	threads->n = n;
}

/* libvirt's, else KVM's, else those that are named so; another source only if it knows more. */
static struct vm_vcpus find_threads(struct vm_probe *probe, pid_t pid,
				    const struct vm_status *status,
				    const struct vm_debugfs *debugfs, size_t n_ids)
{
	struct vm_vcpus best = {.list = NULL};
	int source;

	for (source = 0; source < 3 && (!best.n || best.n < n_ids); source++) {
		struct vm_vcpus found = {.list = NULL};
		size_t i;

		if (source == 0)
			for (i = 0; status && i < status->n_vcpus; i++)
				vm_vcpus__add(&found, status->vcpus[i].id, status->vcpus[i].tid);
		else if (source == 1 && debugfs)
			vm_debugfs__vcpus(debugfs, pid, &found);
		else if (source == 2)
			read_threads(probe, pid, &found);
		keep_own_threads(probe, pid, &found);
		if (found.n > best.n) {
			struct vm_vcpus worse = best;

			best = found;
			found = worse;
		}
		vm_vcpus__clear(&found);
	}
	return best;
}

void vm_probe__devices(struct vm_probe *probe, const struct vm_status *status,
		       const struct vm_debugfs *debugfs, struct vm *vm)
{
	struct vm_vcpus ids = {.list = NULL}, threads, joined;

	vm_devices__find(probe, status, vm, &ids);
	threads = find_threads(probe, vm->pid, status, debugfs, ids.n);
	joined = vm_vcpus__join(&threads, &ids);
	vm_vcpus__clear(&threads);
	vm_vcpus__clear(&ids);
	free(vm->vcpus);
	vm->vcpus = joined.list;
	vm->n_vcpus = joined.n;
}
