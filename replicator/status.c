/* SPDX-License-Identifier: BSD-3-Clause */
/* What status shows: as JSON, as OpenMetrics text, for people. The tables below say what there is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

static const struct {
	const char *name, *unit, *help;
	size_t offset;
} histograms[] = {
	{"pause_us", "us", "how long the VMs stood still for a checkpoint",
		offsetof(struct role_stats, pause_us)},
	{"pause_vm_us", "us", "of it: pausing the VMs", offsetof(struct role_stats, pause_vm_us)},
	{"begin_us", "us", "of it: renicd's checkpoint_begin",
		offsetof(struct role_stats, begin_us)},
	{"state_us", "us", "of it: device state", offsetof(struct role_stats, state_us)},
	{"scan_us", "us", "of it: finding dirty pages", offsetof(struct role_stats, scan_us)},
	{"copy_us", "us", "of it: copying them", offsetof(struct role_stats, copy_us)},
	{"resume_us", "us", "of it: checkpoint_resume and the VMs",
		offsetof(struct role_stats, resume_us)},
	{"dirty_pages", "pages", "pages copied in a checkpoint",
		offsetof(struct role_stats, pages)},
	{"epoch_bytes", "bytes", "sent for a checkpoint", offsetof(struct role_stats, bytes)},
	{"ack_us", "us", "from the VMs' resume to the acknowledgement",
		offsetof(struct role_stats, ack_us)},
	{"held_pkts", "frames", "frames held at the end of an epoch",
		offsetof(struct role_stats, held_pkts)},
};

static const struct {
	const char *name, *help;
	size_t offset;
} counters[] = {
	{"checkpoints", "checkpoints taken (standby: held)",
		offsetof(struct role_stats, checkpoints)},
	{"aborted", "checkpoints given up", offsetof(struct role_stats, aborted)},
	{"overflowed", "checkpoints that outgrew the staging buffer",
		offsetof(struct role_stats, overflowed)},
	{"kept_open", "ticks without a checkpoint: too many not acknowledged",
		offsetof(struct role_stats, kept_open)},
	{"held_left_out_bytes", "of held frames that did not go along: there was no room",
		offsetof(struct role_stats, held_left_out_bytes)},
	{"reconnects", "connections after the first", offsetof(struct role_stats, reconnects)},
	{"bytes_sent", "bytes sent to the standby", offsetof(struct role_stats, bytes_sent)},
	{"bytes_received", "bytes received from the primary",
		offsetof(struct role_stats, bytes_received)},
};

static const char *const kind_names[PAGE_KINDS] = {"zero", "raw", "lz4", "xor"};

enum {
	HISTOGRAMS = sizeof(histograms) / sizeof(histograms[0]),
	COUNTERS = sizeof(counters) / sizeof(counters[0])
};

static const struct histogram *histogram_at(const struct role_stats *s, unsigned i)
{
	return (const struct histogram *)((const char *)s + histograms[i].offset);
}

static uint64_t counter_at(const struct role_stats *s, unsigned i)
{
	return *(const uint64_t *)((const char *)s + counters[i].offset);
}

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *stats_json(const struct role_stats *s)
{
	json_t *stats = json_object(), *pages = json_object();

	for (unsigned i = 0; i < COUNTERS; i++)
		json_object_set_new(stats, counters[i].name, integer(counter_at(s, i)));
	for (unsigned i = 0; i < HISTOGRAMS; i++) {
		const struct histogram *h = histogram_at(s, i);

		json_object_set_new(stats, histograms[i].name,
			json_pack("{s:o s:o s:o s:o}", "p50", integer(histogram_percentile(h, 50)),
				"p90", integer(histogram_percentile(h, 90)), "p99",
				integer(histogram_percentile(h, 99)), "max", integer(h->max)));
	}
	for (unsigned i = 0; i < PAGE_KINDS; i++)
		json_object_set_new(pages, kind_names[i], integer(s->encoded.kinds[i]));
	json_object_set_new(stats, "pages_sent", pages);
	json_object_set_new(stats, "page_bytes_sent", integer(s->encoded.bytes));
	json_object_set_new(stats, "failover_us", integer(s->failover_us));
	return stats;
}

json_t *status_json(const struct remus_config *config, const struct role_status *s)
{
	json_t *vms = json_array();

	for (unsigned i = 0; i < s->n_vms; i++)
		json_array_append_new(
			vms, json_pack("{s:s s:s s:s s:o}", "name", s->vms[i].name, "driver",
				     s->vms[i].driver, "engine", s->vms[i].engine, "ram_bytes",
				     integer(s->vms[i].ram_bytes)));
	return json_pack(
		"{s:s s:s s:s s:s s:b s:s s:o s:o s:o s:o s:i s:{s:i s:o s:o} s:o s:o s:o s:o}",
		"side", s->side == REMUS_PRIMARY ? "primary" : "standby", "group", config->group,
		"state", s->state ? s->state : "starting", "peer", s->peer, "connected",
		s->connected, "error", s->error, "term", integer(s->term), "epoch",
		integer(s->epoch), "acked_epoch", integer(s->acked), "committed_epoch",
		integer(s->committed), "in_flight", (int)s->in_flight, "sync", "round",
		(int)s->sync_round, "pages", integer(s->sync_pages), "left", integer(s->sync_left),
		"held_pkts", integer(s->held_pkts), "held_bytes", integer(s->held_bytes), "vms",
		vms, "stats", stats_json(&s->stats));
}

/* ---- OpenMetrics ---- */

static void print_histogram(FILE *f, const char *group, const struct histogram *h, unsigned i)
{
	static const double quantiles[] = {0.5, 0.9, 0.99, 1};

	fprintf(f, "# TYPE renic_remus_%s summary\n# HELP renic_remus_%s %s (%s)\n",
		histograms[i].name, histograms[i].name, histograms[i].help, histograms[i].unit);
	for (unsigned q = 0; q < 4; q++)
		fprintf(f, "renic_remus_%s{group=\"%s\",quantile=\"%g\"} %" PRIu64 "\n",
			histograms[i].name, group, quantiles[q],
			histogram_percentile(h, quantiles[q] * 100));
	fprintf(f, "renic_remus_%s_count{group=\"%s\"} %" PRIu64 "\n", histograms[i].name, group,
		h->count);
}

static void print_gauge(
	FILE *f, const char *group, const char *name, const char *help, uint64_t value)
{
	fprintf(f,
		"# TYPE renic_remus_%s gauge\n# HELP renic_remus_%s %s\n"
		"renic_remus_%s{group=\"%s\"} %" PRIu64 "\n",
		name, name, help, name, group, value);
}

char *status_metrics(const struct remus_config *config, const struct role_status *s)
{
	const char *g = config->group;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f,
		"# TYPE renic_remus info\n# HELP renic_remus side and state\n"
		"renic_remus_info{group=\"%s\",side=\"%s\",state=\"%s\"} 1\n",
		g, s->side == REMUS_PRIMARY ? "primary" : "standby",
		s->state ? s->state : "starting");
	print_gauge(f, g, "connected", "1: the other side is there", s->connected);
	print_gauge(f, g, "term", "term of the group", s->term);
	print_gauge(f, g, "epoch", "last epoch sealed (standby: held)", s->epoch);
	print_gauge(f, g, "acked_epoch", "last epoch that the standby holds", s->acked);
	print_gauge(f, g, "sync_pages_left", "pages of the first copy still to go", s->sync_left);
	print_gauge(f, g, "held_frames", "frames held at the last checkpoint", s->held_pkts);
	print_gauge(f, g, "failover_us", "decision to running VM, microseconds; 0: none",
		s->stats.failover_us);
	for (unsigned i = 0; i < COUNTERS; i++)
		fprintf(f,
			"# TYPE renic_remus_%s counter\n# HELP renic_remus_%s %s\n"
			"renic_remus_%s_total{group=\"%s\"} %" PRIu64 "\n",
			counters[i].name, counters[i].name, counters[i].help, counters[i].name, g,
			counter_at(&s->stats, i));
	fprintf(f,
		"# TYPE renic_remus_pages counter\n# HELP renic_remus_pages pages sent, by form\n");
	for (unsigned i = 0; i < PAGE_KINDS; i++)
		fprintf(f, "renic_remus_pages_total{group=\"%s\",form=\"%s\"} %" PRIu64 "\n", g,
			kind_names[i], s->stats.encoded.kinds[i]);
	for (unsigned i = 0; i < HISTOGRAMS; i++)
		print_histogram(f, g, histogram_at(&s->stats, i), i);
	fprintf(f, "# EOF\n");
	fclose(f);
	return text;
}

/* ---- for people ---- */

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *string(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

static void print_sync(const json_t *sync)
{
	json_int_t pages = number(sync, "pages"), left = number(sync, "left");

	if (number(sync, "round") && pages)
		printf("first copy  round %lld: %lld of %lld pages to go (%lld %%)\n",
			(long long)number(sync, "round"), (long long)left, (long long)pages,
			(long long)(100 * (pages - left) / pages));
}

void status_print(const json_t *s)
{
	const json_t *stats = json_object_get(s, "stats"), *vms = json_object_get(s, "vms");
	bool primary = !strcmp(string(s, "side"), "primary");
	const json_t *vm;
	size_t i;

	printf("side        %s of group %s\nstate       %s\n", string(s, "side"),
		string(s, "group"), string(s, "state"));
	printf("peer        %s, %s\n", string(s, "peer"),
		json_is_true(json_object_get(s, "connected")) ? "connected" : "not connected");
	if (string(s, "error")[0])
		printf("error       %s\n", string(s, "error"));
	printf("term        %lld\nepoch       %lld", (long long)number(s, "term"),
		(long long)number(s, "epoch"));
	if (primary)
		printf(", acknowledged %lld, committed %lld, %lld in flight",
			(long long)number(s, "acked_epoch"),
			(long long)number(s, "committed_epoch"), (long long)number(s, "in_flight"));
	printf("\n");
	print_sync(json_object_get(s, "sync"));
	json_array_foreach (vms, i, vm)
		printf("vm          %s: %s, %lld MiB%s%s\n", string(vm, "name"),
			string(vm, "driver"), (long long)number(vm, "ram_bytes") >> 20,
			string(vm, "engine")[0] ? ", dirty pages by " : "", string(vm, "engine"));
	printf("checkpoints %lld, %lld given up, %lld outgrew staging, %lld ticks skipped\n",
		(long long)number(stats, "checkpoints"), (long long)number(stats, "aborted"),
		(long long)number(stats, "overflowed"), (long long)number(stats, "kept_open"));
	if (number(stats, "failover_us"))
		printf("failover    %lld us\n", (long long)number(stats, "failover_us"));
	if (!primary)
		return;
	printf("\n%-12s %10s %10s %10s %10s\n", "", "p50", "p90", "p99", "max");
	for (i = 0; i < HISTOGRAMS; i++) {
		const json_t *h = json_object_get(stats, histograms[i].name);

		printf("%-12s %10lld %10lld %10lld %10lld  %s\n", histograms[i].name,
			(long long)number(h, "p50"), (long long)number(h, "p90"),
			(long long)number(h, "p99"), (long long)number(h, "max"),
			histograms[i].help);
	}
}
