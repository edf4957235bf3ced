/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hands out numbers to VMs and takes them back. */
#include <stdlib.h>
#include <bpf/bpf.h>
#include "subjects.h"
#include "util.h"
#include "vm_numbers.h"

struct vm_numbers {
	struct {
		bool used;
		bool told;    /* the kernel's table has it */
		uint8_t late; /* so many looks more are for slots from when it was not wanted */
	} of[KS_VMS_MAX];     /* 0 is the host's */
	uint16_t next;	      /* where to look for a free one: the longest unused comes first */
};

struct vm_numbers *vm_numbers__new(void)
{
	struct vm_numbers *n = xcalloc(1, sizeof(*n));

	n->of[KS_VM_HOST].used = true;
	return n;
}

void vm_numbers__free(struct vm_numbers *numbers)
{
	free(numbers);
}

static uint16_t take(struct vm_numbers *numbers)
{
	for (int i = 0; i < KS_VMS_MAX; i++) {
		uint16_t number = numbers->next;

		numbers->next = (numbers->next + 1) % KS_VMS_MAX;
		if (numbers->of[number].used)
			continue;
		numbers->of[number].used = true;
		numbers->of[number].told = true;
		numbers->of[number].late = 0;
		return number;
	}
	return 0;
}

/* Once for each VM that is gone: its pid may be another one's soon. */
static void untell(struct vm_numbers *numbers, int table, struct vm *vm)
{
	uint32_t tgid = vm->pid;

	if (!vm->number || (vm->number < KS_VMS_MAX && !numbers->of[vm->number].told))
		return;
	bpf_map_delete_elem(table, &tgid);
	if (vm->number < KS_VMS_MAX)
		numbers->of[vm->number].told = false;
	else
		vm->number = 0; /* nothing is counted of one that is ignored */
}

/*
 * Ends the slots that a VM's vCPUs took before it was wanted: all that they did since is in none of
 * their numbers, so that their threads take others, at their next event or when they are adopted.
 */
static void end_ignored_slots(struct session *s, uint32_t tgid)
{
	const struct array *a = session__array(s, ARRAY_VCPUS);
	struct ks_vcpu *v;
	uint32_t n;

	for (uint32_t i = 1; (v = array__map(a, i, &n)); i += n) {
		for (uint32_t k = 0; k < n; k++) {
			if (v[k].tgid != tgid || !(v[k].flags & KS_VCPU_IGNORED) ||
			    v[k].mode == KS_MODE_GONE)
				continue;
			v[k].mode = KS_MODE_GONE;
			v[k].key = 0;
			session__forget_thread(s, v[k].tid, v[k].vcpu_id, i + k);
		}
		array__unmap(a, v, n);
	}
}

size_t vm_numbers__sync(struct vm_numbers *numbers, struct session *s, struct vms *vms)
{
	int table = session__map(s, "vm_numbers");
	size_t n, unnumbered = 0;
	struct vm **all;

	n = vms__all(vms, &all);
	for (size_t i = 0; i < n; i++)
		if (!all[i]->alive)
			untell(numbers, table, all[i]);
	for (size_t i = 0; i < n; i++) {
		struct vm *vm = all[i];
		uint16_t before = vm->number;
		uint32_t tgid = vm->pid;

		if (!vm->alive)
			continue;
		/* a name may be found late, and with it that the VM is wanted; or not: then what
		 * was counted of it is not shown */
		if (!vm->wanted)
			vm->number = before ?: KS_VM_IGNORED;
		else if (!before || before == KS_VM_IGNORED)
			vm->number = take(numbers);
		unnumbered += !vm->number;
		if (vm->number != before &&
		    bpf_map_update_elem(table, &tgid, &vm->number, BPF_ANY)) {
			/* no room, be it for one that nobody asked for: the next time again */
			session__lose(s, KS_L_MAP, 1);
			if (vm->number < KS_VMS_MAX)
				numbers->of[vm->number].used = numbers->of[vm->number].told = false;
			vm->number = before;
			unnumbered++;
		}
		if (!vm->number || vm->number >= KS_VMS_MAX)
			continue;
		/* twice: a slot may be on its way to us, by the table as it was (vcpu_take()) */
		if (before == KS_VM_IGNORED)
			numbers->of[vm->number].late = 2;
		if (numbers->of[vm->number].late) {
			numbers->of[vm->number].late--;
			end_ignored_slots(s, tgid);
		}
	}
	return unnumbered;
}

static bool counted(const struct snap_subject *subject)
{
	for (int i = 0; i < KS_COUNTERS; i++)
		if (subject->n[i])
			return true;
	return false;
}

void vm_numbers__reclaim(struct vm_numbers *numbers, struct session *s, struct vms *vms,
			 const struct delta *d, const struct vm_numbers_asks *asks)
{
	bool *kept = xcalloc(KS_VMS_MAX, sizeof(*kept)), *gone = xcalloc(KS_VMS_MAX, sizeof(*gone));
	struct vm **all;
	size_t n = vms__all(vms, &all);

	for (size_t i = 0; i < n; i++)
		if (!all[i]->alive && all[i]->number < KS_VMS_MAX)
			gone[all[i]->number] = true;
	gone[KS_VM_HOST] = false; /* the number of those that have none, too */
	for (size_t i = 0; i < d->n_subjects; i++) {
		const struct snap_subject *subject = &d->subjects[i];
		uint16_t vm = subject->who.vm < KS_VMS_MAX ? subject->who.vm : KS_VM_HOST;

		if (!gone[vm] && !asks->over(subject, asks->arg))
			continue;
		if (!d->from || counted(subject) || asks->busy(subject, asks->arg)) {
			kept[vm] = true;
			continue;
		}
		asks->give_back(subject, asks->arg);
		subjects__give_back(s, d->to, subject);
	}
	for (size_t i = 0; i < n; i++) {
		uint16_t number = all[i]->number;

		if (all[i]->alive || (number < KS_VMS_MAX && kept[number]))
			continue;
		if (number && number < KS_VMS_MAX)
			numbers->of[number].used = false;
		all[i]->number = 0;
	}
	free(kept);
	free(gone);
}
