/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Domain disk: block I/O by VM, disk and operation; what is in flight; how disks lie upon each
 * other; and how much of what a VM read came from the page cache.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpus.h"
#include "disk_failures.h"
#include "disk_flight.h"
#include "disk_images.h"
#include "disk_mounts.h"
#include "disk_owners.h"
#include "disk_stack.h"
#include "domain.h"
#include "proc_io.h"
#include "session.h"
#include "snapshot.h"
#include "util.h"
#include "vms.h"

#define SETS_PER_CPU 1024 /* of KS_DISK_WAYS places each */
#define SETS_LEAST   8192
#define SETS_MOST    65536
#define GIVE_UP_NS   (30 * NSEC_PER_SEC)

/* --- events */

static const char *no_cmpxchg(const struct features *f)
{
	return f->cmpxchg ? NULL : "the kernel has no BPF_CMPXCHG";
}

/* arg: where a kernel whose events have one argument less has the bio or request:
 * block_bio_complete */
#define DISK_EVENT(event, type, arg, mode)                                          \
	{                                                                           \
		.system = "block", .name = #event, .arg_type = type, .modes = mode, \
		.preemptible = true,                                                \
		.rungs = {                                                          \
			{"disk__" #event "_btf", RUNG_BTF, arg, false, no_cmpxchg}, \
			{"disk__" #event "_raw", RUNG_RAW, ARG_ANY, false, NULL},   \
		},                                                                  \
	}

/* In the order in which they are attached: ends first, so that what begins meanwhile has one. */
static const struct event events[] = {
	DISK_EVENT(block_rq_complete, "request", 0, TRACE_DISK),
	DISK_EVENT(block_bio_complete, "bio", 1, TRACE_DISK),
	DISK_EVENT(block_bio_queue, "bio", 0, TRACE_DISK),
	DISK_EVENT(block_getrq, "bio", 0, TRACE_DISK_Q2G | TRACE_DISK_G2I),
	DISK_EVENT(block_rq_insert, "request", 0, TRACE_DISK_G2I | TRACE_DISK_I2D),
	DISK_EVENT(block_rq_issue, "request", 0, TRACE_DISK),
	DISK_EVENT(block_rq_requeue, "request", 0, TRACE_DISK),
	DISK_EVENT(block_rq_merge, "request", 0, TRACE_DISK),
	DISK_EVENT(block_bio_backmerge, "bio", 0, TRACE_DISK),
	DISK_EVENT(block_bio_frontmerge, "bio", 0, TRACE_DISK),
	DISK_EVENT(block_split, "bio", 0, TRACE_DISK),
	{
		.system = "block",
		.name = "block_bio_remap",
		.arg_type = "bio",
		.modes = TRACE_DISK,
		.preemptible = true,
		.rungs = {{"disk__block_bio_remap_raw", RUNG_RAW, ARG_ANY, false, NULL}},
	},
};

static uint32_t sets(int cpus)
{
	uint32_t n = SETS_LEAST;

	while (n < (uint32_t)cpus * SETS_PER_CPU && n < SETS_MOST)
		n *= 2;
	return n;
}

static int configure(struct session *s, const struct features *f)
{
	bool d2c = (session__modes(s) / TRACE_DISK_STAGES & KS_STAGES_ALL) == KS_STAGE_D2C;
	int64_t flush_seq = features__enumerator(f, "__RQF_FLUSH_SEQ");
	int cpus = cpus__numbers(), err = 0;
	uint32_t n;

	if (cpus < 0)
		return cpus;
	if (!(session__modes(s) & TRACE_DISK))
		return 0;
	n = sets(cpus);
	err = err ?: session__set(s, "cfg_disk_d2c", d2c);
	*session__disk_by_task(s) =
		!d2c || session__is_fixed(s) || !features__has_member(f, "bio", "bi_blkg");
	err = err ?: session__set(s, "cfg_disk_shift", 32 - __builtin_ctz(n));
	err = err
		      ?: session__set(s, "cfg_disk_bio_second",
				      features__tp_arg_struct(f, "block_bio_queue", "bio") == 1);
	err = err
		      ?: session__set(s, "cfg_disk_rq_second",
				      features__tp_arg_struct(f, "block_rq_issue", "request") == 1);
	err = err
		      ?: session__set(
				 s, "cfg_disk_errno",
				 !features__tp_arg_is(f, "block_rq_complete", 1, "blk_status_t") &&
					 !features__tp_arg_is(f, "block_rq_complete", 2,
							      "blk_status_t"));
	/* an enumerator since v6.12 (6fa99325c2cf); 1 << 4 before */
	err = err ?: session__set(s, "cfg_disk_flush_seq", 1U << (flush_seq < 0 ? 4 : flush_seq));
	err = err ?: session__resize(s, "disk_bios", n);
	return err ?: session__resize(s, "disk_requests", n);
}

/* --- what is not an event */

struct disk_state {
	struct session *session; /* NULL until it is there */
	struct disk_owners *owners;
	struct disk_mounts *mounts;
	struct proc_ios *ios;
	struct disk_images *images;
	struct disk_flight *flight; /* by numbers of subjects, */
	uint64_t *gone;	   /* since when busy() is asked: their VMs are gone; 0: it is not */
	uint32_t n_flight; /* which are so many */
	struct disk_failures *failures;
};

static void *open_state(const char *proc_root)
{
	struct disk_state *st = xcalloc(1, sizeof(*st));

	st->owners = disk_owners__new(proc_root);
	st->mounts = disk_mounts__new(proc_root);
	st->ios = proc_ios__new(proc_root);
	st->images = disk_images__new(proc_root);
	st->failures = disk_failures__new();
	return st;
}

static void close_state(void *state)
{
	struct disk_state *st = state;

	if (!st)
		return;
	disk_owners__free(st->owners);
	disk_mounts__free(st->mounts);
	proc_ios__free(st->ios);
	disk_images__free(st->images);
	free(st->flight);
	free(st->gone);
	disk_failures__free(st->failures);
	free(st);
}

/*
 * Where D2C alone is asked for, block_bio_queue, the dearest event, waits until there is a VM whose
 * requests can't be told by their cgroup. Not until there is none any more: VMs of one host are
 * alike.
 */
static void choose_way(const struct disk_state *st, bool first)
{
	bool *by_task = session__disk_by_task(st->session);

	if (*by_task)
		return;
	if (first)
		session__put_off(st->session, "block_bio_queue");
	if (disk_owners__all_alone(st->owners))
		return;
	*by_task = true; /* first: who finds a bio is to look for it later */
	if (session__attach_late(st->session, "block_bio_queue"))
		*by_task = false; /* the cgroup tells more than nothing; we try again */
}

static void follow(void *state, struct session *s, struct vms *vms)
{
	struct disk_state *st = state;
	bool first = !st->session;

	st->session = s;
	if (first) {
		st->n_flight = session__array(s, ARRAY_SUBJECTS)->entries;
		st->flight = xcalloc(st->n_flight, sizeof(*st->flight));
		st->gone = xcalloc(st->n_flight, sizeof(*st->gone));
	}
	disk_owners__push(st->owners, s, vms);
	choose_way(st, first);
}

static const char *note(const struct report_ctx *ctx)
{
	const struct disk_state *st = ctx->state;
	struct vm **all;

	if (*session__disk_by_task(st->session) || !vms__all(ctx->vms, &all))
		return NULL;
	return "requests are told by the VMs' cgroups; what becomes no request is not seen: I/O of "
	       "device mapper's and md's own disks, and what fails before";
}

static void sample(void *state, struct vms *vms)
{
	struct disk_state *st = state;

	proc_ios__sample(st->ios, vms);
	disk_images__sample(st->images, vms);
	if (!st->session)
		return;
	disk_flight__take(st->session, st->flight, st->n_flight);
	disk_failures__sample(st->failures, st->session);
}

/*
 * What a VM that is gone has had under way for long is given up: where the event of its end was
 * skipped, and the device's requests are not used again, it would be there for ever, and the VM's
 * row and numbers with it.
 */
static bool busy(void *state, uint32_t subject)
{
	const struct disk_state *st = state;
	const struct disk_flight *f;
	uint64_t now;

	if (subject >= st->n_flight)
		return false;
	f = &st->flight[subject];
	if (!(f->requests || f->waiting))
		return false;
	now = clock_ns(CLOCK_MONOTONIC);
	if (!st->gone[subject])
		st->gone[subject] = now;
	if (f->oldest_ns >= GIVE_UP_NS || now - st->gone[subject] >= GIVE_UP_NS)
		session__lose(
			st->session, KS_L_DISK_ENDS,
			disk_flight__give_up(st->session, subject, st->gone[subject], GIVE_UP_NS));
	return true;
}

static void give_back(void *state, uint32_t subject)
{
	const struct disk_state *st = state;

	if (subject < st->n_flight)
		st->gone[subject] = 0;
	disk_failures__forget(st->failures, st->session, subject);
}

/* --- rows */

/* A stage that did not happen is absent. */
static void add_hist(const struct report_ctx *ctx, const struct snap_subject *s, struct row *r,
		     const char *name, enum ks_metric metric)
{
	struct histogram h = {};

	delta__subject_hist(ctx->delta, s, metric, &h);
	h.shift = metric == KS_M_DISK_DEPTH ? KS_DEPTH_SHIFT : 0;
	if (h.count)
		row__hist(r, name, &h);
	else
		row__null(r, name);
}

struct filler {
	const struct report_ctx *ctx;
	struct row *row;
	uint64_t requests;
};

static bool is_empty(const struct snap_subject *s, const struct disk_flight *f)
{
	for (int i = 0; i < KS_COUNTERS; i++)
		if (s->n[i])
			return false;
	return !f->requests && !f->waiting;
}

static void add_disk(const struct snap_subject *s, void *arg)
{
	static const char *const ops[KS_DISK_OPS] = {"read", "write", "flush", "discard", "other"};
	/* the kernel side measures some that come for nothing with those that were asked for */
	static const struct {
		const char *name;
		enum ks_metric metric;
		unsigned int stage;
	} stages[] = {
		{"q2g", KS_M_DISK_Q2G, KS_STAGE_Q2G},
		{"g2i", KS_M_DISK_G2I, KS_STAGE_G2I},
		{"i2d", KS_M_DISK_I2D, KS_STAGE_I2D},
		{"d2c", KS_M_DISK_D2C, KS_STAGE_D2C},
		{"q2c", KS_M_DISK_Q2C, KS_STAGE_Q2C},
		{"size_bytes", KS_M_DISK_SIZE, KS_STAGES_ALL},
		{"depth", KS_M_DISK_DEPTH, KS_STAGES_ALL},
	};
	static const struct {
		const char *name;
		enum ks_counter counter;
	} counters[] = {
		{"requeued", KS_C_DISK_REQUEUED},
		{"errors", KS_C_DISK_ERRORS},
		{"sequential", KS_C_DISK_SEQUENTIAL},
		{"merged_back", KS_C_DISK_MERGED_BACK},
		{"merged_front", KS_C_DISK_MERGED_FRONT},
		{"merged_requests", KS_C_DISK_MERGED_REQUESTS},
		{"split", KS_C_DISK_SPLIT},
		{"partial", KS_C_DISK_PARTIAL},
	};
	struct filler *fill = arg;
	const struct disk_state *st = fill->ctx->state;
	const unsigned int asked = session__modes(st->session) / TRACE_DISK_STAGES;
	const struct disk_flight *f = &st->flight[s->number < st->n_flight ? s->number : 0];
	char name[DISK_NAME_MAX], alias[PATH_MAX], dev[24];
	struct row *r;

	if (s->who.part >= KS_DISK_OPS || is_empty(s, f))
		return;
	disk_stack__name(st->session, fill->ctx->delta, s->who.vm, s->who.object, name);
	snprintf(dev, sizeof(dev), "%u:%u", DISK_MAJOR(s->who.object), DISK_MINOR(s->who.object));
	r = row__add(fill->row, "disks");
	row__text(r, "dev", dev);
	row__text(r, "name", name);
	row__text(r, "alias", disk_stack__alias(s->who.object, alias, sizeof(alias)));
	row__text(r, "op", ops[s->who.part]);
	row__u64(r, "count", s->n[KS_C_DISK_REQUESTS]);
	row__u64(r, "bytes", s->n[KS_C_DISK_BYTES]);
	row__u64(r, "merged",
		 s->n[KS_C_DISK_MERGED_BACK] + s->n[KS_C_DISK_MERGED_FRONT] +
			 s->n[KS_C_DISK_MERGED_REQUESTS]);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		row__u64(r, counters[i].name, s->n[counters[i].counter]);
	row__u64(r, "in_flight", f->requests + f->waiting);
	row__u64(r, "waiting", f->waiting);
	row__u64(r, "oldest_ns", f->oldest_ns);
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (stages[i].stage & asked)
			add_hist(fill->ctx, s, r, stages[i].name, stages[i].metric);
		else
			row__null(r, stages[i].name);
	disk_failures__rows(st->failures, s->number, r);
	fill->requests += s->n[KS_C_DISK_REQUESTS];
}

static void add_remap(const struct snap_subject *s, void *arg)
{
	uint32_t from = s->who.object >> 32, to = s->who.object;
	struct filler *fill = arg;
	const struct disk_state *st = fill->ctx->state;
	char name[DISK_NAME_MAX];
	struct row *r;

	if (s->who.part != KS_DISK_REMAP || !s->n[KS_C_DISK_REQUESTS] ||
	    disk_stack__is_partition(from))
		return;
	r = row__add(fill->row, "remaps");
	disk_stack__name(st->session, fill->ctx->delta, s->who.vm, from, name);
	row__text(r, "from", name);
	disk_stack__name(st->session, fill->ctx->delta, s->who.vm, to, name);
	row__text(r, "to", name);
	row__u64(r, "count", s->n[KS_C_DISK_REQUESTS]);
	row__u64(r, "bytes", s->n[KS_C_DISK_BYTES]);
}

static void fill_row(struct filler *fill, uint16_t number)
{
	row__list(fill->row, "disks");
	delta__each_subject(fill->ctx->delta, KS_D_DISK, number, add_disk, fill);
	row__list(fill->row, "remaps");
	delta__each_subject(fill->ctx->delta, KS_D_DISK, number, add_remap, fill);
}

static void report(const struct report_ctx *ctx, const struct vm_times *vm, struct row *row)
{
	static const char *const fields[] = {"vm_read_bytes", "vm_written_bytes",
					     "storage_read_bytes", "storage_written_bytes"};
	const struct disk_state *st = ctx->state;
	struct filler fill = {.ctx = ctx, .row = row};
	struct proc_io io;
	uint64_t values[4];
	bool known;

	if (vm->vm->number && vm->vm->number != KS_VM_IGNORED) {
		fill_row(&fill, vm->vm->number);
	} else {
		row__list(row, "disks");
		row__list(row, "remaps");
	}
	known = proc_ios__delta(st->ios, vm->vm, &io);
	if (known)
		memcpy(values, (uint64_t[]){io.rchar, io.wchar, io.read_bytes, io.write_bytes},
		       sizeof(values));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (known)
			row__u64(row, fields[i], values[i]);
		else
			row__null(row, fields[i]);
	}
	disk_stack__bottom(row, st->mounts);
	disk_images__rows(st->images, vm->vm, row);
}

static void report_host(const struct report_ctx *ctx, struct row *row)
{
	struct filler fill = {.ctx = ctx, .row = row};
	uint64_t all = 0;

	fill_row(&fill, KS_VM_HOST);
	for (size_t i = 0; i < ctx->delta->n_subjects; i++)
		if (ctx->delta->subjects[i].who.domain == KS_D_DISK &&
		    ctx->delta->subjects[i].who.part < KS_DISK_OPS)
			all += ctx->delta->subjects[i].n[KS_C_DISK_REQUESTS];
	row__u64(row, "disk_requests", fill.requests);
	row__u64(row, "disk_requests_of_all", all);
	row__text(row, "disk_told_by",
		  *session__disk_by_task(((const struct disk_state *)ctx->state)->session)
			  ? "task"
			  : "cgroup");
}

#define DISK_EXPORT(what, meaning, ...)                                                  \
	{                                                                                \
		.list = "disks", .field = what, .info = meaning,                         \
		.label = {LABEL("device", "name"), FIXED_LABEL("op", "op")}, __VA_ARGS__ \
	}

static const struct metric_info merges = {"disk_merges", "none", 1,
					  "Bios and requests that were merged into another."};
static const struct metric_info in_flight = {"disk_in_flight", "requests", 1,
					     "Requests under way."};

static const struct export exports[] = {
	DISK_EXPORT("count", &counter_infos[KS_C_DISK_REQUESTS]),
	DISK_EXPORT("bytes", &counter_infos[KS_C_DISK_BYTES]),
	DISK_EXPORT("errors", &counter_infos[KS_C_DISK_ERRORS]),
	DISK_EXPORT("merged", &merges),
	DISK_EXPORT("in_flight", &in_flight, .gauge = true),
	DISK_EXPORT("d2c", &metric_infos[KS_M_DISK_D2C], .modes = TRACE_DISK_STAGES * KS_STAGE_D2C),
	DISK_EXPORT("q2c", &metric_infos[KS_M_DISK_Q2C], .modes = TRACE_DISK_STAGES * KS_STAGE_Q2C),
};

/* With and without the wait in the queues; a disk's other stages are for the command line. */
static const struct level levels[] = {
	{"q2c and d2c", LEVEL_ALL, TRACE_DISK | TRACE_DISK_STAGES *(KS_STAGE_Q2C | KS_STAGE_D2C),
	 NULL, 0},
	{"d2c", LEVEL_DETAIL, TRACE_DISK | TRACE_DISK_STAGES *KS_STAGE_D2C, NULL, 0},
};

DOMAIN(domain_disk) = {
	.name = "disk",
	DOMAIN_TABLES,
	.subjects = KS_D_DISK,
	.configure = configure,
	.open = open_state,
	.sample = sample,
	.close = close_state,
	.follow = follow,
	.busy = busy,
	.give_back = give_back,
	.report = report,
	.report_host = report_host,
	.note = note,
};
