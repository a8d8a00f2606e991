/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user port, as its three files share it: its life (vhost.c, control thread), what
 * librte_vhost tells of its device (vhost_device.c, the library's threads), and its bursts
 * (vhost_burst.c, the lcore that owns the queue pair).
 *
 * Queue pair q is the vrings 2q (guest RX) and 2q + 1 (guest TX): virtio 1.2, section 5.1.2.
 */
#ifndef RENICD_PORTS_VHOST_PORT_H
#define RENICD_PORTS_VHOST_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_vhost.h>

#include "vf.h"
#include "vhost_guard.h"
#include "vhost_packed.h"
#include "vhost_ring.h"

enum {
	VHOST_NO_DEVICE = -1,
	VHOST_SLOW_US = 2000, /* a burst that takes longer is slow */
};

#define RX_VRING(qp) ((uint16_t)((qp)*2))
#define TX_VRING(qp) ((uint16_t)((qp)*2 + 1))

/* Last known indices of a queue pair. */
struct ring_base {
	uint32_t rx_size, tx_size;
	uint16_t rx_avail, rx_used, tx_avail, tx_used;
};

/* How long the library takes over a queue pair: its owner's. */
struct vhost_slowness {
	uint16_t suspected; /* bursts that are looked at yet */
	uint16_t score;
	uint64_t rest_until_tsc; /* the rings are left alone until then; 0: they are not */
};

/* Does a TX ring stand still? Its owner's. */
struct vhost_stillness {
	uint32_t empty;	     /* bursts that brought nothing, in a row */
	uint32_t empty_then; /* at the last look */
	uint16_t idx;	     /* where the ring was then */
	uint8_t looks;	     /* that found something there, and it not moved */
};

/* When a burst began. */
struct vhost_stopwatch {
	uint64_t tsc;
	uint64_t cpu_ns; /* 0: not looked at */
};

struct vhost_port {
	struct vf *vf;
	char path[NIC_PATH_SIZE];
	uint16_t n_qps;
	bool server;
	bool closing;	      /* atomic: callbacks do nothing any more */
	int vid;	      /* atomic: running device, or NO_DEVICE */
	int conn_vid;	      /* atomic: connected device */
	uint32_t request;     /* front-end request under way; 0: none (library's thread) */
	int conn_fd;	      /* our own descriptor of the connection, or -1; under base_lock */
	bool too_many_queues; /* said once a connection */
	uint64_t turned_away; /* second front-ends */
	uint64_t sent_away;   /* front-ends, for an error */
	uint64_t features;    /* atomic: negotiated */
	bool packed;	      /* constant while running */
	bool rarp_due;	      /* atomic: the library has a frame of its own to give */
	bool mergeable;	      /* constant while running: VIRTIO_NET_F_MRG_RXBUF */
	struct vhost_guard guard;
	uint64_t slow_cycles;
	struct vhost_slowness slowness[VF_QPS_MAX];
	struct vhost_stopwatch watches[VF_QPS_MAX]; /* between vhost_look() and vhost_took() */
	struct vhost_stillness stillness[VF_QPS_MAX];
	pthread_mutex_t base_lock; /* between control thread and library's thread */
	struct ring_base bases[VF_QPS_MAX];
	struct dirty_log *dirty;
	struct vhost_rings rings[VF_QPS_MAX]; /* each its queue pair's owner's */
	uint32_t unsettled;		      /* vrings that were given a base (library's thread) */
	struct packed_note *notes[VF_QPS_MAX]; /* of their RX and TX rings, where packed */
	uint8_t log_due[VF_QPS_MAX]; /* a bit for each of these that the front-end's log lacks */
};

/* Features that were negotiated. Any thread. */
static inline uint64_t vhost_port_features(const struct vhost_port *p)
{
	return __atomic_load_n(&p->features, __ATOMIC_RELAXED);
}

/* The library's threads: whose device that is; NULL: nobody's, or of one that is being destroyed.
 */
struct vhost_port *vhost_port_of(int vid);

/* The library's threads: the device is about to go, nobody asks it after this: its rings' indices
 * are kept. */
void vhost_port_save_bases(struct vhost_port *port, int vid);

/* Our descriptor of the connection from now on; that from before is closed. Any thread. */
void vhost_port_set_conn_fd(struct vhost_port *port, int fd);

/* What librte_vhost calls (rte_vhost.h). */
extern const struct rte_vhost_device_ops vhost_device_ops;

/* Of struct vf_port_ops (nic/vf.h): the lcore that owns the queue pair. */
uint16_t vhost_from_guest(
	void *port, uint16_t qp, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n);
uint16_t vhost_look(void *port, uint16_t qp, struct egress_raw *frames, uint16_t n);
bool vhost_took(void *port, uint16_t qp, uint16_t n);
uint16_t vhost_to_guest(void *port, uint16_t qp, struct rte_mbuf **pkts, uint16_t n);
uint32_t vhost_rx_room(void *port, uint16_t qp);
bool vhost_has_frames(void *port, uint16_t qp);
int vhost_arm(void *port, uint16_t qp, bool woken);
void vhost_disarm(void *port, uint16_t qp);

#endif
