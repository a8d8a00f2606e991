/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standby and failover: a backup's group, in which nothing moves, is loaded from a checkpoint's
 * snapshots and takes over (design, "Checkpoint protocol" and "Snapshot"; Remus, NSDI'08, section
 * 3). What is legal when, group.c says.
 *
 * A standby is quiet because three things hold: its queue pairs are suspended, so guest memory is
 * not touched; nothing waits in them to leave, or the group could not have become a standby; and
 * its MAC is not in the switch, nor does flooding find it (policy `standby`). A change is prepared
 * for all VFs before it is carried out for any. Control thread.
 */
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "group_members.h"
#include "qp.h"
#include "snapshot.h"
#include "standby_egress.h"
#include "vf_config.h"
#include "vf_link.h"

/* ---- on the lcores ---- */

/* Suspend, and count what waits to leave: from now on nothing comes in addition. */
static void qp_quiet(struct vf_qp *qp, void *arg)
{
	uint64_t waiting = egress_log_held_pkts(&qp->log);

	if (!qp->out.from_log)
		waiting += qp->out.n - qp->out.head;
	qp->suspended = true;
	__atomic_fetch_add((uint64_t *)arg, waiting, __ATOMIC_RELAXED);
}

static void qp_unquiet(struct vf_qp *qp, void *arg)
{
	qp->suspended = false;
}

/* Nobody finds the VF any more: what came for its guest until now is not delivered either. */
static void qp_drop_ingress(struct vf_qp *qp, void *arg)
{
	qp_inbox_drain_all(qp);
	qp_flush_rx(qp, DROP_NO_ROUTE);
}

/* A running guest is on its way to this VF: until its rings run, frames wait for it. */
static void qp_await_guest(struct vf_qp *qp, void *arg)
{
	qp->paused = !qp->running;
}

static void qp_load(struct vf_qp *qp, void *arg)
{
	const struct renic_snapshot *s = arg;

	memset(&qp->counters, 0, sizeof(qp->counters));
	memset(&qp->learned, 0, sizeof(qp->learned));
	if (qp->index)
		return;
	qp->counters = (struct vf_counters){
		.tx_pkts = s->tx_pkts,
		.tx_bytes = s->tx_bytes,
		.rx_pkts = s->rx_pkts,
		.rx_bytes = s->rx_bytes,
		.released_pkts = s->released_pkts,
		.exempt_pkts = s->exempt_pkts,
		.backpressure = s->backpressure,
	};
	memcpy(qp->counters.drops, s->drops,
		RTE_MIN(s->n_drops, (unsigned)DROP_REASONS) * sizeof(s->drops[0]));
	qp->learned.n_ipv4 = s->n_ipv4;
	qp->learned.n_ipv6 = s->n_ipv6;
	memcpy(qp->learned.ipv4, s->ipv4, sizeof(s->ipv4));
	memcpy(qp->learned.ipv6, s->ipv6, sizeof(s->ipv6));
}

/* ---- the group's VFs together ---- */

static void for_each_qp(const struct group *g, void (*fn)(struct vf_qp *qp, void *arg), void *arg)
{
	for (uint16_t i = 0; i < g->n_vfs; i++)
		vf_for_each_qp(g->vfs[i], fn, arg);
}

/* changes[i] for g->vfs[i], whose configuration set(config, arg, i) alters. NULL with *err. */
static struct vf_change *prepare_all(const struct group *g,
	void (*set)(struct vf_config *config, const void *arg, uint16_t i), const void *arg,
	struct nic_error *err)
{
	struct vf_change *changes = calloc(g->n_vfs, sizeof(*changes));

	if (!changes)
		nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	for (uint16_t i = 0; changes && i < g->n_vfs; i++) {
		struct vf_config config = g->vfs[i]->config;

		set(&config, arg, i);
		if (!vf_change_prepare(&changes[i], g->vfs[i], &config, err))
			continue;
		while (i--)
			vf_change_drop(&changes[i]);
		free(changes);
		return NULL;
	}
	return changes;
}

static void apply_all(const struct group *g, struct vf_change *changes)
{
	for (uint16_t i = 0; i < g->n_vfs; i++)
		vf_change_apply(&changes[i]);
	free(changes);
}

static void drop_all(const struct group *g, struct vf_change *changes)
{
	for (uint16_t i = 0; i < g->n_vfs; i++)
		vf_change_drop(&changes[i]);
	free(changes);
}

/* ---- into standby and out of it ---- */

static void set_standby(struct vf_config *config, const void *arg, uint16_t i)
{
	config->standby = *(const bool *)arg;
}

/* May `op` be done with the group now, in the term that the command carries? */
static int check(const struct group *g, const struct group_command *cmd, enum group_op op,
	struct nic_error *err)
{
	if (group_check_term(&g->fsm, op, cmd->term, err) || group_check(&g->fsm, op, err))
		return err->code;
	if (g->n_vfs)
		return 0;
	return nic_fail(err, RENIC_E_PARAMS, "group", "group \"%s\" has no VFs", cmd->group);
}

/* The group that the command names, if `op` is legal. */
static struct group *resolve(
	const struct group_command *cmd, enum group_op op, struct nic_error *err)
{
	struct group *g = group_resolve(cmd->group, err);

	return g && !check(g, cmd, op, err) ? g : NULL;
}

static int become_standby(struct group *g, const struct group_command *cmd, struct nic_error *err)
{
	struct vf_change *changes;
	uint64_t waiting = 0;
	bool standby = true;

	if (check(g, cmd, GROUP_STANDBY_START, err))
		return err->code;
	changes = prepare_all(g, set_standby, &standby, err);
	if (!changes)
		return err->code;
	for_each_qp(g, qp_quiet, &waiting);
	if (waiting) {
		for_each_qp(g, qp_unquiet, NULL);
		drop_all(g, changes);
		return nic_fail(err, RENIC_E_BUSY, "group",
			"%" PRIu64 " frames of group \"%s\" still wait to leave", waiting,
			cmd->group);
	}
	group_take_term(g, cmd->term);
	group_fsm_standby_start(&g->fsm);
	g->discard = false; /* of a protection before: what it takes over is to leave */
	g->config.standby = true;
	group_note_all(g);
	apply_all(g, changes);
	for_each_qp(g, qp_drop_ingress, NULL);
	for (uint16_t i = 0; i < g->n_vfs; i++)
		announce_cancel(g->vfs[i]);
	group_post_state(g);
	return 0;
}

int nic_standby_start(const struct group_command *cmd, struct nic_error *err)
{
	struct nic_error local;
	struct group *g;
	bool made;
	int rc;

	err = err ? err : &local;
	g = group_resolve_or_make(cmd->group, &made, err);
	if (!g)
		return err->code;
	rc = become_standby(g, cmd, err);
	if (rc && made)
		group_free(g);
	return rc;
}

/* The VFs of a group whose state has changed already find their places again. */
static void go_on(struct group *g, struct vf_change *changes)
{
	g->config.standby = false;
	group_note_all(g);
	apply_all(g, changes);
	for_each_qp(g, qp_unquiet, NULL);
	group_post_state(g);
}

int nic_standby_stop(const struct group_command *cmd, struct nic_error *err)
{
	struct vf_change *changes;
	struct nic_error local;
	bool standby = false;
	struct group *g;

	err = err ? err : &local;
	g = resolve(cmd, GROUP_STANDBY_STOP, err);
	changes = g ? prepare_all(g, set_standby, &standby, err) : NULL;
	if (!changes)
		return err->code;
	for (uint16_t i = 0; i < g->n_vfs; i++)
		standby_egress_drop(g->vfs[i]);
	group_fsm_standby_stop(&g->fsm);
	go_on(g, changes);
	return 0;
}

int nic_activate(const struct group_command *cmd, struct nic_error *err)
{
	struct vf_change *changes;
	struct nic_error local;
	bool standby = false;
	struct group *g;

	err = err ? err : &local;
	g = resolve(cmd, GROUP_ACTIVATE, err);
	changes = g ? prepare_all(g, set_standby, &standby, err) : NULL;
	if (!changes)
		return err->code;
	group_fsm_activate(&g->fsm, cmd->term);
	group_take_term(g, 0);
	for_each_qp(g, qp_await_guest, NULL);
	go_on(g, changes);
	for (uint16_t i = 0; i < g->n_vfs; i++) {
		standby_egress_release(g->vfs[i]);
		announce_start(g->vfs[i], ANNOUNCE_ROUNDS);
	}
	return 0;
}

int nic_vf_announce(const char *name, unsigned rounds, struct nic_error *err)
{
	struct vf *vf = vf_find_or_fail(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	if (vf->config.standby) {
		nic_fail(err, RENIC_E_STATE, "name", "VF \"%s\" is a standby", name);
		if (err)
			strcpy(err->state, group_state_names[GROUP_STANDBY]);
		return RENIC_E_STATE;
	}
	announce_start(vf, rounds);
	return 0;
}

/* ---- restore ---- */

/* Features of what a VF without `offloads` does not offer: virtio 1.2, section 5.1.3. */
#define OFFLOADS                                                                                   \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |                             \
		1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 |                \
		1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6)

/* Does the snapshot fit the VF, as it was made? */
static int check_fits(const struct vf *vf, const struct renic_snapshot *s, struct nic_error *err)
{
	char given[32], expected[32];

	if (s->n_queues != vf->n_qps) {
		snprintf(given, sizeof(given), "%u queue pairs", s->n_queues);
		snprintf(expected, sizeof(expected), "%u, as VF has", vf->n_qps);
		return nic_fail_value(err, "queues", given, expected);
	}
	if ((s->features & RENIC_FEATURE_PACKED) && !vf->config.packed)
		return nic_fail(err, RENIC_E_UNSUPPORTED, "features",
			"the guest's rings are packed, which VF \"%s\" does not offer",
			vf->config.name);
	if (!vf->config.offloads && (s->features & OFFLOADS)) {
		nic_fail(err, RENIC_E_UNSUPPORTED, "offloads",
			"offloads: the guest relies on checksum or segmentation offload, which VF "
			"\"%s\" does not offer: make it with offloads true",
			vf->config.name);
		snprintf(err->given, sizeof(err->given), "features %#" PRIx64, s->features);
		snprintf(err->expected, sizeof(err->expected), "features %#" PRIx64,
			s->features & ~(uint64_t)OFFLOADS);
		return RENIC_E_UNSUPPORTED;
	}
	return 0;
}

/* by_vf[i]: the snapshot of g->vfs[i], each once. */
static int match_members(const struct group *g, const struct standby_snapshot *snapshots,
	uint16_t n, const struct renic_snapshot **by_vf, struct nic_error *err)
{
	for (uint16_t k = 0; k < n; k++) {
		uint16_t i = 0;

		while (i < g->n_vfs && strcmp(g->vfs[i]->config.name, snapshots[k].vf))
			i++;
		if (i == g->n_vfs || by_vf[i])
			return nic_fail_value(err, "snapshots", snapshots[k].vf,
				"each VF of the group once, no other");
		by_vf[i] = snapshots[k].snapshot;
	}
	for (uint16_t i = 0; i < g->n_vfs; i++)
		if (!by_vf[i])
			return nic_fail(err, RENIC_E_PARAMS, "snapshots",
				"none for VF \"%s\" of group \"%s\"", g->vfs[i]->config.name,
				g->config.name);
	return 0;
}

/* One checkpoint, not older than what the group and the command know. */
static int check_snapshots(const struct group *g, const struct group_command *cmd,
	const struct renic_snapshot **by_vf, struct nic_error *err)
{
	uint64_t term = RTE_MAX(g->fsm.term, cmd->term);
	int rc = 0;

	if (by_vf[0]->term < term) {
		nic_fail(err, RENIC_E_TERM, "term",
			"the snapshots are of term %" PRIu64 ", but the group's is %" PRIu64,
			by_vf[0]->term, term);
		snprintf(err->given, sizeof(err->given), "%" PRIu64, by_vf[0]->term);
		snprintf(err->expected, sizeof(err->expected), "%" PRIu64 " or a larger one", term);
		return RENIC_E_TERM;
	}
	for (uint16_t i = 0; i < g->n_vfs && !rc; i++) {
		if (by_vf[i]->term != by_vf[0]->term || by_vf[i]->epoch != by_vf[0]->epoch)
			return nic_fail(err, RENIC_E_PARAMS, "snapshots",
				"they are not of one checkpoint: terms and epochs differ");
		rc = check_fits(g->vfs[i], by_vf[i], err);
	}
	return rc;
}

static void set_restored(struct vf_config *config, const void *arg, uint16_t i)
{
	const struct renic_snapshot *s = ((const struct renic_snapshot *const *)arg)[i];

	memcpy(config->mac, s->mac, sizeof(config->mac));
	config->vlan = s->vlan;
	config->qos = s->qos;
	config->proto = s->proto_8021ad ? VLAN_PROTO_8021AD : VLAN_PROTO_8021Q;
	config->trust = s->trust;
	config->promisc = s->promisc;
	config->allmulti = s->allmulti;
	config->state = (uint8_t)s->link_state;
	config->max_tx_rate = s->max_tx_rate;
	config->min_tx_rate = s->min_tx_rate;
	memcpy(config->trunks, s->trunks, sizeof(config->trunks));
	config->mtu = s->mtu;
	config->spoofchk = s->spoofchk;
	config->ingress_hold_pkts = s->ingress_hold_pkts;
	memcpy(config->hold_exempt, s->hold_exempt, sizeof(config->hold_exempt));
}

static void load(struct vf *vf, const struct renic_snapshot *s)
{
	vf_link_follow(vf);
	vf_macs_load(vf, s->macs, s->n_macs);
	vf->restored_term = s->term;
	vf->restored_epoch = s->epoch;
	standby_egress_drop(vf);
	vf_for_each_qp(vf, qp_load, (void *)(uintptr_t)s);
}

int nic_standby_restore(const struct group_command *cmd, const struct standby_snapshot *snapshots,
	uint16_t n, struct nic_error *err)
{
	const struct renic_snapshot *by_vf[VF_MAX] = {0};
	struct vf_change *changes;
	struct nic_error local;
	struct group *g;

	err = err ? err : &local;
	g = resolve(cmd, GROUP_RESTORE, err);
	if (!g || match_members(g, snapshots, n, by_vf, err) || check_snapshots(g, cmd, by_vf, err))
		return err->code;
	changes = prepare_all(g, set_restored, by_vf, err);
	if (!changes)
		return err->code;
	group_take_term(g, by_vf[0]->term);
	apply_all(g, changes);
	for (uint16_t i = 0; i < g->n_vfs; i++)
		load(g->vfs[i], by_vf[i]);
	return 0;
}
