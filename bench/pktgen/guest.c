/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings of a guest; see guest.h. A descriptor always points to the buffer of its own number,
 * and a buffer keeps the frame it had: to send it again takes a new stamp. A buffer that had
 * another size or destination is written anew.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "guest.h"
#include "stamp.h"
#include "vhost_user.h"

enum {
	NET_HDR_BYTES = 12, /* virtio 1.x: with num_buffers */
	/* Where the header begins in a transmit buffer: the stamp is then in one cache line, the
	 * only one that changes hands for each frame. */
	TX_OFFSET = 10,
	TX_AHEAD = 12, /* frames; lines are asked for before they are written */
	HUGE_PAGE_BYTES = 2 << 20,
	RECEIVE_BURST = 64,
	RECEIVE_BURSTS = 4, /* a call, so that the others get their turn */
	ACCEPT_MS = 20000,
};

/* What a transmit buffer holds now. */
struct written {
	uint16_t size, to;
};

struct ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	volatile struct vring_used *used;
	uint8_t *buffers;
	uint32_t stride, size;
	uint16_t last_used, next_avail;
	int kick_fd, call_fd;
};

struct guest {
	struct sender sender;
	struct ring rx, tx;
	struct written *written;
	uint16_t *free_ids; /* transmit descriptors that are ours: a queue */
	uint16_t free_head, free_tail;
	unsigned next_size;
	int fd, memory_fd;
	uint8_t *memory;
	size_t memory_bytes;
};

/* ---- memory ---- */

static size_t ring_bytes(uint32_t size)
{
	return RTE_ALIGN_CEIL(size * sizeof(struct vring_desc), 64) +
	       RTE_ALIGN_CEIL(6 + 2 * size, 64) +
	       RTE_ALIGN_CEIL(6 + sizeof(struct vring_used_elem) * size, 64);
}

static uint8_t *lay_out(struct ring *ring, uint8_t *at)
{
	ring->desc = (void *)at;
	at += RTE_ALIGN_CEIL(ring->size * sizeof(struct vring_desc), 64);
	ring->avail = (void *)at;
	at += RTE_ALIGN_CEIL(6 + 2 * ring->size, 64);
	ring->used = (void *)at;
	at += RTE_ALIGN_CEIL(6 + sizeof(struct vring_used_elem) * ring->size, 64);
	ring->buffers = at;
	return at + (size_t)ring->stride * ring->size;
}

/* Huge pages where there are any: a back-end reads with far fewer TLB misses. */
static int get_memory(struct guest *g)
{
	int flags = MFD_CLOEXEC | MFD_HUGETLB;

	for (int attempt = 0; attempt < 2; attempt++, flags = MFD_CLOEXEC) {
		g->memory_fd = memfd_create("renic-pktgen", (unsigned)flags);
		if (g->memory_fd < 0)
			continue;
		g->memory = ftruncate(g->memory_fd, (off_t)g->memory_bytes)
				    ? MAP_FAILED
				    : mmap(NULL, g->memory_bytes, PROT_READ | PROT_WRITE,
					      MAP_SHARED | MAP_POPULATE, g->memory_fd, 0);
		if (g->memory != MAP_FAILED)
			return 0;
		g->memory = NULL;
		close(g->memory_fd);
		g->memory_fd = -1;
	}
	return -ENOMEM;
}

static uint8_t *tx_header(const struct guest *g, uint32_t id)
{
	return g->tx.buffers + (size_t)id * g->tx.stride + TX_OFFSET;
}

static void fill_descriptors(struct guest *g)
{
	for (uint32_t i = 0; i < g->tx.size; i++) {
		g->tx.desc[i].addr = (uint64_t)(tx_header(g, i) - g->memory);
		g->free_ids[i] = (uint16_t)i;
	}
	g->free_tail = (uint16_t)g->tx.size;
	for (uint32_t i = 0; i < g->rx.size; i++) {
		g->rx.desc[i].addr =
			(uint64_t)(g->rx.buffers + (size_t)i * g->rx.stride - g->memory);
		g->rx.desc[i].len = g->rx.stride;
		g->rx.desc[i].flags = VRING_DESC_F_WRITE;
		g->rx.avail->ring[i] = (uint16_t)i;
	}
	g->rx.next_avail = (uint16_t)g->rx.size;
	g->rx.avail->idx = g->rx.next_avail;
	g->rx.avail->flags = g->tx.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

/* ---- sending ---- */

/* The back-end may sleep: it says so in the used ring. */
static void kick(const struct ring *ring)
{
	uint64_t one = 1;

	rte_smp_mb();
	if (!(ring->used->flags & VRING_USED_F_NO_NOTIFY) &&
		write(ring->kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void reclaim(struct guest *g)
{
	struct ring *tx = &g->tx;
	uint16_t idx = __atomic_load_n(&tx->used->idx, __ATOMIC_ACQUIRE);
	uint32_t mask = tx->size - 1;

	for (; tx->last_used != idx; tx->last_used++)
		g->free_ids[g->free_tail++ & mask] =
			(uint16_t)(tx->used->ring[tx->last_used & mask].id & mask);
}

static void put_frame(struct guest *g, unsigned to, uint16_t id, uint64_t now_tsc)
{
	struct sender *s = &g->sender;
	uint8_t *frame = tx_header(g, id) + NET_HDR_BYTES;
	uint16_t size = s->sizes[g->next_size];

	if (++g->next_size == s->n_sizes)
		g->next_size = 0;
	if (unlikely(g->written[id].size != size || g->written[id].to != to)) {
		sender_template(s, &s->to[to], frame, size);
		g->tx.desc[id].len = NET_HDR_BYTES + (uint32_t)size;
		g->written[id] = (struct written){size, (uint16_t)to};
	}
	stamp_put(frame, s->to[to].stream, sender_number(&s->to[to]), now_tsc);
}

static uint16_t guest_send(struct sender *sender, unsigned to, uint16_t n, uint64_t now_tsc)
{
	struct guest *g = (struct guest *)sender;
	struct ring *tx = &g->tx;
	uint32_t mask = tx->size - 1;
	uint16_t free_n = (uint16_t)(g->free_tail - g->free_head);

	if (free_n < n) {
		reclaim(g);
		free_n = (uint16_t)(g->free_tail - g->free_head);
	}
	n = RTE_MIN(n, free_n);
	for (uint16_t i = 0; i < n; i++) {
		uint16_t id = g->free_ids[g->free_head & mask];
		uint16_t ahead = g->free_ids[(g->free_head + TX_AHEAD) & mask];

		__builtin_prefetch(tx_header(g, ahead) + NET_HDR_BYTES + STAMP_OFFSET, 1);
		g->free_head++;
		put_frame(g, to, id, now_tsc);
		/* In order, as back-ends are, the same numbers come again: a line that is not
		 * written stays in the other core's cache. */
		if (tx->avail->ring[tx->next_avail & mask] != id)
			tx->avail->ring[tx->next_avail & mask] = id;
		tx->next_avail++;
	}
	if (!n)
		return 0;
	__atomic_store_n(&tx->avail->idx, tx->next_avail, __ATOMIC_RELEASE);
	kick(tx);
	sender->to[to].sent += n;
	return n;
}

static bool guest_idle(struct sender *sender)
{
	struct guest *g = (struct guest *)sender;

	reclaim(g);
	return (uint16_t)(g->free_tail - g->free_head) == g->tx.size;
}

/* ---- receiving ---- */

static unsigned guest_receive(struct sender *sender, uint64_t now_tsc)
{
	struct guest *g = (struct guest *)sender;
	struct ring *rx = &g->rx;
	uint32_t mask = rx->size - 1;
	uint16_t idx = __atomic_load_n(&rx->used->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(idx - rx->last_used);

	n = RTE_MIN(n, (uint16_t)(RECEIVE_BURST * RECEIVE_BURSTS));
	for (uint16_t i = 0; i < n; i++, rx->last_used++) {
		uint32_t id = rx->used->ring[rx->last_used & mask].id & mask;
		uint32_t len = rx->used->ring[rx->last_used & mask].len;
		uint32_t ahead = rx->used->ring[(rx->last_used + 4u) & mask].id & mask;

		rte_prefetch0(rx->buffers + (size_t)ahead * rx->stride);
		if (len > NET_HDR_BYTES && len <= rx->stride)
			judge_frame(sender, rx->buffers + (size_t)id * rx->stride + NET_HDR_BYTES,
				len - NET_HDR_BYTES, now_tsc);
		rx->avail->ring[rx->next_avail++ & mask] = (uint16_t)id;
	}
	if (!n)
		return 0;
	__atomic_store_n(&rx->avail->idx, rx->next_avail, __ATOMIC_RELEASE);
	kick(rx);
	return n;
}

/* ---- coming and going ---- */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void guest_close(struct sender *sender)
{
	struct guest *g = (struct guest *)sender;

	if (g->fd >= 0)
		vhost_user_stop(g->fd);
	close_fd(g->tx.kick_fd);
	close_fd(g->tx.call_fd);
	close_fd(g->rx.kick_fd);
	close_fd(g->rx.call_fd);
	close_fd(g->memory_fd);
	if (g->memory)
		munmap(g->memory, g->memory_bytes);
	free(g->free_ids);
	free(g->written);
	free(g);
}

static const struct sender_ops guest_ops = {
	.send = guest_send, .receive = guest_receive, .idle = guest_idle, .close = guest_close};

static bool ring_init(struct ring *ring, uint16_t size, uint32_t stride)
{
	ring->size = size;
	ring->stride = stride;
	ring->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ring->kick_fd >= 0 && ring->call_fd >= 0;
}

static struct vhost_user_ring describe(const struct ring *ring)
{
	return (struct vhost_user_ring){.size = (uint16_t)ring->size,
		.desc = ring->desc,
		.avail = ring->avail,
		.used = (const void *)ring->used,
		.kick_fd = ring->kick_fd,
		.call_fd = ring->call_fd};
}

static int attach(struct guest *g, const struct guest_setup *setup, const char **why)
{
	struct vhost_user_setup vu = {.memory = g->memory,
		.memory_bytes = g->memory_bytes,
		.memory_fd = g->memory_fd,
		.features = UINT64_C(1) << VIRTIO_F_VERSION_1,
		.features_needed = UINT64_C(1) << VIRTIO_F_VERSION_1,
		.rings = {describe(&g->rx), describe(&g->tx)}};
	uint64_t agreed;

	if (setup->mergeable)
		vu.features |= UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF;
	*why = setup->listen ? "no back-end connected" : "nobody listens at the socket";
	g->fd = setup->listen ? vhost_user_accept(setup->path, ACCEPT_MS)
			      : vhost_user_connect(setup->path);
	return g->fd < 0 ? g->fd : vhost_user_start(g->fd, &vu, &agreed, why);
}

int guest_open(struct sender **guest, const struct sender *sender, const struct guest_setup *setup,
	const char **why)
{
	struct guest *g = calloc(1, sizeof(*g));
	uint32_t stride =
		RTE_ALIGN_CEIL(TX_OFFSET + NET_HDR_BYTES + (uint32_t)sender->max_size, 64);
	int error = -ENOMEM;

	*why = "no memory";
	if (!g)
		return error;
	g->sender = *sender;
	g->sender.ops = &guest_ops;
	g->fd = g->memory_fd = -1;
	g->written = calloc(setup->ring_size, sizeof(*g->written));
	g->free_ids = calloc(setup->ring_size, sizeof(*g->free_ids));
	/* Both: ring_init() of the second also sets its descriptors for guest_close(). */
	error = ring_init(&g->tx, setup->ring_size, stride) & ring_init(&g->rx, setup->ring_size,
								      RTE_MAX(stride, 1600u)) &&
				g->written && g->free_ids
			? 0
			: -ENOMEM;
	g->memory_bytes =
		RTE_ALIGN_CEIL(2 * ring_bytes(setup->ring_size) +
				       (size_t)setup->ring_size * (g->tx.stride + g->rx.stride),
			HUGE_PAGE_BYTES);
	if (!error)
		error = get_memory(g);
	if (!error) {
		lay_out(&g->rx, lay_out(&g->tx, g->memory));
		fill_descriptors(g);
		error = attach(g, setup, why);
	}
	if (error)
		guest_close(&g->sender);
	else
		*guest = &g->sender;
	return error;
}
