/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the VMX path looks for an exit's reason, on a machine without VMX: the programs are loaded
 * with the BTF of this kernel's kvm_intel.ko, so that libbpf relocates them as it would there, and
 * are run on a made-up vCPU, which is kernel memory of a BPF map whose bytes are known. Each word
 * of it tells its own offset. What was read is printed, to be held against bpftool's view of the
 * same BTF. By bpf_rdonly_cast, where this kernel has it, and by probe reads; by all types, and by
 * the few that a session would take of them. The form with BTF's types can't be run here, but the
 * verifier looks at it by the same types.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <cmocka.h>
#include "core_btf.h"
#include "features.h"
#include "object.h"
#include "vmx.h"

#define EXIT	  "exits__kvm_exit_raw"
#define EXIT_BTF  "exits__kvm_exit_btf"
#define ENTRY	  "exits__kvm_entry_raw"
#define HLT	  12 /* arch/x86/include/uapi/asm/vmx.h */
#define VMLAUNCH  20
#define VMRESUME  24
#define BTF_DIR	  "/sys/kernel/btf"
#define VCPU_SIZE 32768 /* struct vcpu_vmx has 10 KB or so */

const char *vmx_module;

/* Types and strings of split BTF are numbered on from the base's: one behind the other they are
 * the BTF of a kernel that has the module built in. libbpf takes no other from a file. */
static char *merged_btf(const char *module)
{
	static char path[] = "/tmp/bpf_tests.XXXXXX";
	char *end = path + sizeof(path) - sizeof("XXXXXX");
	struct btf *base = btf__load_vmlinux_btf();
	struct btf *split = base ? btf__parse_split(module, base) : NULL;
	const struct btf_header *b, *s;
	struct btf_header header;
	__u32 size;
	FILE *file;

	if (!split) {
		btf__free(base);
		return NULL;
	}
	b = btf__raw_data(base, &size);
	s = btf__raw_data(split, &size);
	memcpy(end, "XXXXXX", sizeof("XXXXXX"));
	file = fdopen(mkstemp(path), "w");
	assert_non_null(file);
	header = *b;
	header.hdr_len = sizeof(header);
	header.type_off = 0;
	header.type_len = b->type_len + s->type_len;
	header.str_off = header.type_len;
	header.str_len = b->str_len + s->str_len;
	fwrite(&header, sizeof(header), 1, file);
	fwrite((char *)b + b->hdr_len + b->type_off, b->type_len, 1, file);
	fwrite((char *)s + s->hdr_len + s->type_off, s->type_len, 1, file);
	fwrite((char *)b + b->hdr_len + b->str_off, b->str_len, 1, file);
	fwrite((char *)s + s->hdr_len + s->str_off, s->str_len, 1, file);
	assert_int_equal(fclose(file), 0);
	btf__free(split);
	btf__free(base);
	return path;
}

static void write_raw(const char *path, const struct btf *btf)
{
	__u32 size;
	const void *data = btf__raw_data(btf, &size);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/*
 * A file with the few types that a session would give to libbpf where that module is loaded. It can
 * not be, here: so for as long as that takes its BTF is where the kernel would show it.
 */
static char *few_types_of(const char *module)
{
	static char path[] = "/tmp/bpf_tests.few.XXXXXX";
	struct btf *base = btf__load_vmlinux_btf(), *split = btf__parse_split(module, base);
	struct object *o = object__open(NULL);
	struct features *f;
	int fd, err;

	assert_non_null(split);
	assert_non_null(o);
	memcpy(path + sizeof(path) - sizeof("XXXXXX"), "XXXXXX", sizeof("XXXXXX"));
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(mount("tmpfs", BTF_DIR, "tmpfs", 0, NULL), 0);
	write_raw(BTF_DIR "/vmlinux", base);
	write_raw(BTF_DIR "/kvm_intel", split);
	f = features__new();
	err = core_btf__write(f, bpf_object__btf(object__bpf(o)), true, "timespec64", fd);
	features__free(f);
	assert_int_equal(umount(BTF_DIR), 0);
	close(fd);
	assert_int_equal(err, 0);
	object__close(o);
	btf__free(split);
	btf__free(base);
	return path;
}

struct memory {
	int fd;
	__u64 address;
	union {
		__u32 word[VCPU_SIZE / 4];
		__u64 own_address;
	} bytes;
};

/* A map of one value, and its address in the kernel: a program stores it in the value itself. */
static void memory__init(struct memory *m)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	struct bpf_insn insns[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_VALUE},
		{},
		{.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = 1, .src_reg = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	__u32 zero = 0;
	int prog;

	m->fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "vcpu", 4, sizeof(m->bytes), 1, NULL);
	assert_true(m->fd >= 0);
	insns[0].imm = m->fd;
	prog = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "address", "GPL", insns,
			     sizeof(insns) / sizeof(*insns), NULL);
	assert_true(prog >= 0);
	assert_int_equal(bpf_prog_test_run_opts(prog, &run), 0);
	close(prog);
	assert_int_equal(bpf_map_lookup_elem(m->fd, &zero, &m->bytes), 0);
	m->address = m->bytes.own_address;
	assert_true(m->address >> 63);
}

static void memory__write(struct memory *m)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(m->fd, &zero, &m->bytes, BPF_ANY), 0);
}

static struct object *open_vmx(const char *btf, bool cast)
{
	struct object *o = object__open(btf);

	assert_non_null(o);
	assert_true(object__set(o, "cfg_cast", cast));
	assert_non_null(object__want(o, EXIT));
	assert_non_null(object__want(o, EXIT_BTF));
	assert_non_null(object__want(o, ENTRY));
	if (object__load(o))
		fail_msg("%s", object__log());
	return o;
}

static void one_exit(struct object *o, const struct memory *m)
{
	const uint64_t exit[] = {m->address, KS_ISA_VMX}, entry[] = {m->address};

	assert_int_equal(object__run(o, EXIT, exit, 2), 0);
	assert_int_equal(object__run(o, ENTRY, entry, 1), 0);
}

/* Fills a vCPU with words that tell their offsets, and returns where the reason was read. */
static __u32 find_reason(const char *btf, bool cast, struct memory *m)
{
	struct object *o = open_vmx(btf, cast);
	struct ks_vcpu v;
	struct ks_cell cell;
	__u32 reason;

	for (__u32 i = 0; i < VCPU_SIZE / 4; i++)
		m->bytes.word[i] = i;
	memory__write(m);
	one_exit(o, m);
	assert_int_equal(object__loss(o, KS_L_SHAPE), 0); /* relocations found no such field */
	assert_true(object__first_cell(o, &cell));
	assert_int_equal(cell.metric, KS_M_EXIT);
	assert_int_equal(KS_KEY_ISA(cell.key), KS_ISA_VMX);
	reason = KS_KEY_CODE(cell.key) * 4;
	assert_true(object__vcpu(o, 1, &v));
	/* a word that was read tells where it is; of 64 bits, the low half does */
	printf("# offset of vcpu_vmx exit_reason: %u\n", reason);
	printf("# offset of kvm_vcpu vcpu_id: %u\n", v.vcpu_id * 4);
	printf("# offset of kvm_vcpu stat.exits: %u\n", (__u32)v.base_kernel * 4);
	object__close(o);
	return reason;
}

/* An exit whose reason is read at byte at, while words from to to (not that) of the vCPU are 1. */
static void exit_with(struct object *o, struct memory *m, __u32 at, __u32 reason, __u32 from,
		      __u32 to)
{
	memset(&m->bytes, 0, sizeof(m->bytes));
	for (__u32 i = from; i < to; i++)
		m->bytes.word[i] = 1;
	m->bytes.word[at / 4] = reason;
	memory__write(m);
	one_exit(o, m);
}

/* Was the last exit, a HLT, put down to a nested guest? */
static bool was_nested(struct object *o)
{
	struct ks_vcpu v;

	assert_true(object__vcpu(o, 1, &v));
	assert_true(v.cell && (v.cell == v.exit_cell[HLT] || v.cell == v.nested_cell[HLT]));
	return v.cell == v.nested_cell[HLT];
}

/* Whose an exit is, is looked at from the exit on by which L1 enters its L2. */
static void check_entry_of_l2(const char *btf, bool cast, struct memory *m, __u32 at, __u32 entry)
{
	struct object *o = open_vmx(btf, cast);

	exit_with(o, m, at, HLT, 0, 0);
	exit_with(o, m, at, HLT, 0, VCPU_SIZE / 4);
	assert_false(was_nested(o));
	exit_with(o, m, at, entry, 0, 0);
	exit_with(o, m, at, HLT, 0, VCPU_SIZE / 4);
	assert_true(was_nested(o));
	object__close(o);
}

/* Where it is looked up whether a vCPU is in its guest's guest (L2): found by halves. */
static void find_nested(const char *btf, bool cast, struct memory *m, __u32 at)
{
	struct object *o = open_vmx(btf, cast);
	__u32 from = 0, to = VCPU_SIZE / 4;

	exit_with(o, m, at, HLT, 0, 0);
	assert_false(was_nested(o));
	exit_with(o, m, at, HLT, from, to); /* not looked at: L1 has never asked for an L2 */
	assert_false(was_nested(o));
	exit_with(o, m, at, VMRESUME, 0, 0);
	exit_with(o, m, at, HLT, from, to);
	assert_true(was_nested(o));
	while (to - from > 1) {
		exit_with(o, m, at, HLT, from, (from + to) / 2);
		if (was_nested(o))
			to = (from + to) / 2;
		else
			from = (from + to) / 2;
	}
	printf("# offset of kvm_vcpu stat.guest_mode: %u\n", from * 4 / 8 * 8);
	object__close(o);
}

static void check_codes(const char *btf, bool cast, struct memory *m, __u32 at)
{
	static const struct {
		__u32 bytes, code;
	} known[] = {
		{HLT, HLT},
		{48, 48},				/* EPT violation */
		{77, 77},				/* TDCALL */
		{0x80000021, 0x80000021},		/* entry failed: invalid state */
		{1U << 27 | 10, 10},			/* CPUID, in enclave mode */
		{1U << 16 | 1U << 31 | 34, 0x80000022}, /* bits that tell no rows apart */
	};
	struct object *o = open_vmx(btf, cast);

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct ks_cell cell;

		exit_with(o, m, at, known[i].bytes, 0, 0);
		assert_true(
			object__cell(o, KS_M_EXIT, (__u64)KS_ISA_VMX << 40 | known[i].code, &cell));
		assert_int_equal(object__cells(o), i + 1);
	}
	object__close(o);
}

static bool has_cast(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return has;
}

static void look_at_vmx(bool cast)
{
	static struct memory m;
	const char *btf = vmx_module ? merged_btf(vmx_module) : NULL, *few;
	__u32 at;

	if (!btf) {
		printf("# %s: %s\n", cast ? "test_vmx_by_cast" : "test_vmx_by_probe",
		       vmx_module ? "kvm_intel.ko has no BTF" : "no kvm_intel.ko was given");
		skip();
	}
	memory__init(&m);
	at = find_reason(btf, cast, &m);
	check_entry_of_l2(btf, cast, &m, at, VMLAUNCH);
	check_entry_of_l2(btf, cast, &m, at, VMRESUME);
	find_nested(btf, cast, &m, at);
	check_codes(btf, cast, &m, at);
	few = few_types_of(vmx_module);
	assert_int_equal(find_reason(few, cast, &m), at);
	find_nested(few, cast, &m, at);
	close(m.fd);
	unlink(few);
	unlink(btf);
}

static void test_vmx_by_probe(void **state)
{
	look_at_vmx(false);
}

static void test_vmx_by_cast(void **state)
{
	if (!has_cast()) {
		printf("# %s: this kernel has no bpf_rdonly_cast\n", __func__);
		skip();
	}
	look_at_vmx(true);
}

const struct CMUnitTest vmx_tests[VMX_TESTS] = {
	cmocka_unit_test(test_vmx_by_probe),
	cmocka_unit_test(test_vmx_by_cast),
};
