/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_port.h. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "fake_port.h"
#include "lcore.h"
#include "nic/egress_log.h"

enum { NO_OWNER = -1 };

/* One producer, one consumer, any threads. */
struct ring {
	struct guest_frame *slots[FAKE_RING_SIZE];
	uint32_t head, tail; /* atomic, free-running */
};

struct queue {
	struct ring tx, rx; /* the guest's: it sends on tx */
	uint32_t room;	    /* atomic: receive buffers */
	uint32_t armed;	    /* atomic */
	uint32_t woken;	    /* atomic: how often arm was told that the kick was heard */
	int owner;	    /* atomic: the lcore that was seen first */
	int kick_fd;	    /* under kick_lock; another one after each start */
};

struct fake_port {
	struct vf *vf;
	uint16_t n_qps;
	bool connected;
	uint64_t features;		/* set while the rings are stopped */
	bool running;			/* atomic */
	bool suspended;			/* atomic */
	bool pretend_frames;		/* atomic */
	bool hold_round, round_is_held; /* atomic */
	void (*after_late_start)(void);
	uint64_t taken_straight; /* atomic: frames by took() */
	struct queue queues[];
};

static struct fake_port *ports[VF_MAX];
static pthread_mutex_t kick_lock = PTHREAD_MUTEX_INITIALIZER;
static bool refuse_create;
static uint64_t moved;	      /* atomic */
static uint32_t n_violations; /* atomic */
static char first_violation[160];

static uint32_t ring_count(const struct ring *r)
{
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
}

static bool ring_put(struct ring *r, struct guest_frame *f)
{
	if (ring_count(r) == FAKE_RING_SIZE)
		return false;
	r->slots[r->tail % FAKE_RING_SIZE] = f;
	__atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
	return true;
}

static struct guest_frame *ring_first(const struct ring *r)
{
	return ring_count(r) ? r->slots[r->head % FAKE_RING_SIZE] : NULL;
}

static void ring_drop_first(struct ring *r)
{
	__atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
}

static void ring_empty(struct ring *r)
{
	while (ring_count(r)) {
		free(ring_first(r));
		ring_drop_first(r);
	}
}

/* ---- what must hold ---- */

static void violation(const struct fake_port *p, uint16_t qp, const char *what, const char *why)
{
	if (__atomic_fetch_add(&n_violations, 1, __ATOMIC_RELAXED) == 0)
		snprintf(first_violation, sizeof(first_violation), "%s: queue pair %u: %s %s",
			vf_name(p->vf), qp, what, why);
}

static void touch(struct fake_port *p, uint16_t qp, const char *what)
{
	int owner = NO_OWNER;

	if (!__atomic_load_n(&p->running, __ATOMIC_ACQUIRE))
		violation(p, qp, what, "while the rings are stopped");
	if (__atomic_load_n(&p->suspended, __ATOMIC_ACQUIRE))
		violation(p, qp, what, "while the VF is suspended");
	if (!__atomic_compare_exchange_n(&p->queues[qp].owner, &owner, lcore_self(), false,
		    __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
		owner != lcore_self())
		violation(p, qp, what, "by an lcore that does not own the queue pair");
}

void fake_port_check(void)
{
	uint32_t n = __atomic_exchange_n(&n_violations, 0, __ATOMIC_ACQUIRE);

	if (n)
		fail_msg("%u times; first: %s", n, first_violation);
}

uint64_t fake_port_moved(void)
{
	return __atomic_load_n(&moved, __ATOMIC_RELAXED);
}

uint64_t fake_port_taken_straight(const struct fake_port *p)
{
	return __atomic_load_n(&p->taken_straight, __ATOMIC_RELAXED);
}

void fake_port_set_suspended(struct fake_port *p, bool suspended)
{
	__atomic_store_n(&p->suspended, suspended, __ATOMIC_RELEASE);
}

/* ---- the device's side ---- */

static struct rte_mbuf *make_mbuf(struct rte_mempool *pool, const struct guest_frame *f)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool), *m = head;
	uint32_t done = 0;

	while (m) {
		uint32_t part = RTE_MIN(f->len - done, (uint32_t)rte_pktmbuf_tailroom(m));

		memcpy(rte_pktmbuf_append(m, (uint16_t)part), f->bytes + done, part);
		done += part;
		if (m != head)
			rte_pktmbuf_chain(head, m);
		if (done == f->len) {
			if (f->segment)
				head->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_LRO;
			head->tso_segsz = f->segment;
			return head;
		}
		m = rte_pktmbuf_alloc(pool);
	}
	rte_pktmbuf_free(head);
	return NULL;
}

/* A test may ask the owner to wait at a known place. */
static void wait_where_asked(struct fake_port *p)
{
	while (__atomic_load_n(&p->hold_round, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&p->round_is_held, true, __ATOMIC_RELEASE);
		sched_yield();
	}
	__atomic_store_n(&p->round_is_held, false, __ATOMIC_RELEASE);
}

static uint16_t from_guest(
	void *port, uint16_t qp, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n)
{
	struct fake_port *p = port;
	struct ring *tx = &p->queues[qp].tx;
	struct guest_frame *f;
	uint16_t done = 0;

	touch(p, qp, "from_guest");
	wait_where_asked(p);
	for (; done < n && (f = ring_first(tx)); done++) {
		pkts[done] = make_mbuf(pool, f);
		if (!pkts[done])
			break;
		ring_drop_first(tx);
		free(f);
	}
	__atomic_fetch_add(&moved, done, __ATOMIC_RELAXED);
	return done;
}

static uint16_t look(void *port, uint16_t qp, struct egress_raw *frames, uint16_t n)
{
	struct fake_port *p = port;
	const struct ring *tx = &p->queues[qp].tx;

	touch(p, qp, "look");
	wait_where_asked(p);
	n = (uint16_t)RTE_MIN((uint32_t)n, ring_count(tx));
	for (uint16_t i = 0; i < n; i++) {
		const struct guest_frame *f = tx->slots[(tx->head + i) % FAKE_RING_SIZE];

		if (f->segment)
			return i;
		frames[i] = (struct egress_raw){.at = f->bytes, .len = f->len};
	}
	return n;
}

static bool took(void *port, uint16_t qp, uint16_t n)
{
	struct fake_port *p = port;
	struct ring *tx = &p->queues[qp].tx;

	touch(p, qp, "took");
	for (uint16_t i = 0; i < n; i++) {
		free(ring_first(tx));
		ring_drop_first(tx);
	}
	__atomic_fetch_add(&moved, n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->taken_straight, n, __ATOMIC_RELAXED);
	return true;
}

static uint16_t to_guest(void *port, uint16_t qp, struct rte_mbuf **pkts, uint16_t n)
{
	struct fake_port *p = port;
	struct queue *q = &p->queues[qp];
	uint16_t done = 0;

	touch(p, qp, "to_guest");
	for (; done < n && __atomic_load_n(&q->room, __ATOMIC_RELAXED); done++) {
		const struct rte_mbuf *m = pkts[done];
		struct guest_frame *f = malloc(sizeof(*f) + m->pkt_len);
		const void *bytes = rte_pktmbuf_read(m, 0, m->pkt_len, f->bytes);

		f->len = m->pkt_len;
		if (bytes != f->bytes)
			memcpy(f->bytes, bytes, f->len);
		if (!ring_put(&q->rx, f)) {
			free(f);
			break;
		}
		if (__atomic_load_n(&q->room, __ATOMIC_RELAXED) < FAKE_ROOM_ENDLESS)
			__atomic_fetch_sub(&q->room, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&moved, done, __ATOMIC_RELAXED);
	return done;
}

static bool has_frames(void *port, uint16_t qp)
{
	struct fake_port *p = port;

	touch(p, qp, "has_frames");
	return ring_count(&p->queues[qp].tx) ||
	       __atomic_load_n(&p->pretend_frames, __ATOMIC_RELAXED);
}

static int arm(void *port, uint16_t qp, bool woken)
{
	struct fake_port *p = port;

	touch(p, qp, "arm");
	__atomic_fetch_add(&p->queues[qp].woken, woken, __ATOMIC_RELEASE);
	__atomic_store_n(&p->queues[qp].armed, 1, __ATOMIC_SEQ_CST);
	return p->queues[qp].kick_fd;
}

static void disarm(void *port, uint16_t qp)
{
	struct fake_port *p = port;

	touch(p, qp, "disarm");
	__atomic_store_n(&p->queues[qp].armed, 0, __ATOMIC_SEQ_CST);
}

static void ring_info(void *port, uint16_t qp, struct vf_queue_info *info)
{
	const struct fake_port *p = port;

	info->rx_size = info->tx_size = FAKE_RING_SIZE;
	info->tx_avail_idx = (uint16_t)__atomic_load_n(&p->queues[qp].tx.head, __ATOMIC_RELAXED);
	info->rx_avail_idx = (uint16_t)__atomic_load_n(&p->queues[qp].rx.tail, __ATOMIC_RELAXED);
}

static uint64_t features(void *port)
{
	return ((const struct fake_port *)port)->features;
}

static int create(struct vf *vf, const struct vf_config *config, void **port, struct nic_error *err)
{
	uint16_t n = vf_queue_pairs(vf);
	struct fake_port *p;
	int id = 0;

	if (refuse_create) {
		refuse_create = false;
		return nic_fail(err, RENIC_E_IO, "socket", "the fake refuses");
	}
	while (ports[id])
		id++;
	p = calloc(1, sizeof(*p) + n * sizeof(p->queues[0]));
	p->vf = vf;
	p->n_qps = n;
	p->features = 1ULL << 32;
	for (uint16_t q = 0; q < n; q++) {
		p->queues[q].room = FAKE_ROOM_ENDLESS;
		p->queues[q].owner = NO_OWNER;
		p->queues[q].kick_fd = eventfd(0, EFD_NONBLOCK);
	}
	ports[id] = p;
	*port = p;
	return 0;
}

static void destroy(void *port)
{
	struct fake_port *p = port;

	if (p->after_late_start) { /* as vhost_port_of() has it, nothing is told of a stop */
		fake_port_start(p);
		__atomic_store_n(&p->running, false, __ATOMIC_RELEASE);
		p->connected = false;
		p->after_late_start();
	}
	if (p->running)
		fake_port_stop(p);
	if (p->connected)
		fake_port_disconnect(p, NULL);
	for (int id = 0; id < VF_MAX; id++)
		if (ports[id] == p)
			ports[id] = NULL;
	for (uint16_t q = 0; q < p->n_qps; q++) {
		ring_empty(&p->queues[q].tx);
		ring_empty(&p->queues[q].rx);
		close(p->queues[q].kick_fd);
	}
	free(p);
}

const struct vf_port_ops fake_port_ops = {
	.create = create,
	.destroy = destroy,
	.from_guest = from_guest,
	.look = look,
	.took = took,
	.to_guest = to_guest,
	.has_frames = has_frames,
	.arm = arm,
	.disarm = disarm,
	.ring_info = ring_info,
	.features = features,
};

void fake_port_start_late(const char *vf, void (*fn)(void))
{
	fake_port_of(vf)->after_late_start = fn;
}

void fake_port_refuse_create(void)
{
	refuse_create = true;
}

struct fake_port *fake_port_of(const char *vf)
{
	for (int id = 0; id < VF_MAX; id++)
		if (ports[id] && !strcmp(vf_name(ports[id]->vf), vf))
			return ports[id];
	return NULL;
}

/* ---- the front-end ---- */

void fake_port_connect(struct fake_port *p)
{
	p->connected = true;
	vf_frontend_connected(p->vf);
}

/* As SET_VRING_KICK does: the old descriptor is closed, the new one may have its number. */
static void renew_kick(struct queue *q)
{
	pthread_mutex_lock(&kick_lock);
	close(q->kick_fd);
	q->kick_fd = eventfd(0, EFD_NONBLOCK);
	pthread_mutex_unlock(&kick_lock);
}

void fake_port_start(struct fake_port *p)
{
	for (uint16_t q = 0; q < p->n_qps; q++) {
		renew_kick(&p->queues[q]);
		__atomic_store_n(&p->queues[q].armed, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&p->running, true, __ATOMIC_RELEASE);
	vf_frontend_running(p->vf);
}

void fake_port_set_features(struct fake_port *p, uint64_t features)
{
	p->features = features;
}

/* When the notice returns, guest memory goes. */
void fake_port_stop(struct fake_port *p)
{
	vf_frontend_stopped(p->vf);
	__atomic_store_n(&p->running, false, __ATOMIC_RELEASE);
}

void fake_port_enable(struct fake_port *p, uint16_t qp, bool enabled)
{
	vf_frontend_queue(p->vf, qp, enabled);
}

void fake_port_disconnect(struct fake_port *p, const char *error)
{
	if (p->running)
		fake_port_stop(p);
	p->connected = false;
	vf_frontend_disconnected(p->vf, error);
}

void fake_port_bring_up(struct fake_port *p)
{
	fake_port_connect(p);
	fake_port_start(p);
	for (uint16_t q = 0; q < p->n_qps; q++)
		fake_port_enable(p, q, true);
}

bool fake_port_is_running(const struct fake_port *p)
{
	return __atomic_load_n(&p->running, __ATOMIC_ACQUIRE);
}

/* ---- the guest ---- */

bool fake_port_send_asking(
	struct fake_port *p, uint16_t qp, const void *bytes, uint32_t len, uint16_t segment)
{
	struct guest_frame *f = malloc(sizeof(*f) + len);
	struct queue *q = &p->queues[qp];
	uint64_t one = 1;
	bool kicked = true;

	f->len = len;
	f->segment = segment;
	memcpy(f->bytes, bytes, len);
	if (!ring_put(&q->tx, f)) {
		free(f);
		return false;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	pthread_mutex_lock(&kick_lock);
	if (__atomic_load_n(&q->armed, __ATOMIC_RELAXED))
		kicked = write(q->kick_fd, &one, sizeof(one)) == sizeof(one);
	pthread_mutex_unlock(&kick_lock);
	if (!kicked)
		abort();
	return true;
}

bool fake_port_send(struct fake_port *p, uint16_t qp, const void *bytes, uint32_t len)
{
	return fake_port_send_asking(p, qp, bytes, len, 0);
}

struct guest_frame *fake_port_receive(struct fake_port *p, uint16_t qp)
{
	struct ring *rx = &p->queues[qp].rx;
	struct guest_frame *f = ring_first(rx);

	if (f)
		ring_drop_first(rx);
	return f;
}

uint32_t fake_port_unread(const struct fake_port *p, uint16_t qp)
{
	return ring_count(&p->queues[qp].tx);
}

void fake_port_set_room(struct fake_port *p, uint16_t qp, uint32_t frames)
{
	__atomic_store_n(&p->queues[qp].room, frames, __ATOMIC_RELAXED);
}

void fake_port_pretend_frames(struct fake_port *p, bool pretend)
{
	__atomic_store_n(&p->pretend_frames, pretend, __ATOMIC_RELAXED);
}

void fake_port_hold_round(struct fake_port *p, bool hold)
{
	__atomic_store_n(&p->hold_round, hold, __ATOMIC_RELEASE);
}

bool fake_port_round_is_held(const struct fake_port *p)
{
	return __atomic_load_n(&p->round_is_held, __ATOMIC_ACQUIRE);
}

void fake_port_kick(struct fake_port *p, uint16_t qp)
{
	uint64_t one = 1;

	if (write(p->queues[qp].kick_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

uint32_t fake_port_woken(const struct fake_port *p, uint16_t qp)
{
	return __atomic_load_n(&p->queues[qp].woken, __ATOMIC_ACQUIRE);
}

bool fake_port_is_armed(const struct fake_port *p, uint16_t qp)
{
	return __atomic_load_n(&p->queues[qp].armed, __ATOMIC_SEQ_CST);
}
