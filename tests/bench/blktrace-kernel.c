/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * blktrace-kernel DEVICE...: the kernel's part of blktrace, with room for all that comes; says
 * "attached" on stderr, and stays until SIGINT or SIGTERM.
 *
 * blktrace itself reads and writes the records while the disk works, when it pleases the scheduler:
 * that is in what the workload takes, and differs from run to run.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/blktrace_api.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define BUFFERS	    32
#define BUFFER_SIZE (512 * 1024) /* blktrace's own default, of which it has 4 */

static int start(const char *path)
{
	struct blk_user_trace_setup setup = {
		.act_mask = 0xffff, .buf_size = BUFFER_SIZE, .buf_nr = BUFFERS};
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, BLKTRACESETUP, &setup) || ioctl(fd, BLKTRACESTART)) {
		perror(path);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	sigset_t signals;
	int fd[8], n = argc - 1, sig;

	if (n < 1 || n > 8) {
		fprintf(stderr, "usage: blktrace-kernel DEVICE...\n");
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (int i = 0; i < n; i++) {
		fd[i] = start(argv[i + 1]);
		if (fd[i] < 0)
			return 1;
	}
	fprintf(stderr, "attached\n");
	sigwait(&signals, &sig);
	for (int i = 0; i < n; i++) {
		ioctl(fd[i], BLKTRACESTOP);
		ioctl(fd[i], BLKTRACETEARDOWN);
		close(fd[i]);
	}
	return 0;
}
