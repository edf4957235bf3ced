/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the VMX path looks for an exit's reason, on a machine without VMX: the programs are loaded
 * with the BTF of this kernel's kvm_intel.ko, so that libbpf relocates them as it would there, and
 * are run on a made-up vCPU, which is kernel memory of a BPF map whose bytes are known. Each word
 * of it tells its own offset. What was read is printed, to be held against bpftool's view of the
 * same BTF.
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
#include <linux/bpf.h>
#include <cmocka.h>
#include "object.h"
#include "vmx.h"

#define EXIT	  "exits__kvm_exit_raw"
#define ENTRY	  "exits__kvm_entry_raw"
#define VCPU_SIZE 32768 /* struct vcpu_vmx has 10 KB or so */

const char *vmx_module;

/* Types and strings of split BTF are numbered on from the base's: one behind the other they are
 * the BTF of a kernel that has the module built in. libbpf takes no other from a file. */
static char *merged_btf(const char *module)
{
	static char path[] = "/tmp/bpf_tests.XXXXXX";
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

static struct object *open_vmx(const char *btf)
{
	struct object *o;

	object_btf = btf;
	o = object__open();
	assert_non_null(o);
	assert_non_null(object__want(o, EXIT));
	assert_non_null(object__want(o, ENTRY));
	if (object__load(o))
		fail_msg("%s", object__log());
	object_btf = NULL;
	return o;
}

static void one_exit(struct object *o, const struct memory *m)
{
	const uint64_t exit[] = {m->address, KS_ISA_VMX}, entry[] = {m->address};

	assert_int_equal(object__run(o, EXIT, exit, 2), 0);
	assert_int_equal(object__run(o, ENTRY, entry, 1), 0);
}

/* Fills a vCPU with words that tell their offsets, and returns where the reason was read. */
static __u32 find_reason(const char *btf, struct memory *m)
{
	struct object *o = open_vmx(btf);
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

static void test_vmx_reason(void **state)
{
	static const struct {
		__u32 bytes, code;
	} known[] = {
		{12, 12},				/* HLT */
		{48, 48},				/* EPT violation */
		{77, 77},				/* TDCALL */
		{0x80000021, 0x80000021},		/* entry failed: invalid state */
		{1U << 27 | 10, 10},			/* CPUID, in enclave mode */
		{1U << 16 | 1U << 31 | 34, 0x80000022}, /* bits that tell no rows apart */
	};
	static struct memory m;
	struct object *o;
	const char *btf;
	__u32 at;

	btf = vmx_module ? merged_btf(vmx_module) : NULL;
	if (!btf) {
		printf("# %s: %s\n", __func__,
		       vmx_module ? "kvm_intel.ko has no BTF" : "no kvm_intel.ko was given");
		skip();
	}
	memory__init(&m);
	at = find_reason(btf, &m);
	o = open_vmx(btf);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct ks_cell cell;

		memset(&m.bytes, 0, sizeof(m.bytes));
		m.bytes.word[at / 4] = known[i].bytes;
		memory__write(&m);
		one_exit(o, &m);
		assert_true(
			object__cell(o, KS_M_EXIT, (__u64)KS_ISA_VMX << 40 | known[i].code, &cell));
		assert_int_equal(object__cells(o), i + 1);
	}
	object__close(o);
	close(m.fd);
	unlink(btf);
}

const struct CMUnitTest vmx_tests[VMX_TESTS] = {
	cmocka_unit_test(test_vmx_reason),
};
