/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vif as xenstore has it, and the VF behind it: the backend's side of the xenbus handshake
 * (public/io/xenbus.h; Linux's drivers/net/xen-netback/xenbus.c behaves the same).
 *
 * All of it on the bus's thread, or under its lock. What the frontend writes is a guest's word.
 */
#ifndef XEN_NETIF_VIF_H
#define XEN_NETIF_VIF_H

#include <pthread.h>
#include <sys/queue.h>

#include <xenstore.h>
#include <xen/io/xenbus.h>

#include "netif.h"
#include "netif_ring.h"
#include "types.h"

enum { VIF_PATH_SIZE = 128 };

/* A VF whose guest is a Xen domain. */
struct netif_port {
	TAILQ_ENTRY(netif_port) next;
	struct vf *vf;
	uint16_t domid, handle;
	uint16_t n_qps;
	bool offloads;	   /* offered to the guest */
	uint64_t features; /* atomic: what it takes, as virtio's feature bits */
	/* Between the bus's thread, which connects, and the control thread, which asks for indices.
	 */
	pthread_mutex_t lock;
	uint16_t n_rings; /* 0: not connected; written under `lock` */
	struct netif_ring *rings[VF_QPS_MAX];
	void *mapped[VF_QPS_MAX][2]; /* tx and rx */
};

struct vif {
	TAILQ_ENTRY(vif) next;
	uint16_t domid, handle;
	char backend[VIF_PATH_SIZE], frontend[VIF_PATH_SIZE];
	XenbusState state; /* as we see ourselves; Unknown: what xenstore says counts */
	bool domain_seen;  /* a restored domain comes after its nodes */
	bool found;	   /* in this scan */
	struct netif_port *port;
};

/* What the rings of a vif tell the bus's thread by: one descriptor, written when one breaks. */
struct vif_env {
	struct xs_handle *xs;
	int wake_fd;
};

/* Look at xenstore and do what is next; false: the vif is gone, and nothing of it is left. */
bool vif_step(const struct vif_env *env, struct vif *vif);

/* It has a VF now: what that can do is known, and the guest, which does not run yet, is told. */
void vif_bound(const struct vif_env *env, struct vif *vif);

/* Let go of the guest's rings, with notice to the VF: why it was sent away, or NULL. */
void vif_disconnect(struct vif *vif, const char *reason);

/* The VF goes. quiet: no notice, and the guest is not told: another daemon takes over. */
void vif_detach_port(const struct vif_env *env, struct vif *vif, bool quiet);

/* A ring that makes no sense: the guest is sent away. */
void vif_check_rings(const struct vif_env *env, struct vif *vif);

/* An unsigned number at base/key, at most max; -1: none, or not one. */
int64_t vif_read_number(struct xs_handle *xs, const char *base, const char *key, uint32_t max);
/* A string at base/key into value; false: none, or too long. */
bool vif_read(struct xs_handle *xs, const char *base, const char *key, char *value, size_t size);

#endif
