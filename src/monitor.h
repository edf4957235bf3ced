/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tracing as both programs do it: is this host fit for it, which VMs are there, load and attach,
 * follow VMs as they come and go, and a report of each interval. Who calls it has the loop, the
 * clock and the sinks.
 */
#ifndef KVMSCOPE_MONITOR_H
#define KVMSCOPE_MONITOR_H

#include "domain.h"
#include "join.h"
#include "report.h"
#include "session.h"
#include "vms.h"

#define MONITOR_DOMAINS 8

struct vm_numbers;

struct monitor_opts {
	const char *kind;	   /* of its reports: a constant */
	const char *const *trace;  /* domains that are loaded; ends at NULL */
	const char *const *report; /* domains that fill the VMs' rows; the same */
	unsigned int modes;	   /* enum trace_mode, or'ed */
	unsigned int max_vcpus;	   /* 0: by what runs here */
	unsigned int max_subjects; /* 0: by the host's CPUs */
	const void *opts;	   /* for the domains' report() */
	struct vms_roots roots;
	const struct session_constant *constants; /* of the programs: see session.h */
	size_t n_constants;
	bool fixed; /* nothing is attached once it runs: who runs it has no privilege left */
	const char *const *patterns; /* VMs that are wanted: vms__want() */
	size_t n_patterns;
	const pid_t *pids; /* and those: vms__want_pid() */
	size_t n_pids;
};

struct monitor {
	struct monitor_opts opts;
	const struct domain *domains[MONITOR_DOMAINS];
	size_t n_domains;
	struct reporter reporters[MONITOR_DOMAINS];
	size_t n_reporters;
	struct features *features;
	struct vms *vms;
	struct vm_numbers *numbers;
	struct session *session; /* NULL until monitor__start() */
	struct snapshot *before;
	uint64_t cpu_before; /* ns that this process had used */
	size_t unnumbered;   /* VMs for which there was no number: vm_numbers.h */
};

/* Looks at the host. What opts points to must outlive it. Never fails. */
struct monitor *monitor__new(const struct monitor_opts *opts);
void monitor__free(struct monitor *m); /* NULL is fine; detaches */

/*
 * All below: 0, or -errno and, in *ret_error (caller frees), one line that says what, why and what
 * to do. -EPERM: a privilege is missing; -ENOTSUP: the kernel lacks something.
 */

/* Is there what tracing needs: KVM, privilege, BTF? */
int monitor__check(const struct monitor *m, char **ret_error);
/* Looks for VMs. -EINVAL: a pattern can't be one. Returns how many are wanted. */
int monitor__find_vms(struct monitor *m, char **ret_error);
/* Loads and attaches; the first interval begins. */
int monitor__start(struct monitor *m, char **ret_error);
/* Reads all counters and reports what has come since the last time; final: nothing comes after. */
int monitor__report(struct monitor *m, bool final, struct report **ret, char **ret_error);

/* Looks for VMs again, and tells the kernel side: once a second, and soon after a uevent. */
void monitor__rescan(struct monitor *m);
/* A file that can be read when monitor__rescan(), which reads it, is due before its time; -1: none.
 */
int monitor__fd(const struct monitor *m);
/* Drops VMs that are gone and reported. */
void monitor__forget_dead(struct monitor *m);

/* CPU time that this process has used, ns. */
uint64_t monitor__cpu_time(void);

#endif
