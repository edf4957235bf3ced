/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * switches N: two processes on one CPU hand a byte to and fro N times, which is 2 N context
 * switches of threads that are no vCPU. Says "done switches=N elapsed_ns=N".
 */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static long switched(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return u.ru_nvcsw + u.ru_nivcsw;
}

static void pass(int from, int to)
{
	char c;

	if (read(from, &c, 1) != 1 || write(to, &c, 1) != 1)
		_exit(1);
}

int main(int argc, char **argv)
{
	long n = argc == 2 ? atol(argv[1]) : 0;
	int there[2], back[2], status;
	uint64_t elapsed;
	pid_t child;

	if (n <= 0) {
		fprintf(stderr, "usage: switches N\n");
		return 2;
	}
	if (pipe(there) || pipe(back)) {
		perror("switches: pipe");
		return 1;
	}
	child = fork();
	if (!child) {
		for (long i = 0; i <= n; i++)
			pass(there[0], back[1]);
		_exit(0);
	}
	if (child < 0 || write(there[1], "", 1) != 1) {
		perror("switches");
		return 1;
	}
	elapsed = now_ns();
	for (long i = 0; i < n; i++)
		pass(back[0], there[1]);
	elapsed = now_ns() - elapsed;
	if (waitpid(child, &status, 0) != child || status)
		return 1;
	printf("done switches=%ld elapsed_ns=%llu\n",
	       switched(RUSAGE_SELF) + switched(RUSAGE_CHILDREN), (unsigned long long)elapsed);
	return 0;
}
