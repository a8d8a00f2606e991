/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's guest side over vhost-user (librte_vhost; QEMU docs/interop/vhost-user.rst).
 *
 * Callbacks come on librte_vhost's own thread. The library unmaps guest memory when
 * destroy_device() has returned, so that callback waits until every lcore has let go
 * (vf_frontend_stopped). Ring indices come from SET_VRING_BASE alone; the last ones are kept
 * over a stop, as GET_VRING_BASE told them to the front-end.
 *
 * Queue pair q is the vrings 2q (guest RX) and 2q + 1 (guest TX): virtio 1.2, section 5.1.2.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "guest_memory.h"
#include "guest_signal.h"
#include "lcore.h"
#include "log.h"
#include "mbuf_budget.h"
#include "vhost.h"
#include "vhost_conn.h"
#include "vhost_guard.h"
#include "vhost_packed.h"
#include "vhost_plan.h"
#include "vhost_put.h"
#include "vhost_ring.h"

enum { PORTS_MAX = VF_MAX, NO_DEVICE = -1 };

#define RX_VRING(qp) ((uint16_t)((qp)*2))
#define TX_VRING(qp) ((uint16_t)((qp)*2 + 1))

/* Last known indices of a queue pair. */
struct ring_base {
	uint32_t rx_size, tx_size;
	uint16_t rx_avail, rx_used, tx_avail, tx_used;
};

/* How long the library takes over a queue pair: its owner's. */
struct vhost_slowness {
	uint16_t suspected; /* bursts that are looked at yet */
	uint16_t score;
	uint64_t rest_until_tsc; /* the rings are left alone until then; 0: they are not */
};

/* Does a TX ring stand still? Its owner's. */
struct vhost_stillness {
	uint32_t empty;	     /* bursts that brought nothing, in a row */
	uint32_t empty_then; /* at the last look */
	uint16_t idx;	     /* where the ring was then */
	uint8_t looks;	     /* that found something there, and it not moved */
};

struct vhost_port {
	struct vf *vf;
	char path[NIC_PATH_SIZE];
	uint16_t n_qps;
	bool server;
	bool closing;	      /* atomic: callbacks do nothing any more */
	int vid;	      /* atomic: running device, or NO_DEVICE */
	int conn_vid;	      /* atomic: connected device */
	uint32_t request;     /* front-end request under way; 0: none (library's thread) */
	int conn_fd;	      /* our own descriptor of the connection, or -1; under base_lock */
	bool too_many_queues; /* said once a connection */
	uint64_t turned_away; /* second front-ends */
	uint64_t sent_away;   /* front-ends, for an error */
	uint64_t features;    /* atomic: negotiated */
	bool packed;	      /* constant while running */
	bool mergeable;	      /* constant while running: VIRTIO_NET_F_MRG_RXBUF */
	struct vhost_guard guard;
	uint64_t slow_cycles;
	struct vhost_slowness slowness[VF_QPS_MAX];
	struct vhost_stillness stillness[VF_QPS_MAX];
	pthread_mutex_t base_lock; /* between control thread and library's thread */
	struct ring_base bases[VF_QPS_MAX];
	struct dirty_log *dirty;
	struct vhost_rings rings[VF_QPS_MAX]; /* each its queue pair's owner's */
	uint32_t unsettled;		      /* vrings that were given a base (library's thread) */
	struct packed_note *notes[VF_QPS_MAX]; /* of their RX and TX rings, where packed */
};

/* Offered to a VF with `offloads`; nic/offload.c makes them good where they end. */
static const uint64_t offloads = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
				 1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 |
				 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6;

/* librte_vhost offers these, we do not. */
static const uint64_t features_not_offered =
	1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_GUEST_UFO |
	1ULL << VIRTIO_NET_F_HOST_ECN | 1ULL << VIRTIO_NET_F_HOST_UFO;

/*
 * Callbacks name a device, not us: find the port by its socket. A port that is being destroyed is
 * not found: rte_vhost_driver_unregister() calls back under the library's own mutex, where
 * waiting for an lcore could wait for ever (the lcore for a ring's lock, its holder for the mutex).
 */
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vhost_port *ports[PORTS_MAX]; /* under ports_lock */

static struct vhost_port *port_of(int vid)
{
	struct vhost_port *found = NULL;
	char path[PATH_MAX];

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0)
		return NULL;
	pthread_mutex_lock(&ports_lock);
	for (int i = 0; i < PORTS_MAX && !found; i++)
		if (ports[i] && !strcmp(ports[i]->path, path))
			found = ports[i];
	pthread_mutex_unlock(&ports_lock);
	if (found && __atomic_load_n(&found->closing, __ATOMIC_ACQUIRE))
		return NULL;
	return found;
}

static int ports_replace(struct vhost_port *from, struct vhost_port *to)
{
	int rc = -ENOSPC;

	pthread_mutex_lock(&ports_lock);
	for (int i = 0; i < PORTS_MAX && rc; i++) {
		if (ports[i] != from)
			continue;
		ports[i] = to;
		rc = 0;
	}
	pthread_mutex_unlock(&ports_lock);
	return rc;
}

/* ---- ring state ---- */

static void read_base(int vid, uint16_t qp, struct ring_base *base)
{
	struct rte_vhost_vring vring;

	if (rte_vhost_get_vhost_vring(vid, RX_VRING(qp), &vring) == 0)
		base->rx_size = vring.size;
	if (rte_vhost_get_vhost_vring(vid, TX_VRING(qp), &vring) == 0)
		base->tx_size = vring.size;
	rte_vhost_get_vring_base(vid, RX_VRING(qp), &base->rx_avail, &base->rx_used);
	rte_vhost_get_vring_base(vid, TX_VRING(qp), &base->tx_avail, &base->tx_used);
}

/* The device is about to go: nobody asks it after this. */
static void save_bases(struct vhost_port *p, int vid)
{
	pthread_mutex_lock(&p->base_lock);
	__atomic_store_n(&p->vid, NO_DEVICE, __ATOMIC_RELEASE);
	for (uint16_t qp = 0; qp < p->n_qps && TX_VRING(qp) < rte_vhost_get_vring_num(vid); qp++)
		read_base(vid, qp, &p->bases[qp]);
	pthread_mutex_unlock(&p->base_lock);
}

static void vhost_ring_info(void *port, uint16_t qp, struct vf_queue_info *info)
{
	struct vhost_port *p = port;
	struct ring_base base;
	int vid;

	pthread_mutex_lock(&p->base_lock);
	vid = __atomic_load_n(&p->vid, __ATOMIC_ACQUIRE);
	if (vid != NO_DEVICE && TX_VRING(qp) < rte_vhost_get_vring_num(vid))
		read_base(vid, qp, &p->bases[qp]);
	base = p->bases[qp];
	pthread_mutex_unlock(&p->base_lock);
	info->rx_size = base.rx_size;
	info->tx_size = base.tx_size;
	info->rx_avail_idx = base.rx_avail;
	info->rx_used_idx = base.rx_used;
	info->tx_avail_idx = base.tx_avail;
	info->tx_used_idx = base.tx_used;
}

static uint64_t vhost_features(void *port)
{
	const struct vhost_port *p = port;

	return __atomic_load_n(&p->features, __ATOMIC_RELAXED);
}

static void read_features(struct vhost_port *p, int vid)
{
	uint64_t features = 0;

	rte_vhost_get_negotiated_features(vid, &features);
	__atomic_store_n(&p->features, features, __ATOMIC_RELAXED);
	p->packed = features & (1ULL << VIRTIO_F_RING_PACKED);
	p->mergeable = features & (1ULL << VIRTIO_NET_F_MRG_RXBUF);
}

/* ---- logging what is written ---- */

/* vhost-user's own log (VHOST_F_LOG_ALL) is the library's to write. */
static void let_put(struct vhost_port *p)
{
	bool logged = RTE_VHOST_NEED_LOG(vhost_features(p));

	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		vhost_rings_let(&p->rings[qp], VHOST_RINGS_LOGGED, !logged);
}

/* No lcore uses them yet. */
static void start_rings(struct vhost_port *p, int vid)
{
	for (uint16_t qp = 0; qp < p->n_qps; qp++) {
		p->rings[qp].vid = vid;
		p->rings[qp].rx_vring = RX_VRING(qp);
		p->slowness[qp] = (struct vhost_slowness){0};
		p->stillness[qp] = (struct vhost_stillness){0};
		vhost_rings_look_again(&p->rings[qp]);
		vhost_rings_reopen(&p->rings[qp]);
	}
	let_put(p);
}

static void each_ring(struct vhost_port *p, void (*fn)(struct vhost_rings *rings))
{
	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		fn(&p->rings[qp]);
}

/* A packed ring starts: where, its note may say. It is not polled yet. */
static void settle_ring(struct vhost_port *p, int vid, uint16_t vring)
{
	uint32_t bit = 1u << vring;

	if ((p->unsettled & bit) &&
		packed_settle(vid, vring, p->path, &p->notes[vring / 2][vring & 1]))
		p->unsettled &= ~bit;
}

/* ---- librte_vhost's callbacks ---- */

static int on_new_device(int vid)
{
	struct vhost_port *p = port_of(vid);

	if (!p || __atomic_load_n(&p->conn_vid, __ATOMIC_RELAXED) != vid)
		return -1;
	read_features(p, vid);
	for (uint16_t vring = 0; vring < 2 * p->n_qps; vring++)
		settle_ring(p, vid, vring);
	start_rings(p, vid);
	__atomic_store_n(&p->vid, vid, __ATOMIC_RELEASE);
	vf_frontend_running(p->vf);
	return 0;
}

static void on_destroy_device(int vid)
{
	struct vhost_port *p = port_of(vid);

	if (!p || __atomic_load_n(&p->vid, __ATOMIC_RELAXED) != vid)
		return;
	vf_frontend_stopped(p->vf);
	save_bases(p, vid);
}

/* The library holds the rings' locks here, which an lcore may be waiting for: wait for none. */
static int on_vring_state(int vid, uint16_t vring, int enable)
{
	struct vhost_port *p = port_of(vid);
	uint16_t qp = vring / 2;

	if (!p)
		return -1;
	if (qp >= p->n_qps) {
		if (enable && !p->too_many_queues)
			LOG_WARN("VF %s: the front-end set up queue pair %u, the VF has %u: it "
				 "stays unserved",
				vf_name(p->vf), qp, p->n_qps);
		p->too_many_queues = true;
		return 0;
	}
	if (enable)
		settle_ring(p, vid, vring);
	vhost_rings_look_again(&p->rings[qp]);
	/* A pair is usable when its TX ring, the later one, is. */
	if (vring & 1)
		vf_frontend_queue(p->vf, qp, enable);
	else
		vhost_rings_let(&p->rings[qp], VHOST_RINGS_RX_OFF, enable);
	return 0;
}

/* NUM, ADDR and BASE. */
static bool changes_ring(uint32_t request)
{
	return request >= MSG_SET_VRING_NUM && request <= MSG_SET_VRING_BASE;
}

/* It is not answered, but the connection ends. */
static enum rte_vhost_msg_result refuse(struct vhost_message *m)
{
	m->flags &= ~(uint32_t)MSG_FLAG_NEED_REPLY;
	return RTE_VHOST_MSG_RESULT_ERR;
}

/* A message comes in; if the connection ends before post_msg, it was refused. */
static enum rte_vhost_msg_result pre_msg(int vid, void *msg)
{
	struct vhost_port *p = port_of(vid);
	struct vhost_message *m = msg;

	if (!p) {
		vhost_guard_drop();
		return refuse(m);
	}
	p->request = m->request;
	if (!vhost_guard_admits(&p->guard, vid, m))
		return refuse(m);
	if (m->request == MSG_SET_MEM_TABLE || changes_ring(m->request))
		each_ring(p, vhost_rings_close);
	if (vhost_conn_is_clogged(p->conn_fd))
		return refuse(m); /* an answer would not be read */
	/* "Back-ends should ignore this message, or disable all rings": vhost-user.rst. */
	return m->request == MSG_RESET_OWNER ? RTE_VHOST_MSG_RESULT_OK
					     : RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result post_msg(int vid, void *msg)
{
	struct vhost_port *p = port_of(vid);
	struct vhost_message *m = msg;

	if (!p)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (!vhost_guard_done(&p->guard, vid, m))
		return RTE_VHOST_MSG_RESULT_ERR;
	if (m->request == MSG_SET_MEM_TABLE || changes_ring(m->request))
		each_ring(p, vhost_rings_reopen);
	if (m->request == MSG_SET_VRING_BASE && m->state.ring < 2u * p->n_qps)
		p->unsettled |= 1u << m->state.ring;
	p->request = 0;
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops extern_ops = {
	.pre_msg_handle = pre_msg,
	.post_msg_handle = post_msg,
};

/* The control thread uses it too, to end the connection. */
static void set_conn_fd(struct vhost_port *p, int fd)
{
	pthread_mutex_lock(&p->base_lock);
	if (p->conn_fd >= 0)
		close(p->conn_fd);
	p->conn_fd = fd;
	pthread_mutex_unlock(&p->base_lock);
}

/* A front-end may come again at once, for ever: the 1st, 2nd, 4th, 8th ... is worth a line. */
static bool is_power_of_2(uint64_t n)
{
	return (n & (n - 1)) == 0;
}

static int on_new_connection(int vid)
{
	struct vhost_port *p = port_of(vid);

	if (!p)
		return -1;
	if (__atomic_load_n(&p->conn_vid, __ATOMIC_RELAXED) != NO_DEVICE) {
		if (is_power_of_2(++p->turned_away))
			LOG_WARN("VF %s: a second front-end on %s was turned away (%lu)",
				vf_name(p->vf), p->path, p->turned_away);
		return -1;
	}
	p->request = 0;
	p->too_many_queues = false;
	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		vhost_rings_let(&p->rings[qp], VHOST_RINGS_RX_OFF, false);
	set_conn_fd(p, vhost_conn_find(p->path, p->server, -1));
	vhost_guard_watch(&p->guard, p->conn_fd);
	if (p->conn_fd < 0 || rte_vhost_extern_callback_register(vid, &extern_ops, p) < 0) {
		LOG_ERR("VF %s: cannot serve the front-end on %s", vf_name(p->vf), p->path);
		return -1;
	}
	__atomic_store_n(&p->conn_vid, vid, __ATOMIC_RELAXED);
	vf_frontend_connected(p->vf);
	return 0;
}

static const char *const state_texts[] = {
	[GUEST_MEMORY_LOST] = "the guest's memory was pulled away",
	[GUEST_MEMORY_GREEDY] = "the guest sent a frame as long as many",
	[GUEST_MEMORY_SLOW] = "the guest's rings take too long to read",
	[GUEST_MEMORY_DEAF] = "a ring's eventfd was full, and blocking",
};

static void on_destroy_connection(int vid)
{
	struct vhost_port *p = port_of(vid);
	char error[VHOST_RULES_WHY_SIZE] = "";

	if (!p || __atomic_load_n(&p->conn_vid, __ATOMIC_RELAXED) != vid)
		return;
	if (guest_memory_state(p->guard.memory))
		snprintf(error, sizeof(error), "%s",
			state_texts[guest_memory_state(p->guard.memory)]);
	else if (p->guard.why[0])
		memcpy(error, p->guard.why, sizeof(error));
	else if (p->request)
		snprintf(error, sizeof(error), "vhost-user request %u was refused", p->request);
	else if (p->conn_fd >= 0 && !vhost_conn_hung_up(p->conn_fd))
		snprintf(error, sizeof(error), "a malformed or incomplete vhost-user message");
	if (error[0] && is_power_of_2(++p->sent_away))
		LOG_WARN("VF %s: its front-end was sent away (%lu): %s", vf_name(p->vf),
			p->sent_away, error);
	vhost_guard_watch(&p->guard, -1);
	set_conn_fd(p, -1);
	vf_frontend_disconnected(p->vf, error[0] ? error : NULL);
	__atomic_store_n(&p->conn_vid, NO_DEVICE, __ATOMIC_RELAXED);
	__atomic_store_n(&p->features, 0, __ATOMIC_RELAXED);
}

static int on_features_changed(int vid, uint64_t features)
{
	struct vhost_port *p = port_of(vid);

	if (!p)
		return 0;
	__atomic_store_n(&p->features, features, __ATOMIC_RELAXED);
	let_put(p);
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state,
	.features_changed = on_features_changed,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};

/* ---- bursts: the owner lcore ---- */

/*
 * How long the library takes over a burst. It follows chains of empty descriptors as often as a
 * ring has entries, for each frame: a ring of nonsense can take an lcore for long, again and again.
 * A burst takes a tenth of SLOW_US, whatever is in it, but the thread may be preempted; so a port
 * with a slow burst behind it has the next ones looked at by the thread's own time. One that took
 * REST_US for nothing is followed by a rest as long: the guest has half of the lcore's time at
 * most, and the library's thread gets at the rings' locks, which know no order among those who
 * wait.
 */
enum { REST_US = 100, SLOW_US = 2000, SLOW_SCORE = 4, SLOW_SCORE_MAX = 16, SUSPECTED_BURSTS = 64 };

struct stopwatch {
	uint64_t tsc;
	uint64_t cpu_ns; /* 0: not looked at */
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct stopwatch watch_begin(const struct vhost_slowness *slow)
{
	return (struct stopwatch){
		.tsc = rte_rdtsc(), .cpu_ns = unlikely(slow->suspected) ? cpu_ns() : 0};
}

/* Returns whether it has been slow too often. */
static bool watch_judge(struct vhost_slowness *slow, const struct stopwatch *w, bool was_slow)
{
	if (was_slow)
		slow->suspected = SUSPECTED_BURSTS;
	else
		slow->suspected--;
	if (was_slow && w->cpu_ns && cpu_ns() - w->cpu_ns > SLOW_US * 1000u)
		slow->score += SLOW_SCORE;
	else if (slow->score)
		slow->score--;
	return slow->score >= SLOW_SCORE_MAX;
}

static inline bool is_resting(struct vhost_slowness *slow)
{
	if (likely(!slow->rest_until_tsc))
		return false;
	if (rte_rdtsc() < slow->rest_until_tsc)
		return true;
	slow->rest_until_tsc = 0;
	return false;
}

static inline void watch_end(
	struct vhost_port *p, struct vhost_slowness *slow, const struct stopwatch *w, uint16_t done)
{
	uint64_t took = rte_rdtsc() - w->tsc;
	bool was_slow = took > p->slow_cycles;

	if (unlikely(!done && took > p->slow_cycles / (SLOW_US / REST_US)))
		slow->rest_until_tsc = w->tsc + took + RTE_MIN(took, p->slow_cycles);
	if (likely(!was_slow && !slow->suspected))
		return;
	if (guest_signal_waited())
		guest_memory_shun(p->guard.memory, GUEST_MEMORY_DEAF);
	else if (watch_judge(slow, w, was_slow))
		guest_memory_shun(p->guard.memory, GUEST_MEMORY_SLOW);
}

/* Mbufs that a burst of the longest frames takes, and its lcore's cache while it is at it. */
enum { BURST_MBUFS = 32 * (9600 / RTE_MBUF_DEFAULT_DATAROOM + 1) + 2 * RTE_MEMPOOL_CACHE_MAX_SIZE };

/* Its memory was pulled away under the burst: what was read of it may be zeroes. */
static uint16_t drop_burst(struct rte_mbuf **pkts, uint16_t n)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return 0;
}

/*
 * The front-end's log lacks a packed ring's used descriptors: librte_vhost logs them relative to
 * log_guest_addr, which QEMU sets to the device's event area, not to the descriptors.
 */
static void log_used(const struct vhost_port *p, const struct packed_note *note, uint16_t index)
{
	uint64_t bytes = sizeof(struct vring_packed_desc);
	uint16_t from = note->index & ~PACKED_WRAP, to = index & ~PACKED_WRAP;

	if (note->index == index)
		return;
	if (to <= from) {
		rte_vhost_log_write(
			p->vid, note->desc_gpa + from * bytes, (note->size - from) * bytes);
		from = 0;
	}
	if (to > from)
		rte_vhost_log_write(p->vid, note->desc_gpa + from * bytes, (to - from) * bytes);
}

/* Where the ring is now; frames: of how many descriptors, where one is one. */
static void note_burst(struct vhost_port *p, uint16_t qp, unsigned tx, uint16_t frames)
{
	struct packed_note *note = &p->notes[qp][tx];
	uint16_t avail_idx, used_idx;

	if (rte_vhost_get_vring_base(p->vid, (uint16_t)(RX_VRING(qp) + tx), &avail_idx, &used_idx) <
		0)
		return;
	if (unlikely(RTE_VHOST_NEED_LOG(vhost_features(p))))
		log_used(p, note, avail_idx);
	packed_note_burst(note, avail_idx, frames);
}

/*
 * The library leaves a ring where it is when it cannot read what is next there (an address outside
 * the guest's memory, a loop): for ever, and without a word. So now and then a ring that brings
 * nothing is looked at: it has something, and has not moved since the last looks. In a packed ring
 * it goes on, past what it cannot read.
 */
enum { STILL_BURSTS = 4096, STILL_BURSTS_SUSPECTED = 16, STILL_LOOKS = 4 };

/* Returns whether it is to be looked at again soon. */
static bool may_stand_still(struct vhost_port *p, uint16_t qp)
{
	struct vhost_stillness *s = &p->stillness[qp];
	uint16_t avail_idx, used_idx;

	if (p->packed || s->empty == s->empty_then || s->looks >= STILL_LOOKS)
		return false; /* nobody has asked it since, or it was told */
	s->empty_then = s->empty;
	if (rte_vhost_get_vring_base(p->vid, TX_VRING(qp), &avail_idx, &used_idx) < 0)
		return false;
	if (avail_idx != s->idx || !rte_vhost_rx_queue_count(p->vid, TX_VRING(qp)))
		s->looks = 0;
	else if (++s->looks == STILL_LOOKS)
		vf_ring_stuck(p->vf, qp);
	s->idx = avail_idx;
	return s->looks > 0 && s->looks < STILL_LOOKS;
}

static inline void note_stillness(struct vhost_port *p, uint16_t qp, uint16_t done)
{
	struct vhost_stillness *s = &p->stillness[qp];
	uint32_t bursts = s->looks ? STILL_BURSTS_SUSPECTED : STILL_BURSTS;

	if (likely(done))
		s->empty = s->looks = 0;
	else if (unlikely(++s->empty % bursts == 0))
		may_stand_still(p, qp);
}

static uint16_t vhost_from_guest(
	void *port, uint16_t qp, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_port *p = port;
	struct stopwatch watch;
	uint16_t done;

	if (unlikely(guest_memory_state(p->guard.memory) || is_resting(&p->slowness[qp])))
		return 0;
	mbuf_budget_begin(BURST_MBUFS);
	watch = watch_begin(&p->slowness[qp]);
	done = rte_vhost_dequeue_burst(p->vid, TX_VRING(qp), pool, pkts, n);
	watch_end(p, &p->slowness[qp], &watch, done);
	if (unlikely(mbuf_budget_end()))
		guest_memory_shun(p->guard.memory, GUEST_MEMORY_GREEDY);
	note_stillness(p, qp, done);
	if (p->packed)
		note_burst(p, qp, 1, done);
	if (dirty_log_is_on(p->dirty))
		vhost_rings_dequeued(&p->rings[qp], p->dirty);
	if (unlikely(guest_memory_state(p->guard.memory) == GUEST_MEMORY_LOST))
		return drop_burst(pkts, done);
	return done;
}

/*
 * What vhost_put() left: to the library. A frame for a guest with mergeable buffers may take as
 * many of them as its ring has, if they are empty; librte_vhost 22.11 notes those of a whole burst
 * in an array of the ring's size, and does not look at its end, nor whether the guest's index is
 * within the ring. So it gets one frame at a time.
 */
static uint16_t enqueue(struct vhost_port *p, uint16_t qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t at_once = p->mergeable ? 1 : n;

	if (dirty_log_is_on(p->dirty))
		return vhost_plan_enqueue(
			&p->rings[qp], p->dirty, pkts, p->packed ? n : at_once, at_once);
	return rte_vhost_enqueue_burst(p->vid, RX_VRING(qp), pkts, at_once);
}

static uint16_t vhost_to_guest(void *port, uint16_t qp, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_port *p = port;
	struct stopwatch watch;
	uint16_t done = 0, taken;

	if (unlikely(guest_memory_state(p->guard.memory) || is_resting(&p->slowness[qp])))
		return 0;
	watch = watch_begin(&p->slowness[qp]);
	do {
		done += vhost_put(&p->rings[qp], p->dirty, &pkts[done], n - done);
		taken = likely(done == n) ? 0 : enqueue(p, qp, &pkts[done], n - done);
		done += taken;
	} while (taken && done < n);
	watch_end(p, &p->slowness[qp], &watch, done);
	if (p->packed)
		note_burst(p, qp, 0, 0);
	return done;
}

/* Under the ring's lock, as all reading of guest memory. The library cannot tell for packed rings:
 * it is then for the dequeue to find out. */
static bool vhost_has_frames(void *port, uint16_t qp)
{
	const struct vhost_port *p = port;

	return p->packed || rte_vhost_rx_queue_count(p->vid, TX_VRING(qp)) > 0;
}

static int vhost_arm(void *port, uint16_t qp)
{
	struct vhost_port *p = port;
	struct rte_vhost_vring vring;

	if (rte_vhost_get_vhost_vring(p->vid, TX_VRING(qp), &vring) < 0 || !vring.desc)
		return POLLER_NO_FD; /* not set up: vring_state_changed will wake us */
	if (rte_vhost_enable_guest_notification(p->vid, TX_VRING(qp), 1) < 0)
		return POLLER_TIMED;
	vhost_rings_notified(&p->rings[qp], p->dirty, vhost_features(p));
	if (unlikely(may_stand_still(p, qp) || p->slowness[qp].rest_until_tsc))
		return POLLER_TIMED;
	return vring.kickfd >= 0 ? vring.kickfd : POLLER_TIMED;
}

static void vhost_disarm(void *port, uint16_t qp)
{
	struct vhost_port *p = port;

	rte_vhost_enable_guest_notification(p->vid, TX_VRING(qp), 0);
	vhost_rings_notified(&p->rings[qp], p->dirty, vhost_features(p));
}

/* ---- life: control thread ---- */

/* A server's socket left by a daemon that was killed: remove it, but never a living one's. */
static int remove_stale_socket(const char *path, struct nic_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return nic_fail(err, RENIC_E_EXISTS, "socket", "%s exists and is no socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return nic_fail(err, RENIC_E_RESOURCES, "socket", "%s", strerror(errno));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	if (rc == 0)
		return nic_fail(err, RENIC_E_EXISTS, "socket", "somebody listens on %s", path);
	return unlink(path) < 0
		       ? nic_fail(err, RENIC_E_IO, "socket", "%s: %s", path, strerror(errno))
		       : 0;
}

static int register_driver(struct vhost_port *p, const struct vf_config *config)
{
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
	uint64_t off = features_not_offered;

	if (!config->server)
		flags |= RTE_VHOST_USER_CLIENT;
	if (!config->offloads)
		off |= offloads;
	if (!config->packed)
		off |= 1ULL << VIRTIO_F_RING_PACKED;
	if (rte_vhost_driver_register(p->path, flags) < 0)
		return -1;
	if (rte_vhost_driver_disable_features(p->path, off) == 0 &&
		rte_vhost_driver_set_protocol_features(p->path, vhost_rules_protocol_features) ==
			0 &&
		rte_vhost_driver_callback_register(p->path, &device_ops) == 0 &&
		rte_vhost_driver_start(p->path) == 0)
		return 0;
	rte_vhost_driver_unregister(p->path);
	return -1;
}

static int vhost_create(
	struct vf *vf, const struct vf_config *config, void **port, struct nic_error *err)
{
	struct vhost_port *p = calloc(1, sizeof(*p));

	if (!p)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	if (config->server && remove_stale_socket(config->socket, err)) {
		free(p);
		return err ? err->code : RENIC_E_IO;
	}
	p->vf = vf;
	p->vid = p->conn_vid = NO_DEVICE;
	p->conn_fd = -1;
	p->server = config->server;
	p->n_qps = vf_queue_pairs(vf);
	p->dirty = vf_dirty_log(vf);
	p->slow_cycles = rte_get_tsc_hz() / 1000000 * SLOW_US;
	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		p->notes[qp] = packed_notes_of(vf_number(vf), qp);
	memcpy(p->path, config->socket, sizeof(p->path));
	pthread_mutex_init(&p->base_lock, NULL);
	*port = p;
	if (vhost_guard_init(&p->guard) == 0 && ports_replace(NULL, p) == 0 &&
		register_driver(p, config) == 0)
		return 0;
	ports_replace(p, NULL);
	vhost_guard_fini(&p->guard);
	*port = NULL;
	free(p);
	return nic_fail(
		err, RENIC_E_IO, "socket", "librte_vhost cannot use the socket %s", config->socket);
}

static void vhost_destroy(void *port)
{
	struct vhost_port *p = port;

	__atomic_store_n(&p->closing, true, __ATOMIC_RELEASE);
	/* Where its thread reads half a message, the library waits for the receive timeout. Were
	 * the connection shut down instead, it would connect once more, to hang up again at once.
	 */
	rte_vhost_driver_unregister(p->path);
	ports_replace(p, NULL);
	vhost_guard_fini(&p->guard);
	set_conn_fd(p, -1);
	each_ring(p, vhost_rings_fini);
	pthread_mutex_destroy(&p->base_lock);
	free(p);
}

const struct vf_port_ops vhost_port_ops = {
	.create = vhost_create,
	.destroy = vhost_destroy,
	.from_guest = vhost_from_guest,
	.to_guest = vhost_to_guest,
	.has_frames = vhost_has_frames,
	.arm = vhost_arm,
	.disarm = vhost_disarm,
	.ring_info = vhost_ring_info,
	.features = vhost_features,
};
