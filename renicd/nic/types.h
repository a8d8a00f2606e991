/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator sets on a VF or a protection group, and what can be read back. Plain data
 * without DPDK types, shared by the device (nic/), the control socket (control/) and the
 * config file, so that all three decode and print the same thing.
 */
#ifndef RENICD_NIC_TYPES_H
#define RENICD_NIC_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop.h"

enum {
	VF_MAX = 256,	       /* VFs in one daemon */
	VF_INFO_MACS_MAX = 16, /* MACs of a guest's beside its VF's own */
	VF_QPS_MAX = 16,       /* queue pairs in one VF */
	NIC_NAME_SIZE = 32,    /* VF and group names, NUL included */
	NIC_PATH_SIZE = 108,   /* sun_path, NUL included */
	NIC_FILTER_SIZE = 512, /* pcap-filter expression, NUL included */
	NIC_TRUNKS_SIZE = 128, /* list of VLANs, NUL included */
	GROUP_MAX = VF_MAX,
	EPOCHS_IN_FLIGHT_MAX = 256, /* of one group: the open one, and sealed ones to commit */
};

/* Of a guest's carrier. */
enum link_state { LINK_ENABLE, LINK_DISABLE, LINK_AUTO, LINK_STATES };

enum vlan_proto { VLAN_PROTO_8021Q, VLAN_PROTO_8021AD, VLAN_PROTOS };

/* What a VF's guest is reached through. */
enum vf_transport { TRANSPORT_VHOST_USER, TRANSPORT_XEN, TRANSPORTS };

enum { XEN_DOMID_MAX = 0x7fef, XEN_HANDLE_MAX = UINT16_MAX - 1 };

/* As `ip link set … vf N …` has it, where it has it. Zero is the default of every field that
 * vf_config_defaults() does not set. */
struct vf_config {
	char name[NIC_NAME_SIZE]; /* [A-Za-z0-9][A-Za-z0-9_.-]* */
	uint8_t mac[6];		  /* all zero: renicd makes a locally administered one */
	uint16_t vlan; /* 1..4094: port VLAN; 0, 4095 (VLAN_ALL): none, the guest may tag */
	uint8_t qos;   /* priority in the port VLAN's tag, 0..7 */
	uint8_t proto; /* enum vlan_proto: of the port VLAN's tag */
	bool trust;    /* it may use other MACs than its own, and have the next three */
	bool promisc;  /* it gets a copy of all that passes in its VLANs */
	bool allmulti; /* it gets multicast that is for bridges too */
	char trunks[NIC_TRUNKS_SIZE]; /* VLANs that it may tag, as "0,10,20-29"; empty: any */
	uint16_t queues;	      /* queue pairs, 1..VF_QPS_MAX; default 1 */
	bool server;		      /* renicd listens; default false: it connects (client) */
	bool offloads;		      /* offer checksum and segmentation offload; default true */
	bool packed;		      /* offer packed virtqueues; default true */
	bool spoofchk;	      /* drop frames whose source MAC is not the VF's; default true */
	uint8_t state;	      /* enum link_state; auto: as the uplink's */
	uint32_t max_tx_rate; /* Mbit/s of frames; 0: as fast as it goes */
	uint32_t min_tx_rate; /* Mbit/s that it gets on the uplink whatever others send; 0: none */
	uint16_t mtu;	      /* largest L3 payload, 68..9000; default 9000 */
	uint32_t ingress_hold_pkts; /* frames kept for a suspended guest, 0..65536; default 4096 */
	uint64_t egress_log_bytes; /* most held bytes per TX queue, 2 MiB steps; default: a share */
	bool standby; /* a backup's VF: nothing leaves, nothing enters, until it is activated */
	uint8_t transport;		   /* enum vf_transport; default vhost-user */
	uint16_t xen_domain;		   /* TRANSPORT_XEN: the guest's domain, 1..XEN_DOMID_MAX */
	uint16_t xen_handle;		   /* TRANSPORT_XEN: which of its vifs, 0..XEN_HANDLE_MAX */
	char socket[NIC_PATH_SIZE];	   /* vhost-user socket; default RUN_DIR/NAME.sock. Of a
					    * Xen guest's: xen:DOMAIN/HANDLE */
	char hold_exempt[NIC_FILTER_SIZE]; /* pcap-filter: frames that need no holding; empty: none
					    */
};

/* Which fields a vf_set carries. The rest of a VF is fixed at creation. */
enum vf_set_mask {
	VF_SET_MAC = 1 << 0,
	VF_SET_VLAN = 1 << 1,
	VF_SET_SPOOFCHK = 1 << 2,
	VF_SET_MTU = 1 << 3,
	VF_SET_INGRESS_HOLD = 1 << 4,
	VF_SET_HOLD_EXEMPT = 1 << 5,
	VF_SET_QOS = 1 << 6,
	VF_SET_PROTO = 1 << 7,
	VF_SET_TRUST = 1 << 8,
	VF_SET_TRUNKS = 1 << 9,
	VF_SET_STATE = 1 << 10,
	VF_SET_MAX_TX_RATE = 1 << 11,
	VF_SET_MIN_TX_RATE = 1 << 12,
	VF_SET_PROMISC = 1 << 13,
	VF_SET_ALLMULTI = 1 << 14,
};

enum frontend_state {
	FRONTEND_NONE,	    /* nobody is connected to the socket */
	FRONTEND_CONNECTED, /* connected; rings are stopped (guest paused, or no driver yet) */
	FRONTEND_RUNNING,   /* rings are running */
};

struct vf_counters {
	uint64_t tx_pkts, tx_bytes; /* taken from the guest */
	uint64_t rx_pkts, rx_bytes; /* given to the guest */
	uint64_t released_pkts;	    /* left the egress log */
	uint64_t exempt_pkts;	    /* passed by hold_exempt or internal: pass */
	uint64_t backpressure;	    /* times the guest's ring was left unread: log full */
	uint64_t stuck_rings;	    /* times that it stood still on what cannot be read */
	uint64_t drops[DROP_REASONS];
};

struct vf_queue_info {
	struct vf_counters counters;
	bool enabled;			    /* both rings of the pair */
	uint32_t rx_size, tx_size;	    /* ring sizes, descriptors; 0 while unknown */
	uint16_t rx_avail_idx, rx_used_idx; /* "last" indices as in GET_VRING_BASE */
	uint16_t tx_avail_idx, tx_used_idx;
	uint16_t lcore;			/* index of the data lcore that owns the pair */
	uint64_t held_pkts, held_bytes; /* in the egress log, committed or not */
	uint64_t log_released, log_committed, log_sealed, log_tail; /* byte offsets */
	uint32_t ingress_held_pkts;				    /* waiting for the guest */
};

struct vf_info {
	struct vf_config config;
	uint16_t id;
	uint16_t n_macs; /* that its guest took beside its own */
	uint8_t macs[VF_INFO_MACS_MAX][6];
	char group[NIC_NAME_SIZE]; /* empty: none */
	enum frontend_state frontend;
	uint64_t features;	  /* negotiated virtio features; 0 without a front-end */
	uint64_t frontend_errors; /* times a front-end was dropped for nonsense or a failure */
	const char *role;	  /* "unprotected", "protected", "standby" */
	bool suspended;
	uint64_t term;				/* of its group, 1.. */
	uint64_t restored_term, restored_epoch; /* of the snapshot loaded last; term 0: none */
	uint64_t epoch;				/* open epoch of its group, 0 where unprotected */
	uint64_t held_pkts, held_bytes, held_age_us;
	uint32_t ingress_held_pkts;
	uint16_t n_queues;
	struct vf_queue_info queues[VF_QPS_MAX];
	struct vf_counters counters;
};

/* Times from append to release, of frames that were held; nic/held_time.c has the functions. */
enum { HELD_BUCKETS = 120 };

struct held_histogram {
	uint64_t pkts[HELD_BUCKETS]; /* by bucket */
	uint64_t sum_us;
};

/* Adds what another thread may be counting meanwhile. */
void held_histogram_add(struct held_histogram *sum, const struct held_histogram *h);
uint64_t held_histogram_count(const struct held_histogram *h);
/* The time that a share (0 to 1) of the frames stayed below; 0 without frames. */
uint64_t held_histogram_us(const struct held_histogram *h, double share);
/* Times in a bucket are shorter than this. */
uint64_t held_bucket_end_us(unsigned bucket);

enum replicator_policy { REPLICATOR_HOLD, REPLICATOR_RELEASE };

struct group_config {
	char name[NIC_NAME_SIZE];
	bool internal_pass;		/* "internal": "pass"; default "hold" */
	uint32_t replicator_timeout_ms; /* 0 (default): only a closed connection counts as lost */
	enum replicator_policy on_replicator_lost; /* default hold */
	bool standby;				   /* a group of standby VFs */
	uint16_t n_vfs;
	char vfs[VF_MAX][NIC_NAME_SIZE];
};

enum group_set_mask {
	GROUP_SET_INTERNAL = 1 << 0,
	GROUP_SET_TIMEOUT = 1 << 1,
	GROUP_SET_POLICY = 1 << 2,
	GROUP_SET_ALL = GROUP_SET_INTERNAL | GROUP_SET_TIMEOUT | GROUP_SET_POLICY,
};

struct group_info {
	struct group_config config;
	bool lone;		  /* made for one VF because it was named as a group */
	const char *state;	  /* "unprotected", "protected", "suspended", "standby" */
	uint64_t term;		  /* 1.. */
	uint64_t epoch;		  /* open epoch; 0 while unprotected */
	uint64_t committed_epoch; /* last committed, 0: none */
	uint32_t sealed_epochs;	  /* sealed and not yet committed */
	const char *replicator;	  /* "none", "connected", "lost" */
	uint64_t held_pkts, held_bytes, held_age_us;
	struct held_histogram held_time; /* since its VFs' counters were cleared */
};

/* What checkpoint_begin answers. */
struct checkpoint_info {
	uint64_t term;			/* of the group */
	uint64_t epoch;			/* the epoch just sealed: what to commit later */
	uint64_t held_pkts, held_bytes; /* of the whole group, all uncommitted epochs */
	uint64_t duration_us; /* from the request's handling to every VF suspended and sealed */
};

/* A run of bytes in the checkpoint area's file. */
struct area_extent {
	uint64_t offset, bytes;
};

/* Where checkpoint_begin left what is too large for its answer, of one VF. */
struct checkpoint_vf {
	struct area_extent snapshot; /* renic_snapshot.h */
	struct area_extent dirty;    /* bitmap of guest pages; bytes: up to the last one set */
	uint64_t dirty_pages;
	bool dirty_complete; /* false: any page may have been written */
};

enum capture_direction { CAPTURE_BOTH, CAPTURE_EGRESS, CAPTURE_INGRESS };

enum { CAPTURE_FILE_SIZE = 64 };

struct capture_config {
	char vf[NIC_NAME_SIZE];
	char file[CAPTURE_FILE_SIZE]; /* name in the folder of captures; default VF.pcapng */
	enum capture_direction direction;
	bool after_hold;	      /* egress as it leaves; default: as the guest sent it */
	uint32_t snaplen;	      /* most bytes of a frame; default all */
	uint64_t max_bytes;	      /* of the file; default 64 MiB */
	char filter[NIC_FILTER_SIZE]; /* pcap-filter; empty: all frames */
};

struct capture_info {
	struct capture_config config;
	const char *state; /* "running", "full", "failed" */
	char path[NIC_PATH_SIZE + CAPTURE_FILE_SIZE];
	uint64_t pkts, bytes; /* in the file */
	uint64_t dropped;     /* seen, but the file could not keep up */
};

/* What the uplink's device does for frames that ask for it, bits; the rest is made good here. */
enum uplink_offload {
	UPLINK_IPV4_CHECKSUM = 1 << 0, /* of the IPv4 header, in segments */
	UPLINK_TCP_CHECKSUM = 1 << 1,
	UPLINK_UDP_CHECKSUM = 1 << 2,
	UPLINK_TCP_SEGMENTS = 1 << 3,
};

/* Shall it? */
enum uplink_offloads_choice { OFFLOADS_AUTO, OFFLOADS_ON, OFFLOADS_OFF, OFFLOADS_CHOICES };

struct uplink_info {
	bool present;
	char devargs[256];
	char driver[32];
	uint16_t port_id;
	uint8_t mac[6];
	bool up;
	uint32_t speed_mbps; /* 0: unknown */
	uint16_t mtu, rx_queues, tx_queues;
	uint32_t offloads; /* enum uplink_offload */
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
	uint64_t refused;	      /* times a burst was not taken whole */
	uint64_t drops[DROP_REASONS]; /* of frames that came in through the uplink */
};

#endif
