/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types that the BPF programs name. vmlinux/gen has made this of
 * vmlinux/types.list: make changes there.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef unsigned char __u8;
typedef signed char __s8;
typedef short unsigned int __u16;
typedef short int __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef long long unsigned int __u64;
typedef long long int __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum {
	false = 0,
	true = 1,
};

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_QUEUE = 22,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_MMAPABLE = 1024,
	BPF_F_NO_PREALLOC = 1,
};

struct sched_info {
	long long unsigned int run_delay;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct preempt_notifier {
	struct hlist_node link;
};

typedef __u64 u64;

struct sched_entity {
	u64 sum_exec_runtime;
};

struct upid {
	int nr;
};

struct pid {
	struct upid numbers[0];
};

typedef int __kernel_pid_t;
typedef __kernel_pid_t pid_t;

struct task_struct {
	pid_t pid;
	struct hlist_head preempt_notifiers;
	pid_t tgid;
	struct task_struct *group_leader;
	u64 start_boottime;
	struct sched_info sched_info;
	struct sched_entity se;
	unsigned int flags;
	int on_cpu;
};

struct bpf_iter__task {
	struct task_struct *task;
};

typedef __s64 time64_t;

struct timespec64 {
	time64_t tv_sec;
	long int tv_nsec;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	unsigned int mtu;
	possible_net_t nd_net;
};

typedef unsigned int sk_buff_data_t;

struct sk_buff {
	struct net_device *dev;
	unsigned int len;
	int skb_iif;
	unsigned char *head;
	unsigned char *data;
	sk_buff_data_t end;
	__be16 protocol;
	__u16 network_header;
	__u8 pkt_type : 3;
	long unsigned int _skb_refdst;
};

struct dst_entry {
	struct net_device *dev;
};

struct skb_shared_info {
	short unsigned int gso_size;
	short unsigned int gso_segs;
};

struct task_struct___since_5_14 {
	unsigned int __state;
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct request_queue;

struct gendisk {
	int major;
	int first_minor;
	char disk_name[32];
	struct request_queue *queue;
};

typedef __u32 u32;
typedef u32 __kernel_dev_t;
typedef __kernel_dev_t dev_t;

struct block_device {
	dev_t bd_dev;
	struct gendisk *bd_disk;
};

typedef u64 sector_t;

struct bvec_iter {
	sector_t bi_sector;
	unsigned int bi_size;
};

typedef __u32 blk_opf_t;
typedef __u8 u8;
typedef u8 blk_status_t;

struct bio {
	struct bio *bi_next;
	struct block_device *bi_bdev;
	blk_opf_t bi_opf;
	blk_status_t bi_status;
	struct bvec_iter bi_iter;
	void *bi_private;
	struct blkcg_gq *bi_blkg;
};

struct request_queue {
	struct gendisk *disk;
};

typedef __u32 req_flags_t;

struct request {
	struct request_queue *q;
	struct bio *bio;
	struct bio *biotail;
	blk_opf_t cmd_flags;
	req_flags_t rq_flags;
	unsigned int __data_len;
	sector_t __sector;
};

struct task_struct___before_5_14 {
	volatile long int state;
};

struct bio___before_5_12 {
	struct gendisk *bi_disk;
};

struct request___before_5_17 {
	struct gendisk *rq_disk;
};

struct kvm_vcpu_stat_generic {
	u64 halt_poll_success_ns;
	u64 halt_poll_fail_ns;
};

struct kvm_vcpu_stat {
	struct kvm_vcpu_stat_generic generic;
	u64 exits;
};

struct kvm_vcpu {
	int vcpu_id;
	struct pid *pid;
	struct preempt_notifier preempt_notifier;
	struct kvm_vcpu_stat stat;
};

#pragma clang attribute pop

#endif
