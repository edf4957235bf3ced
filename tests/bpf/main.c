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
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cmocka.h>
#include "exit_rows.h"
#include "object.h"
#include "vmx.h"

#define PROGRAMS_MAX 256

static struct btf *vmlinux, *kvm;

/* Has the kernel, or kvm.ko, such a type or function? */
static const struct btf_type *find(const char *name, __u32 kind, const struct btf **ret_btf)
{
	const struct btf *all[] = {vmlinux, kvm};
	int id;

	for (size_t i = 0; i < 2; i++) {
		id = all[i] ? btf__find_by_name_kind(all[i], name, kind) : -ENOENT;
		if (id > 0) {
			*ret_btf = all[i];
			return btf__type_by_id(all[i], id);
		}
	}
	return NULL;
}

static int tracepoint_args(const char *event)
{
	const struct btf_type *t;
	const struct btf *btf;
	char name[128];

	snprintf(name, sizeof(name), "btf_trace_%s", event);
	t = find(name, BTF_KIND_TYPEDEF, &btf);
	if (!t)
		return -1;
	t = btf__type_by_id(btf, btf__type_by_id(btf, t->type)->type);
	return btf_vlen(t) - 1;
}

/* BPF_CMPXCHG: v5.12. On kernels without it, block I/O is traced by raw tracepoints alone. */
static bool has_cmpxchg(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1},
		{.code = BPF_STX | BPF_MEM | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_0,
		 .off = -8},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_1,
		 .off = -8,
		 .imm = BPF_CMPXCHG},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * A tp_btf program of an event that this kernel's BTF does not have can't be loaded, nor one of an
 * event whose arguments are others: on arm64 exits and entries name no vCPU.
 */
static bool has_event(const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);

	if (strncmp(section, "tp_btf/", 7))
		return true;
	if (!strncmp(section + 7, "block_", 6) && !has_cmpxchg())
		return false;
#ifdef __aarch64__
	if (!strcmp(section + 7, "kvm_exit") || !strcmp(section + 7, "kvm_entry"))
		return false;
#endif
	return tracepoint_args(section + 7) >= 0;
}

/* Both settings of each constant: as a session here has them, with times; the other way round. */
static struct object *open_form(bool as_here)
{
	struct object *o = object__open();
	const struct btf *btf;

	assert_non_null(o);
	assert_true(object__set(o, "cfg_cast",
				as_here && find("bpf_rdonly_cast", BTF_KIND_FUNC, &btf)));
	assert_true(
		object__set(o, "cfg_switch_state", as_here && tracepoint_args("sched_switch") > 3));
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
	struct object *o = object__open();
	unsigned int insns, others;
	bool possible;

	assert_non_null(o);
	possible = has_event(bpf_object__find_program_by_name(object__bpf(o), program));
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

static size_t list_programs(struct CMUnitTest *tests, size_t max)
{
	struct object *o = object__open();
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
	struct CMUnitTest tests[PROGRAMS_MAX + EXIT_ROW_TESTS + VMX_TESTS] = {};
	size_t n;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "Usage: %s OBJECT [KVM_INTEL.KO]\n", argv[0]);
		return 2;
	}
	object_path = argv[1];
	vmx_module = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	vmlinux = btf__load_vmlinux_btf();
	kvm = vmlinux ? btf__load_module_btf("kvm", vmlinux) : NULL;
	n = list_programs(tests, PROGRAMS_MAX);
	memcpy(&tests[n], exit_row_tests, sizeof(exit_row_tests));
	n += EXIT_ROW_TESTS;
	memcpy(&tests[n], vmx_tests, sizeof(vmx_tests));
	n += VMX_TESTS;
	return _cmocka_run_group_tests("bpf", tests, n, load_together, unload_together);
}
