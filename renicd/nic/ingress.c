/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing over the frames that wait for a guest, when the guest moves to another host
 * (docs/protocol.md, "Moving a guest"). While its VM is paused here, and until the network knows
 * that it is elsewhere, frames for it still come: they wait in the rx fifos (qp_rx.c), are taken
 * out as bytes, and are put before what waits already on the other host. So a migration costs
 * ingress no loss, as a checkpoint costs none (P3).
 *
 * Control thread; fifos are touched by their owner lcores, by message. Records come from another
 * machine: each is bounded before anything changes.
 */
#include <stdlib.h>

#include "offload.h"
#include "qp.h"
#include "vf_config.h"

enum { LENGTH_BYTES = 2 };

static int refuse_running(const struct vf *vf, struct nic_error *err)
{
	nic_fail(err, RENIC_E_STATE, "name", "VF \"%s\": its guest's rings run", vf->config.name);
	if (err)
		snprintf(err->state, sizeof(err->state), "running");
	return RENIC_E_STATE;
}

/* ---- take ---- */

struct taking {
	struct vf_qp *qp;
	struct ingress_chunk *chunk;
	bool running;
};

static bool put_record(struct ingress_chunk *chunk, const struct rte_mbuf *m)
{
	uint8_t *at = &chunk->records[chunk->bytes];
	uint32_t len = m->pkt_len;
	const void *bytes;

	if (len > UINT16_MAX || chunk->bytes + LENGTH_BYTES + len > sizeof(chunk->records))
		return false;
	at[0] = (uint8_t)len;
	at[1] = (uint8_t)(len >> 8);
	bytes = rte_pktmbuf_read(m, 0, len, at + LENGTH_BYTES);
	if (bytes != at + LENGTH_BYTES)
		memcpy(at + LENGTH_BYTES, bytes, len);
	chunk->bytes += LENGTH_BYTES + len;
	chunk->pkts++;
	return true;
}

/* A long frame as the segments that it asks for: all of them, or none. */
static bool put_segments(struct ingress_chunk *chunk, const struct rte_mbuf *m)
{
	const uint32_t bytes = chunk->bytes, pkts = chunk->pkts, n = offload_segments(m);
	struct rte_mbuf *s;
	bool fits = true;

	for (uint32_t i = 0; fits && i < n; i++) {
		fits = offload_segment(m, i, nic.pool, &s, 1) == 1;
		if (!fits)
			break;
		fits = put_record(chunk, s);
		rte_pktmbuf_free(s);
	}
	if (!fits) {
		chunk->bytes = bytes;
		chunk->pkts = pkts;
	}
	return fits;
}

/* Records are whole frames: what is asked of the NIC is done first. */
static bool put_frame(struct ingress_chunk *chunk, struct rte_mbuf **m)
{
	if (likely(!offload_is_asked(*m)))
		return put_record(chunk, *m);
	if (offload_is_tso(*m))
		return put_segments(chunk, *m);
	if ((!RTE_MBUF_DIRECT(*m) || rte_mbuf_refcnt_read(*m) != 1) && !nic_replace_by_copy(m))
		return false;
	offload_checksum(*m);
	return put_record(chunk, *m);
}

/* The owner lcore. */
static void take_from(void *arg)
{
	struct taking *t = arg;
	struct vf_qp *qp = t->qp;
	struct rte_mbuf **pkts;

	t->running |= qp->running;
	if (qp->running)
		return;
	qp_inbox_drain_all(qp);
	while (rx_fifo_head(&qp->rx, &pkts, 1)) {
		int32_t segs = (*pkts)->nb_segs; /* as counted: what is put may be a copy */
		struct rte_mbuf *m;

		if (!put_frame(t->chunk, pkts))
			break;
		m = *pkts;
		rx_fifo_drop_head(&qp->rx, 1);
		qp_rx_note(qp, -1, -segs);
		rte_pktmbuf_free(m);
	}
}

int nic_ingress_take(const char *name, struct ingress_chunk *chunk, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	struct taking t = {.chunk = chunk};

	if (!vf)
		return RENIC_E_NOT_FOUND;
	chunk->pkts = chunk->bytes = 0;
	for (uint16_t q = 0; q < vf->n_qps; q++) {
		t.qp = vf->qps[q];
		lcore_call(t.qp->lcore, take_from, &t);
	}
	/* Rings that started halfway have nothing to hand over; what was taken goes all the same.
	 */
	if (t.running && !chunk->pkts)
		return refuse_running(vf, err);
	chunk->left = __atomic_load_n(&vf->ingress_held, __ATOMIC_RELAXED);
	return 0;
}

/* ---- give ---- */

struct giving {
	struct vf_qp *qp;
	const uint8_t *records;
	uint32_t bytes, n;
	struct rte_mbuf **pkts;
	bool running, no_room;
};

static uint32_t record_length(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

/* How many records there are, or 0: they are none. */
static uint32_t count_records(const uint8_t *records, uint32_t bytes, uint32_t max_frame_bytes)
{
	uint32_t at = 0, n = 0;

	while (at < bytes) {
		uint32_t len = bytes - at < LENGTH_BYTES ? 0 : record_length(&records[at]);

		if (len < RTE_ETHER_HDR_LEN || len > max_frame_bytes ||
			len > bytes - at - LENGTH_BYTES)
			return 0;
		at += LENGTH_BYTES + len;
		n++;
	}
	return n;
}

struct rte_mbuf *nic_frame_of(const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *m = NULL, *seg;
	uint16_t part;

	for (uint32_t at = 0; at < len; at += part) {
		seg = rte_pktmbuf_alloc(nic.pool);
		if (!seg || (m && rte_pktmbuf_chain(m, seg))) {
			rte_pktmbuf_free(seg);
			rte_pktmbuf_free(m);
			return NULL;
		}
		m = m ? m : seg;
		part = (uint16_t)RTE_MIN(len - at, (uint32_t)rte_pktmbuf_tailroom(seg));
		memcpy(rte_pktmbuf_append(m, part), &bytes[at], part);
	}
	return m;
}

/* All frames; false, and none: mbufs are short. */
static bool make_frames(struct giving *g)
{
	const uint8_t *at = g->records;

	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t len = record_length(at);

		g->pkts[i] = nic_frame_of(at + LENGTH_BYTES, len);
		if (!g->pkts[i]) {
			rte_pktmbuf_free_bulk(g->pkts, i);
			return false;
		}
		at += LENGTH_BYTES + len;
	}
	return true;
}

/* The owner lcore. */
static void give_to(void *arg)
{
	struct giving *g = arg;
	struct vf_qp *qp = g->qp;

	g->running = qp->running;
	g->no_room = !g->running && (qp_rx_room(qp) < g->n || !make_frames(g));
	if (g->running || g->no_room)
		return;
	for (uint32_t i = g->n; i--;) {
		rx_fifo_put_first(&qp->rx, g->pkts[i]);
		qp_rx_note(qp, 1, g->pkts[i]->nb_segs);
	}
	qp->rx_behind = true;
}

int nic_ingress_give(const char *name, const uint8_t *records, uint32_t bytes, uint32_t *pkts,
	struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	struct giving g = {.records = records, .bytes = bytes};

	if (!vf)
		return RENIC_E_NOT_FOUND;
	g.n = count_records(records, bytes, vf->policy->max_frame_bytes);
	if (!g.n)
		return nic_fail(err, RENIC_E_PARAMS, "frames",
			"frames: expected records of a length (2 bytes) and a frame of 14 to %u "
			"bytes each",
			vf->policy->max_frame_bytes);
	g.pkts = calloc(g.n, sizeof(*g.pkts));
	if (!g.pkts)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	g.qp = vf->qps[0];
	lcore_call(g.qp->lcore, give_to, &g);
	free(g.pkts);
	if (g.running)
		return refuse_running(vf, err);
	if (g.no_room)
		return nic_fail(err, RENIC_E_RESOURCES, "frames",
			"no room for %u more frames to wait for VF \"%s\"", g.n, name);
	*pkts = g.n;
	return 0;
}
