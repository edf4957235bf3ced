/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmguest's command line. Options may begin with one hyphen, as QEMU's do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_options.h"
#include "machine.h"

#define EXIT_USAGE 2

struct options opt = {.repeat = 1, .vcpus = 1, .disk = {.jobs = 1, .size = 4096}};

static const char usage[] =
	"Usage: kvmguest [OPTION]...\n"
	"Run a VM that leaves guest mode an exact number of times on each vCPU.\n\n"
	"  " GUEST_OPS_HELP "   operations in one pass, in this "
	"order\n"
	"  --repeat R         passes (1)\n"
	"  --forever          pass after pass until SIGTERM or SIGINT\n"
	"  --vcpus V          vCPUs, each a thread that does all of it (1, at most 192)\n"
	"  --one-thread       one thread for them all, in turn\n"
	"  --hlt-wake-us N    halt in the kernel: a timer wakes each HLT after N us\n"
	"  --busy-ms N        spin in the guest, without an exit, at the start of each pass\n"
	"  --vmm-sleep-us N   sleep in user space on each OUT\n"
	"  --spin-vmm-us N    burn CPU time in user space on each OUT\n"
	"  --pace-us N        a gentle mixture, then one HLT of N us; what is given above "
	"overrides\n"
	"  --pin CPU[,CPU]... pin the vCPU threads, in turn\n"
	"  --wait-stdin       print \"ready\" and start when a line arrives\n"
	"  --hold             stay until the input ends\n"
	"  --free-vm          with --hold: the VM goes when its vCPUs are through, threads stay\n"
	"  --disk FILE        open it, and when all vCPUs are through do as follows, with "
	"O_DIRECT\n"
	"  --disk-reads N  --disk-writes N  --disk-flushes N   so many, in this order\n"
	"  --disk-commands N  then SCSI's READ(10), by SG_IO, of one block each\n"
	"  --disk-size N      bytes of each (4096)\n"
	"  --disk-jobs N      threads that share them (1)\n"
	"  --disk-random      scattered, not one behind the other\n"
	"  --disk-buffered    through the page cache\n"
	"  --disk-at-once     a thread's writes by one io_submit()\n"
	"  --disk-uring       by the kernel's workers of an io_uring\n"
	"  --path FILE        a descriptor of it by O_PATH, which opens nothing\n"
	"  --tap NAME         an interface; with --hold, lines on stdin say what to send and take\n"
	"  -name guest=NAME   as QEMU's; only the command line shows it\n"
	"  -uuid UUID         likewise\n";

enum {
	OPT_REPEAT = GUEST_OPS,
	OPT_FOREVER,
	OPT_VCPUS,
	OPT_ONE_THREAD,
	OPT_HLT_WAKE,
	OPT_BUSY,
	OPT_SLEEP,
	OPT_SPIN,
	OPT_PACE,
	OPT_PIN,
	OPT_WAIT,
	OPT_HOLD,
	OPT_FREE_VM,
	OPT_DISK,
	OPT_DISK_READS,
	OPT_DISK_WRITES,
	OPT_DISK_FLUSHES,
	OPT_DISK_COMMANDS,
	OPT_DISK_SIZE,
	OPT_DISK_JOBS,
	OPT_DISK_RANDOM,
	OPT_DISK_BUFFERED,
	OPT_DISK_AT_ONCE,
	OPT_DISK_URING,
	OPT_PATH,
	OPT_TAP,
	OPT_IGNORED,
	OPT_HELP
};

/* The operations' come first, and get their names when the options are parsed. */
static struct option long_options[] = {
	[GUEST_OPS] = {"repeat", required_argument, NULL, OPT_REPEAT},
	{"forever", no_argument, NULL, OPT_FOREVER},
	{"vcpus", required_argument, NULL, OPT_VCPUS},
	{"one-thread", no_argument, NULL, OPT_ONE_THREAD},
	{"hlt-wake-us", required_argument, NULL, OPT_HLT_WAKE},
	{"busy-ms", required_argument, NULL, OPT_BUSY},
	{"vmm-sleep-us", required_argument, NULL, OPT_SLEEP},
	{"spin-vmm-us", required_argument, NULL, OPT_SPIN},
	{"pace-us", required_argument, NULL, OPT_PACE},
	{"pin", required_argument, NULL, OPT_PIN},
	{"wait-stdin", no_argument, NULL, OPT_WAIT},
	{"hold", no_argument, NULL, OPT_HOLD},
	{"free-vm", no_argument, NULL, OPT_FREE_VM},
	{"disk", required_argument, NULL, OPT_DISK},
	{"disk-reads", required_argument, NULL, OPT_DISK_READS},
	{"disk-writes", required_argument, NULL, OPT_DISK_WRITES},
	{"disk-flushes", required_argument, NULL, OPT_DISK_FLUSHES},
	{"disk-commands", required_argument, NULL, OPT_DISK_COMMANDS},
	{"disk-size", required_argument, NULL, OPT_DISK_SIZE},
	{"disk-jobs", required_argument, NULL, OPT_DISK_JOBS},
	{"disk-random", no_argument, NULL, OPT_DISK_RANDOM},
	{"disk-buffered", no_argument, NULL, OPT_DISK_BUFFERED},
	{"disk-at-once", no_argument, NULL, OPT_DISK_AT_ONCE},
	{"disk-uring", no_argument, NULL, OPT_DISK_URING},
	{"path", required_argument, NULL, OPT_PATH},
	{"tap", required_argument, NULL, OPT_TAP},
	{"name", required_argument, NULL, OPT_IGNORED},
	{"uuid", required_argument, NULL, OPT_IGNORED},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static void __attribute__((noreturn)) usage_error(const char *what)
{
	fprintf(stderr, "kvmguest: %s; --help lists the options\n", what);
	exit(EXIT_USAGE);
}

static unsigned int parse_number(const char *s, unsigned int min, unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || end == s || *end || *s == '-' || n < min || n > max)
		usage_error("a number is malformed or out of range");
	return n;
}

static void parse_pins(char *list)
{
	for (char *cpu = strtok(list, ","); cpu; cpu = strtok(NULL, ",")) {
		if (opt.pins == MAX_VCPUS)
			usage_error("too many CPUs");
		opt.pin[opt.pins++] = parse_number(cpu, 0, CPU_SETSIZE - 1);
	}
}

/* What --pace-us means for each option that was not given. */
static void apply_pace(unsigned int given)
{
	for (int op = 0; op < GUEST_OPS; op++) {
		if (!(given & 1U << op))
			opt.count[op] = machine_pace[op];
	}
	if (!opt.hlt_wake_us)
		opt.hlt_wake_us = opt.pace_us;
}

void guest_options__parse(int argc, char **argv)
{
	const unsigned int us_max = 4000000;
	const unsigned int halt_max = 30000000; /* the timer's 32 bits: see machine__add_vcpu() */
	unsigned int given = 0;
	int c;

	for (int op = 0; op < GUEST_OPS; op++)
		long_options[op] = (struct option){machine_ops[op], required_argument, NULL, op};
	while ((c = getopt_long_only(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 0 ... GUEST_OPS - 1:
			opt.count[c] = parse_number(optarg, 0, UINT32_MAX);
			given |= 1U << c;
			break;
		case OPT_REPEAT:
			opt.repeat = parse_number(optarg, 1, UINT32_MAX);
			break;
		case OPT_FOREVER:
			opt.repeat = 0;
			break;
		case OPT_VCPUS:
			opt.vcpus = parse_number(optarg, 1, MAX_VCPUS);
			break;
		case OPT_HLT_WAKE:
			opt.hlt_wake_us = parse_number(optarg, 1, halt_max);
			break;
		case OPT_BUSY:
			opt.busy_ms = parse_number(optarg, 0, 3600000);
			break;
		case OPT_SLEEP:
			opt.vmm_sleep_us = parse_number(optarg, 0, us_max);
			break;
		case OPT_SPIN:
			opt.vmm_spin_us = parse_number(optarg, 0, us_max);
			break;
		case OPT_PACE:
			opt.pace_us = parse_number(optarg, 1, us_max);
			break;
		case OPT_PIN:
			parse_pins(optarg);
			break;
		case OPT_WAIT:
			opt.wait_stdin = true;
			break;
		case OPT_HOLD:
			opt.hold = true;
			break;
		case OPT_ONE_THREAD:
			opt.one_thread = true;
			break;
		case OPT_FREE_VM:
			opt.free_vm = true;
			break;
		case OPT_DISK:
			opt.disk.file = optarg;
			break;
		case OPT_DISK_READS:
			opt.disk.reads = parse_number(optarg, 0, UINT32_MAX);
			break;
		case OPT_DISK_WRITES:
			opt.disk.writes = parse_number(optarg, 0, UINT32_MAX);
			break;
		case OPT_DISK_FLUSHES:
			opt.disk.flushes = parse_number(optarg, 0, UINT32_MAX);
			break;
		case OPT_DISK_COMMANDS:
			opt.disk.commands = parse_number(optarg, 0, UINT32_MAX);
			break;
		case OPT_DISK_SIZE:
			opt.disk.size = parse_number(optarg, 512, 1 << 26);
			break;
		case OPT_DISK_JOBS:
			opt.disk.jobs = parse_number(optarg, 1, 256);
			break;
		case OPT_DISK_RANDOM:
			opt.disk.order = DISK_RANDOM;
			break;
		case OPT_DISK_BUFFERED:
			opt.disk.buffered = true;
			break;
		case OPT_DISK_AT_ONCE:
			opt.disk.at_once = true;
			break;
		case OPT_DISK_URING:
			opt.disk.uring = true;
			break;
		case OPT_PATH:
			if (open(optarg, O_PATH) < 0) {
				perror(optarg);
				exit(1);
			}
			break;
		case OPT_TAP:
			if (opt.taps == MAX_TAPS)
				usage_error("too many taps");
			opt.tap[opt.taps++] = optarg;
			break;
		case OPT_IGNORED:
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			usage_error("bad option");
		}
	}
	if (optind < argc)
		usage_error("no arguments are taken");
	if (opt.pace_us)
		apply_pace(given);
}
