/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads, followed: the texts that tell of them, a made-up host's, and this process' own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/prctl.h>

#include "proc_vhost.h"
#include "thread_tree.h"
#include "vm_file.h"
#include "vm_proc.h"

/* --- texts */

static void test_groups(void **state)
{
	static const struct {
		const char *comm;
		enum thread_group group;
	} cases[] = {
		{"IO iothread1\n", THREAD_IOTHREAD},
		{"IO mon_iothread\n", THREAD_IOTHREAD},
		{"IO io1", THREAD_IOTHREAD},
		{"IO", THREAD_OTHER},
		{"worker\n", THREAD_WORKER},
		{"vnc_worker\n", THREAD_OTHER},
		{"worker2\n", THREAD_OTHER},
		{"aio\n", THREAD_WORKER},
		{"iou-wrk-4729\n", THREAD_WORKER},
		{"iou-sqp-4729\n", THREAD_WORKER},
		{"vhost-4729\n", THREAD_VHOST},
		{"vhost-\n", THREAD_OTHER},
		{"vhost-0\n", THREAD_OTHER},
		{"vhost-47x\n", THREAD_OTHER},
		{"CPU 3/KVM\n", THREAD_VCPU},
		{"CPU 3/TCG\n", THREAD_OTHER},
		{"fc_vcpu 0\n", THREAD_VCPU},
		{"vcpu12\n", THREAD_VCPU},
		{"fc_api\n", THREAD_OTHER},
		{"call_rcu\n", THREAD_OTHER},
		{"SPICE Worker\n", THREAD_OTHER},
		{"_disk0_q1\n", THREAD_IOTHREAD},
		{"_net1_ctrl\n", THREAD_IOTHREAD},
		{"data_qp12\n", THREAD_IOTHREAD},
		{"data_q\n", THREAD_OTHER},
		{"v_fs:tag:0\n", THREAD_IOTHREAD},
		{"virtio-blk-io\n", THREAD_IOTHREAD},
		{"threadpool-work\n", THREAD_WORKER},
		{"kvm-nx-lpage-re\n", THREAD_OTHER},
		{"qemu-system-x86\n", THREAD_OTHER},
		{"\n", THREAD_OTHER},
		{"", THREAD_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (proc_text__group(vm_span__of(cases[i].comm)) != cases[i].group)
			fail_msg("%s", cases[i].comm);
	assert_int_equal(proc_text__vhost_owner(vm_span__of("vhost-4729\n")), 4729);
	assert_int_equal(proc_text__vhost_owner(vm_span__of("vhost-99999999999")), 0);
}

static void test_schedstat(void **state)
{
	struct proc_times times;

	assert_true(proc_text__schedstat(vm_span__of("29492833 18869772 120\n"), &times));
	assert_int_equal(times.cpu, 29492833);
	assert_int_equal(times.delay, 18869772);
	assert_int_equal(times.runs, 120);
	assert_false(proc_text__schedstat(vm_span__of("29492833 18869772\n"), &times));
	assert_false(proc_text__schedstat(vm_span__of("1 -2 3\n"), &times));
	assert_false(proc_text__schedstat(vm_span__of(""), &times));
}

static void test_cpus(void **state)
{
	struct proc_cpus cpus;

	assert_true(proc_text__cpus(vm_span__of("cpu  1 2 3 4 5 6 7 8 9 10\n"
						"cpu0 1 1 1 1 1 1 1 1 1 1\n"
						"cpu7 1 1 1 1 1 1 1 1 1 1\n"
						"intr 5 6\ncpu9 1\n"),
				    &cpus));
	assert_int_equal(cpus.online, 2);
	assert_int_equal(cpus.ticks[CPU_USER], 1);
	assert_int_equal(cpus.ticks[CPU_IDLE], 4);
	assert_int_equal(cpus.ticks[CPU_GUEST_NICE], 10);
	assert_false(proc_text__cpus(vm_span__of("cpu  1 2 3 4 5 6 7 8 9 10\nintr 1\n"), &cpus));
	assert_false(proc_text__cpus(vm_span__of("cpu  1 2 3 4\ncpu0 1\n"), &cpus));
	assert_false(proc_text__cpus(vm_span__of("cpu0 1 2 3 4 5 6 7 8 9 10\n"), &cpus));
	assert_false(proc_text__cpus(vm_span__of(""), &cpus));
}

/* --- made-up hosts */

static int setup(void **state)
{
	struct host *host = xcalloc(1, sizeof(*host));

	host__init(host);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	struct host *host = *state;

	host__clear(host);
	free(host);
	return 0;
}

static void test_known_vcpus(void **state)
{
	struct host *host = *state;
	struct vm_vcpu vcpus[] = {{.id = 0, .tid = 501}};
	struct vm vm = {.pid = 500, .start_ticks = LONG_AGO};
	struct proc_fds fds = {.max = 100};
	struct proc_threads *threads;
	int proc_fd;

	host__start_vm(host, 500, LONG_AGO);
	host__add_thread(host, 500, 501, "qemu-system-x86", LONG_AGO, 10, 1);
	proc_fd = open(host->paths[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	threads = proc_threads__open(proc_fd, &vm, &fds);
	assert_non_null(threads);
	proc_threads__sample(threads, &vm, UINT64_MAX, &fds);
	assert_int_equal(threads->list[1].group, THREAD_OTHER);
	assert_int_equal(fds.n, 3);
	/* libvirt says which one it is only now */
	vm.vcpus = vcpus;
	vm.n_vcpus = 1;
	proc_threads__sample(threads, &vm, LONG_AGO, &fds);
	assert_int_equal(threads->n, 2);
	assert_int_equal(threads->list[1].group, THREAD_VCPU);
	assert_int_equal(fds.n, 2);
	proc_threads__close(threads, &fds);
	assert_int_equal(fds.n, 0);
	vm.start_ticks++;
	assert_null(proc_threads__open(proc_fd, &vm, &fds));
	proc_threads__close(NULL, &fds);
	close(proc_fd);
}

static void test_file_limit(void **state)
{
	struct host *host = *state;
	struct proc_fds none = {.max = 0}, one = {.max = 1};
	struct proc_thread t;
	char *path;
	int fd;

	host__start_vm(host, 500, LONG_AGO);
	path = host__path(host, "proc/500/task");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	proc_thread__init(&t, 500, true);
	assert_int_equal(proc_thread__read(&t, fd, &none), 0);
	assert_int_equal(t.fd, -1);
	assert_true(t.measured);
	assert_int_equal(t.delta.cpu, 1000);
	assert_int_equal(proc_thread__read(&t, fd, &one), 0);
	assert_int_equal(one.n, 1);
	assert_true(t.fd >= 0);
	/* less than before: another thread with its number */
	host__set_times(host, 500, 500, 30, 3);
	assert_int_equal(proc_thread__read(&t, fd, &one), 0);
	assert_int_equal(t.delta.cpu, 30);
	assert_int_equal(t.delta.delay, 3);
	proc_thread__close(&t, &one);
	assert_int_equal(one.n, 0);
	host__remove(host, "proc/500/task/500");
	assert_int_equal(proc_thread__read(&t, fd, &one), -ENOENT);
	assert_false(t.measured);
	close(fd);
}

static void check_workers(struct host *host, const char *children)
{
	int proc_fd = open(host->paths[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_fds fds = {.max = 0};
	struct proc_vhost vhost = {.n = 0};
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	char buf[1024];

	host__stat(host, 2, "kthreadd", HOST_KTHREAD, 0);
	if (children)
		host__write_text(host__path(host, "proc/2/task/2/children"), xstrdup(children));
	host__start_vm(host, 500, LONG_AGO);
	host__add_worker(host, 70, "vhost-500", LONG_AGO, 100);
	host__add_worker(host, 71, "kworker/0:1", LONG_AGO, 100);
	host__add_worker(host, 72, "vhost-507", LONG_AGO, 100);
	host__add_worker(host, 73, "vhost-508", LONG_AGO, 100);
	/* a process' name is its user's choice */
	host__process(host, 74, LONG_AGO, "vhost-500");
	/* a worker's is that of a thread, maybe not the first */
	host__write_text(host__path(host, "proc/507/status"), xstrdup("Name:\tq\nTgid:\t500\n"));

	proc_vhost__sample(&vhost, proc_fd, now, buf, sizeof(buf), &fds);
	assert_int_equal(vhost.n, 3);
	assert_int_equal(vhost.list[0].thread.tid, 70);
	assert_int_equal(vhost.list[0].owner, 500);
	assert_int_equal(vhost.list[1].owner, 500);
	assert_int_equal(vhost.list[2].owner, 508);
	assert_false(vhost.list[0].thread.measured);

	host__add_worker(host, 70, "vhost-500", LONG_AGO, 130);
	host__add_worker(host, 75, "vhost-500", LATER, 17);
	host__remove(host, "proc/73");
	if (children)
		host__write_text(host__path(host, "proc/2/task/2/children"), xstrdup("70 72 75 "));
	/* not looked for again yet */
	proc_vhost__sample(&vhost, proc_fd, now + NSEC_PER_SEC / 2, buf, sizeof(buf), &fds);
	assert_int_equal(vhost.n, 2);
	assert_true(vhost.list[0].thread.measured);
	assert_int_equal(vhost.list[0].thread.delta.cpu, 30);
	proc_vhost__sample(&vhost, proc_fd, now + NSEC_PER_SEC, buf, sizeof(buf), &fds);
	assert_int_equal(vhost.n, 3);
	assert_int_equal(vhost.list[2].thread.tid, 75);
	assert_int_equal(vhost.list[2].thread.delta.cpu, 17);
	/* missing in one list, as may happen while others end */
	if (children)
		host__write_text(host__path(host, "proc/2/task/2/children"), xstrdup("75 "));
	proc_vhost__sample(&vhost, proc_fd, now + 2 * NSEC_PER_SEC, buf, sizeof(buf), &fds);
	assert_int_equal(vhost.n, 3);
	proc_vhost__clear(&vhost, &fds);
	close(proc_fd);
}

static void test_workers(void **state)
{
	check_workers(*state, "70 71 72 73 74 ");
}

static void test_workers_without_children(void **state)
{
	check_workers(*state, NULL);
}

/* --- threads of this process */

struct burner {
	pthread_t thread;
	pid_t tid;
	clockid_t clock;
	int go[2], done[2]; /* pipes: burn for so many ns; have burnt */
};

static void *burn(void *arg)
{
	struct burner *b = arg;
	uint64_t ns, end;

	prctl(PR_SET_NAME, "IO io1");
	b->tid = gettid();
	assert_int_equal(write(b->done[1], "r", 1), 1);
	while (read(b->go[0], &ns, sizeof(ns)) == sizeof(ns)) {
		end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
		while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
			continue;
		assert_int_equal(write(b->done[1], "d", 1), 1);
	}
	return NULL;
}

/* Once it has burnt: waits until /proc has caught up with its clock, and returns that. */
static uint64_t await(struct burner *b)
{
	struct proc_times times = {.cpu = 0};
	struct vm_span text;
	char path[64], buf[128], c;
	uint64_t now = 0;

	assert_int_equal(read(b->done[0], &c, 1), 1);
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)b->tid);
	for (int i = 0; i < 1000000 && (!now || times.cpu != now); i++) {
		now = clock_ns(b->clock);
		assert_int_equal(vm_file__read(AT_FDCWD, path, buf, sizeof(buf), &text), 0);
		assert_true(proc_text__schedstat(text, &times));
		sched_yield();
	}
	assert_int_equal(times.cpu, now);
	return now;
}

static const struct proc_thread *find(const struct proc_threads *threads, pid_t tid)
{
	for (size_t i = 0; i < threads->n; i++)
		if (threads->list[i].tid == tid)
			return &threads->list[i];
	return NULL;
}

static void test_real_threads(void **state)
{
	const uint64_t ns = 20000000;
	struct vm vm = {.pid = getpid()};
	struct proc_fds fds = {.max = 10};
	struct proc_threads *threads;
	struct vm_proc_stat stat;
	struct burner b = {.tid = 0};
	uint64_t since, first, second;
	struct vm_span text;
	int proc_fd;
	char buf[1024];

	assert_int_equal(vm_file__read(AT_FDCWD, "/proc/self/stat", buf, sizeof(buf), &text), 0);
	assert_true(vm_proc__stat(text, &stat));
	vm.start_ticks = stat.start_ticks;
	proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	threads = proc_threads__open(proc_fd, &vm, &fds);
	assert_non_null(threads);
	since = clock_ns(CLOCK_BOOTTIME) / (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	proc_threads__sample(threads, &vm, UINT64_MAX, &fds);
	assert_int_equal(find(threads, vm.pid)->group, THREAD_MAIN);

	/* it began within the interval: all of its time counts */
	assert_int_equal(pipe(b.go) | pipe(b.done), 0);
	assert_int_equal(pthread_create(&b.thread, NULL, burn, &b), 0);
	assert_int_equal(pthread_getcpuclockid(b.thread, &b.clock), 0);
	first = await(&b);
	proc_threads__sample(threads, &vm, since, &fds);
	assert_non_null(find(threads, b.tid));
	assert_int_equal(find(threads, b.tid)->group, THREAD_IOTHREAD);
	assert_true(find(threads, b.tid)->measured);
	assert_in_range(find(threads, b.tid)->delta.cpu, first, clock_ns(b.clock));
	first = find(threads, b.tid)->last.cpu;
	assert_true(find(threads, vm.pid)->measured);

	assert_int_equal(write(b.go[1], &ns, sizeof(ns)), sizeof(ns));
	second = await(&b);
	proc_threads__sample(threads, &vm, since, &fds);
	assert_in_range(find(threads, b.tid)->delta.cpu, second - first, clock_ns(b.clock) - first);
	assert_true(second - first >= ns);

	assert_false(proc_thread__has_ended(vm.pid, b.tid));
	assert_true(proc_thread__has_ended(1, b.tid)); /* another process' */
	close(b.go[1]);
	pthread_join(b.thread, NULL);
	for (int i = 0; i < 1000000 && !proc_thread__has_ended(vm.pid, b.tid); i++)
		sched_yield(); /* it may be on its way out for a moment */
	assert_true(proc_thread__has_ended(vm.pid, b.tid));
	for (int i = 0; i < 1000000 && find(threads, b.tid); i++)
		proc_threads__sample(threads, &vm, since, &fds);
	assert_null(find(threads, b.tid));
	proc_threads__close(threads, &fds);
	assert_int_equal(fds.n, 0);
	close(b.go[0]);
	close(b.done[0]);
	close(b.done[1]);
	close(proc_fd);
}

#define HOST_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_schedstat),
		cmocka_unit_test(test_cpus),
		HOST_TEST(test_known_vcpus),
		HOST_TEST(test_file_limit),
		HOST_TEST(test_workers),
		HOST_TEST(test_workers_without_children),
		cmocka_unit_test(test_real_threads),
	};

	return cmocka_run_group_tests_name("proc_threads", tests, NULL, NULL);
}
