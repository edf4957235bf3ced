/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A snapshot: all that the kernel side has measured so far, as plain data; and the difference
 * of two, which is what an interval showed.
 *
 * Kernel counters only grow, so that nothing is lost between two snapshots. What is under way
 * (a long halt, a stay in user space) is charged up to the moment of the snapshot.
 */
#ifndef KVMSCOPE_SNAPSHOT_H
#define KVMSCOPE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <kvmscope/abi.h>
#include "histogram.h"

struct session;

struct snap_vcpu {
	uint32_t slot;
	pid_t tgid, tid;
	int32_t vcpu_id; /* -1: unknown */
	uint32_t isa;
	uint64_t start_ns; /* of the process, CLOCK_BOOTTIME; with tgid, the VM */
	uint64_t since;	   /* of its slot, CLOCK_MONOTONIC */
	bool gone;	   /* its thread has ended: no event will write to its slot */
	bool ignored;
	uint64_t t;		/* when its last event was */
	enum ks_state now;	/* since then */
	uint64_t ns[KS_STATES]; /* up to the snapshot's moment: with since, all of its time */
	uint64_t exits,
		kernel_exits; /* at the same moment: ours, and KVM's own count (0: unknown) */
};

/* One bucket that is not empty; from KS_HIST_BUCKETS on, one of snapshot__small()'s values. */
struct used_bucket {
	uint32_t bucket;
	uint64_t n;
};

struct snap_cell {
	uint32_t number;
	uint32_t owner;
	enum ks_metric metric;
	uint32_t first, n; /* of snapshot's used[] */
	uint32_t off_wall, off_cpu;
	uint64_t key, count, sum, max;
	uint64_t part[KS_STATES];
};

/* A subject, and what all CPUs have counted of it. */
struct snap_subject {
	uint32_t number;
	struct ks_subject who;
	uint64_t since; /* when its number was taken, CLOCK_MONOTONIC */
	uint64_t n[KS_COUNTERS];
};

/* What of a disk's subject was counted beside, or with, its histograms. */
struct hists_count {
	uint32_t owner;
	uint64_t requests, bytes, sequential;
};

/* An exit that was under way when its vCPU was read. */
struct flight {
	size_t vcpu; /* of snapshot's */
	uint32_t slot, cell;
	uint64_t exit_t;
	uint64_t part[KS_STATES];
};

struct snapshot {
	uint64_t at; /* CLOCK_MONOTONIC: up to when each vCPU's time is charged */
	struct timespec real;
	struct snap_vcpu *vcpu;
	size_t n_vcpu;
	struct snap_cell *cell; /* in order of their numbers */
	size_t n_cell;
	struct snap_subject *subject; /* the same */
	size_t n_subject;
	struct hists_count *counted;
	size_t n_counted;
	struct used_bucket *used;
	size_t n_used, cap_used;
	struct flight *flight;
	size_t n_flight;
	uint64_t losses[KS_LOSSES];
	uint64_t missed;
};

/* before: the last one, NULL if there is none. Never blocks the guests. Returns 0 or -errno (a map
 * can't be mapped). */
int snapshot__take(struct session *s, const struct snapshot *before, struct snapshot **ret);
void snapshot__free(struct snapshot *snap); /* NULL is fine */

/* The value that number KS_HIST_BUCKETS + i of a disk's metric stands for: see struct
 * ks_disk_hists. */
uint64_t snapshot__small(enum ks_metric metric, uint32_t i);

/* The vCPU of that slot, of n in order of their slots; NULL if there is none. */
const struct snap_vcpu *snapshot__vcpu(const struct snap_vcpu *v, size_t n, uint32_t slot);
/* The cell of that number, NULL if it was not in use. */
struct snap_cell *snapshot__cell(const struct snapshot *snap, uint32_t number);

/* One interval. from NULL: from the start of tracing on. Both must outlive it. */
struct delta {
	const struct snapshot *from, *to;
	uint64_t elapsed_ns;
	struct timespec start;	 /* CLOCK_REALTIME */
	struct snap_vcpu *vcpus; /* ns[] of the interval; in order of slots */
	size_t n_vcpus;
	uint64_t losses[KS_LOSSES];
	uint64_t missed;
	struct owned_cell *owned;
	size_t n_owned;
	struct snap_subject *subjects;	       /* n[] of the interval; in order of numbers */
	const struct snap_cell **subject_cell; /* those of subjects, by owner */
	size_t n_subjects, n_subject_cells;
};

/* One cell's part of an interval. */
struct delta_cell {
	const struct snap_vcpu *vcpu;
	enum ks_metric metric;
	uint64_t key;
	uint64_t count;
	uint64_t part[KS_STATES];
	struct histogram hist;
	uint64_t
		small[KS_DISK_SIZES]; /* of the values that snapshot__small() tells; in hist, too */
};

/* started: CLOCK_MONOTONIC ns when tracing began, for from == NULL. */
struct delta *delta__new(const struct snapshot *from, const struct snapshot *to, uint64_t started);
void delta__free(struct delta *d); /* NULL is fine */

/*
 * Calls fn for each cell in which something happened and whose vCPU is that process
 * (tgid, start_ns), or of any if tgid is 0. The cell is fn's until it returns.
 */
void delta__each_cell(const struct delta *d, pid_t tgid, uint64_t start_ns,
		      void (*fn)(const struct delta_cell *cell, void *arg), void *arg);

/*
 * Calls fn for each subject of that domain and VM (its number, or KS_VM_HOST) of which something
 * was counted in the interval or may be under way.
 */
void delta__each_subject(const struct delta *d, enum ks_domain domain, uint16_t vm,
			 void (*fn)(const struct snap_subject *subject, void *arg), void *arg);
/* Adds to *out what was recorded of a metric of that subject in the interval, on all CPUs. */
void delta__subject_hist(const struct delta *d, const struct snap_subject *subject,
			 enum ks_metric metric, struct histogram *out);

/*
 * Gives back the slots and cells of vCPUs whose threads have ended: this interval reported their
 * last numbers, and the kernel side wrote them before it said that they ended.
 */
void delta__reclaim(const struct delta *d, struct session *s);

#endif
