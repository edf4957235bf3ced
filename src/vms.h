/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which virtual machines run on this host, and what they are called.
 *
 * A VM is a process, told apart by (pid, start time): a pid alone comes back,
 * a name is whatever somebody typed. Names are looked up beside the data path
 * and carry where they came from. All text in here comes from outside; it is
 * bounded, and it is not escaped: the sinks do that, each for its own form.
 */
#ifndef KVMSCOPE_VMS_H
#define KVMSCOPE_VMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_NAME_MAX   256
#define VM_UUID_LEN   37
#define VM_PATH_MAX   512
#define VM_IFNAME_MAX 64

struct vm_vcpu {
	int id;	   /* the kernel's vcpu_id, -1 while it is unknown */
	pid_t tid; /* thread that runs it, 0 while it is unknown */
};

struct vm_nic {
	/* of the host's side: vnet0, tap3, macvtap1; of a macvtap in another namespace, its
	 * device's */
	char name[VM_IFNAME_MAX];
	int ifindex; /* a macvtap's, in the namespace of the process; else 0 */
};

struct vm_disk {
	char target[32];	  /* the guest's name where one is known (vda), else "" */
	char source[VM_PATH_MAX]; /* file or device on the host */
};

struct vm {
	pid_t pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: clock ticks since boot */
	char name[VM_NAME_MAX];
	const char *name_source; /* libvirt, proxmox, cmdline, cgroup, pid: a constant */
	char uuid[VM_UUID_LEN];	 /* "" when none is known */
	const char *platform;	 /* libvirt, proxmox, kubevirt, firecracker, cloud-hypervisor,
				  * crosvm, qemu, other: a constant */
	char cgroup[VM_PATH_MAX];
	struct vm_vcpu *vcpus;
	size_t n_vcpus;
	struct vm_nic *nics;
	size_t n_nics;
	struct vm_disk *disks;
	size_t n_disks;
	/* block devices that it has open: of its descriptors alone, whatever their paths say */
	dev_t *devices;
	size_t n_devices;
	bool alive;	 /* false once the process is gone; vms__forget() then drops it */
	bool wanted;	 /* passes the filter of vms__want() */
	uint16_t number; /* by which the kernel side knows it, 0: not (yet); see vm_numbers.h */
	bool ambiguous;	 /* another VM that is alive has the same name, or it is the host's own */
};

struct vms;

/* Where to look. NULL members stand for /proc, /sys and /run: tests point them at fixtures. */
struct vms_roots {
	const char *proc;
	const char *sys;
	const char *run;
};

/*
 * Never fails but for an allocation, which aborts. Subscribes to uevents where it can, but does
 * not look yet: call vms__rescan().
 */
struct vms *vms__open(const struct vms_roots *roots);
void vms__close(struct vms *vms); /* NULL is fine */

/*
 * Restricts what is wanted. pattern: a name, a uuid, a pid in decimal, or a
 * glob over names; a name that is the pattern letter by letter matches as well.
 * Repeatable; none means all. Returns 0 or -EINVAL (empty, or longer than any name).
 */
int vms__want(struct vms *vms, const char *pattern);
/* The same for the VM of one process, whatever others are called: who starts a VM names it. */
void vms__want_pid(struct vms *vms, pid_t pid);

/*
 * Reads /proc: new VMs are added and resolved, those that are gone turn alive =
 * false, names that may still get better are looked up again. Meant for once a second or
 * so. Every process is looked into when it is first seen; after that a VM at every 32nd call
 * (for what was plugged in; at once when libvirt has written it down), and a process that
 * was none at every 16th, less often where KVM's directory in debugfs can be read or uevents
 * are dispatched, for these tell of a new VM in an old process at once. Returns the number
 * of VMs alive, or -errno (proc not readable).
 */
int vms__rescan(struct vms *vms);

/* Looks again at what each VM has open: something was plugged in, or went. */
void vms__refresh_devices(struct vms *vms);

/*
 * How many processes the last rescan could not look into (without CAP_SYS_PTRACE those of
 * other users): VMs may be among them.
 */
size_t vms__unreadable(const struct vms *vms);

/*
 * Looks at one process now, whether or not the last scan saw it: for a vCPU
 * that the kernel side met first. Whoever asks knows that it is a VM, so it is one even when
 * its file descriptors can't be read. Returns it, or NULL when there is no such
 * process any more or its start time is another. start_ticks 0: whichever.
 */
struct vm *vms__resolve(struct vms *vms, pid_t pid, uint64_t start_ticks);

/*
 * Adds a VM that was gone before anybody could look at it, so that what it did
 * still has a row: name "pid:N", platform other, alive = false.
 */
struct vm *vms__add_ghost(struct vms *vms, pid_t pid, uint64_t start_ticks);

/* NULL when unknown. Never looks at /proc. start_ticks 0: the youngest with that pid. */
struct vm *vms__find(struct vms *vms, pid_t pid, uint64_t start_ticks);

/* Drops a VM that is no longer alive. Pointers to it are invalid then. */
void vms__forget(struct vms *vms, struct vm *vm);

/* All known VMs, in order of pid and start time. The pointers in it live until vms__forget(). */
size_t vms__all(const struct vms *vms, struct vm ***ret_vms);

/*
 * KVM's uevents (KOBJ_CHANGE with EVENT=create|destroy and PID=, virt/kvm/kvm_main.c,
 * kvm_uevent_notify_change). vms__fd() gives a descriptor to poll, or -errno where
 * there is none; in a user namespace other than the first it stays silent.
 * vms__dispatch() reads what has come and rescans once if one was KVM's: > 0 then, 0 if
 * none was, or -errno. ENOBUFS (events were lost) counts as one.
 */
int vms__fd(const struct vms *vms);
int vms__dispatch(struct vms *vms);

#endif
