/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control server in a thread, on a Unix socket in a temporary directory, and a plain blocking
 * client to talk to it. Reads give up after FIXTURE_TIMEOUT_S, so that a test fails, not hangs.
 * Link with -Wl,--wrap=getsockopt: fixture_peer_uid then is who peers seem to be.
 */
#ifndef TEST_CONTROL_FIXTURE_H
#define TEST_CONTROL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fake_nic.h"
#include "server.h"

enum { FIXTURE_TIMEOUT_S = 20, FIXTURE_STRANGER = 54321 };

struct control_fixture {
	char dir[64];
	struct control_config config;
	struct control_server *server;
	pthread_t thread;
	int run_rc;
};

/* The uid of peers that connect from now on; CONTROL_NO_ID: the true one. */
extern atomic_uint fixture_peer_uid;

/* cmocka's setup and teardown: *state is a struct control_fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* The server's end by SIGTERM, and its start on the same path. */
void fixture_stop(struct control_fixture *f);
void fixture_start(struct control_fixture *f);

int fixture_connect(const struct control_fixture *f);

/* All of it, or the test fails. */
void fixture_send(int fd, const char *text, size_t len);
void fixture_send_line(int fd, const char *text);

/* The next line without its newline (free it), or NULL at the end of the stream. */
char *fixture_read_line(int fd);

/* The next line as JSON (decref it). */
json_t *fixture_read(int fd);

/* Send a request with id 1, read its answer; returns the result (decref it). params: JSON text
 * or NULL. */
json_t *fixture_call(int fd, const char *method, const char *params);

/* The same, but it must fail with `code`; returns the error's data or null (decref it). */
json_t *fixture_call_fails(int fd, const char *method, const char *params, int code);

/* Wait until *counter is at least `value`; the test fails if that does not happen. */
void fixture_wait(atomic_uint *counter, unsigned value);

/* The string member of an object; the test fails where it is none. */
const char *fixture_string(const json_t *object, const char *key);

#endif
