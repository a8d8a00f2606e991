/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's guest side over vhost-user (librte_vhost; QEMU docs/interop/vhost-user.rst): the ports
 * that there are, their rings' state, and their life. The rest: vhost_port.h.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "vhost.h"
#include "vhost_port.h"
#include "vhost_rules.h"

enum { PORTS_MAX = VF_MAX };

/* Offered to a VF with `offloads`; nic/offload.c makes them good where they end. */
static const uint64_t offloads = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
				 1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 |
				 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6;

/* librte_vhost offers these, we do not. */
static const uint64_t features_not_offered =
	1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_GUEST_UFO |
	1ULL << VIRTIO_NET_F_HOST_ECN | 1ULL << VIRTIO_NET_F_HOST_UFO;

/*
 * Callbacks name a device, not us: find the port by its socket. A port that is being destroyed is
 * not found: rte_vhost_driver_unregister() calls back under the library's own mutex, where
 * waiting for an lcore could wait for ever (the lcore for a ring's lock, its holder for the mutex).
 */
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vhost_port *ports[PORTS_MAX]; /* under ports_lock */

struct vhost_port *vhost_port_of(int vid)
{
	struct vhost_port *found = NULL;
	char path[PATH_MAX];

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0)
		return NULL;
	pthread_mutex_lock(&ports_lock);
	for (int i = 0; i < PORTS_MAX && !found; i++)
		if (ports[i] && !strcmp(ports[i]->path, path))
			found = ports[i];
	pthread_mutex_unlock(&ports_lock);
	if (found && __atomic_load_n(&found->closing, __ATOMIC_ACQUIRE))
		return NULL;
	return found;
}

static int ports_replace(struct vhost_port *from, struct vhost_port *to)
{
	int rc = -ENOSPC;

	pthread_mutex_lock(&ports_lock);
	for (int i = 0; i < PORTS_MAX && rc; i++) {
		if (ports[i] != from)
			continue;
		ports[i] = to;
		rc = 0;
	}
	pthread_mutex_unlock(&ports_lock);
	return rc;
}

/* ---- ring state ---- */

static void read_base(int vid, uint16_t qp, struct ring_base *base)
{
	struct rte_vhost_vring vring;

	if (rte_vhost_get_vhost_vring(vid, RX_VRING(qp), &vring) == 0)
		base->rx_size = vring.size;
	if (rte_vhost_get_vhost_vring(vid, TX_VRING(qp), &vring) == 0)
		base->tx_size = vring.size;
	rte_vhost_get_vring_base(vid, RX_VRING(qp), &base->rx_avail, &base->rx_used);
	rte_vhost_get_vring_base(vid, TX_VRING(qp), &base->tx_avail, &base->tx_used);
}

void vhost_port_save_bases(struct vhost_port *p, int vid)
{
	pthread_mutex_lock(&p->base_lock);
	__atomic_store_n(&p->vid, VHOST_NO_DEVICE, __ATOMIC_RELEASE);
	for (uint16_t qp = 0; qp < p->n_qps && TX_VRING(qp) < rte_vhost_get_vring_num(vid); qp++)
		read_base(vid, qp, &p->bases[qp]);
	pthread_mutex_unlock(&p->base_lock);
}

static void vhost_ring_info(void *port, uint16_t qp, struct vf_queue_info *info)
{
	struct vhost_port *p = port;
	struct ring_base base;
	int vid;

	pthread_mutex_lock(&p->base_lock);
	vid = __atomic_load_n(&p->vid, __ATOMIC_ACQUIRE);
	if (vid != VHOST_NO_DEVICE && TX_VRING(qp) < rte_vhost_get_vring_num(vid))
		read_base(vid, qp, &p->bases[qp]);
	base = p->bases[qp];
	pthread_mutex_unlock(&p->base_lock);
	info->rx_size = base.rx_size;
	info->tx_size = base.tx_size;
	info->rx_avail_idx = base.rx_avail;
	info->rx_used_idx = base.rx_used;
	info->tx_avail_idx = base.tx_avail;
	info->tx_used_idx = base.tx_used;
}

static uint64_t vhost_features(void *port)
{
	return vhost_port_features(port);
}

/* ---- life: control thread ---- */

void vhost_port_set_conn_fd(struct vhost_port *p, int fd)
{
	pthread_mutex_lock(&p->base_lock);
	if (p->conn_fd >= 0)
		close(p->conn_fd);
	p->conn_fd = fd;
	pthread_mutex_unlock(&p->base_lock);
}

/* A server's socket left by a daemon that was killed: remove it, but never a living one's. Only
 * "refused" says that nobody has it: a listener may be slow, or one of another kind (unix(7)). */
static int remove_stale_socket(const char *path, struct nic_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return nic_fail(err, RENIC_E_EXISTS, "socket", "%s exists and is no socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return nic_fail(err, RENIC_E_RESOURCES, "socket", "%s", strerror(errno));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? errno : 0;
	close(fd);
	if (rc != ECONNREFUSED)
		return nic_fail(err, RENIC_E_EXISTS, "socket", "somebody listens on %s", path);
	return unlink(path) < 0
		       ? nic_fail(err, RENIC_E_IO, "socket", "%s: %s", path, strerror(errno))
		       : 0;
}

static int register_driver(struct vhost_port *p, const struct vf_config *config)
{
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
	uint64_t off = features_not_offered;

	if (!config->server)
		flags |= RTE_VHOST_USER_CLIENT;
	if (!config->offloads)
		off |= offloads;
	if (!config->packed)
		off |= 1ULL << VIRTIO_F_RING_PACKED;
	if (rte_vhost_driver_register(p->path, flags) < 0)
		return -1;
	if (rte_vhost_driver_disable_features(p->path, off) == 0 &&
		rte_vhost_driver_set_protocol_features(p->path, vhost_rules_protocol_features) ==
			0 &&
		rte_vhost_driver_callback_register(p->path, &vhost_device_ops) == 0 &&
		rte_vhost_driver_start(p->path) == 0)
		return 0;
	rte_vhost_driver_unregister(p->path);
	return -1;
}

static int vhost_create(
	struct vf *vf, const struct vf_config *config, void **port, struct nic_error *err)
{
	struct vhost_port *p = calloc(1, sizeof(*p));

	if (!p)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "no memory");
	if (config->server && remove_stale_socket(config->socket, err)) {
		free(p);
		return err ? err->code : RENIC_E_IO;
	}
	p->vf = vf;
	p->vid = p->conn_vid = VHOST_NO_DEVICE;
	p->conn_fd = -1;
	p->server = config->server;
	p->n_qps = vf_queue_pairs(vf);
	p->dirty = vf_dirty_log(vf);
	p->slow_cycles = rte_get_tsc_hz() / 1000000 * VHOST_SLOW_US;
	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		p->notes[qp] = packed_notes_of(vf_number(vf), qp);
	memcpy(p->path, config->socket, sizeof(p->path));
	pthread_mutex_init(&p->base_lock, NULL);
	*port = p;
	if (vhost_guard_init(&p->guard) == 0 && ports_replace(NULL, p) == 0 &&
		register_driver(p, config) == 0)
		return 0;
	ports_replace(p, NULL);
	vhost_guard_fini(&p->guard);
	*port = NULL;
	free(p);
	return nic_fail(
		err, RENIC_E_IO, "socket", "librte_vhost cannot use the socket %s", config->socket);
}

static void vhost_destroy(void *port)
{
	struct vhost_port *p = port;

	__atomic_store_n(&p->closing, true, __ATOMIC_RELEASE);
	/* Where its thread reads half a message, the library waits for the receive timeout. Were
	 * the connection shut down instead, it would connect once more, to hang up again at once.
	 */
	rte_vhost_driver_unregister(p->path);
	ports_replace(p, NULL);
	vhost_guard_fini(&p->guard);
	vhost_port_set_conn_fd(p, -1);
	for (uint16_t qp = 0; qp < p->n_qps; qp++)
		vhost_rings_fini(&p->rings[qp]);
	pthread_mutex_destroy(&p->base_lock);
	free(p);
}

const struct vf_port_ops vhost_port_ops = {
	.create = vhost_create,
	.destroy = vhost_destroy,
	.from_guest = vhost_from_guest,
	.look = vhost_look,
	.took = vhost_took,
	.to_guest = vhost_to_guest,
	.rx_room = vhost_rx_room,
	.has_frames = vhost_has_frames,
	.arm = vhost_arm,
	.disarm = vhost_disarm,
	.ring_info = vhost_ring_info,
	.features = vhost_features,
};
