/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of captured frames between one lcore, which writes, and one thread, which reads. Plain
 * memory, no lock: head and tail only grow, each has one writer. A record lies in one piece; what
 * does not fit before the end of the memory begins at its start again.
 *
 * Records can be written and published later, or forgotten.
 */
#ifndef RENICD_NIC_CAPTURE_RING_H
#define RENICD_NIC_CAPTURE_RING_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

enum {
	CAPTURE_RING_BYTES = 2 << 20, /* a power of two */
	CAPTURE_RECORD_ALIGN = 16,
};

struct capture_record {
	uint32_t len;	   /* bytes behind this; CAPTURE_SKIP: none until the memory's end */
	uint32_t wire_len; /* of the whole frame */
	uint64_t tsc;
	uint16_t seen; /* enum capture_seen */
	uint16_t queue;
	uint32_t reserved;
};

#define CAPTURE_SKIP UINT32_MAX

struct capture_ring {
	uint8_t *bytes;
	uint64_t written; /* writer: as tail, with what is not published */
	uint64_t tail;	  /* atomic; writer: published */
	uint64_t dropped; /* frames without room; counter.h */
	uint64_t head __attribute__((aligned(64))); /* atomic; reader */
};

int capture_ring_init(struct capture_ring *ring); /* 0 or -ENOMEM */
void capture_ring_fini(struct capture_ring *ring);

/* The writer: copy a frame's first bytes, its held VLAN tag included. false: no room. */
bool capture_ring_write(struct capture_ring *ring, const struct rte_mbuf *m, uint32_t snaplen,
	const struct capture_record *like);

/* The writer: all that was written up to here may be read; what was not, is forgotten. */
void capture_ring_publish(struct capture_ring *ring, uint64_t up_to);

/* The reader: the next record, or NULL; its bytes follow it. */
const struct capture_record *capture_ring_peek(struct capture_ring *ring);
/* The reader: done with the record that was peeked. */
void capture_ring_drop(struct capture_ring *ring, const struct capture_record *record);

#endif
