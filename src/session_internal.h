/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What session.c and session_maps.c share; no other file sees the BPF skeleton. */
#ifndef KVMSCOPE_SESSION_INTERNAL_H
#define KVMSCOPE_SESSION_INTERNAL_H

#include "session.h"
#include "session_sizes.h"
#include "kvmscope.skel.h"

struct session {
	struct kvmscope_bpf *skel;
	struct choice *choices;
	size_t n_choices;
	struct bpf_link **links; /* one a choice; NULL: not attached */
	uint64_t attached_at;
	unsigned int modes;
	bool fixed;
	struct session_sizes sizes;
	uint64_t lost[KS_LOSSES]; /* by user space */
	struct array arrays[SESSION_ARRAYS];
};

/* The program of that name; NULL: there is none. */
struct bpf_program *session__program(const struct session *s, const char *name);

#endif
