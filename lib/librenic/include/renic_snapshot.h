/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VF's snapshot: what a standby must know of it to take its place. Bytes to and from a struct;
 * no DPDK, no daemon, no allocation.
 *
 * Format, little-endian: magic "RENICSNP", u16 version, u16 compatible version (the oldest reader
 * version that understands it), u32 total length in bytes, u32 CRC32C of the 16 bytes before it;
 * then sections, each u32 type, u32 length of the payload in bytes, u32 CRC32C of type, length and
 * payload, payload. A section type with RENIC_SNAPSHOT_OPTIONAL set may be skipped by a reader
 * that does not know it; any other unknown type, an unknown compatible version, a section twice,
 * one missing, a wrong CRC, trailing bytes, a value out of range: refused, and *snapshot is
 * unchanged. A section never changes: what a later version adds is a section of its own.
 *
 * Any thread: no state is kept.
 */
#ifndef RENIC_SNAPSHOT_H
#define RENIC_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	RENIC_SNAPSHOT_VERSION = 3,
	RENIC_SNAPSHOT_QUEUES_MAX = 16,	  /* queue pairs */
	RENIC_SNAPSHOT_NAME_SIZE = 32,	  /* NUL included */
	RENIC_SNAPSHOT_FILTER_SIZE = 512, /* NUL included */
	RENIC_SNAPSHOT_TRUNKS_SIZE = 128, /* NUL included */
	RENIC_SNAPSHOT_MACS_MAX = 16,	  /* of a trusted guest beside the VF's own */
	RENIC_SNAPSHOT_ADDRS_MAX = 16,	  /* guest addresses of each family */
	RENIC_SNAPSHOT_DROPS_MAX = 32,	  /* drop reasons */
	RENIC_SNAPSHOT_MAX_BYTES = 8192,  /* an encoded snapshot is never longer */
};

#define RENIC_SNAPSHOT_OPTIONAL 0x80000000u

enum renic_role {
	RENIC_ROLE_UNPROTECTED,
	RENIC_ROLE_PROTECTED,
	RENIC_ROLE_STANDBY,
	RENIC_ROLES,
};

enum renic_link_state {
	RENIC_LINK_ENABLE, /* the guest's carrier is on */
	RENIC_LINK_DISABLE,
	RENIC_LINK_AUTO, /* as the uplink's */
	RENIC_LINK_STATES,
};

/* One ring of a queue pair. Indices as GET_VRING_BASE tells them (vhost-user.rst): split rings
 * 0..65535, packed rings 0..size-1 with a wrap counter beside (virtio 1.2, section 2.8.1). */
struct renic_snapshot_ring {
	uint32_t size; /* descriptors, at most 32768; 0: unknown, it never ran, and all is 0 */
	uint16_t avail_idx, used_idx;
	bool avail_wrap, used_wrap; /* split rings: false */
};

struct renic_snapshot_queue {
	bool enabled;
	struct renic_snapshot_ring rx, tx; /* rx: to the guest */
};

struct renic_snapshot {
	/* identity and config */
	char name[RENIC_SNAPSHOT_NAME_SIZE];
	char group[RENIC_SNAPSHOT_NAME_SIZE]; /* empty: a group of one */
	uint8_t mac[6];
	uint16_t vlan; /* 0 and 4095: none */
	uint16_t mtu;
	bool spoofchk, packed;
	uint32_t ingress_hold_pkts;
	char hold_exempt[RENIC_SNAPSHOT_FILTER_SIZE];
	/* policy (version 2); all zero: none, and what is written is a snapshot of version 1 */
	uint16_t qos;	   /* 0..7 */
	bool proto_8021ad; /* the port VLAN's tag; false: 802.1Q */
	bool trust, promisc;
	uint16_t link_state;		   /* enum renic_link_state */
	uint32_t max_tx_rate, min_tx_rate; /* Mbit/s; 0: none */
	char trunks[RENIC_SNAPSHOT_TRUNKS_SIZE];
	/* more policy (version 3), zero as above */
	bool allmulti;
	uint16_t n_macs; /* that the trusted guest uses beside the VF's own */
	uint8_t macs[RENIC_SNAPSHOT_MACS_MAX][6];
	/* role */
	enum renic_role role;
	uint64_t term;	/* 1..INT64_MAX, as JSON has it; so are epoch and counters */
	uint64_t epoch; /* that this checkpoint sealed; 0: none (unprotected) */
	/* negotiated virtio features and rings */
	uint64_t features;
	uint16_t n_queues; /* 1..RENIC_SNAPSHOT_QUEUES_MAX */
	struct renic_snapshot_queue queues[RENIC_SNAPSHOT_QUEUES_MAX];
	/* addresses that the guest was seen to use, network byte order: whom to announce */
	uint16_t n_ipv4, n_ipv6;
	uint8_t ipv4[RENIC_SNAPSHOT_ADDRS_MAX][4];
	uint8_t ipv6[RENIC_SNAPSHOT_ADDRS_MAX][16];
	/* counters, frames and bytes since the VF was created */
	uint64_t tx_pkts, tx_bytes, rx_pkts, rx_bytes, released_pkts, exempt_pkts, backpressure;
	uint16_t n_drops; /* in the order of vf_stats; a reader of fewer ignores the rest */
	uint64_t drops[RENIC_SNAPSHOT_DROPS_MAX];
};

/* VIRTIO_F_RING_PACKED: with this feature the rings are packed, else split. */
#define RENIC_FEATURE_PACKED (1ULL << 34)

/* What was wrong with a snapshot, as a sentence and as the field at fault ("magic", "version",
 * "length", "section", "crc", or a member's name). */
struct renic_snapshot_error {
	char field[32];
	char message[160];
};

/* Encode into buf; returns the bytes written, 0 when `size` is too small or a member is out of
 * range. RENIC_SNAPSHOT_MAX_BYTES are always enough. */
size_t renic_snapshot_encode(const struct renic_snapshot *snapshot, void *buf, size_t size);

/* Decode; 0 or -1 with *err (may be NULL) filled. */
int renic_snapshot_decode(const void *buf, size_t bytes, struct renic_snapshot *snapshot,
	struct renic_snapshot_error *err);

/* "enable", "disable", "auto"; NULL for any other number. */
const char *renic_link_state_name(unsigned state);

/* "unprotected", "protected", "standby"; NULL for any other number. */
const char *renic_role_name(enum renic_role role);

/* Is it a name of a VF or group: [A-Za-z0-9][A-Za-z0-9_.-]*, at most RENIC_SNAPSHOT_NAME_SIZE
 * with its NUL? */
bool renic_name_is_valid(const char name[RENIC_SNAPSHOT_NAME_SIZE]);

/* Why encoding refuses it: 0, or -1 with *err (may be NULL) filled. */
int renic_snapshot_check(const struct renic_snapshot *snapshot, struct renic_snapshot_error *err);

/* As a JSON object (a new reference; NULL: out of memory), with the names that vf_get uses. */
struct json_t;
struct json_t *renic_snapshot_json(const struct renic_snapshot *snapshot);

/* Base64 (RFC 4648, section 4) of n bytes: the string's length without NUL, or 0 when out is
 * smaller than RENIC_BASE64_SIZE(n). */
#define RENIC_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
size_t renic_base64_encode(const void *bytes, size_t n, char *out, size_t size);

/* Strict: no white space, right padding. Returns 0 with *n set, or -1 when it is no base64 or is
 * more than size bytes. */
int renic_base64_decode(const char *text, void *out, size_t size, size_t *n);

#ifdef __cplusplus
}
#endif

#endif
