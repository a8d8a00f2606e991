/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF inside the device: what the control thread keeps of it, and its queue pairs, each owned
 * by one data lcore.
 *
 * Three parties: the control thread (config, membership, life), the port's thread (front-end
 * state, `frontend_lock`), the lcores (struct vf_qp). Lcores read the VF's policy through one
 * pointer that is replaced whole and freed after lcore_synchronize().
 */
#ifndef RENICD_NIC_VF_H
#define RENICD_NIC_VF_H

#include <pthread.h>
#include <sys/queue.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "alike.h"
#include "counter.h"
#include "dirty_log.h"
#include "egress_log.h"
#include "held_time.h"
#include "lcore.h"
#include "learn.h"
#include "nic.h"
#include "port.h"
#include "rx_fifo.h"
#include "shaper.h"
#include "turns.h"
#include "vf_macs.h"
#include "vlan.h"

struct capture_tap;
struct group;
struct rte_bpf;

enum {
	NIC_BURST = 64,	  /* frames taken, held, released and sent at once, at most */
	WHOLE_BURST = 32, /* as many say that there are likely more: not all sources give 64 */
};

/* What the data path needs to know of a VF's configuration. Never changed once published. */
struct vf_policy {
	struct rte_ether_addr mac;
	uint16_t vlan;	   /* port VLAN as vlan.h has it; VLAN_NONE: the guest may tag */
	uint16_t vlan_tci; /* its tag, and what says so in an mbuf */
	uint64_t vlan_flags;
	bool has_trunks; /* the guest may be in `trunks` only */
	bool spoofchk;
	bool trust;	    /* the guest may use other MACs, that nobody has */
	bool checks_mac;    /* one of the two: its frames' source matters */
	bool promisc;	    /* it gets a copy of all that passes in its VLANs */
	bool allmulti;	    /* it gets what is for bridges too (IEEE 802.1Q, table 8-1) */
	bool standby;	    /* no frame is for it */
	bool internal_pass; /* the group's internal: pass */
	bool is_shaped;	    /* it has one of the two rates */
	uint32_t group_id;  /* 0: in no group */
	uint32_t max_frame_bytes;
	uint32_t ingress_hold_pkts;
	struct alike_rule alike;
	uint64_t (*exempt)(void *mbuf); /* compiled hold_exempt; NULL: none */
	struct rte_bpf *exempt_bpf;
	struct shaper_rate max_rate, min_rate;
	struct vlan_set trunks;
};

/* A tag that is held beside a frame: vlan_tci, and these flags in ol_flags. Only the switch sees
 * them, devices never: it puts the tag into the bytes. */
#define BESIDE_8021Q RTE_MBUF_F_TX_VLAN
#define BESIDE_8021AD (RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_QINQ)

/* May frames of this VLAN go to the VF's guest? */
static inline bool policy_takes_vlan(const struct vf_policy *policy, uint16_t vlan)
{
	if (policy->vlan)
		return policy->vlan == vlan;
	return likely(!policy->has_trunks) || vlan_set_has(&policy->trunks, vlan);
}

/* Put a frame of the VF, untagged or with tags of the guest's, into its port VLAN. */
static inline void policy_tag(const struct vf_policy *policy, struct rte_mbuf *m)
{
	m->vlan_tci = policy->vlan_tci;
	m->ol_flags |= policy->vlan_flags;
}

/* Frames on their way out: the last peek of the log, or a burst that was never held. */
struct out_burst {
	struct rte_mbuf *pkts[NIC_BURST];
	uint16_t flags[NIC_BURST];
	uint16_t head, n;
	bool from_log;
	bool offloads;	    /* some frame may ask for something */
	struct alike alike; /* as of struct switch_from */
};

/* Where the last frame went, since the next ones mostly go there too; dest.h. */
struct dest_cache {
	uint64_t key;	     /* MAC and VLAN */
	uint64_t generation; /* the MAC table's, then; 0: nothing is known */
	int where;
	uint32_t max_frame_bytes; /* of the VF that it leads to */
};

/* Where a VF's share of a round is counted: one for all VFs with an inbox. */
enum { TURN_UPLINK, TURN_INBOX, TURN_KINDS };

/*
 * A queue pair. Everything is the owner lcore's, but for counters, which others may read.
 * Guest memory may be touched when running && !suspended.
 */
struct vf_qp {
	/* read at every round */
	void *port;
	const struct vf_port_ops *ops;
	struct vf *vf;
	bool running;	     /* the front-end's rings run */
	bool suspended;	     /* between checkpoint_begin and resume; in standby */
	bool hold;	     /* protected: what the guest sends goes to the log */
	bool paused;	     /* not running, but was, and its front-end is still connected; or
			      * activated, and not running yet: frames wait */
	bool armed;	     /* notifications are on */
	bool asks_offloads;  /* the guest may ask for checksums or segments: it negotiated that */
	uint8_t may_segment; /* over which IP versions it may ask for segments: offload.h */
	bool log_full;	     /* the guest's ring is left unread: no room for what it may send */
	bool waits_for_link; /* what is next in `out` is for the uplink, which is down */
	bool is_late;	     /* much of what was committed before had not left at the last commit */
	bool leaving;	     /* its port is going: a start that was on its way comes too late */
	bool rx_behind;	     /* frames kept over a suspend or stop are not all delivered yet */
	uint16_t index;	     /* queue pair number */
	uint16_t lcore;
	struct turns *waits_at;	 /* it counts as waiting there, until it is polled again */
	struct rte_ring *inbox;	 /* frames for the guest from other lcores; NULL with one lcore */
	struct capture_tap *tap; /* NULL: no capture; capture.h */
	struct out_burst out;
	struct dest_cache dest;
	const struct rte_mbuf *tso; /* frame of `out` that the uplink has some segments of */
	uint32_t tso_sent;	    /* so many */
	uint16_t segments;	    /* sent since it was polled last */
	uint32_t cut;		    /* likewise, for its guest, which takes none longer */
	uint8_t claims; /* > 0: the uplink, for its VF's minimum: polls until that is void */
	struct rx_fifo rx;
	struct poller poller;
	struct vf_counters counters;
	uint32_t enabled; /* atomic: both rings enabled by the front-end */
	bool rewatch;	  /* atomic: the kick descriptor may be another one now */
	bool high_water;  /* control thread: an event was sent */
	struct egress_log log;
	struct held_time held_time;
	struct learn_table learned; /* the guest's addresses */
	struct turn turns[TURN_KINDS];
	struct turn *turn;	   /* of the VF's first queue pair on this lcore: they share them */
	uint64_t guest_features;   /* negotiated, at its last start */
	uint64_t unused_since_tsc; /* frames wait, and the guest has disabled it; 0: not so */
} __rte_cache_aligned;

/* Rounds of announcements; control thread, and the owner lcore during a round. */
struct vf_announce {
	unsigned rounds_left;
	unsigned gap_ms; /* from the next round to the one after it */
	uint64_t next_tsc;
	bool due;
	bool own_mac; /* this round is of the VF's own MAC alone */
	struct learn_table addrs;
};

struct vf {
	TAILQ_ENTRY(vf) next;
	struct vf_config config;
	uint64_t drops_told; /* control thread: reasons (bits) that an event has told of */
	uint64_t stuck_told; /* control thread: stuck rings that an event has told of */
	uint64_t file_hash;  /* of its entry in the config file; 0: made over the control socket */
	bool runs;	     /* it has its port, and lcores poll it */
	uint16_t id;
	uint16_t n_qps;
	const struct vf_policy *policy; /* atomic pointer */
	struct group *group;
	uint64_t term; /* control thread: the last of its groups'; 0: it was in none */
	uint64_t restored_term, restored_epoch; /* control thread; 0: nothing was restored */
	struct vf_announce announce;
	void *port;
	const struct vf_port_ops *ops;
	bool takes_long;	       /* atomic: its guest takes frames of many segments */
	uint16_t n_enabled;	       /* atomic: enabled queue pairs, from 0 on */
	uint32_t ingress_held;	       /* atomic: frames in all rx fifos */
	uint32_t ingress_segs;	       /* atomic: their mbufs */
	pthread_mutex_t frontend_lock; /* guards the two below; never held over lcore_call */
	enum frontend_state frontend;
	uint64_t frontend_errors;
	struct vf_qp *qps[VF_QPS_MAX];
	struct log_share log_share;   /* of all its queue pairs' logs */
	struct shaper max_tx, min_tx; /* what it sent, against its policy's rates */
	struct vf_macs macs;
	struct dirty_info dirty_info; /* of the last checkpoint_begin */
	struct dirty_log dirty;
};

/* The device. One a process, as DPDK itself is. */
struct nic {
	TAILQ_HEAD(, vf) vfs;
	TAILQ_HEAD(, group) groups;
	struct vf *by_id[VF_MAX];	 /* atomic pointers; lcores read them */
	uint16_t id_end;		 /* atomic: one past the highest id in use */
	struct rte_mempool *pool;	 /* frames from guests and uplink */
	uint32_t ingress_segs;		 /* atomic: mbufs of that pool in all rx fifos */
	uint32_t ingress_segs_max;	 /* half for who comes first, half shared out evenly */
	struct rte_mempool *attach_pool; /* mbufs that point into the log */
	struct log_pool *log_pool;
	bool log_for_dma;			   /* its memory is known to DPDK, for real NICs */
	const struct uplink_ops *uplink;	   /* NULL: none */
	const struct vf_port_ops *const *port_ops; /* by enum vf_transport; NULL: not built in */
	char run_dir[NIC_PATH_SIZE];
	char capture_dir[NIC_PATH_SIZE];
	bool has_promisc;  /* atomic: some VF is promiscuous, or was */
	bool has_offloads; /* atomic: some guest may ask for offloads, or its frames in a log did */
	uint64_t min_claim; /* atomic: a VF has less than its min_tx_rate (tx_sched.h); 0: none */
	bool ending;	    /* the logs' file is left as it is */
};

extern struct nic nic;

struct nic_params {
	const char *run_dir;	 /* holds the journal; NULL: there is none */
	const char *capture_dir; /* NULL or empty: RUN_DIR/captures */
	const char *log_path;	 /* file of the egress logs */
	bool set_aside;		 /* go on without files that cannot be used */
	uint32_t log_segments;
	uint32_t mbufs;
	bool register_dma;
	const struct vf_port_ops *const *port_ops; /* TRANSPORTS; NULL: not built in */
};

/* Before any other call; lcores run already. */
int nic_init(const struct nic_params *params, struct nic_error *err);
void nic_set_uplink(const struct uplink_ops *ops);
/* The daemon ends: every group and VF goes. keep: the journal and what the logs hold stay in their
 * files, for the next daemon; else they are empty then. The uplink may still bring frames. */
void nic_clear(bool keep);
/* Frees tables and pools: nothing uses them any more, the uplink included. */
void nic_fini(void);

/* Mbufs in nic.pool that are in no lcore's cache. Cheap, unlike rte_mempool_avail_count(). */
static inline unsigned nic_pool_count(void)
{
	return rte_ring_count(nic.pool->pool_data);
}

struct vf *vf_find(const char *name);

/* NULL: there is none of this id (below VF_MAX), or no more. A data lcore, in this round alone. */
static inline struct vf *vf_by_id(int id)
{
	return __atomic_load_n(&nic.by_id[id], __ATOMIC_ACQUIRE);
}

/* The VF's policy as it is now. A data lcore, in this round alone. */
static inline const struct vf_policy *vf_policy_of(const struct vf *vf)
{
	return __atomic_load_n(&vf->policy, __ATOMIC_ACQUIRE);
}

/* announce.c: what all its queue pairs learned, read by their owners. Control thread. */
void vf_learned(const struct vf *vf, struct learn_table *all);

/* A VF whose lcores know it, but do not poll it, and that has no port yet. id < 0: any free one.
 * An egress log of that id in the file becomes its own. */
int vf_make(const struct vf_config *config, int id, uint64_t file_hash, struct vf **made,
	struct nic_error *err);
/* Its guest and its log get going. On failure it is as vf_make() left it. */
int vf_run(struct vf *vf, struct nic_error *err);
/* Undoes vf_make(). */
void vf_unmake(struct vf *vf);
/* Note it in the journal as it is now. */
void vf_note(const struct vf *vf);
/* Is the VF's group protected? Control thread. */
bool vf_is_protected(const struct vf *vf);

/* Make a policy of the VF's config and group, publish it, free the old one. */
int vf_publish_policy(struct vf *vf, struct nic_error *err);

/* Run fn on each queue pair of the VF, on the lcore that owns it, all lcores at once; returns when
 * all have. Not on an lcore. */
void vf_for_each_qp(struct vf *vf, void (*fn)(struct vf_qp *qp, void *arg), void *arg);

/* The same for the queue pairs that the calling lcore owns. */
static inline void vf_for_own_qps(
	const struct vf *vf, void (*fn)(struct vf_qp *qp, void *arg), void *arg)
{
	for (uint16_t q = 0; q < vf->n_qps; q++)
		if (vf->qps[q]->lcore == lcore_self())
			fn(vf->qps[q], arg);
}

/* Put a copy that is wholly ours in the place of *m; false: no mbufs, *m stays. A data lcore. */
bool nic_replace_by_copy(struct rte_mbuf **m);

/* Make *m's bytes, at least its first segment's, ours to change: frames that point into the log are
 * not. false: no mbufs, *m stays. A data lcore. */
static inline bool nic_make_writable(struct rte_mbuf **m)
{
	return (RTE_MBUF_DIRECT(*m) && rte_mbuf_refcnt_read(*m) == 1) || nic_replace_by_copy(m);
}

/* ingress.c: a frame of these bytes, in as many mbufs as it takes. NULL: there are none. A data
 * lcore. */
struct rte_mbuf *nic_frame_of(const uint8_t *bytes, uint32_t len);

/* ---- data path, qp.c: the owner lcore ---- */

unsigned qp_poll(void *qp);
int qp_arm(void *qp);
void qp_disarm(void *qp);

/* Frames for the guest, from the switch; the owner lcore or not. Returns how many were taken
 * (delivered, queued or dropped with a count); the rest may be tried again. */
uint16_t vf_deliver(struct vf *vf, struct rte_mbuf **pkts, uint16_t n);

/* Would vf_deliver() surely take a burst from this lcore? */
bool vf_has_room(const struct vf *vf);

/* Drop frames that wait for the guest: its front-end is gone. The owner lcore. */
void qp_flush_rx(struct vf_qp *qp, enum drop_reason reason);

static inline void qp_drop(struct vf_qp *qp, struct rte_mbuf *m, enum drop_reason reason)
{
	counter_add(&qp->counters.drops[reason], 1);
	rte_pktmbuf_free(m);
}

/* It tries again, or will not do so: others need not wait for it. The owner lcore. */
static inline void qp_waits_no_more(struct vf_qp *qp)
{
	if (unlikely(qp->waits_at)) {
		qp->waits_at->waiting--;
		qp->waits_at = NULL;
	}
}

static inline bool qp_may_touch_guest(const struct vf_qp *qp)
{
	return qp->running && !qp->suspended;
}

/* nic_event.c: any thread but a data lcore. */
void nic_post_event(enum nic_event_type type, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
