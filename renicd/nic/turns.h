/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose turn it is where a destination takes less than is there for it: deficit round robin by
 * bytes (Shreedhar and Varghese, SIGCOMM'95), so that a VF that floods, or that releases gigabytes,
 * leaves others their share of a scarce uplink, whatever the order in which an lcore polls them.
 *
 * In each round a VF may send TURN_BYTES; who has had them waits while somebody who has not had
 * more to send at his last try. When there is no such one, a new round begins. What a burst took
 * beyond its share is paid for in later rounds. So nobody waits where there is room for all, and
 * nothing at all is counted until the destination has refused something, and TURN_CALM bursts after
 * it.
 *
 * All of it is one lcore's: a destination has its rounds on each lcore that sends to it.
 */
#ifndef RENICD_NIC_TURNS_H
#define RENICD_NIC_TURNS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	TURN_BYTES = 64 << 10, /* no frame is longer: a debt is paid in a round */
	TURN_CALM = 1024,
	TURN_ALONE = 64, /* tries in a row by one VF: its bursts are left whole */
};

struct rte_mbuf;

/* A destination. */
struct turns {
	uint32_t round;
	uint16_t waiting;  /* queue pairs with more to send, of VFs that have some of their share */
	uint16_t calm;	   /* bursts until nothing is counted any more; 0: nothing is */
	uint32_t in_a_row; /* tries by the same VF */
	const struct turn *last; /* whose they were */
};

/* A VF's share. */
struct turn {
	uint32_t round; /* that `left` is of */
	int32_t left;	/* bytes; below 0: a debt */
};

/* How many of n frames may be sent now. The destination is not calm. */
uint16_t turns_allow(
	struct turns *turns, struct turn *mine, struct rte_mbuf *const *pkts, uint16_t n);

/* bytes were sent; refused: and the destination takes no more; has_more: the sender has. Returns
 * whether it is to count as waiting, until its next try: then ++turns->waiting has been done. */
bool turns_charge(
	struct turns *turns, struct turn *mine, uint64_t bytes, bool refused, bool has_more);

#endif
