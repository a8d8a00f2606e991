/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamped frames through ethdev; see ethdev_port.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "device.h"
#include "ethdev_port.h"
#include "stamp.h"

enum {
	BURST_MAX = 256,
	RECEIVE_BURST = 64,
	RECEIVE_BURSTS = 4, /* a call, so that the others get their turn */
};

struct ethdev_port {
	struct sender sender;
	struct device device;
	struct rte_mempool *pool;
	uint8_t *templates; /* [n_to][n_sizes][max_size] */
	unsigned next_size;
	struct rte_mbuf *pending[BURST_MAX]; /* numbered, and not taken yet */
	uint16_t n_pending;
	unsigned pending_to;
	uint8_t *whole; /* room for a frame that came in several segments */
};

static uint8_t *template_of(const struct ethdev_port *p, unsigned to, unsigned size)
{
	return p->templates + ((size_t)to * p->sender.n_sizes + size) * p->sender.max_size;
}

static uint16_t flush(struct ethdev_port *p)
{
	uint16_t n = rte_eth_tx_burst(p->device.ethdev, 0, p->pending, p->n_pending);

	p->n_pending -= n;
	memmove(p->pending, p->pending + n, p->n_pending * sizeof(p->pending[0]));
	p->sender.to[p->pending_to].sent += n;
	return n;
}

static void fill(struct ethdev_port *p, unsigned to, struct rte_mbuf *m, uint64_t now_tsc)
{
	struct sender *s = &p->sender;
	uint16_t size = s->sizes[p->next_size];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	rte_memcpy(frame, template_of(p, to, p->next_size), size);
	stamp_put(frame, s->to[to].stream, sender_number(&s->to[to]), now_tsc);
	m->data_len = size;
	m->pkt_len = size;
	if (++p->next_size == s->n_sizes)
		p->next_size = 0;
}

static uint16_t ethdev_send(struct sender *sender, unsigned to, uint16_t n, uint64_t now_tsc)
{
	struct ethdev_port *p = (struct ethdev_port *)sender;

	if (p->n_pending) {
		flush(p);
		if (p->n_pending)
			return 0;
	}
	n = RTE_MIN(n, (uint16_t)BURST_MAX);
	if (!n || rte_pktmbuf_alloc_bulk(p->pool, p->pending, n))
		return 0;
	for (uint16_t i = 0; i < n; i++)
		fill(p, to, p->pending[i], now_tsc);
	p->n_pending = n;
	p->pending_to = to;
	return flush(p);
}

static unsigned ethdev_receive(struct sender *sender, uint64_t now_tsc)
{
	struct ethdev_port *p = (struct ethdev_port *)sender;
	struct rte_mbuf *pkts[RECEIVE_BURST];
	unsigned total = 0;

	for (int burst = 0; burst < RECEIVE_BURSTS; burst++) {
		uint16_t n = rte_eth_rx_burst(p->device.ethdev, 0, pkts, RECEIVE_BURST);

		for (uint16_t i = 0; i < n; i++) {
			const struct rte_mbuf *m = pkts[i];
			uint32_t len = RTE_MIN(m->pkt_len, (uint32_t)UINT16_MAX);

			judge_frame(sender, rte_pktmbuf_read(m, 0, len, p->whole), len, now_tsc);
		}
		rte_pktmbuf_free_bulk(pkts, n);
		total += n;
		if (n < RECEIVE_BURST)
			break;
	}
	return total;
}

static void ethdev_close(struct sender *sender)
{
	struct ethdev_port *p = (struct ethdev_port *)sender;
	const char *why;

	rte_pktmbuf_free_bulk(p->pending, p->n_pending);
	device_stop(&p->device, &why);
	device_close(&p->device, &why);
	free(p->templates);
	free(p->whole);
	free(p);
}

static bool ethdev_idle(struct sender *sender)
{
	return ((struct ethdev_port *)sender)->n_pending == 0;
}

static const struct sender_ops ethdev_ops = {
	.send = ethdev_send, .receive = ethdev_receive, .idle = ethdev_idle, .close = ethdev_close};

static int make_templates(struct ethdev_port *p)
{
	const struct sender *s = &p->sender;

	p->templates = malloc((size_t)s->n_to * s->n_sizes * s->max_size + 1);
	p->whole = malloc(UINT16_MAX);
	if (!p->templates || !p->whole)
		return -ENOMEM;
	for (unsigned to = 0; to < s->n_to; to++)
		for (unsigned size = 0; size < s->n_sizes; size++)
			sender_template(s, &s->to[to], template_of(p, to, size), s->sizes[size]);
	return 0;
}

int ethdev_port_open(struct sender **port, const struct sender *sender,
	const struct ethdev_setup *setup, const char **why)
{
	struct ethdev_port *p = calloc(1, sizeof(*p));
	struct device_setup device = {
		.queues = 1, .descriptors = setup->descriptors, .mtu = 9000, .pool = setup->pool};
	int error;

	*why = "no memory";
	if (!p)
		return -ENOMEM;
	p->sender = *sender;
	p->sender.ops = &ethdev_ops;
	p->pool = setup->pool;
	error = make_templates(p);
	snprintf(p->device.name, sizeof(p->device.name), "%s", setup->name);
	if (!error)
		error = device_open(&p->device, setup->args, why);
	if (error) {
		free(p->templates);
		free(p->whole);
		free(p);
		return error;
	}
	error = device_configure(&p->device, &device, why);
	if (!error)
		error = device_start(&p->device, why);
	if (error)
		ethdev_close(&p->sender);
	else
		*port = &p->sender;
	return error;
}

bool ethdev_port_link(const struct sender *port)
{
	const struct ethdev_port *p = (const struct ethdev_port *)port;
	struct rte_eth_link link = {0};

	return port->ops == &ethdev_ops && rte_eth_link_get_nowait(p->device.ethdev, &link) == 0 &&
	       link.link_status;
}
