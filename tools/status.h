/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Exit statuses, of both programs. */
#ifndef KVMSCOPE_STATUS_H
#define KVMSCOPE_STATUS_H

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILURE = 1,
	STATUS_USAGE = 2,
	STATUS_PRIVILEGE = 3,
	STATUS_KERNEL = 4,
	STATUS_NO_VM = 5,
	STATUS_LOST = 6,
};

#endif
