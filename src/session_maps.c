/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A session while it runs: what was lost, vCPUs met and forgotten, slots given back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "cpus.h"
#include "session_internal.h"
#include "util.h"

/* --- losses */

static uint64_t misses(const struct session *s, const struct choice *c)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_program__fd(session__program(s, c->rung->program));

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.recursion_misses;
}

uint64_t session__missed_by(const struct session *s, size_t i)
{
	return s->choices[i].rung ? misses(s, &s->choices[i]) : 0;
}

uint64_t session__missed_runs(const struct session *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n_choices; i++)
		sum += session__missed_by(s, i);
	return sum;
}

int session__runtime(const struct session *s, size_t i, uint64_t *ret_runs, uint64_t *ret_ns)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err = 0;

	if (s->choices[i].rung)
		err = bpf_obj_get_info_by_fd(
			bpf_program__fd(session__program(s, s->choices[i].rung->program)), &info,
			&len);
	*ret_runs = info.run_cnt;
	*ret_ns = info.run_time_ns;
	return err;
}

int session__audit(struct session *s)
{
	__u64 ctx[1] = {1};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = ctx, .ctx_size_in = sizeof(ctx));
	int err = 0;

	for (; ctx[0] < s->arrays[ARRAY_VCPUS].entries && !err; ctx[0] += KS_AUDIT_BATCH)
		err = bpf_prog_test_run_opts(bpf_program__fd(s->skel->progs.vcpu__audit), &run);
	return err;
}

bool session__knows_thread(const struct session *s, pid_t tid)
{
	uint32_t key = tid, slot;

	return !bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.threads), &key, &slot);
}

int session__adopt(struct session *s, const struct adoptee *list, size_t n)
{
	struct bpf_map *map = s->skel->maps.adoptees;
	struct bpf_link *link;
	int fd, err = 0;
	char buf[16];

	if (!n || bpf_program__fd(s->skel->progs.vcpu__adopt) < 0)
		return 0;
	for (size_t i = 0; i < n && !err; i++) {
		struct ks_adopt value = {.vcpu_id = list[i].vcpu_id, .halted = list[i].halted};

		err = bpf_map_update_elem(bpf_map__fd(map), &list[i].tid, &value, BPF_ANY);
	}
	link = bpf_program__attach_iter(s->skel->progs.vcpu__adopt, NULL);
	fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	if (fd < 0) {
		err = -errno;
	} else {
		while (read(fd, buf, sizeof(buf)) > 0) /* the walk itself; it prints nothing */
			;
		close(fd);
	}
	bpf_link__destroy(link);
	for (size_t i = 0; i < n; i++)
		bpf_map_delete_elem(bpf_map__fd(map), &list[i].tid);
	return err;
}

int session__losses(const struct session *s, uint64_t losses[KS_LOSSES])
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	uint64_t *values;

	if (cpus < 0)
		return cpus;
	values = xcalloc(cpus, sizeof(*values));
	for (__u32 i = 0; i < KS_LOSSES && !err; i++) {
		err = bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.losses), &i, values);
		losses[i] = s->lost[i];
		for (int cpu = 0; cpu < cpus && !err; cpu++)
			losses[i] += values[cpu];
	}
	free(values);
	return err;
}

void session__lose(struct session *s, enum ks_loss what, uint64_t n)
{
	s->lost[what] += n;
}

/* --- the mapped arrays */

struct array *session__array(struct session *s, enum session_array which)
{
	return &s->arrays[which];
}

int session__give_back(struct session *s, enum session_array which, uint32_t number)
{
	const struct bpf_map *unused[] = {
		[ARRAY_VCPUS] = s->skel->maps.free_vcpus,
		[ARRAY_CELLS] = s->skel->maps.free_cells,
		[ARRAY_SUBJECTS] = s->skel->maps.free_subjects,
		[ARRAY_DISK_HISTS] = s->skel->maps.free_disk_hists,
	};
	static const union {
		struct ks_vcpu vcpu;
		struct ks_cell cell;
		struct ks_subject_slot subject;
		struct ks_disk_hists hists;
	} zero;
	int err;

	err = bpf_map_update_elem(s->arrays[which].fd, &number, &zero, BPF_ANY);
	return err ?: bpf_map_update_elem(bpf_map__fd(unused[which]), NULL, &number, BPF_ANY);
}

/* Deletes an entry that still leads to the slot. Another one may have taken its place. */
static void forget(struct bpf_map *map, const void *key, uint32_t slot)
{
	uint32_t at = 0;

	if (!bpf_map_lookup_elem(bpf_map__fd(map), key, &at) && at == slot)
		bpf_map_delete_elem(bpf_map__fd(map), key);
}

void session__forget_detail(struct session *s, uint32_t slot, uint32_t metric, uint64_t key)
{
	struct ks_detail d = {.slot = slot, .metric = metric, .key = key};

	bpf_map_delete_elem(bpf_map__fd(s->skel->maps.details), &d);
}

void session__forget_thread(struct session *s, uint32_t tid, int32_t vcpu_id, uint32_t slot)
{
	struct {
		uint32_t tid;
		int32_t vcpu_id;
	} who = {tid, vcpu_id}, unknown = {tid, -1};

	forget(s->skel->maps.threads, &tid, slot);
	forget(s->skel->maps.slots, &who, slot);
	forget(s->skel->maps.slots, &unknown, slot);
}

void session__forget_tid(struct session *s, uint32_t tid)
{
	s->skel->bss->tid_maybe[tid % KS_TID_BYTES] = 0;
}

/* Each array is in there once, and not for each object that uses it: see bpf/vm.bpf.h. */
_Static_assert(sizeof(struct kvmscope_bpf__bss) <=
		       KS_MAX_CPUS * sizeof(struct ks_here) + KS_TID_BYTES +
			       KS_NIC_PLACES * sizeof(__u16) +
			       (sizeof(__u64) << KS_NIC_OTHERS_SHIFT) +
			       KS_DISK_FIRST * (sizeof(struct ks_bio) + sizeof(struct ks_request)) +
			       KS_DISKS * sizeof(struct ks_disk) +
			       KS_DISK_MEMO_CPUS * KS_DISK_MEMOS * sizeof(struct ks_disk_memo) +
			       KS_MAX_CPUS * KS_DISK_HINTS * sizeof(__u32) + 4096,
	       "an array of the kernel side is there twice");

uint16_t *session__nic_places(const struct session *s)
{
	return s->skel->bss->nic_places;
}

void session__forget_nics(const struct session *s)
{
	memset(s->skel->bss->nic_others, 0, sizeof(s->skel->bss->nic_others));
}

/* A part of .bss as an array, which begins with the map's element of that number. */
static struct array part_of_bss(const struct session *s, const void *from, size_t elem, uint32_t n,
				uint32_t *ret_first)
{
	size_t at = (const char *)from - (const char *)s->skel->bss;

	*ret_first = at / elem;
	return (struct array){
		.fd = bpf_map__fd(s->skel->maps.bss), .elem = elem, .entries = *ret_first + n};
}

_Static_assert(offsetof(struct kvmscope_bpf__bss, first_bios) % sizeof(struct ks_bio) == 0 &&
		       offsetof(struct kvmscope_bpf__bss, first_requests) %
				       sizeof(struct ks_request) ==
			       0,
	       "an array does not begin with an element");

struct array session__first_bios(const struct session *s, uint32_t *ret_first)
{
	return part_of_bss(s, s->skel->bss->first_bios, sizeof(struct ks_bio), KS_DISK_FIRST,
			   ret_first);
}

struct array session__first_requests(const struct session *s, uint32_t *ret_first)
{
	return part_of_bss(s, s->skel->bss->first_requests, sizeof(struct ks_request),
			   KS_DISK_FIRST, ret_first);
}

struct ks_disk_more *session__disk_more(const struct session *s)
{
	return (struct ks_disk_more *)&s->skel->bss->disk_more;
}

const struct ks_disk *session__disk(const struct session *s, uint32_t number)
{
	return (const struct ks_disk *)&s->skel->bss->disks[number % KS_DISKS];
}

void session__forget_disk_memos(const struct session *s)
{
	int cpus = cpus__numbers();

	for (int cpu = 0; cpu < cpus && cpu < KS_DISK_MEMO_CPUS; cpu++)
		memset(s->skel->bss->disk_memos[cpu], 0, sizeof(s->skel->bss->disk_memos[cpu]));
}

bool *session__disk_by_task(const struct session *s)
{
	return (bool *)&s->skel->bss->disk_by_task;
}

void session__forget_disk(const struct session *s, uint32_t subject)
{
	int cpus = cpus__numbers();

	for (int cpu = 0; cpu < cpus && cpu < KS_MAX_CPUS; cpu++)
		s->skel->bss->disk_hints[cpu][subject % KS_DISK_HINTS] = 0;
	memset(&s->skel->bss->disks[subject % KS_DISKS], 0, sizeof(s->skel->bss->disks[0]));
}
