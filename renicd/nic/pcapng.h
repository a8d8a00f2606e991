/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing pcapng (draft-ietf-opsawg-pcapng): one section, one Ethernet interface, packets with
 * direction and queue, counters at the end. DPDK's rte_pcapng is no help: its interfaces are
 * ethdevs, which VFs are not. No state but the stream; its caller's thread.
 */
#ifndef RENICD_NIC_PCAPNG_H
#define RENICD_NIC_PCAPNG_H

#include <stdint.h>
#include <stdio.h>

enum pcapng_direction { PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 }; /* epb_flags, bits 0 and 1 */

struct pcapng_packet {
	uint64_t time_ns; /* since 1970 */
	enum pcapng_direction direction;
	uint32_t queue;
	uint32_t len, wire_len;
	const void *bytes;
};

/* Each returns 0, or -errno of the stream. Texts may be empty. */
int pcapng_begin(FILE *out, const char *program, const char *interface, const char *filter,
	uint32_t snaplen);
int pcapng_packet(FILE *out, const struct pcapng_packet *packet);
int pcapng_end(FILE *out, uint64_t time_ns, uint64_t received, uint64_t dropped);

/* Bytes that pcapng_packet() writes for a packet of len bytes. */
uint64_t pcapng_packet_bytes(uint32_t len);

#endif
