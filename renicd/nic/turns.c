/* SPDX-License-Identifier: BSD-3-Clause */
/* See turns.h. */
#include <rte_mbuf.h>

#include "turns.h"

static void enter_round(const struct turns *turns, struct turn *mine)
{
	mine->round = turns->round;
	mine->left = RTE_MIN(mine->left, 0) + TURN_BYTES;
}

uint16_t turns_allow(
	struct turns *turns, struct turn *mine, struct rte_mbuf *const *pkts, uint16_t n)
{
	int64_t bytes = 0;
	uint16_t allowed = 0;

	if (mine->round != turns->round)
		enter_round(turns, mine);
	if (mine->left <= 0 && !turns->waiting) {
		turns->round++;
		enter_round(turns, mine);
	}
	if (turns->last != mine) {
		turns->last = mine;
		turns->in_a_row = 0;
	}
	if (++turns->in_a_row > TURN_ALONE && !turns->waiting) {
		mine->left = TURN_BYTES;
		return n;
	}
	while (allowed < n && bytes < mine->left)
		bytes += pkts[allowed++]->pkt_len;
	return allowed;
}

bool turns_charge(
	struct turns *turns, struct turn *mine, uint64_t bytes, bool refused, bool has_more)
{
	if (!turns->calm) { /* a first refusal: what was sent before it is forgotten */
		mine->round = ++turns->round;
		mine->left = TURN_BYTES;
		bytes = 0;
	}
	mine->left -= (int32_t)bytes;
	turns->calm = refused ? TURN_CALM : turns->calm - 1;
	if (!turns->calm || mine->left <= 0 || !(refused || has_more))
		return false;
	turns->waiting++;
	return true;
}
