/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which virtual machines run on this host: finding them, following them as they come and go.
 *
 * A look into a process costs some system calls for each of its files, so most calls of
 * rescan() look into few. They list /proc, which gives each process' pid and inode; a
 * process whose inode is the one of last time is the same process, and is looked into again
 * when its turn comes, or when KVM says something about it: by its directory in debugfs,
 * or by uevents.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include "vm_identify.h"
#include "vm_libvirt.h"
#include "vm_probe.h"
#include "vm_processes.h"
#include "vm_table.h"
#include "vm_uevent.h"

/*
 * A process has its turn at every so many rescans, each at another: a VM; one that is none,
 * where nothing tells of new VMs; where uevents do; where debugfs does.
 */
#define VM_PERIOD      32
#define OTHER_PERIOD   16
#define UEVENT_PERIOD  64
#define DEBUGFS_PERIOD 256

/*
 * A process that has just started, or of which KVM has said something (it does so before there
 * is a descriptor), is looked into at so many rescans in a row.
 */
#define EAGER	   4
#define YOUNG_SECS 5

/* For so many rescans a new VM's name may get better: libvirt writes its file after the start. */
#define SETTLING  30

#define MAX_HINTS 1024

struct known {
	struct vm vm; /* first: what callers have a pointer to */
	struct vm_probe_identity identity;
	uint64_t status_serial; /* of libvirt's file, 0: none */
	unsigned int settling;	/* rescans during which its name may get better */
	unsigned int seen;	/* the last rescan that saw it */
	bool described;		/* by what it showed of itself */
	bool vouched;		/* the kernel side says that it is one; its files do not */
};

struct vms {
	struct vm_probe *probe;
	struct vm_libvirt *libvirt;
	struct vm_debugfs *debugfs;
	int uevent_fd;
	struct vm_table table;
	struct vm_processes processes;
	pid_t hints[MAX_HINTS]; /* from uevents, since the last rescan */
	size_t n_hints;
	bool events_lost;
	bool uevents_work;
	bool debugfs_works;  /* and knows the process of every VM */
	bool status_changed; /* a file of libvirt's, since the last rescan */
	unsigned int scan;
};

static struct known *known_of(struct vm *vm)
{
	return (struct known *)vm;
}

struct vms *vms__open(const struct vms_roots *roots)
{
	struct vms *vms = xcalloc(1, sizeof(*vms));
	struct vms_roots full = {
		.proc = roots && roots->proc ? roots->proc : "/proc",
		.sys = roots && roots->sys ? roots->sys : "/sys",
		.run = roots && roots->run ? roots->run : "/run",
	};

	vms->probe = vm_probe__open(&full);
	vms->libvirt = vm_libvirt__open(full.run);
	vms->debugfs = vm_debugfs__open(full.sys);
	vms->uevent_fd = vm_uevent__open();
	return vms;
}

static void free_lists(struct vm *vm)
{
	free(vm->vcpus);
	free(vm->nics);
	free(vm->disks);
	free(vm->devices);
}

static void free_vm(struct vm *vm)
{
	free_lists(vm);
	free(known_of(vm));
}

void vms__close(struct vms *vms)
{
	size_t i;

	if (!vms)
		return;
	if (vms->uevent_fd >= 0)
		close(vms->uevent_fd);
	vm_debugfs__close(vms->debugfs);
	vm_libvirt__close(vms->libvirt);
	vm_probe__close(vms->probe);
	for (i = 0; i < vms->table.n; i++)
		free_vm(vms->table.all[i]);
	vm_table__clear(&vms->table);
	vm_processes__clear(&vms->processes);
	free(vms);
}

struct vm *vms__find(struct vms *vms, pid_t pid, uint64_t start_ticks)
{
	return vm_table__find(&vms->table, pid, start_ticks);
}

size_t vms__all(const struct vms *vms, struct vm ***ret_vms)
{
	*ret_vms = vms->table.all;
	return vms->table.n;
}

int vms__want(struct vms *vms, const char *pattern)
{
	int err = vm_table__want(&vms->table, pattern);

	vm_table__settle(&vms->table);
	return err;
}

void vms__want_pid(struct vms *vms, pid_t pid)
{
	vm_table__want_pid(&vms->table, pid);
	vm_table__settle(&vms->table);
}

static struct known *add(struct vms *vms, pid_t pid, uint64_t start_ticks)
{
	struct known *known = xcalloc(1, sizeof(*known));

	known->vm.pid = pid;
	known->vm.start_ticks = start_ticks;
	known->settling = SETTLING;
	vm_identify__by_pid(&known->vm);
	vm_table__insert(&vms->table, &known->vm);
	return known;
}

void vms__forget(struct vms *vms, struct vm *vm)
{
	vm_table__remove(&vms->table, vm);
	free_vm(vm);
}

/* When it started by CLOCK_REALTIME as that goes now. */
static uint64_t start_realtime_ns(const struct vm *vm)
{
	uint64_t tick_ns = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) + vm->start_ticks * tick_ns;
}

static const struct vm_status *find_status(struct vms *vms, const struct known *known,
					   const struct vm_probe_identity *identity,
					   uint64_t *ret_serial)
{
	struct vm_libvirt_process process = {
		.pid = known->vm.pid,
		.uid = identity->uid,
		.start_ns = start_realtime_ns(&known->vm),
		.name = identity->argv.name,
		.uuid = identity->argv.uuid,
	};

	*ret_serial = 0;
	return vm_libvirt__find(vms->libvirt, &process, ret_serial);
}

/* Is it there, itself and not one that has its pid now, with all that it had? */
static bool is_whole(struct vms *vms, const struct vm *vm)
{
	struct vm_proc_stat stat;

	return !vm_probe__stat(vms->probe, vm->pid, &stat) && !stat.exiting &&
	       stat.start_ticks == vm->start_ticks;
}

/*
 * Names it; reads its vCPUs and devices if that is due, or libvirt has something new to say.
 *
 * A process that exits has PF_EXITING first; then its memory goes, which takes seconds for a
 * large guest's, and with it its command line; then its descriptors, by which it is a VM
 * (kernel/exit.c, do_exit). What it showed before is better than what it shows in between, and
 * it has shown all of it if the flag is not set afterwards.
 */
static void describe(struct vms *vms, struct known *known, bool devices)
{
	struct vm_probe_identity identity;
	const struct vm_status *status;
	struct vm next = known->vm;
	uint64_t serial;

	vm_probe__identity(vms->probe, known->vm.pid, &identity);
	status = find_status(vms, known, &identity, &serial);
	vm_identify(&next, status, &identity.cgroup, &identity.argv);
	devices |= serial != known->status_serial;
	if (devices) {
		next.vcpus = NULL;
		next.nics = NULL;
		next.disks = NULL;
		next.devices = NULL;
		next.n_vcpus = next.n_nics = next.n_disks = next.n_devices = 0;
		vm_probe__devices(vms->probe, status, vms->debugfs, &next);
	}
	if (known->described && !is_whole(vms, &known->vm)) {
		if (devices)
			free_lists(&next);
		return;
	}
	if (devices)
		free_lists(&known->vm);
	if (strcmp(next.name, known->vm.name) || serial != known->status_serial)
		vms->table.dirty = true;
	known->vm = next;
	known->identity = identity;
	known->status_serial = serial;
	known->described = true;
}

/* Whether a source that outranks the name's may still turn up. */
static bool name_may_improve(const struct known *known)
{
	const struct vm *vm = &known->vm;

	return known->settling &&
	       (!strcmp(vm->name_source, "pid") || !strcmp(vm->name_source, "cgroup") ||
		(!strcmp(vm->platform, "libvirt") && strcmp(vm->name_source, "libvirt")));
}

static bool is_young(uint64_t start_ticks)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	return start_ticks / hz + YOUNG_SECS > clock_ns(CLOCK_BOOTTIME) / NSEC_PER_SEC;
}

/* Looks into a process, and at the VM that it is. */
static void look(struct vms *vms, struct vm_process *process)
{
	struct vm_proc_stat stat;
	struct known *known;
	int err = vm_probe__stat(vms->probe, process->pid, &stat);
	bool first = !process->looked;
	int is_vm;

	process->looked = true;
	process->eager -= process->eager > 0;
	process->unreadable = err == -EACCES || err == -EPERM;
	if (err)
		return;
	process->start_ticks = stat.start_ticks;
	process->kernel_thread = stat.kernel_thread;
	if (stat.kernel_thread)
		return;
	known = known_of(vms__find(vms, process->pid, stat.start_ticks));
	is_vm = vm_probe__is_vm(vms->probe, process->pid);
	process->unreadable = is_vm == -EACCES || is_vm == -EPERM;
	if (first && (is_vm == 1 || !vms->debugfs_works) && is_young(stat.start_ticks))
		process->eager = EAGER - 1;
	if (known && known->vm.alive) {
		/* what can't be read for now (no descriptor left) has not gone away */
		bool dead = stat.state == 'Z' || stat.state == 'X' || is_vm == -ESRCH;

		process->is_vm = !dead && (is_vm != 0 || known->vouched);
	} else {
		process->is_vm = is_vm == 1;
	}
	if (!process->is_vm)
		return;
	if (!known)
		known = add(vms, process->pid, stat.start_ticks);
	if (!known->vm.alive)
		vms->table.dirty = true;
	known->vm.alive = true;
	known->vouched = is_vm != 1;
	known->seen = vms->scan;
	describe(vms, known, true);
}

/* Whether it is the turn of a process that is not known for a VM. */
static bool other_is_due(const struct vms *vms, const struct vm_process *process)
{
	unsigned int turn = vms->scan + (unsigned int)process->pid;

	if (process->eager || !process->looked)
		return true;
	if (process->kernel_thread)
		return false;
	if (vms->debugfs_works)
		return turn % DEBUGFS_PERIOD == 0;
	return turn % (vms->uevents_work ? UEVENT_PERIOD : OTHER_PERIOD) == 0;
}

/* Does for one process what this rescan owes it. */
static void visit(struct vms *vms, struct vm_process *process)
{
	struct known *known = NULL;
	uint64_t serial = 0;

	if (process->is_vm)
		known = known_of(vms__find(vms, process->pid, process->start_ticks));
	if (!known || !known->vm.alive) {
		if (other_is_due(vms, process))
			look(vms, process);
		return;
	}
	known->settling -= known->settling > 0;
	if (process->eager || (vms->scan + (unsigned int)process->pid) % VM_PERIOD == 0) {
		look(vms, process);
		return;
	}
	known->seen = vms->scan;
	if (vms->status_changed)
		find_status(vms, known, &known->identity, &serial);
	if (name_may_improve(known) || (vms->status_changed && serial != known->status_serial))
		describe(vms, known, false);
}

static void hint(struct vms *vms, pid_t pid)
{
	struct vm_process *process = vm_processes__find(&vms->processes, pid);

	if (process)
		process->eager = EAGER;
}

static pid_t tgid_of(void *data, pid_t thread)
{
	return vm_probe__tgid(data, thread);
}

/* Marks the processes that KVM has said something about. */
static void take_hints(struct vms *vms)
{
	const pid_t *tgids;
	size_t n, i;

	vms->debugfs_works = !vm_debugfs__refresh(vms->debugfs, tgid_of, vms->probe);
	n = vm_debugfs__changed(vms->debugfs, &tgids);
	/* at the first rescan they are new to us only */
	for (i = 0; vms->scan > 1 && i < n; i++)
		hint(vms, tgids[i]);
	for (i = 0; i < vms->n_hints; i++)
		hint(vms, vms->hints[i]);
	for (i = 0; vms->events_lost && i < vms->processes.n; i++)
		vms->processes.list[i].eager |= !vms->processes.list[i].kernel_thread;
	vms->n_hints = 0;
	vms->events_lost = false;
}

int vms__rescan(struct vms *vms)
{
	int alive = 0, err;
	struct vm_dir proc;
	size_t i;

	err = vm_probe__list(vms->probe, &proc);
	if (!err)
		err = vm_processes__update(&vms->processes, &proc);
	vm_dir__close(&proc);
	if (err)
		return err;
	vms->scan++;
	take_hints(vms);
	vms->status_changed |= vm_libvirt__refresh(vms->libvirt);
	for (i = 0; i < vms->processes.n; i++)
		visit(vms, &vms->processes.list[i]);
	vms->status_changed = false;
	for (i = 0; i < vms->table.n; i++) {
		struct known *known = known_of(vms->table.all[i]);

		if (known->vm.alive && known->seen != vms->scan) {
			known->vm.alive = false;
			vms->table.dirty = true;
		}
		alive += known->vm.alive;
	}
	vm_table__settle(&vms->table);
	return alive;
}

void vms__refresh_devices(struct vms *vms)
{
	for (size_t i = 0; i < vms->table.n; i++)
		if (vms->table.all[i]->alive)
			describe(vms, known_of(vms->table.all[i]), true);
	vm_table__settle(&vms->table);
}

size_t vms__unreadable(const struct vms *vms)
{
	size_t i, n = 0;

	for (i = 0; i < vms->processes.n; i++)
		n += vms->processes.list[i].unreadable;
	return n;
}

struct vm *vms__resolve(struct vms *vms, pid_t pid, uint64_t start_ticks)
{
	struct known *known = known_of(vms__find(vms, pid, start_ticks));
	struct vm_proc_stat stat;
	int is_vm;

	if (start_ticks && known && known->vm.alive)
		return &known->vm;
	if (vm_probe__stat(vms->probe, pid, &stat) || stat.state == 'Z' || stat.state == 'X' ||
	    (start_ticks && stat.start_ticks != start_ticks))
		return NULL;
	is_vm = vm_probe__is_vm(vms->probe, pid);
	if (is_vm == -ESRCH)
		return NULL;
	vms->status_changed |= vm_libvirt__refresh(vms->libvirt);
	known = known_of(vms__find(vms, pid, stat.start_ticks));
	if (!known)
		known = add(vms, pid, stat.start_ticks);
	known->vm.alive = true;
	known->vouched = is_vm != 1;
	known->seen = vms->scan;
	vms->table.dirty = true;
	describe(vms, known, true);
	hint(vms, pid);
	vm_table__settle(&vms->table);
	return &known->vm;
}

struct vm *vms__add_ghost(struct vms *vms, pid_t pid, uint64_t start_ticks)
{
	struct vm *vm = vms__find(vms, pid, start_ticks);

	if (!vm) {
		vm = &add(vms, pid, start_ticks)->vm;
		vm_table__settle(&vms->table);
	}
	return vm;
}

int vms__fd(const struct vms *vms)
{
	return vms->uevent_fd;
}

int vms__dispatch(struct vms *vms)
{
	bool kvm = false;
	pid_t thread, tgid;
	int err;

	if (vms->uevent_fd < 0)
		return vms->uevent_fd;
	while ((err = vm_uevent__next(vms->uevent_fd, &thread)) != -EAGAIN) {
		if (err == -ENOBUFS)
			vms->events_lost = true;
		else if (err < 0)
			return err;
		if (!err)
			continue;
		kvm = true;
		if (err < 0 || !thread)
			continue;
		vms->uevents_work = true;
		tgid = vm_probe__tgid(vms->probe, thread);
		if (vms->n_hints == MAX_HINTS)
			vms->events_lost = true;
		else if (tgid)
			vms->hints[vms->n_hints++] = tgid;
	}
	if (!kvm)
		return 0;
	err = vms__rescan(vms);
	return err < 0 ? err : 1;
}
