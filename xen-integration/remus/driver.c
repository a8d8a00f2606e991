/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renic-remus's driver for Xen (replicator/driver.h): libxenctrl and libxenguest themselves, no
 * toolstack between. A stream: libxenguest says what is in it, the core carries it.
 *
 *   track    xc_domain_save() begins, on a thread of its own (xen_save.h)
 *   live     a description of the domain, then its memory while it runs
 *   pause    the guest suspends (control/shutdown), SHUTDOWN_suspend confirmed
 *   state    the pages of the epoch and the vCPUs, out of the pipe into staging memory
 *   resume   xc_domain_resume(), as after a suspend that was cancelled
 *
 *   apply_live   makes the domain at the first bytes; xc_domain_restore() on a thread
 * (xen_restore.h) apply    an epoch that is there whole goes to libxenguest, which keeps it whole
 *   load     the stream ends: the domain is as of the last epoch; then xenstore and its vifs
 *   run      unpaused; its netfronts make new rings with the renicd of this host
 *
 * The stream is a struct header, that many bytes of JSON (xen_shape_pack()), then libxenguest's.
 * PV and PVH guests. One thread at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/params.h"
#include "driver.h"

#include "xen_domain.h"
#include "xen_restore.h"
#include "xen_save.h"

enum {
	LIVE_MS = 20,	      /* for the first byte: the core has other things to do */
	LIVE_BYTES = 1 << 20, /* in one go */
	FEED_MS = 10000,
	SHAPE_MAX_BYTES = 16 << 10,
	DOMID_MAX = 0x7fef, /* DOMID_FIRST_RESERVED - 1 */
	KIB = 1024,
	STREAM_BYTES_PER_KIB = 4, /* beside the page itself; libxenguest's are 8.03 for 4 KiB */
};

static const char magic[8] = "renicxen";

struct header {
	char magic[8];
	uint32_t version; /* little-endian, as all of it */
	uint32_t bytes;	  /* of JSON that follow */
};

enum { HEADER_VERSION = 1 };

struct options {
	char domain[XEN_NAME_SIZE];
	uint32_t domid;
};

struct remus_vm {
	char name[REMUS_NAME_SIZE];
	unsigned timeout_ms;
	enum remus_side side;
	struct xen_domain domain;
	struct xen_shape shape;
	/* primary */
	struct xen_save *save;
	bool described; /* the header went out */
	/* standby */
	struct xen_restore restore;
	struct xen_channels channels;
	uint64_t epochs; /* applied */
	bool made, restored, ran;
	uint8_t head[sizeof(struct header) + SHAPE_MAX_BYTES]; /* until the shape is there whole */
	size_t head_bytes;
};

static const struct param option_fields[] = {
	{.name = "domain", .type = PARAM_NAME, PARAM_FIELD(struct options, domain)},
	{
		.name = "domid",
		.type = PARAM_UINT,
		.min = 1,
		.max = DOMID_MAX,
		PARAM_FIELD(struct options, domid),
	},
};

/* Say which VM it was. */
static int about(const struct remus_vm *vm, int rc, struct nic_error *err)
{
	char what[sizeof(err->message)];

	if (rc >= 0)
		return 0;
	snprintf(what, sizeof(what), "%s", err->message);
	if (strncmp(what, "VM ", 3))
		snprintf(err->message, sizeof(err->message), "VM %s: %.200s", vm->name, what);
	return rc;
}

/* ---- both sides ---- */

static int open_primary(struct remus_vm *vm, const struct options *options, struct nic_error *err)
{
	const char *domain = options->domain[0] ? options->domain : vm->name;
	int rc = xen_domain_find(&vm->domain, domain, err);

	if (!rc)
		rc = xen_domain_check_log_dirty(&vm->domain, err);
	if (!rc)
		rc = xen_shape_read(&vm->domain, &vm->shape, err);
	if (rc)
		return rc;
	vm->save = calloc(1, sizeof(*vm->save));
	return vm->save ? 0 : nic_fail(err, RENIC_E_RESOURCES, "xen", "no memory");
}

static int open_standby(struct remus_vm *vm, const struct options *options, struct nic_error *err)
{
	xc_dominfo_t info;

	vm->domain.domid = options->domid;
	if (!options->domid)
		return nic_fail(err, RENIC_E_PARAMS, "domid",
			"missing; expected the number that the domain shall have here, the "
			"xen_domain of its VFs");
	if (xen_domain_is_leftover(&vm->domain))
		xen_domain_discard(&vm->domain);
	if (xc_domain_getinfo(vm->domain.xch, options->domid, 1, &info) == 1 &&
		info.domid == options->domid)
		return nic_fail(err, RENIC_E_EXISTS, "domid",
			"there is a domain %u here; expected a number that is free",
			options->domid);
	return 0;
}

static void xen_close(struct remus_vm *vm);

static int xen_open(const struct remus_vm_config *config, enum remus_side side,
	struct remus_vm **out, struct nic_error *err)
{
	struct options options = {0};
	struct remus_vm *vm;
	int rc = params_decode(option_fields, sizeof(option_fields) / sizeof(option_fields[0]),
		config->options, &options, NULL, err);

	if (rc < 0)
		return rc;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return nic_fail(err, RENIC_E_RESOURCES, "xen", "no memory");
	snprintf(vm->name, sizeof(vm->name), "%s", config->name);
	vm->timeout_ms = config->timeout_ms;
	vm->side = side;
	rc = xen_domain_connect(&vm->domain, vm->name, err);
	if (!rc)
		rc = side == REMUS_PRIMARY ? open_primary(vm, &options, err)
					   : open_standby(vm, &options, err);
	rc = about(vm, rc, err);
	if (!rc)
		*out = vm;
	else
		xen_close(vm);
	return rc;
}

/* What was restored and never ran. */
static void forget_domain(struct remus_vm *vm)
{
	struct nic_error ignored = {0};

	if (vm->restore.running)
		xen_restore_finish(&vm->restore, &vm->channels, &ignored);
	if (vm->made && !vm->ran)
		xen_domain_discard(&vm->domain);
	vm->made = vm->restored = false;
	vm->epochs = 0;
	vm->head_bytes = 0;
}

static void xen_close(struct remus_vm *vm)
{
	if (vm->save)
		xen_save_stop(vm->save);
	if (vm->side == REMUS_STANDBY)
		forget_domain(vm);
	xen_domain_settle(&vm->domain);
	xen_domain_disconnect(&vm->domain);
	free(vm->save);
	free(vm);
}

static unsigned xen_regions(struct remus_vm *vm, struct remus_region *regions)
{
	return 0;
}

static const char *xen_engine(struct remus_vm *vm)
{
	return "log-dirty";
}

/* Every page that the domain may have, each with its number and a share of a record's header,
 * and what there is beside pages. */
static uint64_t xen_max_blob_bytes(struct remus_vm *vm)
{
	bool known = vm->side == REMUS_PRIMARY || vm->made;

	return REMUS_BLOB_MAX_BYTES +
	       (known ? vm->shape.max_kib * (KIB + STREAM_BYTES_PER_KIB) : 0);
}

static int xen_check(struct remus_vm *vm, struct nic_error *err)
{
	if (vm->side == REMUS_STANDBY && !vm->ran)
		return 0; /* what goes wrong with it, apply() and load() say */
	return xen_domain_check(&vm->domain, err);
}

static int xen_stop(struct remus_vm *vm, struct nic_error *err)
{
	if (vm->save)
		xen_save_stop(vm->save);
	if (vm->side == REMUS_STANDBY && !vm->ran) {
		forget_domain(vm);
		return 0;
	}
	return xen_domain_end(&vm->domain, err);
}

/* ---- primary ---- */

/* The domain may have another size by now. */
static int xen_track(struct remus_vm *vm, struct nic_error *err)
{
	struct xen_shape shape;
	int rc;

	xen_save_stop(vm->save);
	vm->described = false;
	rc = xen_shape_read(&vm->domain, &shape, err);
	if (rc)
		return about(vm, rc, err);
	vm->shape = shape;
	return about(vm, xen_save_start(vm->save, vm->domain.domid, err), err);
}

/* The standby makes its domain by this. */
static int describe(struct remus_vm *vm, struct remus_sink *sink, struct nic_error *err)
{
	json_t *shape = xen_shape_pack(&vm->shape);
	char *text = shape ? json_dumps(shape, JSON_COMPACT) : NULL;
	struct header header = {.version = htole32(HEADER_VERSION)};
	int rc;

	json_decref(shape);
	if (!text)
		return nic_fail(err, RENIC_E_RESOURCES, "xen", "no memory");
	memcpy(header.magic, magic, sizeof(magic));
	header.bytes = htole32((uint32_t)strlen(text));
	rc = sink->write(sink, &header, sizeof(header));
	if (!rc)
		rc = sink->write(sink, text, strlen(text));
	free(text);
	vm->described = !rc;
	return rc;
}

static int xen_live(struct remus_vm *vm, struct remus_sink *sink, bool *done, struct nic_error *err)
{
	int64_t rc = vm->described ? 0 : describe(vm, sink, err);

	*done = false;
	if (!rc)
		rc = xen_save_drain(
			vm->save, XEN_SAVE_SUSPENDING, sink, LIVE_BYTES, LIVE_MS, done, err);
	return rc < 0 ? about(vm, (int)rc, err) : 0;
}

static int xen_pause(struct remus_vm *vm, bool stay, struct nic_error *err)
{
	return xen_domain_suspend(&vm->domain, vm->timeout_ms, err);
}

static int xen_state(struct remus_vm *vm, struct remus_sink *sink, struct nic_error *err)
{
	uint64_t max_bytes = xen_max_blob_bytes(vm);
	bool there = false;
	int64_t rc = xen_save_drain(
		vm->save, XEN_SAVE_SUSPENDING, sink, max_bytes, vm->timeout_ms, &there, err);

	if (rc >= 0 && !there)
		rc = nic_fail(err, RENIC_E_TIMEOUT, "xen", "the last epoch does not end");
	if (rc < 0)
		return about(vm, (int)rc, err);
	max_bytes -= (uint64_t)rc < max_bytes ? (uint64_t)rc : max_bytes;
	xen_save_go(vm->save);
	rc = xen_save_drain(
		vm->save, XEN_SAVE_RESUMING, sink, max_bytes, vm->timeout_ms, &there, err);
	if (rc >= 0 && !there)
		rc = nic_fail(err, RENIC_E_TIMEOUT, "xen",
			"an epoch of more than %" PRIu64 " MiB, or one that does not end",
			max_bytes >> 20);
	return rc < 0 ? about(vm, (int)rc, err) : 0;
}

static int xen_resume(struct remus_vm *vm, struct nic_error *err)
{
	int rc = xen_domain_resume(&vm->domain, err);

	if (xen_save_state(vm->save) == XEN_SAVE_RESUMING)
		xen_save_go(vm->save);
	return rc;
}

/* ---- standby ---- */

/* How long the header and the shape are, as far as it can be said; 0: it makes no sense. */
static size_t head_wanted(const struct remus_vm *vm)
{
	struct header header;

	if (vm->head_bytes < sizeof(header))
		return sizeof(header);
	memcpy(&header, vm->head, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(magic)) ||
		le32toh(header.version) != HEADER_VERSION ||
		le32toh(header.bytes) > SHAPE_MAX_BYTES)
		return 0;
	return sizeof(header) + le32toh(header.bytes);
}

static int make_domain(struct remus_vm *vm, struct nic_error *err)
{
	json_t *object = json_loadb((const char *)vm->head + sizeof(struct header),
		vm->head_bytes - sizeof(struct header), 0, NULL);
	int rc = xen_shape_unpack(object, &vm->shape, err);

	json_decref(object);
	if (!rc)
		rc = xen_domain_make(&vm->domain, &vm->shape, &vm->channels, err);
	if (rc)
		return rc;
	vm->made = true;
	return xen_restore_start(&vm->restore, vm->domain.domid, &vm->channels, err);
}

/* The beginning of the stream; *p and *bytes are what is left of it. */
static int take_head(struct remus_vm *vm, const uint8_t **p, size_t *bytes, struct nic_error *err)
{
	size_t wanted, n;

	while ((wanted = head_wanted(vm)) > vm->head_bytes) {
		n = wanted - vm->head_bytes < *bytes ? wanted - vm->head_bytes : *bytes;
		if (!n)
			return 0;
		memcpy(vm->head + vm->head_bytes, *p, n);
		vm->head_bytes += n;
		*p += n;
		*bytes -= n;
	}
	if (!wanted)
		return nic_fail(err, RENIC_E_PARSE, "xen",
			"the stream does not begin as one of this driver does");
	return make_domain(vm, err);
}

static int feed(struct remus_vm *vm, const void *blob, size_t bytes, struct nic_error *err)
{
	const uint8_t *p = blob;
	int rc = vm->made ? 0 : take_head(vm, &p, &bytes, err);

	if (!rc && bytes)
		rc = vm->restore.running
			     ? xen_restore_feed(&vm->restore, p, bytes, FEED_MS, err)
			     : nic_fail(err, RENIC_E_STATE, "xen", "a stream without a beginning");
	return about(vm, rc, err);
}

static int xen_apply_live(
	struct remus_vm *vm, const void *blob, size_t bytes, struct nic_error *err)
{
	return feed(vm, blob, bytes, err);
}

static int xen_apply(
	struct remus_vm *vm, const void *blob, size_t bytes, uint64_t epoch, struct nic_error *err)
{
	int rc = feed(vm, blob, bytes, err);

	if (!rc && !vm->restore.running)
		rc = nic_fail(err, RENIC_E_PARSE, "xen", "a checkpoint without its domain");
	if (!rc)
		rc = xen_restore_wait(&vm->restore, vm->epochs + 1, FEED_MS, err);
	if (!rc)
		vm->epochs++;
	return about(vm, rc, err);
}

static int xen_reset(struct remus_vm *vm, struct nic_error *err)
{
	forget_domain(vm);
	return 0;
}

static int xen_load(struct remus_vm *vm, struct nic_error *err)
{
	int rc = vm->epochs ? 0
			    : nic_fail(err, RENIC_E_STATE, "xen", "no whole checkpoint is there");

	/* Tried again after xenstore failed, it is restored already. */
	if (!rc && !vm->restored)
		rc = xen_restore_finish(&vm->restore, &vm->channels, err);
	vm->restored = vm->restored || !rc;
	if (!rc)
		rc = xen_domain_introduce(&vm->domain, &vm->shape, &vm->channels, err);
	return about(vm, rc, err);
}

static int xen_run(struct remus_vm *vm, struct nic_error *err)
{
	int rc = xen_domain_unpause(&vm->domain, err);

	vm->ran = vm->ran || !rc;
	return rc;
}

extern const struct remus_driver remus_xen_driver;

const struct remus_driver remus_xen_driver = {
	.name = "xen",
	.open = xen_open,
	.close = xen_close,
	.regions = xen_regions,
	.engine = xen_engine,
	.max_blob_bytes = xen_max_blob_bytes,
	.check = xen_check,
	.track = xen_track,
	.live = xen_live,
	.pause = xen_pause,
	.state = xen_state,
	.resume = xen_resume,
	.stop = xen_stop,
	.apply = xen_apply,
	.apply_live = xen_apply_live,
	.reset = xen_reset,
	.load = xen_load,
	.run = xen_run,
};
