/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of the kernel's numbers, from the .def tables. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "names.h"
#include "util.h"

struct exit_reason {
	enum ks_isa isa;
	uint32_t code;
	const char *name;
};

static const struct exit_reason exit_reasons[] = {
#define EXIT_REASON(isa, code, name) {KS_ISA_##isa, code, name},
#include <kvmscope/exit_reasons.def>
#undef EXIT_REASON
};

static const char *const userspace_exits[] = {
#define USERSPACE_EXIT(number, name) [number] = name,
#include <kvmscope/userspace_exits.def>
#undef USERSPACE_EXIT
};

#define VMX_FAILED_ENTRY 0x80000000u

const char *exit_name(enum ks_isa isa, uint32_t code, char *buf, size_t size)
{
	bool failed = isa == KS_ISA_VMX && code & VMX_FAILED_ENTRY;
	uint32_t basic = failed ? code & ~VMX_FAILED_ENTRY : code;

	for (size_t i = 0; i < ARRAY_SIZE(exit_reasons); i++) {
		if (exit_reasons[i].isa != isa || exit_reasons[i].code != basic)
			continue;
		snprintf(buf, size, "%s%s", exit_reasons[i].name, failed ? " failed_vmentry" : "");
		return buf;
	}
	snprintf(buf, size, "code-0x%x", code);
	return buf;
}

const char *userspace_name(uint64_t key, char *buf, size_t size)
{
	uint32_t n = KS_KEY_CODE(key);

	if (key & KS_KEY_ERRNO && n == EINTR)
		snprintf(buf, size, "restart");
	else if (key & KS_KEY_ERRNO)
		snprintf(buf, size, "error-%u", n);
	else if (n < ARRAY_SIZE(userspace_exits) && userspace_exits[n])
		snprintf(buf, size, "%s", userspace_exits[n]);
	else
		snprintf(buf, size, "code-0x%x", n);
	return buf;
}

static const struct {
	enum ks_metric metric;
	uint64_t first, last;
	const char *name;
} well_known[] = {
#define PORT(first, last, name) {KS_M_PORT, first, last, name},
#define MSR(first, last, name)	{KS_M_MSR, first, last, name},
#define HYPERCALL(nr, name)	{KS_M_HYPERCALL, nr, nr, name},
#include <kvmscope/well_known.def>
#undef PORT
#undef MSR
#undef HYPERCALL
};

const char *well_known_name(enum ks_metric metric, uint64_t value)
{
	for (size_t i = 0; i < ARRAY_SIZE(well_known); i++)
		if (well_known[i].metric == metric && value >= well_known[i].first &&
		    value <= well_known[i].last)
			return well_known[i].name;
	return NULL;
}

const char *isa_name(enum ks_isa isa)
{
	static const char *const names[] = {
		[KS_ISA_NONE] = "",
		[KS_ISA_VMX] = "vmx",
		[KS_ISA_SVM] = "svm",
		[KS_ISA_ARM64] = "arm64",
	};

	return isa < ARRAY_SIZE(names) ? names[isa] : "";
}
