/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * soak: takes all the CPU time that nobody else wants, and tells at SIGTERM how much was left to
 * the others: "rest=N", in instructions.
 *
 * Where the clock counts instructions, an idle CPU's time passes all the same, so that elapsed
 * time says nothing about the cost of something that sleeps. With this on the CPU it is never
 * idle: what has passed is this loop's instructions, which it counts, and everybody else's.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t done;

static void on_term(int sig)
{
	(void)sig;
	done = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

int main(void)
{
	struct sched_param lowest = {0};
	struct sigaction act = {.sa_handler = on_term};
	uint64_t rounds = 0, start;

	sigaction(SIGTERM, &act, NULL);
	if (sched_setscheduler(0, SCHED_IDLE, &lowest)) {
		perror("soak: SCHED_IDLE");
		return 1;
	}
	start = now_ns();
	/* in assembly, so that a round is three instructions whatever the compiler */
	__asm__ volatile("1:	inc %0\n"
			 "	cmpl $0, %1\n"
			 "	je 1b\n"
			 : "+r"(rounds)
			 : "m"(done)
			 : "cc", "memory");
	printf("rest=%llu\n", (unsigned long long)(now_ns() - start - 3 * rounds));
	return 0;
}
