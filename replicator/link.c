/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary's connection; see link.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "link.h"
#include "reader.h"

enum { CONNECT_MS = 1000, RETRY_MS = 50, HELLO_MS = 3000 };

struct link {
	const struct remus_config *config;
	struct conn_context *context;
	struct guest *guests;
	struct staging *staging;
	int wake_fd;
	pthread_t thread;

	pthread_mutex_t lock; /* of what follows, up to the sender's own */
	pthread_cond_t allowed_cond;
	bool allowed, stop;
	struct msg_hello hello;
	struct link_view view;
	struct conn *conn;

	/* the sender's own */
	struct page_cache caches[STREAM_VMS_MAX];
	struct page_stats pages;
	uint8_t *out, *small;	    /* frames under construction */
	struct wire_out frame;	    /* in `out`; its payload from STREAM_HEADER_BYTES on */
	enum frame_type type;	    /* of it; 0: none */
	uint8_t vm;		    /* that it is of */
	uint64_t sent, sent_before; /* bytes; sent_before: up to the last END */
};

static void wake(struct link *l)
{
	uint64_t one = 1;

	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

/* ---- frames ---- */

static int write_frame(struct link *l, const uint8_t *bytes, size_t n)
{
	l->sent += n;
	pthread_mutex_lock(&l->lock);
	l->view.bytes_sent = l->sent; /* a first copy is seen to go on */
	pthread_mutex_unlock(&l->lock);
	return conn_write(l->conn, bytes, n, (int)l->config->timeout_ms);
}

static int flush_frame(struct link *l)
{
	uint32_t bytes = (uint32_t)(l->frame.p - l->out - STREAM_HEADER_BYTES);

	if (!l->type)
		return 0;
	stream_seal(l->out, l->type, bytes);
	l->type = 0;
	return write_frame(l, l->out, STREAM_HEADER_BYTES + bytes);
}

/* A frame of that type and VM with room for n bytes: the one under construction, or a new one. */
static int open_for(struct link *l, enum frame_type type, uint8_t vm, size_t n)
{
	int rc = 0;

	if (l->type == type && l->vm == vm && (size_t)(l->frame.end - l->frame.p) >= n)
		return 0;
	rc = flush_frame(l);
	l->frame = (struct wire_out){
		.p = l->out + STREAM_HEADER_BYTES, .end = l->out + STREAM_FRAME_MAX};
	l->type = type;
	l->vm = vm;
	put_u16(&l->frame, vm);
	return rc;
}

static int send_page(struct link *l, const struct slot *slot, const uint8_t *data)
{
	int rc = open_for(l, FRAME_PAGES, slot->vm, PAGE_RECORD_MAX);

	l->frame.p += page_encode(&l->caches[slot->vm], slot->index, data, l->config->compress,
		l->frame.p, &l->pages);
	return rc;
}

static int send_blob(struct link *l, const struct slot *slot, const uint8_t *data)
{
	int rc = open_for(l, FRAME_BLOB, slot->vm, slot->bytes);

	put_bytes(&l->frame, data, slot->bytes);
	return rc;
}

/* Snapshots and held frames say of which VF they are: a frame each. */
static int send_of_vf(struct link *l, const struct slot *slot, const uint8_t *data)
{
	enum frame_type type = slot->type == SLOT_SNAPSHOT ? FRAME_SNAPSHOT : FRAME_HELD;
	int rc = flush_frame(l);

	if (!rc)
		rc = open_for(l, type, slot->vm, slot->bytes + 2u);
	put_u16(&l->frame, (uint16_t)slot->index);
	put_bytes(&l->frame, data, slot->bytes);
	return rc ? rc : flush_frame(l);
}

static int send_small(struct link *l, size_t n)
{
	int rc = flush_frame(l);

	return rc ? rc : write_frame(l, l->small, n);
}

static int send_slot(struct link *l, const struct slot *slot, const uint8_t *data)
{
	switch ((enum slot_type)slot->type) {
	case SLOT_PAGE:
		return send_page(l, slot, data);
	case SLOT_BLOB:
		return send_blob(l, slot, data);
	case SLOT_SNAPSHOT:
	case SLOT_HELD:
		return send_of_vf(l, slot, data);
	case SLOT_END:
		return send_small(l, stream_put_end(l->small, (const struct msg_end *)data));
	case SLOT_HANDOVER:
		return send_small(
			l, stream_put_handover(l->small, (const struct msg_handover *)data));
	case SLOT_ABORT:
		return send_small(l, stream_put_empty(l->small, FRAME_ABORT));
	case SLOT_BYE:
		return send_small(l, stream_put_empty(l->small, FRAME_BYE));
	}
	return -EINVAL;
}

/* ---- receiver ---- */

static int received(struct link *l, const struct frame *f, struct nic_error *err)
{
	struct msg_refuse refuse;
	struct msg_taken taken;
	struct msg_ack ack;
	int rc = 0;

	switch (f->type) {
	case FRAME_HEARTBEAT:
		return 0;
	case FRAME_ACK:
		rc = stream_get_ack(f, &ack, err);
		pthread_mutex_lock(&l->lock);
		if (!rc && ack.term == l->hello.term && ack.epoch > l->view.acked)
			l->view.acked = ack.epoch;
		pthread_mutex_unlock(&l->lock);
		break;
	case FRAME_TAKEN:
		rc = stream_get_taken(f, &taken, err);
		pthread_mutex_lock(&l->lock);
		if (!rc) {
			l->view.taken = true;
			l->view.answer = taken;
		}
		pthread_mutex_unlock(&l->lock);
		break;
	case FRAME_REFUSE:
		rc = stream_get_refuse(f, &refuse, err);
		if (rc)
			return rc;
		pthread_mutex_lock(&l->lock);
		l->view.state = LINK_REFUSED;
		l->view.refuse = refuse;
		pthread_mutex_unlock(&l->lock);
		rc = nic_fail(err, RENIC_E_STATE, "", "the standby refuses: %s", refuse.text);
		break;
	default:
		return nic_fail(err, RENIC_E_PARSE, "", "a %s frame from a standby",
			stream_type_name(f->type));
	}
	wake(l);
	return rc;
}

static void set_error(struct link *l, const char *text)
{
	pthread_mutex_lock(&l->lock);
	if (!l->view.error[0])
		snprintf(l->view.error, sizeof(l->view.error), "%s", text);
	pthread_mutex_unlock(&l->lock);
}

/* Ends with the connection, and ends it. */
static void *receive(void *arg)
{
	struct nic_error err = {0};
	struct reader reader = {0};
	struct link *l = arg;
	int rc = reader_init(&reader, &err);

	while (rc >= 0) {
		struct frame frame;
		bool got;

		rc = reader_next(&reader, l->conn, (int)l->config->timeout_ms, &frame, &got, &err);
		if (rc == 1)
			rc = received(l, &frame, &err);
		else if (rc == 0 && !got)
			rc = nic_fail(&err, RENIC_E_TIMEOUT, "", "%s: silent for %u ms",
				conn_peer(l->conn), l->config->timeout_ms);
	}
	reader_fini(&reader);
	set_error(l, err.message);
	staging_kill(l->staging);
	conn_shutdown(l->conn);
	return NULL;
}

/* ---- sender ---- */

static int say_hello(struct link *l)
{
	struct msg_hello hello;
	struct msg_vm vm;
	int rc;

	pthread_mutex_lock(&l->lock);
	hello = l->hello;
	pthread_mutex_unlock(&l->lock);
	rc = write_frame(l, l->small, stream_put_hello(l->small, &hello));
	for (unsigned i = 0; i < l->config->n_vms && !rc; i++) {
		guest_describe(&l->guests[i], i, &vm);
		rc = write_frame(l, l->small, stream_put_vm(l->small, &vm));
	}
	return rc;
}

/* The standby's HELLO, or its REFUSE. */
static int hear_hello(struct link *l, struct nic_error *err)
{
	struct reader reader = {0};
	struct frame frame;
	bool got;
	int rc = reader_init(&reader, err);

	if (!rc)
		rc = reader_next(&reader, l->conn, HELLO_MS, &frame, &got, err);
	if (rc == 0)
		rc = nic_fail(err, RENIC_E_TIMEOUT, "", "%s: says no hello", conn_peer(l->conn));
	if (rc == 1 && frame.type == FRAME_REFUSE)
		rc = received(l, &frame, err);
	else if (rc == 1 && frame.type != FRAME_HELLO)
		rc = nic_fail(err, RENIC_E_PARSE, "", "%s: says no hello", conn_peer(l->conn));
	if (rc == 1) {
		pthread_mutex_lock(&l->lock);
		rc = stream_get_hello(&frame, &l->view.peer, err);
		if (!rc && l->view.peer.side != REMUS_STANDBY)
			rc = nic_fail(err, RENIC_E_PARSE, "", "the peer is no standby");
		pthread_mutex_unlock(&l->lock);
	}
	/* Its heartbeats may have come in the same read: none is of interest. */
	reader_fini(&reader);
	return rc;
}

/* A checkpoint is on its way. */
static void note_end(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	l->view.end_bytes[l->view.ends++ % LINK_ENDS] = l->sent - l->sent_before;
	pthread_mutex_unlock(&l->lock);
	l->sent_before = l->sent;
}

static int send_all(struct link *l)
{
	const struct slot *slot;
	const uint8_t *data;
	int rc = 0;

	while (!rc && !staging_is_dead(l->staging)) {
		slot = staging_peek(l->staging, (int)l->config->heartbeat_ms, &data);
		if (slot) {
			bool last = slot->type == SLOT_END;

			rc = send_slot(l, slot, data);
			staging_pop(l->staging);
			if (!last)
				continue;
			note_end(l);
		} else if (!staging_is_dead(l->staging)) {
			rc = flush_frame(l);
			if (!rc)
				rc = write_frame(
					l, l->small, stream_put_empty(l->small, FRAME_HEARTBEAT));
		}
		pthread_mutex_lock(&l->lock);
		l->view.pages = l->pages;
		pthread_mutex_unlock(&l->lock);
	}
	return rc;
}

static void set_state(struct link *l, enum link_phase state)
{
	pthread_mutex_lock(&l->lock);
	if (state == LINK_UP) {
		l->view.generation++;
		l->view.error[0] = '\0';
		snprintf(l->view.peer_address, sizeof(l->view.peer_address), "%s",
			conn_peer(l->conn));
	} else {
		l->allowed = false;
	}
	if (state == LINK_UP || l->view.state != LINK_REFUSED)
		l->view.state = state;
	pthread_mutex_unlock(&l->lock);
	wake(l);
}

/* From hello to the end of the connection. */
static void serve(struct link *l)
{
	struct nic_error err = {0};
	pthread_t receiver;
	int rc = say_hello(l);

	l->type = 0;
	for (unsigned i = 0; i < l->config->n_vms; i++)
		page_cache_clear(&l->caches[i]);
	if (rc)
		nic_fail(&err, RENIC_E_IO, "", "%s: %s", conn_peer(l->conn), strerror(-rc));
	else
		rc = hear_hello(l, &err);
	if (rc) {
		set_error(l, err.message);
		set_state(l, LINK_DOWN);
		return;
	}
	set_state(l, LINK_UP);
	if (pthread_create(&receiver, NULL, receive, l) == 0) {
		rc = send_all(l);
		if (rc)
			set_error(l, strerror(-rc));
		staging_kill(l->staging);
		conn_shutdown(l->conn);
		pthread_join(receiver, NULL);
	}
	staging_kill(l->staging);
	set_state(l, LINK_DOWN);
}

static bool wait_allowed(struct link *l)
{
	bool stop;

	pthread_mutex_lock(&l->lock);
	while (!l->allowed && !l->stop) {
		if (!l->view.idle) {
			l->view.idle = true;
			wake(l);
		}
		pthread_cond_wait(&l->allowed_cond, &l->lock);
	}
	stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return !stop;
}

static void set_conn(struct link *l, struct conn *conn)
{
	struct conn *old;

	pthread_mutex_lock(&l->lock);
	old = l->conn;
	l->conn = conn;
	pthread_mutex_unlock(&l->lock);
	conn_close(old);
}

static void *run(void *arg)
{
	struct link *l = arg;

	while (wait_allowed(l)) {
		struct nic_error err = {0};
		struct conn *conn = conn_connect(l->context, l->config->peer, CONNECT_MS, &err);

		if (!conn) {
			pthread_mutex_lock(&l->lock);
			snprintf(l->view.error, sizeof(l->view.error), "%s", err.message);
			pthread_mutex_unlock(&l->lock);
			usleep(RETRY_MS * 1000);
			continue;
		}
		set_conn(l, conn);
		serve(l);
		set_conn(l, NULL);
	}
	return NULL;
}

int link_new(const struct remus_config *config, struct guest *guests, struct staging *staging,
	int wake_fd, struct link **link, struct nic_error *err)
{
	struct link *l = calloc(1, sizeof(*l));
	size_t cache = ((size_t)config->delta_cache_mb << 20) / config->n_vms;
	int rc = l ? 0 : nic_fail(err, RENIC_E_RESOURCES, "", "no memory");

	if (rc)
		return rc;
	*l = (struct link){
		.config = config, .guests = guests, .staging = staging, .wake_fd = wake_fd};
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->allowed_cond, NULL);
	l->out = malloc(STREAM_FRAME_MAX);
	l->small = malloc(STREAM_FRAME_MAX);
	rc = l->out && l->small ? 0 : -ENOMEM;
	for (unsigned i = 0; i < config->n_vms && !rc; i++)
		rc = page_cache_init(&l->caches[i], cache);
	if (rc)
		nic_fail(err, RENIC_E_RESOURCES, "delta_cache_mb", "no memory for the delta cache");
	else
		rc = conn_context_new(config, &l->context, err);
	if (!rc && pthread_create(&l->thread, NULL, run, l)) {
		rc = nic_fail(err, RENIC_E_RESOURCES, "", "no thread");
		l->thread = 0;
	}
	if (rc) {
		link_free(l);
		return rc < 0 ? rc : -1;
	}
	*link = l;
	return 0;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	if (l->thread) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->allowed_cond);
		pthread_mutex_unlock(&l->lock);
		staging_kill(l->staging);
		pthread_join(l->thread, NULL);
	}
	for (unsigned i = 0; i < l->config->n_vms; i++)
		page_cache_free(&l->caches[i]);
	conn_context_free(l->context);
	free(l->out);
	free(l->small);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->allowed_cond);
	free(l);
}

void link_allow(struct link *l, const struct msg_hello *hello)
{
	pthread_mutex_lock(&l->lock);
	l->hello = *hello;
	l->allowed = true;
	l->view.idle = false;
	l->view.state = LINK_DOWN;
	l->view.acked = 0;
	l->view.taken = false;
	pthread_cond_signal(&l->allowed_cond);
	pthread_mutex_unlock(&l->lock);
}

void link_look(struct link *l, struct link_view *view)
{
	pthread_mutex_lock(&l->lock);
	*view = l->view;
	pthread_mutex_unlock(&l->lock);
}

void link_drop(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->conn)
		conn_shutdown(l->conn);
	pthread_mutex_unlock(&l->lock);
	staging_kill(l->staging);
}
