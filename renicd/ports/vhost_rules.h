/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a front-end may say, and when. librte_vhost 22.11 trusts its front-end in places: it takes
 * a payload for whole that was not sent, changes a running ring's size without looking where the
 * ring ends, forgets what it freed for a ring that stopped. So every message is checked here
 * before the library acts on it, against what has been set up so far. What is refused ends the
 * connection.
 *
 * Without DPDK and without state outside struct vhost_rules. librte_vhost's thread.
 * Sources: QEMU docs/interop/vhost-user.rst; virtio 1.2, sections 2.7 and 2.8.
 */
#ifndef RENICD_PORTS_VHOST_RULES_H
#define RENICD_PORTS_VHOST_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vhost_request {
	MSG_GET_FEATURES = 1,
	MSG_SET_FEATURES = 2,
	MSG_SET_OWNER = 3,
	MSG_RESET_OWNER = 4,
	MSG_SET_MEM_TABLE = 5,
	MSG_SET_LOG_BASE = 6,
	MSG_SET_LOG_FD = 7,
	MSG_SET_VRING_NUM = 8,
	MSG_SET_VRING_ADDR = 9,
	MSG_SET_VRING_BASE = 10,
	MSG_GET_VRING_BASE = 11,
	MSG_SET_VRING_KICK = 12,
	MSG_SET_VRING_CALL = 13,
	MSG_SET_VRING_ERR = 14,
	MSG_GET_PROTOCOL_FEATURES = 15,
	MSG_SET_PROTOCOL_FEATURES = 16,
	MSG_GET_QUEUE_NUM = 17,
	MSG_SET_VRING_ENABLE = 18,
	MSG_SEND_RARP = 19,
	MSG_NET_SET_MTU = 20,
	MSG_SET_STATUS = 39,
	MSG_GET_STATUS = 40,
};

enum {
	MSG_FLAG_VERSION_MASK = 3,
	MSG_FLAG_VERSION = 1,
	MSG_FLAG_REPLY = 1 << 2,
	MSG_FLAG_NEED_REPLY = 1 << 3,
	VHOST_RULES_REGIONS_MAX = 8,
	VHOST_RULES_RINGS_MAX = 32, /* 2 * VF_QPS_MAX */
	/* Librte_vhost keeps notes of a burst of 32 frames in as many places as a ring has. */
	VHOST_RULES_RING_MIN = 32,
	VHOST_RULES_RING_MAX = 1024, /* QEMU's. What a ring of nonsense takes grows with it */
	VHOST_RULES_WHY_SIZE = 96,
};

/* The protocol features that are offered. */
extern const uint64_t vhost_rules_protocol_features;

/* Largest guest, and largest dirty log, of one VF. */
#define VHOST_RULES_MEMORY_MAX (4ULL << 40)
#define VHOST_RULES_LOG_MAX (1ULL << 30)

struct vhost_region {
	uint64_t gpa, bytes, user_addr, file_offset;
};

/* A message as it comes over the socket. */
struct vhost_message {
	uint32_t request, flags, bytes;
	union {
		uint64_t u64;
		struct {
			uint32_t ring, value;
		} state;
		struct {
			uint32_t ring, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t n, padding;
			struct vhost_region regions[VHOST_RULES_REGIONS_MAX];
		} memory;
		struct {
			uint64_t bytes, offset;
		} log;
	};
} __attribute__((packed));

struct vhost_rules {
	uint64_t features;
	bool unserved; /* the library may have made rings that it throws away at SET_FEATURES */
	uint32_t n_regions;
	struct vhost_region regions[VHOST_RULES_REGIONS_MAX];
	struct vhost_rules_ring {
		uint32_t size; /* 0: not told since it stopped */
		uint32_t base;
		bool placed;
		uint64_t desc, used, avail;
	} rings[VHOST_RULES_RINGS_MAX];
};

/* A new connection. */
void vhost_rules_reset(struct vhost_rules *rules);

/* A message begins: is its header one, and do as many descriptors belong to it? false: *why says
 * what is wrong. SET_MEM_TABLE's number of descriptors is looked at later. */
bool vhost_rules_header(const struct vhost_message *m, unsigned n_fds, char *why);

/* May the library act on it? The header has been checked. */
bool vhost_rules_check(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why);

/* It has; with the answer in its payload, if it was a question. */
void vhost_rules_done(struct vhost_rules *rules, const struct vhost_message *m);

/* The ring that the message is about; another request's: VHOST_RULES_RINGS_MAX. */
uint32_t vhost_rules_ring_of(const struct vhost_message *m);

#endif
