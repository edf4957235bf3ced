/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How large the kernel side's tables are: see session_sizes.h. */
#include <sys/param.h>
#include "session_sizes.h"

/* Kinds of exits that a vCPU shows on average, with room: see struct ks_cell for their size. */
#define CELLS_PER_VCPU 16
/* The average does not hold for a few vCPUs: each kind takes three cells once one was preempted. */
#define CELLS_LEAST 512
/* Room for details (ports, MSRs ...), where they are asked for. */
#define CELLS_DETAILS 8192
/*
 * What 200 VMs take with two disks and two interfaces each is half of it: reads, writes, flushes
 * and the disk itself, both directions and their ways. The rest is for discards, drops, and more.
 */
#define SUBJECTS 8192
/* Their tallies take so much at most; but there are never fewer than these. */
#define TALLIES_MOST   (256 * 1024 * 1024 / sizeof(struct ks_tally))
#define SUBJECTS_LEAST 1024
/*
 * Of one subject in 8, each cell of a packet's times is there so often: most show few times, on one
 * CPU or two. On a large host its threads get around, so there are more.
 */
#define SUBJECTS_TIMED	   8
#define CELLS_PER_SUBJECT  6
#define CELLS_OF_MANY_CPUS 32
#define CPUS_PER_CELL	   8
/* Disks' subjects have theirs together, see struct ks_disk_hists: one for each CPU it shows on. */
#define HISTS_CPUS_LEAST 32 /* so many for each 256 subjects, */
#define HISTS_CPUS_MOST	 256
#define HISTS_SUBJECTS	 256

void session_sizes__find(struct session_sizes *ret, const struct session_needs *needs)
{
	uint32_t subjects = needs->subjects ?: SUBJECTS, cpus = needs->cpus, cells;

	*ret = (struct session_sizes){.hists = 1};
	cells = needs->vcpus * CELLS_PER_VCPU + CELLS_LEAST;
	ret->details = needs->details ? CELLS_DETAILS : 1;
	if (needs->net)
		cells += (subjects + SUBJECTS_TIMED - 1) / SUBJECTS_TIMED *
			 MIN(MAX(cpus / CPUS_PER_CELL, CELLS_PER_SUBJECT), CELLS_OF_MANY_CPUS);
	if (needs->disk)
		ret->hists += MAX(subjects * MIN(MAX(cpus, HISTS_CPUS_LEAST), HISTS_CPUS_MOST) /
					  HISTS_SUBJECTS,
				  HISTS_CPUS_LEAST);
	if (!needs->subjects)
		subjects = MAX(MIN(subjects, TALLIES_MOST / cpus), SUBJECTS_LEAST);
	ret->vcpus = needs->vcpus + 1;
	ret->cells = cells + ret->details + 1;
	ret->subjects = needs->disk || needs->net ? subjects + 1 : 1;
	ret->tallies = cpus * ret->subjects;
}

uint64_t session_sizes__bytes(const struct session_sizes *sizes)
{
	return sizes->vcpus * sizeof(struct ks_vcpu) + sizes->cells * sizeof(struct ks_cell) +
	       sizes->subjects * sizeof(struct ks_subject_slot) +
	       sizes->tallies * sizeof(struct ks_tally) +
	       sizes->hists * sizeof(struct ks_disk_hists);
}
