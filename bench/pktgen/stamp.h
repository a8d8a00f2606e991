/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What renic-pktgen writes into a frame: who sent it, its number, when, and a check over these.
 * It takes the place of the payload's first 22 bytes of a framegen IPv4/UDP frame, whose headers
 * it leaves alone; so the frame's right length is in its IP header. The check is quick, and of
 * the stamp alone; judge.c compares some frames whole.
 */
#ifndef PKTGEN_STAMP_H
#define PKTGEN_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

enum {
	STAMP_OFFSET = 42, /* after Ethernet, IPv4 and UDP headers */
	STAMP_MAGIC = 0x9e17,
	STAMP_IP_LENGTH = 16, /* where the IPv4 header has its length */
};

struct stamp {
	uint16_t magic;
	uint16_t stream;
	uint16_t check;
	uint64_t seq;
	uint64_t sent_tsc;
} __attribute__((packed));

_Static_assert(STAMP_OFFSET + sizeof(struct stamp) == 64, "fits the smallest frame");

static inline uint16_t stamp_check(uint16_t stream, uint64_t seq, uint64_t sent_tsc)
{
	uint64_t mix = (seq ^ sent_tsc ^ stream) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint16_t)(mix >> 48);
}

static inline void stamp_put(uint8_t *frame, uint16_t stream, uint64_t seq, uint64_t now_tsc)
{
	struct stamp stamp = {STAMP_MAGIC, stream, stamp_check(stream, seq, now_tsc), seq, now_tsc};

	memcpy(frame + STAMP_OFFSET, &stamp, sizeof(stamp));
}

/* false: not one of ours. *whole: nothing of it was changed on the way, as far as stamp and
 * length say. */
static inline bool stamp_get(const uint8_t *frame, uint32_t len, struct stamp *stamp, bool *whole)
{
	uint16_t ip_len;

	if (len < STAMP_OFFSET + sizeof(*stamp))
		return false;
	memcpy(stamp, frame + STAMP_OFFSET, sizeof(*stamp));
	memcpy(&ip_len, frame + STAMP_IP_LENGTH, sizeof(ip_len));
	*whole = stamp->check == stamp_check(stamp->stream, stamp->seq, stamp->sent_tsc) &&
		 rte_be_to_cpu_16(ip_len) + 14u == len;
	return stamp->magic == STAMP_MAGIC;
}

#endif
