/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint_area.h"

#define AREA_BYTES (VF_MAX * CHECKPOINT_SLOT_BYTES)

static struct {
	int fd;
	int read_fd; /* the same file, open for reading: what clients get */
	uint8_t *base;
} area = {.fd = -1, .read_fd = -1};

/* Through /proc: dup() would keep the right to write. */
static int open_to_read(void)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", area.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int map_area(void)
{
	area.fd = memfd_create("renicd-checkpoint", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (area.fd < 0 || ftruncate(area.fd, AREA_BYTES) < 0)
		return -errno;
	area.base = mmap(
		NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, area.fd, 0);
	if (area.base == MAP_FAILED)
		return -errno;
	/* Nobody cuts the file; only its owner could open the descriptor once more, to write. */
	if (fchmod(area.fd, 0400) < 0 ||
		fcntl(area.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	area.read_fd = open_to_read();
	return area.read_fd < 0 ? area.read_fd : 0;
}

int checkpoint_area_create(struct nic_error *err)
{
	int rc = map_area();

	if (rc) {
		checkpoint_area_destroy();
		return nic_fail(err, RENIC_E_RESOURCES, NULL, "checkpoint area: %s", strerror(-rc));
	}
	return 0;
}

void checkpoint_area_destroy(void)
{
	if (area.base && area.base != MAP_FAILED)
		munmap(area.base, AREA_BYTES);
	if (area.read_fd >= 0)
		close(area.read_fd);
	if (area.fd >= 0)
		close(area.fd);
	area.base = NULL;
	area.fd = area.read_fd = -1;
}

int checkpoint_area_fd(void)
{
	int fd = fcntl(area.read_fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static uint64_t slot_offset(uint16_t vf_id)
{
	return vf_id * CHECKPOINT_SLOT_BYTES;
}

uint64_t checkpoint_area_snapshot_offset(uint16_t vf_id)
{
	return slot_offset(vf_id);
}

void *checkpoint_area_snapshot(uint16_t vf_id)
{
	return area.base + slot_offset(vf_id);
}

uint64_t checkpoint_area_bitmap_offset(uint16_t vf_id, unsigned which)
{
	return slot_offset(vf_id) + CHECKPOINT_SNAPSHOT_BYTES +
	       which * (uint64_t)CHECKPOINT_BITMAP_BYTES;
}

uint64_t *checkpoint_area_bitmap(uint16_t vf_id, unsigned which)
{
	return (uint64_t *)(area.base + checkpoint_area_bitmap_offset(vf_id, which));
}

void checkpoint_area_clear(uint16_t vf_id)
{
	/* A hole reads as zero; on a memfd the call does not fail. */
	madvise(area.base + slot_offset(vf_id), CHECKPOINT_SLOT_BYTES, MADV_REMOVE);
}
