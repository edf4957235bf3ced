/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The VMs that are known, by pid and start time, and which of them somebody wants to see.
 */
#ifndef KVMSCOPE_VM_TABLE_H
#define KVMSCOPE_VM_TABLE_H

#include "vms.h"

struct vm_table {
	struct vm **all; /* by pid and start time; they belong to whoever inserts them */
	size_t n;
	char **patterns;
	size_t n_patterns;
	pid_t *pids;
	size_t n_pids;
	bool dirty; /* set it when a name or a life has changed: vm_table__settle() looks at it */
};

void vm_table__insert(struct vm_table *table, struct vm *vm);
void vm_table__remove(struct vm_table *table, const struct vm *vm);
void vm_table__clear(struct vm_table *table); /* frees what is the table's own */

/* NULL when there is none. start_ticks 0: the youngest with that pid. */
struct vm *vm_table__find(const struct vm_table *table, pid_t pid, uint64_t start_ticks);

/* As vms__want() and vms__want_pid(). */
int vm_table__want(struct vm_table *table, const char *pattern);
void vm_table__want_pid(struct vm_table *table, pid_t pid);

/* Works out wanted and ambiguous of all VMs anew, where the table is dirty. */
void vm_table__settle(struct vm_table *table);

#endif
