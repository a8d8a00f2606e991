/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of QEMU's machine protocol (QEMU, docs/interop/qmp-spec): one connection, commands that
 * may be sent several at a time, replies by id, and of the events those that say whether the vCPUs
 * run. Every call is bounded in time.
 *
 * QEMU 7.2 reads a command byte by byte, some microseconds each: one that must begin at once is
 * sent before all but its last byte (qmp_prepare(), qmp_go()).
 *
 * The peer is not trusted: a line that is too long or no JSON, a reply that answers nothing, ends
 * the connection with an error; late replies of commands that nobody waits for are dropped.
 * One thread at a time. qmp_send() and a qmp_wait() for an empty result allocate nothing.
 */
#ifndef QEMU_QMP_H
#define QEMU_QMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "nic/error.h"

enum {
	QMP_E_CLOSED = -2101, /* the connection has ended, by either side */

	QMP_LINE_MAX = 4 << 20, /* bytes in a reply */
};

/* What QEMU's events say of the vCPUs. */
struct qmp_run {
	uint64_t stops;	  /* STOP events so far. A `cont` of a VM that runs makes one too */
	uint64_t resumes; /* RESUME and WAKEUP events so far */
	bool stopped;	  /* the last event was STOP, or the guest sleeps */
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
 * Send all of a command but its end; QEMU has it read when qmp_go() sends that. *id is what
 * qmp_wait() takes, after qmp_go(). Any other command sent before withdraws it. Errors as
 * qmp_send().
 */
int qmp_prepare(struct qmp *qmp, const char *command, const char *args, unsigned timeout_ms,
	uint64_t *id, struct nic_error *err);

/* The command that was prepared begins. RENIC_E_STATE: none is; else as qmp_send(). */
int qmp_go(struct qmp *qmp, unsigned timeout_ms, struct nic_error *err);

/*
 * Wait for the reply to the command of that id; replies come in the order of the commands, those
 * before it are dropped. *result (where not NULL): a new reference. RENIC_E_REQUEST: QEMU
 * refused, in its own words; RENIC_E_TIMEOUT, QMP_E_CLOSED.
 */
int qmp_wait(
	struct qmp *qmp, uint64_t id, unsigned timeout_ms, json_t **result, struct nic_error *err);

/* As qmp_wait() without a result, and until fd can be read: 1 then, and no reply was taken. */
int qmp_wait_or(struct qmp *qmp, uint64_t id, int fd, unsigned timeout_ms, struct nic_error *err);

/*
 * Wait until there have been more than `stops` STOP events (qmp_look()), by the command `id` that
 * stops the vCPUs. Its reply does not come before: one that does is an error, RENIC_E_STATE or
 * RENIC_E_REQUEST, and taken. Others as qmp_wait().
 */
int qmp_wait_stop(
	struct qmp *qmp, uint64_t id, uint64_t stops, unsigned timeout_ms, struct nic_error *err);

/* Both. args is stolen, also on failure; NULL: none. */
int qmp_call(struct qmp *qmp, const char *command, json_t *args, unsigned timeout_ms,
	json_t **result, struct nic_error *err);

/* Read what is there, without waiting; replies are dropped. QMP_E_CLOSED, RENIC_E_TIMEOUT (there is
 * more than can be read in a tenth of a second). */
int qmp_look(struct qmp *qmp, struct nic_error *err);

/* What has been read says of the vCPUs; what QEMU sent before a reply, that reply's wait has read.
 */
struct qmp_run qmp_run(const struct qmp *qmp);

/* What a reply has said of it, from which the events go on. */
void qmp_set_stopped(struct qmp *qmp, bool stopped);

#endif
