/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals to guests that hold nobody up. librte_vhost tells a guest of used buffers by a write to
 * an eventfd that the front-end gave it, and the front-end has that open file too: it may make it
 * blocking again at any time, and fill it. A write to a full eventfd that blocks waits for its
 * reader; there is no way of writing that never does.
 *
 * So the write is ours (guest_signal.c replaces libc's eventfd_write()): each thread notes that it
 * is at it, and whoever looks twice and sees the same write sends that thread a signal, which ends
 * its wait. The lcore then sends the front-end away. eventfd(2), signal(7).
 */
#ifndef RENICD_PORTS_GUEST_SIGNAL_H
#define RENICD_PORTS_GUEST_SIGNAL_H

#include <stdbool.h>

/* Once, before the first write. 0 or -errno. */
int guest_signals_init(void);

/* End what has been waiting since the last look. Any thread, every 10 ms or so: the control
 * thread's tick, and who waits for an lcore. */
void guest_signals_rescue(void);

/* Did a write of this thread's have to be ended since it was asked last? Cheap. */
bool guest_signal_waited(void);

#endif
