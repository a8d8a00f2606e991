/* SPDX-License-Identifier: BSD-3-Clause */
/* The local renicd; see daemon.h and docs/protocol.md. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <renic_snapshot.h>

#include "daemon.h"

enum { CALL_TIMEOUT_MS = 1000 };

static int fail(struct nic_error *err, const char *what, const struct renic_error *why)
{
	nic_fail(err, why->code, why->field, "renicd: %s: %.200s", what, why->message);
	memcpy(err->state, why->state, sizeof(err->state));
	return why->code;
}

bool daemon_is_lost(int code)
{
	return code == RENIC_E_CONNECT || code == RENIC_E_CLOSED || code == RENIC_E_PROTOCOL ||
	       code == RENIC_E_NO_ANSWER;
}

int daemon_call_ms(uint64_t renicd_timeout_ms)
{
	uint64_t part = renicd_timeout_ms / 5;

	return part > CALL_TIMEOUT_MS ? (int)part : CALL_TIMEOUT_MS;
}

int daemon_connect(struct daemon *d, struct nic_error *err)
{
	struct renic_error why;

	if (d->client)
		return 0;
	d->client = renic_connect(d->path, &why);
	if (!d->client)
		return fail(err, "connect", &why);
	renic_set_timeout_ms(d->client, d->timeout_ms ? d->timeout_ms : CALL_TIMEOUT_MS);
	renic_set_term(d->client, d->term);
	return 0;
}

void daemon_close(struct daemon *d)
{
	renic_close(d->client);
	d->client = NULL;
	if (d->area)
		munmap((void *)d->area, d->area_bytes);
	d->area = NULL;
	daemon_log_close(&d->log);
}

/* After a failed call: gone, or just a no. */
int daemon_done(struct daemon *d, int rc, const char *what, const struct renic_error *why,
	struct nic_error *err)
{
	if (!rc)
		return 0;
	if (daemon_is_lost(rc))
		daemon_close(d);
	return fail(err, what, why);
}

#define CALL(d, what, call)                                                                        \
	do {                                                                                       \
		struct renic_error why;                                                            \
		int rc_ = daemon_connect(d, err);                                                  \
                                                                                                   \
		return rc_ ? rc_ : daemon_done(d, call, what, &why, err);                          \
	} while (0)

/* A group's state out of group_get's answer, or that of activate. */
static void read_group(const json_t *json, struct daemon_group *group)
{
	const char *state = json_string_value(json_object_get(json, "state"));

	snprintf(group->state, sizeof(group->state), "%s", state ? state : "");
	group->term = (uint64_t)json_integer_value(json_object_get(json, "term"));
	group->committed_epoch =
		(uint64_t)json_integer_value(json_object_get(json, "committed_epoch"));
	group->held_pkts = (uint64_t)json_integer_value(json_object_get(json, "held_pkts"));
	group->held_bytes = (uint64_t)json_integer_value(json_object_get(json, "held_bytes"));
}

static int call_group(struct daemon *d, const char *method, json_t *params,
	struct daemon_group *group, struct nic_error *err)
{
	struct renic_error why;
	json_t *result = NULL;
	int rc = daemon_connect(d, err);

	if (rc) {
		json_decref(params);
		return rc;
	}
	rc = renic_call(d->client, method, params, &result, &why);
	if (!rc)
		read_group(result, group);
	json_decref(result);
	return daemon_done(d, rc, method, &why, err);
}

/* Its name may be that of a lone VF: then there may be no group of that name yet. */
int daemon_group(struct daemon *d, struct daemon_group *group, struct nic_error *err)
{
	int rc = call_group(d, "group_get", json_pack("{s:s}", "name", d->group), group, err);
	struct renic_error why;
	json_t *vf = NULL;

	if (rc != RENIC_E_NOT_FOUND)
		return rc;
	rc = renic_call(d->client, "vf_get", json_pack("{s:s}", "name", d->group), &vf, &why);
	if (!rc) {
		const char *role = json_string_value(json_object_get(vf, "role"));

		read_group(vf, group);
		snprintf(group->state, sizeof(group->state), "%s", role ? role : "");
	}
	json_decref(vf);
	return daemon_done(d, rc, "vf_get", &why, err);
}

int daemon_protect(struct daemon *d, struct nic_error *err)
{
	CALL(d, "protection_start", renic_protection_start(d->client, d->group, &why));
}

int daemon_unprotect(struct daemon *d, bool discard, struct nic_error *err)
{
	CALL(d, "protection_stop",
		renic_protection_stop(d->client, d->group,
			discard ? RENIC_HELD_DISCARD : RENIC_HELD_RELEASE, &why));
}

/* One of before there was this call does without. */
int daemon_prepare(struct daemon *d, struct nic_error *err)
{
	struct renic_error why;
	int rc = daemon_connect(d, err);

	if (rc)
		return rc;
	rc = renic_checkpoint_prepare(d->client, d->group, &why);
	return rc == RENIC_E_METHOD ? 0 : daemon_done(d, rc, "checkpoint_prepare", &why, err);
}

int daemon_resume(struct daemon *d, struct nic_error *err)
{
	CALL(d, "checkpoint_resume", renic_checkpoint_resume(d->client, d->group, &why));
}

int daemon_abort(struct daemon *d, struct nic_error *err)
{
	CALL(d, "checkpoint_abort", renic_checkpoint_abort(d->client, d->group, &why));
}

int daemon_commit(struct daemon *d, uint64_t epoch, struct nic_error *err)
{
	CALL(d, "checkpoint_commit", renic_checkpoint_commit(d->client, d->group, epoch, &why));
}

static int map_area(struct daemon *d, int fd, struct nic_error *err)
{
	struct stat st;
	void *area;

	if (d->area || fd < 0)
		return d->area ? 0 : nic_fail(err, RENIC_E_IO, "", "renicd sent no area");
	if (fstat(fd, &st))
		return nic_fail(err, RENIC_E_IO, "", "renicd's checkpoint area: no file");
	area = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		return nic_fail(err, RENIC_E_RESOURCES, "", "renicd's checkpoint area: no mapping");
	d->area = area;
	d->area_bytes = (size_t)st.st_size;
	return 0;
}

/* Nothing that the daemon says may lead out of the mapping. */
static bool in_area(const struct daemon *d, uint64_t offset, uint64_t bytes)
{
	return offset % sizeof(uint64_t) == 0 && offset <= d->area_bytes &&
	       bytes <= d->area_bytes - offset;
}

static int begun(struct daemon *d, int fd, struct nic_error *err)
{
	int rc = map_area(d, fd, err);

	for (size_t i = 0; i < d->n_vfs && !rc; i++) {
		const struct renic_checkpoint_vf *vf = &d->vfs[i];

		if (!in_area(d, vf->snapshot_offset, vf->snapshot_bytes) ||
			!in_area(d, vf->dirty_offset, vf->dirty_bytes) ||
			vf->snapshot_bytes > RENIC_SNAPSHOT_MAX_BYTES)
			rc = nic_fail(err, RENIC_E_PROTOCOL, "",
				"renicd: VF \"%s\" lies outside of the checkpoint area", vf->name);
	}
	return rc;
}

int daemon_begin(struct daemon *d, struct nic_error *err)
{
	struct renic_error why;
	int fd = -1, rc = daemon_connect(d, err);

	if (rc)
		return rc;
	d->n_vfs = VF_MAX;
	rc = renic_checkpoint_begin_vfs(
		d->client, d->group, &d->checkpoint, d->vfs, &d->n_vfs, d->area ? NULL : &fd, &why);
	if (rc)
		return daemon_done(d, rc, "checkpoint_begin", &why, err);
	rc = begun(d, fd, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

const struct renic_checkpoint_vf *daemon_vf(const struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->n_vfs; i++)
		if (!strcmp(d->vfs[i].name, name))
			return &d->vfs[i];
	return NULL;
}

static json_t *group_params(const struct daemon *d)
{
	json_t *params = json_pack("{s:s}", "group", d->group);

	if (d->term)
		json_object_set_new(params, "term", json_integer((json_int_t)d->term));
	return params;
}

int daemon_standby_start(struct daemon *d, struct nic_error *err)
{
	struct daemon_group group;

	return call_group(d, "standby_start", group_params(d), &group, err);
}

int daemon_restore(
	struct daemon *d, const struct daemon_snapshot *snapshots, size_t n, struct nic_error *err)
{
	char text[RENIC_BASE64_SIZE(RENIC_SNAPSHOT_MAX_BYTES)];
	json_t *params = group_params(d), *list = json_array();
	struct daemon_group group;

	for (size_t i = 0; i < n; i++) {
		renic_base64_encode(snapshots[i].bytes, snapshots[i].n, text, sizeof(text));
		json_array_append_new(
			list, json_pack("{s:s s:s}", "name", snapshots[i].vf, "snapshot", text));
	}
	json_object_set_new(params, "snapshots", list);
	return call_group(d, "standby_restore", params, &group, err);
}

int daemon_activate(struct daemon *d, uint64_t *term, struct nic_error *err)
{
	struct daemon_group group;
	int rc = call_group(d, "activate", group_params(d), &group, err);

	if (!rc)
		*term = group.term;
	return rc;
}
