/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of QEMU's machine protocol (QEMU, docs/interop/qmp-spec): one connection, commands that
 * may be sent several at a time, replies by id, events as bits. Every call is bounded in time.
 *
 * The peer is not trusted: a line that is too long or no JSON, a reply that answers nothing, ends
 * the connection with an error; late replies of commands that nobody waits for are dropped.
 * One thread at a time. qmp_send() and a qmp_wait() for an empty result allocate nothing.
 */
#ifndef QEMU_QMP_H
#define QEMU_QMP_H

#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "nic/error.h"

enum {
	QMP_E_CLOSED = -2101, /* the connection has ended, by either side */

	QMP_LINE_MAX = 4 << 20, /* bytes in a reply */
};

/* Events that somebody asks for; the rest is dropped. */
enum qmp_event {
	QMP_EVENT_STOP = 1 << 0,
	QMP_EVENT_RESUME = 1 << 1,
	QMP_EVENT_SHUTDOWN = 1 << 2,
	QMP_EVENT_RESET = 1 << 3,
	QMP_EVENT_GUEST_PANICKED = 1 << 4,
};

struct qmp;

/*
 * Connect to the socket at path, greet, negotiate. timeout_ms is for all of it: a QMP socket that
 * is taken by another client accepts and says nothing. RENIC_E_IO, RENIC_E_TIMEOUT,
 * QMP_E_CLOSED, RENIC_E_RESOURCES.
 */
int qmp_connect(const char *path, unsigned timeout_ms, struct qmp **out, struct nic_error *err);

/* Disconnect and free; NULL is fine. */
void qmp_close(struct qmp *qmp);

/* The process that listens on the socket, as the kernel knows it; 0: not visible from here. */
pid_t qmp_peer(const struct qmp *qmp);

/*
 * Send a command. args: its arguments as JSON text, or NULL; fd: goes along (SCM_RIGHTS), -1:
 * none. *id is what qmp_wait() takes. RENIC_E_IO, RENIC_E_TIMEOUT (QEMU does not read),
 * QMP_E_CLOSED.
 */
int qmp_send(struct qmp *qmp, const char *command, const char *args, int fd, unsigned timeout_ms,
	uint64_t *id, struct nic_error *err);

/*
 * Wait for the reply to the command of that id; replies come in the order of the commands, those
 * before it are dropped. *result (where not NULL): a new reference. RENIC_E_REQUEST: QEMU
 * refused, in its own words; RENIC_E_TIMEOUT, QMP_E_CLOSED.
 */
int qmp_wait(
	struct qmp *qmp, uint64_t id, unsigned timeout_ms, json_t **result, struct nic_error *err);

/* Both. args is stolen, also on failure; NULL: none. */
int qmp_call(struct qmp *qmp, const char *command, json_t *args, unsigned timeout_ms,
	json_t **result, struct nic_error *err);

/* Read what is there, without waiting, and return the events since the last call, as bits;
 * QMP_E_CLOSED when the connection has ended. */
int qmp_events(struct qmp *qmp);

#endif
