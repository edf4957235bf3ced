/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads every program, not only those that a session would choose here, with its constants one way
 * and the other, and prints what the verifier had to look at. Then runs some.
 *
 * Usage: bpf_tests OBJECT [KVM_INTEL.KO]
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cmocka.h>
#include "core_btf.h"
#include "exit_rows.h"
#include "features.h"
#include "object.h"
#include "races.h"
#include "vmx.h"

#define PROGRAMS_MAX 256

static struct features *features;
const char *few_types;

/*
 * A tp_btf program of an event that this kernel's BTF does not have can't be loaded, nor one of an
 * event whose arguments are others: on arm64 exits and entries name no vCPU.
 */
static bool has_event(const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);

	if (strncmp(section, "tp_btf/", 7))
		return true;
	/* on kernels without it, block I/O is traced by raw tracepoints alone */
	if (!strncmp(section + 7, "block_", 6) && !features->cmpxchg)
		return false;
#ifdef __aarch64__
	if (!strcmp(section + 7, "kvm_exit") || !strcmp(section + 7, "kvm_entry"))
		return false;
#endif
	return features__tp_args(features, section + 7) >= 0;
}

/*
 * Both settings of each constant: as a session here has them, with times; the other way round. As
 * here, relocations are by the few types that a session gives to libbpf; else by all of the
 * kernel's.
 */
static struct object *open_form(bool as_here)
{
	struct object *o = object__open(as_here ? few_types : NULL);

	assert_non_null(o);
	assert_true(object__set(o, "cfg_cast", as_here && features->rdonly_cast));
	assert_true(object__set(o, "cfg_switch_state",
				as_here && features__tp_args(features, "sched_switch") > 3));
	assert_true(object__set(o, "cfg_filter", as_here));
	assert_true(object__set(o, "cfg_counts", !as_here));
	return o;
}

/* All programs at once; where that fails, each is loaded alone to see which it is. */
static struct object *together[2];

/*
 * What the verifier says of each at level 4: statistics. bpf_prog_info has them since v5.16 only.
 * They are short, but what it says on its way to them needs room, too: without it the load fails
 * (ENOSPC).
 */
#define STATS_SIZE 65536
static char stats[2][PROGRAMS_MAX][STATS_SIZE];

static void keep_stats(struct bpf_program *prog, char *buf)
{
	bpf_program__set_log_level(prog, 4);
	bpf_program__set_log_buf(prog, buf, STATS_SIZE);
}

static unsigned int insns_of(struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	const char *log, *at;
	size_t size;

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return 0;
	log = bpf_program__log_buf(prog, &size);
	at = log ? strstr(log, "processed ") : NULL;
	return info.verified_insns || !at ? info.verified_insns : strtoul(at + 10, NULL, 10);
}

static int load_together(void **state)
{
	struct bpf_program *prog;

	for (int form = 0; form < 2; form++) {
		struct object *o = open_form(form);
		size_t n = 0;

		bpf_object__for_each_program (prog, object__bpf(o)) {
			if (n == PROGRAMS_MAX || !has_event(prog))
				continue;
			object__want(o, bpf_program__name(prog));
			keep_stats(prog, stats[form][n++]);
		}
		if (!object__load(o)) {
			together[form] = o;
			continue;
		}
		printf("# not all at once: %s", object__log());
		object__close(o);
	}
	return 0;
}

static int unload_together(void **state)
{
	for (int form = 0; form < 2; form++)
		object__close(together[form]);
	return 0;
}

/* Returns the instructions that the verifier went through; 0: this kernel does not tell. */
static unsigned int load(const char *program, bool as_here)
{
	struct object *o = together[as_here];
	struct bpf_program *prog;
	unsigned int insns;

	if (!o) {
		o = open_form(as_here);
		assert_non_null(object__want(o, program));
		if (object__load(o))
			fail_msg("%s", object__log());
	}
	prog = bpf_object__find_program_by_name(object__bpf(o), program);
	assert_true(bpf_program__fd(prog) >= 0);
	insns = insns_of(prog);
	if (o != together[as_here])
		object__close(o);
	return insns;
}

static void test_load(void **state)
{
	const char *program = *state;
	struct object *o = together[0] ? NULL : object__open(NULL);
	unsigned int insns, others;
	bool possible;

	possible =
		has_event(bpf_object__find_program_by_name(object__bpf(o ?: together[0]), program));
	object__close(o);
	if (!possible) {
		printf("# %s: no BTF for its event as it takes it\n", program);
		skip();
	}
	insns = load(program, true);
	others = load(program, false);
	if (insns || others)
		printf("# %s: the verifier went through %u instructions\n", program,
		       insns > others ? insns : others);
}

/* Two instructions are the same, but for the maps that they name: those are each object's own. */
static bool same_insns(const struct bpf_insn *a, const struct bpf_insn *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool map =
			a[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
			(a[i].src_reg == BPF_PSEUDO_MAP_FD || a[i].src_reg == BPF_PSEUDO_MAP_VALUE);

		if (a[i].code != b[i].code || a[i].dst_reg != b[i].dst_reg ||
		    a[i].src_reg != b[i].src_reg || a[i].off != b[i].off ||
		    (!map && a[i].imm != b[i].imm))
			return false;
	}
	return true;
}

/* What libbpf makes of the programs by the few types is what it makes of them by all. */
static void test_few_types(void **state)
{
	struct bpf_program *prog, *other;
	size_t n = 0;

	if (!features->vmlinux_btf) {
		printf("# few_types: this kernel has no BTF\n");
		skip();
	}
	if (!few_types)
		fail_msg("they can't be written");
	if (!together[0] || !together[1])
		fail_msg("not all programs are loaded");
	bpf_object__for_each_program (prog, object__bpf(together[0])) {
		if (bpf_program__fd(prog) < 0)
			continue;
		other = bpf_object__find_program_by_name(object__bpf(together[1]),
							 bpf_program__name(prog));
		if (bpf_program__insn_cnt(prog) != bpf_program__insn_cnt(other) ||
		    !same_insns(bpf_program__insns(prog), bpf_program__insns(other),
				bpf_program__insn_cnt(prog)))
			fail_msg("%s is another by the few types", bpf_program__name(prog));
		n++;
	}
	assert_true(n > 50);
}

/* A file with them, or NULL. */
static const char *write_few_types(void)
{
	static char path[32];
	struct object *o = object__open(NULL);
	int fd = memfd_create("few-types", MFD_CLOEXEC), err;

	err = fd < 0 || !o ? -errno
			   : core_btf__write(features, bpf_object__btf(object__bpf(o)), true,
					     "timespec64", fd);
	object__close(o);
	if (err)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* open to the end */
	return path;
}

static size_t list_programs(struct CMUnitTest *tests, size_t max)
{
	struct object *o = object__open(NULL);
	struct bpf_program *prog;
	size_t n = 0;

	if (!o) {
		fprintf(stderr, "%s: %s\n%s", object_path, strerror(errno), object__log());
		exit(EXIT_FAILURE);
	}
	bpf_object__for_each_program (prog, object__bpf(o)) {
		if (n == max)
			break;
		tests[n].name = strdup(bpf_program__name(prog));
		tests[n].test_func = test_load;
		tests[n].initial_state = (void *)tests[n].name;
		n++;
	}
	object__close(o);
	return n;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[PROGRAMS_MAX + 1 + EXIT_ROW_TESTS + RACE_TESTS + VMX_TESTS] = {};
	size_t n;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "Usage: %s OBJECT [KVM_INTEL.KO]\n", argv[0]);
		return 2;
	}
	object_path = argv[1];
	vmx_module = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	features = features__new();
	few_types = features->vmlinux_btf ? write_few_types() : NULL;
	n = list_programs(tests, PROGRAMS_MAX);
	tests[n++] = (struct CMUnitTest){"few_types", test_few_types, NULL, NULL, NULL};
	memcpy(&tests[n], exit_row_tests, sizeof(exit_row_tests));
	n += EXIT_ROW_TESTS;
	memcpy(&tests[n], race_tests, sizeof(race_tests));
	n += RACE_TESTS;
	memcpy(&tests[n], vmx_tests, sizeof(vmx_tests));
	n += VMX_TESTS;
	return _cmocka_run_group_tests("bpf", tests, n, load_together, unload_together);
}
