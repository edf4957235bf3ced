/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A domain: the kernel events that it wants, by which program each can be had, and how what
 * they measured becomes rows of a report. One src/domain_<name>.c a domain, which registers
 * itself with DOMAIN(); nothing else names it.
 */
#ifndef KVMSCOPE_DOMAIN_H
#define KVMSCOPE_DOMAIN_H

#include <errno.h>
#include <stdbool.h>
#include "export.h"
#include "features.h"
#include "report.h"

struct ks_subject;
struct session;
struct snap_vcpu;
struct delta;
struct vms;
struct vm;

/* What a session is asked for; an event lists those that need it. */
enum trace_mode {
	TRACE_COUNTS = 1,    /* exits by reason, counted only */
	TRACE_TIMES = 2,     /* histograms and the split of time */
	TRACE_USERSPACE = 4, /* exits to user space, counted only */
	TRACE_PORT = 8,	     /* details: what an exit was about */
	TRACE_MMIO = 16,
	TRACE_MSR = 32,
	TRACE_HYPERCALL = 64,
	TRACE_PAGE_FAULT = 128,
	TRACE_DISK = 1 << 8, /* block I/O: whose, how many, how large */
	TRACE_DISK_STAGES =
		1 << 9, /* times enum ks_disk_stages (abi.h), or'ed: which stages' times */
	TRACE_DISK_Q2G = TRACE_DISK_STAGES * KS_STAGE_Q2G,
	TRACE_DISK_G2I = TRACE_DISK_STAGES * KS_STAGE_G2I,
	TRACE_DISK_I2D = TRACE_DISK_STAGES * KS_STAGE_I2D,
	TRACE_NET = 1 << 16,	    /* packets, hop by hop */
	TRACE_NET_DRIVER = 1 << 17, /* and how long the drivers took */
};
#define TRACE_DETAILS (TRACE_PORT | TRACE_MMIO | TRACE_MSR | TRACE_HYPERCALL | TRACE_PAGE_FAULT)

/* Forms of a program, cheapest first. */
enum rung_kind {
	RUNG_BTF, /* BTF tracepoint: typed arguments */
	RUNG_RAW, /* raw tracepoint: arguments as numbers */
	RUNG_TP,  /* classic tracepoint: the record that tracefs shows */
};

struct rung {
	const char *program;
	enum rung_kind kind;
	/*
	 * Index, among the arguments as this program expects them, of the first pointer to the
	 * event's arg_type; ARG_NONE: there must be none; ARG_ANY: it does not look at one.
	 */
	int arg;
	bool without_btf; /* may be tried where no BTF tells the arguments */
	/* Anything else that it needs. Returns NULL if all is there, else what is missing. */
	const char *(*missing)(const struct features *f);
};
#define ARG_ANY	  (-1)
#define ARG_NONE  (-ENOENT)
#define RUNGS_MAX 5

struct event {
	const char *system, *name;
	const char *arg_type; /* the struct by which rungs tell arguments; NULL: kvm_vcpu */
	unsigned int modes;   /* enum trace_mode, or'ed */
	bool optional;	      /* the domain can do without */
	const char *absent;   /* why kernels may have no such event; NULL: nothing is known */
	bool preemptible; /* it fires where its thread may be preempted: see features.h, srcu_fast
			   */
	struct rung rungs[RUNGS_MAX]; /* in order of preference; ends at program NULL */
	/* Is it wanted on this host at all? NULL: yes. */
	bool (*wanted)(const struct features *f);
};

/* What a domain is given to fill a report from. */
struct report_ctx {
	const struct delta *delta;
	const struct features *features;
	const void *opts; /* of the command that asked, NULL: defaults */
	void *state;	  /* of the domain whose report() this is: what open() returned */
	struct vms *vms;
};

/* A VM, and those of its vCPUs that the kernel side has met, in order of their ids. */
struct vm_times {
	const struct vm *vm;
	const struct snap_vcpu **vcpus;
	size_t n_vcpus;
};

/* What the daemon may have a domain do, from all down to less and less: see
 * tools/kvmscoped_limit.c. */
struct level {
	const char *name; /* for messages and metrics */
	enum level_step {
		LEVEL_ALL,	/* what the daemon starts with */
		LEVEL_DETAIL,	/* less detail than the one before */
		LEVEL_SAMPLING, /* fewer events are looked at than before */
	} step;
	unsigned int modes; /* enum trace_mode, or'ed */
	/* A constant of the programs and its value: session__set(). NULL: none. */
	const char *variable;
	uint64_t value;
};

struct domain {
	const char *name;
	const struct event *events;
	size_t n_events;
	const char *events_of;	    /* the domain whose events it reads; NULL: its own */
	const struct level *levels; /* NULL: it has no events of its own to do without */
	size_t n_levels;
	const struct export *exports; /* its metrics for Prometheus */
	size_t n_exports;
	enum ks_domain subjects; /* under which it measures subjects (abi.h); 0: vCPUs alone */
	/*
	 * Sets what the programs are to know of this kernel (session__set()), and the sizes of the
	 * domain's own maps (session__resize()). 0 or -errno. May be NULL.
	 */
	int (*configure)(struct session *s, const struct features *f);
	/*
	 * For what is not in the BPF maps (/proc): open() returns a state, sample() reads, once
	 * before the first interval and then at the end of each, close() frees. All may be NULL.
	 */
	void *(*open)(const char *proc_root);
	void (*sample)(void *state, struct vms *vms);
	void (*close)(void *state);
	/*
	 * Tells the kernel side about the VMs' devices: before anything is attached, and after each
	 * look for VMs. May keep s, which lives until close(). May be NULL.
	 */
	void (*follow)(void *state, struct session *s, struct vms *vms);
	/* A file that can be read when follow() is due before its time, which reads it; -1: none.
	 */
	int (*fd)(void *state);
	/* May the kernel side still write to this subject, whose VM is gone? NULL: it never does.
	 */
	bool (*busy)(void *state, uint32_t subject);
	/*
	 * Is what this subject is about gone, though its VM runs, or it is the host's? Then it is
	 * given back like those of VMs that are gone. NULL: it never is.
	 */
	bool (*over)(void *state, const struct ks_subject *who);
	/* What the domain has kept of this subject belongs to nobody any more. May be NULL. */
	void (*give_back)(void *state, uint32_t subject);
	/* Adds this domain's fields to the VM's row. */
	void (*report)(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row);
	/* Adds to the row "(host)", which is there if a domain has this. May be NULL. */
	void (*report_host)(const struct report_ctx *ctx, struct row *row);
	/* What one must know to read its rows right; NULL: nothing. May be NULL itself. */
	const char *(*note)(const struct report_ctx *ctx);
};

#define DOMAIN(ident)                                                          \
	static const struct domain ident;                                      \
	static const struct domain *const ident##_entry                        \
		__attribute__((section("ks_domains"), used, retain)) = &ident; \
	static const struct domain ident

/* Its tables, where they are arrays of these names. */
#define DOMAIN_TABLES                                                         \
	.levels = levels, .n_levels = ARRAY_SIZE(levels), .exports = exports, \
	.n_exports = ARRAY_SIZE(exports), .events = events, .n_events = ARRAY_SIZE(events)

/* By name; NULL when there is none. */
const struct domain *domain__find(const char *name);

#endif
