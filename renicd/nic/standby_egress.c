/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that a primary held, or had not sent yet, when it was lost: a standby takes them before it
 * is activated, and its VFs send them first, in order (docs/protocol.md, "Failover"). They wait in
 * the queue pairs' egress logs as epoch 1, which only the activation commits: a standby is
 * quiet. They are gone when snapshots are restored anew, and when the group is a standby no longer
 * without an activation.
 *
 * Records come from another machine: all of them are judged before anything changes, and what a
 * guest asked of its NIC is looked at anew, as if the guest asked now. Control thread; logs are
 * touched by their owner lcores, by message.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "group_members.h"
#include "offload.h"
#include "qp.h"
#include "standby_egress.h"
#include "vf_config.h"

enum {
	LOADED_EPOCH = 1,
	RECORD_FLAGS = EGRESS_RECORD_OFFLOAD | EGRESS_RECORD_VLAN | EGRESS_RECORD_SKIP_GROUP |
		       EGRESS_RECORD_VLAN_AD,
	QUEUE_BYTES = sizeof(uint16_t),
};

/* One record of a chunk. */
struct held_record {
	uint16_t queue;
	struct egress_record head;
	struct egress_offload offload; /* with EGRESS_RECORD_OFFLOAD */
	const uint8_t *frame;
};

/* ---- reading a chunk ---- */

/* The record at *at, which moves past it. false: none. */
static bool next_record(const uint8_t *bytes, uint32_t n, uint32_t *at, struct held_record *record)
{
	uint32_t fixed = QUEUE_BYTES + sizeof(record->head);

	if (n - *at < fixed)
		return false;
	memcpy(&record->queue, &bytes[*at], sizeof(record->queue));
	memcpy(&record->head, &bytes[*at + QUEUE_BYTES], sizeof(record->head));
	*at += fixed;
	memset(&record->offload, 0, sizeof(record->offload));
	if (record->head.flags & EGRESS_RECORD_OFFLOAD) {
		if (n - *at < sizeof(record->offload))
			return false;
		memcpy(&record->offload, &bytes[*at], sizeof(record->offload));
		*at += sizeof(record->offload);
	}
	if (n - *at < record->head.len)
		return false;
	record->frame = &bytes[*at];
	*at += record->head.len;
	return true;
}

static const char *fault_of(const struct vf *vf, const struct held_record *record)
{
	const struct egress_record *head = &record->head;
	bool tso = record->offload.ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint32_t longest = tso ? (uint32_t)OFFLOAD_FRAME_MAX : vf->policy->max_frame_bytes;

	if (head->flags & ~RECORD_FLAGS)
		return "unknown flags";
	if (record->queue >= vf->n_qps)
		return "a queue that the VF does not have";
	if (head->len < RTE_ETHER_HDR_LEN || head->len > longest)
		return "a length out of range";
	if ((head->flags & EGRESS_RECORD_VLAN_AD) && !(head->flags & EGRESS_RECORD_VLAN))
		return "the kind of a tag without a tag";
	return NULL;
}

/* How many records there are; 0 with *err: these bytes are none. */
static uint32_t count_records(
	const struct vf *vf, const uint8_t *bytes, uint32_t n, struct nic_error *err)
{
	struct held_record record;
	uint32_t at = 0, count = 0;

	while (at < n) {
		bool whole = next_record(bytes, n, &at, &record);
		const char *fault = whole ? fault_of(vf, &record) : "cut off";

		if (fault) {
			nic_fail(err, RENIC_E_PARAMS, "frames", "frames: record %u: %s", count,
				fault);
			return 0;
		}
		count++;
	}
	if (!count)
		nic_fail(err, RENIC_E_PARAMS, "frames", "frames: expected at least one record");
	return count;
}

/* ---- into the logs ---- */

struct loading {
	const struct vf *vf;
	const uint8_t *bytes;
	uint32_t n;
	uint32_t bad; /* records whose request cannot be fulfilled */
	bool no_room;
};

/* What the guest asked for, in the words of librte_vhost: offload_from_guest() judges it. */
static bool ask_again(struct rte_mbuf *m, const struct held_record *record, uint32_t max_bytes)
{
	const struct rte_mbuf asked = {.tx_offload = record->offload.tx_offload};

	if (!(record->head.flags & EGRESS_RECORD_OFFLOAD))
		return true;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (record->offload.ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = (uint16_t)asked.tso_segsz;
	}
	return offload_from_guest(m, max_bytes, OFFLOAD_IP_ANY) == DROP_REASONS;
}

static void set_tag(struct rte_mbuf *m, const struct egress_record *head)
{
	if (!(head->flags & EGRESS_RECORD_VLAN))
		return;
	m->vlan_tci = head->vlan_tci;
	m->ol_flags |= head->flags & EGRESS_RECORD_VLAN_AD ? BESIDE_8021AD : BESIDE_8021Q;
}

/* The record's frame into its queue pair's log; the owner lcore. false: no room. */
static bool append(struct vf_qp *qp, const struct held_record *record, struct loading *l)
{
	uint16_t flags = record->head.flags & EGRESS_RECORD_SKIP_GROUP;
	struct rte_mbuf *m = nic_frame_of(record->frame, record->head.len);

	if (!m)
		return false;
	if (!ask_again(m, record, l->vf->policy->max_frame_bytes)) {
		l->bad++;
	} else if (egress_log_reserve(&qp->log, 1, record->head.len)) {
		set_tag(m, &record->head);
		if (!qp->log.state->epoch)
			egress_log_open(&qp->log, LOADED_EPOCH);
		egress_log_append(&qp->log, m, flags, rte_rdtsc());
		held_time_append(&qp->held_time, qp->log.appended_pkts, rte_rdtsc());
	} else {
		rte_pktmbuf_free(m);
		return false;
	}
	rte_pktmbuf_free(m);
	return true;
}

static void load_own(void *arg)
{
	struct loading *l = arg;
	struct held_record record;
	uint32_t at = 0;

	while (at < l->n && !l->no_room && next_record(l->bytes, l->n, &at, &record)) {
		struct vf_qp *qp = l->vf->qps[record.queue];

		if (qp->lcore == lcore_self())
			l->no_room = !append(qp, &record, l);
	}
}

static void qp_unload(struct vf_qp *qp, void *arg)
{
	if (qp->log.state->epoch != LOADED_EPOCH || qp->hold)
		return;
	egress_log_discard(&qp->log);
	held_time_truncate(&qp->held_time, qp->log.appended_pkts);
}

static void qp_let_go(struct vf_qp *qp, void *arg)
{
	if (qp->log.state->epoch && !qp->hold)
		egress_log_commit_all(&qp->log);
}

void standby_egress_drop(struct vf *vf)
{
	vf_for_each_qp(vf, qp_unload, NULL);
}

void standby_egress_release(struct vf *vf)
{
	vf_for_each_qp(vf, qp_let_go, NULL);
}

/* ---- the command ---- */

/* Is the VF a standby, in no later term than the command's? */
static int check_standby(const struct vf *vf, uint64_t term, struct nic_error *err)
{
	if (vf->group) {
		int rc = group_check_term(&vf->group->fsm, GROUP_RESTORE, term, err);

		return rc ? rc : group_check(&vf->group->fsm, GROUP_RESTORE, err);
	}
	nic_fail(err, RENIC_E_STATE, "name", "VF \"%s\" is no standby", vf->config.name);
	strcpy(err->state, group_state_names[GROUP_UNPROTECTED]);
	return RENIC_E_STATE;
}

int nic_egress_load(const char *name, uint64_t term, const uint8_t *records, uint32_t bytes,
	uint32_t *pkts, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);
	struct loading l = {.vf = vf, .bytes = records, .n = bytes};
	struct nic_error local;
	int rc;

	err = err ? err : &local;
	if (!vf)
		return RENIC_E_NOT_FOUND;
	rc = check_standby(vf, term, err);
	if (rc)
		return rc;
	*pkts = count_records(vf, records, bytes, err);
	if (!*pkts)
		return err->code;
	for (unsigned i = 0; i < lcores_count() && !l.no_room; i++) /* they share l */
		lcore_call(i, load_own, &l);
	if (!l.no_room && !l.bad)
		return 0;
	standby_egress_drop(vf);
	if (l.no_room)
		return nic_fail(err, RENIC_E_RESOURCES, "frames",
			"no room for what VF \"%s\" held: its log or mbufs are full", name);
	return nic_fail(err, RENIC_E_PARAMS, "frames",
		"frames: %u ask for a checksum or segments that they cannot have", l.bad);
}
