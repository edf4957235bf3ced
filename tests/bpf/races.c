/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two that find the same new vCPU at the same moment: its thread, at its first event, and the walk
 * over all tasks by which user space adopts those that have shown none. Tried until they have met.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include "object.h"
#include "races.h"

#define ENTRY "exits__kvm_entry_raw"
#define LEFT  "exits__kvm_userspace_exit_raw"
#define ADOPT "vcpu__adopt"

/* An address that is a kernel's, and of which no kernel can read: probe reads give 0. */
#define VCPU	   0xffff800000001000ULL

#define MEETINGS   31
#define TRIALS_MAX 20000

enum order { TOGETHER, WALK_FIRST, EVENT_FIRST };

static bool one_cpu; /* for us */

struct vcpu_thread {
	struct object *o;
	uint64_t delay_ns; /* from `go` to its event */
	_Atomic pid_t tid;
	atomic_bool go;
	atomic_bool done;
	atomic_bool end; /* it stays until then */
	int err;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* On one CPU who is waited for wants it. */
static void until(const atomic_bool *flag)
{
	while (!*flag)
		if (one_cpu)
			sched_yield();
}

static void *first_event(void *arg)
{
	const uint64_t args[] = {VCPU, 0, 0};
	struct vcpu_thread *t = arg;
	uint64_t begin;

	t->tid = gettid();
	until(&t->go);
	begin = now_ns();
	while (now_ns() - begin < t->delay_ns)
		;
	t->err = object__run(t->o, ENTRY, args, 3);
	t->done = true;
	until(&t->end);
	return NULL;
}

static int map_of(struct object *o, const char *name)
{
	return bpf_object__find_map_fd_by_name(object__bpf(o), name);
}

/* Returns how long it took, ns. */
static uint64_t walk(struct bpf_link *adopt)
{
	uint64_t begin = now_ns();
	int fd = bpf_iter_create(bpf_link__fd(adopt));
	char buf[64];

	assert_true(fd >= 0);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
	return now_ns() - begin;
}

/* As user space takes them back. Returns how many slots the thread had: one must be in use, and be
 * the thread's. */
static unsigned int take_back(struct object *o, uint32_t tid)
{
	static const struct ks_vcpu none;
	unsigned int n = 0, live = 0;
	uint32_t holder = 0, in_use = 0;
	uint64_t who = tid; /* and vCPU 0 */
	uint32_t known = 0;
	struct ks_vcpu v;

	assert_int_equal(bpf_map_lookup_elem(map_of(o, "threads"), &tid, &holder), 0);
	assert_int_equal(bpf_map_lookup_elem(map_of(o, "slots"), &who, &known), 0);
	assert_int_equal(known, holder);
	for (uint32_t slot = 1; slot <= OBJECT_VCPUS; slot++) {
		if (!object__vcpu(o, slot, &v) || v.tid != tid)
			continue;
		n++;
		if (v.key && v.mode != KS_MODE_GONE) {
			live++;
			in_use = slot;
		}
		assert_int_equal(bpf_map_update_elem(map_of(o, "vcpus"), &slot, &none, BPF_ANY), 0);
		assert_int_equal(bpf_map_update_elem(map_of(o, "free_vcpus"), NULL, &slot, BPF_ANY),
				 0);
	}
	if (live != 1 || in_use != holder)
		fail_msg("%u of its %u slots are in use; the thread's is %u, the last in use %u",
			 live, n, holder, in_use);
	bpf_map_delete_elem(map_of(o, "threads"), &tid);
	while (!bpf_map_get_next_key(map_of(o, "slots"), NULL, &who))
		bpf_map_delete_elem(map_of(o, "slots"), &who);
	return n;
}

/* The walk and the event; TOGETHER: the one so long after the other. Returns how many slots were
 * taken. */
static unsigned int trial(struct object *o, struct bpf_link *adopt, enum order order,
			  uint64_t *walk_ns)
{
	struct vcpu_thread t = {.o = o, .delay_ns = *walk_ns ? rand() % *walk_ns : 0};
	static const struct ks_adopt as;
	pthread_t thread;
	uint64_t took;
	uint32_t tid;

	assert_int_equal(pthread_create(&thread, NULL, first_event, &t), 0);
	while (!t.tid)
		sched_yield();
	tid = t.tid;
	assert_int_equal(bpf_map_update_elem(map_of(o, "adoptees"), &tid, &as, BPF_ANY), 0);
	t.go = order != WALK_FIRST;
	if (order == EVENT_FIRST)
		until(&t.done);
	took = walk(adopt);
	*walk_ns = *walk_ns ? (15 * *walk_ns + took) / 16 : took;
	t.go = true;
	t.end = true;
	pthread_join(thread, NULL);
	assert_int_equal(t.err, 0);
	bpf_map_delete_elem(map_of(o, "adoptees"), &tid);
	return take_back(o, tid);
}

static bool is_one_cpu(void)
{
	cpu_set_t cpus;

	return !sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) == 1;
}

static struct object *open_both(struct bpf_link **ret_adopt)
{
	struct object *o = object__open(few_types);
	struct bpf_program *adopt;

	assert_non_null(o);
	assert_non_null(object__want(o, ENTRY));
	adopt = object__want(o, ADOPT);
	assert_non_null(adopt);
	if (object__load(o))
		fail_msg("%s", object__log());
	*ret_adopt = bpf_program__attach_iter(adopt, NULL);
	assert_non_null(*ret_adopt);
	return o;
}

static void test_slot_in_either_order(void **state)
{
	struct bpf_link *adopt;
	struct object *o = open_both(&adopt);
	uint64_t walk_ns = 0;

	one_cpu = is_one_cpu();
	for (int i = 0; i < 7; i++) {
		assert_int_equal(trial(o, adopt, WALK_FIRST, &walk_ns), 1);
		assert_int_equal(trial(o, adopt, EVENT_FIRST, &walk_ns), 1);
	}
	bpf_link__destroy(adopt);
	object__close(o);
}

static void test_one_slot(void **state)
{
	unsigned int met = 0, trials = 0;
	struct bpf_link *adopt;
	uint64_t walk_ns = 0;
	struct object *o;

	one_cpu = is_one_cpu();
	if (one_cpu) {
		printf("# test_one_slot: on one CPU nothing is at the same moment\n");
		skip();
	}
	o = open_both(&adopt);
	while (met < MEETINGS && trials < TRIALS_MAX) {
		met += trial(o, adopt, TOGETHER, &walk_ns) > 1;
		trials++;
	}
	bpf_link__destroy(adopt);
	object__close(o);
	if (met < MEETINGS)
		fail_msg("they have met %u times in %u trials", met, trials);
	printf("# test_one_slot: met %u times in %u trials\n", met, trials);
}

/*
 * A thread's flag in the filter of context switches went with another's that has ended, and its CPU
 * has run others since: it keeps its slot, even by an event that does not name the vCPU.
 */
static void test_flag_of_another(void **state)
{
	const uint64_t entry[] = {VCPU, 0, 0}, left[] = {2, 0};
	struct object *o = object__open(few_types);
	struct ks_vcpu v;
	struct bpf_map *bss;
	void *zeros;
	uint32_t key = 0;

	assert_non_null(o);
	assert_non_null(object__want(o, ENTRY));
	assert_non_null(object__want(o, LEFT));
	if (object__load(o))
		fail_msg("%s", object__log());
	assert_int_equal(object__run(o, ENTRY, entry, 3), 0);
	bss = bpf_object__find_map_by_name(object__bpf(o), ".bss");
	assert_non_null(bss);
	zeros = calloc(1, bpf_map__value_size(bss));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(bss), &key, zeros, BPF_ANY), 0);
	free(zeros);
	assert_int_equal(object__run(o, LEFT, left, 2), 0);
	assert_true(object__vcpu(o, 1, &v));
	assert_int_equal(v.mode, KS_MODE_VMM);
	assert_int_equal(take_back(o, gettid()), 1);
	object__close(o);
}

const struct CMUnitTest race_tests[RACE_TESTS] = {
	cmocka_unit_test(test_slot_in_either_order),
	cmocka_unit_test(test_one_slot),
	cmocka_unit_test(test_flag_of_another),
};
