/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protection groups as sets of VFs: who belongs to which, looked up, created, deleted,
 * described. What a group does is in protection.c, what it may do in group.c. Control thread.
 */
#ifndef RENICD_NIC_GROUP_MEMBERS_H
#define RENICD_NIC_GROUP_MEMBERS_H

#include <sys/queue.h>

#include "group.h"
#include "vf.h"

enum replicator_state { REPLICATOR_NONE, REPLICATOR_CONNECTED, REPLICATOR_LOST };

struct group {
	TAILQ_ENTRY(group) next;
	struct group_config config;
	uint32_t id;	    /* never 0, never used again */
	bool lone;	    /* made because a VF was named as a group */
	uint16_t slot;	    /* in the journal */
	uint64_t file_hash; /* of its entry in the config file; 0: made over the control socket */
	struct group_fsm fsm;
	bool has_passed; /* frames that it holds may have been inside the group already */
	bool discard;	 /* how the last protection ended, or will */
	enum replicator_state replicator;
	uint64_t client;	/* control connection that drives it; 0: none */
	uint64_t last_alive_ns; /* CLOCK_MONOTONIC; when that connection last spoke */
	uint64_t give_up_ns;	/* after a restart: until when the replicator may come back; 0: - */
	bool is_late;		/* it was too late at the last tick */
	uint16_t n_vfs;
	struct vf *vfs[VF_MAX];
};

/* The group of that name, or NULL. */
struct group *group_find(const char *name);

/* The group of that name; NULL with *err. A lone VF that is named as a group is one from its
 * protection_start on: until then it is "unprotected". */
struct group *group_resolve(const char *name, struct nic_error *err);

/* As group_resolve(), but makes a group of one of a VF of that name: *made, if not NULL, says
 * whether it did. The caller frees what was made for a command that is refused after all. */
struct group *group_resolve_or_make(const char *name, bool *made, struct nic_error *err);

/* Is the VF free to be deleted? It must be in a group of one, and unprotected or a standby. */
int group_check_let_go(struct vf *vf, struct nic_error *err);

/* For the VF's policy; group may be NULL. */
uint32_t group_id(const struct group *group);
bool group_internal_pass(const struct group *group);

/* Role, epoch and group name of a VF. */
void group_describe_vf(const struct vf *vf, struct vf_info *info);

/* A standby VF that was just made becomes a group of one, in standby. 0 or an error. */
int group_make_standby(struct vf *vf, struct nic_error *err);

/* Event: the group's state is another one now. */
void group_post_state(const struct group *group);

/* Adds up what a group holds. */
void group_held(const struct group *group, uint64_t *pkts, uint64_t *bytes, uint64_t *age_us);

/* vf_info.c: the VF as nic_vf_get() has it. */
void vf_fill_info(struct vf *vf, struct vf_info *info);

/* vf_info.c: adds what a VF holds; *age_us becomes the larger one. */
void vf_held(const struct vf *vf, uint64_t *pkts, uint64_t *bytes, uint64_t *age_us);

/* Take a larger term (0: none), for the group and for each VF that outlives it. */
void group_take_term(struct group *group, uint64_t term);

void group_free(struct group *group);

/* Where a group comes from; all zero but slot: the control socket. */
struct group_origin {
	int slot;		     /* of the journal; -1: any free one */
	uint64_t file_hash;	     /* as in struct group */
	bool lone;		     /* as in struct group */
	const struct group_fsm *fsm; /* NULL: a new group's */
	bool discard;
};

/* As nic_group_create(), for an entry of the config file or of the journal too. */
int group_make(const struct group_config *config, const struct group_origin *origin,
	struct nic_error *err);

/* Note in the journal what has become of it: before the lcores carry it out. Its state and epochs;
 * or, with its configuration, all. */
void group_note(const struct group *group);
void group_note_all(const struct group *group);

#endif
