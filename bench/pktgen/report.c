/* SPDX-License-Identifier: BSD-3-Clause */
/* The report; see report.h. The text is made from the JSON, so that both say the same. */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "judge.h"
#include "report.h"

static const struct {
	const char *name;
	double percent;
} percentiles[] = {{"p50", 50}, {"p99", 99}, {"p99_9", 99.9}};

static double tsc_to_us(uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)rte_get_tsc_hz();
}

static void put_percentiles(json_t *to, const struct histogram *h, double scale)
{
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		json_object_set_new(to, percentiles[i].name,
			json_real((double)histogram_percentile(h, percentiles[i].percent) * scale));
	json_object_set_new(to, "max", json_real((double)h->max * scale));
	json_object_set_new(to, "count", json_integer((json_int_t)h->count));
}

static json_t *histogram_json(const struct histogram *h, double scale)
{
	json_t *to = json_object();

	put_percentiles(to, h, scale);
	return to;
}

static json_t *latency_json(const struct histogram *h)
{
	return histogram_json(h, tsc_to_us(1000000) / 1e6);
}

static json_t *stream_json(
	const struct field *field, const struct options *options, unsigned stream)
{
	const struct stream_in *in = &judge.streams[stream];
	const struct tracker *t = &in->tracker;
	uint64_t numbered = traffic_sent(field, stream);
	char name[80];

	snprintf(name, sizeof(name), stream < VFS_MAX ? "%s%u" : "far-end>%s%u", options->prefix,
		stream % VFS_MAX);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "stream", name,
		"sent", (json_int_t)numbered, "received", (json_int_t)t->received, "lost",
		(json_int_t)traffic_lost(options, t, numbered), "repeated", (json_int_t)t->repeated,
		"reordered", (json_int_t)t->reordered, "early", (json_int_t)t->early, "corrupt",
		(json_int_t)in->corrupt, "misdelivered", (json_int_t)in->misdelivered, "bytes",
		(json_int_t)in->bytes, "latency_us", latency_json(&in->latency_tsc));
}

static json_t *streams_json(
	const struct field *field, const struct options *options, struct histogram *all)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_in *in = &judge.streams[i];

		if (in->receiver == NO_RECEIVER)
			continue;
		json_array_append_new(list, stream_json(field, options, i));
		all->count += in->latency_tsc.count;
		if (in->latency_tsc.max > all->max)
			all->max = in->latency_tsc.max;
		for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
			all->buckets[b] += in->latency_tsc.buckets[b];
	}
	return list;
}

static json_t *search_json(const struct search *search, double best_pps)
{
	json_t *trials = json_array();

	for (unsigned i = 0; i < search->n_trials; i++)
		json_array_append_new(
			trials, json_pack("{s:f, s:b}", "rate_pps", search->trials[i].rate_pps,
					"passed", search->trials[i].passed));
	return json_pack("{s:f, s:o}", "best_pps", best_pps, "trials", trials);
}

static json_t *epochs_json(const struct daemon *d)
{
	return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "checkpoints",
		(json_int_t)d->checkpoints, "commits", (json_int_t)d->commits, "held_max_pkts",
		(json_int_t)d->held_max, "begin_us", histogram_json(&d->begin_ns, 1e-3),
		"daemon_begin_us", histogram_json(&d->daemon_begin_us, 1), "resume_us",
		histogram_json(&d->resume_ns, 1e-3), "commit_us",
		histogram_json(&d->commit_ns, 1e-3));
}

/* One row for every rule. */
static const struct {
	const char *name;
	size_t offset;
} rules[] = {
	{"lost", offsetof(struct run_result, lost)},
	{"repeated", offsetof(struct run_result, repeated)},
	{"reordered", offsetof(struct run_result, reordered)},
	{"early", offsetof(struct run_result, early)},
	{"corrupt", offsetof(struct run_result, corrupt)},
	{"misdelivered", offsetof(struct run_result, misdelivered)},
};

static uint64_t rule_count(const struct run_result *r, size_t i)
{
	return *(const uint64_t *)((const char *)r + rules[i].offset);
}

void report_broken(
	const struct options *options, const struct run_result *r, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && used < size; i++) {
		uint64_t n = rule_count(r, i), allowed = 0;

		if (!strcmp(rules[i].name, "lost"))
			allowed = options->allow_lost;
		if (!strcmp(rules[i].name, "repeated"))
			allowed = options->allow_repeated;
		if (n > allowed)
			used += (size_t)snprintf(text + used, size - used, "%s%s %lu",
				used ? ", " : "", rules[i].name, n);
	}
}

json_t *report_json(const struct field *field, const struct daemon *daemon,
	const struct options *options, const struct run_result *r, const struct search *search,
	double best_pps)
{
	static struct histogram all;
	char broken[256];
	json_t *report, *streams;

	memset(&all, 0, sizeof(all));
	streams = streams_json(field, options, &all);
	report_broken(options, r, broken, sizeof(broken));
	report = json_pack("{s:I, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:b, s:f, s:I}",
		"vfs", (json_int_t)options->vfs, "size", options->sizes_text, "seconds", r->seconds,
		"tx_pps", r->tx_pps, "tx_bps", r->tx_bps, "rx_pps", r->rx_pps, "rx_bps", r->rx_bps,
		"port_full", r->full, "sent", (json_int_t)r->sent, "received",
		(json_int_t)r->received, "judged", r->judged, "silence_us", r->silence_us,
		"foreign", (json_int_t)judge.foreign);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		json_object_set_new(
			report, rules[i].name, json_integer((json_int_t)rule_count(r, i)));
	json_object_set_new(report, "broken", json_string(broken));
	json_object_set_new(report, "latency_us", latency_json(&all));
	json_object_set_new(report, "streams", streams);
	if (r->have_counters)
		json_object_set_new(report, "daemon",
			json_pack("{s:f, s:f, s:I}", "taken_pps", r->taken_pps, "released_pps",
				r->released_pps, "drops", (json_int_t)r->drops));
	if (options->epoch_us)
		json_object_set_new(report, "epochs", epochs_json(daemon));
	if (search)
		json_object_set_new(report, "search", search_json(search, best_pps));
	return report;
}

/* ---- text ---- */

static double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static unsigned long whole(const json_t *object, const char *key)
{
	return (unsigned long)json_integer_value(json_object_get(object, key));
}

static void print_row(const json_t *row, const char *name)
{
	const json_t *latency = json_object_get(row, "latency_us");

	printf("%-12s %12lu %12lu %8lu %8lu %9lu %8lu %9.1f %9.1f %9.1f %9.1f\n", name,
		whole(row, "sent"), whole(row, "received"), whole(row, "lost"),
		whole(row, "repeated"), whole(row, "reordered"), whole(row, "early"),
		real(latency, "p50"), real(latency, "p99"), real(latency, "p99_9"),
		real(latency, "max"));
}

static void print_call(const json_t *epochs, const char *key, const char *what)
{
	const json_t *h = json_object_get(epochs, key);

	printf("  %-22s %9.1f us at the median, %9.1f at p99, %9.1f at most\n", what,
		real(h, "p50"), real(h, "p99"), real(h, "max"));
}

static void print_epochs(const json_t *epochs)
{
	printf("%lu checkpoints, %lu commits, at most %lu frames held\n",
		whole(epochs, "checkpoints"), whole(epochs, "commits"),
		whole(epochs, "held_max_pkts"));
	print_call(epochs, "begin_us", "checkpoint_begin");
	print_call(epochs, "resume_us", "checkpoint_resume");
	print_call(epochs, "commit_us", "checkpoint_commit");
}

static void print_search(const json_t *search)
{
	const json_t *trial;
	size_t i;

	json_array_foreach (json_object_get(search, "trials"), i, trial)
		printf("  trial at %9.3f kpps: %s\n", real(trial, "rate_pps") / 1e3,
			json_is_true(json_object_get(trial, "passed")) ? "passed" : "failed");
	printf("highest rate without loss: %.3f kpps\n", real(search, "best_pps") / 1e3);
}

void report_text(const json_t *report)
{
	const json_t *row, *daemon = json_object_get(report, "daemon");
	const char *broken = json_string_value(json_object_get(report, "broken"));
	size_t i;

	printf("%-12s %12s %12s %8s %8s %9s %8s %9s %9s %9s %9s\n", "stream", "sent", "received",
		"lost", "repeated", "reordered", "early", "p50 us", "p99 us", "p99.9 us", "max us");
	json_array_foreach (json_object_get(report, "streams"), i, row)
		print_row(row, json_string_value(json_object_get(row, "stream")));
	print_row(report, "all");
	printf("sent %.3f Mpps, %.3f Gb/s; received %.3f Mpps, %.3f Gb/s; port full in %.1f %% of "
	       "bursts; longest silence %.0f us\n",
		real(report, "tx_pps") / 1e6, real(report, "tx_bps") / 1e9,
		real(report, "rx_pps") / 1e6, real(report, "rx_bps") / 1e9,
		real(report, "port_full") * 100, real(report, "silence_us"));
	if (daemon)
		printf("daemon: took %.3f Mpps, released %.3f Mpps; %lu drops\n",
			real(daemon, "taken_pps") / 1e6, real(daemon, "released_pps") / 1e6,
			whole(daemon, "drops"));
	if (json_object_get(report, "epochs"))
		print_epochs(json_object_get(report, "epochs"));
	if (json_object_get(report, "search"))
		print_search(json_object_get(report, "search"));
	if (!json_is_true(json_object_get(report, "judged")))
		puts("nobody receives: what was sent is not judged (no --far-end)");
	else if (*broken)
		printf("rule broken: %s\n", broken);
	else
		puts("rule held: nothing lost, repeated, reordered, changed (stamp and length of "
		     "all, the whole of every 64th), misdelivered or early");
}

bool report_arrivals(const char *path)
{
	FILE *out = fopen(path, "we");

	if (!out)
		return false;
	for (unsigned i = 0; i < BINS; i++)
		if (judge.bins[i])
			fprintf(out, "%lu %u\n", (unsigned long)i * BIN_US, judge.bins[i]);
	return fclose(out) == 0;
}
