/* SPDX-License-Identifier: BSD-3-Clause */
/* The generator's replicator: docs/protocol.md, "A checkpoint"; see daemon.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "daemon.h"
#include "judge.h"

enum { RUNNING_MS = 10000 };

static uint64_t us_to_tsc(uint64_t us)
{
	return us * (rte_get_tsc_hz() / 1000) / 1000;
}

static uint64_t tsc_to_ns(uint64_t tsc)
{
	return (uint64_t)((double)tsc * 1e9 / (double)rte_get_tsc_hz());
}

static void vf_name(const struct daemon *d, unsigned number, char name[64])
{
	snprintf(name, 64, "%.50s%u", d->options->prefix, number);
}

int daemon_connect(struct daemon *d, const struct options *options)
{
	d->options = options;
	d->sealed = calloc(IN_FLIGHT_MAX, sizeof(*d->sealed));
	if (!d->sealed)
		return RENIC_E_MEMORY;
	d->client = renic_connect(options->control, &d->error);
	return d->client ? 0 : d->error.code;
}

/* ---- VFs and their group ---- */

static int create_vf(
	struct daemon *d, const char *name, const uint8_t mac[6], const char *path, json_t **vf)
{
	char text[18];
	json_t *params;

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	params = json_pack("{s:s, s:s, s:s}", "name", name, "mac", text, "role",
		d->options->listen ? "client" : "server");
	if (*d->options->sockets)
		json_object_set_new(params, "socket", json_string(path));
	return renic_call(d->client, "vf_create", params, vf, &d->error);
}

int daemon_vf(struct daemon *d, unsigned number, const uint8_t mac[6], char *path)
{
	char name[64];
	json_t *vf = NULL;
	int error;

	vf_name(d, number, name);
	if (*d->options->sockets)
		snprintf(path, PATH_MAX, d->options->sockets, (int)number);
	error = renic_call(d->client, "vf_get", json_pack("{s:s}", "name", name), &vf, &d->error);
	if (error == RENIC_E_NOT_FOUND) {
		error = create_vf(d, name, mac, path, &vf);
		d->created[number] = !error;
	}
	if (!error)
		snprintf(path, PATH_MAX, "%s", json_string_value(json_object_get(vf, "socket")));
	json_decref(vf);
	return error;
}

static int is_running(struct daemon *d, unsigned number, bool *running)
{
	char name[64];
	json_t *vf = NULL;
	const char *state;
	int error;

	vf_name(d, number, name);
	error = renic_call(d->client, "vf_get", json_pack("{s:s}", "name", name), &vf, &d->error);
	state = json_string_value(json_object_get(vf, "frontend"));
	*running = state && !strcmp(state, "running");
	json_decref(vf);
	return error;
}

static int uplink_is_up(struct daemon *d, bool *up)
{
	json_t *uplink = NULL;
	const char *link;
	int error = renic_call(d->client, "uplink_get", NULL, &uplink, &d->error);

	link = json_string_value(json_object_get(uplink, "link"));
	*up = link && !strcmp(link, "up");
	json_decref(uplink);
	return error;
}

static int wait_for(struct daemon *d, unsigned number, const char *what)
{
	bool ready = false;

	for (int ms = 0; ms < RUNNING_MS; ms += 2) {
		int error =
			number < VFS_MAX ? is_running(d, number, &ready) : uplink_is_up(d, &ready);

		if (error || ready)
			return error;
		usleep(2000);
	}
	snprintf(
		d->error.message, sizeof(d->error.message), "%s %u does not come up", what, number);
	return d->error.code = RENIC_E_NO_ANSWER;
}

int daemon_wait_running(struct daemon *d)
{
	int error = 0;

	for (unsigned i = 0; i < d->options->vfs && !error; i++)
		error = wait_for(d, i, "guest");
	if (!error && *d->options->far_end)
		error = wait_for(d, VFS_MAX, "the uplink, asked by far end");
	return error;
}

static int make_group(struct daemon *d)
{
	json_t *members = json_array();
	char name[64];
	int error;

	vf_name(d, 0, d->group);
	if (d->options->vfs == 1 || d->made_group) {
		json_decref(members);
		if (d->made_group)
			snprintf(d->group, sizeof(d->group), "%s", d->options->prefix);
		return 0;
	}
	snprintf(d->group, sizeof(d->group), "%s", d->options->prefix);
	for (unsigned i = 0; i < d->options->vfs; i++) {
		vf_name(d, i, name);
		json_array_append_new(members, json_string(name));
	}
	error = renic_call(d->client, "group_create",
		json_pack("{s:s, s:o}", "name", d->group, "vfs", members), NULL, &d->error);
	d->made_group = !error;
	return error;
}

static void delete_all(struct daemon *d)
{
	char name[64];

	if (d->made_group)
		renic_call(d->client, "group_delete", json_pack("{s:s}", "name", d->group), NULL,
			NULL);
	for (unsigned i = 0; i < VFS_MAX; i++) {
		if (!d->created[i])
			continue;
		vf_name(d, i, name);
		renic_call(d->client, "vf_delete",
			json_pack("{s:s, s:b}", "name", name, "force", 1), NULL, NULL);
	}
}

void daemon_close(struct daemon *d)
{
	if (!d->client)
		return;
	if (d->protected)
		renic_protection_stop(d->client, d->group, RENIC_HELD_DISCARD, NULL);
	delete_all(d);
	renic_close(d->client);
	free(d->sealed);
}

/* ---- counters ---- */

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static int vf_counters(struct daemon *d, unsigned number, struct daemon_counters *sum)
{
	char name[64];
	const char *reason;
	json_t *stats = NULL, *count;
	int error;

	vf_name(d, number, name);
	error = renic_call(
		d->client, "vf_stats", json_pack("{s:s}", "name", name), &stats, &d->error);
	if (error)
		return error;
	sum->taken += number_of(stats, "tx_pkts");
	sum->released += number_of(stats, "released_pkts");
	json_object_foreach (json_object_get(stats, "drops"), reason, count)
		sum->drops += (uint64_t)json_integer_value(count);
	json_decref(stats);
	return 0;
}

int daemon_counters(struct daemon *d, struct daemon_counters *counters)
{
	int error = 0;

	*counters = (struct daemon_counters){0};
	for (unsigned i = 0; i < d->options->vfs && !error; i++)
		error = vf_counters(d, i, counters);
	return error;
}

/* ---- protection ---- */

/* How many frames of guest i the daemon has taken. */
static int taken(struct daemon *d, unsigned i, uint64_t *pkts)
{
	struct daemon_counters counters = {0};
	int error = vf_counters(d, i, &counters);

	*pkts = counters.taken;
	return error;
}

int daemon_protect(struct daemon *d, struct sender **guests)
{
	int error = make_group(d);

	d->guests = guests;
	for (unsigned i = 0; i < d->options->vfs && !error; i++) {
		error = taken(d, i, &d->taken_before[i]);
		d->taken_before[i] -= guests[i]->to[0].next_seq;
		judge.streams[i].tracker.allowed = guests[i]->to[0].next_seq;
	}
	if (!error)
		error = renic_protection_start(d->client, d->group, &d->error);
	d->protected = !error;
	d->sealed_head = d->sealed_tail = 0;
	d->next_tsc = rte_rdtsc() + us_to_tsc(d->options->epoch_us);
	return error;
}

int daemon_unprotect(struct daemon *d)
{
	bool discard = d->options->no_commit_after;
	int error = 0;

	/* What is still in a guest's ring then, since the log is full, is held by nobody. */
	for (unsigned i = 0; i < d->options->vfs && discard && !error; i++) {
		error = taken(d, i, &judge.streams[i].tracker.free_from);
		judge.streams[i].tracker.free_from -= d->taken_before[i];
	}
	if (error)
		return error;
	for (unsigned i = 0; i < d->options->vfs && !discard; i++)
		judge.streams[i].tracker.allowed = TRACKER_ALL;
	d->protected = false;
	return renic_protection_stop(
		d->client, d->group, discard ? RENIC_HELD_DISCARD : RENIC_HELD_RELEASE, &d->error);
}

/* The daemon is suspended: what it has taken now is the epoch, to the frame. */
static int note_boundaries(struct daemon *d, struct sealed *sealed)
{
	int error = 0;

	for (unsigned i = 0; i < d->options->vfs && !error; i++) {
		if (d->options->boundary == BOUNDARY_SENT) {
			sealed->boundary[i] = d->guests[i]->to[0].next_seq;
			continue;
		}
		error = taken(d, i, &sealed->boundary[i]);
		sealed->boundary[i] -= d->taken_before[i];
	}
	return error;
}

static int checkpoint(struct daemon *d)
{
	struct sealed *sealed = &d->sealed[d->sealed_tail % IN_FLIGHT_MAX];
	struct renic_checkpoint result;
	uint64_t start, resumed;
	int error = renic_checkpoint_prepare(d->client, d->group, &d->error);

	start = rte_rdtsc(); /* a VM would be paused from here on */
	if (!error)
		error = renic_checkpoint_begin(d->client, d->group, &result, &d->error);
	if (error)
		return error;
	histogram_add(&d->begin_ns, tsc_to_ns(rte_rdtsc() - start));
	histogram_add(&d->daemon_begin_us, result.duration_us);
	error = note_boundaries(d, sealed);
	start = rte_rdtsc();
	if (!error)
		error = renic_checkpoint_resume(d->client, d->group, &d->error);
	resumed = rte_rdtsc();
	histogram_add(&d->resume_ns, tsc_to_ns(resumed - start));
	sealed->epoch = result.epoch;
	sealed->due_tsc = resumed + us_to_tsc(d->options->commit_after_us);
	d->sealed_tail++;
	d->checkpoints++;
	if (result.held_pkts > d->held_max)
		d->held_max = result.held_pkts;
	return error;
}

static int commit(struct daemon *d)
{
	const struct sealed *sealed = &d->sealed[d->sealed_head++ % IN_FLIGHT_MAX];
	uint64_t start;
	int error;

	for (unsigned i = 0; i < d->options->vfs; i++)
		judge.streams[i].tracker.allowed = sealed->boundary[i];
	start = rte_rdtsc();
	error = renic_checkpoint_commit(d->client, d->group, sealed->epoch, &d->error);
	histogram_add(&d->commit_ns, tsc_to_ns(rte_rdtsc() - start));
	d->commits++;
	return error;
}

static bool may_commit(const struct daemon *d, uint64_t now_tsc)
{
	uint64_t last = d->options->no_commit_after;

	return d->sealed_head != d->sealed_tail && (!last || d->commits < last) &&
	       d->sealed[d->sealed_head % IN_FLIGHT_MAX].due_tsc <= now_tsc;
}

int daemon_poll(struct daemon *d, uint64_t now_tsc)
{
	int error = 0;

	if (!d->protected)
		return 0;
	if (now_tsc >= d->next_tsc && d->sealed_tail - d->sealed_head < IN_FLIGHT_MAX) {
		d->next_tsc = now_tsc + us_to_tsc(d->options->epoch_us);
		error = checkpoint(d);
		now_tsc = rte_rdtsc();
	}
	while (!error && may_commit(d, now_tsc))
		error = commit(d);
	return error;
}
