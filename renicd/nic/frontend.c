/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VF's front-end does, as its port tells: it connects, its rings start and stop, it goes.
 * QEMU stops and starts the rings around every pause of the VM (GET_VRING_BASE, then the whole
 * set-up again), 40 times a second under replication: role, log and counters stay, frames for
 * the guest wait. Called on the port's thread; each lcore has let go of the rings when a notice
 * returns.
 */
#include <linux/virtio_net.h>

#include "offload.h"
#include "qp.h"

static void set_frontend(struct vf *vf, enum frontend_state state)
{
	pthread_mutex_lock(&vf->frontend_lock);
	vf->frontend = state;
	pthread_mutex_unlock(&vf->frontend_lock);
}

/* What its guest negotiated (virtio 1.2, section 5.1.3). */
static void note_offloads(struct vf_qp *qp)
{
	const uint64_t takes = 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4;
	uint64_t features = qp->ops->features(qp->port);

	qp_rx_refit(qp, features);
	__atomic_store_n(&qp->vf->takes_long, (features & takes) == takes, __ATOMIC_RELAXED);
	qp->may_segment = (features & 1ULL << VIRTIO_NET_F_HOST_TSO4 ? OFFLOAD_IPV4 : 0) |
			  (features & 1ULL << VIRTIO_NET_F_HOST_TSO6 ? OFFLOAD_IPV6 : 0);
	qp->asks_offloads = qp->may_segment || features & 1ULL << VIRTIO_NET_F_CSUM;
	if (qp->asks_offloads)
		__atomic_store_n(&nic.has_offloads, true, __ATOMIC_RELAXED);
}

/* The rings are new: signals are on until the first disarm, and their kick descriptor is another.
 */
static void qp_start(struct vf_qp *qp, void *arg)
{
	if (qp->leaving)
		return;
	qp->port = qp->vf->port;
	note_offloads(qp);
	qp->running = true;
	qp->paused = false;
	qp->armed = true;
	lcore_unwatch(&qp->poller);
	qp_disarm(qp);
}

static void qp_stop(struct vf_qp *qp, void *arg)
{
	qp->running = false;
	qp->paused = true;
	lcore_unwatch(&qp->poller);
}

static void qp_disconnect(struct vf_qp *qp, void *arg)
{
	qp->running = false;
	qp->paused = false;
	lcore_unwatch(&qp->poller);
	qp_flush_rx(qp, DROP_NO_FRONTEND);
}

void vf_frontend_connected(struct vf *vf)
{
	set_frontend(vf, FRONTEND_CONNECTED);
	nic_post_event(EVENT_FRONTEND_CONNECTED, vf->config.name, "%s", vf->config.socket);
}

void vf_frontend_running(struct vf *vf)
{
	vf_for_each_qp(vf, qp_start, NULL);
	set_frontend(vf, FRONTEND_RUNNING);
	nic_post_event(EVENT_FRONTEND_RUNNING, vf->config.name, "rings run");
}

void vf_frontend_stopped(struct vf *vf)
{
	vf_for_each_qp(vf, qp_stop, NULL);
	set_frontend(vf, FRONTEND_CONNECTED);
	nic_post_event(EVENT_FRONTEND_STOPPED, vf->config.name, "rings are stopped");
}

void vf_frontend_queue(struct vf *vf, uint16_t qp, bool enabled)
{
	uint16_t n = 0;

	__atomic_store_n(&vf->qps[qp]->enabled, enabled, __ATOMIC_RELAXED);
	while (n < vf->n_qps && __atomic_load_n(&vf->qps[n]->enabled, __ATOMIC_RELAXED))
		n++;
	/* QEMU disables all of them at a pause: flows stay with their queues over it. */
	if (n)
		__atomic_store_n(&vf->n_enabled, n, __ATOMIC_RELAXED);
	__atomic_store_n(&vf->qps[qp]->rewatch, true, __ATOMIC_RELEASE);
	lcore_wake(vf->qps[qp]->lcore);
}

void vf_frontend_disconnected(struct vf *vf, const char *error)
{
	/* A front-end that is killed disables nothing. */
	for (uint16_t q = 0; q < vf->n_qps; q++)
		__atomic_store_n(&vf->qps[q]->enabled, false, __ATOMIC_RELAXED);
	__atomic_store_n(&vf->n_enabled, 0, __ATOMIC_RELAXED);
	vf_for_each_qp(vf, qp_disconnect, NULL);
	vf_macs_guest_left(vf);
	pthread_mutex_lock(&vf->frontend_lock);
	vf->frontend = FRONTEND_NONE;
	vf->frontend_errors += error != NULL;
	pthread_mutex_unlock(&vf->frontend_lock);
	if (error)
		nic_post_event(EVENT_FRONTEND_ERROR, vf->config.name, "%s", error);
	nic_post_event(EVENT_FRONTEND_DISCONNECTED, vf->config.name, "%s", vf->config.socket);
}

const char *vf_name(const struct vf *vf)
{
	return vf->config.name;
}

uint16_t vf_number(const struct vf *vf)
{
	return vf->id;
}

uint16_t vf_queue_pairs(const struct vf *vf)
{
	return vf->n_qps;
}

struct dirty_log *vf_dirty_log(struct vf *vf)
{
	return &vf->dirty;
}
