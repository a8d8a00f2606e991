/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile daemon: librenic's calls get the input as the answer. First byte: which call. A call
 * that fails says why; a socket that ended stays ended.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "fuzz.h"

enum { ANSWER_MAX = 64 << 10, EVENTS = 16 };

static struct renic_client *client_on(int fd)
{
	struct renic_client *client = calloc(1, sizeof(*client));

	FUZZ_REQUIRE(client && !stream_init(&client->stream, fd));
	STAILQ_INIT(&client->events);
	client->timeout_ms = RENIC_DEFAULT_TIMEOUT_MS;
	return client;
}

static int call(struct renic_client *client, unsigned which, struct renic_error *err)
{
	struct renic_checkpoint checkpoint;
	struct renic_event event;
	json_t *result = NULL;
	int rc;

	switch (which % 4) {
	case 0:
		return renic_checkpoint_begin(client, "g", &checkpoint, err);
	case 1:
		return renic_checkpoint_commit(client, "g", 7, err);
	case 2:
		for (int i = 0; i < EVENTS; i++) {
			rc = renic_event_wait(client, 0, &event, err);
			if (rc != 1)
				return rc;
			FUZZ_REQUIRE(memchr(event.type, '\0', sizeof(event.type)));
			FUZZ_REQUIRE(memchr(event.detail, '\0', sizeof(event.detail)));
		}
		return 0;
	default:
		rc = renic_call(client, "vf_list", NULL, &result, err);
		FUZZ_REQUIRE(!rc == !!result);
		json_decref(result);
		return rc;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct renic_client *client;
	int ends[2];

	if (!size || size > ANSWER_MAX)
		return 0;
	FUZZ_REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	FUZZ_REQUIRE(send(ends[1], data + 1, size - 1, MSG_NOSIGNAL) == (ssize_t)(size - 1));
	shutdown(ends[1], SHUT_WR);
	client = client_on(ends[0]);
	for (int i = 0; i < 3; i++) {
		struct renic_error err = {0};
		int rc = call(client, data[0] + i, &err);

		FUZZ_REQUIRE(rc >= 0 || err.code == rc);
		FUZZ_REQUIRE(rc >= 0 || err.message[0]);
		FUZZ_REQUIRE(memchr(err.message, '\0', sizeof(err.message)));
	}
	renic_close(client);
	close(ends[1]);
	return 0;
}
