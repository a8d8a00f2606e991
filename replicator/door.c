/* SPDX-License-Identifier: BSD-3-Clause */
/* The standby's door: accepts one connection after the other, up to its hello; see standby.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "event.h"
#include "standby.h"

enum { HELLO_MS = 3000 /* from the connection to the end of its hello */ };

struct door {
	struct conn_context *context;
	int listen_fd, wake_fd, stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	struct visitor waiting; /* under the lock */
	struct reader reader;
};

static int hear_vms(struct door *d, struct visitor *v, int64_t deadline, struct nic_error *err)
{
	struct frame frame;
	bool got;

	for (unsigned i = 0; i < v->hello.n_vms; i++) {
		int rc = reader_next(
			&d->reader, v->conn, ms_until(deadline, HELLO_MS), &frame, &got, err);

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

static int hear(struct door *d, struct visitor *v, int64_t deadline, struct nic_error *err)
{
	struct frame frame;
	bool got;
	int rc;

	reader_clear(&d->reader);
	rc = reader_next(&d->reader, v->conn, ms_until(deadline, HELLO_MS), &frame, &got, err);
	if (rc == 0)
		return nic_fail(err, RENIC_E_TIMEOUT, "", "it says nothing");
	if (rc == 1 && frame.type != FRAME_HELLO)
		return nic_fail(err, RENIC_E_PARSE, "", "it says no hello");
	if (rc == 1)
		rc = stream_get_hello(&frame, &v->hello, err);
	if (rc == 0 && v->hello.side != REMUS_PRIMARY)
		return nic_fail(err, RENIC_E_PARSE, "", "it is no primary");
	return rc ? rc : hear_vms(d, v, deadline, err);
}

static void let_in(struct door *d)
{
	int64_t deadline = in_ms(HELLO_MS);
	struct nic_error err = {0};
	struct visitor v = {.conn = conn_accept(d->context, d->listen_fd, HELLO_MS, &err)}, old;
	uint64_t one = 1;

	if (!v.conn || hear(d, &v, deadline, &err)) {
		event_post("turned_away", "%s: %s", v.conn ? conn_peer(v.conn) : "a peer",
			err.message);
		conn_close(v.conn);
		return;
	}
	pthread_mutex_lock(&d->lock);
	old = d->waiting;
	d->waiting = v;
	pthread_mutex_unlock(&d->lock);
	conn_close(old.conn);
	if (write(d->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static void *run(void *arg)
{
	struct door *d = arg;
	struct pollfd fds[] = {
		{.fd = d->listen_fd, .events = POLLIN}, {.fd = d->stop_fd, .events = POLLIN}};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents)
			return NULL;
		if (fds[0].revents)
			let_in(d);
	}
	return NULL;
}

bool door_take(struct door *d, struct visitor *visitor)
{
	pthread_mutex_lock(&d->lock);
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
	rc = conn_context_new(config, &d->context, err);
	if (!rc)
		rc = reader_init(&d->reader, err);
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
	reader_fini(&d->reader);
	conn_context_free(d->context);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
