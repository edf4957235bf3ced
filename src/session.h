/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A session: the BPF object loaded with the programs that were asked for, each by the best
 * rung that this kernel takes, attached, and its maps open to be read. Nothing is pinned:
 * when the process ends, all of it goes.
 */
#ifndef KVMSCOPE_SESSION_H
#define KVMSCOPE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <kvmscope/abi.h>
#include "arrays.h"
#include "domain.h"

struct session;

struct session_opts {
	unsigned int modes;	/* enum trace_mode, or'ed */
	unsigned int max_vcpus; /* slots for vCPUs; 0: a default */
	unsigned int
		max_subjects; /* numbers for disks, interfaces and so on; 0: by the host's CPUs */
	bool filter;	      /* there are VMs of which nothing is wanted: see vm_numbers.h */
	bool fixed;	      /* nothing can be attached once session__attach() has been called */
	/* constants of the programs: session__set(), after the domains' own */
	const struct session_constant {
		const char *name;
		uint64_t value;
	} * constants;
	size_t n_constants;
};

#define SESSION_VCPUS_DEFAULT 512
#define SESSION_VCPUS_MAX     65536

/* One event and what became of it, for `check` and messages. */
struct choice {
	const struct domain *domain;
	const struct event *event;
	const struct rung *rung; /* NULL: it can't be had */
	char why[160];		 /* why not a cheaper one, or why none */
	bool put_off;		 /* it is not attached yet: session__put_off() */
};

/* It can't be had because the kernel has no such event, for the reason that event->absent tells. */
bool choice__is_absent(const struct choice *c);
/* Under load the kernel may skip runs of such a program: see features.h, srcu_fast. */
bool rung__may_be_skipped(const struct features *f, const struct event *e, const struct rung *r);

/*
 * Finds for each event of these domains the first rung whose needs this kernel meets. floor:
 * no cheaper form than this. Returns how many there are, in *ret_choices (caller frees).
 */
size_t session__choose(const struct features *f, const struct domain *const *domains, size_t n,
		       unsigned int modes, enum rung_kind floor, struct choice **ret_choices);

/*
 * Opens, configures and loads. On failure *ret_error (caller frees) says what and
 * why in one line. Returns 0; -EPERM: privilege is missing; -ENOTSUP: an event that is not
 * optional can't be had; another -errno.
 */
int session__open(struct session **ret, struct features *f, const struct domain *const *domains,
		  size_t n, const struct session_opts *opts, char **ret_error);
/*
 * Attaches: events are counted from here on. Once, after what the programs look up has been filled
 * in. As session__open() on failure, after which the session must be closed.
 */
int session__attach(struct session *s, char **ret_error);
void session__close(struct session *s); /* NULL is fine; detaches */

/* For domain->configure(): sets a cfg_ constant of the BPF programs. 0, or -ENOENT. */
int session__set(struct session *s, const char *variable, uint64_t value);
/* A constant that is a field's offset in a classic event's record. */
struct record_field {
	const char *variable, *event, *field;
};
/* The same, of the events of one system; what tracefs does not show stays 0. */
int session__set_offsets(struct session *s, const struct features *f, const char *system,
			 const struct record_field *fields, size_t n);
/* The same: room in a map, before it is created. 0 or -errno. */
int session__resize(struct session *s, const char *map, uint32_t entries);
/* What it was opened for: enum trace_mode, or'ed. */
unsigned int session__modes(const struct session *s);
/* For the same, which may see to it that it gets on without an event, or has to do with it. */
bool session__is_fixed(const struct session *s);
/* An event waits until session__attach_late(), which fails, with -errno, or is for nothing if it
 * does not wait. */
void session__put_off(struct session *s, const char *event);
int session__attach_late(struct session *s, const char *event);
/* Domain disk's, for its domain: see bpf/disk.bpf.h. */
bool *session__disk_by_task(const struct session *s);
/* A map's descriptor, or -ENOENT. */
int session__map(const struct session *s, const char *map);
/* Domain net's: numbers of interfaces, by ifindex modulo KS_NIC_PLACES. */
uint16_t *session__nic_places(const struct session *s);
/* and what the kernel side knows of interfaces that do not matter: forgotten. */
void session__forget_nics(const struct session *s);

/* The first places of what is in flight, and with which element that array begins. */
struct array session__first_bios(const struct session *s, uint32_t *ret_first);
struct array session__first_requests(const struct session *s, uint32_t *ret_first);
struct ks_disk_more *session__disk_more(const struct session *s);
const struct ks_disk *session__disk(const struct session *s, uint32_t number);
/* What CPUs remember: whose requests are; what is known of the disk of that number. */
void session__forget_disk_memos(const struct session *s);
void session__forget_disk(const struct session *s, uint32_t subject);

size_t session__choices(const struct session *s, const struct choice **ret);

const char *rung__name(enum rung_kind kind); /* "BTF tracepoint" ... */

/* The time when the last program was attached, CLOCK_MONOTONIC ns. */
uint64_t session__attached_at(const struct session *s);

/*
 * Program runs that the kernel skipped, of all programs, since they were attached
 * (bpf_prog_info.recursion_misses).
 */
uint64_t session__missed_runs(const struct session *s);

/* The same of one choice: session__choices(s)[i]. */
uint64_t session__missed_by(const struct session *s, size_t i);

/*
 * How often the program of choice i ran, and for how long (ns), while BPF statistics were on
 * (bpf_prog_info.run_cnt, run_time_ns). 0 or -errno.
 */
int session__runtime(const struct session *s, size_t i, uint64_t *ret_runs, uint64_t *ret_ns);

/* A vCPU's thread that has shown no event yet. */
struct adoptee {
	uint32_t tid;
	int32_t vcpu_id; /* -1: unknown */
	bool halted;	 /* it sleeps in KVM's halt */
};

/* Does the kernel side follow this thread? */
bool session__knows_thread(const struct session *s, pid_t tid);
/* Has it follow these from now on. 0 or -errno; what is not followed is seen at its first event. */
int session__adopt(struct session *s, const struct adoptee *list, size_t n);

/*
 * Has the kernel side note, for each vCPU, how many exits it counted and how many KVM did, at the
 * same moment: ks_vcpu.audit_*. 0 or -errno (this kernel can't: the numbers stay 0).
 */
int session__audit(struct session *s);

/* What the kernel side lost, summed over CPUs, and what user space did. 0 or -errno. */
int session__losses(const struct session *s, uint64_t losses[KS_LOSSES]);
void session__lose(struct session *s, enum ks_loss what, uint64_t n);

/*
 * The mapped arrays: of struct ks_vcpu, ks_cell, ks_subject_slot, ks_tally and ks_disk_hists. The
 * last three have one entry where no domain measures such.
 */
enum session_array {
	ARRAY_VCPUS,
	ARRAY_CELLS,
	ARRAY_SUBJECTS,
	ARRAY_TALLIES,
	ARRAY_DISK_HISTS,
	SESSION_ARRAYS,
};
struct array *session__array(struct session *s, enum session_array which);

/*
 * Gives back a vCPU's slot, a cell, a disk's histograms or a subject that the kernel side does not
 * write any more: clears it and puts its number among the unused ones. 0 or -errno.
 */
int session__give_back(struct session *s, enum session_array which, uint32_t number);
/*
 * Forgets a thread in the tables that lead to slots, if they still lead to this one.
 */
void session__forget_thread(struct session *s, uint32_t tid, int32_t vcpu_id, uint32_t slot);
/* And in the filter of context switches, where others share its place: if none of those lives. */
void session__forget_tid(struct session *s, uint32_t tid);

/* Forgets what led to a cell of a detail (KS_DETAIL(metric) below KS_DETAILS). */
void session__forget_detail(struct session *s, uint32_t slot, uint32_t metric, uint64_t key);

/* libbpf's messages go to this; NULL: nowhere. Process wide. */
void session__set_log(void (*log)(const char *message));

#endif
