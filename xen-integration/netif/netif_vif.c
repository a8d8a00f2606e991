/* SPDX-License-Identifier: BSD-3-Clause */
/* See netif_vif.h. */
#include "netif_vif.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/virtio_net.h>

#include "log.h"

/* ---- xenstore ---- */

bool vif_read(struct xs_handle *xs, const char *base, const char *key, char *value, size_t size)
{
	char path[VIF_PATH_SIZE + 64];
	unsigned len;
	char *found;
	bool fits;

	snprintf(path, sizeof(path), "%s/%s", base, key);
	found = xs_read(xs, XBT_NULL, path, &len);
	if (!found)
		return false;
	fits = len < size && !memchr(found, '\0', len);
	if (fits)
		memcpy(value, found, len + 1); /* xs_read() ends it with a NUL */
	free(found);
	return fits;
}

int64_t vif_read_number(struct xs_handle *xs, const char *base, const char *key, uint32_t max)
{
	char text[16], *end;
	unsigned long value;

	if (!vif_read(xs, base, key, text, sizeof(text)) || text[0] < '0' || text[0] > '9')
		return -1;
	value = strtoul(text, &end, 10);
	return *end || value > max ? -1 : (int64_t)value;
}

static void write_key(struct xs_handle *xs, const char *base, const char *key, const char *value)
{
	char path[VIF_PATH_SIZE + 64];

	snprintf(path, sizeof(path), "%s/%s", base, key);
	if (!xs_write(xs, XBT_NULL, path, value, (unsigned)strlen(value)))
		LOG_WARN("xenstore: cannot write %s", path);
}

static void set_state(const struct vif_env *env, struct vif *vif, XenbusState state)
{
	char text[4];

	snprintf(text, sizeof(text), "%d", (int)state);
	vif->state = state;
	write_key(env->xs, vif->backend, "state", text);
}

/* What this backend can do. netfront leaves TCP's and UDP's checksums over IPv4 blank whatever it
 * is told. */
static void write_features(const struct vif_env *env, struct vif *vif)
{
	const char *offloads = vif->port && vif->port->offloads ? "1" : "0";
	const struct {
		const char *key, *value;
	} features[] = {
		{"feature-sg", "1"},
		{"feature-gso-tcpv4", offloads},
		{"feature-gso-tcpv6", offloads},
		{"feature-ipv6-csum-offload", offloads},
		{"feature-rx-copy", "1"},
		{"feature-rx-flip", "0"},
		{"feature-multicast-control", "0"},
		{"feature-split-event-channels", "0"},
		{"feature-ctrl-ring", "0"},
	};
	char queues[8];

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		write_key(env->xs, vif->backend, features[i].key, features[i].value);
	snprintf(queues, sizeof(queues), "%u", vif->port ? vif->port->n_qps : 1);
	write_key(env->xs, vif->backend, "multi-queue-max-queues", queues);
}

static void advertise(const struct vif_env *env, struct vif *vif)
{
	write_features(env, vif);
	set_state(env, vif, XenbusStateInitWait);
}

void vif_bound(const struct vif_env *env, struct vif *vif)
{
	if (vif->state == XenbusStateInitWait)
		write_features(env, vif);
}

/* What the guest may leave to us, and what it takes of what was offered. */
static uint64_t frontend_features(const struct vif_env *env, const struct vif *vif)
{
	static const struct {
		const char *key;
		uint64_t features;
	} keys[] = {
		{"feature-gso-tcpv4", 1ULL << VIRTIO_NET_F_GUEST_TSO4},
		{"feature-gso-tcpv6", 1ULL << VIRTIO_NET_F_GUEST_TSO6},
	};
	const uint64_t left = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 |
			      1ULL << VIRTIO_NET_F_HOST_TSO6;
	uint64_t features = left | 1ULL << VIRTIO_NET_F_GUEST_CSUM;

	if (!vif->port->offloads)
		return 0;
	if (vif_read_number(env->xs, vif->frontend, "feature-no-csum-offload", 1) == 1 ||
		vif_read_number(env->xs, vif->frontend, "feature-ipv6-csum-offload", 1) != 1)
		return left;
	if (vif_read_number(env->xs, vif->frontend, "feature-sg", 1) != 1)
		return features; /* a frame of many segments is one of many pages */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (vif_read_number(env->xs, vif->frontend, keys[i].key, 1) == 1)
			features |= keys[i].features;
	return features;
}

/* ---- rings ---- */

static void ring_close(struct netif_port *p, uint16_t q)
{
	struct netif_ring *r = p->rings[q];

	if (!r)
		return;
	/* Unbound by hand: an lcore may still watch a copy of the descriptor. */
	if (r->evtchn && r->port)
		xenevtchn_unbind(r->evtchn, r->port);
	if (r->evtchn)
		xenevtchn_close(r->evtchn);
	for (int i = 0; i < 2; i++)
		if (p->mapped[q][i])
			xengnttab_unmap(r->gnttab, p->mapped[q][i], 1);
	if (r->gnttab)
		xengnttab_close(r->gnttab);
	p->mapped[q][0] = p->mapped[q][1] = NULL;
	p->rings[q] = NULL;
	free(r);
}

static void close_all(struct netif_port *p)
{
	pthread_mutex_lock(&p->lock);
	p->n_rings = 0;
	for (uint16_t q = 0; q < p->n_qps; q++)
		ring_close(p, q);
	pthread_mutex_unlock(&p->lock);
}

/* NULL, or what is wrong. */
static const char *ring_open(const struct vif_env *env, struct vif *vif, uint16_t q, const char *at)
{
	struct netif_port *p = vif->port;
	struct netif_ring *r = calloc(1, sizeof(*r));
	int64_t refs[2], port;
	int bound;

	p->rings[q] = r;
	if (!r)
		return "no memory";
	r->domid = vif->domid;
	r->broken_fd = env->wake_fd;
	r->offloads = p->offloads;
	r->scatter_gather = vif_read_number(env->xs, vif->frontend, "feature-sg", 1) == 1;
	refs[0] = vif_read_number(env->xs, at, "tx-ring-ref", UINT32_MAX);
	refs[1] = vif_read_number(env->xs, at, "rx-ring-ref", UINT32_MAX);
	port = vif_read_number(env->xs, at, "event-channel", UINT32_MAX);
	if (refs[0] < 0 || refs[1] < 0 || port < 0)
		return "its frontend gave no tx-ring-ref, rx-ring-ref or event-channel";
	r->gnttab = xengnttab_open(NULL, 0);
	r->evtchn = xenevtchn_open(NULL, 0);
	if (!r->gnttab || !r->evtchn || fcntl(xenevtchn_fd(r->evtchn), F_SETFL, O_NONBLOCK) < 0)
		return "cannot open /dev/xen/gntdev or /dev/xen/evtchn";
	for (int i = 0; i < 2; i++) {
		p->mapped[q][i] = xengnttab_map_grant_ref(
			r->gnttab, vif->domid, (uint32_t)refs[i], PROT_READ | PROT_WRITE);
		if (!p->mapped[q][i])
			return "its rings cannot be mapped";
	}
	bound = xenevtchn_bind_interdomain(r->evtchn, vif->domid, (evtchn_port_t)port);
	if (bound < 0)
		return "its event channel cannot be bound";
	r->port = (evtchn_port_t)bound;
	netif_ring_attach(r, p->mapped[q][0], p->mapped[q][1]);
	return NULL;
}

static const char *open_all(const struct vif_env *env, struct vif *vif, uint16_t *n)
{
	int64_t queues =
		vif_read_number(env->xs, vif->frontend, "multi-queue-num-queues", UINT32_MAX);
	char at[VIF_PATH_SIZE + 16];
	const char *error = NULL;

	if (queues < 0)
		queues = 1;
	if (queues < 1 || queues > vif->port->n_qps)
		return "its frontend wants more queues than the VF has";
	if (vif_read_number(env->xs, vif->frontend, "request-rx-copy", 1) != 1)
		return "its frontend cannot receive by copy";
	for (uint16_t q = 0; q < queues && !error; q++) {
		snprintf(at, sizeof(at), queues > 1 ? "%s/queue-%u" : "%s", vif->frontend, q);
		error = ring_open(env, vif, q, at);
	}
	*n = (uint16_t)queues;
	return error;
}

/* ---- connecting ---- */

static void connect_vif(const struct vif_env *env, struct vif *vif)
{
	struct netif_port *p = vif->port;
	uint16_t n = 0;
	const char *error;

	pthread_mutex_lock(&p->lock);
	error = open_all(env, vif, &n);
	p->n_rings = error ? 0 : n;
	__atomic_store_n(&p->features, frontend_features(env, vif), __ATOMIC_RELEASE);
	pthread_mutex_unlock(&p->lock);
	if (error) {
		close_all(p);
		LOG_WARN("VF %s: vif %u.%u: %s", vf_name(p->vf), vif->domid, vif->handle, error);
		vf_frontend_disconnected(p->vf, error);
		set_state(env, vif, XenbusStateClosing);
		return;
	}
	LOG_INFO("VF %s: vif %u.%u connected, %u queues", vf_name(p->vf), vif->domid, vif->handle,
		n);
	vf_frontend_connected(p->vf);
	for (uint16_t q = 0; q < n; q++)
		vf_frontend_queue(p->vf, q, true);
	vf_frontend_running(p->vf);
	for (uint16_t q = 0; q < n; q++)
		netif_ring_notify(p->rings[q]); /* events that an earlier backend missed */
	write_key(env->xs, vif->backend, "hotplug-status", "connected");
	set_state(env, vif, XenbusStateConnected);
}

void vif_disconnect(struct vif *vif, const char *reason)
{
	struct netif_port *p = vif->port;

	if (!p || !p->n_rings)
		return;
	vf_frontend_stopped(p->vf);
	vf_frontend_disconnected(p->vf, reason);
	close_all(p);
	LOG_INFO("VF %s: vif %u.%u disconnected%s%s", vf_name(p->vf), vif->domid, vif->handle,
		reason ? ": " : "", reason ? reason : "");
}

void vif_detach_port(const struct vif_env *env, struct vif *vif, bool quiet)
{
	bool connected = vif->port && vif->port->n_rings;

	close_all(vif->port);
	vif->port = NULL;
	if (connected && !quiet)
		set_state(env, vif, XenbusStateClosing);
}

void vif_check_rings(const struct vif_env *env, struct vif *vif)
{
	const char *broken = NULL;

	for (uint16_t q = 0; vif->port && q < vif->port->n_rings && !broken; q++)
		broken = netif_ring_broken(vif->port->rings[q]);
	if (!broken)
		return;
	vif_disconnect(vif, broken);
	set_state(env, vif, XenbusStateClosing);
}

/* ---- the handshake ---- */

typedef void vif_action(const struct vif_env *env, struct vif *vif);

static void connect_if_bound(const struct vif_env *env, struct vif *vif)
{
	if (vif->port && !vif->port->n_rings)
		connect_vif(env, vif);
}

static void start_closing(const struct vif_env *env, struct vif *vif)
{
	vif_disconnect(vif, NULL);
	set_state(env, vif, XenbusStateClosing);
}

static void close_vif(const struct vif_env *env, struct vif *vif)
{
	vif_disconnect(vif, NULL);
	set_state(env, vif, XenbusStateClosed);
}

/* A frontend that closed comes back (a driver that was loaded again), if the device is to stay. */
static void begin_again(const struct vif_env *env, struct vif *vif)
{
	if (vif_read_number(env->xs, vif->backend, "online", 1) != 0)
		advertise(env, vif);
}

enum { STATES = XenbusStateReconfigured + 1 };

/* Our state, then the frontend's. */
static vif_action *const arcs[STATES][STATES] = {
	[XenbusStateInitialising] =
		{
			[XenbusStateUnknown] = advertise,
			[XenbusStateInitialising] = advertise,
			[XenbusStateInitWait] = advertise,
			[XenbusStateInitialised] = advertise,
			[XenbusStateConnected] = advertise,
		},
	[XenbusStateInitWait] =
		{
			[XenbusStateInitialised] = connect_if_bound,
			[XenbusStateConnected] = connect_if_bound,
			[XenbusStateClosing] = start_closing,
			[XenbusStateClosed] = close_vif,
		},
	[XenbusStateConnected] =
		{
			[XenbusStateConnected] = connect_if_bound, /* an earlier backend's guest */
			[XenbusStateInitialising] = start_closing,
			[XenbusStateClosing] = start_closing,
			[XenbusStateClosed] = close_vif,
		},
	[XenbusStateClosing] =
		{
			[XenbusStateClosed] = close_vif,
			[XenbusStateInitialising] = close_vif,
		},
	[XenbusStateClosed] =
		{
			[XenbusStateInitialising] = begin_again,
		},
};

static XenbusState read_state(struct xs_handle *xs, const char *base)
{
	int64_t state = vif_read_number(xs, base, "state", STATES - 1);

	return state < 0 ? XenbusStateUnknown : (XenbusState)state;
}

/* Its domain is gone: a page that we have mapped would keep it a zombie. */
static bool domain_died(const struct vif_env *env, struct vif *vif)
{
	if (xs_is_domain_introduced(env->xs, vif->domid))
		vif->domain_seen = true;
	else if (vif->domain_seen)
		return true;
	return false;
}

bool vif_step(const struct vif_env *env, struct vif *vif)
{
	XenbusState stored = read_state(env->xs, vif->backend), before;

	if (stored == XenbusStateUnknown) {
		vif_disconnect(vif, NULL);
		return false;
	}
	if (vif->state == XenbusStateUnknown)
		vif->state = stored;
	if (domain_died(env, vif)) {
		if (vif->state != XenbusStateClosed)
			close_vif(env, vif);
		vif->domain_seen = false; /* another one of its number may come */
		return true;
	}
	/* The toolstack takes the device away. */
	if (stored == XenbusStateClosing && vif->state != XenbusStateClosing &&
		vif->state != XenbusStateClosed) {
		close_vif(env, vif);
		return true;
	}
	/* One step may lead to the next: Closing to Closed, Closed to InitWait. */
	for (int i = 0; i < STATES; i++) {
		vif_action *action = arcs[vif->state][read_state(env->xs, vif->frontend)];

		before = vif->state;
		if (action)
			action(env, vif);
		if (!action || vif->state == before)
			break;
	}
	return true;
}
