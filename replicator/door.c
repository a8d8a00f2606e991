/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The standby's door: accepts connections and hears their hello; see standby.h.
 *
 * Whoever reaches the port may knock and say nothing. So each visitor is heard by a thread of its
 * own, a few at once, and when one more comes, the one that has been heard longest goes: nobody who
 * proves nothing keeps the primary out. A visitor that has said hello waits for the role's thread;
 * a newer one takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "event.h"
#include "standby.h"

enum {
	HELLO_MS = 3000, /* from the connection to the end of its hello */
	KNOCKS_MAX = 8,	 /* heard at once */
};

/* One that is being heard. */
struct knock {
	struct door *door;
	pthread_t thread;
	bool is_used;	/* the thread is to be joined; the door's thread's own */
	uint64_t order; /* of coming; constant while the thread runs */
	bool is_heard;	/* under the lock, as `fd`: it may still be sent away */
	int fd;		/* the visitor's, once more */
};

struct door {
	struct conn_context *context;
	int listen_fd, wake_fd, stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	struct visitor waiting; /* under the lock */
	uint64_t came;
	uint64_t let_in; /* under the lock: of which order the last one was */
	struct knock knocks[KNOCKS_MAX];
};

/* ---- a visitor's thread ---- */

static int hear_vms(struct reader *r, struct visitor *v, int64_t deadline, struct nic_error *err)
{
	struct frame frame;
	bool got;

	for (unsigned i = 0; i < v->hello.n_vms; i++) {
		int rc = reader_next(r, v->conn, ms_until(deadline, HELLO_MS), &frame, &got, err);

		if (rc == 0)
			rc = nic_fail(err, RENIC_E_TIMEOUT, "", "it does not say what its VMs are");
		if (rc == 1 && frame.type != FRAME_VM)
			rc = nic_fail(err, RENIC_E_PARSE, "", "a %s frame before its VMs",
				stream_type_name(frame.type));
		if (rc == 1)
			rc = stream_get_vm(&frame, &v->vms[i], err);
		if (rc == 0 && v->vms[i].index != i)
			rc = nic_fail(err, RENIC_E_PARSE, "", "its VMs are out of order");
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int hear(struct reader *r, struct visitor *v, int64_t deadline, struct nic_error *err)
{
	struct frame frame;
	bool got;
	int rc;

	rc = reader_next(r, v->conn, ms_until(deadline, HELLO_MS), &frame, &got, err);
	if (rc == 0)
		return nic_fail(err, RENIC_E_TIMEOUT, "", "it says nothing");
	if (rc == 1 && frame.type != FRAME_HELLO)
		return nic_fail(err, RENIC_E_PARSE, "", "it says no hello");
	if (rc == 1)
		rc = stream_get_hello(&frame, &v->hello, err);
	if (rc == 0 && v->hello.side != REMUS_PRIMARY)
		return nic_fail(err, RENIC_E_PARSE, "", "it is no primary");
	return rc ? rc : hear_vms(r, v, deadline, err);
}

/* One that came before the last that was let in is too late: that may be its own next try. */
static void let_in(struct door *d, const struct visitor *v, uint64_t order)
{
	struct visitor old;
	uint64_t one = 1;
	bool late;

	pthread_mutex_lock(&d->lock);
	late = order < d->let_in;
	old = late ? *v : d->waiting;
	if (!late) {
		d->waiting = *v;
		d->let_in = order;
	}
	pthread_mutex_unlock(&d->lock);
	conn_close(old.conn);
	if (write(d->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static void *hear_one(void *arg)
{
	int64_t deadline = in_ms(HELLO_MS);
	struct nic_error err = {0};
	struct reader reader = {0};
	struct knock *k = arg;
	struct visitor v = {0};
	int fd = fcntl(k->fd, F_DUPFD_CLOEXEC, 0);
	int rc = reader_init(&reader, &err);

	if (fd < 0)
		rc = nic_fail(&err, RENIC_E_RESOURCES, "", "%s", strerror(errno));
	else
		v.conn = conn_accept(k->door->context, fd, HELLO_MS, &err);
	if (!rc)
		rc = v.conn ? hear(&reader, &v, deadline, &err) : err.code;
	reader_fini(&reader);
	pthread_mutex_lock(&k->door->lock);
	k->is_heard = false;
	close(k->fd);
	pthread_mutex_unlock(&k->door->lock);
	if (!rc) {
		let_in(k->door, &v, k->order);
		return NULL;
	}
	event_post("turned_away", "%s: %s", v.conn ? conn_peer(v.conn) : "a peer", err.message);
	conn_close(v.conn);
	return NULL;
}

/* ---- the door's thread ---- */

/* Wait for the end of its thread, which is near unless it is heard. */
static void end(struct knock *k)
{
	if (!k->is_used)
		return;
	pthread_join(k->thread, NULL);
	k->is_used = false;
}

static void send_away(struct knock *k)
{
	pthread_mutex_lock(&k->door->lock);
	if (k->is_used && k->is_heard)
		shutdown(k->fd, SHUT_RDWR);
	pthread_mutex_unlock(&k->door->lock);
	end(k);
}

/* A place for one more: one that is over, or that of the visitor that came first. */
static struct knock *make_room(struct door *d)
{
	struct knock *oldest = &d->knocks[0];
	bool is_heard;

	for (struct knock *k = d->knocks; k < d->knocks + KNOCKS_MAX; k++) {
		pthread_mutex_lock(&d->lock);
		is_heard = k->is_used && k->is_heard;
		pthread_mutex_unlock(&d->lock);
		if (!is_heard) {
			end(k);
			return k;
		}
		if (k->order < oldest->order)
			oldest = k;
	}
	event_post("turned_away", "one who said no hello makes room for another");
	send_away(oldest);
	return oldest;
}

static void answer(struct door *d)
{
	int fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct knock *k;

	if (fd < 0)
		return;
	k = make_room(d);
	k->fd = fd;
	k->order = d->came++;
	k->is_heard = true;
	k->is_used = pthread_create(&k->thread, NULL, hear_one, k) == 0;
	if (k->is_used)
		return;
	event_post("turned_away", "no thread to hear who knocks");
	close(fd);
}

static void *run(void *arg)
{
	struct door *d = arg;
	struct pollfd fds[] = {
		{.fd = d->listen_fd, .events = POLLIN}, {.fd = d->stop_fd, .events = POLLIN}};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents)
			break;
		if (fds[0].revents)
			answer(d);
	}
	for (unsigned i = 0; i < KNOCKS_MAX; i++)
		send_away(&d->knocks[i]);
	return NULL;
}

/* ---- the role's thread ---- */

bool door_take(struct door *d, struct visitor *visitor)
{
	pthread_mutex_lock(&d->lock);
	visitor->conn = NULL;
	if (d->waiting.conn)
		*visitor = d->waiting;
	d->waiting.conn = NULL;
	pthread_mutex_unlock(&d->lock);
	return visitor->conn != NULL;
}

int door_open(
	const struct remus_config *config, int wake_fd, struct door **door, struct nic_error *err)
{
	struct door *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	d->wake_fd = wake_fd;
	d->listen_fd = d->stop_fd = -1;
	pthread_mutex_init(&d->lock, NULL);
	for (unsigned i = 0; i < KNOCKS_MAX; i++)
		d->knocks[i].door = d;
	rc = conn_context_new(config, &d->context, err);
	if (!rc) {
		d->listen_fd = conn_listen(config->listen, err);
		rc = d->listen_fd < 0 ? err->code : 0;
	}
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (!rc && (d->stop_fd < 0 || pthread_create(&d->thread, NULL, run, d))) {
		d->thread = 0;
		rc = nic_fail(err, RENIC_E_RESOURCES, "", "no thread");
	}
	if (rc)
		door_close(d);
	else
		*door = d;
	return rc;
}

void door_close(struct door *d)
{
	uint64_t one = 1;

	if (!d)
		return;
	if (d->thread && write(d->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(d->thread, NULL);
	conn_close(d->waiting.conn);
	if (d->listen_fd >= 0)
		close(d->listen_fd);
	if (d->stop_fd >= 0)
		close(d->stop_fd);
	conn_context_free(d->context);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
