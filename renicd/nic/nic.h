/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device as its control plane sees it: VFs, protection groups, checkpoints, uplink.
 *
 * Every function here is for the one control thread; it asks the data lcores by message
 * (lcore/lcore.h) where their state is concerned. A function returns 0, or a negative
 * enum renic_error_code with *err filled (err may be NULL); an error has changed nothing.
 */
#ifndef RENICD_NIC_NIC_H
#define RENICD_NIC_NIC_H

#include "error.h"
#include "types.h"

/* ---- VFs ---- */

/* Defaults of struct vf_config; the caller then overlays what the operator gave. */
void vf_config_defaults(struct vf_config *config);

int nic_vf_create(const struct vf_config *config, struct nic_error *err);

/* Refused while the VF's group is protected, and, without force, while frames wait in its
 * egress log (RENIC_E_BUSY). */
int nic_vf_delete(const char *name, bool force, struct nic_error *err);

/* Changes the fields named in mask (enum vf_set_mask) under running traffic. */
int nic_vf_set(
	const char *name, const struct vf_config *values, unsigned mask, struct nic_error *err);

int nic_vf_get(const char *name, struct vf_info *info, struct nic_error *err);

/* Policy back to its defaults (MAC and identity stay), counters to zero. */
int nic_vf_reset(const char *name, struct nic_error *err);

/* Calls visit for each VF in order of creation. info is valid during the call. */
void nic_vf_foreach(void (*visit)(const struct vf_info *info, void *arg), void *arg);

/* ---- protection groups: design, "Checkpoint protocol" (Remus, NSDI'08, section 3) ----
 * Where a `group` is asked for, the name of a VF that is in no group serves too: it is then a
 * group of one. */

int nic_group_create(const struct group_config *config, struct nic_error *err);
int nic_group_delete(const char *name, struct nic_error *err);
int nic_group_set(
	const char *name, const struct group_config *values, unsigned mask, struct nic_error *err);
/* The group of one of the VF config->name, which is in no other, is there (again), with these
 * settings: so a nic_group_create that it gave way to is taken back. */
int nic_group_lone(const struct group_config *config, struct nic_error *err);
int nic_group_get(const char *name, struct group_info *info, struct nic_error *err);
void nic_group_foreach(void (*visit)(const struct group_info *info, void *arg), void *arg);

/* Who asks what of which group. */
struct group_command {
	const char *group;
	uint64_t client; /* token of the control connection; 0: none */
	uint64_t term;	 /* that the caller believes to be in; 0: it does not say */
};

/* Each of these refuses a term that is not the group's with RENIC_E_TERM; start may carry a larger
 * one, which the group then takes. */
int nic_protection_start(const struct group_command *cmd, struct nic_error *err);

/* discard: drop what is uncommitted (counted); else release it. */
int nic_protection_stop(const struct group_command *cmd, bool discard, struct nic_error *err);

/* Would checkpoint_begin be refused now? Nothing changes, nor does it make the caller the group's
 * replicator. */
int nic_checkpoint_prepare(
	const struct group_command *cmd, struct checkpoint_info *info, struct nic_error *err);
int nic_checkpoint_begin(
	const struct group_command *cmd, struct checkpoint_info *info, struct nic_error *err);
int nic_checkpoint_resume(const struct group_command *cmd, struct nic_error *err);
int nic_checkpoint_abort(const struct group_command *cmd, struct nic_error *err);
int nic_checkpoint_commit(const struct group_command *cmd, uint64_t epoch, struct nic_error *err);

struct renic_snapshot;

/* The work of nic_checkpoint_foreach() for a group that is not suspended yet, to no effect but
 * that what it reads is in the caches when it counts: visit() gets what is so now. */
void nic_checkpoint_rehearse(const char *group,
	void (*visit)(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg),
	void *arg);

/* Of each VF of a group that was just suspended: what it is now, and what was written of it into
 * the checkpoint area, which is valid until the group's next checkpoint_begin. */
void nic_checkpoint_foreach(const char *group,
	void (*visit)(const struct vf_info *info, const struct checkpoint_vf *vf, void *arg),
	void *arg);

/* The addresses that the VF's guest was seen to use, into the snapshot. */
void nic_vf_addresses(const char *name, struct renic_snapshot *s);

/* The checkpoint area's file, a new read-only descriptor that the caller closes; or an error. */
int nic_checkpoint_fd(struct nic_error *err);

/* ---- standby and failover: docs/protocol.md, "Failover" ---- */

/* Neither in nor out from now on. RENIC_E_BUSY while frames of the group wait to leave. May carry
 * a larger term. */
int nic_standby_start(const struct group_command *cmd, struct nic_error *err);

/* Back to `unprotected` in the same term. RENIC_E_EXISTS while another VF has a member's MAC. */
int nic_standby_stop(const struct group_command *cmd, struct nic_error *err);

struct standby_snapshot {
	const char *vf;
	const struct renic_snapshot *snapshot; /* has been decoded: its values are in range */
};

/*
 * Load a checkpoint's snapshots into a standby group, one for each member: policy, counters and
 * the guest's addresses; the group takes the snapshots' term. All of it is checked before anything
 * changes: RENIC_E_PARAMS where VFs or values do not fit, RENIC_E_UNSUPPORTED for rings that the VF
 * does not offer, RENIC_E_TERM for a snapshot of an older term.
 */
int nic_standby_restore(const struct group_command *cmd, const struct standby_snapshot *snapshots,
	uint16_t n, struct nic_error *err);

/* The standby takes over: the next term (or cmd's, where larger) begins, frames pass, the
 * addresses are announced. RENIC_E_EXISTS while another active VF has a member's MAC and VLAN. */
int nic_activate(const struct group_command *cmd, struct nic_error *err);

enum { ANNOUNCE_ROUNDS = 5, ANNOUNCE_ROUNDS_MAX = 100 };

/* Tell the network where the VF's guest is, in so many rounds. RENIC_E_STATE in standby. */
int nic_vf_announce(const char *name, unsigned rounds, struct nic_error *err);

/* ---- frames that wait for a guest that moves: docs/protocol.md, "Moving a guest" ---- */

enum { INGRESS_CHUNK_BYTES = 384 << 10 };

/* Frames as records: a length of 16 bits, little-endian, and the bytes. */
struct ingress_chunk {
	uint32_t pkts;
	uint32_t bytes; /* of records */
	uint32_t left;	/* frames that wait still */
	uint8_t records[INGRESS_CHUNK_BYTES];
};

/* Take what waits for the VF's guest, the oldest first, as much as a chunk holds. RENIC_E_STATE
 * while the guest's rings run: then nothing waits for long. */
int nic_ingress_take(const char *name, struct ingress_chunk *chunk, struct nic_error *err);

/* Let frames wait for the VF's guest, before those that do already; all of them or none. *pkts:
 * how many. RENIC_E_PARAMS for what is no chunk; RENIC_E_STATE while the rings run;
 * RENIC_E_RESOURCES: more than may wait (ingress_hold_pkts, mbufs). */
int nic_ingress_give(const char *name, const uint8_t *records, uint32_t bytes, uint32_t *pkts,
	struct nic_error *err);

/* A control connection said something / went away: the replicator's sign of life. */
void nic_client_alive(uint64_t client);
void nic_client_gone(uint64_t client);

/* ---- egress log as a file, for a replicator that copies held frames ---- */

/* One run of a VF's held records inside the log file. */
struct log_extent {
	uint16_t queue;
	uint64_t log_offset;  /* offset in the queue's log */
	uint64_t file_offset; /* where these bytes lie in the file */
	uint64_t bytes;
};

/* Fills at most max extents with what the VF holds now; *fd is a new read-only descriptor of
 * the log file that the caller closes. Returns the number of extents or a negative error. */
int nic_egress_log_get(
	const char *vf, struct log_extent *extents, int max, int *fd, struct nic_error *err);

/*
 * A standby takes what its primary had not sent: records in chunks of at most
 * EGRESS_CHUNK_BYTES, in each queue's order, which leave when it is activated. A record: the
 * queue (16 bits, little-endian), then as it is in the log (egress_log.h: header, offload
 * fields if flagged, bytes), without padding. nic_standby_restore() forgets what came before.
 * *pkts: how many. RENIC_E_PARAMS: no such records; RENIC_E_STATE: no standby; RENIC_E_TERM;
 * RENIC_E_RESOURCES: no room. On an error the VF has no frames at all.
 */
enum { EGRESS_CHUNK_BYTES = 384 << 10 };
int nic_egress_load(const char *name, uint64_t term, const uint8_t *records, uint32_t bytes,
	uint32_t *pkts, struct nic_error *err);

/* ---- captures ---- */

/* One at a time of a VF. RENIC_E_EXISTS: there is one, or the file is there already;
 * RENIC_E_PARAMS: the filter; RENIC_E_IO. */
int nic_capture_start(
	const struct capture_config *config, struct capture_info *info, struct nic_error *err);

/* Ends it and closes the file; *info: what it came to. */
int nic_capture_stop(const char *vf, struct capture_info *info, struct nic_error *err);
void nic_capture_foreach(void (*visit)(const struct capture_info *info, void *arg), void *arg);

/* ---- uplink ---- */

void nic_uplink_get(struct uplink_info *info);

/* ---- events ---- */

enum nic_event_type {
	EVENT_VF_CREATED,
	EVENT_VF_DELETED,
	EVENT_FRONTEND_CONNECTED,
	EVENT_FRONTEND_RUNNING,
	EVENT_FRONTEND_STOPPED,
	EVENT_FRONTEND_DISCONNECTED,
	EVENT_FRONTEND_ERROR,
	EVENT_UPLINK_UP,
	EVENT_UPLINK_DOWN,
	EVENT_GROUP_STATE,
	EVENT_REPLICATOR_LOST,
	EVENT_LOG_HIGH_WATER,
	EVENT_RING_STUCK,
	EVENT_DROPS,
	EVENT_CAPTURE_ENDED,
	EVENT_TYPES,
};

struct nic_event {
	enum nic_event_type type;
	char name[NIC_NAME_SIZE]; /* VF or group; empty for the uplink */
	char detail[128];	  /* for a person: new state, reason */
};

extern const char *const nic_event_names[EVENT_TYPES]; /* "vf_created", "frontend_running", … */

/* Where events go: called on the control thread. One sink, set once. */
void nic_set_event_sink(void (*sink)(const struct nic_event *event, void *arg), void *arg);

/* The control thread's timer: call about every 10 ms. Replicator timeouts, link state,
 * events from other threads. */
void nic_tick(void);

/* Readable when nic_tick() should run before its next 10 ms are over. May be called before the
 * device is there. */
int nic_event_fd(void);

#endif
