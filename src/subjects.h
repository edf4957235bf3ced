/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Subjects (abi.h) as user space sees them: read into a snapshot, given back. */
#ifndef KVMSCOPE_SUBJECTS_H
#define KVMSCOPE_SUBJECTS_H

#include "snapshot.h"

/* Adds to the snapshot all subjects, with the sums of their tallies. 0 or -errno. */
int subjects__take(struct session *s, struct snapshot *snap);

/*
 * Gives back a subject that the kernel side does not write any more, with its tallies and its
 * cells; snap: a snapshot that has it.
 */
void subjects__give_back(struct session *s, const struct snapshot *snap,
			 const struct snap_subject *subject);

/* The number that a disk's first histogram has among the cells of a snapshot; the others follow. */
uint32_t subjects__hists_number(struct session *s, uint32_t hists);

#endif
