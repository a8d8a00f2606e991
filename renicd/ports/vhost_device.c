/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What librte_vhost tells of a port's device (QEMU docs/interop/vhost-user.rst), on its own
 * threads.
 *
 * The library unmaps guest memory when destroy_device() has returned, so that callback waits until
 * every lcore has let go (vf_frontend_stopped). Ring indices come from SET_VRING_BASE alone; the
 * last ones are kept over a stop, as GET_VRING_BASE told them to the front-end.
 */
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>

#include "guest_memory.h"
#include "log.h"
#include "vhost_conn.h"
#include "vhost_port.h"

/* ---- rings ---- */

static void read_features(struct vhost_port *p, int vid)
{
	uint64_t features = 0;

	rte_vhost_get_negotiated_features(vid, &features);
	__atomic_store_n(&p->features, features, __ATOMIC_RELAXED);
	p->packed = features & (1ULL << VIRTIO_F_RING_PACKED);
	p->mergeable = features & (1ULL << VIRTIO_NET_F_MRG_RXBUF);
}

/* vhost-user's own log (VHOST_F_LOG_ALL) is the library's to write. */
static void let_put(struct vhost_port *p)
{
	bool logged = RTE_VHOST_NEED_LOG(vhost_port_features(p));

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
		p->log_due[qp] = 0;
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
	struct vhost_port *p = vhost_port_of(vid);

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
	struct vhost_port *p = vhost_port_of(vid);

	if (!p || __atomic_load_n(&p->vid, __ATOMIC_RELAXED) != vid)
		return;
	vf_frontend_stopped(p->vf);
	vhost_port_save_bases(p, vid);
}

/* The library holds the rings' locks here, which an lcore may be waiting for: wait for none. */
static int on_vring_state(int vid, uint16_t vring, int enable)
{
	struct vhost_port *p = vhost_port_of(vid);
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
	vhost_rings_let(&p->rings[qp], vring & 1 ? VHOST_RINGS_TX_OFF : VHOST_RINGS_RX_OFF, enable);
	if (vring & 1) /* the later one: with it the pair is usable */
		vf_frontend_queue(p->vf, qp, enable);
	return 0;
}

/* Requests under which neither rings nor guest memory nor the front-end's log may be touched. */
static bool is_exclusive(uint32_t request)
{
	return request == MSG_SET_MEM_TABLE || request == MSG_SET_LOG_BASE ||
	       (request >= MSG_SET_VRING_NUM && request <= MSG_SET_VRING_BASE);
}

/* The answer to a request that disables a ring goes out before the library's callback comes. */
static void stop_put(struct vhost_port *p, const struct vhost_message *m)
{
	uint32_t ring = m->state.ring;

	if (m->request == MSG_SET_VRING_ENABLE && !m->state.value && ring < 2u * p->n_qps)
		vhost_rings_let(&p->rings[ring / 2],
			ring & 1 ? VHOST_RINGS_TX_OFF : VHOST_RINGS_RX_OFF, false);
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
	struct vhost_port *p = vhost_port_of(vid);
	struct vhost_message *m = msg;

	if (!p) {
		vhost_guard_drop();
		return refuse(m);
	}
	p->request = m->request;
	if (!vhost_guard_admits(&p->guard, vid, m))
		return refuse(m);
	if (is_exclusive(m->request))
		each_ring(p, vhost_rings_close);
	stop_put(p, m);
	if (vhost_conn_is_clogged(p->conn_fd))
		return refuse(m); /* an answer would not be read */
	/* "Back-ends should ignore this message, or disable all rings": vhost-user.rst. */
	return m->request == MSG_RESET_OWNER ? RTE_VHOST_MSG_RESULT_OK
					     : RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result post_msg(int vid, void *msg)
{
	struct vhost_port *p = vhost_port_of(vid);
	struct vhost_message *m = msg;

	if (!p)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (!vhost_guard_done(&p->guard, vid, m))
		return RTE_VHOST_MSG_RESULT_ERR;
	if (is_exclusive(m->request))
		each_ring(p, vhost_rings_reopen);
	if (m->request == MSG_SET_VRING_BASE && m->state.ring < 2u * p->n_qps)
		p->unsettled |= 1u << m->state.ring;
	if (m->request == MSG_SEND_RARP)
		__atomic_store_n(&p->rarp_due, true, __ATOMIC_RELEASE);
	p->request = 0;
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops extern_ops = {
	.pre_msg_handle = pre_msg,
	.post_msg_handle = post_msg,
};

/* A front-end may come again at once, for ever: the 1st, 2nd, 4th, 8th ... is worth a line. */
static bool is_power_of_2(uint64_t n)
{
	return (n & (n - 1)) == 0;
}

static int on_new_connection(int vid)
{
	struct vhost_port *p = vhost_port_of(vid);

	if (!p)
		return -1;
	if (__atomic_load_n(&p->conn_vid, __ATOMIC_RELAXED) != VHOST_NO_DEVICE) {
		if (is_power_of_2(++p->turned_away))
			LOG_WARN("VF %s: a second front-end on %s was turned away (%lu)",
				vf_name(p->vf), p->path, p->turned_away);
		return -1;
	}
	p->request = 0;
	p->too_many_queues = false;
	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		vhost_rings_let(&p->rings[qp], VHOST_RINGS_RX_OFF | VHOST_RINGS_TX_OFF, false);
	vhost_port_set_conn_fd(p, vhost_conn_find(p->path, p->server, -1));
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
	struct vhost_port *p = vhost_port_of(vid);
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
	vhost_port_set_conn_fd(p, -1);
	vf_frontend_disconnected(p->vf, error[0] ? error : NULL);
	__atomic_store_n(&p->conn_vid, VHOST_NO_DEVICE, __ATOMIC_RELAXED);
	__atomic_store_n(&p->features, 0, __ATOMIC_RELAXED);
}

static int on_features_changed(int vid, uint64_t features)
{
	struct vhost_port *p = vhost_port_of(vid);

	if (!p)
		return 0;
	__atomic_store_n(&p->features, features, __ATOMIC_RELAXED);
	let_put(p);
	return 0;
}

const struct rte_vhost_device_ops vhost_device_ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state,
	.features_changed = on_features_changed,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};
