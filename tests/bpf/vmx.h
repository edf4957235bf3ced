/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tests in vmx.c. Include cmocka.h first. */
#ifndef TEST_VMX_H
#define TEST_VMX_H

#define VMX_TESTS 2

extern const struct CMUnitTest vmx_tests[VMX_TESTS];

/* kvm_intel.ko of this very kernel; NULL: there is none. */
extern const char *vmx_module;

#endif
