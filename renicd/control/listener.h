/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket's file: who may bind it, who may reach it. A lock file beside it
 * (SOCKET.lock) is held for the daemon's life, so that a stale socket can be removed safely and
 * a live one never is. Control thread, at start and end.
 */
#ifndef RENICD_CONTROL_LISTENER_H
#define RENICD_CONTROL_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "nic/error.h"
#include "nic/types.h"

#define CONTROL_NO_ID ((uid_t)-1) /* owner or group: as the daemon has it */

struct control_config {
	char socket[NIC_PATH_SIZE];
	uid_t owner; /* may change; CONTROL_NO_ID: the daemon's user */
	gid_t group;
	mode_t mode; /* of the socket: who may read at all */
};

struct listener {
	int fd; /* listening, non-blocking */
	int lock_fd;
	uid_t owner; /* as chowned */
	char socket[NIC_PATH_SIZE];
};

/*
 * Take the lock, remove a stale socket, bind, set owner and mode, listen. No peer gets in before
 * owner and mode are set. Returns 0, or with *err filled: RENIC_E_EXISTS (another daemon holds
 * the lock, or the path is something other than a socket), RENIC_E_PARAMS, RENIC_E_IO.
 */
int listener_open(struct listener *l, const struct control_config *config, struct nic_error *err);

/* Stops listening; removes socket and lock file. */
void listener_close(struct listener *l);

/* The uid at the other end of a connection, or CONTROL_NO_ID. */
uid_t listener_peer_uid(int fd);

/* May this user change, or only read? Root, the socket's owner, the daemon's own user. */
bool listener_may_change(const struct listener *l, uid_t uid);

#endif
