/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of the kernel's numbers: exit codes, KVM_EXIT_*, errno. Never a wrong one. */
#ifndef KVMSCOPE_NAMES_H
#define KVMSCOPE_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <kvmscope/abi.h>

/*
 * The kernel's name of an exit code, in lower case, written to buf (64 bytes will do) and
 * returned. Unknown: "code-0x...". A VMX entry that failed: the reason and " failed_vmentry".
 */
const char *exit_name(enum ks_isa isa, uint32_t code, char *buf, size_t size);

/*
 * Name of a KVM_EXIT_* number as a cell of KS_M_USERSPACE carries it: "io"; for a run that
 * ended with an error "restart" (a signal, -EINTR) or "error-<errno>".
 */
const char *userspace_name(uint64_t key, char *buf, size_t size);

/*
 * What a port, MSR or hypercall is known as; NULL: nothing well known. metric: KS_M_PORT, KS_M_MSR
 * or KS_M_HYPERCALL.
 */
const char *well_known_name(enum ks_metric metric, uint64_t value);

/* "vmx", "svm", "arm64", "" */
const char *isa_name(enum ks_isa isa);

#endif
