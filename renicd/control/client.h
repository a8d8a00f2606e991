/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One control connection: bytes in until a line is whole, bytes and descriptors out in order.
 * Nothing here blocks, waits or grows without bound: a peer that stalls costs its buffers, one
 * that sends too long a line is told and closed, of one that does not read no further line is
 * served, and it is given up when events fill CLIENT_OUTPUT_MAX bytes.
 *
 * `dead` is only a mark: the server frees dead clients between two rounds, so that a client may
 * be given up anywhere, in the midst of its own request too. Control thread only.
 */
#ifndef RENICD_CONTROL_CLIENT_H
#define RENICD_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jsonrpc.h"
#include "rpc.h"

enum {
	CLIENT_BEHIND = 64 << 10, /* more bytes than these wait: no further line is served */
	CLIENT_OUTPUT_MAX = CLIENT_BEHIND + JSONRPC_ANSWER_MAX, /* that wait for a peer to read */
	CLIENT_READER_REQUEST_MAX = 64 << 10, /* a request of a peer that may only read */
	CLIENT_FDS_MAX = 32,		      /* descriptors that wait with them */
};

/* A descriptor that goes with the byte at `position` of all that was ever sent. */
struct client_fd {
	uint64_t position;
	int fd;
};

struct client {
	int fd;
	struct rpc_peer peer;
	bool eof;     /* the peer will send no more */
	bool closing; /* no more requests; closed when the output is out */
	bool dead;
	uint32_t watched; /* what epoll watches it for */

	/* input: [in_head, in_len) is unread; no newline before in_scanned */
	char *in;
	size_t in_head, in_len, in_scanned, in_cap, request_max;

	/* output: [out_head, out_len) is unsent */
	char *out;
	size_t out_head, out_len, out_cap;
	uint64_t out_sent; /* bytes ever sent */
	struct client_fd fds[CLIENT_FDS_MAX];
	unsigned n_fds;
};

/* Takes over fd. NULL: no memory (fd is closed). */
struct client *client_new(int fd, const struct rpc_peer *peer);
void client_free(struct client *c);

/* Read once what the peer sent, unless a whole line is waiting already. */
void client_read(struct client *c);

/* The next whole line, without its newline: valid until the next client_read(). NULL: none. */
const char *client_next_line(struct client *c, size_t *len);
bool client_has_line(const struct client *c);

/* As much as a request may be long came without a newline. */
bool client_line_too_long(const struct client *c);

/* Send bytes, the descriptors with the first of them: at once as far as the socket takes them,
 * the rest later. The descriptors are taken over. */
void client_send(struct client *c, const char *bytes, size_t len, const int *fds, unsigned n_fds);

/* Send what waits, as far as the socket takes it. */
void client_flush(struct client *c);

static inline bool client_has_output(const struct client *c)
{
	return c->out_head < c->out_len;
}

/* So much waits for the peer to read that the next answer might not find room. */
static inline bool client_is_behind(const struct client *c)
{
	return c->out_len - c->out_head > CLIENT_BEHIND ||
	       c->n_fds + RPC_REPLY_FDS_MAX > CLIENT_FDS_MAX;
}

#endif
