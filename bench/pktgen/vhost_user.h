/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front-end's side of vhost-user (docs/interop/vhost-user.rst in QEMU), as far as a guest
 * with one queue pair and one memory region needs it: set up once, torn down once.
 */
#ifndef PKTGEN_VHOST_USER_H
#define PKTGEN_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vhost_user_ring {
	uint16_t size; /* descriptors */
	const void *desc, *avail, *used;
	int kick_fd, call_fd;
};

struct vhost_user_setup {
	void *memory; /* shared; guest-physical address 0 is its start */
	size_t memory_bytes;
	int memory_fd;
	uint64_t features;		 /* wanted, if the back-end offers them */
	uint64_t features_needed;	 /* of those: refuse without */
	struct vhost_user_ring rings[2]; /* 0: the guest receives, 1: it sends */
};

/* Connect to a back-end that listens at path, or wait (timeout_ms) for one to connect there.
 * Returns the connection, or -errno. */
int vhost_user_connect(const char *path);
int vhost_user_accept(const char *path, int timeout_ms);

/* Negotiate and start both rings. *features: what was agreed. 0, or -errno with *why set. */
int vhost_user_start(
	int fd, const struct vhost_user_setup *setup, uint64_t *features, const char **why);

/* Stop both rings; the back-end does not touch the memory any more. Closes fd. */
void vhost_user_stop(int fd);

#endif
