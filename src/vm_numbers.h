/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers of VMs: by which the kernel side knows whose an event is that is no vCPU's. Each VM that
 * is found gets one (struct vm's number), and the kernel side a table from process to number. A
 * number is free again only after all that was counted under it has been reported and given back,
 * so that one VM's numbers never become another's.
 */
#ifndef KVMSCOPE_VM_NUMBERS_H
#define KVMSCOPE_VM_NUMBERS_H

#include "session.h"
#include "snapshot.h"
#include "vms.h"

struct vm_numbers;

struct vm_numbers *vm_numbers__new(void);
void vm_numbers__free(struct vm_numbers *numbers); /* NULL is fine */

/*
 * After a look for VMs: numbers those that are new, and takes those that are gone out of the
 * kernel's table. Returns how many VMs could not be numbered (there are more than KS_VMS_MAX):
 * theirs counts as the host's.
 */
size_t vm_numbers__sync(struct vm_numbers *numbers, struct session *s, struct vms *vms);

/* What the subjects' domains know. */
struct vm_numbers_asks {
	bool (*busy)(const struct snap_subject *subject, void *arg); /* is it still written to? */
	/* is it over, whether or not its VM runs? */
	bool (*over)(const struct snap_subject *subject, void *arg);
	void (*give_back)(const struct snap_subject *subject, void *arg); /* forget it */
	void *arg;
};

/*
 * After a report: gives back the subjects of VMs that are gone, and those that are over, once an
 * interval has passed in which nothing was counted of them and they are not busy; a VM of which
 * there is none left loses its number, and may be forgotten.
 */
void vm_numbers__reclaim(struct vm_numbers *numbers, struct session *s, struct vms *vms,
			 const struct delta *d, const struct vm_numbers_asks *asks);

#endif
