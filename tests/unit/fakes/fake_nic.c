/* SPDX-License-Identifier: BSD-3-Clause */
/* A device without DPDK; see fake_nic.h. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/version.h"
#include "fake_nic.h"
#include "log.h"
#include "nic/vf_settings.h"

enum { POSTED_MAX = 1024 };

struct fake_nic fake_nic;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nic_event posted[POSTED_MAX];
static unsigned n_posted;
static int event_fd = -1;
static void (*sink)(const struct nic_event *event, void *arg);
static void *sink_arg;

const char *const nic_event_names[EVENT_TYPES] = {
	[EVENT_VF_CREATED] = "vf_created",
	[EVENT_VF_DELETED] = "vf_deleted",
	[EVENT_FRONTEND_CONNECTED] = "frontend_connected",
	[EVENT_FRONTEND_RUNNING] = "frontend_running",
	[EVENT_FRONTEND_STOPPED] = "frontend_stopped",
	[EVENT_FRONTEND_DISCONNECTED] = "frontend_disconnected",
	[EVENT_FRONTEND_ERROR] = "frontend_error",
	[EVENT_UPLINK_UP] = "uplink_up",
	[EVENT_UPLINK_DOWN] = "uplink_down",
	[EVENT_GROUP_STATE] = "group_state",
	[EVENT_REPLICATOR_LOST] = "replicator_lost",
	[EVENT_LOG_HIGH_WATER] = "log_high_water",
	[EVENT_RING_STUCK] = "ring_stuck",
	[EVENT_DROPS] = "drops",
	[EVENT_CAPTURE_ENDED] = "capture_ended",
};

void fake_nic_reset(void)
{
	memset(&fake_nic, 0, sizeof(fake_nic));
	log_settings_clear();
	n_posted = 0;
	sink = NULL;
	if (event_fd >= 0)
		close(event_fd);
	event_fd = -1;
}

static void emit(enum nic_event_type type, const char *name, const char *detail)
{
	struct nic_event event = {.type = type};

	snprintf(event.name, sizeof(event.name), "%s", name);
	snprintf(event.detail, sizeof(event.detail), "%s", detail);
	if (sink)
		sink(&event, sink_arg);
}

void fake_nic_post(enum nic_event_type type, const char *name, const char *detail)
{
	pthread_mutex_lock(&lock);
	if (n_posted < POSTED_MAX) {
		struct nic_event *event = &posted[n_posted++];

		event->type = type;
		snprintf(event->name, sizeof(event->name), "%s", name);
		snprintf(event->detail, sizeof(event->detail), "%s", detail);
	}
	pthread_mutex_unlock(&lock);
	eventfd_write(nic_event_fd(), 1);
}

int nic_event_fd(void)
{
	pthread_mutex_lock(&lock);
	if (event_fd < 0)
		event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_unlock(&lock);
	return event_fd;
}

void nic_tick(void)
{
	eventfd_t count;
	unsigned i;

	eventfd_read(event_fd, &count);
	pthread_mutex_lock(&lock);
	for (i = 0; i < n_posted; i++)
		if (sink)
			sink(&posted[i], sink_arg);
	n_posted = 0;
	pthread_mutex_unlock(&lock);
	fake_nic.ticks++;
}

void nic_set_event_sink(void (*fn)(const struct nic_event *event, void *arg), void *arg)
{
	sink = fn;
	sink_arg = arg;
}

void nic_client_alive(uint64_t client)
{
	fake_nic.alive_calls++;
}

void nic_client_gone(uint64_t client)
{
	fake_nic.last_gone = client;
	fake_nic.gone_calls++;
}

/* ---- VFs ---- */

static struct vf_info *find_vf(const char *name, struct nic_error *err)
{
	unsigned i;

	for (i = 0; i < fake_nic.n_vfs; i++)
		if (strcmp(fake_nic.vfs[i].config.name, name) == 0)
			return &fake_nic.vfs[i];
	nic_fail(err, RENIC_E_NOT_FOUND, "name", "no VF %s", name);
	return NULL;
}

int nic_vf_create(const struct vf_config *config, struct nic_error *err)
{
	struct vf_info *vf = &fake_nic.vfs[fake_nic.n_vfs];

	if (find_vf(config->name, NULL))
		return nic_fail(err, RENIC_E_EXISTS, "name", "%s exists", config->name);
	if (fake_nic.n_vfs == VF_MAX)
		return nic_fail(err, RENIC_E_RESOURCES, "", "at most %d VFs", VF_MAX);
	if (strcmp(config->name, fake_nic.refused) == 0)
		return nic_fail(err, RENIC_E_IO, "socket", "the system says no");
	memset(vf, 0, sizeof(*vf));
	vf->config = *config;
	if (!vf->config.socket[0])
		snprintf(vf->config.socket, sizeof(vf->config.socket), "/run/x/%s.sock",
			config->name);
	vf->id = (uint16_t)fake_nic.n_vfs;
	vf->role = "unprotected";
	vf->term = 1;
	vf->n_queues = config->queues;
	fake_nic.n_vfs++;
	emit(EVENT_VF_CREATED, config->name, "");
	return 0;
}

int nic_vf_delete(const char *name, bool force, struct nic_error *err)
{
	struct vf_info *vf = find_vf(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	fake_nic.last_flag = force;
	*vf = fake_nic.vfs[--fake_nic.n_vfs];
	emit(EVENT_VF_DELETED, name, "");
	return 0;
}

int nic_vf_set(
	const char *name, const struct vf_config *values, unsigned mask, struct nic_error *err)
{
	struct vf_info *vf = find_vf(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	fake_nic.last_mask = mask;
	vf_settings_set(&vf->config, values, mask);
	return 0;
}

int nic_vf_get(const char *name, struct vf_info *info, struct nic_error *err)
{
	const struct vf_info *vf = find_vf(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	*info = *vf;
	return 0;
}

int nic_vf_reset(const char *name, struct nic_error *err)
{
	struct vf_info *vf = find_vf(name, err);

	if (!vf)
		return RENIC_E_NOT_FOUND;
	memset(&vf->counters, 0, sizeof(vf->counters));
	return 0;
}

void nic_vf_foreach(void (*visit)(const struct vf_info *info, void *arg), void *arg)
{
	unsigned i;

	if (fake_nic.list_takes_us)
		usleep(fake_nic.list_takes_us);
	for (i = 0; i < fake_nic.n_vfs; i++)
		visit(&fake_nic.vfs[i], arg);
}

int nic_egress_log_get(
	const char *name, struct log_extent *extents, int max, int *fd, struct nic_error *err)
{
	if (!find_vf(name, err))
		return RENIC_E_NOT_FOUND;
	*fd = memfd_create("log", MFD_CLOEXEC);
	if (*fd < 0 || write(*fd, name, strlen(name)) < 0)
		return nic_fail(err, RENIC_E_IO, "", "memfd: %s", strerror(errno));
	extents[0] = (struct log_extent){0, 64, 2097152, 100};
	extents[1] = (struct log_extent){1, 0, 4194304, 7};
	return 2;
}

/* ---- captures ---- */

int nic_capture_start(
	const struct capture_config *config, struct capture_info *info, struct nic_error *err)
{
	if (!find_vf(config->vf, err))
		return RENIC_E_NOT_FOUND;
	if (fake_nic.capture.config.vf[0])
		return nic_fail(err, RENIC_E_EXISTS, "name", "there is one");
	fake_nic.capture = (struct capture_info){.config = *config, .state = "running"};
	snprintf(fake_nic.capture.path, sizeof(fake_nic.capture.path), "/run/x/%s",
		config->file[0] ? config->file : "default");
	*info = fake_nic.capture;
	return 0;
}

int nic_capture_stop(const char *vf, struct capture_info *info, struct nic_error *err)
{
	if (strcmp(fake_nic.capture.config.vf, vf))
		return nic_fail(err, RENIC_E_NOT_FOUND, "name", "no capture of %s", vf);
	*info = fake_nic.capture;
	memset(&fake_nic.capture, 0, sizeof(fake_nic.capture));
	return 0;
}

void nic_capture_foreach(void (*visit)(const struct capture_info *info, void *arg), void *arg)
{
	if (fake_nic.capture.config.vf[0])
		visit(&fake_nic.capture, arg);
}

/* ---- groups ---- */

static struct group_info *find_group(const char *name, struct nic_error *err)
{
	unsigned i;

	for (i = 0; i < fake_nic.n_groups; i++)
		if (strcmp(fake_nic.groups[i].config.name, name) == 0)
			return &fake_nic.groups[i];
	nic_fail(err, RENIC_E_NOT_FOUND, "group", "no group %s", name);
	return NULL;
}

/* Groups of one VF of these give way. */
static void drop_lone(const struct group_config *members)
{
	for (unsigned g = fake_nic.n_groups; g-- > 0;)
		for (uint16_t i = 0; i < members->n_vfs; i++)
			if (fake_nic.groups[g].lone &&
				!strcmp(fake_nic.groups[g].config.name, members->vfs[i])) {
				fake_nic.groups[g] = fake_nic.groups[--fake_nic.n_groups];
				break;
			}
}

int nic_group_create(const struct group_config *config, struct nic_error *err)
{
	struct group_info *group = &fake_nic.groups[fake_nic.n_groups];
	uint16_t i;

	if (find_group(config->name, NULL))
		return nic_fail(err, RENIC_E_EXISTS, "name", "%s exists", config->name);
	for (i = 0; i < config->n_vfs; i++)
		if (!find_vf(config->vfs[i], err))
			return RENIC_E_NOT_FOUND;
	if (strcmp(config->name, fake_nic.refused) == 0)
		return nic_fail(err, RENIC_E_IO, "", "the system says no");
	if (fake_nic.n_groups == FAKE_GROUPS_MAX)
		return nic_fail(err, RENIC_E_RESOURCES, "", "at most %d groups", FAKE_GROUPS_MAX);
	drop_lone(config);
	group = &fake_nic.groups[fake_nic.n_groups];
	memset(group, 0, sizeof(*group));
	group->config = *config;
	group->state = "unprotected";
	group->term = 1;
	group->replicator = "none";
	fake_nic.n_groups++;
	return 0;
}

int nic_group_delete(const char *name, struct nic_error *err)
{
	struct group_info *group = find_group(name, err);

	if (!group)
		return RENIC_E_NOT_FOUND;
	*group = fake_nic.groups[--fake_nic.n_groups];
	return 0;
}

int nic_group_set(
	const char *name, const struct group_config *values, unsigned mask, struct nic_error *err)
{
	struct group_info *group = find_group(name, err);

	if (!group)
		return RENIC_E_NOT_FOUND;
	fake_nic.last_mask = mask;
	if (mask & GROUP_SET_INTERNAL)
		group->config.internal_pass = values->internal_pass;
	if (mask & GROUP_SET_TIMEOUT)
		group->config.replicator_timeout_ms = values->replicator_timeout_ms;
	if (mask & GROUP_SET_POLICY)
		group->config.on_replicator_lost = values->on_replicator_lost;
	return 0;
}

int nic_group_lone(const struct group_config *config, struct nic_error *err)
{
	if (!find_group(config->name, NULL)) {
		if (nic_group_create(config, err))
			return err->code;
		find_group(config->name, NULL)->lone = true;
	}
	return nic_group_set(config->name, config, GROUP_SET_ALL, err);
}

int nic_group_get(const char *name, struct group_info *info, struct nic_error *err)
{
	const struct group_info *group = find_group(name, err);

	if (!group)
		return RENIC_E_NOT_FOUND;
	*info = *group;
	return 0;
}

void nic_group_foreach(void (*visit)(const struct group_info *info, void *arg), void *arg)
{
	unsigned i;

	for (i = 0; i < fake_nic.n_groups; i++)
		visit(&fake_nic.groups[i], arg);
}

/* From one state to another, or RENIC_E_STATE. */
static struct group_info *move_group(
	const struct group_command *cmd, const char *from, const char *to, struct nic_error *err)
{
	const char *name = cmd->group;
	struct group_info *group = find_group(name, err);

	fake_nic.last_client = cmd->client;
	fake_nic.last_term = cmd->term;
	if (!group)
		return NULL;
	if (strcmp(group->state, from) != 0) {
		nic_fail(err, RENIC_E_STATE, "group", "%s is %s", name, group->state);
		if (err)
			snprintf(err->state, sizeof(err->state), "%s", group->state);
		return NULL;
	}
	group->state = to;
	emit(EVENT_GROUP_STATE, name, to);
	return group;
}

int nic_protection_start(const struct group_command *cmd, struct nic_error *err)
{
	struct group_info *group = move_group(cmd, "unprotected", "protected", err);

	if (!group)
		return err->code;
	group->epoch = 1;
	group->replicator = "connected";
	return 0;
}

int nic_protection_stop(const struct group_command *cmd, bool discard, struct nic_error *err)
{
	fake_nic.last_flag = discard;
	return move_group(cmd, "protected", "unprotected", err) ? 0 : err->code;
}

int nic_checkpoint_begin(
	const struct group_command *cmd, struct checkpoint_info *info, struct nic_error *err)
{
	struct group_info *group = move_group(cmd, "protected", "suspended", err);

	if (!group)
		return err->code;
	*info = (struct checkpoint_info){1, group->epoch++, 11, 1100, 5};
	return 0;
}

int nic_checkpoint_prepare(
	const struct group_command *cmd, struct checkpoint_info *info, struct nic_error *err)
{
	*info = (struct checkpoint_info){.epoch = 1};
	return move_group(cmd, "protected", "protected", err) ? 0 : err->code;
}

int nic_checkpoint_resume(const struct group_command *cmd, struct nic_error *err)
{
	return move_group(cmd, "suspended", "protected", err) ? 0 : err->code;
}

int nic_checkpoint_abort(const struct group_command *cmd, struct nic_error *err)
{
	return move_group(cmd, "suspended", "protected", err) ? 0 : err->code;
}

int nic_checkpoint_commit(const struct group_command *cmd, uint64_t epoch, struct nic_error *err)
{
	struct group_info *group = find_group(cmd->group, err);

	fake_nic.last_client = cmd->client;
	fake_nic.last_term = cmd->term;
	if (!group)
		return RENIC_E_NOT_FOUND;
	if (epoch >= group->epoch)
		return nic_fail(err, RENIC_E_PARAMS, "epoch", "epoch %llu is not sealed",
			(unsigned long long)epoch);
	group->committed_epoch = epoch;
	return 0;
}

void nic_checkpoint_rehearse(const char *name,
	void (*visit)(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg),
	void *arg)
{
	nic_checkpoint_foreach(name, visit, arg);
}

void nic_checkpoint_foreach(const char *name,
	void (*visit)(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg),
	void *arg)
{
	const struct group_info *group = find_group(name, NULL);

	for (unsigned i = 0; group && i < group->config.n_vfs; i++) {
		const struct checkpoint_vf place = {.snapshot = {i * 65536ull, 700 + i}};

		visit(find_vf(group->config.vfs[i], NULL), &place, arg);
	}
}

void nic_vf_addresses(const char *name, struct renic_snapshot *s)
{
	s->n_ipv4 = 1;
	memcpy(s->ipv4[0], (uint8_t[4]){10, 0, 0, 7}, 4);
}

int nic_checkpoint_fd(struct nic_error *err)
{
	int fd = memfd_create("area", MFD_CLOEXEC);

	return fd < 0 ? nic_fail(err, RENIC_E_IO, "", "memfd: %s", strerror(errno)) : fd;
}

int nic_standby_start(const struct group_command *cmd, struct nic_error *err)
{
	return move_group(cmd, "unprotected", "standby", err) ? 0 : err->code;
}

int nic_standby_stop(const struct group_command *cmd, struct nic_error *err)
{
	return move_group(cmd, "standby", "unprotected", err) ? 0 : err->code;
}

int nic_activate(const struct group_command *cmd, struct nic_error *err)
{
	return move_group(cmd, "standby", "unprotected", err) ? 0 : err->code;
}

int nic_standby_restore(const struct group_command *cmd, const struct standby_snapshot *snapshots,
	uint16_t n, struct nic_error *err)
{
	fake_nic.n_restored = n;
	snprintf(fake_nic.restored_vf, sizeof(fake_nic.restored_vf), "%s", snapshots[n - 1].vf);
	fake_nic.restored = *snapshots[n - 1].snapshot;
	return move_group(cmd, "standby", "standby", err) ? 0 : err->code;
}

int nic_vf_announce(const char *name, unsigned rounds, struct nic_error *err)
{
	fake_nic.rounds = rounds;
	return find_vf(name, err) ? 0 : RENIC_E_NOT_FOUND;
}

int nic_ingress_take(const char *name, struct ingress_chunk *chunk, struct nic_error *err)
{
	if (!find_vf(name, err))
		return RENIC_E_NOT_FOUND;
	chunk->pkts = fake_nic.ingress_bytes ? 1 : 0;
	chunk->bytes = fake_nic.ingress_bytes;
	chunk->left = 0;
	memcpy(chunk->records, fake_nic.ingress, fake_nic.ingress_bytes);
	fake_nic.ingress_bytes = 0;
	return 0;
}

int nic_ingress_give(const char *name, const uint8_t *records, uint32_t bytes, uint32_t *pkts,
	struct nic_error *err)
{
	if (!find_vf(name, err))
		return RENIC_E_NOT_FOUND;
	if (bytes > sizeof(fake_nic.ingress))
		return nic_fail(err, RENIC_E_RESOURCES, "frames", "no room");
	memcpy(fake_nic.ingress, records, bytes);
	fake_nic.ingress_bytes = bytes;
	*pkts = 1;
	return 0;
}

int nic_egress_load(const char *name, uint64_t term, const uint8_t *records, uint32_t bytes,
	uint32_t *pkts, struct nic_error *err)
{
	if (!find_vf(name, err))
		return RENIC_E_NOT_FOUND;
	*pkts = 1;
	return 0;
}

void nic_uplink_get(struct uplink_info *info)
{
	*info = fake_nic.uplink;
}

/* ---- what main.c and log.c have ---- */

const char *renicd_dpdk_version(void)
{
	return "DPDK 0.0.0";
}

bool log_type_exists(const char *pattern)
{
	return strcmp(pattern, "none") != 0;
}

int log_level_set(const char *module, const char *level)
{
	if (module && strcmp(module, "bad") == 0)
		return -EINVAL;
	if (!log_settings_has_room(module))
		return -ENOSPC;
	log_settings_record(module, level);
	snprintf(fake_nic.log_module, sizeof(fake_nic.log_module), "%s", module ? module : "");
	snprintf(fake_nic.log_level, sizeof(fake_nic.log_level), "%s", level);
	return 0;
}
