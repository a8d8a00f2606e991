/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_rules.h. */
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vhost_rules.h"

enum {
	ONE_FD_AT_MOST = 1,
	REGION_FDS = 2,
	NOFD = 1 << 8,
	RING_OF_U64 = 0xff,
	BASE_MASK = 0x7fff, /* of a packed ring's base: without its wrap counter */
};

/* Multiple queues, shared log, RARP, acknowledged requests, MTU: what a front-end's live migration
 * and several queues need. Nothing by which it could have us wait for it (its own page faults, a
 * channel for our requests), or keep more (inflight buffers). No device status: it would cost two
 * round trips more each time that a front-end starts its rings, which is at the end of each
 * checkpoint's pause. */
const uint64_t vhost_rules_protocol_features =
	1ULL << 0 | 1ULL << 1 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4;

typedef bool (*check_fn)(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why);

static bool refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, VHOST_RULES_WHY_SIZE, format, args);
	va_end(args);
	return false;
}

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

/* ---- memory ---- */

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

static bool check_region(const struct vhost_region *r, unsigned number, uint64_t left, char *why)
{
	if (!r->bytes || r->bytes > left || r->file_offset > left - r->bytes)
		return refuse(why, "memory region %u: %#lx bytes at offset %#lx of its file",
			number, r->bytes, r->file_offset);
	if (!r->user_addr || r->user_addr + r->bytes < r->bytes || r->gpa + r->bytes < r->bytes)
		return refuse(why, "memory region %u: %#lx bytes at %#lx (%#lx for the guest)",
			number, r->bytes, r->user_addr, r->gpa);
	return true;
}

/* Are these bytes in one of the regions? */
static bool contains(
	const struct vhost_region *regions, uint32_t n, uint64_t user_addr, uint64_t bytes)
{
	for (uint32_t i = 0; i < n; i++)
		if (user_addr >= regions[i].user_addr && bytes <= regions[i].bytes &&
			user_addr - regions[i].user_addr <= regions[i].bytes - bytes)
			return true;
	return false;
}

struct ring_bytes {
	uint64_t desc, avail, used;
};

static struct ring_bytes ring_bytes(uint64_t features, uint64_t size)
{
	uint64_t event = has(features, VIRTIO_RING_F_EVENT_IDX) ? sizeof(uint16_t) : 0;

	if (has(features, VIRTIO_F_RING_PACKED))
		return (struct ring_bytes){size * sizeof(struct vring_packed_desc),
			sizeof(struct vring_packed_desc_event),
			sizeof(struct vring_packed_desc_event)};
	return (struct ring_bytes){size * sizeof(struct vring_desc),
		sizeof(struct vring_avail) + size * sizeof(uint16_t) + event,
		sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + event};
}

static bool ring_is_inside(const struct vhost_region *regions, uint32_t n, uint64_t features,
	const struct vhost_rules_ring *ring)
{
	struct ring_bytes bytes = ring_bytes(features, ring->size);

	return contains(regions, n, ring->desc, bytes.desc) &&
	       contains(regions, n, ring->avail, bytes.avail) &&
	       contains(regions, n, ring->used, bytes.used);
}

/* librte_vhost 22.11 copies an indirect table that lies in two regions, negotiated or not, and with
 * packed rings loses the copy when the table is nonsense. */
static bool tables_may_leak(uint64_t features, const struct vhost_region *r, uint32_t n)
{
	if (!has(features, VIRTIO_F_RING_PACKED))
		return false;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n; k++)
			if (r[i].gpa + r[i].bytes == r[k].gpa)
				return true;
	return false;
}

/* Where a ring ends, and what its entries are, follows from the features. */
static bool check_features(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	uint64_t changed = (rules->features ^ m->u64) & ~(1ULL << VHOST_F_LOG_ALL);

	for (unsigned i = 0; changed && i < VHOST_RULES_RINGS_MAX; i++)
		if (rules->rings[i].size)
			return refuse(
				why, "SET_FEATURES changes features while ring %u is set up", i);
	return !tables_may_leak(m->u64, rules->regions, rules->n_regions) ||
	       refuse(why, "packed rings, for memory regions that touch");
}

/* ---- memory ---- */

static bool check_memory(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	struct vhost_region r[VHOST_RULES_REGIONS_MAX];
	uint64_t left = VHOST_RULES_MEMORY_MAX;
	uint32_t n = m->memory.n;

	if (!n || n > VHOST_RULES_REGIONS_MAX || m->bytes != 8 + n * sizeof(*r))
		return refuse(why, "a memory table of %u regions in %u bytes", n, m->bytes);
	memcpy(r, m->memory.regions, sizeof(r));
	if (n_fds != n)
		return refuse(why, "a memory table of %u regions with %u descriptors", n, n_fds);
	for (uint32_t i = 0; i < n; i++) {
		if (!check_region(&r[i], i, left, why))
			return false;
		left -= r[i].bytes + r[i].file_offset;
		for (uint32_t k = 0; k < i; k++)
			if (overlap(r[i].gpa, r[i].bytes, r[k].gpa, r[k].bytes) ||
				overlap(r[i].user_addr, r[i].bytes, r[k].user_addr, r[k].bytes))
				return refuse(why, "memory regions %u and %u overlap", k, i);
	}
	if (tables_may_leak(rules->features, r, n))
		return refuse(why, "memory regions that touch, for packed rings");
	for (unsigned i = 0; i < VHOST_RULES_RINGS_MAX; i++)
		if (rules->rings[i].placed &&
			!ring_is_inside(r, n, rules->features, &rules->rings[i]))
			return refuse(why, "ring %u is outside of the new memory table", i);
	return true;
}

static bool check_log(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	if (!m->log.bytes || m->log.bytes > VHOST_RULES_LOG_MAX || m->log.offset)
		return refuse(why, "a dirty log of %#lx bytes at offset %#lx", m->log.bytes,
			m->log.offset);
	return n_fds == 1 || refuse(why, "a dirty log without a descriptor");
}

/* ---- rings ---- */

uint32_t vhost_rules_ring_of(const struct vhost_message *m)
{
	switch (m->request) {
	case MSG_SET_VRING_NUM:
	case MSG_SET_VRING_BASE:
	case MSG_GET_VRING_BASE:
	case MSG_SET_VRING_ENABLE:
	case MSG_SET_VRING_ADDR: /* begins with the same */
		return m->state.ring;
	case MSG_SET_VRING_KICK:
	case MSG_SET_VRING_CALL:
	case MSG_SET_VRING_ERR:
		return m->u64 & RING_OF_U64;
	default:
		return VHOST_RULES_RINGS_MAX;
	}
}

static bool check_ring(const struct vhost_message *m, char *why)
{
	uint32_t ring = vhost_rules_ring_of(m);

	return ring < VHOST_RULES_RINGS_MAX ||
	       refuse(why, "request %u for ring %u: there are at most %u", m->request, ring,
		       VHOST_RULES_RINGS_MAX);
}

/* Without VIRTIO_NET_F_MQ the library throws rings from the third on away. */
static bool check_served(const struct vhost_rules *rules, const struct vhost_message *m, char *why)
{
	uint32_t ring = vhost_rules_ring_of(m);

	return check_ring(m, why) &&
	       (ring < 2 || has(rules->features, VIRTIO_NET_F_MQ) ||
		       refuse(why, "request %u for ring %u without VIRTIO_NET_F_MQ", m->request,
			       ring));
}

static bool check_num(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	bool packed = has(rules->features, VIRTIO_F_RING_PACKED);
	const struct vhost_rules_ring *ring;
	uint32_t size = m->state.value;

	if (!check_served(rules, m, why))
		return false;
	ring = &rules->rings[m->state.ring];
	if (size < VHOST_RULES_RING_MIN || size > VHOST_RULES_RING_MAX ||
		(!packed && (size & (size - 1))))
		return refuse(why, "ring %u of %u descriptors: %u to %u%s", m->state.ring, size,
			VHOST_RULES_RING_MIN, VHOST_RULES_RING_MAX, packed ? "" : ", a power of 2");
	return !ring->placed || size == ring->size ||
	       refuse(why, "ring %u is set up: its size cannot change", m->state.ring);
}

static bool check_base(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	bool packed = has(rules->features, VIRTIO_F_RING_PACKED);
	uint32_t size, base = m->state.value;

	if (!check_served(rules, m, why))
		return false;
	size = rules->rings[m->state.ring].size;
	/* A packed ring's has the used index in its upper half. */
	if (packed ? size && (base & BASE_MASK) >= size : base > UINT16_MAX)
		return refuse(why, "ring %u of %u descriptors cannot begin at %#x", m->state.ring,
			size, base);
	return true;
}

static bool check_addr(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	struct vhost_rules_ring ring = {
		.desc = m->addr.desc, .used = m->addr.used, .avail = m->addr.avail};
	bool packed = has(rules->features, VIRTIO_F_RING_PACKED);

	if (!check_served(rules, m, why))
		return false;
	if (rules->unserved)
		return refuse(why, "SET_VRING_ADDR before SET_FEATURES for ring %u", m->addr.ring);
	ring.size = rules->rings[m->addr.ring].size;
	if (!ring.size)
		return refuse(why, "SET_VRING_ADDR before SET_VRING_NUM for ring %u", m->addr.ring);
	if (packed && (rules->rings[m->addr.ring].base & BASE_MASK) >= ring.size)
		return refuse(why, "ring %u of %u descriptors cannot begin at %#x", m->addr.ring,
			ring.size, rules->rings[m->addr.ring].base);
	if (ring.desc % 16 || ring.used % 4 || ring.avail % (packed ? 4 : 2))
		return refuse(why, "ring %u: addresses %#lx, %#lx and %#lx are not aligned",
			m->addr.ring, ring.desc, ring.avail, ring.used);
	return ring_is_inside(rules->regions, rules->n_regions, rules->features, &ring) ||
	       refuse(why, "ring %u at %#lx, %#lx and %#lx is outside of the memory", m->addr.ring,
		       ring.desc, ring.avail, ring.used);
}

/* A ring that is kicked is one that runs. */
static bool check_kick(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	uint32_t ring = vhost_rules_ring_of(m);

	if (!check_served(rules, m, why))
		return false;
	if (!rules->rings[ring].placed)
		return refuse(why, "SET_VRING_KICK before SET_VRING_ADDR for ring %u", ring);
	return n_fds == !(m->u64 & NOFD) ||
	       refuse(why, "SET_VRING_KICK with %u descriptors", n_fds);
}

/* The library makes whatever ring it hears of, and throws those that are not served away at the
 * next SET_FEATURES: while others run (VHOST_F_LOG_ALL comes and goes), under who looks at them. So
 * they may be spoken of only while none is set up, as QEMU does when it connects, and SET_FEATURES
 * comes before one is (check_addr()). */
static bool check_known(const struct vhost_rules *rules, const struct vhost_message *m, char *why)
{
	for (unsigned i = 0; i < VHOST_RULES_RINGS_MAX; i++)
		if (rules->rings[i].placed)
			return check_served(rules, m, why);
	return check_ring(m, why);
}

static bool check_call(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	return check_known(rules, m, why) &&
	       (n_fds == !(m->u64 & NOFD) ||
		       refuse(why, "request %u with %u descriptors", m->request, n_fds));
}

static bool check_known_ring(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	return check_known(rules, m, why);
}

/* ---- the table ---- */

enum { ANY_BYTES = UINT16_MAX };

static const struct {
	uint16_t bytes; /* of the payload */
	uint8_t fds;
	bool known;
	check_fn check;
} requests[] = {
	[MSG_GET_FEATURES] = {.known = true},
	[MSG_SET_FEATURES] = {8, .known = true, .check = check_features},
	[MSG_SET_OWNER] = {.known = true},
	[MSG_RESET_OWNER] = {.known = true},
	[MSG_SET_MEM_TABLE] = {ANY_BYTES, REGION_FDS, true, check_memory},
	[MSG_SET_LOG_BASE] = {16, ONE_FD_AT_MOST, true, check_log},
	[MSG_SET_LOG_FD] = {ANY_BYTES, ONE_FD_AT_MOST, true},
	[MSG_SET_VRING_NUM] = {8, .known = true, .check = check_num},
	[MSG_SET_VRING_ADDR] = {40, .known = true, .check = check_addr},
	[MSG_SET_VRING_BASE] = {8, .known = true, .check = check_base},
	[MSG_GET_VRING_BASE] = {8, .known = true, .check = check_known_ring},
	[MSG_SET_VRING_KICK] = {8, ONE_FD_AT_MOST, true, check_kick},
	[MSG_SET_VRING_CALL] = {8, ONE_FD_AT_MOST, true, check_call},
	[MSG_SET_VRING_ERR] = {8, ONE_FD_AT_MOST, true, check_call},
	[MSG_GET_PROTOCOL_FEATURES] = {.known = true},
	[MSG_SET_PROTOCOL_FEATURES] = {8, .known = true},
	[MSG_GET_QUEUE_NUM] = {.known = true},
	[MSG_SET_VRING_ENABLE] = {8, .known = true, .check = check_known_ring},
	[MSG_SEND_RARP] = {8, .known = true},
	[MSG_NET_SET_MTU] = {8, .known = true},
	[MSG_SET_STATUS] = {8, .known = true},
	[MSG_GET_STATUS] = {.known = true},
};

static const uint8_t fds_at_most[] = {
	0, [ONE_FD_AT_MOST] = 1, [REGION_FDS] = VHOST_RULES_REGIONS_MAX};

bool vhost_rules_header(const struct vhost_message *m, unsigned n_fds, char *why)
{
	uint16_t bytes;

	if (m->request >= sizeof(requests) / sizeof(requests[0]) || !requests[m->request].known)
		return refuse(why, "vhost-user request %u is none that we know", m->request);
	if ((m->flags & MSG_FLAG_VERSION_MASK) != MSG_FLAG_VERSION || m->flags & MSG_FLAG_REPLY)
		return refuse(why, "vhost-user request %u with flags %#x", m->request, m->flags);
	bytes = requests[m->request].bytes;
	if (bytes == ANY_BYTES ? m->bytes > sizeof(m->memory) : m->bytes != bytes)
		return refuse(why, "vhost-user request %u with %u bytes", m->request, m->bytes);
	return n_fds <= fds_at_most[requests[m->request].fds] ||
	       refuse(why, "vhost-user request %u with %u descriptors", m->request, n_fds);
}

bool vhost_rules_check(
	const struct vhost_rules *rules, const struct vhost_message *m, unsigned n_fds, char *why)
{
	check_fn check = requests[m->request].check;

	return !check || check(rules, m, n_fds, why);
}

/* ---- what has been set up ---- */

void vhost_rules_reset(struct vhost_rules *rules)
{
	memset(rules, 0, sizeof(*rules));
}

static void forget_rings(struct vhost_rules *rules, unsigned from)
{
	memset(&rules->rings[from], 0, (VHOST_RULES_RINGS_MAX - from) * sizeof(rules->rings[0]));
}

void vhost_rules_done(struct vhost_rules *rules, const struct vhost_message *m)
{
	uint32_t number = vhost_rules_ring_of(m);
	struct vhost_rules_ring *ring =
		number < VHOST_RULES_RINGS_MAX ? &rules->rings[number] : NULL;

	if (ring && number >= 2 && !has(rules->features, VIRTIO_NET_F_MQ))
		rules->unserved = true;
	switch (m->request) {
	case MSG_SET_FEATURES:
		rules->features = m->u64;
		rules->unserved = false;
		if (!has(m->u64, VIRTIO_NET_F_MQ))
			forget_rings(rules, 2);
		break;
	case MSG_SET_MEM_TABLE:
		rules->n_regions = m->memory.n;
		memcpy(rules->regions, m->memory.regions, sizeof(rules->regions));
		break;
	case MSG_SET_VRING_NUM:
		ring->size = m->state.value;
		break;
	case MSG_SET_VRING_BASE:
		ring->base = m->state.value;
		break;
	case MSG_SET_VRING_ADDR:
		ring->placed = true;
		ring->desc = m->addr.desc;
		ring->used = m->addr.used;
		ring->avail = m->addr.avail;
		break;
	case MSG_GET_VRING_BASE: /* it has stopped */
		*ring = (struct vhost_rules_ring){.base = m->state.value};
		break;
	default:
		break;
	}
}
