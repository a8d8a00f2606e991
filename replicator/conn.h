/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection of the two sides over TCP: TLS 1.3 with certificates on both ends (OpenSSL), or
 * plain where the config file says so by name. One thread may read while another one writes; for
 * TLS a lock keeps them apart inside OpenSSL, never while waiting.
 *
 * Results: bytes or 0, or -errno; -ETIMEDOUT: nothing moved for that long; -EPIPE: the peer closed.
 */
#ifndef REPLICATOR_CONN_H
#define REPLICATOR_CONN_H

#include <sys/types.h>

#include "config.h"

struct conn;
struct conn_context; /* certificates, or the knowledge that there are none */

/* Loads the files. RENIC_E_IO with *err: what is wrong with which file. */
int conn_context_new(
	const struct remus_config *config, struct conn_context **context, struct nic_error *err);
void conn_context_free(struct conn_context *context);

/* HOST:PORT, [IPv6]:PORT. A listening descriptor, or a negative code with *err. */
int conn_listen(const char *address, struct nic_error *err);

/* Shake hands with a peer whose connection was accepted, without blocking, as `fd`, which is the
 * conn's now, and closed on failure. NULL with *err. */
struct conn *conn_accept(
	struct conn_context *context, int fd, int timeout_ms, struct nic_error *err);
struct conn *conn_connect(
	struct conn_context *context, const char *address, int timeout_ms, struct nic_error *err);

/* Some bytes, waiting at most timeout_ms for the first. */
ssize_t conn_read(struct conn *c, void *buf, size_t n, int timeout_ms);
/* All bytes; timeout_ms: without any progress. */
int conn_write(struct conn *c, const void *buf, size_t n, int timeout_ms);

/* Both directions end: whoever reads or writes returns. Any thread. */
void conn_shutdown(struct conn *c);
void conn_close(struct conn *c);

/* Where the other end is: "10.0.0.2:40112". */
const char *conn_peer(const struct conn *c);

#endif
