/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: what a daemon must know of its VFs and groups to go on where one that was killed
 * stopped. A small mapped file in the run directory; a store to it survives kill -9, and needs no
 * system call. (It does not survive the host, and need not: the guests do not either.)
 *
 * An entry is kept twice, with a sequence number and a CRC32C: a put writes over the older copy,
 * so that whatever the instant of a crash, one copy is whole. What an entry says is written
 * before it takes effect on the lcores; recovery repeats what may not have happened (recover.c).
 *
 * Control thread. Without journal_open(), or after journal_freeze(), puts and drops do nothing.
 */
#ifndef RENICD_NIC_JOURNAL_H
#define RENICD_NIC_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "group.h"
#include "types.h"

struct journal_vf {
	struct vf_config config;
	uint64_t file_hash; /* of its entry in the config file; 0: none */
	uint64_t term;	    /* as in struct vf, and so the next two */
	uint64_t restored_term, restored_epoch;
};

struct journal_group {
	struct group_config config;
	uint64_t file_hash;
	bool lone;
};

/* What changes with every checkpoint. */
struct journal_fsm {
	struct group_fsm fsm;
	bool discard; /* unprotected: what was held is to be discarded, not released */
};

/* How journal_open() found things. */
enum journal_found {
	JOURNAL_NEW,	    /* there was none */
	JOURNAL_KEPT,	    /* of this boot of the host, whole: its entries can be read */
	JOURNAL_OTHER_BOOT, /* its guests died with the host: it is empty now */
};

/*
 * Open or make the file at path. log_instance ties it to the egress logs' file. RENIC_E_IO, or
 * RENIC_E_STATE when the file is damaged or of another version: err->message says what is wrong
 * with it; it is left as it was.
 */
int journal_open(const char *path, enum journal_found *found, struct nic_error *err);

/* The number that the log's file must have too; 0: there is no such file. */
uint64_t journal_log_instance(void);
void journal_set_log_instance(uint64_t instance);

/* The daemon ends: what is put or dropped from now on is not noted (the log's instance is). */
void journal_freeze(void);
void journal_close(void);

void journal_put_vf(uint16_t id, const struct journal_vf *vf);
void journal_drop_vf(uint16_t id);
/* false: no such entry. */
bool journal_get_vf(uint16_t id, struct journal_vf *vf);

/* slot: 0 .. GROUP_MAX-1. A group is there from the first put on; its fsm is put before it. */
void journal_put_group(uint16_t slot, const struct journal_group *group);
void journal_put_fsm(uint16_t slot, const struct journal_fsm *fsm);
void journal_drop_group(uint16_t slot);
bool journal_get_group(uint16_t slot, struct journal_group *group);
bool journal_get_fsm(uint16_t slot, struct journal_fsm *fsm);

/* A slot that no group has, or -1. */
int journal_free_slot(void);

#endif
