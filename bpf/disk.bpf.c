/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Domain disk: block I/O of VMs, by the stages that blktrace names. */
#include "vmlinux.h"
#include "subject.bpf.h"
