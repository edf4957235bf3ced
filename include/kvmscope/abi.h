/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side and user space share: keys, values and limits.
 *
 * Mapped arrays carry all that events measure:
 *   vcpus     struct ks_vcpu: who it is, what it does now and since when, its time by state
 *   subjects  struct ks_subject_slot: a disk of a VM, an interface ...
 *   tallies   struct ks_tally: what one CPU has counted of one subject
 *   cells     struct ks_cell: one metric of one owner for one key, with its histogram
 * All only grow, by one writer each: the vCPU's own thread, or the CPU. User space maps them
 * and subtracts what it read before. It writes in three cases only: it takes a
 * cell's maximum (by exchange), it sets a vCPU's flags, and it clears what belonged to
 * a vCPU or a VM that is gone before it gives the slot back.
 */
#ifndef KVMSCOPE_ABI_H
#define KVMSCOPE_ABI_H

#include "histogram.h"

#define KS_MAX_CPUS 4096

/*
 * The states that a vCPU's wall time is split into. Together they are all of it.
 * The order is the JSON's.
 */
enum ks_state {
	KS_GUEST,
	KS_KERNEL,
	KS_VMM,
	KS_HALT_POLL,
	KS_HALTED,
	KS_STEAL,
	KS_BLOCKED,
	KS_UNACCOUNTED,
	KS_STATES,
};

enum ks_metric {
	KS_M_NONE,
#define METRIC(id, ...) KS_M_##id,
#define COUNTER(id, ...)
#include "metrics.def"
#undef METRIC
#undef COUNTER
	KS_METRICS,
};

enum ks_counter {
#define METRIC(id, ...)
#define COUNTER(id, ...) KS_C_##id,
#include "metrics.def"
#undef METRIC
#undef COUNTER
	KS_COUNTERS,
};

enum ks_loss {
#define LOSS(id, ...) KS_L_##id,
#include "loss.def"
#undef LOSS
	KS_LOSSES,
};

/* Instruction set of the host's virtualisation, numbered as in the kernel's kvm_exit event. */
enum ks_isa {
	KS_ISA_NONE,
	KS_ISA_VMX = 1,
	KS_ISA_SVM = 2,
	KS_ISA_ARM64 = 3,
};

/*
 * Exit codes -> rows of a vCPU's table. 0x000 to 0x0ff are themselves: all of VMX's
 * basic reasons, of SVM's intercepts and of arm64's. SVM's 0x400.. and its 0x800000xx of SEV-ES
 * follow; -1 (SVM_EXIT_ERR) and all else take one of a few rows that are handed out as they come.
 */
#define KS_ROW_DIRECT  256
#define KS_ROW_NPF     KS_ROW_DIRECT	 /* 0x400 to 0x40f */
#define KS_ROW_VMGEXIT (KS_ROW_NPF + 16) /* 0x80000000 to 0x8000001f */
#define KS_ROW_OTHER   (KS_ROW_VMGEXIT + 32)
#define KS_ROWS_OTHER  16
#define KS_EXIT_ROWS   (KS_ROW_OTHER + KS_ROWS_OTHER)

/* An arm64 exit's code is a trap's exception class; of all else, this or'ed with KVM's own code. */
#define KS_ARM64_OTHER 0x80

/* Exits of a nested guest (L2) are kept apart by this bit of a cell's key. */
#define KS_KEY_NESTED	 (1ULL << 32)
#define KS_KEY_ISA(key)	 ((__u32)((key) >> 40) & 0xff)
#define KS_KEY_CODE(key) ((__u32)(key))

/*
 * KVM_EXIT_* numbers that have a row of their own, and the row of runs that ended with
 * an error instead (errno below 0; -EINTR is a signal, kvm.h's trace calls it "restart").
 */
#define KS_USER_ROWS	    64
#define KS_USER_ROW_ERROR   (KS_USER_ROWS - 1)
#define KS_USER_ROW_RESTART (KS_USER_ROWS - 2)
#define KS_USER_ROW_OTHER   (KS_USER_ROWS - 3)
#define KS_KEY_ERRNO	    (1ULL << 32) /* the key's low half is then the errno, positive */

enum ks_vcpu_flags {
	KS_VCPU_IGNORED = 1, /* user space: nobody asked for this VM */
};

/*
 * Details of exits: KS_DETAILS metrics from KS_M_PORT on. Their keys: the port, guest physical
 * address and so on, with what was done to it in the high bits; KS_KEY_REST for all that came when
 * a vCPU had as many keys as it may have.
 */
#define KS_DETAILS	    5
#define KS_DETAIL(metric)   ((metric)-KS_M_PORT) /* below KS_DETAILS: it is one */
#define KS_DETAILS_MAX	    512
#define KS_OP_SHIFT	    60
#define KS_KEY_REST	    (~0ULL)
#define KS_PAGE_FAULT_SHIFT 21 /* faults are told apart by 2 MiB of guest physical address */
enum ks_op { KS_OP_READ, KS_OP_WRITE, KS_OP_EXEC, KS_OP_NONE };

struct ks_detail {
	__u32 slot;
	__u32 metric;
	__u64 key;
};

/* What user space knows of a thread that is a vCPU and has shown no event yet: see vcpu__adopt().
 */
struct ks_adopt {
	__s32 vcpu_id; /* -1: unknown */
	__u32 halted;  /* it sleeps, and in KVM's halt */
};

/* vcpu__audit()'s argument is the first of so many slots. */
#define KS_AUDIT_BATCH 16

/* fill__numbers()'s first argument is one of these; it gives out so many numbers at a time. */
enum ks_fill {
	KS_FILL_VCPUS,
	KS_FILL_CELLS,
	KS_FILL_SUBJECTS,
	KS_FILL_DISK_HISTS,
};
#define KS_FILL_BATCH 32

/* What a vCPU is at, where that is more than the state that its time counts as. */
enum ks_vcpu_mode {
	KS_MODE_NEW, /* no event that tells yet */
	KS_MODE_GUEST,
	KS_MODE_KERNEL, /* between exit and entry */
	KS_MODE_VMM,	/* between userspace_exit and entry */
	KS_MODE_GONE,	/* its thread has ended */
};

/* A vCPU that is at that and nothing more, on its CPU: the short way of the hot events. */
#define KS_STATE(mode) (mode)

/* What a context switch may take at most, in ns, before it is taken for something else. */
#define KS_SWITCH_MAX 100000

enum ks_vcpu_off {
	KS_ON_CPU,
	KS_OFF_RUNNABLE, /* preempted */
	KS_OFF_BLOCKED,	 /* went to sleep */
};

/* What a CPU knows: the slot of the vCPU that it runs. A cache line each: it is written all the
 * time. */
struct ks_here {
	__u32 slot;
	__u32 pad[15];
};

/*
 * A byte is set for each thread that may have a slot, at tid modulo this: context switches of
 * all others end there.
 */
#define KS_TID_BYTES 65536

struct ks_vcpu {
	/* the hot line: what every event reads or writes */
	__u64 key;    /* struct kvm_vcpu of the events (else the tid); 0: nobody's any more */
	__u64 t;      /* CLOCK_MONOTONIC ns up to which ns[] is charged */
	__u64 exit_t; /* when the exit under way began */
	__u32 cell;   /* of the exit under way (mode kernel or vmm), 0: none */
	__s32 vcpu_id;
	union {
		struct {
			__u8 mode;  /* enum ks_vcpu_mode */
			__u8 off;   /* enum ks_vcpu_off */
			__u8 flags; /* enum ks_vcpu_flags */
			__u8 dirty; /* the exit was more than time in the kernel: see part[] */
		};
		__u32 state; /* all four at once: KS_STATE() */
	};
	__u32 user_cell; /* of the exit to user space under way, 0: none */
	__u64 user_t;	 /* when that began */
	__u64 exits;	 /* kvm_exit events, to be held against KVM's own count */
	__u32 nests;	 /* it has run a guest of its own (L2): look whose an exit is */
	__u32 pad_hot;

	__u64 ns[KS_STATES]; /* time by state since start */

	/* who: written when the slot is taken */
	__u64 start; /* group_leader->start_boottime, ns: with tgid, the VM */
	__u64 since; /* when the slot was taken, CLOCK_MONOTONIC ns */
	__u64 end;   /* when its thread ended, else 0 */
	__u32 slot;  /* its own number */
	__u32 tgid;
	__u32 tid;
	__u32 isa;
	__u32 pad;
	__u32 idle; /* where dirty: the exit is one by which a guest waits (HLT) */

	/* the exit under way, where dirty */
	__u64 part[KS_STATES];
	__u64 pend_off;	  /* last time off CPU, not yet split into wait and sleep */
	__u64 pend_sleep; /* slept: a halt, or blocked otherwise */
	__u64 pend_on;	  /* time on CPU before the sleep: polling, or kernel */
	__u64 run_delay;  /* the thread's, when it left its CPU */
	__u64 exec;	  /* its CPU time as the scheduler has it, at that moment; 0: not known */
	__u64 in_t;	  /* when it came to its CPU, 0: not seen */
	__s64 lag;	  /* CPU time that it is still to be charged for: see note_lag() */
	__u64 wake_t;	  /* when it got a CPU after a sleep, 0: not so */
	__u64 wake_wait;  /* how long it was runnable before that */
	__u64 poll_ns;	  /* vcpu_poll_ns() when last read */

	/* the audit, when user space asks for it: exits as of one moment, ours and vcpu->stat's */
	__u64 audit_exits;
	__u64 audit_kernel; /* since base_kernel; 0: not known on this kernel */
	__u64 base_kernel;  /* vcpu->stat.exits when the slot was taken */

	__u32 steal_cell;
	__u32 wake_cell;
	__u32 detail_cell; /* what the exit under way was about (port, MSR ...), 0: nothing */
	__u32 details;	   /* cells taken for such */
	__u32 detail_rest[KS_DETAILS]; /* where the rest goes when they are too many */
	__u32 others;		       /* rows in use from KS_ROW_OTHER on */
	__u32 other_code[KS_ROWS_OTHER];
	__u32 exit_cell[KS_EXIT_ROWS];
	__u32 nested_cell[KS_EXIT_ROWS];
	__u32 user_cells[KS_USER_ROWS];
};

/*
 * A subject is what is measured that is no vCPU: a disk's reads by one VM, what a tap sent. It gets
 * a number when it first occurs. Its events come on any CPU: each CPU has a tally of its own, whose
 * counters and cells have one writer as long as each is written by one program.
 */
#define KS_VM_HOST    0	     /* what belongs to no VM */
#define KS_VM_IGNORED 0xffff /* a VM that nobody asked for */
#define KS_VMS_MAX    4096

enum ks_domain { KS_D_NONE, KS_D_DISK, KS_D_NET };

struct ks_subject {
	__u64 object; /* the domain's: a device, an interface */
	__u32 part;   /* the domain's: an operation, a direction */
	__u16 vm;     /* the VM's number: see src/vm_numbers.h */
	__u16 domain; /* enum ks_domain */
};

struct ks_subject_slot {
	struct ks_subject who;
	__u64 since; /* when the number was taken, CLOCK_MONOTONIC ns; 0: it is not in use */
};

#define KS_M_SUBJECTS	KS_M_DISK_Q2G /* the first metric of subjects */
#define KS_SUBJECTS_MAX 16383	      /* of as many disks the kernel side can always know */

/*
 * There is one for each CPU and subject, and so they are small: a subject's counters are those of
 * its domain, from the first of which they count. A disk's cell[0] leads to its histograms.
 */
#define KS_TALLY(counter)     ((counter) < KS_C_NET_PACKETS ? (counter) : (counter)-KS_C_NET_PACKETS)
#define KS_TALLY_COUNTERS     12
#define KS_TALLY_CELL(metric) ((metric)-KS_M_NET_HOP)
#define KS_TALLY_CELLS	      (KS_METRICS - KS_M_NET_HOP)

struct ks_tally {
	__u64 n[KS_TALLY_COUNTERS]; /* by KS_TALLY() */
	__u32 cell[KS_TALLY_CELLS]; /* by KS_TALLY_CELL(); 0: none yet */
} __attribute__((aligned(64)));

_Static_assert(KS_C_NET_PACKETS <= KS_TALLY_COUNTERS &&
		       KS_COUNTERS - KS_C_NET_PACKETS <= KS_TALLY_COUNTERS,
	       "a domain has more counters than a tally");
_Static_assert(sizeof(struct ks_tally) == 128, "a tally is two cache lines");

/*
 * Block I/O. A subject of KS_D_DISK: object is the disk's dev_t, part an operation; or KS_DISK_ALL,
 * whose number is that of the disk itself, as that VM uses it; or KS_DISK_REMAP, with an object
 * that is KS_REMAP() of two disks.
 */
enum ks_disk_op {
	KS_DISK_READ,
	KS_DISK_WRITE,
	KS_DISK_FLUSH,
	KS_DISK_DISCARD,
	KS_DISK_OTHER,
	KS_DISK_OPS,
	KS_DISK_ALL = KS_DISK_OPS,
	KS_DISK_REMAP,
};
#define KS_REMAP(from, to) ((__u64)(from) << 32 | (__u32)(to))

enum ks_disk_stages {
	KS_STAGE_Q2G = 1,
	KS_STAGE_G2I = 2,
	KS_STAGE_I2D = 4,
	KS_STAGE_D2C = 8,
	KS_STAGE_Q2C = 16,
	KS_STAGES_ALL = 31,
};

/* Whose a bio or request is: numbers of two subjects, its operation's and its disk's. */
#define KS_WHOSE(op, disk)   ((op) | (disk) << 16)
#define KS_WHOSE_OP(whose)   ((whose)&0xffff)
#define KS_WHOSE_DISK(whose) ((whose) >> 16)
#define KS_WHOSE_IGNORED     KS_WHOSE(0xffffu, 0xffffu) /* of a VM that nobody asked for */
#define KS_DISK_SUBJECTS_MAX 0xfffe

/*
 * What is in flight. An address has one place of its own among the first ones, which are part of
 * .bss: to find it takes a multiplication and no map. If another address has that, it has a set of
 * places in a table that is as large as the machine wants. A place is taken by an exchange of its
 * address, and is free when that is 0.
 */
#define KS_DISK_WAYS	    4
#define KS_DISK_FIRST_SHIFT 14
#define KS_DISK_FIRST	    (1 << KS_DISK_FIRST_SHIFT)

struct ks_bio {
	__u64 bio; /* its address in the kernel */
	__u64 q;   /* when it was queued, CLOCK_MONOTONIC ns; 0: not known */
	__u64 g;   /* when it got a request; 0: not yet, or nobody asks */
	__u32 whose;
	__u32 bytes;
};
#define KS_BIO_MERGED (1ULL << 63) /* or'ed to g: it is part of another's request */

struct ks_bio_set {
	struct ks_bio way[KS_DISK_WAYS];
} __attribute__((aligned(64)));

/*
 * A request, from its insertion or issue on, with what was known of the bio that got it: that
 * one's place is free from then on. A place is a cache line.
 */
enum ks_request_state {
	KS_RQ_INSERTED = 1,
	KS_RQ_ISSUED = 2,
	KS_RQ_REQUEUED = 4,	/* it has been issued before */
	KS_RQ_PARTIAL = 8,	/* a part of it has been done, and its size been recorded */
	KS_RQ_DONE = 16,	/* counted; what it waits for is a flush behind it */
	KS_RQ_SHAPED = 32,	/* the next two are known */
	KS_RQ_SEQUENTIAL = 128, /* it begins where the one before ended */
};
#define KS_RQ_SHAPE_SHIFT 7 /* KS_RQ_SEQUENTIAL and what is above: struct ks_disk_hists' shapes */
#define KS_RQ_DEPTH_SHIFT 8 /* the rest of state: how many the driver had, with it */

struct ks_request {
	__u64 rq;
	__u64 bio; /* that got it; 0: not known */
	__u64 q;   /* these are as in struct ks_bio */
	__u64 g;
	__u64 i;       /* first inserted; 0: it was not */
	__u64 d;       /* last issued */
	__u64 d_first; /* with KS_RQ_REQUEUED: first issued */
	union {
		__u32 whose;
		struct {
			__u16 op, disk; /* of whose */
		};
	};
	__u32 state; /* enum ks_request_state, or'ed; 0: it has not been filled in yet */
} __attribute__((aligned(64)));

struct ks_request_set {
	struct ks_request way[KS_DISK_WAYS];
};

/* How many there are behind the first places. */
struct ks_disk_more {
	__u64 bios, requests;
} __attribute__((aligned(64)));

/* A disk as a VM uses it, by the number of that subject. */
#define KS_DISKS (KS_SUBJECTS_MAX + 1) /* a power of two */

struct ks_disk {
	__u64 depth; /* requests with the driver */
	__u64 end;   /* the sector behind the request that was issued last */
	char name[32];
	__u64 pad[2];
};

/* Requests that failed, by the status that they had: blk_status_t, or KS_STATUS_ERRNO and an errno.
 */
struct ks_disk_error {
	__u32 subject;
	__u32 status;
};
#define KS_STATUS_ERRNO 0x10000

/* A queue depth is recorded as so many times 2, for a histogram's first bucket ends at 64. */
#define KS_DEPTH_SHIFT 6

/*
 * Packets (bpf/net.bpf.h). User space numbers the interfaces of each network namespace that VMs
 * have interfaces in; the kernel side finds an interface's number by its ifindex, in chains
 * of those that share a place.
 */
#define KS_NICS		    4096   /* numbers, from 1 on */
#define KS_NIC_OTHER	    0xffff /* stands for what came after a tap had KS_WAYS_MAX ways */
#define KS_NIC_PLACES	    16384
#define KS_NIC_OTHERS_SHIFT 12 /* log2 of how many that do not matter are remembered */
#define KS_WAYS_MAX	    24 /* of a tap, in one direction */

enum ks_nic_flags {
	KS_NIC_VM = 1,	    /* a VM's: a tap, a macvtap */
	KS_NIC_MACVTAP = 2, /* a macvtap: what it sends shows first at net_dev_queue */
	KS_NIC_FEEDS = 4,   /* what it receives may go to a VM: note when it came */
	KS_NIC_KEEPS = 8,   /* and note it in the table: others are received before it goes on */
	KS_NIC_BRIDGE =
		16, /* a bridge with such an interface: what the host sends on it may, too */
	KS_NIC_PASSES = 32,  /* a device on top of others: what it transmits goes on to the next */
	KS_NIC_VETH = 64,    /* what it receives, its peer has transmitted */
	KS_NIC_COUNTS = 128, /* a NIC: how many packets of it come up to the stack is counted */
};

enum ks_net_direction { KS_NET_TX, KS_NET_RX }; /* the guest's */

struct ks_nic {
	__u64 dev;     /* its struct net_device: the kernel side's; 0: not met yet */
	__s32 ifindex; /* 0: not in use */
	__u32 netns;   /* inode */
	__u32 flags;   /* enum ks_nic_flags */
	__u32 mtu;
	__u16 next;   /* of its chain */
	__u16 master; /* number of the bridge or bond that it is a port of */
	__u16 lower;  /* number of the device that it is on top of, or of its peer */
	__u16 vm;     /* the VM's number, with KS_NIC_VM */
	/* the kernel side's */
	__u32 tx, rx; /* subjects: all packets that the guest sent, that it was sent */
	/*
	 * A VM's: requests that it has sent and that nothing has answered, and since when
	 * (CLOCK_MONOTONIC ns). User space sets those to 0 that it has told of. ARP's are for
	 * arp_target, one at a time; dhcp_xid: replies to that are looked for, 0: to none. A
	 * bridge's asked_dhcp: one of its VMs has asked.
	 */
	__u32 asked_arp, asked_dhcp;
	__u32 arp_target, dhcp_xid; /* as in the packet */
	__u64 asked_arp_t, asked_dhcp_t;
	__u16 ways[2]; /* so many, by direction */
	/* ways that were taken last: parent (24 bits), interface (16), the way's number (24) */
	__u64 way[2][8];
};

/*
 * Subjects of packets. part: number of the VM's interface << 1 | direction. object, by kind:
 *   all    everything of that interface and direction
 *   way    what came to an interface (number << 16), by way of another subject (<< 32; 0: there
 *          it was first seen; KS_WAY_HOST: likewise, and it is the host's own)
 *   drop   what died at an interface (number << 16), at a stage (low byte), and why (<< 32): the
 *          kernel's reason, or
 *   drop_at  the low half of the address of the code that freed it
 * Of what died, part has the number of the interface that it was on its way to, << 16; 0: not
 * known.
 */
enum ks_net_kind { KS_NET_ALL = 1, KS_NET_WAY, KS_NET_DROP, KS_NET_DROP_AT };
#define KS_NET_KIND(object)  ((__u8)((object) >> 8))
#define KS_NET_STAGE(object) ((__u8)(object))
#define KS_NET_NIC(object)   ((__u16)((object) >> 16))
#define KS_NET_UPPER(object) ((__u32)((object) >> 32))
#define KS_NET_PART(part)    ((__u16)(part))
#define KS_NET_TOWARD(part)  ((__u16)((part) >> 16))
#define KS_WAY_HOST	     0xffffff
#define KS_NET_OBJECT(upper, nic, kind, stage) \
	((__u64)(upper) << 32 | (__u64)(nic) << 16 | (__u64)(kind) << 8 | (stage))

/* Where a packet is, that is on its way. */
enum ks_net_stage {
	KS_NET_NOWHERE,
	KS_NET_MAYBE,	 /* received, and whether it goes to a VM will be seen */
	KS_NET_RECEIVED, /* in a bridge, or the host's protocols */
	KS_NET_QUEUED,	 /* on an interface's queue */
	KS_NET_PASSED,	 /* transmitted by a device that is on top of others */
	KS_NET_RING,	 /* in a tap's ring */
};

struct ks_flight {
	__u64 skb; /* 0: not in use */
	__u64 t;   /* since when it is there, CLOCK_MONOTONIC ns; 0: it is not followed */
	__u32 tx;  /* subjects: its way as what a guest sent, */
	__u32 rx;  /* and as what a guest is sent; 0: none */
	__u16 nic;
	__u16 tap; /* that sent it */
	__u32 iif; /* skb_iif (24 bits), stage << 24 */
	/*
	 * What is on a queue, and only its driver comes after that: for how long it was there, of
	 * the CPU that put it there, and KS_FLIGHT_KEY() of both. All else: its length, and
	 * KS_FLIGHT_NO_KEY.
	 */
	__u32 cell;
	__u32 key;
};

/* Of an interface, by the low half of its address, and a CPU: addresses are 4096 apart. */
#define KS_FLIGHT_KEY(dev, cpu) ((dev) + (cpu))
#define KS_FLIGHT_NO_KEY	~0U
#define KS_FLIGHT_AGAIN		(~0U - 1) /* its driver has refused it, and it is on the queue again */

#define KS_FLIGHT_WAYS		4
#define KS_FLIGHT_SETS_SHIFT	14
#define KS_FLIGHT_SETS		(1 << KS_FLIGHT_SETS_SHIFT)
#define KS_FLIGHT_IIF(f)	((f)->iif & 0xffffff)
#define KS_FLIGHT_STAGE(f)	((f)->iif >> 24)

/* Packets in flight, at a hash of their addresses. */
struct ks_flights {
	struct ks_flight way[KS_FLIGHT_WAYS];
	__u64 more; /* others than the first may be in use */
};

/* The packet that a CPU has in its hands, from where it was received on. */
#define KS_HAND_PLACES 3
struct ks_hand {
	__u64 skb, head;
	__u64 fresh; /* skb, from when a guest's tap received it until it goes anywhere */
	__u32 tx;    /* its way as what a guest sent; 0: no guest's */
	__u16 tap;
	__u8 n;	   /* places that it has been at */
	__u8 sent; /* from where it is now, it or a copy has been queued: once it is not fresh */
	__u64 t[KS_HAND_PLACES];
	__u16 nic[KS_HAND_PLACES];
	__u16 skipped; /* until the next one is followed */
	/* the last packet that it put on a queue and that has to be cut up, and on whose */
	__u64 large;
	__u32 large_nic;
	__s32 iif; /* of fresh: its tap's ifindex */
	/* the last of the host's own that went to a bridge; it may be an answer to the one in hand
	 */
	__u64 own, own_head, own_t, own_nic;
};

/*
 * What a CPU has measured of a disk's subject: all its histograms in one place, for a request adds
 * to most of them when it completes. The subject's tally has its number, in place of the first
 * cell's.
 */
#define KS_DISK_METRICS (KS_M_DISK_DEPTH - KS_M_DISK_Q2G + 1)

struct ks_hist {
	__u64 sum;
	__u64 max; /* since user space last took it */
	__u64 bucket[KS_HIST_BUCKETS];
};

/*
 * Small depths and sizes have counters of their own: that takes less than a histogram does, and
 * how many requests there were, and what was in them, is their sum. bucket[] has the rest.
 */
#define KS_DISK_SHAPES	   128 /* depth << 1 | sequential */
#define KS_DISK_SIZES	   256 /* sectors of 512 bytes */
#define KS_DISK_SIZE_SHIFT 9

struct ks_disk_hists {
	__u32 owner; /* number of the subject; 0: not in use */
	__u32 pad;
	__u64 requests; /* beside those that are in shape[] */
	__u64 bytes;	/* of these */
	__u64 sequential;
	__u64 shape[KS_DISK_SHAPES];
	__u64 size[KS_DISK_SIZES];
	struct ks_hist of[KS_DISK_METRICS]; /* by metric - KS_M_DISK_Q2G */
	__u64 room[256 - KS_HIST_BUCKETS];  /* the verifier knows of a byte that it is below 256 */
};

/*
 * What each CPU has found out last, by a hash of what it asked. User space clears it all whenever
 * VMs, their cgroups or devices have changed.
 */
#define KS_DISK_MEMO_CPUS 1024 /* those with a higher number look it up each time */
#define KS_DISK_MEMOS	  8

struct ks_disk_memo {
	__u64 device; /* 0: nothing is known */
	__u64 blkg;
	__u64 asked; /* process << 32 | bi_opf */
	__u64 whose;
};

/* Each CPU's histograms of the subjects that it met last, by number. */
#define KS_DISK_HINTS 16

/* What a CPU has found out of an interface, at a hash of its struct net_device: two for each. */
struct ks_nic_memo {
	__u64 dev; /* 0: not in use */
	__s32 ifindex;
	__u16 flags;  /* of its struct ks_nic */
	__u16 nr;     /* its number */
	__u32 large;  /* a frame of more bytes than this has to be cut up */
	__u32 tx, rx; /* subjects, as in struct ks_nic */
	__u32 tally;  /* this CPU's of tx, if it is a tap that packets simply come from; else 0 */
};

/* of a way, at a hash of where it comes from and leads to */
struct ks_way_memo {
	__u64 key;
	__u32 way;
	__u32 pad;
};

/*
 * and of where a guest's packets simply go from their tap, at a hash of the two. Without an
 * ifindex: it is no VM's, and user space hears of its end before another one is at its address and
 * a port.
 */
struct ks_route {
	__u64 dev;		 /* a struct net_device: no VM's, no bridge */
	__u32 from;		 /* subject: all that the guest has sent; 0: not in use */
	__u32 large;		 /* as in the device's memo */
	__u32 cell;		 /* for the time from the tap to the device */
	__u32 tally;		 /* of the way that it is, of this CPU */
	struct ks_flight flight; /* what each is like on the device's queue */
};

#define KS_NIC_MEMOS_SHIFT 5
#define KS_WAY_MEMOS	   32
#define KS_ROUTES	   16

/* What a CPU knows of packets. */
struct ks_net_cpu {
	__u32 stale;   /* user space has changed an interface: forget the memos */
	__u32 tallies; /* where this CPU's begin, in the array of all */
	__u32 found;   /* see flight_here() */
	__u32 pad[13];
	struct ks_hand hand;
	struct ks_nic_memo nic[2 << KS_NIC_MEMOS_SHIFT];
	struct ks_way_memo way[KS_WAY_MEMOS];
	struct ks_route route[KS_ROUTES];
} __attribute__((aligned(64)));

struct ks_cell {
	__u64 key;    /* what the metric's label says */
	__u32 owner;  /* slot of the vCPU, or number of the subject */
	__u16 metric; /* enum ks_metric; 0: not in use */
	__u16 pad;
	/*
	 * How often the thing happened. An exit adds to it only if its end was not seen: those
	 * that ended are in the buckets, of this cell and of off_wall's, and one is under way.
	 */
	__u64 count;
	__u64 sum;	/* of the values in bucket[] */
	__u64 max;	/* since user space last took it */
	__u32 off_wall; /* of an exit's cell: the cells for exits that left their CPU, */
	__u32 off_cpu;	/* by wall time and by time on CPU */
	/*
	 * An exit's time by state. Most exits are time in the kernel and nothing else: those add to
	 * sum alone. For the rest part[KS_KERNEL] corrects it, modulo 2^64, so that time in the
	 * kernel is always sum + part[KS_KERNEL].
	 */
	__u64 part[KS_STATES];
	__u64 bucket[KS_HIST_BUCKETS];
};

#endif
