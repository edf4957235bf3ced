/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The VMs that are known, and which of them somebody wants to see.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "vm_table.h"
#include "vm_text.h"

/* Where the first VM is that is not before pid and start time. */
static size_t position(const struct vm_table *table, pid_t pid, uint64_t start_ticks)
{
	size_t low = 0, high = table->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct vm *vm = table->all[middle];

		if (vm->pid < pid || (vm->pid == pid && vm->start_ticks < start_ticks))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vm *vm_table__find(const struct vm_table *table, pid_t pid, uint64_t start_ticks)
{
	size_t i;

	if (!start_ticks) {
		i = position(table, pid, UINT64_MAX);
		return i && table->all[i - 1]->pid == pid ? table->all[i - 1] : NULL;
	}
	i = position(table, pid, start_ticks);
	if (i == table->n || table->all[i]->pid != pid || table->all[i]->start_ticks != start_ticks)
		return NULL;
	return table->all[i];
}

void vm_table__insert(struct vm_table *table, struct vm *vm)
{
	size_t i = position(table, vm->pid, vm->start_ticks);

	table->all = xreallocarray(table->all, table->n + 1, sizeof(*table->all));
	memmove(table->all + i + 1, table->all + i, (table->n - i) * sizeof(*table->all));
	table->all[i] = vm;
	table->n++;
	table->dirty = true;
}

void vm_table__remove(struct vm_table *table, const struct vm *vm)
{
	size_t i = position(table, vm->pid, vm->start_ticks);

	table->n--;
	memmove(table->all + i, table->all + i + 1, (table->n - i) * sizeof(*table->all));
	table->dirty = true;
}

void vm_table__clear(struct vm_table *table)
{
	size_t i;

	for (i = 0; i < table->n_patterns; i++)
		free(table->patterns[i]);
	free(table->patterns);
	free(table->pids);
	free(table->all);
	*table = (struct vm_table){.all = NULL};
}

int vm_table__want(struct vm_table *table, const char *pattern)
{
	size_t len = pattern ? strlen(pattern) : 0;

	if (!len || len >= VM_NAME_MAX)
		return -EINVAL;
	table->patterns =
		xreallocarray(table->patterns, table->n_patterns + 1, sizeof(*table->patterns));
	table->patterns[table->n_patterns] = xstrdup(pattern);
	table->n_patterns++;
	table->dirty = true;
	return 0;
}

void vm_table__want_pid(struct vm_table *table, pid_t pid)
{
	table->pids = xreallocarray(table->pids, table->n_pids + 1, sizeof(*table->pids));
	table->pids[table->n_pids++] = pid;
	table->dirty = true;
}

static bool is_wanted(const struct vm_table *table, const struct vm *vm)
{
	uint64_t pid;
	size_t i;

	for (i = 0; i < table->n_patterns; i++) {
		const char *pattern = table->patterns[i];

		if (!strcmp(pattern, vm->name) || (*vm->uuid && !strcasecmp(pattern, vm->uuid)) ||
		    (vm_span__uint(vm_span__of(pattern), INT32_MAX, &pid) &&
		     (pid_t)pid == vm->pid) ||
		    !fnmatch(pattern, vm->name, 0))
			return true;
	}
	for (i = 0; i < table->n_pids; i++)
		if (table->pids[i] == vm->pid)
			return true;
	return !table->n_patterns && !table->n_pids;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct vm *const *)a)->name, (*(struct vm *const *)b)->name);
}

void vm_table__settle(struct vm_table *table)
{
	struct vm **by_name;
	size_t i, n = 0;

	if (!table->dirty)
		return;
	table->dirty = false;
	by_name = xreallocarray(NULL, table->n, sizeof(struct vm *));
	for (i = 0; i < table->n; i++) {
		struct vm *vm = table->all[i];

		vm->wanted = is_wanted(table, vm);
		/* reports have rows of that name for what belongs to no VM */
		vm->ambiguous = !strcmp(vm->name, "(host)");
		if (vm->alive)
			by_name[n++] = vm;
	}
	if (n)
		qsort(by_name, n, sizeof(struct vm *), compare_names);
	for (i = 1; i < n; i++)
		if (!strcmp(by_name[i]->name, by_name[i - 1]->name))
			by_name[i]->ambiguous = by_name[i - 1]->ambiguous = true;
	free(by_name);
}
