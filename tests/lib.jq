# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What checks ask of kvmscope's JSON. Input: a list of reports.

# true, or what was there instead.
def must(f): . as $got | if ($got | f) then true else $got end;

def sum(f): reduce .[] as $x (0; . + ($x | f));
def abs: if . < 0 then -. else . end;

# The only report.
def only: if length == 1 then .[0] else error("\(length) reports, not 1") end;

# The rows of a VM of that name, in all reports.
def vm($name): [.[].vms[] | select(.name == $name)];

# Rows with reason and count -> {reason: count}, summed.
def counts: reduce .[] as $r ({}; .[$r.reason] += $r.count) | with_entries(select(.value > 0));
def exits($name): [vm($name)[].exits[]] | counts;
def userspace($name): [vm($name)[].userspace[]] | counts;
# Of each vCPU by its id.
def exits_by_vcpu($name):
	[vm($name)[].vcpus[]] | group_by(.id)
	| map({(.[0].id | tostring): ([.[].exits[]] | counts)}) | add;

def losses: [.[].loss | to_entries[]] | group_by(.key)
	| map({(.[0].key): sum(.value)}) | add | with_entries(select(.value > 0));
def complete: all(.[]; .complete);

def split_sum: [.split_ns[]] | add;

# Rows of a VM's disks, by the names of disk and operation.
def disk($vm; $name; op): op as $op | vm($vm)[].disks[] | select(.name == $name and .op == $op);
# How many requests a disk had, of all VMs and the host.
def host_disk($name; op): op as $op
	| [.[].vms[].disks[] | select(.name == $name and .op == $op).count] | add // 0;

# A count, with what is told as lost, covers what there was; and is never more.
def covers($all): . as $got | ($got.count <= $all and $got.count + ($got.losses | add // 0) >= $all);

# How many requests a disk had, with those of which no end was seen: in flight for ever, or told as missed.
def host_disk_told($name; op): op as $op | host_disk($name; $op) + (losses.disk_ends_missed // 0)
	+ ([.[].vms[].disks[] | select(.name == $name and .op == $op).in_flight] | add // 0);

# Interfaces of a VM in all reports; one, in one direction; its hops, as "FROM>TO STAGE PACKETS".
def nics($name): [.[].vms[] | select(.name == $name).nics[]];
def nic($name; $nic; $direction): nics($name)[] | select(.name == $nic and .direction == $direction);
def hops($name; $nic; $direction):
	[nic($name; $nic; $direction).hops[] | "\(.from)>\(.to) \(.stage) \(.packets)"];
