/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What frames go through, seen from the device: the guest side of a VF (vhost-user, later
 * others) and the uplink. ports/ implements these; nic/ knows nothing of librte_vhost.
 *
 * Bursts are for the lcore that owns the queue pair. The notices below go the other way: a port
 * tells the device what its front-end did, from the port's own thread, and may tear the rings
 * down when the notice has returned: no lcore touches them any more.
 */
#ifndef RENICD_NIC_PORT_H
#define RENICD_NIC_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "types.h"

struct dirty_log;
struct rte_mbuf;
struct rte_mempool;
struct vf;

struct egress_raw;

struct vf_port_ops {
	/* Bind a port to the VF (control thread): config->socket is where. 0 or an error. */
	int (*create)(
		struct vf *vf, const struct vf_config *config, void **port, struct nic_error *err);
	/* Tear it down; no lcore uses it any more, and no notice comes from now on. */
	void (*destroy)(void *port);
	/* Take up to n frames that the guest sent on queue pair qp. */
	uint16_t (*from_guest)(void *port, uint16_t qp, struct rte_mempool *pool,
		struct rte_mbuf **pkts, uint16_t n);
	/* Where the next frames lie that ask for nothing, up to n, in the guest's memory: it may
	 * change them meanwhile. When that is more than none, took() follows at once: so many of
	 * them are taken out of the ring, all or none; false: their memory was not to be relied
	 * on. NULL: the port has no such. */
	uint16_t (*look)(void *port, uint16_t qp, struct egress_raw *frames, uint16_t n);
	bool (*took)(void *port, uint16_t qp, uint16_t n);
	/* Give frames to the guest: their bytes are copied, the mbufs stay the caller's. */
	uint16_t (*to_guest)(void *port, uint16_t qp, struct rte_mbuf **pkts, uint16_t n);
	/* When to_guest() took none: the longest frame that the guest's next buffer takes, bytes;
	 * UINT32_MAX: it has given none, or a frame may take several. NULL: always that. */
	uint32_t (*rx_room)(void *port, uint16_t qp);
	/* Has the guest put frames into queue pair qp? Cheap; reads the ring, writes nothing. */
	bool (*has_frames)(void *port, uint16_t qp);
	/* Ask for a signal when the guest sends; returns its descriptor or a POLLER_ value. woken:
	 * the descriptor was heard since the last time. */
	int (*arm)(void *port, uint16_t qp, bool woken);
	void (*disarm)(void *port, uint16_t qp);
	/* Ring sizes and indices, as GET_VRING_BASE tells them (control thread). */
	void (*ring_info)(void *port, uint16_t qp, struct vf_queue_info *info);
	/* Virtio features that the front-end negotiated. */
	uint64_t (*features)(void *port);
};

/* Notices of a VF's port, from the port's thread. */
void vf_frontend_connected(struct vf *vf);
void vf_frontend_running(struct vf *vf);
void vf_frontend_stopped(struct vf *vf);
/* A ring pair was enabled or disabled. The only notice that does not wait for the lcores. */
void vf_frontend_queue(struct vf *vf, uint16_t qp, bool enabled);
/* error: why the front-end was sent away; NULL when it left by itself. */
void vf_frontend_disconnected(struct vf *vf, const char *error);
/* A guest's TX ring stands still on what cannot be read. Not from the port's thread: the lcore that
 * owns the queue pair. */
void vf_ring_stuck(struct vf *vf, uint16_t qp);
const char *vf_name(const struct vf *vf);
/* Small, and the same in the next life of the daemon. */
uint16_t vf_number(const struct vf *vf);
uint16_t vf_queue_pairs(const struct vf *vf);
/* Where a port's owner lcores log what they write to guest memory, while it is on. */
struct dirty_log *vf_dirty_log(struct vf *vf);

struct uplink_ops {
	/* Send up to n frames from data lcore lcore_self(); those taken are no longer the
	 * caller's. Fewer than n: refused for now, try again. bytes: of all of them; 0: the caller
	 * does not know. */
	uint16_t (*send)(struct rte_mbuf **pkts, uint16_t n, uint64_t bytes);
	/* Carrier, as last seen. Any thread. */
	bool (*is_up)(void);
	/* Look at the carrier (control thread); true when it changed: then the caller wakes the
	 * lcores. */
	bool (*poll_link)(void);
	void (*info)(struct uplink_info *info);
	/* Make a frame ready whose request the device is to fulfil (offloads has it); its headers
	 * are the caller's to change, and stay so. false: the device cannot, for this frame. May be
	 * asked again for the same frame. A data lcore. */
	bool (*prepare)(struct rte_mbuf *m);
	/* Longest frame that it can send, bytes without FCS. */
	uint32_t max_frame_bytes;
	uint32_t offloads; /* enum uplink_offload: requests that it fulfils */
	bool own_memory;   /* it cannot send what lies outside of DPDK's memory, as the log does */
};

#endif
