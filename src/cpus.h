/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of CPUs, which may have gaps: tables that are indexed by them go to the highest one. */
#ifndef KVMSCOPE_CPUS_H
#define KVMSCOPE_CPUS_H

/* How many numbers CPUs of this host may have, from 0 to the highest; -errno. */
int cpus__numbers(void);
/* The same of a list as in /sys/devices/system/cpu/possible, "0-3,8-11"; -EINVAL: it is none. */
int cpus__numbers_of(const char *list);

#endif
