/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The least that a tracer can cost: programs that do nothing, or read the clock. A
 * program's group is what its name begins with; attach takes one group of them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 last;

SEC("tp_btf/kvm_exit")
int empty__exit(void *ctx)
{
	return 0;
}

SEC("tp_btf/kvm_entry")
int empty__entry(void *ctx)
{
	return 0;
}

/* kvm_exit alone: what --counts attaches */
SEC("tp_btf/kvm_exit")
int single__exit(void *ctx)
{
	return 0;
}

SEC("tp_btf/kvm_exit")
int clock__exit(void *ctx)
{
	last = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/kvm_entry")
int clock__entry(void *ctx)
{
	last = bpf_ktime_get_ns();
	return 0;
}

/* through perf's tracepoints, as bpftrace and BCC do it */
SEC("tp/kvm/kvm_exit")
int classic__exit(void *ctx)
{
	return 0;
}

SEC("tp/kvm/kvm_entry")
int classic__entry(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_switch")
int switch__out(void *ctx)
{
	return 0;
}

/* block I/O: what any tracer of these four events has */
SEC("tp_btf/block_bio_queue")
int disk__queue(void *ctx)
{
	return 0;
}

SEC("tp_btf/block_getrq")
int disk__getrq(void *ctx)
{
	return 0;
}

SEC("tp_btf/block_rq_issue")
int disk__issue(void *ctx)
{
	return 0;
}

SEC("tp_btf/block_rq_complete")
int disk__complete(void *ctx)
{
	return 0;
}

/* packets: what any tracer of these three events has */
SEC("tp_btf/netif_receive_skb")
int net__receive(void *ctx)
{
	return 0;
}

SEC("tp_btf/net_dev_queue")
int net__queue(void *ctx)
{
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int net__start_xmit(void *ctx)
{
	return 0;
}
