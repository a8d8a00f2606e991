/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a checkpoint to be shown to renicd? See rehearsal.h. */
#include <string.h>

#include <renic_snapshot.h>

#include "rehearsal.h"

static void forget_indices(struct renic_snapshot_ring *ring)
{
	*ring = (struct renic_snapshot_ring){.size = ring->size};
}

/* The snapshot without what changes as its guest runs: bytes, or 0: it is none. */
static size_t setup_of(const struct replica_vf *vf, uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES])
{
	struct renic_snapshot s;

	if (renic_snapshot_decode(vf->snapshot, vf->n, &s, NULL))
		return 0;
	s.term = 1;
	s.epoch = 0;
	for (unsigned q = 0; q < s.n_queues; q++) {
		forget_indices(&s.queues[q].rx);
		forget_indices(&s.queues[q].tx);
	}
	s.n_ipv4 = s.n_ipv6 = s.n_drops = 0;
	s.tx_pkts = s.tx_bytes = s.rx_pkts = s.rx_bytes = 0;
	s.released_pkts = s.exempt_pkts = s.backpressure = 0;
	return renic_snapshot_encode(&s, bytes, RENIC_SNAPSHOT_MAX_BYTES);
}

static bool asks_the_same(const struct replica_vf *a, const struct replica_vf *b)
{
	uint8_t setup_a[RENIC_SNAPSHOT_MAX_BYTES], setup_b[RENIC_SNAPSHOT_MAX_BYTES];
	size_t n = setup_of(a, setup_a);

	return n && n == setup_of(b, setup_b) && !memcmp(setup_a, setup_b, n);
}

bool rehearsal_is_due(const struct replica *r)
{
	if (!r->valid)
		return true;
	for (unsigned i = 0; i < r->n_vms; i++)
		for (unsigned v = 0; v < r->guests[i].config->n_vfs; v++)
			if (!asks_the_same(&r->vms[i].held[v], &r->vms[i].next[v]))
				return true;
	return false;
}
