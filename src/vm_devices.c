/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a VM's process has open, as interfaces, block devices and disks: see vm_devices.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "util.h"
#include "vm_devices.h"
#include "vm_probe_internal.h"

#define MAX_NICS       256
#define MAX_DISKS      256
#define MAX_DEVICES    256

#define MIN_IMAGE_SIZE (1024 * 1024)

/* Of /proc/PID/mountinfo: some 10,000 mounts. */
#define MOUNTS_MAX (2 * 1024 * 1024)

static void add_nic(struct vm *vm, struct vm_span name, int ifindex)
{
	char text[VM_IFNAME_MAX];
	size_t i;

	vm_span__copy(text, sizeof(text), name);
	if (!*text || vm->n_nics == MAX_NICS)
		return;
	for (i = 0; i < vm->n_nics; i++)
		if (!strcmp(vm->nics[i].name, text)) { /* another queue of it */
			vm->nics[i].ifindex = ifindex;
			return;
		}
	vm->nics = xreallocarray(vm->nics, vm->n_nics + 1, sizeof(*vm->nics));
	memcpy(vm->nics[vm->n_nics].name, text, sizeof(text));
	vm->nics[vm->n_nics++].ifindex = ifindex;
}

static void add_disk(struct vm *vm, const char *target, const char *source)
{
	struct vm_disk *disk;
	size_t i;

	if (vm->n_disks == MAX_DISKS)
		return;
	for (i = 0; i < vm->n_disks; i++)
		if (!strcmp(vm->disks[i].source, source) && !strcmp(vm->disks[i].target, target))
			return;
	vm->disks = xreallocarray(vm->disks, vm->n_disks + 1, sizeof(*vm->disks));
	disk = &vm->disks[vm->n_disks++];
	vm_span__copy(disk->target, sizeof(disk->target), vm_span__of(target));
	vm_span__copy(disk->source, sizeof(disk->source), vm_span__of(source));
}

static void add_device(struct vm *vm, dev_t dev)
{
	size_t i;

	for (i = 0; i < vm->n_devices; i++)
		if (vm->devices[i] == dev)
			return;
	if (vm->n_devices == MAX_DEVICES)
		return;
	vm->devices = xreallocarray(vm->devices, vm->n_devices + 1, sizeof(*vm->devices));
	vm->devices[vm->n_devices++] = dev;
}

/* Is a process in a network namespace that is not ours? */
static bool is_elsewhere(struct vm_probe *probe, pid_t pid)
{
	char path[SHORT_PATH];
	struct stat own, its;

	snprintf(path, sizeof(path), "%d/ns/net", (int)pid);
	return !fstatat(vm_probe__proc_fd(probe), "self/ns/net", &own, 0) &&
	       !fstatat(vm_probe__proc_fd(probe), path, &its, 0) && own.st_ino != its.st_ino;
}

/*
 * The macvtap with that index, by its name: /sys/class/net/NAME/tapINDEX, which shows our own
 * namespace. In another the same index is another interface.
 */
static void add_nic_by_index(struct vm_probe *probe, struct vm *vm, int ifindex)
{
	struct vm_dir_entry entry;
	char device[VM_IFNAME_MAX];
	struct vm_dir dir;

	bool found = false;

	snprintf(device, sizeof(device), "tap%d", ifindex);
	if (is_elsewhere(probe, vm->pid)) {
		add_nic(vm, vm_span__of(device), ifindex);
		return;
	}
	if (vm_dir__open(&dir, AT_FDCWD, probe->net))
		return;
	while (!found && vm_dir__next(&dir, &entry)) {
		char path[SHORT_PATH];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", entry.name, device);
		found = !fstatat(dir.fd, path, &st, 0);
		if (found)
			add_nic(vm, vm_span__of(entry.name), ifindex);
	}
	vm_dir__close(&dir);
	if (!found) /* in a namespace that is neither its process' nor ours */
		add_nic(vm, vm_span__of(device), ifindex);
}

static void read_fdinfo(struct vm_probe *probe, pid_t pid, const char *fd,
			struct vm_proc_fdinfo *ret)
{
	struct vm_span text;
	char path[SHORT_PATH];

	snprintf(path, sizeof(path), "fdinfo/%s", fd);
	vm_probe__read(probe, pid, path, probe->text, sizeof(probe->text), &text);
	vm_proc__fdinfo(text, ret);
}

/*
 * The block device that a descriptor has open. Its path says nothing: it is of the process' own
 * mount namespace, where /dev/sda may be any disk, or a file on a server that is gone and would
 * keep us waiting: what is known of it will do (AT_STATX_DONT_SYNC).
 *
 * Anybody may have a descriptor of any device's file by O_PATH, which opens nothing. The process
 * may change what is behind a descriptor while we look, too: its flags are to be those of the file
 * that we have seen. Before v5.14 fdinfo tells only which mount that is on.
 */
static bool has_device(struct vm_probe *probe, pid_t pid, int fd_dir, const char *fd, dev_t *ret)
{
	struct vm_proc_fdinfo info;
	struct statx st;

	if (statx(fd_dir, fd, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_MNT_ID, &st) ||
	    !S_ISBLK(st.stx_mode))
		return false;
	read_fdinfo(probe, pid, fd, &info);
	*ret = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	return info.mnt_id && info.mnt_id == st.stx_mnt_id &&
	       (!info.ino || info.ino == st.stx_ino) && !(info.flags & O_PATH);
}

static bool starts_with_any(struct vm_span span, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (vm_span__starts(span, *prefixes))
			return true;
	return false;
}

/* One VM's disks, while they are guessed from its file descriptors. */
struct disk_guess {
	struct vm_probe *probe;
	struct vm *vm;
	int fd_dir;
	struct vm_span argv;
	char *mounts; /* NULL until it is needed */
	struct vm_span mounts_text;
};

/*
 * Whether a file has the size of an image, or is a device. A stat() of a file on a server that is
 * gone waits for it, perhaps for ever, so what lies on another machine is taken to be one.
 */
static bool is_image(struct disk_guess *guess, const char *fd, const struct vm_proc_fdinfo *info)
{
	static const char *const remote[] = {"nfs", "cifs", "smb3",   "ceph", "fuse",
					     "9p",  "afs",  "lustre", NULL};
	char type[32] = "";
	struct vm_span type_span;
	struct stat st;
	dev_t dev;

	if (!guess->mounts) {
		guess->mounts = xreallocarray(NULL, MOUNTS_MAX, 1);
		vm_probe__read(guess->probe, guess->vm->pid, "mountinfo", guess->mounts, MOUNTS_MAX,
			       &guess->mounts_text);
	}
	vm_proc__mount_type(guess->mounts_text, info->mnt_id, type, sizeof(type));
	type_span = vm_span__of(type);
	if (vm_span__is(type_span, "hugetlbfs"))
		return false;
	if (starts_with_any(type_span, remote))
		return true;
	if (fstatat(guess->fd_dir, fd, &st, 0))
		return false;
	if (!S_ISBLK(st.st_mode))
		return S_ISREG(st.st_mode) && st.st_size >= MIN_IMAGE_SIZE;
	/* in a jail, where devices lie beside files */
	if (!has_device(guess->probe, guess->vm->pid, guess->fd_dir, fd, &dev))
		return false;
	add_device(guess->vm, dev);
	return true;
}

static void guess_file(struct disk_guess *guess, const char *fd, const char *path)
{
	static const char *const never[] = {"/usr/",	      "/lib/", "/lib64/", "/etc/",
					    "/proc/",	      "/sys/", "/memfd:", "/var/log/",
					    "/anon_hugepage", NULL};
	struct vm_span span = vm_span__of(path);
	struct vm_proc_fdinfo info;
	bool named, writable;

	if (starts_with_any(span, never) || vm_span__ends(span, ".log"))
		return;
	read_fdinfo(guess->probe, guess->vm->pid, fd, &info);
	writable = (info.flags & O_ACCMODE) == O_RDWR;
	named = vm_argv__has_file(guess->argv, path);
	if ((info.flags & O_ACCMODE) == O_WRONLY || (!named && !writable) ||
	    vm_argv__has_memory(guess->argv, path))
		return;
	if (is_image(guess, fd, &info))
		add_disk(guess->vm, "", path);
}

/* guess: whether it is to be among the disks, too. */
static void see_device(struct disk_guess *look, const char *fd, const char *path, bool guess)
{
	dev_t dev;

	if (vm_span__starts(vm_span__of(path), "/dev/shm/") ||
	    vm_span__starts(vm_span__of(path), "/dev/hugepages") ||
	    !has_device(look->probe, look->vm->pid, look->fd_dir, fd, &dev))
		return;
	add_device(look->vm, dev);
	if (guess)
		add_disk(look->vm, "", path);
}

/*
 * All that file descriptors tell: the numbers of vCPUs, interfaces, block devices and, if asked
 * for, disks.
 */
static void read_fds(struct vm_probe *probe, struct vm *vm, struct vm_vcpus *ids, bool disks)
{
	struct disk_guess guess = {.probe = probe, .vm = vm};
	struct vm_proc_fdinfo info;
	struct vm_dir_entry entry;
	struct vm_dir dir;
	char path[VM_PATH_MAX];

	if (vm_probe__open_dir(probe, vm->pid, "fd", &dir))
		return;
	guess.fd_dir = dir.fd;
	if (disks)
		guess.argv = vm_probe__argv(probe, vm->pid);
	while (vm_dir__next(&dir, &entry)) {
		struct vm_span target = vm_probe__link(probe, dir.fd, entry.name);
		int number = 0;

		switch (vm_proc__fd(target, &number)) {
		case VM_FD_KVM_VCPU:
			vm_vcpus__add(ids, number, 0);
			break;
		case VM_FD_TUN:
			read_fdinfo(probe, vm->pid, entry.name, &info);
			add_nic(vm, vm_span__of(info.iff), 0);
			break;
		case VM_FD_MACVTAP:
			add_nic_by_index(probe, vm, number);
			break;
		case VM_FD_DEVICE:
		case VM_FD_FILE:
			if (target.len >= sizeof(path))
				break;
			vm_span__copy(path, sizeof(path), target);
			if (vm_span__starts(target, "/dev/"))
				see_device(&guess, entry.name, path, disks);
			else if (disks)
				guess_file(&guess, entry.name, path);
			break;
		default:
			break;
		}
	}
	vm_dir__close(&dir);
	free(guess.mounts);
}

void vm_devices__find(struct vm_probe *probe, const struct vm_status *status, struct vm *vm,
		      struct vm_vcpus *ids)
{
	size_t i;

	vm->n_nics = 0;
	vm->n_disks = 0;
	vm->n_devices = 0;
	for (i = 0; status && i < status->n_nics; i++)
		add_nic(vm, vm_span__of(status->nics[i].name), 0);
	for (i = 0; status && i < status->n_disks; i++)
		add_disk(vm, status->disks[i].target, status->disks[i].source);
	read_fds(probe, vm, ids, !status);
}
