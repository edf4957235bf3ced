/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /proc/PID/fd has the paths, /proc/PID/fdinfo the flags with which each was opened. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "disk_images.h"
#include "util.h"
#include "vm_file.h"
#include "vm_proc.h"

#define REFRESH 16 /* a VM is looked into at every so many calls */

struct image {
	char *source;
	bool known, direct;
};

struct of_vm {
	pid_t pid;
	uint64_t start_ticks;
	unsigned int age;
	struct image *image;
	size_t n;
};

struct disk_images {
	int proc_fd;
	struct of_vm *list;
	size_t n;
};

struct disk_images *disk_images__new(const char *proc_root)
{
	struct disk_images *images = xcalloc(1, sizeof(*images));

	images->proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return images;
}

static void of_vm__clear(struct of_vm *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->image[i].source);
	free(o->image);
	o->image = NULL;
	o->n = 0;
}

void disk_images__free(struct disk_images *images)
{
	if (!images)
		return;
	for (size_t i = 0; i < images->n; i++)
		of_vm__clear(&images->list[i]);
	free(images->list);
	if (images->proc_fd >= 0)
		close(images->proc_fd);
	free(images);
}

static struct of_vm *find(const struct disk_images *images, const struct vm *vm)
{
	for (size_t i = 0; i < images->n; i++)
		if (images->list[i].pid == vm->pid &&
		    images->list[i].start_ticks == vm->start_ticks)
			return &images->list[i];
	return NULL;
}

/* An image that is open more than once goes through the page cache if one of them does. */
static void look_at(const struct disk_images *images, struct of_vm *o, const char *fd,
		    struct vm_span target)
{
	struct vm_proc_fdinfo info;
	struct vm_span text;
	char path[64], buf[1024];

	for (size_t i = 0; i < o->n; i++) {
		struct image *image = &o->image[i];

		if (!vm_span__is(target, image->source))
			continue;
		snprintf(path, sizeof(path), "%d/fdinfo/%s", (int)o->pid, fd);
		if (vm_file__read(images->proc_fd, path, buf, sizeof(buf), &text))
			continue;
		vm_proc__fdinfo(text, &info);
		image->direct = info.flags & O_DIRECT && (!image->known || image->direct);
		image->known = true;
	}
}

static void look_into(const struct disk_images *images, struct of_vm *o, const struct vm *vm)
{
	struct vm_dir *dir = xcalloc(1, sizeof(*dir));
	struct vm_dir_entry entry;
	char path[32], target[VM_PATH_MAX];
	ssize_t len;

	of_vm__clear(o);
	o->image = xcalloc(vm->n_disks, sizeof(*o->image));
	o->n = vm->n_disks;
	for (size_t i = 0; i < o->n; i++)
		o->image[i].source = xasprintf("%s", vm->disks[i].source);
	snprintf(path, sizeof(path), "%d/fd", (int)vm->pid);
	if (o->n && !vm_dir__open(dir, images->proc_fd, path)) {
		while (vm_dir__next(dir, &entry)) {
			len = readlinkat(dir->fd, entry.name, target, sizeof(target));
			if (len > 0)
				look_at(images, o, entry.name, (struct vm_span){target, len});
		}
		vm_dir__close(dir);
	}
	free(dir);
}

void disk_images__sample(struct disk_images *images, struct vms *vms)
{
	struct vm **all;
	size_t n_vms = vms__all(vms, &all), n = 0;
	struct of_vm *next = xcalloc(n_vms, sizeof(*next));

	for (size_t i = 0; i < n_vms; i++) {
		struct of_vm *old = find(images, all[i]), *o = &next[n];

		if (!all[i]->wanted || !all[i]->alive)
			continue;
		/* not all at the same call */
		*o = old ? *old
			 : (struct of_vm){.pid = all[i]->pid,
					  .start_ticks = all[i]->start_ticks,
					  .age = all[i]->pid % REFRESH};
		if (old)
			*old = (struct of_vm){};
		if (!old || ++o->age % REFRESH == 0)
			look_into(images, o, all[i]);
		n++;
	}
	for (size_t i = 0; i < images->n; i++)
		of_vm__clear(&images->list[i]);
	free(images->list);
	images->list = next;
	images->n = n;
}

void disk_images__rows(const struct disk_images *images, const struct vm *vm, struct row *row)
{
	const struct of_vm *o = find(images, vm);

	row__list(row, "images");
	for (size_t i = 0; o && i < o->n; i++) {
		struct row *r = row__add(row, "images");

		row__text(r, "source", o->image[i].source);
		if (o->image[i].known)
			row__bool(r, "direct", o->image[i].direct);
		else
			row__null(r, "direct");
	}
}
