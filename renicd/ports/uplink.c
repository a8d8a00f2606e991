/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire side: any DPDK port. Each data lcore has its own RX and TX queue where the device has
 * enough of them; an lcore without one sends through a ring to the lcore that owns the queue
 * (its number modulo the queues).
 *
 * A send that the device does not take whole is not an error: the caller keeps the rest.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALLOW_EXPERIMENTAL_API /* rte_dev_dma_map() */
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_ring.h>

#include "counter.h"
#include "lcore.h"
#include "log.h"
#include "switch.h"
#include "uplink.h"
#include "uplink_driver.h"

enum {
	RX_DESCS = 1024,
	TX_DESCS = 1024,
	MTU_WANTED = 9000,
	UPLINK_BURST = 32,
	/* What is in a ring has been released, and is lost when the process is: no more than what
	 * an lcore sends at once, in two parts, one put in while the other is taken out. */
	RING_SIZE = 2 * UPLINK_BURST,
	DRAIN_LOOKS = 100, /* at rings that become empty, as the uplink closes */
	DRAIN_LOOK_US = 1000,
};

/* What one data lcore does with the uplink. */
struct uplink_lcore {
	uint16_t queue; /* its own, when has_queue */
	bool has_queue;
	struct rte_ring *ring;		    /* to the owner of a TX queue, when it has none */
	struct rte_mbuf *out[UPLINK_BURST]; /* owner: taken from a ring, refused by the device */
	uint16_t out_n;
	bool own_waits;	    /* owner: its own VFs were refused since a ring was looked at */
	bool has_yielded;   /* owner: to them, since it last took from a ring */
	unsigned next_ring; /* owner: the lcore whose ring comes next */
	int rx_fd;	    /* readable when frames came in; < 0: the device cannot tell */
	struct poller poller;
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes, refused;
	uint64_t drops[DROP_REASONS];
} __rte_cache_aligned;

static struct {
	bool open;
	uint16_t port_id;
	uint16_t n_queues;
	bool rx_intr;
	bool rx_fd_level; /* the RX descriptor is the data's own, not an event's */
	uint32_t up;	  /* atomic */
	char devargs[256];
	struct uplink_ops ops;
	struct uplink_lcore lcores[LCORES_MAX];
} uplink;

static bool uplink_is_up(void)
{
	return __atomic_load_n(&uplink.up, __ATOMIC_RELAXED);
}

/* ---- data path ---- */

static uint64_t bytes_of(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

static uint16_t send_on_queue(
	struct uplink_lcore *ul, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	uint16_t sent;

	if (!bytes)
		bytes = bytes_of(pkts, n);
	sent = rte_eth_tx_burst(uplink.port_id, ul->queue, pkts, n);
	for (uint16_t i = sent; i < n; i++)
		bytes -= pkts[i]->pkt_len;
	counter_add(&ul->tx_pkts, sent);
	counter_add(&ul->tx_bytes, bytes);
	counter_add(&ul->refused, sent < n);
	return sent;
}

static uint16_t uplink_send(struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	struct uplink_lcore *ul = &uplink.lcores[lcore_self()];
	uint16_t taken;

	if (likely(ul->has_queue)) {
		taken = ul->out_n ? 0 : send_on_queue(ul, pkts, n, bytes);
		ul->own_waits |= taken < n;
		return taken;
	}
	taken = (uint16_t)rte_ring_sp_enqueue_burst(ul->ring, (void **)pkts, n, NULL);
	lcore_wake((unsigned)lcore_self() % uplink.n_queues);
	return taken;
}

static bool uplink_prepare(struct rte_mbuf *m)
{
	uint16_t queue = (uint16_t)((unsigned)lcore_self() % uplink.n_queues);

	return rte_eth_tx_prepare(uplink.port_id, queue, &m, 1) == 1;
}

/* A burst of an lcore that has no TX queue: in turns, and when the queue's owner has had a try. Its
 * VFs may be refused after every try: they go before one burst, not before all. false: theirs is
 * the next try. */
static bool take_from_ring(struct uplink_lcore *ul)
{
	unsigned from = ul->next_ring;

	if (ul->own_waits && !ul->has_yielded) {
		ul->own_waits = false;
		ul->has_yielded = true;
		return false;
	}
	ul->own_waits = ul->has_yielded = false;
	ul->next_ring += uplink.n_queues;
	if (ul->next_ring >= lcores_count())
		ul->next_ring = (unsigned)(ul - uplink.lcores) + uplink.n_queues;
	ul->out_n = (uint16_t)rte_ring_sc_dequeue_burst(
		uplink.lcores[from].ring, (void **)ul->out, UPLINK_BURST, NULL);
	return true;
}

/* Frames of lcores that have no TX queue; order per sender is kept. */
static unsigned drain_rings(struct uplink_lcore *ul)
{
	unsigned index = (unsigned)(ul - uplink.lcores), work = 0;
	uint16_t sent;

	for (unsigned i = index + uplink.n_queues; i < lcores_count(); i += uplink.n_queues) {
		if (!ul->out_n && !take_from_ring(ul))
			break;
		if (!ul->out_n || !uplink_is_up())
			continue;
		sent = send_on_queue(ul, ul->out, ul->out_n, 0);
		ul->out_n -= sent;
		memmove(ul->out, &ul->out[sent], ul->out_n * sizeof(ul->out[0]));
		work += sent;
	}
	return work;
}

static unsigned uplink_poll(void *ctx)
{
	struct uplink_lcore *ul = ctx;
	struct rte_mbuf *pkts[UPLINK_BURST];
	unsigned work = drain_rings(ul);
	uint16_t n = rte_eth_rx_burst(uplink.port_id, ul->queue, pkts, UPLINK_BURST);

	if (!n)
		return work;
	counter_add(&ul->rx_pkts, n);
	counter_add(&ul->rx_bytes, bytes_of(pkts, n));
	switch_from_uplink(pkts, n, ul->drops);
	return work + n;
}

static int uplink_arm(void *ctx)
{
	const struct uplink_lcore *ul = ctx;
	bool up = uplink_is_up();

	/* While it is down nothing comes and nothing goes; when it comes up, all lcores wake. */
	if ((ul->rx_fd < 0 || ul->out_n) && up)
		return POLLER_TIMED;
	if (ul->rx_fd < 0)
		return POLLER_NO_FD;
	/* Some devices' descriptors need no switching on (net_tap): not supported is fine. */
	rte_eth_dev_rx_intr_enable(uplink.port_id, ul->queue);
	return ul->rx_fd;
}

static void uplink_disarm(void *ctx)
{
	const struct uplink_lcore *ul = ctx;

	if (ul->rx_fd >= 0)
		rte_eth_dev_rx_intr_disable(uplink.port_id, ul->queue);
}

/* ---- control thread ---- */

static bool uplink_poll_link(void)
{
	struct rte_eth_link link = {0};
	uint32_t up;

	if (rte_eth_link_get_nowait(uplink.port_id, &link) < 0)
		return false;
	up = link.link_status == RTE_ETH_LINK_UP;
	if (up == uplink.up)
		return false;
	__atomic_store_n(&uplink.up, up, __ATOMIC_RELAXED);
	return true;
}

static void uplink_fill_info(struct uplink_info *info)
{
	struct rte_eth_dev_info dev;
	struct rte_ether_addr mac;
	struct rte_eth_link link = {0};

	info->present = true;
	info->port_id = uplink.port_id;
	snprintf(info->devargs, sizeof(info->devargs), "%s", uplink.devargs);
	if (rte_eth_dev_info_get(uplink.port_id, &dev) == 0)
		snprintf(info->driver, sizeof(info->driver), "%s", dev.driver_name);
	if (rte_eth_macaddr_get(uplink.port_id, &mac) == 0)
		memcpy(info->mac, mac.addr_bytes, sizeof(info->mac));
	rte_eth_link_get_nowait(uplink.port_id, &link);
	info->up = uplink_is_up();
	info->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	rte_eth_dev_get_mtu(uplink.port_id, &info->mtu);
	info->rx_queues = info->tx_queues = uplink.n_queues;
	info->offloads = uplink.ops.offloads;
	for (unsigned i = 0; i < lcores_count(); i++) {
		const struct uplink_lcore *ul = &uplink.lcores[i];

		info->rx_pkts += counter_read(&ul->rx_pkts);
		info->rx_bytes += counter_read(&ul->rx_bytes);
		info->tx_pkts += counter_read(&ul->tx_pkts);
		info->tx_bytes += counter_read(&ul->tx_bytes);
		info->refused += counter_read(&ul->refused);
		for (int r = 0; r < DROP_REASONS; r++)
			info->drops[r] += counter_read(&ul->drops[r]);
	}
}

/* ---- opening ---- */

static int probe(const char *devargs, uint16_t *port_id)
{
	struct rte_dev_iterator it;
	int rc = rte_dev_probe(devargs);

	if (rc < 0)
		return rc;
	RTE_ETH_FOREACH_MATCHING_DEV(*port_id, devargs, &it)
	{
		rte_eth_iterator_cleanup(&it);
		return 0;
	}
	return -ENODEV;
}

static int configure(uint16_t port_id, const struct rte_eth_dev_info *dev, uint64_t tx_offloads,
	uint16_t n_queues)
{
	const uint64_t rx_wanted = RTE_ETH_RX_OFFLOAD_SCATTER;
	/* Not VLAN_INSERT: software devices do it by rte_vlan_insert(), which refuses frames that
	 * point into the log. The switch inserts tags. */
	const uint64_t tx_wanted = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | tx_offloads;
	struct rte_eth_conf conf = {
		.rxmode.offloads = dev->rx_offload_capa & rx_wanted,
		.txmode.offloads = dev->tx_offload_capa & tx_wanted,
		.intr_conf.rxq = 1,
	};
	int rc;

	if (n_queues > 1 && (dev->flow_type_rss_offloads & RTE_ETH_RSS_IP)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = dev->flow_type_rss_offloads & RTE_ETH_RSS_IP;
	}
	rc = rte_eth_dev_configure(port_id, n_queues, n_queues, &conf);
	uplink.rx_intr = rc == 0;
	if (rc < 0) {
		conf.intr_conf.rxq = 0;
		rc = rte_eth_dev_configure(port_id, n_queues, n_queues, &conf);
	}
	return rc;
}

static int set_up_queues(uint16_t port_id, uint16_t n_queues, struct rte_mempool *pool)
{
	uint16_t rx_descs = RX_DESCS, tx_descs = TX_DESCS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port_id, &rx_descs, &tx_descs);

	for (uint16_t q = 0; q < n_queues && !rc; q++) {
		rc = rte_eth_rx_queue_setup(
			port_id, q, rx_descs, (unsigned)rte_eth_dev_socket_id(port_id), NULL, pool);
		if (!rc)
			rc = rte_eth_tx_queue_setup(port_id, q, tx_descs,
				(unsigned)rte_eth_dev_socket_id(port_id), NULL);
	}
	return rc;
}

/* The largest MTU that the device says it can, and that we want. */
static uint16_t best_mtu(const struct rte_eth_dev_info *dev)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	uint32_t mtu = RTE_MIN((uint32_t)dev->max_mtu, (uint32_t)MTU_WANTED);

	if (dev->max_mtu != UINT16_MAX && dev->max_rx_pktlen > dev->max_mtu)
		overhead = dev->max_rx_pktlen - dev->max_mtu;
	if (dev->max_rx_pktlen > overhead)
		mtu = RTE_MIN(mtu, dev->max_rx_pktlen - overhead);
	return (uint16_t)mtu;
}

/* Jumbo frames where the device can; a device that refuses keeps its own MTU. */
static void set_mtu(uint16_t port_id, const struct rte_eth_dev_info *dev)
{
	uint16_t mtu = best_mtu(dev);

	if (mtu > RTE_ETHER_MAX_LEN && rte_eth_dev_set_mtu(port_id, mtu))
		LOG_INFO("uplink %s: keeps its MTU", uplink.devargs);
	if (rte_eth_dev_get_mtu(port_id, &mtu))
		mtu = RTE_ETHER_MTU;
	uplink.ops.max_frame_bytes = mtu + (uint32_t)sizeof(struct rte_ether_hdr) +
				     (uint32_t)sizeof(struct rte_vlan_hdr);
}

/* A device behind an IOMMU reads released frames out of the log: it must know that memory. Software
 * devices have no use for it, and say so. */
static int map_log_memory(const struct rte_eth_dev_info *dev)
{
	size_t bytes;
	void *base = log_pool_memory(nic.log_pool, &bytes);

	if (!nic.log_for_dma || rte_eal_iova_mode() != RTE_IOVA_VA)
		return 0;
	if (rte_dev_dma_map(dev->device, base, (uint64_t)(uintptr_t)base, bytes) == 0)
		return 0;
	return rte_errno == ENOTSUP ? 0 : -rte_errno;
}

static int start_port(uint16_t port_id, enum uplink_offloads_choice choice,
	struct rte_mempool *pool, const char **step)
{
	const struct uplink_driver *driver;
	uint64_t tx_offloads;
	struct rte_eth_dev_info dev;
	int rc;

	*step = "info";
	rc = rte_eth_dev_info_get(port_id, &dev);
	if (rc)
		return rc;
	uplink.n_queues = RTE_MIN(dev.max_rx_queues, dev.max_tx_queues);
	uplink.n_queues = (uint16_t)RTE_MIN(lcores_count(), (unsigned)uplink.n_queues);
	uplink.n_queues = RTE_MAX(uplink.n_queues, (uint16_t)1);
	driver = uplink_driver(dev.driver_name);
	uplink.rx_fd_level = driver->rx_fd_level;
	uplink.ops.own_memory = driver->own_memory;
	tx_offloads = uplink_driver_offloads(driver, &dev, choice);
	*step = "configure";
	rc = configure(port_id, &dev, tx_offloads, uplink.n_queues);
	if (rc)
		return rc;
	uplink.ops.offloads = uplink_offloads_of(tx_offloads);
	set_mtu(port_id, &dev);
	*step = "queue set-up";
	rc = set_up_queues(port_id, uplink.n_queues, pool);
	if (rc)
		return rc;
	*step = "DMA from the egress log";
	rc = map_log_memory(&dev);
	if (rc)
		return rc;
	*step = "start";
	rc = rte_eth_dev_start(port_id);
	if (rc)
		return rc;
	rc = rte_eth_promiscuous_enable(port_id);
	return rc == -ENOTSUP ? 0 : rc;
}

static void add_poller(void *arg)
{
	struct uplink_lcore *ul = &uplink.lcores[lcore_self()];

	if (ul->has_queue)
		lcore_add_poller(&ul->poller);
}

static void remove_poller(void *arg)
{
	struct uplink_lcore *ul = &uplink.lcores[lcore_self()];

	if (ul->has_queue)
		lcore_remove_poller(&ul->poller);
}

static int give_to_lcores(void)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned i = 0; i < lcores_count(); i++) {
		struct uplink_lcore *ul = &uplink.lcores[i];

		ul->has_queue = i < uplink.n_queues;
		ul->queue = (uint16_t)i;
		ul->next_ring = i + uplink.n_queues;
		ul->rx_fd = -1;
		if (ul->has_queue && uplink.rx_intr)
			ul->rx_fd = rte_eth_dev_rx_intr_ctl_q_get_fd(uplink.port_id, ul->queue);
		ul->poller = (struct poller){.poll = uplink_poll,
			.arm = uplink_arm,
			.disarm = uplink_disarm,
			.ctx = ul,
			.level = uplink.rx_fd_level};
		if (ul->has_queue)
			continue;
		snprintf(name, sizeof(name), "uplink%u", i);
		ul->ring = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY,
			RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
		if (!ul->ring)
			return -ENOMEM;
	}
	lcore_call_all(add_poller, NULL);
	return 0;
}

const struct uplink_ops *uplink_open(const char *devargs, enum uplink_offloads_choice offloads,
	struct rte_mempool *pool, struct nic_error *err)
{
	const char *step = "probe";
	int rc;

	snprintf(uplink.devargs, sizeof(uplink.devargs), "%s", devargs);
	uplink.ops.send = uplink_send;
	uplink.ops.prepare = uplink_prepare;
	uplink.ops.is_up = uplink_is_up;
	uplink.ops.poll_link = uplink_poll_link;
	uplink.ops.info = uplink_fill_info;
	rc = probe(devargs, &uplink.port_id);
	if (!rc)
		rc = start_port(uplink.port_id, offloads, pool, &step);
	if (!rc) {
		step = "rings";
		rc = give_to_lcores();
	}
	if (rc) {
		nic_fail(err, RENIC_E_IO, "uplink.devargs", "\"%s\": %s: %s", devargs, step,
			rte_strerror(-rc));
		return NULL;
	}
	uplink.open = true;
	uplink_poll_link();
	LOG_NOTICE("uplink %s: port %u, %u queues, frames to %u bytes%s", devargs, uplink.port_id,
		uplink.n_queues, uplink.ops.max_frame_bytes,
		uplink.lcores[0].rx_fd >= 0 ? "" : ", no RX interrupts");
	return &uplink.ops;
}

/* ---- closing ---- */

static void count_waiting(void *arg)
{
	const struct uplink_lcore *ul = &uplink.lcores[lcore_self()];
	unsigned n = ul->out_n + (ul->ring ? rte_ring_count(ul->ring) : 0);

	__atomic_fetch_add((unsigned *)arg, n, __ATOMIC_RELAXED);
}

/* Frames that VFs have sent, and the device not yet. */
static unsigned waiting(void)
{
	unsigned n = 0;

	lcore_call_all(count_waiting, &n);
	return n;
}

/* Let the lcores send what waits between them: each look is a round of theirs at least. */
static void drain(void)
{
	for (int look = 0; look < DRAIN_LOOKS && uplink_is_up() && waiting(); look++)
		usleep(DRAIN_LOOK_US);
}

static unsigned free_waiting(struct uplink_lcore *ul)
{
	struct rte_mbuf *m;
	unsigned n = ul->out_n;

	rte_pktmbuf_free_bulk(ul->out, ul->out_n);
	for (; ul->ring && rte_ring_sc_dequeue(ul->ring, (void **)&m) == 0; n++)
		rte_pktmbuf_free(m);
	rte_ring_free(ul->ring);
	memset(ul, 0, sizeof(*ul));
	return n;
}

void uplink_close(void)
{
	unsigned lost = 0;

	if (!uplink.open)
		return;
	uplink.open = false;
	drain();
	lcore_call_all(remove_poller, NULL);
	for (unsigned i = 0; i < lcores_count(); i++)
		lost += free_waiting(&uplink.lcores[i]);
	if (lost)
		LOG_WARN("uplink %s: it closed with %u frames that it had not taken",
			uplink.devargs, lost);
	rte_eth_dev_stop(uplink.port_id);
	rte_eth_dev_close(uplink.port_id);
}
