/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress logs' memory; see log_pool.h. Design, section 4.
 *
 * Reference counts and addresses live in this process (struct segment): they mean nothing after
 * a crash. What must outlive it, the logs' offsets and the segments' labels, lies in the file's
 * header. A segment is on the stack exactly while its count is zero; whoever drops the last
 * reference (the log's lcore, or any thread that frees an mbuf) pushes it.
 * Create and destroy: control thread. The rest: any thread.
 */
#define ALLOW_EXPERIMENTAL_API /* rte_stack's lock-free half is inline, on rte_atomic128_*() */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_stack.h>

#include "egress_log.h"
#include "log_check.h"
#include "log_pool.h"

struct segment {
	struct rte_mbuf_ext_shared_info shinfo; /* refcnt: frames out, and the log's own */
	struct log_pool *pool;
	uint8_t *addr;
	rte_iova_t iova;
} __rte_cache_aligned;

struct log_pool {
	struct segment *segs;
	uint64_t *labels;		 /* struct log_segment_label as words, in the file */
	struct egress_log_state *states; /* in the file */
	struct rte_stack *free;
	uint32_t segments;
	uint32_t owners;      /* atomic */
	uint64_t data_offset; /* of segment 0, in the file */
	uint8_t *map;
	size_t map_bytes;
	size_t page_bytes; /* of the mapping */
	int fd;
	bool registered; /* with rte_extmem_register() */
	char path[PATH_MAX];
};

static_assert(sizeof(struct egress_log_state) == 64, "part of the file format");
static_assert(sizeof(struct log_segment_label) == sizeof(uint64_t), "stored as one word");

static int pool_error(const struct log_pool *pool, const char *what, int error)
{
	RTE_LOG(ERR, USER1, "log pool %s: %s: %s\n", pool->path, what, strerror(error));
	return -error;
}

/* ---- the file ---- */

static int file_open(struct log_pool *pool, int flags)
{
	struct statfs fs;

	pool->fd = open(pool->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (pool->fd < 0) /* whether one should be there, the caller knows */
		return errno == ENOENT ? -ENOENT : pool_error(pool, "open", errno);
	if (fstatfs(pool->fd, &fs) < 0)
		return pool_error(pool, "statfs", errno);
	pool->page_bytes =
		fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : (size_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* Makes the file and gives it all its memory, so that a lack shows here. */
static int file_make(struct log_pool *pool)
{
	int err;

	if (unlink(pool->path) < 0 && errno != ENOENT)
		return pool_error(pool, "unlink", errno);
	err = -file_open(pool, O_CREAT | O_EXCL);
	if (err)
		return -err;
	pool->map_bytes = RTE_ALIGN_CEIL(pool->map_bytes, pool->page_bytes);
	if (ftruncate(pool->fd, (off_t)pool->map_bytes) < 0)
		return pool_error(pool, "ftruncate", errno);
	do /* what it has allocated stays: the next try goes on */
		err = posix_fallocate(pool->fd, 0, (off_t)pool->map_bytes);
	while (err == EINTR);
	if (err)
		return pool_error(pool, "no memory for all segments (hugepages?)", err);
	return 0;
}

static int file_map(struct log_pool *pool)
{
	void *map = mmap(NULL, pool->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		pool->fd, 0);

	if (map == MAP_FAILED)
		return pool_error(pool, "mmap", errno);
	pool->map = map;
	return 0;
}

/* Lays out the header. A new file is zeros, so every state is unused already; the magic comes
 * last: a file that has it is complete. */
static void file_format(struct log_pool *pool, const struct log_layout *at, uint64_t instance)
{
	struct log_file_header *header = (struct log_file_header *)pool->map;

	memset(pool->labels, 0xff, pool->segments * sizeof(*pool->labels));
	header->version = LOG_FILE_VERSION;
	header->segment_bytes = LOG_SEGMENT_BYTES;
	header->segments = pool->segments;
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

/* ---- DMA ---- */

static int dma_register(struct log_pool *pool)
{
	size_t n_pages = pool->map_bytes / pool->page_bytes;
	rte_iova_t *iovas;
	int err = 0;

	if (rte_eal_iova_mode() == RTE_IOVA_PA && pool->page_bytes < LOG_SEGMENT_BYTES)
		return pool_error(pool, "DMA by physical address needs hugetlbfs", ENOTSUP);
	iovas = calloc(n_pages, sizeof(*iovas));
	if (!iovas)
		return -ENOMEM;
	for (size_t i = 0; i < n_pages; i++) {
		uint8_t *page = pool->map + i * pool->page_bytes;

		iovas[i] = rte_eal_iova_mode() == RTE_IOVA_PA ? rte_mem_virt2iova(page)
							      : (uintptr_t)page;
		if (iovas[i] == RTE_BAD_IOVA)
			err = pool_error(pool, "physical address unknown (needs root)", EPERM);
	}
	if (!err && rte_extmem_register(pool->map, pool->map_bytes, iovas, (unsigned)n_pages,
			    pool->page_bytes) < 0)
		err = pool_error(pool, "rte_extmem_register", rte_errno);
	pool->registered = err == 0;
	free(iovas);
	return err;
}

/* Never read by hardware where the memory is not registered; then the address serves. */
static rte_iova_t segment_iova(const struct log_pool *pool, uint8_t *addr)
{
	if (pool->registered && rte_eal_iova_mode() == RTE_IOVA_PA)
		return rte_mem_virt2iova(addr);
	return (uintptr_t)addr;
}

/* ---- segments ---- */

/* The last reference is gone: DPDK calls this too, when it frees the last mbuf. */
static void segment_free(void *addr, void *opaque)
{
	struct segment *seg = opaque;
	void *obj = seg;

	RTE_SET_USED(addr);
	/* Who finds itself the last holder reads the count relaxed (rte_mbuf_ext_refcnt_update):
	 * what the others read from the segment comes before what the next owner writes. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* The stack has room for all segments: this cannot fail. */
	rte_stack_push(seg->pool->free, &obj, 1);
}

static struct rte_stack *free_stack_create(uint32_t segments)
{
	static atomic_uint serial;
	char name[RTE_STACK_NAMESIZE];
	struct rte_stack *stack;

	snprintf(name, sizeof(name), "log_pool_%u", atomic_fetch_add(&serial, 1));
	stack = rte_stack_create(name, segments, (int)rte_socket_id(), RTE_STACK_F_LF);
	if (!stack && rte_errno == ENOTSUP)
		stack = rte_stack_create(name, segments, (int)rte_socket_id(), 0);
	return stack;
}

static struct log_segment_label label_of(const struct log_pool *pool, uint32_t segment)
{
	struct log_segment_label label;

	memcpy(&label, &pool->labels[segment], sizeof(label));
	return label;
}

uint32_t log_pool_find(const struct log_pool *pool, uint32_t log_index, uint32_t part)
{
	for (uint32_t i = 0; i < pool->segments; i++) {
		struct log_segment_label label = label_of(pool, i);

		if (label.log_index == log_index && label.part == part)
			return i;
	}
	return LOG_SEGMENT_NONE;
}

/* A segment that a log of the file needs is the log's; any other is free. In a new file all are. */
static void segment_adopt(struct log_pool *pool, uint32_t segment)
{
	struct log_segment_label label = label_of(pool, segment);

	if (label.log_index < LOG_STATES_MAX &&
		log_state_needs_part(&pool->states[label.log_index], label.part) &&
		log_pool_find(pool, label.log_index, label.part) == segment) {
		rte_mbuf_ext_refcnt_set(&pool->segs[segment].shinfo, 1);
		return;
	}
	log_pool_unlabel(pool, segment);
	segment_free(NULL, &pool->segs[segment]);
}

static int segments_create(struct log_pool *pool)
{
	size_t bytes = pool->segments * sizeof(*pool->segs);

	pool->segs = aligned_alloc(alignof(struct segment), bytes);
	if (!pool->segs)
		return pool_error(pool, "segment table", ENOMEM);
	memset(pool->segs, 0, bytes);
	pool->free = free_stack_create(pool->segments);
	if (!pool->free)
		return pool_error(pool, "rte_stack_create", rte_errno);
	for (uint32_t i = pool->segments; i-- > 0;) { /* segment 0 on top */
		struct segment *seg = &pool->segs[i];

		seg->pool = pool;
		seg->addr = pool->map + log_pool_file_offset(pool, i);
		seg->iova = segment_iova(pool, seg->addr);
		seg->shinfo.free_cb = segment_free;
		seg->shinfo.fcb_opaque = seg;
		segment_adopt(pool, i);
	}
	return 0;
}

/* ---- public ---- */

static struct log_pool *pool_new(const char *path)
{
	struct log_pool *pool;

	if (!path || strlen(path) >= sizeof(pool->path)) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	strcpy(pool->path, path);
	pool->fd = -1;
	return pool;
}

static void pool_lay_out(struct log_pool *pool, const struct log_layout *at)
{
	pool->data_offset = at->data_offset;
	pool->states = (struct egress_log_state *)(pool->map + at->states_offset);
	pool->labels = (uint64_t *)(pool->map + at->labels_offset);
}

static int pool_finish(struct log_pool *pool, bool register_dma)
{
	int ret = register_dma ? dma_register(pool) : 0;

	return ret ? ret : segments_create(pool);
}

struct log_pool *log_pool_create(
	const char *path, uint32_t segments, uint64_t instance, bool register_dma)
{
	struct log_pool *pool = pool_new(segments ? path : NULL);
	struct log_layout at;
	int ret;

	if (!pool)
		return NULL;
	log_layout_of(segments, &at);
	pool->segments = segments;
	pool->map_bytes = at.bytes;
	ret = file_make(pool);
	if (!ret)
		ret = file_map(pool);
	if (!ret) {
		pool_lay_out(pool, &at);
		file_format(pool, &at, instance);
		ret = pool_finish(pool, register_dma);
	}
	if (ret) {
		log_pool_destroy(pool);
		errno = -ret;
		return NULL;
	}
	return pool;
}

/* Maps what is there, and only then believes its header. */
static int file_reuse(struct log_pool *pool, char *why, size_t why_size)
{
	struct log_layout at;
	struct stat st;
	int ret = file_open(pool, 0);

	if (ret)
		return ret;
	if (fstat(pool->fd, &st) < 0)
		return -errno;
	pool->map_bytes = (size_t)st.st_size;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct log_file_header)) {
		snprintf(why, why_size, "it is no file of an egress log");
		return -EBADMSG;
	}
	ret = posix_fallocate(pool->fd, 0, st.st_size); /* no hole to fall into */
	if (ret)
		return pool_error(pool, "no memory for all segments (hugepages?)", ret);
	ret = file_map(pool);
	if (ret)
		return ret;
	if (log_check_file(pool->map, pool->map_bytes, why, why_size))
		return -EBADMSG;
	pool->segments = ((const struct log_file_header *)pool->map)->segments;
	log_layout_of(pool->segments, &at);
	pool_lay_out(pool, &at);
	return 0;
}

struct log_pool *log_pool_open(const char *path, bool register_dma, char *why, size_t why_size)
{
	struct log_pool *pool = pool_new(path);
	int ret;

	if (!pool)
		return NULL;
	why[0] = '\0';
	ret = file_reuse(pool, why, why_size);
	if (!ret)
		ret = pool_finish(pool, register_dma);
	if (ret) {
		log_pool_close(pool);
		errno = -ret;
		return NULL;
	}
	return pool;
}

uint64_t log_pool_instance(const struct log_pool *pool)
{
	return ((const struct log_file_header *)pool->map)->instance;
}

bool log_pool_holds(const struct log_pool *pool)
{
	for (uint32_t i = 0; i < LOG_STATES_MAX; i++)
		if (log_state_holds(&pool->states[i]))
			return true;
	return false;
}

void log_pool_forget(struct log_pool *pool, uint32_t log_index)
{
	__atomic_store_n(&pool->states[log_index].in_use, 0, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < pool->segments; i++) {
		if (label_of(pool, i).log_index != log_index)
			continue;
		log_pool_unlabel(pool, i);
		log_pool_release(pool, i);
	}
}

static void pool_free(struct log_pool *pool)
{
	rte_stack_free(pool->free);
	free(pool->segs);
	if (pool->registered)
		rte_extmem_unregister(pool->map, pool->map_bytes);
	if (pool->map)
		munmap(pool->map, pool->map_bytes);
	if (pool->fd >= 0)
		close(pool->fd);
	free(pool);
}

void log_pool_close(struct log_pool *pool)
{
	if (pool)
		pool_free(pool);
}

void log_pool_destroy(struct log_pool *pool)
{
	if (!pool)
		return;
	if (pool->fd >= 0)
		unlink(pool->path);
	pool_free(pool);
}

void log_pool_set_owners(struct log_pool *pool, uint32_t owners)
{
	__atomic_store_n(&pool->owners, owners, __ATOMIC_RELAXED);
}

bool log_pool_may_take(const struct log_pool *pool, const struct log_share *share)
{
	uint32_t owners = RTE_MAX(__atomic_load_n(&pool->owners, __ATOMIC_RELAXED), 1u);
	uint32_t each = RTE_MAX(pool->segments / 2 / owners, 1u);
	uint32_t others = RTE_MIN(each * (owners - 1), pool->segments / 2);

	return __atomic_load_n(&share->taken, __ATOMIC_RELAXED) < each ||
	       log_pool_free_count(pool) > others;
}

uint32_t log_pool_take(struct log_pool *pool)
{
	struct segment *seg;
	void *obj;

	if (rte_stack_pop(pool->free, &obj, 1) != 1)
		return LOG_SEGMENT_NONE;
	seg = obj;
	rte_mbuf_ext_refcnt_set(&seg->shinfo, 1);
	return (uint32_t)(seg - pool->segs);
}

void log_pool_label(struct log_pool *pool, uint32_t segment, uint32_t log_index, uint32_t part)
{
	struct log_segment_label label = {.log_index = log_index, .part = part};
	uint64_t word;

	memcpy(&word, &label, sizeof(word));
	__atomic_store_n(&pool->labels[segment], word, __ATOMIC_RELEASE);
}

void log_pool_unlabel(struct log_pool *pool, uint32_t segment)
{
	log_pool_label(pool, segment, LOG_SEGMENT_FREE, UINT32_MAX);
}

void log_pool_release(struct log_pool *pool, uint32_t segment)
{
	struct segment *seg = &pool->segs[segment];

	if (rte_mbuf_ext_refcnt_update(&seg->shinfo, -1) == 0)
		segment_free(NULL, seg);
}

void log_pool_hold(struct log_pool *pool, uint32_t segment, uint16_t n)
{
	rte_mbuf_ext_refcnt_update(&pool->segs[segment].shinfo, (int16_t)n);
}

uint32_t log_pool_refs(const struct log_pool *pool, uint32_t segment)
{
	return rte_mbuf_ext_refcnt_read(&pool->segs[segment].shinfo);
}

void *log_pool_addr(const struct log_pool *pool, uint32_t segment)
{
	return pool->segs[segment].addr;
}

uint64_t log_pool_iova(const struct log_pool *pool, uint32_t segment)
{
	return pool->segs[segment].iova;
}

struct rte_mbuf_ext_shared_info *log_pool_shinfo(const struct log_pool *pool, uint32_t segment)
{
	return &pool->segs[segment].shinfo;
}

uint32_t log_pool_free_count(const struct log_pool *pool)
{
	return rte_stack_count(pool->free);
}

uint32_t log_pool_size(const struct log_pool *pool)
{
	return pool->segments;
}

struct egress_log_state *log_pool_state(struct log_pool *pool, uint32_t index)
{
	return &pool->states[index];
}

int log_pool_fd(const struct log_pool *pool)
{
	char self[64];
	int fd;

	/* Through /proc: the very file that is mapped, whatever has become of its name. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", pool->fd);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

uint64_t log_pool_file_offset(const struct log_pool *pool, uint32_t segment)
{
	return pool->data_offset + (uint64_t)segment * LOG_SEGMENT_BYTES;
}

void *log_pool_memory(const struct log_pool *pool, size_t *bytes)
{
	*bytes = pool->map_bytes;
	return pool->map;
}
