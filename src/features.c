/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this kernel and this process have. Reads BTF, /sys and tracefs; prints nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <linux/magic.h>
#include "features.h"
#include "util.h"

/* Modules that hold types of KVM, where it is not built in. */
static const char *const kvm_modules[] = {"kvm", "kvm_intel", "kvm_amd"};
#define N_MODULES (sizeof(kvm_modules) / sizeof(kvm_modules[0]))

/* What is looked for: a kernel has 150,000 types, and they are gone through once. */
static const __u32 kinds[] = {BTF_KIND_TYPEDEF, BTF_KIND_STRUCT, BTF_KIND_ENUM, BTF_KIND_FUNC};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct btf_ids {
	__u32 *id;
	size_t n;
};

struct features_btf {
	struct btf *vmlinux;
	struct btf *module[N_MODULES];
	struct btf_ids ids[1 + N_MODULES][N_KINDS];
};

/* A module's ids go on where vmlinux's end; first: where those of btf itself begin. */
static void sort_by_kind(const struct btf *btf, __u32 first, struct btf_ids ids[N_KINDS])
{
	size_t room[N_KINDS] = {0};

	for (__u32 id = first; id < btf__type_cnt(btf); id++) {
		__u32 kind = btf_kind(btf__type_by_id(btf, id));

		for (size_t k = 0; k < N_KINDS; k++) {
			if (kinds[k] != kind)
				continue;
			if (ids[k].n == room[k]) {
				room[k] = room[k] ? 2 * room[k] : 1024;
				ids[k].id = xreallocarray(ids[k].id, room[k], sizeof(*ids[k].id));
			}
			ids[k].id[ids[k].n++] = id;
		}
	}
}

static int find_type(const struct features *f, const char *name, __u32 kind,
		     const struct btf **ret_btf)
{
	const struct btf *btf;
	size_t k = 0;

	if (!f->btf || !f->btf->vmlinux)
		return -ENODATA;
	while (kinds[k] != kind)
		k++;
	for (size_t i = 0; i <= N_MODULES; i++) {
		const struct btf_ids *ids = &f->btf->ids[i][k];

		btf = i ? f->btf->module[i - 1] : f->btf->vmlinux;
		for (size_t j = 0; j < ids->n; j++) {
			const struct btf_type *t = btf__type_by_id(btf, ids->id[j]);

			if (!strcmp(btf__name_by_offset(btf, t->name_off), name)) {
				*ret_btf = btf;
				return ids->id[j];
			}
		}
	}
	return -ENODATA;
}

bool features__structs(const struct features *f, size_t i, const struct btf **ret_btf,
		       const __u32 **ret_ids, size_t *ret_n)
{
	size_t k = 0;

	if (!f->btf || !f->btf->vmlinux || i > N_MODULES)
		return false;
	while (kinds[k] != BTF_KIND_STRUCT)
		k++;
	*ret_btf = i ? f->btf->module[i - 1] : f->btf->vmlinux;
	*ret_ids = f->btf->ids[i][k].id;
	*ret_n = f->btf->ids[i][k].n;
	return true;
}

/* The function prototype behind typedef btf_trace_<event>: void (*)(void *, args...). */
static const struct btf_type *tp_proto(const struct features *f, const char *event,
				       const struct btf **ret_btf)
{
	const struct btf_type *t;
	char name[128];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", event);
	id = find_type(f, name, BTF_KIND_TYPEDEF, ret_btf);
	if (id < 0)
		return NULL;
	t = btf__type_by_id(*ret_btf, id);
	t = btf__type_by_id(*ret_btf, t->type);
	if (!t || !btf_is_ptr(t))
		return NULL;
	t = btf__type_by_id(*ret_btf, t->type);
	return t && btf_is_func_proto(t) ? t : NULL;
}

int features__tp_args(const struct features *f, const char *event)
{
	const struct btf *btf;
	const struct btf_type *proto = tp_proto(f, event, &btf);

	return proto ? btf_vlen(proto) - 1 : -ENODATA;
}

int features__tp_arg_struct(const struct features *f, const char *event, const char *type)
{
	const struct btf *btf;
	const struct btf_type *proto = tp_proto(f, event, &btf), *t;

	if (!proto)
		return -ENODATA;
	for (int i = 1; i < btf_vlen(proto); i++) {
		t = btf__type_by_id(btf, btf_params(proto)[i].type);
		if (!t || !btf_is_ptr(t))
			continue;
		t = btf__type_by_id(btf, t->type);
		while (t && (btf_is_mod(t) || btf_is_typedef(t)))
			t = btf__type_by_id(btf, t->type);
		if (t && (btf_is_struct(t) || btf_is_fwd(t)) &&
		    !strcmp(btf__name_by_offset(btf, t->name_off), type))
			return i - 1;
	}
	return -ENOENT;
}

bool features__tp_arg_is(const struct features *f, const char *event, int arg, const char *type)
{
	const struct btf *btf;
	const struct btf_type *proto = tp_proto(f, event, &btf), *t;

	if (!proto || arg + 1 >= btf_vlen(proto))
		return false;
	t = btf__type_by_id(btf, btf_params(proto)[arg + 1].type);
	return t && btf_is_typedef(t) && !strcmp(btf__name_by_offset(btf, t->name_off), type);
}

int64_t features__enumerator(const struct features *f, const char *name)
{
	const struct btf *btf = f->btf ? f->btf->vmlinux : NULL;

	for (__u32 id = 1; btf && id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		for (int i = 0; btf_is_enum(t) && i < btf_vlen(t); i++)
			if (!strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name))
				return btf_enum(t)[i].val;
	}
	return -ENODATA;
}

bool features__has_struct(const struct features *f, const char *type)
{
	const struct btf *btf;

	return find_type(f, type, BTF_KIND_STRUCT, &btf) > 0;
}

/* Those of structs and unions without a name, too: kernels move members into such. */
static bool has_member(const struct btf *btf, __u32 id, const char *member)
{
	const struct btf_type *t = btf__type_by_id(btf, id);
	const struct btf_member *m = btf_members(t);
	const char *name;

	for (int i = 0; btf_is_composite(t) && i < btf_vlen(t); i++) {
		name = btf__name_by_offset(btf, m[i].name_off);
		if (*name ? !strcmp(name, member) : has_member(btf, m[i].type, member))
			return true;
	}
	return false;
}

bool features__has_member(const struct features *f, const char *type, const char *member)
{
	const struct btf *btf;
	int id = find_type(f, type, BTF_KIND_STRUCT, &btf);

	return id > 0 && has_member(btf, id, member);
}

void features__each_enum(const struct features *f, const char *name,
			 void (*fn)(const char *name, uint32_t value, void *arg), void *arg)
{
	const struct btf_type *t;
	const struct btf *btf;
	int id = find_type(f, name, BTF_KIND_ENUM, &btf);

	if (id <= 0)
		return;
	t = btf__type_by_id(btf, id);
	for (int i = 0; i < btf_vlen(t); i++)
		fn(btf__name_by_offset(btf, btf_enum(t)[i].name_off), btf_enum(t)[i].val, arg);
}

int features__tp_field(const struct features *f, const char *system, const char *event,
		       const char *field)
{
	char *path, *line = NULL, *name, *at;
	size_t cap = 0, len = strlen(field);
	int offset = -ENOENT;
	FILE *file;

	if (!*f->tracefs)
		return -ENODATA;
	path = xasprintf("%s/events/%s/%s/format", f->tracefs, system, event);
	file = fopen(path, "re");
	free(path);
	if (!file)
		return -errno;
	/* "	field:unsigned int exit_reason;	offset:8;	size:4;	signed:0;" */
	while (offset < 0 && getline(&line, &cap, file) > 0) {
		name = strchr(line, ';');
		at = strstr(line, "offset:");
		if (!strstr(line, "field:") || !name || !at || name - line < (long)len + 1)
			continue;
		if (!strncmp(name - len, field, len) && strchr(" *", name[-(long)len - 1]))
			offset = atoi(at + strlen("offset:"));
	}
	free(line);
	fclose(file);
	return offset;
}

void features__load_btf(struct features *f)
{
	if (f->btf)
		return;
	f->btf = xcalloc(1, sizeof(*f->btf));
	f->btf->vmlinux = btf__load_vmlinux_btf();
	if (f->btf->vmlinux)
		sort_by_kind(f->btf->vmlinux, 1, f->btf->ids[0]);
	for (size_t i = 0; f->btf->vmlinux && i < N_MODULES; i++) {
		char *path = xasprintf("/sys/kernel/btf/%s", kvm_modules[i]);

		if (!access(path, R_OK))
			f->btf->module[i] = btf__load_module_btf(kvm_modules[i], f->btf->vmlinux);
		free(path);
		if (f->btf->module[i])
			sort_by_kind(f->btf->module[i], btf__type_cnt(f->btf->vmlinux),
				     f->btf->ids[1 + i]);
	}
}

/* libbpf says the same of a file that is not there and of one that it could not open. */
static int why_no_btf(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC), err = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err == -ENOENT ? 0 : err;
}

static void look_at_btf(struct features *f)
{
	const struct btf *btf;

	/* a kernel without BTF is a finding of ours, not a message of libbpf's */
	libbpf_print_fn_t print = libbpf_set_print(NULL);

	features__load_btf(f);
	libbpf_set_print(print);
	f->vmlinux_btf = f->btf->vmlinux;
	if (!f->vmlinux_btf)
		f->btf_err = why_no_btf();
	f->kvm_btf = features__tp_args(f, "kvm_entry") >= 0;
	f->kvm_types =
		f->cap_admin || (find_type(f, "btf_trace_kvm_entry", BTF_KIND_TYPEDEF, &btf) > 0 &&
				 btf == f->btf->vmlinux);
	f->rdonly_cast = find_type(f, "bpf_rdonly_cast", BTF_KIND_FUNC, &btf) > 0;
	f->srcu_fast = find_type(f, "init_srcu_struct_fast", BTF_KIND_FUNC, &btf) > 0;
}

/* Back ends show under /sys/module, as modules and, for their parameters, when built in. */
static void look_at_kvm(struct features *f)
{
	static const struct {
		const char *module;
		enum kvm_backend backend;
	} known[] = {
		{"kvm_intel", BACKEND_VMX},
		{"kvm_amd", BACKEND_SVM},
		{"kvm_pvm", BACKEND_OTHER},
	};
	char path[64];

	/* a service with devices of its own (PrivateDevices=) has no /dev/kvm, but sees that there
	 * is one */
	f->kvm = !access("/dev/kvm", F_OK) || !access("/sys/class/misc/kvm", F_OK);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", known[i].module);
		if (access(path, F_OK))
			continue;
		f->backends |= known[i].backend;
		if (*f->backend_names)
			strncat(f->backend_names, ", ",
				sizeof(f->backend_names) - strlen(f->backend_names) - 1);
		strncat(f->backend_names, known[i].module,
			sizeof(f->backend_names) - strlen(f->backend_names) - 1);
	}
	if (!f->backends && f->kvm) {
		f->backends = f->arm64 ? BACKEND_ARM64 : BACKEND_OTHER;
		snprintf(f->backend_names, sizeof(f->backend_names), "%s",
			 f->arm64 ? "arm64" : "unknown");
	}
}

/* arm64's KVM is no module: arch/arm64/kvm/arm.c, kvm_arm_init() and early_kvm_mode_cfg(). */
const char *features__kvm_remedy(const struct features *f)
{
	return f->arm64 ? "an arm64 kernel has KVM built in, and this one has none, or it is off: "
			  "by kvm-arm.mode=none on its command line, or because firmware or a "
			  "hypervisor started it at EL1"
			: "load kvm_intel or kvm_amd (modprobe), and see that virtualisation is on "
			  "in the firmware";
}

static bool is_mounted(const char *path, unsigned long type)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == type;
}

static void look_at_lockdown(struct features *f)
{
	char buf[128] = "", *open, *close;
	FILE *file;

	file = fopen("/sys/kernel/security/lockdown", "re");
	if (!file) {
		snprintf(f->lockdown, sizeof(f->lockdown), "%s",
			 is_mounted("/sys/kernel/security", SECURITYFS_MAGIC)
				 ? "not built in"
				 : "not known: securityfs is not mounted");
		return;
	}
	/* "none [integrity] confidentiality" */
	if (fgets(buf, sizeof(buf), file) && (open = strchr(buf, '[')) &&
	    (close = strchr(open, ']'))) {
		*close = '\0';
		snprintf(f->lockdown, sizeof(f->lockdown), "%.31s", open + 1);
	}
	fclose(file);
}

/* BPF_CMPXCHG: v5.12 (5ffa25502b5a), on x86-64 and arm64. Nothing in BTF tells. */
static void look_at_cmpxchg(struct features *f)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1},
		{.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_1,
		 .off = -8,
		 .imm = BPF_CMPXCHG},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns, ARRAY_SIZE(insns),
			   NULL);
	f->cmpxchg = fd >= 0;
	if (fd >= 0)
		close(fd);
}

/*
 * Finds tracefs and debugfs. Hosts without systemd may have them unmounted: then they are mounted
 * where they belong, as perf and trace-cmd do.
 */
static void look_at_mounts(struct features *f)
{
	static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

	if (!is_mounted(places[0], TRACEFS_MAGIC) && !is_mounted(places[1], TRACEFS_MAGIC))
		mount("none", places[0], "tracefs", 0, NULL);
	if (!is_mounted("/sys/kernel/debug", DEBUGFS_MAGIC))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(places) && !*f->tracefs; i++)
		if (is_mounted(places[i], TRACEFS_MAGIC))
			snprintf(f->tracefs, sizeof(f->tracefs), "%s", places[i]);
}

struct features *features__new(void)
{
	struct features *f = xcalloc(1, sizeof(*f));
	struct utsname u;

	if (!uname(&u)) {
		snprintf(f->release, sizeof(f->release), "%s", u.release);
		f->arm64 = !strcmp(u.machine, "aarch64");
	}
	capng_get_caps_process();
	f->cap_admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	f->cap_bpf = f->cap_admin || capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF);
	f->cap_perfmon = f->cap_admin || capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON);
	f->cap_ptrace = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_PTRACE);
	f->cap_dac = capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_READ_SEARCH) ||
		     capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE);
	look_at_kvm(f);
	look_at_btf(f);
	look_at_lockdown(f);
	look_at_cmpxchg(f);
	look_at_mounts(f);
	f->debugfs_kvm = !access("/sys/kernel/debug/kvm", R_OK | X_OK);
	return f;
}

void features__drop_btf(struct features *f)
{
	if (!f->btf)
		return;
	for (size_t i = 0; i < N_MODULES; i++)
		btf__free(f->btf->module[i]);
	for (size_t i = 0; i <= N_MODULES; i++)
		for (size_t k = 0; k < N_KINDS; k++)
			free(f->btf->ids[i][k].id);
	btf__free(f->btf->vmlinux);
	free(f->btf);
	f->btf = NULL;
}

void features__free(struct features *f)
{
	if (!f)
		return;
	features__drop_btf(f);
	free(f);
}
