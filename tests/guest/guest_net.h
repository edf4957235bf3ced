/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kvmguest's interfaces: taps and macvtaps that it holds open, sends to and reads from as told. */
#ifndef GUEST_NET_H
#define GUEST_NET_H

#define MAX_TAPS 16

/* Opens what --tap names, or ends the program. An option names one; the same name again is one more
 * queue. */
void guest_net__open(const char *name);

/*
 * Obeys the lines of the standard input until that ends, with an answer for each
 * (tests/guest/README.md).
 */
void guest_net__serve(void);

#endif
