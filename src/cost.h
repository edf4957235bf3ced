/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a BPF program costs, from the kernel's statistics of its runs. They are taken in slices of a
 * short time, for the kernel's measure of a single run is no measure of cost: it goes from one
 * reading of sched_clock() to another, and has in it the interrupts that came between, what the
 * thread was preempted for, and what the hypervisor of this host took away. So: runs are counted
 * over the whole time, and what one takes is the median of the slices.
 */
#ifndef KVMSCOPE_COST_H
#define KVMSCOPE_COST_H

#include <stddef.h>
#include <stdint.h>

struct cost_slice {
	uint64_t runs, ns; /* in this slice: bpf_prog_info.run_cnt, run_time_ns */
};

/* What a run takes, ns: the median over runs, each as long as those of its slice on average. */
double cost__run_ns(const struct cost_slice *slices, size_t n);

/*
 * The share of one CPU, or more than 1 of several, in elapsed_ns, which is all slices. Never more
 * than there are CPUs.
 */
double cost__share(const struct cost_slice *slices, size_t n, uint64_t elapsed_ns, double cpus);

#endif
