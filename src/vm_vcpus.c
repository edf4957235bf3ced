/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which thread runs which vCPU.
 */
#include <stdlib.h>

#include "util.h"
#include "vm_vcpus.h"

void vm_vcpus__add(struct vm_vcpus *vcpus, int id, pid_t tid)
{
	if (vcpus->n == VM_VCPUS_MAX)
		return;
	if (!(vcpus->n & (vcpus->n - 1))) /* full at each power of two */
		vcpus->list = xreallocarray(vcpus->list, vcpus->n ? vcpus->n * 2 : 1,
					    sizeof(*vcpus->list));
	vcpus->list[vcpus->n++] = (struct vm_vcpu){.id = id, .tid = tid};
}

void vm_vcpus__clear(struct vm_vcpus *vcpus)
{
	free(vcpus->list);
	*vcpus = (struct vm_vcpus){.list = NULL};
}

static int compare(const void *a, const void *b)
{
	const struct vm_vcpu *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void sort(struct vm_vcpus *vcpus)
{
	if (vcpus->n)
		qsort(vcpus->list, vcpus->n, sizeof(*vcpus->list), compare);
}

/* Whether every thread's id is one of the kernel's. Both sorted. */
static bool all_known(const struct vm_vcpus *threads, const struct vm_vcpus *ids)
{
	size_t i, k = 0;

	for (i = 0; i < threads->n; i++) {
		while (k < ids->n && ids->list[k].id < threads->list[i].id)
			k++;
		if (k == ids->n || ids->list[k++].id != threads->list[i].id)
			return false;
	}
	return true;
}

struct vm_vcpus vm_vcpus__join(struct vm_vcpus *threads, struct vm_vcpus *ids)
{
	struct vm_vcpus joined = {.list = NULL};
	bool numbered, paired;
	size_t i, k = 0;

	sort(threads);
	sort(ids);
	numbered = ids->n && ids->list[0].id >= 0;
	paired = numbered && threads->n == ids->n;
	if (threads->n && !paired && !(numbered && all_known(threads, ids))) {
		/* a thread that was seen is worth more than an id without one */
		for (i = 0; i < threads->n; i++)
			vm_vcpus__add(&joined, threads->list[i].id, threads->list[i].tid);
		return joined;
	}
	for (i = 0; i < ids->n; i++) {
		bool mine = k < threads->n && (paired || threads->list[k].id == ids->list[i].id);

		vm_vcpus__add(&joined, ids->list[i].id, mine ? threads->list[k].tid : 0);
		k += mine;
	}
	return joined;
}
