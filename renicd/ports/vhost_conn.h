/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection behind a vhost-user device. librte_vhost reads and writes it blocking, on one
 * thread for all devices, and tells nobody its descriptor: a front-end that sends half a message,
 * or never reads its replies, would hold up all others. So we look the descriptor up, and bound
 * what it can do. Any thread.
 */
#ifndef RENICD_PORTS_VHOST_CONN_H
#define RENICD_PORTS_VHOST_CONN_H

#include <stdbool.h>

/*
 * A new descriptor (the caller closes it) of the connected socket at path, other than `known` (a
 * descriptor that an earlier call returned, or -1). server: we listened. From now on a message
 * must be whole within half a second. Returns -1 if there is none.
 */
int vhost_conn_find(const char *path, bool server, int known);

/* Does the peer leave its replies unread? A further one might then block. */
bool vhost_conn_is_clogged(int fd);

/* Has the peer closed its end? */
bool vhost_conn_hung_up(int fd);

#endif
