/* SPDX-License-Identifier: BSD-3-Clause */
/* See machine.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "machine.h"

enum {
	FORMAT = 1,	   /* another one for every change of what is said, or how */
	DEVICES_MAX = 128, /* of more none is told: which they were would be chance */
	LINE_SIZE = 160,
	OPTION_ROM = 6, /* as query-pci numbers a function's regions */
};

/* A QEMU that is asked, and the text that grows by it, as long as there is room for whole lines. */
struct telling {
	struct qmp *qmp;
	int64_t end_ns; /* of all questions */
	unsigned timeout_ms;
	struct nic_error *err;
	char *text;
	size_t used;
	bool full;
};

static void __attribute__((format(printf, 2, 3)))
add_line(struct telling *t, const char *format, ...)
{
	size_t left = REMUS_MACHINE_SIZE - t->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->text + t->used, left, format, args);
	va_end(args);
	t->full |= n < 0 || (size_t)n + 2 > left;
	if (t->full) {
		t->text[t->used] = '\0';
		return;
	}
	for (char *c = t->text + t->used; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	t->used += (size_t)n + 1;
	t->text[t->used - 1] = '\n';
	t->text[t->used] = '\0';
}

/* 0 also where QEMU refuses: *result is then NULL. */
static int ask(struct telling *t, const char *command, json_t *args, json_t **result)
{
	unsigned left_ms = (unsigned)ms_until(t->end_ns, (int)t->timeout_ms);
	int rc;

	*result = NULL;
	rc = qmp_call(t->qmp, command, args, left_ms ? left_ms : 1, result, t->err);
	return rc == RENIC_E_REQUEST ? 0 : rc;
}

static int ask_property(struct telling *t, const char *path, const char *name, json_t **value)
{
	return ask(t, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", name), value);
}

/* A line with the type of the object at that path. */
static int add_type(struct telling *t, const char *path, const char *what)
{
	json_t *type;
	int rc = ask_property(t, path, "type", &type);

	if (json_is_string(type))
		add_line(t, "%s %s", what, json_string_value(type));
	json_decref(type);
	return rc;
}

static int add_cpus(struct telling *t)
{
	json_t *cpus;
	const char *path;
	char what[32];
	int rc = ask(t, "query-cpus-fast", NULL, &cpus);

	path = json_string_value(json_object_get(json_array_get(cpus, 0), "qom-path"));
	snprintf(what, sizeof(what), "%zu CPUs", json_array_size(cpus));
	if (rc == 0 && path)
		rc = add_type(t, path, what);
	json_decref(cpus);
	return rc;
}

/* ---- PCI functions ---- */

/* Of 16 bits at most, as all numbers of a PCI function are but its regions' sizes. */
static unsigned number_of(const json_t *object, const char *name)
{
	return (unsigned)json_integer_value(json_object_get(object, name)) & 0xffff;
}

/* Its regions, whose sizes the device has fixed: " 0:io/32 4:memory,64/16384". A ROM's is that of
 * a file, and loading asks for none. */
static void put_regions(char *text, size_t size, const json_t *device)
{
	const json_t *region;
	size_t i, used = 0;

	text[0] = '\0';
	json_array_foreach (json_object_get(device, "regions"), i, region) {
		const char *type = json_string_value(json_object_get(region, "type"));
		bool is_64 = json_is_true(json_object_get(region, "mem_type_64"));
		int n;

		if (number_of(region, "bar") == OPTION_ROM)
			continue;
		n = snprintf(text + used, size - used, " %u:%s%s/%lld", number_of(region, "bar"),
			type ? type : "?", is_64 ? ",64" : "",
			(long long)json_integer_value(json_object_get(region, "size")));
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

/* Those on the root buses. Which buses lie behind a bridge is the firmware's to say: a machine that
 * has not run yet tells of none. */
static int add_pci(struct telling *t)
{
	const json_t *bus, *device;
	json_t *buses;
	size_t i, k;
	int rc = ask(t, "query-pci", NULL, &buses);

	json_array_foreach (buses, i, bus)
		json_array_foreach (json_object_get(bus, "devices"), k, device) {
			const json_t *id = json_object_get(device, "id");
			char regions[256];

			put_regions(regions, sizeof(regions), device);
			add_line(t, "PCI %zu:%02x.%x %04x:%04x %04x:%04x%s", i,
				number_of(device, "slot"), number_of(device, "function"),
				number_of(id, "vendor"), number_of(id, "device"),
				number_of(id, "subsystem-vendor"), number_of(id, "subsystem"),
				regions);
		}
	json_decref(buses);
	return rc;
}

/* ---- devices that QEMU was told of, wherever they are ---- */

struct devices {
	char lines[DEVICES_MAX][LINE_SIZE];
	unsigned n;
	bool too_many;
};

/* What makes two of one type look different to the guest. */
static int put_kind(struct telling *t, char *line, const char *path)
{
	static const char *const names[] = {"disable-modern", "disable-legacy"};
	int rc = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++) {
		size_t used = strlen(line);
		json_t *value;

		rc = ask_property(t, path, names[i], &value);
		if (json_is_string(value))
			snprintf(line + used, LINE_SIZE - used, " %s=%s", names[i],
				json_string_value(value));
		else if (json_is_boolean(value))
			snprintf(line + used, LINE_SIZE - used, " %s=%s", names[i],
				json_is_true(value) ? "on" : "off");
		json_decref(value);
	}
	return rc;
}

/* A child's type is "child<virtio-net-pci>". CPUs that were plugged in are children too, and have
 * been told. */
static int list_device(
	struct telling *t, struct devices *d, const char *parent, const json_t *child)
{
	const char *name = json_string_value(json_object_get(child, "name"));
	const char *type = json_string_value(json_object_get(child, "type"));
	char *line, path[LINE_SIZE];
	int bytes;

	if (!name || !type || strncmp(type, "child<", 6))
		return 0;
	type += 6;
	bytes = (int)strcspn(type, ">");
	if (bytes >= 4 && !strncmp(type + bytes - 4, "-cpu", 4))
		return 0;
	d->too_many |= d->n == DEVICES_MAX;
	if (d->too_many)
		return 0;
	line = d->lines[d->n++];
	snprintf(path, sizeof(path), "%s/%s", parent, name);
	snprintf(line, LINE_SIZE, "device %.*s", bytes, type);
	return put_kind(t, line, path);
}

static int list_devices(struct telling *t, struct devices *d, const char *parent)
{
	const json_t *child;
	json_t *children;
	size_t i;
	int rc = ask(t, "qom-list", json_pack("{s:s}", "path", parent), &children);

	json_array_foreach (children, i, child) {
		if (rc < 0 || d->too_many)
			break;
		rc = list_device(t, d, parent, child);
	}
	json_decref(children);
	return rc;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In an order that is theirs, whatever their names are. */
static int add_devices(struct telling *t)
{
	struct devices d = {.n = 0};
	int rc = list_devices(t, &d, "/machine/peripheral");

	if (rc == 0)
		rc = list_devices(t, &d, "/machine/peripheral-anon");
	if (d.too_many)
		return rc;
	qsort(d.lines, d.n, sizeof(d.lines[0]), by_text);
	for (unsigned i = 0; i < d.n; i++)
		add_line(t, "%s", d.lines[i]);
	return rc;
}

int machine_describe(struct qmp *qmp, unsigned timeout_ms, char *text, struct nic_error *err)
{
	struct telling t = {.qmp = qmp,
		.end_ns = in_ms(timeout_ms),
		.timeout_ms = timeout_ms,
		.err = err,
		.text = text};
	int rc;

	text[0] = '\0';
	add_line(&t, "format %d", FORMAT);
	rc = add_type(&t, "/machine", "machine");
	if (rc == 0)
		rc = add_cpus(&t);
	if (rc == 0)
		rc = add_pci(&t);
	if (rc == 0)
		rc = add_devices(&t);
	return rc;
}
