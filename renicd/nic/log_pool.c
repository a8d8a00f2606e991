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
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_stack.h>

#include "egress_log.h"
#include "log_check.h"
#include "log_map.h"
#include "log_pool.h"

struct segment {
	struct rte_mbuf_ext_shared_info shinfo; /* refcnt: frames out, and the log's own */
	struct log_pool *pool;
	uint8_t *addr;
	rte_iova_t iova;
} __rte_cache_aligned;

struct log_pool {
	struct segment *segs;
	struct rte_stack *free;
	uint32_t owners; /* atomic */
	struct log_map file;
};

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

	memcpy(&label, &pool->file.labels[segment], sizeof(label));
	return label;
}

uint32_t log_pool_find(const struct log_pool *pool, uint32_t log_index, uint32_t part)
{
	for (uint32_t i = 0; i < pool->file.segments; i++) {
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
		log_state_needs_part(&pool->file.states[label.log_index], label.part) &&
		log_pool_find(pool, label.log_index, label.part) == segment) {
		rte_mbuf_ext_refcnt_set(&pool->segs[segment].shinfo, 1);
		return;
	}
	log_pool_unlabel(pool, segment);
	segment_free(NULL, &pool->segs[segment]);
}

static int segments_create(struct log_pool *pool)
{
	size_t bytes = pool->file.segments * sizeof(*pool->segs);

	pool->segs = aligned_alloc(alignof(struct segment), bytes);
	if (!pool->segs)
		return log_map_error(&pool->file, "segment table", ENOMEM);
	memset(pool->segs, 0, bytes);
	pool->free = free_stack_create(pool->file.segments);
	if (!pool->free)
		return log_map_error(&pool->file, "rte_stack_create", rte_errno);
	for (uint32_t i = pool->file.segments; i-- > 0;) { /* segment 0 on top */
		struct segment *seg = &pool->segs[i];

		seg->pool = pool;
		seg->addr = pool->file.bytes + log_map_offset(&pool->file, i);
		seg->iova = log_map_iova(&pool->file, i);
		seg->shinfo.free_cb = segment_free;
		seg->shinfo.fcb_opaque = seg;
		segment_adopt(pool, i);
	}
	return 0;
}

/* ---- the pool ---- */

static struct log_pool *pool_new(const char *path)
{
	struct log_pool *pool = calloc(1, sizeof(*pool));
	int ret;

	if (!pool)
		return NULL;
	ret = log_map_init(&pool->file, path);
	if (!ret)
		return pool;
	free(pool);
	errno = -ret;
	return NULL;
}

static int pool_finish(struct log_pool *pool, bool register_dma)
{
	int ret = register_dma ? log_map_register(&pool->file) : 0;

	return ret ? ret : segments_create(pool);
}

struct log_pool *log_pool_create(
	const char *path, uint32_t segments, uint64_t instance, bool register_dma)
{
	struct log_pool *pool = pool_new(segments ? path : NULL);
	int ret;

	if (!pool)
		return NULL;
	ret = log_map_make(&pool->file, segments, instance);
	if (!ret)
		ret = pool_finish(pool, register_dma);
	if (ret) {
		log_pool_destroy(pool);
		errno = -ret;
		return NULL;
	}
	return pool;
}

struct log_pool *log_pool_open(const char *path, bool register_dma, char *why, size_t why_size)
{
	struct log_pool *pool = pool_new(path);
	int ret;

	if (!pool)
		return NULL;
	why[0] = '\0';
	ret = log_map_open(&pool->file, why, why_size);
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
	return log_map_header(&pool->file)->instance;
}

bool log_pool_holds(const struct log_pool *pool)
{
	for (uint32_t i = 0; i < LOG_STATES_MAX; i++)
		if (log_state_holds(&pool->file.states[i]))
			return true;
	return false;
}

void log_pool_forget(struct log_pool *pool, uint32_t log_index)
{
	__atomic_store_n(&pool->file.states[log_index].in_use, 0, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < pool->file.segments; i++) {
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
	log_map_close(&pool->file);
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
	log_map_unlink(&pool->file);
	pool_free(pool);
}

void log_pool_set_owners(struct log_pool *pool, uint32_t owners)
{
	__atomic_store_n(&pool->owners, owners, __ATOMIC_RELAXED);
}

bool log_pool_may_take(const struct log_pool *pool, const struct log_share *share)
{
	uint32_t owners = RTE_MAX(__atomic_load_n(&pool->owners, __ATOMIC_RELAXED), 1u);
	uint32_t each = RTE_MAX(pool->file.segments / 2 / owners, 1u);
	uint32_t others = RTE_MIN(each * (owners - 1), pool->file.segments / 2);

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
	__atomic_store_n(&pool->file.labels[segment], word, __ATOMIC_RELEASE);
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
	return pool->file.segments;
}

struct egress_log_state *log_pool_state(struct log_pool *pool, uint32_t index)
{
	return &pool->file.states[index];
}

int log_pool_fd(const struct log_pool *pool)
{
	return log_map_reopen(&pool->file);
}

uint64_t log_pool_file_offset(const struct log_pool *pool, uint32_t segment)
{
	return log_map_offset(&pool->file, segment);
}

void *log_pool_memory(const struct log_pool *pool, size_t *bytes)
{
	*bytes = pool->file.size;
	return pool->file.bytes;
}
