/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile control client: what it writes to its socket, cut in pieces, through the connection's
 * line buffer (client.c) and the dispatcher to the recording device. First byte: bit 0 may change,
 * the rest the length of a piece. Every answer is one line of JSON.
 */
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "client.h"
#include "fake_nic.h"
#include "fuzz.h"

enum { PIECE_UNIT = 8, SINK_BYTES = 64 << 10 };

static struct json_writer answer;

static void check_answer(const struct json_writer *w)
{
	json_t *root;

	FUZZ_REQUIRE(w->buf[w->len - 1] == '\n');
	FUZZ_REQUIRE(memchr(w->buf, '\n', w->len) == w->buf + w->len - 1);
	root = json_loadb(w->buf, w->len, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_REQUIRE(json_is_object(root) || json_is_array(root));
	json_decref(root);
}

static void drain(int fd)
{
	static char sink[SINK_BYTES];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

/* As the server does it (handle_line()). */
static void serve(struct client *c, int peer)
{
	const char *line;
	size_t len;

	while (!c->dead && (line = client_next_line(c, &len))) {
		struct rpc_reply reply = {.json = answer};

		reply.json.len = 0;
		jsonrpc_handle(&c->peer, line, len, &reply);
		FUZZ_REQUIRE(!reply.json.failed);
		if (reply.json.len) {
			check_answer(&reply.json);
			client_send(c, reply.json.buf, reply.json.len, reply.fds, reply.n_fds);
		} else {
			rpc_reply_drop_fds(&reply, 0);
		}
		answer = reply.json;
		answer.len = 0;
		drain(peer);
		client_flush(c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_peer peer = {.client = 1, .may_change = size && data[0] & 1};
	size_t piece = size ? (size_t)(data[0] >> 1) * PIECE_UNIT + 1 : 1;
	struct client *c;
	int ends[2];

	fake_nic_reset();
	FUZZ_REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	c = client_new(ends[0], &peer);
	FUZZ_REQUIRE(c);
	for (size_t at = 1; at < size; at += piece) {
		size_t n = piece < size - at ? piece : size - at;

		FUZZ_REQUIRE(send(ends[1], data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
		client_read(c);
		serve(c, ends[1]);
		if (c->dead || client_line_too_long(c))
			break;
	}
	client_free(c);
	close(ends[1]);
	return 0;
}
