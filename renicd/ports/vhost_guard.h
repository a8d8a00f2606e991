/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands between a front-end's connection and librte_vhost. The library reads messages itself, so
 * its recvmsg() is ours: a message whose header or descriptors are wrong never reaches it. The
 * rest is looked at in pre_msg, with the whole payload (vhost_rules.h), and with what came with it:
 * files that can be mapped whole, on tmpfs or hugetlbfs (a page of another file system may take
 * as long as somebody likes), event descriptors that are some.
 *
 * librte_vhost's thread, but for init, fini and watch.
 */
#ifndef RENICD_PORTS_VHOST_GUARD_H
#define RENICD_PORTS_VHOST_GUARD_H

#include <sys/types.h>

#include "vhost_rules.h"

struct guest_memory;

struct vhost_guard {
	ino_t ino; /* atomic: of the connection's socket; 0: there is none */
	struct guest_memory *memory;
	struct vhost_rules rules;
	bool need_reply; /* of the message under way */
	dev_t log_dev;	 /* of SET_LOG_BASE's file */
	ino_t log_ino;
	uint64_t log_bytes;
	char why[VHOST_RULES_WHY_SIZE]; /* empty: nothing was refused */
};

/* 0 or -errno. */
int vhost_guard_init(struct vhost_guard *guard);
/* The library reads nothing of its any more. */
void vhost_guard_fini(struct vhost_guard *guard);

/* A connection begins, whose socket fd names; fd < 0: it is over. */
void vhost_guard_watch(struct vhost_guard *guard, int fd);

/* In pre_msg: may the library act on it? If not, what came with it is closed, and the message must
 * be refused. */
bool vhost_guard_admits(struct vhost_guard *guard, int vid, struct vhost_message *m);

/* In pre_msg, for a message that nobody is to act on: close what came with it. */
void vhost_guard_drop(void);

/* In post_msg, which comes only after success: note it. false: refuse it after all. */
bool vhost_guard_done(struct vhost_guard *guard, int vid, struct vhost_message *m);

#endif
