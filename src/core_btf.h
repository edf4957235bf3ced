/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few of the kernel's types that our programs' relocations ask for.
 *
 * For each type that a BPF object's relocations begin at, libbpf goes through all of the kernel's
 * types, of which there are 150,000. In a BTF that has only those of the same names, and what they
 * are made of, it finds the same.
 */
#ifndef KVMSCOPE_CORE_BTF_H
#define KVMSCOPE_CORE_BTF_H

#include <stdbool.h>
#include <bpf/btf.h>

struct features;

/*
 * Writes that BTF, raw, to a file that is empty. local: the object's own types. kvm: with those of
 * KVM's modules. keep_id: a struct that must have the same id as in vmlinux, for it is told to the
 * kernel; where vmlinux has none, nothing is kept. The features' BTF must be loaded. Returns 0,
 * -ENODATA where this kernel has no BTF, or another -errno.
 */
int core_btf__write(const struct features *f, const struct btf *local, bool kvm,
		    const char *keep_id, int fd);

/*
 * A file in memory for it, and the path by which libbpf finds it. Types of KVM's modules are in it
 * only with CAP_SYS_ADMIN, without which programs that name them are not chosen.
 *
 * There is no file where the kernel has no BTF, nor where a file in memory can't be had (a sandbox
 * without memfd_create, a limit on files' size): then libbpf goes through all types, which takes
 * longer.
 */
struct core_btf_file {
	int fd;		  /* -1: none */
	const char *path; /* NULL: libbpf looks where it always does */
	char name[32];
};

void core_btf__open(struct core_btf_file *types, const struct features *f);

/* Returns 0 or -errno. The file may be filled again; local as above. */
int core_btf__fill(const struct core_btf_file *types, const struct features *f,
		   const struct btf *local);
void core_btf__close(struct core_btf_file *types);

#endif
