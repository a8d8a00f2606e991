/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of a run of checkpoints; see protect_stats.h. */
#include <inttypes.h>

#include "protect_stats.h"

void protect_stats_add(struct protect_stats *stats, const struct renic_checkpoint *checkpoint,
	uint64_t begin_us, uint64_t suspended_us)
{
	stats->sealed++;
	stats->last_epoch = checkpoint->epoch;
	if (checkpoint->held_pkts > stats->held_pkts_max)
		stats->held_pkts_max = checkpoint->held_pkts;
	if (checkpoint->held_bytes > stats->held_bytes_max)
		stats->held_bytes_max = checkpoint->held_bytes;
	histogram_add(&stats->begin_us, begin_us);
	histogram_add(&stats->suspended_us, suspended_us);
}

static json_t *percentiles(const struct histogram *h)
{
	return json_pack("{s:I, s:I, s:I}", "p50", (json_int_t)histogram_percentile(h, 50), "p99",
		(json_int_t)histogram_percentile(h, 99), "max", (json_int_t)h->max);
}

static void print_json(struct ctl *ctl, const char *group, const struct protect_stats *stats)
{
	json_t *summary = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
		"event", "summary", "group", group, "epochs_sealed", (json_int_t)stats->sealed,
		"epochs_committed", (json_int_t)stats->committed, "last_epoch",
		(json_int_t)stats->last_epoch, "ticks_late", (json_int_t)stats->late,
		"ticks_kept_open", (json_int_t)stats->kept_open, "held_pkts_max",
		(json_int_t)stats->held_pkts_max, "held_bytes_max",
		(json_int_t)stats->held_bytes_max, "begin_us", percentiles(&stats->begin_us),
		"suspended_us", percentiles(&stats->suspended_us));

	ctl_dump(ctl, summary, true);
	json_decref(summary);
}

static void print_percentiles(FILE *out, const char *title, const struct histogram *h)
{
	fprintf(out, "%-22s: p50 %" PRIu64 "  p99 %" PRIu64 "  max %" PRIu64 " us\n", title,
		histogram_percentile(h, 50), histogram_percentile(h, 99), h->max);
}

void protect_stats_print(struct ctl *ctl, const char *group, const struct protect_stats *stats)
{
	FILE *out = ctl->out;

	if (ctl->json) {
		print_json(ctl, group, stats);
		return;
	}
	fprintf(out, "%-22s: %" PRIu64 " sealed, %" PRIu64 " committed\n", "epochs", stats->sealed,
		stats->committed);
	print_percentiles(out, "checkpoint_begin", &stats->begin_us);
	print_percentiles(out, "begin to resume", &stats->suspended_us);
	fprintf(out, "%-22s: %" PRIu64 " frames, %" PRIu64 " bytes\n", "most held",
		stats->held_pkts_max, stats->held_bytes_max);
	fprintf(out, "%-22s: %" PRIu64 " missed, %" PRIu64 " with the epoch kept open\n", "ticks",
		stats->late, stats->kept_open);
}
