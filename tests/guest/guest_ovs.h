/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A datapath of the kernel's Open vSwitch with two ports, without its daemons. */
#ifndef GUEST_OVS_H
#define GUEST_OVS_H

/*
 * Makes it: what comes to one of the ports goes to the other, if it is a frame of protocol 0x88b5.
 * 0 or -errno: -ENOENT where there is no openvswitch.
 */
int guest_ovs__make(const char *datapath, const char *port_a, const char *port_b);

#endif
