/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libvirt's status files below /run.
 *
 * libvirt writes a new file and renames it over the old one, at every change of the domain. So
 * a file is known by device, inode and time of change, and its name does not matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm_file.h"
#include "util.h"
#include "vm_libvirt.h"

#define SYSTEM_FILES 8192

/* What one user, and all of them at one refresh, can make us read. */
#define SESSION_USERS  256
#define SESSION_FILES  64
#define SESSION_SIZE   (512 * 1024)
#define SESSION_BUDGET (2 * 1024 * 1024)

/* A file's times are coarser than a process' start; both then went through the wall clock. */
#define CLOCK_SLACK_NS 2000000000ULL

struct file {
	dev_t dev;
	ino_t ino;
	uint64_t ctime_ns, mtime_ns;
	bool session;
	uid_t uid; /* of a session's owner */
	uint64_t serial;
	struct vm_status status; /* its pid is 0 when the file could not be understood */
};

struct vm_libvirt {
	char *run;
	struct file *files; /* by device and inode */
	size_t n_files;
	uint64_t last_serial;
	/* while refresh() runs */
	struct file *next;
	size_t n_next;
	size_t budget;
	bool changed;
};

struct vm_libvirt *vm_libvirt__open(const char *run)
{
	struct vm_libvirt *libvirt = xcalloc(1, sizeof(*libvirt));

	libvirt->run = xstrdup(run);
	return libvirt;
}

void vm_libvirt__close(struct vm_libvirt *libvirt)
{
	size_t i;

	if (!libvirt)
		return;
	for (i = 0; i < libvirt->n_files; i++)
		vm_status__clear(&libvirt->files[i].status);
	free(libvirt->files);
	free(libvirt->run);
	free(libvirt);
}

static int compare_files(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static uint64_t ns(struct timespec time)
{
	return (uint64_t)time.tv_sec * 1000000000ULL + (uint64_t)time.tv_nsec;
}

/* The status of a file that is new. Empty where it can't be read or is none. */
static void read_status(int dirfd, const char *name, size_t size, struct vm_status *ret)
{
	char *buf = xreallocarray(NULL, size, 1);
	struct vm_span text;

	memset(ret, 0, sizeof(*ret));
	if (!vm_file__read(dirfd, name, buf, size, &text))
		vm_status__parse(text, ret);
	free(buf);
}

static void see_file(struct vm_libvirt *libvirt, int dirfd, const char *name, const struct stat *st,
		     bool session)
{
	struct file file = {
		.dev = st->st_dev,
		.ino = st->st_ino,
		.ctime_ns = ns(st->st_ctim),
		.mtime_ns = ns(st->st_mtim),
		.session = session,
		.uid = st->st_uid,
	};
	struct file *known = NULL;

	if (libvirt->n_files)
		known = bsearch(&file, libvirt->files, libvirt->n_files, sizeof(file),
				compare_files);
	if (known && known->serial && known->ctime_ns == file.ctime_ns) {
		file.serial = known->serial;
		file.status = known->status;
		known->serial = 0; /* it has moved over: a hard link to it finds it no more */
	} else {
		size_t size = (size_t)st->st_size;

		if (session && size > libvirt->budget)
			return; /* its turn comes */
		if (session)
			libvirt->budget -= size;
		read_status(dirfd, name, size, &file.status);
		file.serial = ++libvirt->last_serial;
		libvirt->changed = true;
	}
	libvirt->next = xreallocarray(libvirt->next, libvirt->n_next + 1, sizeof(file));
	libvirt->next[libvirt->n_next++] = file;
}

/* owner: whose files count, -1: anybody's, for the directory is root's. */
static void see_dir(struct vm_libvirt *libvirt, struct vm_dir *dir, int64_t owner)
{
	size_t left = owner < 0 ? SYSTEM_FILES : SESSION_FILES;
	off_t max = owner < 0 ? VM_STATUS_MAX : SESSION_SIZE;
	struct vm_dir_entry entry;
	struct stat st;

	while (left && vm_dir__next(dir, &entry)) {
		if (!vm_span__ends(vm_span__of(entry.name), ".xml") ||
		    fstatat(dir->fd, entry.name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || st.st_size > max ||
		    (owner >= 0 && st.st_uid != (uid_t)owner))
			continue;
		see_file(libvirt, dir->fd, entry.name, &st, owner >= 0);
		left--;
	}
}

static void see_system(struct vm_libvirt *libvirt, int run_fd, const char *path)
{
	struct vm_dir dir;

	if (!vm_dir__open(&dir, run_fd, path))
		see_dir(libvirt, &dir, -1);
	vm_dir__close(&dir);
}

/* RUN/user/UID belongs to UID, who must not get us to wait for a file system of theirs. */
static void see_session(struct vm_libvirt *libvirt, int users_fd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH,
	};
	struct vm_dir dir = {.fd = -1};
	uint64_t uid;
	int home;

	if (!vm_span__uint(vm_span__of(name), UINT32_MAX, &uid))
		return;
	home = openat(users_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0)
		return;
	dir.fd = (int)syscall(SYS_openat2, home, "libvirt/qemu/run", &how, sizeof(how));
	if (dir.fd >= 0)
		see_dir(libvirt, &dir, (int64_t)uid);
	vm_dir__close(&dir);
	close(home);
}

bool vm_libvirt__refresh(struct vm_libvirt *libvirt)
{
	int run_fd = open(libvirt->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct vm_dir_entry entry;
	struct vm_dir users;
	size_t left = SESSION_USERS, i;

	libvirt->next = NULL;
	libvirt->n_next = 0;
	libvirt->budget = SESSION_BUDGET;
	libvirt->changed = false;
	if (run_fd >= 0) {
		see_system(libvirt, run_fd, "libvirt/qemu");
		see_system(libvirt, run_fd, "libvirt/ch");
		if (!vm_dir__open(&users, run_fd, "user"))
			while (left-- && vm_dir__next(&users, &entry))
				see_session(libvirt, users.fd, entry.name);
		vm_dir__close(&users);
		close(run_fd);
	}
	for (i = 0; i < libvirt->n_files; i++) {
		if (!libvirt->files[i].serial)
			continue;
		vm_status__clear(&libvirt->files[i].status);
		libvirt->changed = true;
	}
	free(libvirt->files);
	libvirt->files = libvirt->next;
	libvirt->n_files = libvirt->n_next;
	if (libvirt->n_files)
		qsort(libvirt->files, libvirt->n_files, sizeof(*libvirt->files), compare_files);
	return libvirt->changed;
}

static bool same_text(const char *a, const char *b)
{
	return *a && !strcmp(a, b);
}

static bool describes(const struct file *file, const struct vm_libvirt_process *process)
{
	const struct vm_status *status = &file->status;

	if (status->pid != process->pid || (file->session && file->uid != process->uid))
		return false;
	return file->mtime_ns + CLOCK_SLACK_NS >= process->start_ns ||
	       same_text(status->name, process->name) || same_text(status->uuid, process->uuid);
}

const struct vm_status *vm_libvirt__find(const struct vm_libvirt *libvirt,
					 const struct vm_libvirt_process *process,
					 uint64_t *ret_serial)
{
	const struct file *best = NULL;
	size_t i;

	for (i = 0; i < libvirt->n_files; i++) {
		const struct file *file = &libvirt->files[i];

		if (describes(file, process) && (!best || file->mtime_ns > best->mtime_ns))
			best = file;
	}
	if (!best)
		return NULL;
	*ret_serial = best->serial;
	return &best->status;
}
