/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nestedguest: a small VMM on the raw KVM API, whose guest (L1) is itself a hypervisor: an exactly
 * known number of times it runs a guest of its own (L2) by AMD's VMRUN. README.md beside this file
 * has the arithmetic.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nested_abi.h"

#define MAX_VCPUS  8
#define MAX_CPUIDS 256
/* Guest-physical: the page directory, then each vCPU's pages. */
#define VCPU_BASE(id)	 (0x10000U * ((id) + 1))
#define MEMORY_SIZE	 VCPU_BASE(MAX_VCPUS)

#define EXIT_USAGE	 2
#define EXIT_NO_SVM	 77

#define CPUID_SVM	 0x80000001 /* the leaf, and its bit in ECX */
#define CPUID_SVM_ECX	 (1U << 2)
#define CR0_PE		 (1U << 0)
#define CR0_ET		 (1U << 4)
#define CR0_PG		 (1U << 31)
#define CR4_PSE		 (1U << 4)
#define EFER_SVME	 (1U << 12)
#define MSR_VM_HSAVE_PA	 0xc0010117
#define PDE_4M_RW_USED	 0xe3 /* present, writable, accessed, dirty, of 4 MiB */
#define DR6_RESET	 0xffff0ff0
#define DR7_RESET	 0x400
#define RFLAGS_RESET	 2
#define VMCB_ATTRIB_CODE 0xc9b /* present, accessed; 32 bits, flat */
#define VMCB_ATTRIB_DATA 0xc93
#define VMCB_ATTRIB_TSS	 0x8b

_Static_assert(offsetof(struct nested_params, vmrun) == P_VMRUN, "nested_abi.h");
_Static_assert(offsetof(struct nested_params, l2_out) == P_L2_OUT, "nested_abi.h");
_Static_assert(offsetof(struct nested_params, l2_spin) == P_L2_SPIN, "nested_abi.h");
_Static_assert(offsetof(struct nested_params, l1_cpuid) == P_L1_CPUID, "nested_abi.h");
_Static_assert(offsetof(struct nested_params, done_vmrun) == P_DONE_VMRUN, "nested_abi.h");
_Static_assert(offsetof(struct nested_params, done_l2_cpuid) == P_DONE_L2, "nested_abi.h");
_Static_assert(offsetof(struct nested_params, done_l1_cpuid) == P_DONE_L1, "nested_abi.h");

struct vcpu {
	pthread_t thread;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	struct nested_params *params;
	unsigned int l2_outs;
};

static struct vcpu vcpus[MAX_VCPUS];
static unsigned int n_vcpus = 1;
static struct nested_params wanted = {.vmrun = 1, .l1_cpuid = 1};
static bool wait_stdin, hold;
static int kvm_fd, vm_fd;
static unsigned char *memory;
static size_t run_size;

static void __attribute__((noreturn, format(printf, 2, 3))) die(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("nestedguest: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

static int xioctl(int fd, const char *name, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die(EXIT_FAILURE, "%s: %s", name, strerror(errno));
	return ret;
}
#define XIOCTL(fd, request, arg) xioctl(fd, #request, request, (void *)(arg))

/* KVM emulates VMRUN only for a guest that has paging on: one page of 4 MiB, mapped to itself. */
static void vm__open(void)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};

	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0)
		die(EXIT_NO_SVM, "/dev/kvm: %s", strerror(errno));
	vm_fd = XIOCTL(kvm_fd, KVM_CREATE_VM, 0);
	run_size = XIOCTL(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die(EXIT_FAILURE, "guest memory: %s", strerror(errno));
	region.userspace_addr = (uintptr_t)memory;
	XIOCTL(vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
	*(uint32_t *)memory = PDE_4M_RW_USED;
}

static void vcpu__set_cpuid(const struct vcpu *vcpu)
{
	bool svm = false;
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUIDS * sizeof(cpuid->entries[0]));
	if (!cpuid)
		abort();
	cpuid->nent = MAX_CPUIDS;
	XIOCTL(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (unsigned int i = 0; i < cpuid->nent; i++)
		svm |= cpuid->entries[i].function == CPUID_SVM &&
		       cpuid->entries[i].ecx & CPUID_SVM_ECX;
	if (!svm)
		die(EXIT_NO_SVM, "this KVM offers its guests no SVM");
	XIOCTL(vcpu->fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
}

/* SREGS are checked against CPUID, which must have been set. */
static void vcpu__set_registers(const struct vcpu *vcpu)
{
	struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry hsave;
	} msrs = {
		.head.nmsrs = 1,
		.hsave = {.index = MSR_VM_HSAVE_PA, .data = VCPU_BASE(vcpu->id) + NESTED_HSAVE},
	};
	struct kvm_regs regs = {.rflags = RFLAGS_RESET};
	struct kvm_sregs sregs;

	XIOCTL(vcpu->fd, KVM_GET_SREGS, &sregs);
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.cr3 = 0;
	sregs.cr4 = CR4_PSE;
	sregs.efer = EFER_SVME;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.cs = data;
	sregs.cs.selector = 8;
	sregs.cs.type = 11;
	XIOCTL(vcpu->fd, KVM_SET_SREGS, &sregs);
	regs.rip = regs.rsi = VCPU_BASE(vcpu->id);
	XIOCTL(vcpu->fd, KVM_SET_REGS, &regs);
	if (XIOCTL(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		die(EXIT_FAILURE, "VM_HSAVE_PA can't be set");
}

static void vmcb__put32(unsigned char *vmcb, unsigned int at, uint32_t value)
{
	memcpy(vmcb + at, &value, sizeof(value));
}

/* limit: in units of 4 KiB, as attrib says. */
static void vmcb__put_segment(unsigned char *vmcb, unsigned int at, unsigned int attrib)
{
	vmcb__put32(vmcb, at, attrib << 16);
	vmcb__put32(vmcb, at + 4, UINT32_MAX);
}

/*
 * A guest whose CPUID ends it; what else it does is between it and L0. It has L1's paging: with
 * shadow paging svm_set_cr0, when an exit turns paging on, overwrites the CR4 that L1 is to get.
 */
static void vcpu__prepare_l2(const struct vcpu *vcpu)
{
	unsigned int base = VCPU_BASE(vcpu->id);
	unsigned char *vmcb = memory + base + NESTED_VMCB;

	memcpy(memory + base + NESTED_L2, nested_l2, nested_l2_end - nested_l2);
	vmcb__put32(vmcb, VMCB_INTERCEPT_3, INTERCEPT_3_CPUID);
	vmcb__put32(vmcb, VMCB_INTERCEPT_4, INTERCEPT_4_VMRUN); /* VMRUN fails without it */
	vmcb__put32(vmcb, VMCB_ASID, 1);
	vmcb__put_segment(vmcb, VMCB_CS, VMCB_ATTRIB_CODE);
	vmcb__put_segment(vmcb, VMCB_DS, VMCB_ATTRIB_DATA);
	vmcb__put_segment(vmcb, VMCB_ES, VMCB_ATTRIB_DATA);
	vmcb__put_segment(vmcb, VMCB_SS, VMCB_ATTRIB_DATA);
	vmcb__put_segment(vmcb, VMCB_TR, VMCB_ATTRIB_TSS);
	vmcb__put32(vmcb, VMCB_EFER, EFER_SVME); /* likewise */
	vmcb__put32(vmcb, VMCB_CR0, CR0_PE | CR0_ET | CR0_PG);
	vmcb__put32(vmcb, VMCB_CR4, CR4_PSE);
	vmcb__put32(vmcb, VMCB_DR6, DR6_RESET);
	vmcb__put32(vmcb, VMCB_DR7, DR7_RESET);
	vmcb__put32(vmcb, VMCB_RFLAGS, RFLAGS_RESET);
}

static void vcpu__open(struct vcpu *vcpu, unsigned int id)
{
	unsigned char *base = memory + VCPU_BASE(id);

	vcpu->id = id;
	vcpu->fd = XIOCTL(vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die(EXIT_FAILURE, "kvm_run: %s", strerror(errno));
	vcpu__set_cpuid(vcpu);
	vcpu__set_registers(vcpu);
	memcpy(base, nested_l1, nested_l1_end - nested_l1);
	vcpu->params = (struct nested_params *)(base + NESTED_PARAMS);
	*vcpu->params = wanted;
	vcpu__prepare_l2(vcpu);
}

static void *vcpu__thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct kvm_run *run = vcpu->run;
	char name[16];

	snprintf(name, sizeof(name), "CPU %u/KVM", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			if (errno != EINTR)
				die(EXIT_FAILURE, "KVM_RUN: %s", strerror(errno));
			continue;
		}
		if (run->exit_reason != KVM_EXIT_IO)
			die(EXIT_FAILURE, "vCPU %u: unexpected exit %u", vcpu->id,
			    run->exit_reason);
		if (run->io.port == NESTED_PORT_DONE)
			return NULL;
		if (run->io.port == NESTED_PORT_ODD)
			die(EXIT_FAILURE, "vCPU %u: L2 ended with exit code %#x", vcpu->id,
			    *(uint32_t *)((char *)run + run->io.data_offset));
		vcpu->l2_outs++;
	}
}

static const char usage[] =
	"Usage: nestedguest [OPTION]...\n"
	"Run a VM that runs a VM, both with an exact number of exits on each vCPU.\n\n"
	"  --vmrun N         VMRUNs, each of which L2 ends by a CPUID (1)\n"
	"  --l2-out N        OUTs before that CPUID, which L1 does not intercept (0)\n"
	"  --l2-spin N       turns of a loop without an exit before that (0)\n"
	"  --l1-cpuid N      CPUIDs in L1 after all VMRUNs (1)\n"
	"  --vcpus V         vCPUs, each a thread that does all of it (1, at most 8)\n"
	"  --wait-stdin      print \"ready\" and start when a line arrives\n"
	"  --hold            stay until the input ends\n"
	"  -name guest=NAME  as QEMU's; only the command line shows it\n"
	"  -uuid UUID        likewise\n";

static unsigned int parse_number(const char *s, unsigned int min, unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || end == s || *end || *s == '-' || n < min || n > max)
		die(EXIT_USAGE, "a number is malformed or out of range; --help lists the options");
	return n;
}

static void options__parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"vmrun", required_argument, NULL, 'r'},
		{"l2-out", required_argument, NULL, 'o'},
		{"l2-spin", required_argument, NULL, 's'},
		{"l1-cpuid", required_argument, NULL, 'c'},
		{"vcpus", required_argument, NULL, 'v'},
		{"wait-stdin", no_argument, NULL, 'w'},
		{"hold", no_argument, NULL, 'H'},
		{"name", required_argument, NULL, 'i'},
		{"uuid", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			wanted.vmrun = parse_number(optarg, 0, UINT32_MAX);
			break;
		case 'o':
			wanted.l2_out = parse_number(optarg, 0, UINT32_MAX);
			break;
		case 's':
			wanted.l2_spin = parse_number(optarg, 0, INT32_MAX);
			break;
		case 'c':
			wanted.l1_cpuid = parse_number(optarg, 0, UINT32_MAX);
			break;
		case 'v':
			n_vcpus = parse_number(optarg, 1, MAX_VCPUS);
			break;
		case 'w':
			wait_stdin = true;
			break;
		case 'H':
			hold = true;
			break;
		case 'i':
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind != argc)
		die(EXIT_USAGE, "unexpected argument; --help lists the options");
}

/* Returns at the end of a line or of the input. */
static void stdin__await(bool to_eof)
{
	int c;

	do
		c = getchar();
	while (c != EOF && (to_eof || c != '\n'));
}

int main(int argc, char **argv)
{
	unsigned long long vmruns = 0, l2_cpuids = 0, l1_cpuids = 0, l2_outs = 0;

	options__parse(argc, argv);
	vm__open();
	for (unsigned int i = 0; i < n_vcpus; i++)
		vcpu__open(&vcpus[i], i);
	if (wait_stdin) {
		puts("ready");
		fflush(stdout);
		stdin__await(false);
	}
	for (unsigned int i = 0; i < n_vcpus; i++) {
		errno = pthread_create(&vcpus[i].thread, NULL, vcpu__thread, &vcpus[i]);
		if (errno)
			die(EXIT_FAILURE, "thread of vCPU %u: %s", i, strerror(errno));
	}
	for (unsigned int i = 0; i < n_vcpus; i++) {
		pthread_join(vcpus[i].thread, NULL);
		vmruns += vcpus[i].params->done_vmrun;
		l2_cpuids += vcpus[i].params->done_l2_cpuid;
		l1_cpuids += vcpus[i].params->done_l1_cpuid;
		l2_outs += vcpus[i].l2_outs;
	}
	printf("done vmrun=%llu l2_cpuid=%llu l1_cpuid=%llu l2_out=%llu vcpus=%u\n", vmruns,
	       l2_cpuids, l1_cpuids, l2_outs, n_vcpus);
	fflush(stdout);
	if (hold)
		stdin__await(true);
	return EXIT_SUCCESS;
}
