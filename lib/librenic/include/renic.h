/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librenic: the client library of renicd's control socket (docs/protocol.md).
 *
 * A client is one connection. Calls are synchronous: one request out, one reply in. Events that
 * arrive while a call waits are queued (RENIC_EVENTS_MAX) and handed out by renic_event_wait().
 *
 * Threads: a client belongs to one thread at a time; the library takes no locks. Different clients
 * are independent: it keeps no global state. No signal is raised by a daemon that goes away.
 *
 * Results: 0 (or a count), or a negative code with *err filled; err may always be NULL. Codes of
 * the daemon are enum renic_error_code (renic_errors.h): the daemon said no, nothing was changed,
 * the connection is as good as before. Codes of the library are enum renic_client_error.
 */
#ifndef RENIC_H
#define RENIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <renic_errors.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RENIC_DEFAULT_SOCKET "/run/renicd/control.sock"

enum {
	RENIC_REQUEST_MAX = 1 << 20, /* bytes in a request, newline included: renicd's limit */
	RENIC_REPLY_MAX = 64 << 20,  /* bytes in a reply; a longer one ends the connection */
	RENIC_FDS_MAX = 64,	     /* descriptors that may come with one reply */
	RENIC_EVENTS_MAX = 1024,     /* events queued; then the oldest give way */
	RENIC_DEFAULT_TIMEOUT_MS = 10000,
};

/* What went wrong on this side of the socket. The daemon's codes are never in this range. */
enum renic_client_error {
	RENIC_E_CONNECT = -1001,   /* nobody answers at the socket path; sys_errno says why */
	RENIC_E_CLOSED = -1002,	   /* the connection has ended; connect again */
	RENIC_E_PROTOCOL = -1003,  /* the peer does not speak this protocol; connection ended */
	RENIC_E_NO_ANSWER = -1004, /* no reply in time; a late one will be ignored */
	RENIC_E_ARGUMENT = -1005,  /* the request cannot be sent as it is; `field` names it */
	RENIC_E_MEMORY = -1006,	   /* out of memory on this side */
};

struct renic_error {
	int code;	    /* enum renic_error_code or enum renic_client_error */
	int sys_errno;	    /* the system's reason, 0 where there is none; library codes only */
	char message[256];  /* one sentence for a person */
	char field[64];	    /* parameter at fault; this and the next three may be empty */
	char given[96];	    /* what it was */
	char expected[256]; /* what would have been right */
	char state[32];	    /* with RENIC_E_STATE: the state that forbids the call */
};

struct renic_client;

/* A code as a word: "state", "not_found", …, "connect", …; "unknown" for any other. */
const char *renic_error_name(int code);

/* Did the daemon say no (true), or did the call not come that far (false)? */
bool renic_error_is_remote(int code);

/* The socket path that renic_connect(path) would use: path, else the environment's RENIC_SOCKET,
 * else RENIC_DEFAULT_SOCKET. Any thread. */
const char *renic_socket_path(const char *path);

/*
 * Connect to the daemon at path (NULL: see renic_socket_path()). Waits at most
 * RENIC_DEFAULT_TIMEOUT_MS. Returns NULL with RENIC_E_CONNECT, RENIC_E_ARGUMENT (path too long)
 * or RENIC_E_MEMORY in *err.
 */
struct renic_client *renic_connect(const char *path, struct renic_error *err);

/* End the connection and free everything; NULL is fine. The daemon then applies the policy
 * `on_replicator_lost` to groups whose protection this connection started. */
void renic_close(struct renic_client *client);

/*
 * The connection's descriptor, to poll() for events: readable means that renic_event_wait() has
 * something to look at. Events may be queued already while it is not readable, so take them with
 * renic_event_wait(client, 0, …) until it returns 0 before polling. Do not read or write it.
 */
int renic_fd(const struct renic_client *client);

/* How long a call may take as a whole, milliseconds; -1 (or any negative): for ever. */
void renic_set_timeout_ms(struct renic_client *client, int timeout_ms);

/*
 * Call a method and wait for its reply.
 *
 * params: an object, or NULL for none. Its reference is stolen, also on failure, so that
 *         json_pack() can stand in the call. (NULL from a json_pack() that failed means no
 *         parameters, so give it UTF-8.)
 * result: where not NULL, *result is a new reference on success, NULL on failure.
 *
 * Returns 0, a code of the daemon, or: RENIC_E_ARGUMENT (params is no object, or the request is
 * over RENIC_REQUEST_MAX; nothing was sent), RENIC_E_NO_ANSWER (the connection lives on, unless
 * the request itself could not be sent whole: then it has ended), RENIC_E_CLOSED,
 * RENIC_E_PROTOCOL, RENIC_E_MEMORY. Descriptors that come with the reply are closed.
 */
int renic_call(struct renic_client *client, const char *method, json_t *params, json_t **result,
	struct renic_error *err);

/*
 * As renic_call(), and hands over the descriptors that came with the reply (SCM_RIGHTS), which
 * the caller closes; they are close-on-exec. *n_fds: room in fds before, how many were stored
 * after (0 on failure). More than there is room for are closed.
 */
int renic_call_fds(struct renic_client *client, const char *method, json_t *params, json_t **result,
	int *fds, size_t *n_fds, struct renic_error *err);

/*
 * The checkpoint path (docs/protocol.md, "A checkpoint"), without a JSON document built or taken
 * apart: one write and one read each. `group` is a protection group or a VF that is in none.
 * Errors as renic_call(); RENIC_E_ARGUMENT with field "group" for what cannot be a name.
 */
enum renic_held {
	RENIC_HELD_RELEASE, /* what is held leaves */
	RENIC_HELD_DISCARD, /* what is not committed is dropped, and counted */
};

struct renic_checkpoint {
	uint64_t epoch;	    /* the epoch just sealed: what to commit later */
	uint64_t held_pkts; /* held by the whole group now, all uncommitted epochs */
	uint64_t held_bytes;
	uint64_t duration_us; /* what the daemon took to suspend and seal */
};

/* From now on the functions of this path carry this term (0, at first: none): the daemon then
 * refuses them with RENIC_E_TERM, nothing changed, when the group was activated since. */
void renic_set_term(struct renic_client *client, uint64_t term);

int renic_protection_start(struct renic_client *client, const char *group, struct renic_error *err);
int renic_protection_stop(struct renic_client *client, const char *group, enum renic_held held,
	struct renic_error *err);

/* Just before they are paused: RENIC_E_STATE or another error if a checkpoint would be refused.
 * Changes nothing, but the next call then finds daemon and kernel with warm caches: a begin after
 * 25 ms of silence takes half as long, one of 64 VFs saves most of what it reads of each. */
int renic_checkpoint_prepare(
	struct renic_client *client, const char *group, struct renic_error *err);

/* The VMs of the group are paused. Suspends its VFs and seals the open epoch. */
int renic_checkpoint_begin(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, struct renic_error *err);

/* As renic_checkpoint_begin(), and hands over the checkpoint area's file, which the caller closes;
 * -1 on an error, or where the daemon sent none. The file is the same every time: a mapping of
 * it can be kept, and the file not asked for again, which takes time (fd: NULL). It can only be
 * read. */
int renic_checkpoint_begin_fd(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, int *fd, struct renic_error *err);

/* What the checkpoint area has of one VF: where in its file its snapshot lies (renic_snapshot.h),
 * and its DMA dirty log: bit n (little-endian 64-bit words) is 4 KiB guest page n. */
struct renic_checkpoint_vf {
	char name[32];
	uint64_t snapshot_offset, snapshot_bytes;
	uint64_t dirty_offset, dirty_bytes; /* bytes: up to the last word that is not zero */
	uint64_t dirty_pages;
	bool dirty_complete; /* false: any page may have been written */
};

/* As renic_checkpoint_begin_fd(), and tells where the area has the VFs of the group: vfs has room
 * for *n_vfs of them, of which there are *n_vfs after. More VFs than room, or one that lacks a
 * member: RENIC_E_PROTOCOL. */
int renic_checkpoint_begin_vfs(struct renic_client *client, const char *group,
	struct renic_checkpoint *checkpoint, struct renic_checkpoint_vf *vfs, size_t *n_vfs,
	int *fd, struct renic_error *err);

/* The state is copied: VFs go on, their frames belong to the next epoch. */
int renic_checkpoint_resume(
	struct renic_client *client, const char *group, struct renic_error *err);

/* The copy failed: VFs go on; the sealed frames leave with the next epoch that is committed. */
int renic_checkpoint_abort(struct renic_client *client, const char *group, struct renic_error *err);

/* The backup holds the checkpoint that ended `epoch`: frames of epochs <= epoch may leave. */
int renic_checkpoint_commit(
	struct renic_client *client, const char *group, uint64_t epoch, struct renic_error *err);

/* Something happened in the daemon; docs/protocol.md, "Events". Longer texts are cut. */
struct renic_event {
	char type[32];	  /* "vf_created", "group_state", … */
	char name[64];	  /* VF or group; empty for the uplink */
	char detail[256]; /* for a person */
	uint64_t time_us; /* since 1970-01-01 UTC, microseconds; 0: the daemon did not say */
	uint64_t lost;	  /* events dropped just before this one, because nobody took them */
};

/* From now on events come; types: a NULL-terminated array of their names, NULL for all. */
int renic_events_subscribe(
	struct renic_client *client, const char *const *types, struct renic_error *err);

/* No more events; those queued already can still be taken. */
int renic_events_unsubscribe(struct renic_client *client, struct renic_error *err);

/*
 * Take the next event, waiting at most timeout_ms (0: do not wait; negative: for ever).
 * Returns 1 with *event filled, 0 when there was none in time or a signal came, or
 * RENIC_E_CLOSED, RENIC_E_PROTOCOL, RENIC_E_MEMORY. Queued events come before an error.
 */
int renic_event_wait(struct renic_client *client, int timeout_ms, struct renic_event *event,
	struct renic_error *err);

#ifdef __cplusplus
}
#endif

#endif
