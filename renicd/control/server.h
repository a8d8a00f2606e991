/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket's server: the daemon's one control thread runs its loop, which is also what
 * drives the device's timer and events (nic_tick(), nic_event_fd()) and waits for signals.
 *
 * Nobody waits for anybody: all descriptors are non-blocking, each client's share of a round is
 * bounded, and peers that may only read come after those that may change.
 * docs/protocol.md is the contract.
 */
#ifndef RENICD_CONTROL_SERVER_H
#define RENICD_CONTROL_SERVER_H

#include "listener.h"

enum {
	CONTROL_CLIENTS_MAX = 64,
	CONTROL_READERS_MAX = 48, /* of them, peers that may only read: owners get in always */
};

struct control_server;

/*
 * SIGTERM, SIGINT and SIGHUP are taken by the server's loop, SIGPIPE by nobody. To be called
 * before any other thread is started (rte_eal_init() included), as threads inherit the mask.
 */
void control_block_signals(void);

/*
 * Bind the control socket (listener_open()): from now on no other daemon takes it. Peers that
 * connect wait until control_server_run(). Control thread; the device need not be there yet.
 * Returns 0 and *server, or a negative enum renic_error_code with *err filled.
 */
int control_server_start(
	const struct control_config *config, struct control_server **server, struct nic_error *err);

/*
 * Serve, with the device there, and be its event sink, until SIGTERM or SIGINT; SIGHUP does
 * nothing. Returns 0, or -errno when the loop itself failed. Nothing that a client sends ends it.
 * @tick  called with each tick of the loop's timer, 10 to 100 ms apart; may be NULL
 */
int control_server_run(struct control_server *server, void (*tick)(void));

/*
 * Close every connection, remove the socket, free. The device is not told that its clients are
 * gone: that would carry out on_replicator_lost, but it is the daemon that ends here, not the
 * replicator. NULL is fine.
 */
void control_server_stop(struct control_server *server);

#endif
