/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a domain like another one: its shape, by which the primary describes it, an empty domain
 * of that shape on the backup, and at the failover the nodes in xenstore that its guest goes by.
 * What xl makes for a domain that it starts is more; this is what a Linux guest asks for when it
 * wakes up on another host. See xen_domain.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "xen_domain.h"

enum {
	EVENT_CHANNELS = 1023, /* as xl's max_event_channels */
	PATH_SIZE = 128,
	PAGE_KIB = 4,
	MAX_KIB = INT32_MAX,
};

/* ---- the shape ---- */

static bool read_text(struct xen_domain *d, char *value, size_t size, const char *path)
{
	unsigned len;
	char *found = xs_read(d->xs, XBT_NULL, path, &len);
	bool fits = found && len > 0 && len < size;

	if (fits)
		memcpy(value, found, len + 1); /* xs_read() ends it with a NUL */
	free(found);
	return fits;
}

static int read_vifs(struct xen_domain *d, struct xen_shape *shape, struct nic_error *err)
{
	char path[PATH_SIZE];
	unsigned n = 0;
	char **handles;
	int rc = 0;

	snprintf(path, sizeof(path), "/local/domain/%u/device/vif", d->domid);
	handles = xs_directory(d->xs, XBT_NULL, path, &n);
	for (unsigned i = 0; handles && i < n && !rc; i++) {
		struct xen_vif *vif = &shape->vifs[shape->n_vifs];

		if (shape->n_vifs++ == XEN_VIFS_MAX) {
			rc = nic_fail(err, RENIC_E_UNSUPPORTED, "domain",
				"VM %s: domain %u has more than %d vifs", d->vm, d->domid,
				XEN_VIFS_MAX);
			break;
		}
		vif->handle = (uint32_t)strtoul(handles[i], NULL, 10);
		snprintf(path, sizeof(path), "/local/domain/%u/device/vif/%u/mac", d->domid,
			vif->handle);
		if (!read_text(d, vif->mac, sizeof(vif->mac), path))
			rc = nic_fail(err, RENIC_E_NOT_FOUND, "domain", "VM %s: xenstore has no %s",
				d->vm, path);
	}
	free(handles);
	return rc;
}

static uint64_t read_target(struct xen_domain *d, uint64_t max_kib)
{
	char path[PATH_SIZE], text[24];
	uint64_t kib;

	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", d->domid);
	kib = read_text(d, text, sizeof(text), path) ? strtoull(text, NULL, 10) : 0;
	return kib <= max_kib ? kib : 0;
}

int xen_shape_read(struct xen_domain *d, struct xen_shape *shape, struct nic_error *err)
{
	char path[PATH_SIZE];
	uint64_t paging_bytes = 0;
	xc_dominfo_t info;

	*shape = (struct xen_shape){0};
	snprintf(path, sizeof(path), "/local/domain/%u/name", d->domid);
	if (xc_domain_getinfo(d->xch, d->domid, 1, &info) != 1 || info.domid != d->domid ||
		!read_text(d, shape->name, sizeof(shape->name), path))
		return nic_fail(err, RENIC_E_NOT_FOUND, "domain",
			"VM %s: domain %u cannot be looked at", d->vm, d->domid);
	shape->vcpus = info.max_vcpu_id + 1;
	shape->max_kib = info.max_memkb;
	if (shape->max_kib < (uint64_t)info.nr_pages * PAGE_KIB)
		shape->max_kib = (uint64_t)info.nr_pages * PAGE_KIB; /* its balloon is on its way */
	shape->target_kib = read_target(d, shape->max_kib);
	shape->pvh = info.hvm;
	if (shape->pvh && xc_get_paging_mempool_size(d->xch, d->domid, &paging_bytes))
		return nic_fail(err, RENIC_E_UNSUPPORTED, "domain",
			"VM %s: domain %u: its paging memory cannot be read: %s", d->vm, d->domid,
			strerror(errno));
	shape->paging_kib = paging_bytes >> 10;
	return read_vifs(d, shape, err);
}

json_t *xen_shape_pack(const struct xen_shape *shape)
{
	json_t *vifs = json_array();

	for (unsigned i = 0; i < shape->n_vifs; i++)
		json_array_append_new(
			vifs, json_pack("{s:I, s:s}", "handle", (json_int_t)shape->vifs[i].handle,
				      "mac", shape->vifs[i].mac));
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "type", shape->pvh ? "pvh" : "pv",
		"name", shape->name, "vcpus", (json_int_t)shape->vcpus, "max_kib",
		(json_int_t)shape->max_kib, "target_kib", (json_int_t)shape->target_kib,
		"paging_kib", (json_int_t)shape->paging_kib, "vifs", vifs);
}

static bool is_plain(const char *text, size_t size)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '/')
			return false;
	return n > 0 && n < size;
}

static bool unpack_vifs(const json_t *vifs, struct xen_shape *shape)
{
	size_t n = json_array_size(vifs);

	if (n > XEN_VIFS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		json_int_t handle;
		const char *mac;

		if (json_unpack(json_array_get(vifs, i), "{s:I, s:s}", "handle", &handle, "mac",
			    &mac) ||
			handle < 0 || handle > UINT16_MAX || !is_plain(mac, XEN_MAC_SIZE))
			return false;
		shape->vifs[i].handle = (uint32_t)handle;
		snprintf(shape->vifs[i].mac, XEN_MAC_SIZE, "%s", mac);
	}
	shape->n_vifs = (unsigned)n;
	return true;
}

int xen_shape_unpack(const json_t *object, struct xen_shape *shape, struct nic_error *err)
{
	const char *type, *name;
	json_int_t vcpus, max_kib, target_kib = 0, paging_kib = 0;
	json_t *vifs;

	*shape = (struct xen_shape){0};
	if (json_unpack((json_t *)object, "{s:s, s:s, s:I, s:I, s?I, s?I, s:o}", "type", &type,
		    "name", &name, "vcpus", &vcpus, "max_kib", &max_kib, "target_kib", &target_kib,
		    "paging_kib", &paging_kib, "vifs", &vifs) ||
		(strcmp(type, "pv") && strcmp(type, "pvh")) || !is_plain(name, XEN_NAME_SIZE) ||
		vcpus < 1 || vcpus > XEN_VCPUS_MAX || max_kib < 1 || max_kib > MAX_KIB ||
		target_kib < 0 || target_kib > max_kib || paging_kib < !strcmp(type, "pvh") ||
		paging_kib > MAX_KIB || !unpack_vifs(vifs, shape))
		return nic_fail(err, RENIC_E_PARSE, "xen",
			"the primary's description of its domain makes no sense");
	snprintf(shape->name, sizeof(shape->name), "%s", name);
	shape->vcpus = (uint32_t)vcpus;
	shape->max_kib = (uint64_t)max_kib;
	shape->target_kib = (uint64_t)target_kib;
	shape->paging_kib = (uint64_t)paging_kib;
	shape->pvh = !strcmp(type, "pvh");
	return 0;
}

/* ---- an empty domain ---- */

static int fail(struct xen_domain *d, const char *what, struct nic_error *err)
{
	return nic_fail(err, RENIC_E_RESOURCES, "xen", "VM %s: domain %u: %s: %s", d->vm, d->domid,
		what, strerror(errno));
}

/* What the UUID of a domain that we made begins with. */
static const char mark[8] = {'r', 'e', 'n', 'i', 'c', '-', 'r', 'e'};

/* What libxl asks of a PV guest's memory map: as many entries as it has. */
static int size_domain(struct xen_domain *d, const struct xen_shape *shape,
	struct xen_channels *channels, struct nic_error *err)
{
	int store, console;

	if (xc_domain_max_vcpus(d->xch, d->domid, shape->vcpus))
		return fail(d, "its vCPUs", err);
	if (xc_domain_setmaxmem(d->xch, d->domid, shape->max_kib) ||
		(!shape->pvh && xc_domain_set_memmap_limit(d->xch, d->domid, shape->max_kib)))
		return fail(d, "its memory", err);
	if (shape->pvh && xc_set_paging_mempool_size(d->xch, d->domid, shape->paging_kib << 10))
		return fail(d, "its paging memory", err);
	store = xc_evtchn_alloc_unbound(d->xch, d->domid, 0);
	console = xc_evtchn_alloc_unbound(d->xch, d->domid, 0);
	if (store < 0 || console < 0)
		return fail(d, "its event channels", err);
	*channels = (struct xen_channels){
		.store_port = (uint32_t)store, .console_port = (uint32_t)console};
	return 0;
}

bool xen_domain_is_leftover(struct xen_domain *d)
{
	xc_dominfo_t info;

	return xc_domain_getinfo(d->xch, d->domid, 1, &info) == 1 && info.domid == d->domid &&
	       !memcmp(info.handle, mark, sizeof(mark)) &&
	       !xs_is_domain_introduced(d->xs, d->domid);
}

int xen_domain_make(struct xen_domain *d, const struct xen_shape *shape,
	struct xen_channels *channels, struct nic_error *err)
{
	struct xen_domctl_createdomain config = {
		.max_vcpus = shape->vcpus,
		.max_evtchn_port = EVENT_CHANNELS,
		.max_grant_frames = -1,
		.max_maptrack_frames = -1,
		.grant_opts = XEN_DOMCTL_GRANT_version(2),
	};
	int rc;

	if (shape->pvh) {
		config.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
		config.arch.emulation_flags = XEN_X86_EMU_LAPIC;
	}
	if (getrandom(config.handle, sizeof(config.handle), 0) != sizeof(config.handle))
		return fail(d, "random numbers", err);
	memcpy(config.handle, mark, sizeof(mark));
	if (xc_domain_create(d->xch, &d->domid, &config))
		return fail(d, "it cannot be made; is its number taken?", err);
	rc = size_domain(d, shape, channels, err);
	if (rc)
		xc_domain_destroy(d->xch, d->domid);
	return rc;
}

/* ---- xenstore ---- */

/* A node that its owner writes and the reader reads; NULL value: an empty one. Directories come
 * before what is in them, which inherits their permissions. */
struct nodes {
	struct xen_domain *d;
	bool failed;
};

static void put(struct nodes *n, uint32_t owner, uint32_t reader, const char *value,
	const char *path, ...) __attribute__((format(printf, 5, 6)));

static void put(
	struct nodes *n, uint32_t owner, uint32_t reader, const char *value, const char *path, ...)
{
	struct xs_permissions permissions[] = {
		{.id = owner, .perms = XS_PERM_NONE}, {.id = reader, .perms = XS_PERM_READ}};
	char full[PATH_SIZE];
	va_list args;

	va_start(args, path);
	vsnprintf(full, sizeof(full), path, args);
	va_end(args);
	if (!xs_write(n->d->xs, XBT_NULL, full, value, (unsigned)strlen(value)) ||
		!xs_set_permissions(n->d->xs, XBT_NULL, full, permissions, 2))
		n->failed = true;
}

static const char *number(char buf[24], uint64_t value)
{
	snprintf(buf, 24, "%llu", (unsigned long long)value);
	return buf;
}

static void put_domain(struct nodes *n, const struct xen_shape *shape, const char *home)
{
	/* Those that the guest itself writes. */
	static const char *const own[] = {"control/shutdown", "control/feature-poweroff",
		"control/feature-reboot", "control/feature-suspend", "control/sysrq", "data",
		"drivers", "feature", "attr", "error"};
	uint32_t guest = n->d->domid;
	uint64_t target_kib = shape->target_kib ? shape->target_kib : shape->max_kib;
	char text[24];

	put(n, 0, guest, "", "%s", home);
	put(n, 0, guest, shape->name, "%s/name", home);
	put(n, 0, guest, number(text, guest), "%s/domid", home);
	put(n, 0, guest, number(text, target_kib), "%s/memory/target", home);
	put(n, 0, guest, number(text, shape->max_kib), "%s/memory/static-max", home);
	for (uint32_t i = 0; i < shape->vcpus; i++)
		put(n, 0, guest, "online", "%s/cpu/%u/availability", home, i);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		put(n, guest, guest, "", "%s/%s", home, own[i]);
	put(n, 0, guest, "1", "%s/control/platform-feature-xs_reset_watches", home);
}

/* Its xenstore page and event channel, and its console's, which xenconsoled serves. */
static void put_channels(struct nodes *n, const struct xen_channels *channels, const char *home)
{
	static const struct {
		const char *key, *value;
	} console[] = {
		{"backend-id", "0"},
		{"type", "xenconsoled"},
		{"output", "pty"},
		{"limit", "1048576"},
	};
	uint32_t guest = n->d->domid;
	char text[24];

	put(n, 0, guest, number(text, channels->store_port), "%s/store/port", home);
	put(n, 0, guest, number(text, channels->store_gfn), "%s/store/ring-ref", home);
	put(n, 0, guest, "", "%s/console", home);
	for (size_t i = 0; i < sizeof(console) / sizeof(console[0]); i++)
		put(n, 0, guest, console[i].value, "%s/console/%s", home, console[i].key);
	put(n, 0, guest, number(text, channels->console_port), "%s/console/port", home);
	put(n, 0, guest, number(text, channels->console_gfn), "%s/console/ring-ref", home);
}

static void put_vif(struct nodes *n, const struct xen_vif *vif, const char *home)
{
	uint32_t guest = n->d->domid;
	char back[PATH_SIZE / 2], front[PATH_SIZE / 2], text[24];

	snprintf(back, sizeof(back), "/local/domain/0/backend/vif/%u/%u", guest, vif->handle);
	snprintf(front, sizeof(front), "%.40s/device/vif/%u", home, vif->handle);
	put(n, 0, guest, "", "%s", back);
	put(n, guest, 0, "", "%s", front);
	put(n, 0, guest, number(text, guest), "%s/frontend-id", back);
	put(n, 0, guest, "1", "%s/online", back);
	put(n, 0, guest, number(text, vif->handle), "%s/handle", back);
	put(n, 0, guest, vif->mac, "%s/mac", back);
	put(n, 0, guest, "vif", "%s/type", back);
	put(n, 0, guest, front, "%s/frontend", back);
	put(n, guest, 0, back, "%s/backend", front);
	put(n, guest, 0, "0", "%s/backend-id", front);
	put(n, guest, 0, number(text, vif->handle), "%s/handle", front);
	put(n, guest, 0, vif->mac, "%s/mac", front);
	put(n, guest, 0, "1", "%s/state", front);
	put(n, 0, guest, "1", "%s/state", back); /* last: renicd goes by it */
}

static void remove_vifs(struct xen_domain *d)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u", d->domid);
	xs_rm(d->xs, XBT_NULL, path);
}

int xen_domain_introduce(struct xen_domain *d, const struct xen_shape *shape,
	const struct xen_channels *channels, struct nic_error *err)
{
	struct nodes nodes = {.d = d};
	char home[32];

	snprintf(home, sizeof(home), "/local/domain/%u", d->domid);
	remove_vifs(d); /* xl does not know those of a domain of ours */
	put_domain(&nodes, shape, home);
	put_channels(&nodes, channels, home);
	for (unsigned i = 0; i < shape->n_vifs; i++)
		put_vif(&nodes, &shape->vifs[i], home);
	if (nodes.failed)
		return fail(d, "xenstore does not take its nodes", err);
	if (!xs_introduce_domain(d->xs, d->domid, channels->store_gfn, channels->store_port))
		return fail(d, "xenstore does not take it", err);
	return 0;
}

int xen_domain_unpause(struct xen_domain *d, struct nic_error *err)
{
	return xc_domain_unpause(d->xch, d->domid) ? fail(d, "it does not run", err) : 0;
}

void xen_domain_discard(struct xen_domain *d)
{
	char path[PATH_SIZE];

	xc_domain_destroy(d->xch, d->domid);
	remove_vifs(d);
	snprintf(path, sizeof(path), "/local/domain/%u", d->domid);
	xs_rm(d->xs, XBT_NULL, path);
}
