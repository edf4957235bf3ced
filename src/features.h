/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this kernel and this process have: found out by looking at shapes (BTF, files,
 * capabilities), never by a version number, for distributions backport.
 */
#ifndef KVMSCOPE_FEATURES_H
#define KVMSCOPE_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

struct btf;

enum kvm_backend {
	BACKEND_NONE, /* no KVM back end is loaded */
	BACKEND_VMX = 1,
	BACKEND_SVM = 2,
	BACKEND_OTHER = 4, /* KVM is there, by neither of the two: no kvm_exit is to be expected */
	BACKEND_ARM64 = 8,
};

struct features {
	char release[128];	 /* uname -r */
	unsigned int backends;	 /* enum kvm_backend, or'ed */
	char backend_names[128]; /* "kvm_intel", "kvm_pvm", "kvm_intel, kvm_amd" */
	bool arm64;		 /* the kernel's architecture; else it is x86-64 */
	bool kvm;		 /* /dev/kvm is there */
	bool cap_bpf, cap_perfmon, cap_admin, cap_ptrace, cap_dac;
	bool vmlinux_btf; /* /sys/kernel/btf/vmlinux can be parsed */
	int btf_err;	  /* -errno where it is there, and can't be opened */
	bool kvm_btf;	  /* types of KVM are known: from vmlinux or from kvm.ko's BTF */
	/*
	 * They can be used in programs: they are vmlinux's, or there is CAP_SYS_ADMIN, which
	 * BPF_BTF_GET_FD_BY_ID takes.
	 */
	bool kvm_types;
	bool rdonly_cast; /* kfunc bpf_rdonly_cast */
	/*
	 * The kernel has SRCU-fast, by which v7.2 runs tracepoints: BTF and raw programs are then
	 * preemptible where the event is, and skipped while they are preempted. Classic ones are
	 * skipped, there as anywhere, while a bpf() call works on a map on that CPU, its caller
	 * perhaps preempted (bpf_disable_instrumentation()): far more seldom.
	 */
	bool srcu_fast;
	bool cmpxchg; /* BPF programs may exchange a word if it has some value */
	/* none, integrity, confidentiality; or why it is none of these */
	char lockdown[64];
	char tracefs[64]; /* where tracefs is, "" if nowhere */
	bool debugfs_kvm; /* /sys/kernel/debug/kvm can be listed */
	struct features_btf *btf;
};

/*
 * Looks, and mounts tracefs and debugfs where that has not been done. Never fails: what can't be
 * found out is absent.
 */
struct features *features__new(void);
void features__free(struct features *f); /* NULL is fine */

/* What to do where there is no KVM, or no back end of it. */
const char *features__kvm_remedy(const struct features *f);

/*
 * The parsed BTF, some 10 MB: features__new() has loaded it. While it is dropped, of what follows
 * only features__tp_field() may be called.
 */
void features__load_btf(struct features *f);
void features__drop_btf(struct features *f);

/*
 * The number of arguments of a tracepoint's raw form, from the typedef btf_trace_<event>.
 * -ENODATA: this kernel has no BTF for it.
 */
int features__tp_args(const struct features *f, const char *event);

/*
 * Index of the first argument that points to a struct of that name. -ENOENT: there is none;
 * -ENODATA: no BTF.
 */
int features__tp_arg_struct(const struct features *f, const char *event, const char *type);

/* Is that argument, from 0 on, of a typedef of that name? */
bool features__tp_arg_is(const struct features *f, const char *event, int arg, const char *type);

/* Value of an enumerator of vmlinux's, whose enum may have no name; -ENODATA: there is none. */
int64_t features__enumerator(const struct features *f, const char *name);

/* Is there a struct of that name in vmlinux, kvm, kvm_intel or kvm_amd? */
bool features__has_struct(const struct features *f, const char *type);

/* Has a struct of that name, there, a member of that name? */
bool features__has_member(const struct features *f, const char *type, const char *member);

/*
 * The structs of the i-th BTF: of vmlinux, then of the modules. *ret_btf: NULL: that module is not
 * there. Returns false where there is none of that number.
 */
bool features__structs(const struct features *f, size_t i, const struct btf **ret_btf,
		       const __u32 **ret_ids, size_t *ret_n);

/* Calls fn for each value of vmlinux's enum of that name. */
void features__each_enum(const struct features *f, const char *name,
			 void (*fn)(const char *name, uint32_t value, void *arg), void *arg);

/*
 * Offset of a field in an event's record, from its format file in tracefs; -ENOENT: no such event
 * or field, -EACCES: not readable, -ENODATA: no tracefs.
 */
int features__tp_field(const struct features *f, const char *system, const char *event,
		       const char *field);

#endif
