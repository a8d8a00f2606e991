/* SPDX-License-Identifier: BSD-3-Clause */
/* See capture_ring.h. One writer, one reader, which need not be the same thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "capture_ring.h"
#include "counter.h"

_Static_assert(sizeof(struct capture_record) % 8 == 0, "records are aligned");

int capture_ring_init(struct capture_ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->bytes = aligned_alloc(64, CAPTURE_RING_BYTES);
	return ring->bytes ? 0 : -ENOMEM;
}

void capture_ring_fini(struct capture_ring *ring)
{
	free(ring->bytes);
	ring->bytes = NULL;
}

static uint64_t record_bytes(uint32_t len)
{
	return RTE_ALIGN_CEIL(
		sizeof(struct capture_record) + (uint64_t)len, (uint64_t)CAPTURE_RECORD_ALIGN);
}

static uint64_t until_end(uint64_t offset)
{
	return CAPTURE_RING_BYTES - (offset & (CAPTURE_RING_BYTES - 1));
}

static void *at(const struct capture_ring *ring, uint64_t offset)
{
	return ring->bytes + (offset & (CAPTURE_RING_BYTES - 1));
}

/* Bytes from..to of the frame. */
static void copy_bytes(uint8_t *to, const struct rte_mbuf *m, uint32_t from, uint32_t len)
{
	const void *bytes = rte_pktmbuf_read(m, from, len, to);

	if (bytes && bytes != to)
		memcpy(to, bytes, len);
}

/* The first len bytes of the frame as it would be with the tag that is held beside it. */
static void copy_tagged(uint8_t *to, const struct rte_mbuf *m, uint32_t len)
{
	bool is_ad = m->ol_flags & RTE_MBUF_F_TX_QINQ; /* BESIDE_8021AD */
	struct {
		uint16_t proto, tci;
	} tag = {is_ad ? RTE_BE16(RTE_ETHER_TYPE_QINQ) : RTE_BE16(RTE_ETHER_TYPE_VLAN),
		rte_cpu_to_be_16(m->vlan_tci)};
	const uint32_t macs = 2 * RTE_ETHER_ADDR_LEN;

	copy_bytes(to, m, 0, RTE_MIN(len, macs));
	if (len > macs)
		memcpy(to + macs, &tag, RTE_MIN(len - macs, (uint32_t)sizeof(tag)));
	if (len > macs + sizeof(tag))
		copy_bytes(to + macs + sizeof(tag), m, macs, len - macs - (uint32_t)sizeof(tag));
}

bool capture_ring_write(struct capture_ring *ring, const struct rte_mbuf *m, uint32_t snaplen,
	const struct capture_record *like)
{
	bool tagged = (m->ol_flags & RTE_MBUF_F_TX_VLAN) && m->pkt_len >= RTE_ETHER_HDR_LEN;
	uint32_t wire_len = m->pkt_len + (tagged ? (uint32_t)sizeof(struct rte_vlan_hdr) : 0);
	uint32_t len = RTE_MIN(wire_len, snaplen);
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	uint64_t need = record_bytes(len), skip = 0;
	struct capture_record *record;

	if (until_end(ring->written) < need)
		skip = until_end(ring->written);
	if (ring->written + skip + need - head > CAPTURE_RING_BYTES) {
		counter_add(&ring->dropped, 1);
		return false;
	}
	if (skip) {
		record = at(ring, ring->written);
		record->len = CAPTURE_SKIP;
	}
	record = at(ring, ring->written + skip);
	*record = *like;
	record->len = len;
	record->wire_len = wire_len;
	if (tagged)
		copy_tagged((uint8_t *)(record + 1), m, len);
	else
		copy_bytes((uint8_t *)(record + 1), m, 0, len);
	ring->written += skip + need;
	return true;
}

void capture_ring_publish(struct capture_ring *ring, uint64_t up_to)
{
	ring->written = up_to;
	__atomic_store_n(&ring->tail, up_to, __ATOMIC_RELEASE);
}

const struct capture_record *capture_ring_peek(struct capture_ring *ring)
{
	uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	const struct capture_record *record;

	if (ring->head == tail)
		return NULL;
	record = at(ring, ring->head);
	if (record->len != CAPTURE_SKIP)
		return record;
	__atomic_store_n(&ring->head, ring->head + until_end(ring->head), __ATOMIC_RELEASE);
	return ring->head == tail ? NULL : at(ring, ring->head);
}

void capture_ring_drop(struct capture_ring *ring, const struct capture_record *record)
{
	uint64_t next = ring->head + record_bytes(record->len);

	__atomic_store_n(&ring->head, next, __ATOMIC_RELEASE);
}
