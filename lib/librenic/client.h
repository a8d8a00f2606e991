/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside librenic: the connection and its layers. Not installed.
 *
 *   call.c checkpoint.c event.c   methods, replies, events
 *   message.c                     what a line is: reply, event, nonsense (skim.c)
 *   stream.c                      bytes and descriptors in and out, cut into lines, by a deadline
 *
 * Every function here is for the one thread that uses the client at the time. Return values are
 * as in renic.h. A stream that has failed stays failed: `broken` holds the code for later calls.
 */
#ifndef LIBRENIC_CLIENT_H
#define LIBRENIC_CLIENT_H

#include <sys/queue.h>
#include <sys/types.h>

#include "renic.h"
#include "skim.h"

/* Nanoseconds of CLOCK_MONOTONIC. */
#define DEADLINE_NEVER INT64_MAX

struct stream {
	int fd;
	int broken; /* 0, or why nothing more can be sent or received */
	char *buf;  /* received bytes: [head, tail) are not consumed */
	size_t size, head, tail;
	size_t scanned;	 /* [head, scanned) has no newline */
	uint64_t offset; /* of buf[0] in the stream, counted in bytes since the connect */
	int fds[RENIC_FDS_MAX];
	uint64_t fd_end[RENIC_FDS_MAX]; /* stream offset where the read that brought it ended */
	size_t n_fds;
};

struct queued_event {
	STAILQ_ENTRY(queued_event) next;
	struct renic_event event;
};

struct renic_client {
	struct stream stream;
	int timeout_ms;
	uint64_t term;	  /* that group commands carry; 0: none */
	uint64_t last_id; /* of the latest request; ids count up from 1 */
	STAILQ_HEAD(, queued_event) events;
	unsigned n_events;
	uint64_t lost; /* events dropped since the last one queued */
};

/* error.c: fill err (may be NULL) and return code. sys_errno's text is appended to the message. */
int client_fail(struct renic_error *err, int code, int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* As the daemon put it: the `error` member of a reply. Returns its code, always negative. */
int client_fail_remote(struct renic_error *err, struct span error);

/* ---- stream.c ---- */

int64_t deadline_after_ms(int timeout_ms);
bool deadline_passed(int64_t deadline);

int stream_init(struct stream *stream, int fd);
void stream_fini(struct stream *stream);
void stream_set_timeout(struct stream *stream, int timeout_ms);

/* Send it all, or break the stream when only a part could be sent by the deadline. */
int stream_send(struct stream *stream, const char *data, size_t len, int64_t deadline,
	struct renic_error *err);

/* The next whole line, without its newline, valid until the next stream_fill(). */
bool stream_line(struct stream *stream, struct span *line);

enum {
	STREAM_FRESH = 1 << 0,	       /* deadline: the socket's timeout, counted from now */
	STREAM_INTERRUPTIBLE = 1 << 1, /* a signal ends the wait as the deadline does */
};

/* Read what is there, at least one byte, or wait for it: RENIC_E_NO_ANSWER at the deadline. The
 * read itself waits when FRESH, which saves a poll(). */
int stream_fill(struct stream *stream, int64_t deadline, unsigned flags, struct renic_error *err);

/* RENIC_E_NO_ANSWER, as stream_fill() says it. */
int stream_no_answer(struct renic_error *err);

/* The peer broke the rules: end the connection. Returns RENIC_E_PROTOCOL. */
int stream_refuse(struct stream *stream, struct renic_error *err, const char *why);

/* Stream offset just after the line that stream_line() returned last. */
uint64_t stream_position(const struct stream *stream);

/* Close the descriptors that arrived in reads that ended at or before `end`. */
void stream_drop_fds(struct stream *stream, uint64_t end);

/* ---- message.c ---- */

enum message_kind { MESSAGE_REPLY, MESSAGE_EVENT, MESSAGE_OTHER, MESSAGE_BAD };

struct message {
	enum message_kind kind;
	bool has_id; /* reply: false for an id of null, the answer to what was not JSON */
	uint64_t id;
	struct span result, error; /* reply: one of them, the other one's text is NULL */
	struct span params;	   /* event */
};

void message_parse(struct span line, struct message *message);

/* ---- call.c, event.c ---- */

/* Send a request (a line with its newline) that carries id last_id and wait for its result. */
int client_exchange(struct renic_client *client, const char *request, size_t len,
	struct span *result, struct renic_error *err);

void client_queue_event(struct renic_client *client, struct span params);
void client_free_events(struct renic_client *client);

#endif
