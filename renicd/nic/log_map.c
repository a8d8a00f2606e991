/* SPDX-License-Identifier: BSD-3-Clause */
/* See log_map.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>

#include "egress_log.h"
#include "log_check.h"
#include "log_map.h"

static_assert(sizeof(struct egress_log_state) == 64, "part of the file format");
static_assert(sizeof(struct log_segment_label) == sizeof(uint64_t), "stored as one word");

int log_map_error(const struct log_map *map, const char *what, int error)
{
	RTE_LOG(ERR, USER1, "log pool %s: %s: %s\n", map->path, what, strerror(error));
	return -error;
}

int log_map_init(struct log_map *map, const char *path)
{
	if (!path || strlen(path) >= sizeof(map->path))
		return -EINVAL;
	memset(map, 0, sizeof(*map));
	strcpy(map->path, path);
	map->fd = -1;
	return 0;
}

/* ---- the file ---- */

bool log_map_is_in_use(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool is;

	if (fd < 0)
		return false;
	is = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return is;
}

static int file_open(struct log_map *map, int flags)
{
	struct statfs fs;

	map->fd = open(map->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (map->fd < 0) /* whether one should be there, the caller knows */
		return errno == ENOENT ? -ENOENT : log_map_error(map, "open", errno);
	if (flock(map->fd, LOCK_EX | LOCK_NB) < 0)
		return log_map_error(map, "lock", errno);
	if (fstatfs(map->fd, &fs) < 0)
		return log_map_error(map, "statfs", errno);
	map->page_bytes =
		fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : (size_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* Makes the file and gives it all its memory, so that a lack shows here. */
static int file_make(struct log_map *map)
{
	int err;

	if (log_map_is_in_use(map->path)) /* made since the daemon looked */
		return log_map_error(map, "another renicd's", EBUSY);
	if (unlink(map->path) < 0 && errno != ENOENT)
		return log_map_error(map, "unlink", errno);
	err = -file_open(map, O_CREAT | O_EXCL);
	if (err)
		return -err;
	map->size = RTE_ALIGN_CEIL(map->size, map->page_bytes);
	if (ftruncate(map->fd, (off_t)map->size) < 0)
		return log_map_error(map, "ftruncate", errno);
	do /* what it has allocated stays: the next try goes on */
		err = posix_fallocate(map->fd, 0, (off_t)map->size);
	while (err == EINTR);
	if (err)
		return log_map_error(map, "no memory for all segments (hugepages?)", err);
	return 0;
}

static int file_map(struct log_map *map)
{
	void *bytes = mmap(
		NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, map->fd, 0);

	if (bytes == MAP_FAILED)
		return log_map_error(map, "mmap", errno);
	map->bytes = bytes;
	return 0;
}

static void lay_out(struct log_map *map, const struct log_layout *at)
{
	map->data_offset = at->data_offset;
	map->states = (struct egress_log_state *)(map->bytes + at->states_offset);
	map->labels = (uint64_t *)(map->bytes + at->labels_offset);
}

/* Lays out the header. A new file is zeros, so every state is unused already; the magic comes
 * last: a file that has it is complete. */
static void file_format(struct log_map *map, const struct log_layout *at, uint64_t instance)
{
	struct log_file_header *header = (struct log_file_header *)map->bytes;

	memset(map->labels, 0xff, map->segments * sizeof(*map->labels));
	header->version = LOG_FILE_VERSION;
	header->segment_bytes = LOG_SEGMENT_BYTES;
	header->segments = map->segments;
	header->states = LOG_STATES_MAX;
	header->state_bytes = sizeof(struct egress_log_state);
	header->label_bytes = sizeof(struct log_segment_label);
	header->states_offset = at->states_offset;
	header->labels_offset = at->labels_offset;
	header->data_offset = at->data_offset;
	header->instance = instance;
	atomic_thread_fence(memory_order_release);
	memcpy(header->magic, LOG_FILE_MAGIC, sizeof(header->magic));
}

int log_map_make(struct log_map *map, uint32_t segments, uint64_t instance)
{
	struct log_layout at;
	int ret;

	log_layout_of(segments, &at);
	map->segments = segments;
	map->size = at.bytes;
	ret = file_make(map);
	if (!ret)
		ret = file_map(map);
	if (ret)
		return ret;
	lay_out(map, &at);
	file_format(map, &at, instance);
	return 0;
}

/* Maps what is there, and only then believes its header. */
int log_map_open(struct log_map *map, char *why, size_t why_size)
{
	struct log_layout at;
	struct stat st;
	int ret = file_open(map, 0);

	if (ret)
		return ret;
	if (fstat(map->fd, &st) < 0)
		return -errno;
	map->size = (size_t)st.st_size;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct log_file_header)) {
		snprintf(why, why_size, "it is no file of an egress log");
		return -EBADMSG;
	}
	ret = posix_fallocate(map->fd, 0, st.st_size); /* no hole to fall into */
	if (ret)
		return log_map_error(map, "no memory for all segments (hugepages?)", ret);
	ret = file_map(map);
	if (ret)
		return ret;
	if (log_check_file(map->bytes, map->size, why, why_size))
		return -EBADMSG;
	map->segments = log_map_header(map)->segments;
	log_layout_of(map->segments, &at);
	lay_out(map, &at);
	return 0;
}

void log_map_close(struct log_map *map)
{
	if (map->registered)
		rte_extmem_unregister(map->bytes, map->size);
	if (map->bytes)
		munmap(map->bytes, map->size);
	if (map->fd >= 0)
		close(map->fd);
}

void log_map_unlink(const struct log_map *map)
{
	if (map->fd >= 0)
		unlink(map->path);
}

int log_map_reopen(const struct log_map *map)
{
	char self[64];
	int fd;

	/* Through /proc: the very file that is mapped, whatever has become of its name. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", map->fd);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- DMA ---- */

int log_map_register(struct log_map *map)
{
	size_t n_pages = map->size / map->page_bytes;
	rte_iova_t *iovas;
	int err = 0;

	if (rte_eal_iova_mode() == RTE_IOVA_PA && map->page_bytes < LOG_SEGMENT_BYTES)
		return log_map_error(map, "DMA by physical address needs hugetlbfs", ENOTSUP);
	iovas = calloc(n_pages, sizeof(*iovas));
	if (!iovas)
		return -ENOMEM;
	for (size_t i = 0; i < n_pages; i++) {
		uint8_t *page = map->bytes + i * map->page_bytes;

		iovas[i] = rte_eal_iova_mode() == RTE_IOVA_PA ? rte_mem_virt2iova(page)
							      : (uintptr_t)page;
		if (iovas[i] == RTE_BAD_IOVA)
			err = log_map_error(map, "physical address unknown (needs root)", EPERM);
	}
	if (!err && rte_extmem_register(
			    map->bytes, map->size, iovas, (unsigned)n_pages, map->page_bytes) < 0)
		err = log_map_error(map, "rte_extmem_register", rte_errno);
	map->registered = err == 0;
	free(iovas);
	return err;
}

/* Never read by hardware where the memory is not registered; then the address serves. */
uint64_t log_map_iova(const struct log_map *map, uint32_t segment)
{
	uint8_t *addr = map->bytes + log_map_offset(map, segment);

	if (map->registered && rte_eal_iova_mode() == RTE_IOVA_PA)
		return rte_mem_virt2iova(addr);
	return (uintptr_t)addr;
}
