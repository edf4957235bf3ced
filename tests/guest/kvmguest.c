/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kvmguest: a small VMM on the raw KVM API, whose guest leaves guest mode an
 * exactly known number of times. The tests compare kvmscope's counts with its
 * own; `make demo` runs it as the VM to look at. README.md beside this file
 * has the arithmetic.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest_options.h"
#include "machine.h"

#define EXIT_NO_KVM 77

struct vcpu {
	pthread_t thread;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	struct guest_params *params;
	unsigned long long userspace_exits;
};

static struct vcpu vcpus[MAX_VCPUS];
static int kvm_fd, vm_fd;
static unsigned char *memory; /* the guest's: GUEST_MEMORY bytes from GUEST_MEMORY_GPA on */
static size_t run_size;
static pthread_barrier_t barrier;
static sem_t finished; /* posted by each vCPUs' thread that is through */
static sem_t may_end;  /* posted for each of them, which waits for it */
static volatile sig_atomic_t stopping, threads_live;

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("kvmguest: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/*
 * Where a vCPU's page lies. Up to 24 vCPUs are 32 KiB apart: KVM's older MMU
 * maps the neighbours of a page together with it, in groups of 32 KiB, and
 * each vCPU is to take a fault of its own.
 */
static unsigned int vcpu__page(unsigned int id)
{
	return id * (opt.vcpus <= GUEST_MEMORY / 0x8000 - 2 ? 0x8000 : 0x1000);
}

static unsigned int vcpus_per_thread(void)
{
	return opt.one_thread ? opt.vcpus : 1;
}

static unsigned int threads(void)
{
	return opt.vcpus / vcpus_per_thread();
}

static void vm__open(void)
{
	struct kvm_userspace_memory_region region = {.guest_phys_addr = GUEST_MEMORY_GPA,
						     .memory_size = GUEST_MEMORY};

	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		fprintf(stderr, "kvmguest: /dev/kvm: %s\n", strerror(errno));
		exit(EXIT_NO_KVM);
	}
	vm_fd = XIOCTL(kvm_fd, KVM_CREATE_VM, 0);
	run_size = XIOCTL(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	machine__open(kvm_fd, vm_fd);

	memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		die("guest memory: %s", strerror(errno));
	region.userspace_addr = (uintptr_t)memory;
	XIOCTL(vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void vcpu__open(struct vcpu *vcpu, unsigned int id)
{
	unsigned int page = vcpu__page(id);

	vcpu->id = id;
	vcpu->fd = XIOCTL(vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("kvm_run: %s", strerror(errno));
	memcpy(memory + page, guest_code, guest_code_end - guest_code);
	vcpu->params = (struct guest_params *)(memory + page + GUEST_PARAMS);
	memcpy(vcpu->params->count, opt.count, sizeof(opt.count));
	vcpu->params->repeat = opt.repeat;
	machine__add_vcpu(vcpu->fd, id, GUEST_MEMORY_GPA + page, vcpu->params);
}

static long long now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* What the VMM does for each OUT, or whatever it is there: nothing, sleep, or burn CPU time. */
static void vmm__work(void)
{
	struct timespec ts = {.tv_sec = opt.vmm_sleep_us / 1000000,
			      .tv_nsec = opt.vmm_sleep_us % 1000000 * 1000L};
	long long end;

	if (opt.vmm_sleep_us)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	if (opt.vmm_spin_us) {
		end = now_ns(CLOCK_THREAD_CPUTIME_ID) + opt.vmm_spin_us * 1000LL;
		while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
			;
	}
}

/* One KVM_RUN. Returns the exit reason, or KVM_EXIT_INTR when a signal ended it. */
static unsigned int vcpu__enter(struct vcpu *vcpu)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0))
		return vcpu->run->exit_reason;
	if (errno != EINTR)
		die("vCPU %u: KVM_RUN: %s", vcpu->id, strerror(errno));
	return KVM_EXIT_INTR;
}

static void __attribute__((noreturn)) vcpu__unexpected(const struct vcpu *vcpu, unsigned int reason)
{
	die("vCPU %u: unexpected exit %u at %#llx", vcpu->id, reason,
	    (unsigned long long)machine__pc(vcpu->fd));
}

static void vcpu__work(struct vcpu *vcpu)
{
	while (!stopping) {
		unsigned int reason = vcpu__enter(vcpu);

		if (reason == KVM_EXIT_INTR)
			continue;
		vcpu->userspace_exits++;
		switch (machine__handle(vcpu->run)) {
		case MACHINE_GO_ON:
			break;
		case MACHINE_WORK:
			vmm__work();
			break;
		case MACHINE_DONE:
			return;
		case MACHINE_UNEXPECTED:
			vcpu__unexpected(vcpu, reason);
		}
	}
}

static void vcpu__pin(const struct vcpu *vcpu)
{
	int err, cpu = opt.pin[vcpu->id % opt.pins];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	err = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (err)
		die("pin vCPU %u to CPU %d: %s", vcpu->id, cpu, strerror(err));
}

/* The first entry of each runs alone, up to the guest's first MMIO write: it takes the page faults,
 * of which racing vCPUs would take a varying number. */
static void vcpu__begin(struct vcpu *vcpu)
{
	static pthread_mutex_t first_entry = PTHREAD_MUTEX_INITIALIZER;
	unsigned int reason;

	pthread_mutex_lock(&first_entry);
	do
		reason = vcpu__enter(vcpu);
	while (reason == KVM_EXIT_INTR && !stopping);
	pthread_mutex_unlock(&first_entry);
	if (reason != KVM_EXIT_MMIO && !stopping)
		vcpu__unexpected(vcpu, reason);
}

/* A vCPU's thread, or all vCPUs'. All start at once. */
static void *vcpu__thread(void *arg)
{
	struct vcpu *vcpu = arg, *end = vcpu + vcpus_per_thread();
	char name[16];

	snprintf(name, sizeof(name), "CPU %u/KVM", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	if (opt.pins)
		vcpu__pin(vcpu);
	for (struct vcpu *v = vcpu; v < end; v++)
		vcpu__begin(v);
	pthread_barrier_wait(&barrier); /* all are ready */
	pthread_barrier_wait(&barrier); /* and may start */
	for (struct vcpu *v = vcpu; v < end; v++)
		vcpu__work(v);
	sem_post(&finished);
	while (sem_wait(&may_end) < 0)
		; /* kicked */
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig;
}

/*
 * immediate_exit ends a KVM_RUN that is about to start, the signal one that is
 * under way. In the same way a closed stdin ends a read that is about to start.
 */
static void on_stop(int sig)
{
	(void)sig;
	stopping = 1;
	close(STDIN_FILENO);
	if (!threads_live)
		return;
	for (unsigned int i = 0; i < opt.vcpus; i++)
		vcpus[i].run->immediate_exit = 1;
	for (unsigned int i = 0; i < threads(); i++)
		pthread_kill(vcpus[i].thread, SIGUSR1);
}

/* Call with SIGTERM and SIGINT blocked, as vCPU threads shall have them. */
static void vm__start_threads(void)
{
	struct sigaction kick = {.sa_handler = on_kick};

	sigaction(SIGUSR1, &kick, NULL);
	sem_init(&finished, 0, 0);
	sem_init(&may_end, 0, 0);
	pthread_barrier_init(&barrier, NULL, threads() + 1);
	for (unsigned int i = 0; i < threads(); i++) {
		int err = pthread_create(&vcpus[i].thread, NULL, vcpu__thread, &vcpus[i]);

		if (err)
			die("thread of vCPU %u: %s", i, strerror(err));
	}
}

/* Returns at the end of a line, at the end of the input, or on SIGTERM. */
static void stdin__await(bool to_eof)
{
	char c;

	while (!stopping && read(STDIN_FILENO, &c, 1) == 1 && (to_eof || c != '\n'))
		;
}

static void vm__print_totals(long long elapsed_ns)
{
	unsigned long long sum, userspace_exits = 0;

	printf("done");
	for (int op = 0; op < GUEST_OPS; op++) {
		sum = 0;
		for (unsigned int i = 0; i < opt.vcpus; i++)
			sum += vcpus[i].params->done[op];
		printf(" %s=%llu", machine_ops[op], sum);
	}
	for (unsigned int i = 0; i < opt.vcpus; i++)
		userspace_exits += vcpus[i].userspace_exits;
	guest_disk__print();
	printf(" vcpus=%u userspace_exits=%llu elapsed_ns=%lld\n", opt.vcpus, userspace_exits,
	       elapsed_ns);
	fflush(stdout);
}

/* A thread stays, and so may be kicked, until the handler knows better. */
static void vm__await_vcpus(const sigset_t *stop_signals)
{
	for (unsigned int i = 0; i < threads(); i++) {
		while (sem_wait(&finished) < 0)
			; /* the handler ran */
	}
	pthread_sigmask(SIG_BLOCK, stop_signals, NULL);
	threads_live = 0;
	pthread_sigmask(SIG_UNBLOCK, stop_signals, NULL);
}

static void vm__join_threads(void)
{
	for (unsigned int i = 0; i < threads(); i++)
		sem_post(&may_end);
	for (unsigned int i = 0; i < threads(); i++)
		pthread_join(vcpus[i].thread, NULL);
}

static void vm__free(void)
{
	for (unsigned int i = 0; i < opt.vcpus; i++) {
		munmap(vcpus[i].run, run_size);
		close(vcpus[i].fd);
	}
	close(vm_fd);
}

static void vm__run(void)
{
	struct sigaction stop = {.sa_handler = on_stop};
	long long start;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vm__start_threads();
	pthread_barrier_wait(&barrier);
	threads_live = 1;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	if (opt.wait_stdin) {
		puts("ready");
		fflush(stdout);
		stdin__await(false);
	}
	start = now_ns(CLOCK_MONOTONIC);
	pthread_barrier_wait(&barrier);
	vm__await_vcpus(&set);
	if (opt.free_vm)
		vm__free();
	else
		vm__join_threads();
	guest_disk__run();
	vm__print_totals(now_ns(CLOCK_MONOTONIC) - start);
}

int main(int argc, char **argv)
{
	guest_options__parse(argc, argv);
	guest_disk__open(&opt.disk);
	vm__open();
	for (unsigned int i = 0; i < opt.vcpus; i++)
		vcpu__open(&vcpus[i], i);
	machine__start(opt.vcpus);
	for (unsigned int i = 0; i < opt.taps; i++)
		guest_net__open(opt.tap[i]);
	vm__run();
	if (opt.hold && opt.taps)
		guest_net__serve();
	else if (opt.hold)
		stdin__await(true);
	if (opt.free_vm)
		vm__join_threads();
	return EXIT_SUCCESS;
}
