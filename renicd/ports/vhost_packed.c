/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_packed.h. The file: a page of header, then a note for each ring that a VF may have. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "nic/types.h"
#include "vhost_packed.h"
#include "vhost_ring.h"

enum {
	VERSION = 1,
	BOOT_ID_SIZE = 40,
	HEADER_BYTES = 4096,
	NOTES = VF_MAX * VF_QPS_MAX * 2,
	AVAIL = 1 << VRING_PACKED_DESC_F_AVAIL,
	USED = 1 << VRING_PACKED_DESC_F_USED,
};

#define MAGIC "RENICRNG"
#define FILE_BYTES (HEADER_BYTES + NOTES * sizeof(struct packed_note))

struct notes_header {
	char magic[8]; /* without a NUL */
	uint32_t version;
	char boot_id[BOOT_ID_SIZE]; /* guests end with their host */
};

static struct packed_note of_this_life[NOTES];
static struct packed_note *notes = of_this_life;
static void *map;

/* ---- the file ---- */

static struct notes_header header_now(void)
{
	struct notes_header header = {.magic = MAGIC, .version = VERSION};
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f && !fgets(header.boot_id, sizeof(header.boot_id), f))
		header.boot_id[0] = '\0';
	if (f)
		fclose(f);
	return header;
}

int packed_notes_open(const char *path)
{
	struct notes_header header = header_now();
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	void *at;

	if (fd < 0)
		return -errno;
	at = ftruncate(fd, FILE_BYTES) < 0
		     ? MAP_FAILED
		     : mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return -errno;
	if (memcmp(at, &header, sizeof(header))) {
		memset(at, 0, FILE_BYTES);
		memcpy(at, &header, sizeof(header));
	}
	map = at;
	notes = (struct packed_note *)((uint8_t *)at + HEADER_BYTES);
	return 0;
}

void packed_notes_close(void)
{
	if (map)
		munmap(map, FILE_BYTES);
	map = NULL;
	notes = of_this_life;
}

struct packed_note *packed_notes_of(uint16_t vf_id, uint16_t qp)
{
	return &notes[(vf_id * VF_QPS_MAX + qp) * 2];
}

/* ---- a ring ---- */

struct position {
	uint16_t at;
	bool wrap;
};

static struct position position_of(uint16_t index)
{
	return (struct position){.at = index & ~PACKED_WRAP, .wrap = index & PACKED_WRAP};
}

static uint16_t index_of(struct position p)
{
	return (uint16_t)(p.at | (p.wrap ? PACKED_WRAP : 0));
}

static struct position next(struct position p, uint16_t size)
{
	if (++p.at == size)
		p = (struct position){.at = 0, .wrap = !p.wrap};
	return p;
}

static uint16_t flags_at(const struct packed_ring *ring, uint16_t at)
{
	return __atomic_load_n(&ring->desc[at].flags, __ATOMIC_ACQUIRE);
}

static bool is_used(uint16_t flags, bool wrap)
{
	return !!(flags & AVAIL) == wrap && !!(flags & USED) == wrap;
}

static bool is_available(uint16_t flags, bool wrap)
{
	return !!(flags & AVAIL) == wrap && !!(flags & USED) != wrap;
}

/*
 * Had the device come up to the index in this very ring? The descriptor before it was used then, in
 * its lap, and may have been made available for the next: its flag USED is that lap's either way.
 * In a ring that the driver has set up anew no descriptor has that flag.
 */
static bool came_up_to(const struct packed_ring *ring, uint16_t index)
{
	struct position p = position_of(index);
	bool lap = p.at ? p.wrap : !p.wrap;
	uint16_t last = p.at ? p.at - 1 : ring->size - 1;

	if (!!(flags_at(ring, last) & USED) != lap)
		return false;
	for (uint16_t i = 0; i < ring->size; i++)
		if (flags_at(ring, i) & USED)
			return true;
	return false;
}

static void write_used(const struct packed_ring *ring, struct position p)
{
	uint16_t flags = (ring->rx ? VRING_DESC_F_WRITE : 0) | (p.wrap ? AVAIL | USED : 0);

	if (is_available(flags_at(ring, p.at), p.wrap))
		__atomic_store_n(&ring->desc[p.at].flags, flags, __ATOMIC_RELEASE);
}

/* Write the flags of n used descriptors where they are missing, those of the first one last. */
static void complete(const struct packed_ring *ring, struct position first, uint16_t n)
{
	struct position p = first;

	for (uint16_t i = 1; i < n; i++) {
		p = next(p, ring->size);
		write_used(ring, p);
	}
	write_used(ring, first);
}

/* Are the n descriptors before the index all used, in their laps? */
static bool is_used_before(const struct packed_ring *ring, uint16_t index, uint16_t n)
{
	struct position p = position_of(index);

	while (n--) {
		if (p.at == 0)
			p = (struct position){.at = ring->size, .wrap = !p.wrap};
		p.at--;
		if (!!(flags_at(ring, p.at) & USED) != p.wrap)
			return false;
	}
	return true;
}

/* How many descriptors from the index on there are, up to the last used one. */
static uint16_t count_ahead(const struct packed_ring *ring, uint16_t index)
{
	struct position p = position_of(index);
	uint16_t n = 0;

	for (uint16_t i = 1; i <= ring->size; i++, p = next(p, ring->size))
		if (is_used(flags_at(ring, p.at), p.wrap))
			n = i;
	return n;
}

static uint16_t skip(const struct packed_ring *ring, uint16_t index, uint16_t n)
{
	struct position p = position_of(index);

	complete(ring, p, n);
	while (n--)
		p = next(p, ring->size);
	return index_of(p);
}

static bool is_of(const struct packed_note *note, const struct packed_ring *ring)
{
	return note->size == ring->size && note->desc_gpa == ring->desc_gpa &&
	       note->owner == ring->owner && (note->index & ~PACKED_WRAP) < ring->size;
}

/*
 * Where buffers are one descriptor each, the flags USED tell where the device is: before it they
 * are those of the lap, from it on the other. If that is at the base, the front-end knows: the
 * ring is new, or the VM was paused, or restored. Else it is at the note, but for what is used
 * ahead of it.
 */
static uint16_t resume_single(const struct packed_note *note, const struct packed_ring *ring)
{
	uint16_t n;

	if (is_used_before(ring, ring->base, ring->size))
		return ring->base;
	n = count_ahead(ring, note->index);
	if (!is_used_before(ring, note->index, ring->size - n))
		return ring->base;
	return n ? skip(ring, note->index, n) : note->index;
}

/* The others have flags in between that say nothing: the descriptor before the note must do. */
static uint16_t resume_chained(const struct packed_note *note, const struct packed_ring *ring)
{
	return note->base == ring->base && came_up_to(ring, note->index) ? note->index : ring->base;
}

uint16_t packed_resume(struct packed_note *note, const struct packed_ring *ring)
{
	bool known = is_of(note, ring), chained = ring->in_batches || (known && note->chained);
	uint16_t index = ring->base;

	if (known)
		index = (chained ? resume_chained : resume_single)(note, ring);
	*note = (struct packed_note){
		.desc_gpa = ring->desc_gpa,
		.owner = ring->owner,
		.size = ring->size,
		.base = ring->base,
		.index = index,
		.chained = chained && (ring->in_batches || index != ring->base),
	};
	return index;
}

/* ---- a device's rings ---- */

static bool find_ring(int vid, uint16_t vring, struct packed_ring *ring, int *callfd)
{
	struct rte_vhost_memory *memory = NULL;
	struct rte_vhost_vring found;
	uint16_t used_idx;
	bool ok;

	if (rte_vhost_get_vhost_vring(vid, vring, &found) < 0 || !found.desc_packed ||
		!found.size || rte_vhost_get_vring_base(vid, vring, &ring->base, &used_idx) < 0 ||
		rte_vhost_get_mem_table(vid, &memory) < 0)
		return false;
	ring->desc = found.desc_packed;
	ring->size = found.size;
	ok = (ring->base & ~PACKED_WRAP) < ring->size &&
	     vhost_to_gpa(memory, found.desc_packed, &ring->desc_gpa);
	*callfd = found.callfd;
	free(memory);
	return ok;
}

bool packed_settle(int vid, uint16_t vring, const char *path, struct packed_note *note)
{
	struct packed_ring ring = {
		.owner = rte_hash_crc(path, (uint32_t)strlen(path), 0),
		.rx = !(vring & 1),
	};
	uint64_t features = 0;
	uint16_t index;
	int callfd = -1;

	if (rte_vhost_get_negotiated_features(vid, &features) < 0)
		return false;
	if (!(features & 1ULL << VIRTIO_F_RING_PACKED))
		return true;
	if (!find_ring(vid, vring, &ring, &callfd))
		return false;
	ring.in_batches = features & 1ULL << VIRTIO_F_IN_ORDER;
	index = packed_resume(note, &ring);
	if (index != ring.base)
		rte_vhost_set_vring_base(vid, vring, index, index);
	/* The guest may be waiting for what was used: what it was told of it died with the daemon.
	 */
	if (callfd >= 0)
		eventfd_write(callfd, 1);
	return true;
}
