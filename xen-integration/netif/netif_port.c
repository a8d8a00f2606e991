/* SPDX-License-Identifier: BSD-3-Clause */
/* The port of a VF whose guest is a Xen domain; see netif.h, and nic/port.h for what a port is. */
#include <stdlib.h>
#include <string.h>

#include "lcore.h"
#include "netif_bus.h"

static int netif_create(
	struct vf *vf, const struct vf_config *config, void **port, struct nic_error *err)
{
	struct netif_port *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	p->vf = vf;
	p->domid = config->xen_domain;
	p->handle = config->xen_handle;
	p->n_qps = vf_queue_pairs(vf);
	p->offloads = config->offloads;
	pthread_mutex_init(&p->lock, NULL);
	*port = p;
	rc = bus_add_port(p, err);
	if (!rc)
		return 0;
	*port = NULL;
	pthread_mutex_destroy(&p->lock);
	free(p);
	return rc;
}

static void netif_destroy(void *port)
{
	struct netif_port *p = port;

	bus_remove_port(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- the owner lcore, while the rings run ---- */

static uint16_t netif_from_guest(
	void *port, uint16_t qp, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n)
{
	const struct netif_port *p = port;

	return qp < p->n_rings ? netif_ring_from_guest(p->rings[qp], pool, pkts, n) : 0;
}

static uint16_t netif_to_guest(void *port, uint16_t qp, struct rte_mbuf **pkts, uint16_t n)
{
	const struct netif_port *p = port;
	uint16_t done = 0, taken;

	if (qp >= p->n_rings)
		return 0;
	do {
		taken = netif_ring_to_guest(p->rings[qp], &pkts[done], n - done);
		done += taken;
	} while (taken == NETIF_BURST && done < n);
	return done;
}

static bool netif_has_frames(void *port, uint16_t qp)
{
	const struct netif_port *p = port;

	return qp < p->n_rings && netif_ring_has_frames(p->rings[qp]);
}

static int netif_arm(void *port, uint16_t qp, bool woken)
{
	const struct netif_port *p = port;

	return qp < p->n_rings ? netif_ring_arm(p->rings[qp], woken) : POLLER_NO_FD;
}

/* Events come only when they were asked for, one each time: there is nothing to stop. */
static void netif_disarm(void *port, uint16_t qp)
{
}

/* ---- control thread ---- */

static void netif_ring_info(void *port, uint16_t qp, struct vf_queue_info *info)
{
	struct netif_port *p = port;

	pthread_mutex_lock(&p->lock);
	if (qp < p->n_rings) {
		const struct netif_ring *r = p->rings[qp];

		info->rx_size = RING_SIZE(&r->rx);
		info->tx_size = RING_SIZE(&r->tx);
		info->rx_avail_idx = (uint16_t)r->rx.req_cons;
		info->rx_used_idx = (uint16_t)r->rx.rsp_prod_pvt;
		info->tx_avail_idx = (uint16_t)r->tx.req_cons;
		info->tx_used_idx = (uint16_t)r->tx.rsp_prod_pvt;
	}
	pthread_mutex_unlock(&p->lock);
}

/* What netfront says that it takes, in virtio's words. Any thread. */
static uint64_t netif_features(void *port)
{
	const struct netif_port *p = port;

	return __atomic_load_n(&p->features, __ATOMIC_ACQUIRE);
}

const struct vf_port_ops xen_netif_port_ops = {
	.create = netif_create,
	.destroy = netif_destroy,
	.from_guest = netif_from_guest,
	.to_guest = netif_to_guest,
	.has_frames = netif_has_frames,
	.arm = netif_arm,
	.disarm = netif_disarm,
	.ring_info = netif_ring_info,
	.features = netif_features,
};
