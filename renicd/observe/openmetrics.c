/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OpenMetrics 1.0 text. A family is a row in a table: name, type, help, and where in the copied
 * structs its value lies. Families are written one after the other, each with all of its samples,
 * as the format wants it. Label values are names that the control plane has checked, so that
 * none needs escaping.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "control/version.h"
#include "openmetrics.h"
#include "renicd_version.h"

enum scale { AS_IT_IS, MICROSECONDS, FLAG };

struct family {
	const char *name; /* without the counter's _total */
	const char *type;
	const char *help;
	size_t offset;
	size_t size; /* of the number there */
	enum scale scale;
};

#define AT(type, field) offsetof(type, field), sizeof(((type *)0)->field)

static const struct family queue_families[] = {
	{"renicd_vf_tx_packets", "counter", "Frames taken from the guest",
		AT(struct vf_queue_info, counters.tx_pkts), AS_IT_IS},
	{"renicd_vf_tx_bytes", "counter", "Bytes taken from the guest",
		AT(struct vf_queue_info, counters.tx_bytes), AS_IT_IS},
	{"renicd_vf_rx_packets", "counter", "Frames given to the guest",
		AT(struct vf_queue_info, counters.rx_pkts), AS_IT_IS},
	{"renicd_vf_rx_bytes", "counter", "Bytes given to the guest",
		AT(struct vf_queue_info, counters.rx_bytes), AS_IT_IS},
	{"renicd_vf_released_packets", "counter", "Frames that left the egress log",
		AT(struct vf_queue_info, counters.released_pkts), AS_IT_IS},
	{"renicd_vf_exempt_packets", "counter", "Frames passed by hold_exempt or internal: pass",
		AT(struct vf_queue_info, counters.exempt_pkts), AS_IT_IS},
	{"renicd_vf_backpressure", "counter", "Times the guest's ring was left unread: log full",
		AT(struct vf_queue_info, counters.backpressure), AS_IT_IS},
	{"renicd_vf_stuck_rings", "counter", "Times a TX ring stood still on a bad descriptor",
		AT(struct vf_queue_info, counters.stuck_rings), AS_IT_IS},
	{"renicd_vf_queue_enabled", "gauge", "Both rings of the pair are enabled",
		AT(struct vf_queue_info, enabled), FLAG},
	{"renicd_vf_queue_held_packets", "gauge", "Frames in the queue's egress log",
		AT(struct vf_queue_info, held_pkts), AS_IT_IS},
	{"renicd_vf_queue_held_bytes", "gauge", "Bytes of frames in the queue's egress log",
		AT(struct vf_queue_info, held_bytes), AS_IT_IS},
};

static const struct family vf_families[] = {
	{"renicd_vf_frontend_errors", "counter", "Front-ends dropped for nonsense or a failure",
		AT(struct vf_info, frontend_errors), AS_IT_IS},
	{"renicd_vf_suspended", "gauge", "Between checkpoint_begin and checkpoint_resume",
		AT(struct vf_info, suspended), FLAG},
	{"renicd_vf_held_age_seconds", "gauge", "How long the oldest held frame has waited",
		AT(struct vf_info, held_age_us), MICROSECONDS},
	{"renicd_vf_ingress_held_packets", "gauge", "Frames that wait for the guest",
		AT(struct vf_info, ingress_held_pkts), AS_IT_IS},
};

static const struct family group_families[] = {
	{"renicd_group_term", "gauge", "Grows with each activation", AT(struct group_info, term),
		AS_IT_IS},
	{"renicd_group_epoch", "gauge", "The open epoch; 0 while unprotected",
		AT(struct group_info, epoch), AS_IT_IS},
	{"renicd_group_committed_epoch", "gauge", "The last epoch that was committed",
		AT(struct group_info, committed_epoch), AS_IT_IS},
	{"renicd_group_sealed_epochs", "gauge", "Epochs sealed and not committed",
		AT(struct group_info, sealed_epochs), AS_IT_IS},
	{"renicd_group_held_packets", "gauge", "Frames held by all its VFs",
		AT(struct group_info, held_pkts), AS_IT_IS},
	{"renicd_group_held_bytes", "gauge", "Bytes held by all its VFs",
		AT(struct group_info, held_bytes), AS_IT_IS},
	{"renicd_group_held_age_seconds", "gauge", "How long the oldest held frame has waited",
		AT(struct group_info, held_age_us), MICROSECONDS},
};

static const struct family uplink_families[] = {
	{"renicd_uplink_up", "gauge", "The link is up", AT(struct uplink_info, up), FLAG},
	{"renicd_uplink_rx_packets", "counter", "Frames from the wire",
		AT(struct uplink_info, rx_pkts), AS_IT_IS},
	{"renicd_uplink_rx_bytes", "counter", "Bytes from the wire",
		AT(struct uplink_info, rx_bytes), AS_IT_IS},
	{"renicd_uplink_tx_packets", "counter", "Frames to the wire",
		AT(struct uplink_info, tx_pkts), AS_IT_IS},
	{"renicd_uplink_tx_bytes", "counter", "Bytes to the wire", AT(struct uplink_info, tx_bytes),
		AS_IT_IS},
	{"renicd_uplink_refused", "counter", "Times a burst was not taken whole",
		AT(struct uplink_info, refused), AS_IT_IS},
};

/* Those whose samples no row can say. */
static const struct family build_family = {
	.name = "renicd_build",
	.type = "info",
	.help = "Versions of renicd and DPDK",
};
static const struct family vf_info_family = {
	.name = "renicd_vf",
	.type = "info",
	.help = "A VF's MAC, group, role and front-end",
};
static const struct family vf_drops_family = {
	.name = "renicd_vf_dropped_packets",
	.type = "counter",
	.help = "Frames dropped, by reason",
};
static const struct family uplink_drops_family = {
	.name = "renicd_uplink_dropped_packets",
	.type = "counter",
	.help = "Frames from the wire dropped, by reason",
};
static const struct family state_family = {
	.name = "renicd_group_state",
	.type = "stateset",
	.help = "The group's state",
};
static const struct family replicator_family = {
	.name = "renicd_group_replicator",
	.type = "stateset",
	.help = "The connection that drives the group",
};
static const struct family held_family = {
	.name = "renicd_group_held_seconds",
	.type = "histogram",
	.help = "Time from a held frame's append to its release",
};

static const char *const states[] = {"unprotected", "protected", "suspended", "standby"};
static const char *const replicators[] = {"none", "connected", "lost"};
static const char *const frontends[] = {
	[FRONTEND_NONE] = "none",
	[FRONTEND_CONNECTED] = "connected",
	[FRONTEND_RUNNING] = "running",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void head(FILE *out, const struct family *f)
{
	const char *unit = strrchr(f->name, '_') + 1;

	fprintf(out, "# TYPE %s %s\n", f->name, f->type);
	if (!strcmp(unit, "seconds") || !strcmp(unit, "bytes"))
		fprintf(out, "# UNIT %s %s\n", f->name, unit);
	fprintf(out, "# HELP %s %s\n", f->name, f->help);
}

static uint64_t number_at(const struct family *f, const void *object)
{
	const char *at = (const char *)object + f->offset;
	uint64_t wide = 0;

	memcpy(&wide, at, f->size); /* little-endian, as DPDK's x86 */
	return wide;
}

/* Behind the name and its labels. */
static void value(FILE *out, const struct family *f, const void *object)
{
	uint64_t n = number_at(f, object);

	if (f->scale == MICROSECONDS)
		fprintf(out, " %" PRIu64 ".%06" PRIu64 "\n", n / 1000000, n % 1000000);
	else
		fprintf(out, " %" PRIu64 "\n", f->scale == FLAG ? (uint64_t)(n != 0) : n);
}

static const char *suffix(const struct family *f)
{
	return strcmp(f->type, "counter") ? "" : "_total";
}

static void write_queues(FILE *out, const struct view *view, const struct family *f)
{
	head(out, f);
	for (unsigned i = 0; i < view->n_vfs; i++) {
		const struct vf_info *vf = &view->vfs[i];

		for (uint16_t q = 0; q < vf->n_queues; q++) {
			fprintf(out, "%s%s{vf=\"%s\",queue=\"%u\"}", f->name, suffix(f),
				vf->config.name, q);
			value(out, f, &vf->queues[q]);
		}
	}
}

static void write_vfs(FILE *out, const struct view *view, const struct family *f)
{
	head(out, f);
	for (unsigned i = 0; i < view->n_vfs; i++) {
		fprintf(out, "%s%s{vf=\"%s\"}", f->name, suffix(f), view->vfs[i].config.name);
		value(out, f, &view->vfs[i]);
	}
}

static void write_groups(FILE *out, const struct view *view, const struct family *f)
{
	head(out, f);
	for (unsigned i = 0; i < view->n_groups; i++) {
		fprintf(out, "%s%s{group=\"%s\"}", f->name, suffix(f), view->groups[i].config.name);
		value(out, f, &view->groups[i]);
	}
}

static void write_uplink(FILE *out, const struct view *view, const struct family *f)
{
	head(out, f);
	if (!view->uplink.present)
		return;
	fprintf(out, "%s%s", f->name, suffix(f));
	value(out, f, &view->uplink);
}

static void write_build(FILE *out)
{
	head(out, &build_family);
	fprintf(out, "renicd_build_info{version=\"%s\",dpdk=\"%s\"} 1\n", RENICD_VERSION,
		renicd_dpdk_version());
}

static void write_vf_info(FILE *out, const struct view *view)
{
	head(out, &vf_info_family);
	for (unsigned i = 0; i < view->n_vfs; i++) {
		const struct vf_info *vf = &view->vfs[i];
		const uint8_t *mac = vf->config.mac;

		fprintf(out,
			"renicd_vf_info{vf=\"%s\",mac=\"%02x:%02x:%02x:%02x:%02x:%02x\","
			"group=\"%s\",role=\"%s\",frontend=\"%s\"} 1\n",
			vf->config.name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], vf->group,
			vf->role, frontends[vf->frontend]);
	}
}

static void write_vf_drops(FILE *out, const struct view *view)
{
	head(out, &vf_drops_family);
	for (unsigned i = 0; i < view->n_vfs; i++)
		for (int r = 0; r < DROP_REASONS; r++)
			fprintf(out, "%s_total{vf=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
				vf_drops_family.name, view->vfs[i].config.name, drop_descs[r].name,
				view->vfs[i].counters.drops[r]);
}

static void write_uplink_drops(FILE *out, const struct view *view)
{
	head(out, &uplink_drops_family);
	for (int r = 0; view->uplink.present && r < DROP_REASONS; r++)
		fprintf(out, "%s_total{reason=\"%s\"} %" PRIu64 "\n", uplink_drops_family.name,
			drop_descs[r].name, view->uplink.drops[r]);
}

/* One of `words` is the case. */
static void write_state(FILE *out, const struct family *f, const char *group,
	const char *const *words, size_t n, const char *now)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s{group=\"%s\",%s=\"%s\"} %d\n", f->name, group, f->name, words[i],
			!strcmp(words[i], now));
}

static void write_states(FILE *out, const struct view *view)
{
	head(out, &state_family);
	for (unsigned i = 0; i < view->n_groups; i++)
		write_state(out, &state_family, view->groups[i].config.name, states, COUNT(states),
			view->groups[i].state);
	head(out, &replicator_family);
	for (unsigned i = 0; i < view->n_groups; i++)
		write_state(out, &replicator_family, view->groups[i].config.name, replicators,
			COUNT(replicators), view->groups[i].replicator);
}

/* A bound at each power of two of microseconds: every fourth of the histogram's. */
static void write_held_time(FILE *out, const char *group, const struct held_histogram *h)
{
	uint64_t below = 0;

	for (unsigned b = 0; b < HELD_BUCKETS; b++) {
		uint64_t end_us = held_bucket_end_us(b);

		below += h->pkts[b];
		if ((end_us & (end_us - 1)) == 0 && b + 1 < HELD_BUCKETS)
			fprintf(out,
				"%s_bucket{group=\"%s\",le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64
				"\n",
				held_family.name, group, end_us / 1000000, end_us % 1000000, below);
	}
	fprintf(out, "%s_bucket{group=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", held_family.name, group,
		below);
	fprintf(out, "%s_count{group=\"%s\"} %" PRIu64 "\n", held_family.name, group, below);
	fprintf(out, "%s_sum{group=\"%s\"} %" PRIu64 ".%06" PRIu64 "\n", held_family.name, group,
		h->sum_us / 1000000, h->sum_us % 1000000);
}

static void write_held_times(FILE *out, const struct view *view)
{
	head(out, &held_family);
	for (unsigned i = 0; i < view->n_groups; i++)
		write_held_time(out, view->groups[i].config.name, &view->groups[i].held_time);
}

void openmetrics_write(FILE *out, const struct view *view)
{
	write_build(out);
	write_vf_info(out, view);
	for (size_t i = 0; i < COUNT(queue_families); i++)
		write_queues(out, view, &queue_families[i]);
	write_vf_drops(out, view);
	for (size_t i = 0; i < COUNT(vf_families); i++)
		write_vfs(out, view, &vf_families[i]);
	write_states(out, view);
	for (size_t i = 0; i < COUNT(group_families); i++)
		write_groups(out, view, &group_families[i]);
	write_held_times(out, view);
	for (size_t i = 0; i < COUNT(uplink_families); i++)
		write_uplink(out, view, &uplink_families[i]);
	write_uplink_drops(out, view);
	fputs("# EOF\n", out);
}
