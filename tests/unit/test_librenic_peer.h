/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scripted daemon for tests of librenic and renicctl: a real Unix socket, one connection, a
 * thread that runs the test's script and speaks raw bytes. cmocka's assertions belong to the main
 * thread, so what the script finds wrong is kept and asserted by peer_join().
 */
#ifndef TEST_LIBRENIC_PEER_H
#define TEST_LIBRENIC_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
	char dir[64], path[96];
	int listen_fd, fd;
	pthread_t thread;
	void (*script)(struct peer *peer);
	void *arg;  /* the test's, for the script */
	char *line; /* last request, without its newline */
	size_t line_size, have;
	char *received; /* bytes after that line */
	uint64_t id;	/* of the last request */
	char failure[512];
};

/* Listens in a new directory and runs script in a thread for the first who connects. */
void peer_start(struct peer *peer, void (*script)(struct peer *peer), void *arg);
/* Waits for the script, asserts that the script found nothing wrong. */
void peer_join(struct peer *peer);

/* For scripts. Reads are bounded: a client that says nothing for 10 s is a failure. */
const char *peer_read(struct peer *peer);	       /* next request; NULL: closed */
void peer_expect(struct peer *peer, const char *part); /* a request that has `part` in it */
bool peer_quiet(struct peer *peer, int ms);	       /* no request for so long */
void peer_send(struct peer *peer, const char *bytes);
void peer_send_n(struct peer *peer, const void *bytes, size_t len);
void peer_send_fds(struct peer *peer, const char *bytes, const int *fds, size_t n);
void peer_result(struct peer *peer, const char *result); /* answers the last request */
void peer_error(struct peer *peer, const char *error);
void peer_event(struct peer *peer, const char *type, const char *name);
void peer_close(struct peer *peer);
void peer_wait_close(struct peer *peer); /* until the client closes */
void peer_fail(struct peer *peer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Open descriptors of this process. */
unsigned count_fds(void);

#endif
