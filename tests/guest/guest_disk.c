/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * I/O on a disk, one system call each: job J of N does the operations J, J + N, J + 2N ...; each at
 * the place that its number gives it, sequential or scattered.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <scsi/sg.h>

#include "guest_disk.h"
#include "guest_uring.h"

static struct disk_options disk;
static int disk_fd = -1;
static uint64_t places; /* of disk.size bytes */
static unsigned long done[4], errors;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "kvmguest: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

void guest_disk__open(const struct disk_options *o)
{
	uint64_t bytes = 0;
	struct stat st;

	disk = *o;
	if (!disk.file)
		return;
	disk_fd = open(disk.file, O_RDWR | O_CLOEXEC | (disk.buffered ? 0 : O_DIRECT));
	if (disk_fd < 0 || fstat(disk_fd, &st))
		die(disk.file);
	bytes = st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(disk_fd, BLKGETSIZE64, &bytes))
		die(disk.file);
	places = bytes / disk.size;
	if (!places) {
		errno = ENOSPC;
		die(disk.file);
	}
}

static off_t place_of(unsigned long number)
{
	uint64_t at = number;

	/* splitmix64 */
	if (disk.order == DISK_RANDOM) {
		at += 0x9e3779b97f4a7c15;
		at = (at ^ at >> 30) * 0xbf58476d1ce4e5b9;
		at = (at ^ at >> 27) * 0x94d049bb133111eb;
		at ^= at >> 31;
	}
	return (off_t)(at % places * disk.size);
}

static void count(unsigned long *counter, bool ok)
{
	__atomic_add_fetch(ok ? counter : &errors, 1, __ATOMIC_RELAXED);
}

static bool transfer(struct guest_uring *u, bool write, void *buffer, off_t at)
{
	if (disk.uring)
		return guest_uring__do(u, write ? IORING_OP_WRITE : IORING_OP_READ, disk_fd, buffer,
				       disk.size, at) == disk.size;
	if (write)
		return pwrite(disk_fd, buffer, disk.size, at) == disk.size;
	return pread(disk_fd, buffer, disk.size, at) == disk.size;
}

/* READ(10) of one block, as QEMU's scsi-block passes a guest's on. */
static bool command(void *buffer, unsigned char block)
{
	unsigned char cdb[10] = {[0] = 0x28, [5] = block, [8] = 1}, sense[64];
	struct sg_io_hdr h = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_FROM_DEV,
		.cmd_len = sizeof(cdb),
		.cmdp = cdb,
		.mx_sb_len = sizeof(sense),
		.sbp = sense,
		.dxfer_len = 512,
		.dxferp = buffer,
		.timeout = 10000,
	};

	return !ioctl(disk_fd, SG_IO, &h) && !h.status && !h.host_status && !h.driver_status;
}

/* A job's writes, by one system call: the kernel plugs what it submits meanwhile. */
static void write_at_once(void *buffer, unsigned long first)
{
	unsigned long n = 0, most = disk.writes / disk.jobs + 1;
	struct io_event *events = calloc(most, sizeof(*events));
	struct iocb *list = calloc(most, sizeof(*list)), **each = calloc(most, sizeof(*each));
	aio_context_t context = 0;
	long submitted;

	if (!events || !list || !each)
		abort();
	for (unsigned long i = first; i < disk.writes; i += disk.jobs, n++) {
		list[n] = (struct iocb){
			.aio_fildes = disk_fd,
			.aio_lio_opcode = IOCB_CMD_PWRITE,
			.aio_buf = (uintptr_t)buffer,
			.aio_nbytes = disk.size,
			.aio_offset = place_of(i),
		};
		each[n] = &list[n];
	}
	if (syscall(SYS_io_setup, most, &context))
		die("io_setup");
	submitted = syscall(SYS_io_submit, context, n, each);
	if (submitted < 0 ||
	    syscall(SYS_io_getevents, context, submitted, submitted, events, NULL) != submitted)
		die("io_submit");
	for (long i = 0; i < submitted; i++)
		count(&done[1], events[i].res == disk.size);
	syscall(SYS_io_destroy, context);
	free(events);
	free(list);
	free(each);
}

static void *job(void *arg)
{
	unsigned long first = (uintptr_t)arg, i;
	struct guest_uring uring;
	void *buffer;

	if (posix_memalign(&buffer, 4096, disk.size))
		abort();
	errno = disk.uring ? -guest_uring__open(&uring) : 0;
	if (errno)
		die("io_uring");
	memset(buffer, 0x5a, disk.size);
	for (i = first; i < disk.reads; i += disk.jobs)
		count(&done[0], transfer(&uring, false, buffer, place_of(i)));
	if (disk.at_once && first < disk.writes)
		write_at_once(buffer, first);
	for (i = first; i < disk.writes && !disk.at_once; i += disk.jobs)
		count(&done[1], transfer(&uring, true, buffer, place_of(i)));
	for (i = first; i < disk.flushes; i += disk.jobs)
		count(&done[2], !fdatasync(disk_fd));
	for (i = first; i < disk.commands; i += disk.jobs)
		count(&done[3], command(buffer, i));
	if (disk.uring)
		guest_uring__close(&uring);
	free(buffer);
	return NULL;
}

void guest_disk__run(void)
{
	pthread_t *thread;

	if (disk_fd < 0)
		return;
	thread = calloc(disk.jobs, sizeof(*thread));
	if (!thread)
		abort();
	for (uintptr_t i = 0; i < disk.jobs; i++) {
		errno = pthread_create(&thread[i], NULL, job, (void *)i);
		if (errno)
			die("a thread");
	}
	for (unsigned int i = 0; i < disk.jobs; i++)
		pthread_join(thread[i], NULL);
	free(thread);
}

void guest_disk__print(void)
{
	if (disk_fd >= 0)
		printf(" disk_reads=%lu disk_writes=%lu disk_flushes=%lu disk_commands=%lu "
		       "disk_errors=%lu",
		       done[0], done[1], done[2], done[3], errors);
}
