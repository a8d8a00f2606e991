/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of `renicctl top`; see top_rates.h. */
#include <string.h>

#include "top_rates.h"

/* Growth of a counter per second, times `scale`; null when it cannot be told. */
static json_t *rate(
	const json_t *before, const json_t *now, const char *name, double seconds, double scale)
{
	json_int_t a = json_integer_value(json_object_get(before, name));
	json_int_t b = json_integer_value(json_object_get(now, name));

	if (!before || b < a || seconds <= 0)
		return json_null();
	return json_real((double)(b - a) * scale / seconds);
}

static json_int_t drops_of(const json_t *stats)
{
	json_int_t sum = 0;
	const char *reason;
	json_t *count;

	json_object_foreach (json_object_get(stats, "drops"), reason, count)
		sum += json_integer_value(count);
	return sum;
}

static json_t *drop_rate(const json_t *before, const json_t *now, double seconds)
{
	json_int_t drops = drops_of(now) - drops_of(before);

	if (!before || drops < 0 || seconds <= 0)
		return json_null();
	return json_real((double)drops / seconds);
}

/* The counters of the same VF in the look before: the same name and id, so not a new VF of an
 * old name. */
static const json_t *stats_before(const json_t *before, const json_t *vf)
{
	const json_t *vfs = json_object_get(before, "vfs");

	for (size_t i = 0; i < json_array_size(vfs); i++) {
		const json_t *entry = json_array_get(vfs, i), *old = json_object_get(entry, "vf");

		if (json_equal(json_object_get(old, "name"), json_object_get(vf, "name")) &&
			json_equal(json_object_get(old, "id"), json_object_get(vf, "id")))
			return json_object_get(entry, "stats");
	}
	return NULL;
}

static json_t *vf_row(const json_t *before, const json_t *entry, double seconds)
{
	static const char *const copied[] = {
		"name", "role", "suspended", "epoch", "held_pkts", "held_bytes", "held_age_us"};
	const json_t *vf = json_object_get(entry, "vf"), *stats = json_object_get(entry, "stats");
	const json_t *old = stats_before(before, vf);
	json_t *row = json_object();

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		json_object_set(row, copied[i], json_object_get(vf, copied[i]));
	json_object_set_new(row, "tx_pps", rate(old, stats, "tx_pkts", seconds, 1));
	json_object_set_new(row, "tx_mbps", rate(old, stats, "tx_bytes", seconds, 8e-6));
	json_object_set_new(row, "rx_pps", rate(old, stats, "rx_pkts", seconds, 1));
	json_object_set_new(row, "rx_mbps", rate(old, stats, "rx_bytes", seconds, 8e-6));
	json_object_set_new(row, "drops_ps", drop_rate(old, stats, seconds));
	return row;
}

static json_t *totals_of(const json_t *rows)
{
	json_int_t protected = 0, pkts = 0, bytes = 0;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *role = json_string_value(json_object_get(row, "role"));

		protected += role && !strcmp(role, "protected");
		pkts += json_integer_value(json_object_get(row, "held_pkts"));
		bytes += json_integer_value(json_object_get(row, "held_bytes"));
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "vfs", (json_int_t)json_array_size(rows),
		"protected", protected, "held_pkts", pkts, "held_bytes", bytes);
}

static json_t *uplink_row(const json_t *before, const json_t *uplink, double seconds)
{
	const json_t *old = json_object_get(before, "uplink");
	const char *link = json_string_value(json_object_get(uplink, "link"));

	if (!json_is_true(json_object_get(uplink, "present")))
		link = "none";
	return json_pack("{s:s, s:o, s:o}", "link", link ? link : "unknown", "tx_pps",
		rate(old, uplink, "tx_pkts", seconds, 1), "rx_pps",
		rate(old, uplink, "rx_pkts", seconds, 1));
}

json_t *top_rates(const json_t *before, const json_t *now, double seconds)
{
	const json_t *vfs = json_object_get(now, "vfs");
	json_t *rows = json_array();

	for (size_t i = 0; i < json_array_size(vfs); i++)
		json_array_append_new(rows, vf_row(before, json_array_get(vfs, i), seconds));
	return json_pack("{s:o, s:o, s:o}", "vfs", rows, "totals", totals_of(rows), "uplink",
		uplink_row(before, json_object_get(now, "uplink"), seconds));
}
