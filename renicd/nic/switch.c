/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See switch.h. A frame's VLAN is the tag held beside it (BESIDE_8021Q, put there by the port VLAN)
 * or the outer one in its bytes. A VF with a port VLAN gets its frames without that tag; a VF
 * without one is a trunk and gets them as they are, as OVS and SR-IOV NICs in VGT mode do.
 */
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_rcu_qsbr.h>

#include "log.h"
#include "merge.h"
#include "offload.h"
#include "offload_send.h"
#include "switch.h"

/* nic.min_claim: TSC with the VF's id plus one in its low bits. One that is not renewed is void, so
 * that nobody waits for a VF that has gone. */
enum { CLAIM_US = 2000, CLAIM_ID_MASK = 511 };

enum { DEST_UPLINK = -1, DEST_FLOOD = -2, DEST_DROP = -3 };

/* Where a frame goes; the last answer is kept, since bursts mostly go to one place. */
struct dest {
	int where; /* VF id or DEST_ */
	enum drop_reason reason;
	uint16_t vid;	 /* VLAN of the frame, of a run's first one */
	uint16_t tagged; /* not 0: some frame of the run is in a VLAN */
};

static struct rte_hash *mac_table;
static uint64_t generation = 1; /* atomic: grows with each change */

/* Rounds of what each lcore sends. A row is its lcore's. */
static struct lcore_turns {
	struct turns uplink;
	struct turns inboxes[VF_MAX]; /* of VFs that other lcores own */
} __rte_cache_aligned lcore_turns[LCORES_MAX];

static uint64_t mac_key(const struct rte_ether_addr *mac, uint16_t vlan)
{
	uint64_t key = (uint64_t)vlan << 48;

	memcpy(&key, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	return key;
}

int switch_init(void)
{
	struct rte_hash_parameters params = {
		.name = "renic_macs",
		.entries = VF_MAX * (VF_MACS_MAX + 4),
		.key_len = sizeof(uint64_t),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};
	struct rte_hash_rcu_config rcu = {.v = lcore_qsbr(), .mode = RTE_HASH_QSBR_MODE_SYNC};

	mac_table = rte_hash_create(&params);
	if (!mac_table)
		return -rte_errno;
	return rte_hash_rcu_qsbr_add(mac_table, &rcu) ? -rte_errno : 0;
}

void switch_fini(void)
{
	rte_hash_free(mac_table);
	mac_table = NULL;
}

void switch_changed(void)
{
	__atomic_fetch_add(&generation, 1, __ATOMIC_RELEASE);
}

int switch_add(const struct rte_ether_addr *mac, uint16_t vlan, uint16_t vf_id)
{
	uint64_t key = mac_key(mac, vlan);

	int rc = rte_hash_add_key_data(mac_table, &key, (void *)(uintptr_t)vf_id);

	switch_changed();
	return rc;
}

void switch_remove(const struct rte_ether_addr *mac, uint16_t vlan)
{
	uint64_t key = mac_key(mac, vlan);

	rte_hash_del_key(mac_table, &key);
	switch_changed();
}

int switch_lookup(const struct rte_ether_addr *mac, uint16_t vlan)
{
	uint64_t key = mac_key(mac, vlan);
	void *data;

	return rte_hash_lookup_data(mac_table, &key, &data) < 0 ? -1 : (int)(uintptr_t)data;
}

static struct vf *vf_by_id(int id)
{
	return __atomic_load_n(&nic.by_id[id], __ATOMIC_ACQUIRE);
}

static const struct vf_policy *vf_policy(const struct vf *vf)
{
	return __atomic_load_n(&vf->policy, __ATOMIC_ACQUIRE);
}

/* ---- VLAN tags ---- */

static bool is_tag(rte_be16_t ether_type)
{
	return ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
	       ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

static uint16_t frame_vid(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(eth + 1);
	uint16_t id;

	if (m->ol_flags & RTE_MBUF_F_TX_VLAN)
		return (m->vlan_tci & VLAN_ID_MASK) |
		       (m->ol_flags & RTE_MBUF_F_TX_QINQ ? VLAN_AD : 0);
	if (likely(!is_tag(eth->ether_type)) || m->data_len < sizeof(*eth) + sizeof(*tag))
		return VLAN_NONE;
	id = rte_be_to_cpu_16(tag->vlan_tci) & VLAN_ID_MASK;
	return id && eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ) ? id | VLAN_AD : id;
}

/* Put the tag that is held beside the frame into its bytes. */
static bool insert_tag(struct rte_mbuf **m)
{
	bool is_ad = (*m)->ol_flags & RTE_MBUF_F_TX_QINQ;

	if (!((*m)->ol_flags & RTE_MBUF_F_TX_VLAN))
		return true;
	if (!nic_make_writable(m) || rte_vlan_insert(m))
		return false;
	if (is_ad) {
		(*m)->ol_flags &= ~BESIDE_8021AD;
		rte_pktmbuf_mtod(*m, struct rte_ether_hdr *)->ether_type =
			RTE_BE16(RTE_ETHER_TYPE_QINQ);
	}
	return true;
}

/* Take the outer tag out of the bytes, of either protocol. */
static void strip_tag(struct rte_mbuf *m)
{
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(eth + sizeof(struct rte_vlan_hdr), eth, 2 * RTE_ETHER_ADDR_LEN);
	rte_pktmbuf_adj(m, sizeof(struct rte_vlan_hdr));
	if (offload_is_asked(m))
		m->l2_len -= sizeof(struct rte_vlan_hdr);
}

/* Give the frame the look that a VF with port VLAN `vlan` (0: none) expects. */
static bool shape_for_vf(struct rte_mbuf **m, uint16_t vid, uint16_t vlan)
{
	if (likely(!vid))
		return true;
	if (vid != vlan)
		return insert_tag(m);
	if ((*m)->ol_flags & RTE_MBUF_F_TX_VLAN) {
		(*m)->ol_flags &= ~BESIDE_8021AD;
		return true;
	}
	if (!nic_make_writable(m))
		return false;
	strip_tag(*m);
	return true;
}

/* ---- destinations ---- */

/* Too long for the uplink, its tag included? */
static bool is_oversize(const struct rte_mbuf *m)
{
	uint32_t tag = m->ol_flags & RTE_MBUF_F_TX_VLAN ? sizeof(struct rte_vlan_hdr) : 0;

	return offload_frame_bytes(m) + tag > nic.uplink->max_frame_bytes;
}

/* While a VF moves to another VLAN the table has it in both, and while it becomes active before
 * it is: its policy decides. */
static bool vf_takes_vlan(int id, uint16_t vid, uint32_t *max_frame_bytes)
{
	const struct vf *vf = vf_by_id(id);
	const struct vf_policy *policy = vf ? vf_policy(vf) : NULL;

	*max_frame_bytes = policy ? policy->max_frame_bytes : UINT32_MAX;
	return !policy || (!policy->standby && policy_takes_vlan(policy, vid));
}

static int lookup_cached(struct dest_cache *cache, const struct rte_ether_addr *mac, uint16_t vid)
{
	uint64_t key = mac_key(mac, vid), now = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);

	if (likely(cache->generation == now && cache->key == key))
		return cache->where;
	cache->where = switch_lookup(mac, vid);
	if (cache->where < 0 && vid)
		cache->where = switch_lookup(mac, 0);
	if (cache->where >= 0 && !vf_takes_vlan(cache->where, vid, &cache->max_frame_bytes))
		cache->where = DEST_DROP;
	cache->key = key;
	cache->generation = now; /* as it was before we looked */
	return cache->where;
}

/* src: id of the sending VF, or -1 for the uplink. */
static struct dest find_dest(struct dest_cache *cache, const struct rte_mbuf *m, int src)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct dest d = {.where = DEST_DROP, .reason = DROP_RUNT};

	if (unlikely(m->data_len < sizeof(*eth)))
		return d;
	d.reason = DROP_NO_ROUTE;
	d.vid = frame_vid(m);
	if (unlikely(rte_is_multicast_ether_addr(&eth->dst_addr))) {
		d.where = DEST_FLOOD;
		return d;
	}
	d.where = lookup_cached(cache, &eth->dst_addr, d.vid);
	if (d.where >= 0) {
		if (unlikely(offload_frame_bytes(m) > cache->max_frame_bytes))
			d.reason = DROP_OVERSIZE;
		if (d.where == src || d.reason == DROP_OVERSIZE)
			d.where = DEST_DROP;
		return d;
	}
	if (d.where == DEST_DROP)
		return d;
	d.where = DEST_DROP;
	if (src < 0 || !nic.uplink)
		return d;
	if (unlikely(is_oversize(m)))
		d.reason = DROP_OVERSIZE;
	else
		d.where = DEST_UPLINK;
	return d;
}

/* ---- the three ways out ---- */

void switch_claim(const struct vf *vf, bool lacks, uint64_t now_tsc)
{
	uint64_t mine = vf->id + 1u, claim;

	if (lacks) {
		claim = (now_tsc & ~(uint64_t)CLAIM_ID_MASK) | mine;
		__atomic_store_n(&nic.min_claim, claim, __ATOMIC_RELAXED);
		return;
	}
	claim = __atomic_load_n(&nic.min_claim, __ATOMIC_RELAXED);
	if ((claim & CLAIM_ID_MASK) == mine)
		__atomic_compare_exchange_n(
			&nic.min_claim, &claim, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Does another VF lack what this one has had? */
static __rte_noinline bool must_yield(const struct vf *vf, uint64_t claim)
{
	const struct vf_policy *policy = vf_policy(vf);
	uint64_t now_tsc = rte_rdtsc();

	if ((int64_t)(now_tsc - claim) > (int64_t)(rte_get_tsc_hz() / 1000000 * CLAIM_US))
		return false;
	return !policy->min_rate.cost || !shaper_is_open(&vf->min_tx, &policy->min_rate, now_tsc);
}

static uint64_t bytes_of(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

/* What a destination that refuses now and then is to be given: how many of n frames, and of how
 * many bytes. */
static __rte_noinline uint16_t turn_begin(struct turns *turns, struct turn *mine,
	struct rte_mbuf *const *pkts, uint16_t n, uint64_t *bytes)
{
	n = turns_allow(turns, mine, pkts, n);
	*bytes = bytes_of(pkts, n);
	return n;
}

/* It was given them, and left some. After a whole burst more is likely to come. */
static __rte_noinline void turn_end(struct vf_qp *qp, struct turns *turns, struct turn *mine,
	uint64_t bytes, struct rte_mbuf *const *left, uint16_t n, uint16_t sent)
{
	qp_waits_no_more(qp);
	if (turns_charge(turns, mine, bytes - bytes_of(left, n - sent), sent < n, n == NIC_BURST))
		qp->waits_at = turns;
}

/* bytes: of all of them, or 0: nobody knows. */
static uint16_t give_to_uplink(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n,
	uint16_t tagged, uint64_t bytes)
{
	uint16_t all = n;

	for (uint16_t i = 0; tagged && i < n; i++)
		if (unlikely(!insert_tag(&pkts[i]))) {
			n = i;
			break;
		}
	if (unlikely(from->offloads || nic.uplink->own_memory) && n)
		return offload_send(from->qp, pkts, n);
	return n ? nic.uplink->send(pkts, n, n == all ? bytes : 0) : 0;
}

static bool is_claim_of(uint64_t claim, const struct vf *vf)
{
	return (claim & CLAIM_ID_MASK) == vf->id + 1u;
}

static uint16_t send_to_uplink(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n,
	uint16_t tagged, uint64_t bytes)
{
	struct turns *turns = &lcore_turns[lcore_self()].uplink;
	struct turn *mine = &from->qp->turn[TURN_UPLINK];
	uint64_t claim;
	uint16_t sent;

	if (unlikely(!nic.uplink->is_up())) {
		if (from->was_held) {
			from->qp->waits_for_link = true;
			return 0;
		}
		for (uint16_t i = 0; i < n; i++)
			qp_drop(from->qp, pkts[i], DROP_UPLINK_DOWN);
		return n;
	}
	claim = __atomic_load_n(&nic.min_claim, __ATOMIC_RELAXED);
	if (unlikely(claim)) {
		if (must_yield(from->qp->vf, claim))
			return 0;
		if (is_claim_of(claim, from->qp->vf)) /* before all others, at no cost */
			return give_to_uplink(from, pkts, n, tagged, bytes);
	}
	if (unlikely(turns->calm)) {
		n = turn_begin(turns, mine, pkts, n, &bytes);
		if (!n)
			return 0;
	}
	sent = give_to_uplink(from, pkts, n, tagged, bytes);
	if (unlikely(sent < n || turns->calm))
		turn_end(from->qp, turns, mine, bytes, &pkts[sent], n, sent);
	return sent;
}

/* A frame whose tag was changed cannot be tried again, its VLAN would be another: so look first
 * whether the VF's owner has room for it. */
static uint16_t send_to_vf(const struct dest *d, struct rte_mbuf **pkts, const uint16_t *vids,
	uint16_t n, uint64_t *drops)
{
	struct vf *vf = vf_by_id(d->where);
	uint16_t vlan, taken;

	if (unlikely(!vf)) {
		counter_add(&drops[DROP_NO_ROUTE], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	if (likely(!d->tagged))
		return vf_deliver(vf, pkts, n);
	if (!vf_has_room(vf))
		return 0;
	vlan = vf_policy(vf)->vlan;
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(!shape_for_vf(&pkts[i], vids[i], vlan))) {
			n = i;
			break;
		}
	}
	taken = n ? vf_deliver(vf, pkts, n) : 0;
	counter_add(&drops[DROP_RX_NO_BUFFER], n - taken);
	rte_pktmbuf_free_bulk(&pkts[taken], n - taken);
	return n;
}

static void copy_to_vf(struct vf *vf, const struct rte_mbuf *m, uint16_t vid, uint64_t *drops)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, nic.pool, 0, UINT32_MAX);
	const struct dest d = {.where = vf->id, .vid = vid, .tagged = vid};

	if (unlikely(!copy)) {
		counter_add(&drops[DROP_NO_MBUF], 1);
		return;
	}
	if (send_to_vf(&d, &copy, &vid, 1, drops) == 0) {
		counter_add(&drops[DROP_RX_NO_BUFFER], 1);
		rte_pktmbuf_free(copy);
	}
}

enum group_choice { GROUP_ALL, GROUP_ONLY, GROUP_SKIP };

/* Is it for the bridges of a link (IEEE 802.1Q, table 8-1: STP, LLDP, LACP, pause), which pass such
 * frames to nobody? */
static bool is_for_bridges(const struct rte_mbuf *m)
{
	static const uint8_t reserved[] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	const uint8_t *dst = rte_pktmbuf_mtod(m, const uint8_t *);

	return !memcmp(dst, reserved, sizeof(reserved)) && dst[sizeof(reserved)] < 0x10;
}

/* A copy for each VF of the VLAN but src; choice narrows it by the sender's group. Drops are
 * counted where the frame came from: other counters have other writers. */
static void flood_to_vfs(const struct rte_mbuf *m, uint16_t vid, int src, uint32_t group_id,
	enum group_choice choice, uint64_t *drops)
{
	bool for_bridges = is_for_bridges(m);
	uint16_t end = __atomic_load_n(&nic.id_end, __ATOMIC_ACQUIRE);

	for (int id = 0; id < end; id++) {
		struct vf *vf = id == src ? NULL : vf_by_id(id);
		const struct vf_policy *policy;

		if (!vf)
			continue;
		policy = vf_policy(vf);
		if (policy->standby || !policy_takes_vlan(policy, vid))
			continue;
		if (choice != GROUP_ALL && (policy->group_id == group_id) != (choice == GROUP_ONLY))
			continue;
		if (unlikely(for_bridges) && !policy->allmulti && !policy->promisc)
			continue;
		if (unlikely(offload_frame_bytes(m) > policy->max_frame_bytes)) {
			counter_add(&drops[DROP_OVERSIZE], 1);
			continue;
		}
		copy_to_vf(vf, m, vid, drops);
	}
}

/* ---- promiscuous VFs ---- */

/* Frames of a run as they were before it was sent. */
struct sightings {
	struct rte_mbuf *copies[NIC_BURST];
	uint16_t n;
};

/* What is flooded reaches them as it reaches the others. */
static bool is_worth_a_look(const struct dest *d)
{
	return d->where != DEST_FLOOD && d->reason != DROP_RUNT;
}

static __rte_noinline void sight(struct sightings *s, struct rte_mbuf **pkts, uint16_t n)
{
	for (s->n = 0; s->n < n; s->n++)
		s->copies[s->n] = rte_pktmbuf_copy(pkts[s->n], nic.pool, 0, UINT32_MAX);
}

/* May the VF of this policy see what the VF `src` sent into VLAN vid? */
static bool may_look(const struct vf_policy *policy, uint16_t vid, const struct rte_mbuf *m)
{
	return policy->promisc && !policy->standby && policy_takes_vlan(policy, vid) &&
	       offload_frame_bytes(m) <= policy->max_frame_bytes;
}

/* The first `taken` of them have gone where they go: a copy for each promiscuous VF but sender and
 * receiver. group_id: of this group only; 0: of any. Returns how many VFs looked at the last. */
static __rte_noinline unsigned show(struct sightings *s, const struct dest *d, const uint16_t *vids,
	int src, uint32_t group_id, uint16_t taken, uint64_t *drops)
{
	uint16_t end = __atomic_load_n(&nic.id_end, __ATOMIC_ACQUIRE);
	unsigned lookers = 0;

	for (uint16_t i = 0; i < taken; i++) {
		lookers = 0;
		for (int id = 0; s->copies[i] && id < end; id++) {
			struct vf *vf = id == src || id == d->where ? NULL : vf_by_id(id);

			if (!vf || !may_look(vf_policy(vf), vids[i], s->copies[i]))
				continue;
			if (group_id && vf_policy(vf)->group_id != group_id)
				continue;
			copy_to_vf(vf, s->copies[i], vids[i], drops);
			lookers++;
		}
	}
	rte_pktmbuf_free_bulk(s->copies, s->n);
	return lookers;
}

/* The uplink first: when it refuses, nothing has happened and the frame can be tried again. */
static bool flood_to_uplink(const struct switch_from *from, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (!nic.uplink)
		return true;
	if (unlikely(is_oversize(m))) {
		counter_add(&from->qp->counters.drops[DROP_OVERSIZE], 1);
		return true;
	}
	if (!nic.uplink->is_up()) {
		if (!from->was_held)
			counter_add(&from->qp->counters.drops[DROP_UPLINK_DOWN], 1);
		from->qp->waits_for_link = from->was_held;
		return !from->was_held;
	}
	copy = rte_pktmbuf_copy(m, nic.pool, 0, UINT32_MAX);
	if (!copy)
		return false;
	if (send_to_uplink(from, &copy, 1, frame_vid(m), 0) == 1)
		return true;
	rte_pktmbuf_free(copy);
	return false;
}

static uint16_t flood(
	const struct switch_from *from, struct rte_mbuf *m, uint16_t vid, uint16_t flags)
{
	bool skip = flags & EGRESS_RECORD_SKIP_GROUP;

	if (!flood_to_uplink(from, m))
		return 0;
	flood_to_vfs(m, vid, from->qp->vf->id, from->group_id, skip ? GROUP_SKIP : GROUP_ALL,
		from->qp->counters.drops);
	rte_pktmbuf_free(m);
	return 1;
}

/* A VF of another lcore's has an inbox, which may be full. */
static uint16_t send_across(const struct switch_from *from, const struct dest *d,
	struct rte_mbuf **pkts, const uint16_t *vids, uint16_t n)
{
	struct turns *turns = &lcore_turns[lcore_self()].inboxes[d->where];
	struct turn *mine = &from->qp->turn[TURN_INBOX];
	uint64_t bytes = 0;
	uint16_t sent;

	if (unlikely(turns->calm)) {
		n = turn_begin(turns, mine, pkts, n, &bytes);
		if (!n)
			return 0;
	}
	sent = send_to_vf(d, pkts, vids, n, from->qp->counters.drops);
	if (unlikely(sent < n || turns->calm))
		turn_end(from->qp, turns, mine, bytes, &pkts[sent], n, sent);
	return sent;
}

/* A run of frames with one destination. Returns how many were taken. */
static uint16_t send_run(const struct switch_from *from, const struct dest *d,
	struct rte_mbuf **pkts, const uint16_t *vids, uint16_t n, uint16_t flags, uint64_t bytes)
{
	if (d->where >= 0)
		return send_across(from, d, pkts, vids, n);
	if (d->where == DEST_UPLINK)
		return send_to_uplink(from, pkts, n, d->tagged, bytes);
	if (d->where == DEST_FLOOD)
		return flood(from, pkts[0], vids[0], flags);
	for (uint16_t i = 0; i < n; i++)
		qp_drop(from->qp, pkts[i], d->reason);
	return n;
}

/* The same where somebody is promiscuous. */
static __rte_noinline uint16_t send_run_in_sight(const struct switch_from *from,
	const struct dest *d, struct rte_mbuf **pkts, const uint16_t *vids, uint16_t n,
	uint16_t flags)
{
	struct sightings seen;
	uint16_t taken;

	if (!is_worth_a_look(d))
		return send_run(from, d, pkts, vids, n, flags, 0);
	sight(&seen, pkts, n);
	taken = send_run(from, d, pkts, vids, n, flags, 0);
	show(&seen, d, vids, from->qp->vf->id, 0, taken, from->qp->counters.drops);
	return taken;
}

static bool has_promisc(void)
{
	return __atomic_load_n(&nic.has_promisc, __ATOMIC_RELAXED);
}

/* Most frames of a burst go one way: is m untagged, short enough for everybody, and for the MAC
 * that `first` is for? Then it goes where `first` goes. */
static bool goes_along(const struct rte_mbuf *m, const struct rte_mbuf *first)
{
	const struct rte_ether_hdr *a = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ether_hdr *b = rte_pktmbuf_mtod(first, const struct rte_ether_hdr *);

	return m->data_len >= sizeof(*a) && m->pkt_len <= first->pkt_len &&
	       !offload_is_tso(first) && !(m->ol_flags & RTE_MBUF_F_TX_VLAN) &&
	       !is_tag(a->ether_type) && rte_is_same_ether_addr(&a->dst_addr, &b->dst_addr);
}

/* Are frames of at most so many bytes short enough to go where one of them goes? */
static bool all_fit(const struct dest_cache *cache, const struct dest *d, uint32_t bytes)
{
	if (d->where == DEST_UPLINK)
		return bytes <= nic.uplink->max_frame_bytes;
	return d->where >= 0 && bytes <= cache->max_frame_bytes;
}

/* The leading frames of pkts that share a destination (flooded ones go one by one). */
static uint16_t find_run(struct dest_cache *cache, struct rte_mbuf **pkts, uint16_t n, int src,
	uint32_t alike_longest, struct dest *run, uint16_t *vids)
{
	struct dest d;
	uint16_t len = 1;

	*run = find_dest(cache, pkts[0], src);
	vids[0] = run->vid;
	run->tagged = run->vid;
	if (run->where == DEST_FLOOD)
		return 1;
	if (likely(alike_longest) && all_fit(cache, run, alike_longest))
		return n;
	for (; len < n; len++) {
		vids[len] = 0;
		if (likely(!run->vid && run->where != DEST_DROP && goes_along(pkts[len], pkts[0])))
			continue;
		d = find_dest(cache, pkts[len], src);
		if (d.where != run->where || d.reason != run->reason)
			break;
		vids[len] = d.vid;
		run->tagged |= d.vid;
	}
	return len;
}

uint16_t switch_send(const struct switch_from *from, struct rte_mbuf **pkts, uint16_t n)
{
	struct dest_cache *cache = &from->qp->dest;
	uint16_t vids[NIC_BURST];
	uint16_t done = 0;

	while (done < n) {
		struct dest run;
		uint16_t len = find_run(cache, &pkts[done], n - done, from->qp->vf->id,
			has_promisc() ? 0 : from->alike.longest, &run, vids);
		uint16_t flags = from->flags ? from->flags[done] : 0;
		uint16_t taken =
			unlikely(has_promisc())
				? send_run_in_sight(from, &run, &pkts[done], vids, len, flags)
				: send_run(from, &run, &pkts[done], vids, len, flags,
					  len == n ? from->alike.bytes : 0);

		done += taken;
		if (taken < len)
			break;
	}
	return done;
}

/* Frames from the wire for one VF: fewer and longer ones, where its guest takes them. */
static uint16_t merge_for_vf(const struct dest *d, struct rte_mbuf **pkts, uint16_t n)
{
	const struct vf *vf = vf_by_id(d->where);

	if (n == 1 || d->tagged || !vf || !__atomic_load_n(&vf->takes_long, __ATOMIC_RELAXED))
		return n;
	__atomic_store_n(&nic.has_offloads, true, __ATOMIC_RELAXED);
	return merge_segments(pkts, n);
}

/* Returns whether a promiscuous VF got the frames of a run from the uplink. */
static __rte_noinline bool show_from_uplink(const struct dest *d, struct rte_mbuf **pkts,
	const uint16_t *vids, uint16_t n, uint64_t *drops)
{
	struct sightings seen;

	if (!is_worth_a_look(d))
		return false;
	sight(&seen, pkts, n);
	return show(&seen, d, vids, -1, 0, n, drops);
}

void switch_from_uplink(struct rte_mbuf **pkts, uint16_t n, uint64_t *drops)
{
	struct dest_cache cache = {0};
	uint16_t vids[NIC_BURST];
	uint16_t done = 0, len, taken, merged;

	for (; done < n; done += len) {
		bool looked = false;
		struct dest run;

		len = find_run(&cache, &pkts[done], n - done, -1, 0, &run, vids);
		if (unlikely(has_promisc()))
			looked = show_from_uplink(&run, &pkts[done], vids, len, drops);
		if (run.where >= 0) {
			merged = merge_for_vf(&run, &pkts[done], len);
			taken = send_to_vf(&run, &pkts[done], vids, merged, drops);
		} else {
			if (run.where == DEST_FLOOD)
				flood_to_vfs(pkts[done], run.vid, -1, 0, GROUP_ALL, drops);
			else if (!looked)
				counter_add(&drops[run.reason], len);
			rte_pktmbuf_free_bulk(&pkts[done], len);
			continue;
		}
		counter_add(&drops[DROP_RX_NO_BUFFER], merged - taken);
		rte_pktmbuf_free_bulk(&pkts[done + taken], merged - taken);
	}
}

bool switch_pass_inside(struct vf_qp *qp, uint32_t group_id, struct rte_mbuf *m, uint16_t *flags)
{
	struct dest d = find_dest(&qp->dest, m, qp->vf->id);
	struct sightings seen;
	struct vf *vf;

	if (d.where == DEST_FLOOD) {
		flood_to_vfs(m, d.vid, qp->vf->id, group_id, GROUP_ONLY, qp->counters.drops);
		*flags = EGRESS_RECORD_SKIP_GROUP;
		return false;
	}
	if (d.where < 0)
		return false;
	vf = vf_by_id(d.where);
	if (!vf || vf_policy(vf)->group_id != group_id)
		return false;
	d.tagged = d.vid;
	if (unlikely(has_promisc())) {
		sight(&seen, &m, 1);
		show(&seen, &d, &d.vid, qp->vf->id, group_id, 1, qp->counters.drops);
	}
	if (send_to_vf(&d, &m, &d.vid, 1, qp->counters.drops) == 0)
		qp_drop(qp, m, DROP_RX_NO_BUFFER);
	return true;
}
