/* SPDX-License-Identifier: BSD-3-Clause */
/* See promisc.h. */
#include "offload.h"
#include "promisc.h"
#include "transmit.h"

void promisc_sight(struct sightings *s, struct rte_mbuf **pkts, uint16_t n)
{
	for (s->n = 0; s->n < n; s->n++)
		s->copies[s->n] = rte_pktmbuf_copy(pkts[s->n], nic.pool, 0, UINT32_MAX);
}

/* May the VF of this policy see what somebody sent into VLAN vid? */
static bool may_look(const struct vf_policy *policy, uint16_t vid, const struct rte_mbuf *m)
{
	return policy->promisc && !policy->standby && policy_takes_vlan(policy, vid) &&
	       offload_frame_bytes(m) <= policy->max_frame_bytes;
}

unsigned promisc_show(struct sightings *s, const struct dest *d, const uint16_t *vids, int src,
	uint32_t group_id, uint16_t taken, uint64_t *drops)
{
	uint16_t end = __atomic_load_n(&nic.id_end, __ATOMIC_ACQUIRE);
	unsigned lookers = 0;

	for (uint16_t i = 0; i < taken; i++) {
		lookers = 0;
		for (int id = 0; s->copies[i] && id < end; id++) {
			struct vf *vf = id == src || id == d->where ? NULL : vf_by_id(id);

			if (!vf || !may_look(vf_policy_of(vf), vids[i], s->copies[i]))
				continue;
			if (group_id && vf_policy_of(vf)->group_id != group_id)
				continue;
			transmit_copy_to_vf(vf, s->copies[i], vids[i], drops);
			lookers++;
		}
	}
	rte_pktmbuf_free_bulk(s->copies, s->n);
	return lookers;
}
