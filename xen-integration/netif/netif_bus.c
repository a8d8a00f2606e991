/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that watches xenstore: it finds vifs, binds each to the VF of its domain and handle,
 * and takes each a step further whenever anything under them changes. One lock over all of it:
 * steps are rare, and a notice in them waits for lcores, which wait for nobody.
 */
#include "netif_bus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"

static struct bus {
	pthread_mutex_t lock;
	pthread_t thread;
	bool started, running;
	bool ending;   /* under lock: the daemon ends, guests stay connected */
	bool stopping; /* atomic */
	struct vif_env env;
	char root[VIF_PATH_SIZE]; /* our own backend directory */
	TAILQ_HEAD(, vif) vifs;	  /* under lock, as the next one */
	TAILQ_HEAD(, netif_port) ports;
} bus = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.vifs = TAILQ_HEAD_INITIALIZER(bus.vifs),
	.ports = TAILQ_HEAD_INITIALIZER(bus.ports),
};

static void wake(void)
{
	eventfd_write(bus.env.wake_fd, 1);
}

/* ---- finding vifs ---- */

static struct vif *vif_find(uint16_t domid, uint16_t handle)
{
	struct vif *vif;

	TAILQ_FOREACH (vif, &bus.vifs, next)
		if (vif->domid == domid && vif->handle == handle)
			return vif;
	return NULL;
}

static struct netif_port *port_find(uint16_t domid, uint16_t handle)
{
	struct netif_port *p;

	TAILQ_FOREACH (p, &bus.ports, next)
		if (p->domid == domid && p->handle == handle)
			return p;
	return NULL;
}

/* Does its hotplug script say that it is ours? */
static bool script_is_ours(const char *backend)
{
	char script[256], *name;

	if (!vif_read(bus.env.xs, backend, "script", script, sizeof(script)))
		return false;
	name = strrchr(script, '/');
	return !strcmp(name ? name + 1 : script, "vif-renic");
}

/* A vif that is ours to serve, known from now on; or NULL. */
static struct vif *vif_adopt(uint16_t domid, uint16_t handle)
{
	struct netif_port *port = port_find(domid, handle);
	struct vif *vif = vif_find(domid, handle);
	char path[VIF_PATH_SIZE];

	if (!vif) {
		snprintf(path, sizeof(path), "%.100s/%u/%u", bus.root, domid, handle);
		if (!port && !script_is_ours(path))
			return NULL;
		vif = calloc(1, sizeof(*vif));
		if (!vif)
			return NULL;
		vif->domid = domid;
		vif->handle = handle;
		memcpy(vif->backend, path, sizeof(path));
		if (!vif_read(bus.env.xs, path, "frontend", vif->frontend, sizeof(vif->frontend))) {
			free(vif); /* half written: there will be another watch */
			return NULL;
		}
		snprintf(path, sizeof(path), "%.120s/state", vif->frontend);
		xs_watch(bus.env.xs, path, "frontend");
		TAILQ_INSERT_TAIL(&bus.vifs, vif, next);
	}
	if (port && vif->port != port) {
		vif->port = port;
		vif_bound(&bus.env, vif);
	}
	vif->port = port;
	return vif;
}

static void vif_forget(struct vif *vif)
{
	char path[VIF_PATH_SIZE + 8];

	snprintf(path, sizeof(path), "%s/state", vif->frontend);
	xs_unwatch(bus.env.xs, path, "frontend");
	TAILQ_REMOVE(&bus.vifs, vif, next);
	free(vif);
}

static bool to_u16(const char *text, uint16_t *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*value = (uint16_t)n;
	return end != text && !*end && n < UINT16_MAX;
}

static void scan_domain(const char *domain, uint16_t domid)
{
	char path[VIF_PATH_SIZE];
	unsigned n = 0;
	char **handles;

	snprintf(path, sizeof(path), "%.100s/%s", bus.root, domain);
	handles = xs_directory(bus.env.xs, XBT_NULL, path, &n);
	for (unsigned i = 0; handles && i < n; i++) {
		uint16_t handle;
		struct vif *vif;

		if (!to_u16(handles[i], &handle))
			continue;
		vif = vif_adopt(domid, handle);
		if (vif)
			vif->found = true;
	}
	free(handles);
}

static void scan(void)
{
	struct vif *vif, *next;
	unsigned n = 0;
	char **domains;
	uint16_t domid;

	TAILQ_FOREACH (vif, &bus.vifs, next)
		vif->found = false;
	domains = xs_directory(bus.env.xs, XBT_NULL, bus.root, &n);
	for (unsigned i = 0; domains && i < n; i++)
		if (strlen(domains[i]) < 6 && to_u16(domains[i], &domid))
			scan_domain(domains[i], domid);
	free(domains);
	for (vif = TAILQ_FIRST(&bus.vifs); vif; vif = next) {
		next = TAILQ_NEXT(vif, next);
		vif_check_rings(&bus.env, vif);
		if (!vif_step(&bus.env, vif) || !vif->found)
			vif_forget(vif);
	}
}

/* ---- the thread ---- */

static void drain_watches(void)
{
	char **watch;

	while ((watch = xs_check_watch(bus.env.xs)))
		free(watch);
}

static void *run(void *arg)
{
	struct pollfd fds[] = {
		{.fd = xs_fileno(bus.env.xs), .events = POLLIN},
		{.fd = bus.env.wake_fd, .events = POLLIN},
	};
	eventfd_t count;

	while (!__atomic_load_n(&bus.stopping, __ATOMIC_ACQUIRE)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			eventfd_read(bus.env.wake_fd, &count);
		drain_watches();
		pthread_mutex_lock(&bus.lock);
		if (!bus.ending)
			scan();
		pthread_mutex_unlock(&bus.lock);
	}
	return NULL;
}

/* ---- control thread ---- */

int bus_add_port(struct netif_port *p, struct nic_error *err)
{
	if (!bus.started)
		return nic_fail(err, RENIC_E_UNSUPPORTED, "transport",
			"transport: xen is not possible here: this is no Xen host, or its xenstore "
			"did not run when renicd started");
	pthread_mutex_lock(&bus.lock);
	TAILQ_INSERT_TAIL(&bus.ports, p, next);
	pthread_mutex_unlock(&bus.lock);
	wake();
	return 0;
}

void bus_remove_port(struct netif_port *p)
{
	struct vif *vif;

	pthread_mutex_lock(&bus.lock);
	vif = vif_find(p->domid, p->handle);
	if (vif && vif->port == p)
		vif_detach_port(&bus.env, vif, bus.ending);
	TAILQ_REMOVE(&bus.ports, p, next);
	pthread_mutex_unlock(&bus.lock);
	wake();
}

static int connect_xenstore(struct nic_error *err)
{
	int64_t own;

	bus.env.xs = xs_open(0);
	if (!bus.env.xs)
		return nic_fail(
			err, RENIC_E_UNSUPPORTED, "transport", "xenstore: %s", strerror(errno));
	own = vif_read_number(bus.env.xs, "/local/domain/0", "domid", UINT16_MAX);
	snprintf(bus.root, sizeof(bus.root), "/local/domain/%u/backend/vif",
		own < 0 ? 0 : (unsigned)own);
	bus.env.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bus.env.wake_fd >= 0)
		return 0;
	xs_close(bus.env.xs);
	return nic_fail(err, RENIC_E_RESOURCES, NULL, "eventfd: %s", strerror(errno));
}

int xen_netif_start(struct nic_error *err)
{
	int rc;

	if (access("/dev/xen/gntdev", F_OK) < 0)
		return nic_fail(err, RENIC_E_UNSUPPORTED, "transport", "this is no Xen host");
	rc = connect_xenstore(err);
	if (rc)
		return rc;
	bus.stopping = bus.ending = false;
	bus.started = true;
	return 0;
}

int xen_netif_run(struct nic_error *err)
{
	int rc;

	if (!bus.started)
		return 0;
	if (!xs_watch(bus.env.xs, bus.root, "backend") ||
		!xs_watch(bus.env.xs, "@releaseDomain", "release"))
		return nic_fail(err, RENIC_E_IO, NULL, "xenstore: cannot watch %s", bus.root);
	rc = pthread_create(&bus.thread, NULL, run, NULL);
	if (rc)
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "thread: %s", strerror(rc));
	bus.running = true;
	LOG_INFO("Xen: serving vifs under %s", bus.root);
	return 0;
}

void xen_netif_ending(void)
{
	pthread_mutex_lock(&bus.lock);
	bus.ending = true;
	pthread_mutex_unlock(&bus.lock);
}

void xen_netif_stop(void)
{
	struct vif *vif;

	if (!bus.started)
		return;
	__atomic_store_n(&bus.stopping, true, __ATOMIC_RELEASE);
	wake();
	if (bus.running)
		pthread_join(bus.thread, NULL);
	bus.running = false;
	while ((vif = TAILQ_FIRST(&bus.vifs)))
		vif_forget(vif);
	xs_close(bus.env.xs);
	close(bus.env.wake_fd);
	bus.started = false;
}
