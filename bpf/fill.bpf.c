/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers that nothing has yet, for the programs to take: of slots, cells, subjects, histograms.
 */
#include "vmlinux.h"
#include "disk_record.bpf.h"

/*
 * Not attached to anything: user space runs it (BPF_PROG_TEST_RUN), for it would take a system call
 * for each of some ten thousand numbers. ctx[0]: which, enum ks_fill; ctx[1]: the first number, and
 * from there on down to 1. Returns 1 when there is no room for one.
 */
SEC("raw_tp")
int fill__numbers(__u64 *ctx)
{
	__u32 which = ctx[0], number = ctx[1];
	void *map = which == KS_FILL_VCPUS	? (void *)&free_vcpus
		    : which == KS_FILL_CELLS	? (void *)&free_cells
		    : which == KS_FILL_SUBJECTS ? (void *)&free_subjects
						: (void *)&free_disk_hists;

	for (int i = 0; i < KS_FILL_BATCH && number; i++, number--)
		if (bpf_map_push_elem(map, &number, BPF_ANY))
			return 1;
	return 0;
}
