/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of the egress logs: segments of 2 MiB of one file (log_format.h, log_map.h), which
 * logs take, label with what they hold, let frames point into, and give back.
 *
 * Free segments form a stack (rte_stack, lock-free): the one freed last is taken first, so
 * that small holdings stay in cache. Taking and giving back may happen on any thread.
 */
#ifndef RENICD_NIC_LOG_POOL_H
#define RENICD_NIC_LOG_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_format.h"

#define LOG_SEGMENT_NONE UINT32_MAX

struct rte_mbuf_ext_shared_info;
struct egress_log_state;
struct log_pool;

/*
 * Create the pool: a new file at path (an old one there is replaced) of `segments` segments for
 * logs, plus the header. Needs an initialised EAL (rte_stack, rte_malloc); with --no-huge too.
 * register_dma: also make the memory known to DPDK (rte_extmem_register) so that real NICs
 * can read from it (a port that does DMA needs rte_dev_dma_map() of log_pool_memory() besides);
 * fails with ENOTSUP where DPDK uses physical addresses and the file has pages smaller than a
 * segment. All memory is allocated here: ENOSPC or ENOMEM now, never a SIGBUS later.
 * Control thread. Returns NULL with errno set; no file is left then.
 */
struct log_pool *log_pool_create(
	const char *path, uint32_t segments, uint64_t instance, bool register_dma);

/*
 * Open a file that an earlier daemon left, whole (log_check_file()). Segments that its logs need
 * stay theirs, for egress_log_recover(); the others are free. Control thread. Returns NULL with
 * errno set (EBADMSG: the file is not whole, *why says what is wrong); the file is left as it was.
 */
struct log_pool *log_pool_open(const char *path, bool register_dma, char *why, size_t why_size);

/* As log_pool_create() was told. */
uint64_t log_pool_instance(const struct log_pool *pool);

/* Has any log frames in the file? The owners are done with the logs. */
bool log_pool_holds(const struct log_pool *pool);

/* A log that was left in the file and has no owner any more: its segments are free again. */
void log_pool_forget(struct log_pool *pool, uint32_t log_index);

/* Unmaps; the file stays for the next daemon. Else as log_pool_destroy(). */
void log_pool_close(struct log_pool *pool);

/* Unmaps and unlinks; no log may be using the pool, and no mbuf may point into it. NULL is fine.
 * Control thread. */
void log_pool_destroy(struct log_pool *pool);

/* The segment that holds that part of that log, or LOG_SEGMENT_NONE. Slow: looks at all. */
uint32_t log_pool_find(const struct log_pool *pool, uint32_t log_index, uint32_t part);

/* What logs of one owner (a VF) have of the pool together. */
struct log_share {
	uint32_t taken; /* atomic: segments */
};

/* So many owners there are. Control thread. */
void log_pool_set_owners(struct log_pool *pool, uint32_t owners);

/* Half of the pool goes to who comes first; each owner has its share of the other half, whatever
 * the others hold. May this one take a segment more? Any lcore. */
bool log_pool_may_take(const struct log_pool *pool, const struct log_share *share);

/* Take the segment freed last, or LOG_SEGMENT_NONE. The log's own reference is counted. */
uint32_t log_pool_take(struct log_pool *pool);

/* Note in the file what the segment holds from now on: before the log's state says so. */
void log_pool_label(struct log_pool *pool, uint32_t segment, uint32_t log_index, uint32_t part);

/* It holds nothing that counts any more; before the log's own reference is dropped. */
void log_pool_unlabel(struct log_pool *pool, uint32_t segment);

/* Drop one reference (the log's own, or a frame's that points into the segment); the last one
 * gives the segment back. */
void log_pool_release(struct log_pool *pool, uint32_t segment);

/* Count `n` frames that point into the segment; each later drops its reference through the
 * shared info's callback when its mbuf is freed, on any thread. The caller has a reference. The
 * count has 16 bits (DPDK's): see LOG_SEGMENT_REFS_MAX. */
void log_pool_hold(struct log_pool *pool, uint32_t segment, uint16_t n);

/* No more frames than this should point into one segment at once: clones of attached mbufs
 * (a flooded frame) count too, and 65,536 would wrap. */
enum { LOG_SEGMENT_REFS_MAX = 32768 };

/* References that are out now. Any thread, a recent value. */
uint32_t log_pool_refs(const struct log_pool *pool, uint32_t segment);

void *log_pool_addr(const struct log_pool *pool, uint32_t segment);
uint64_t log_pool_iova(const struct log_pool *pool, uint32_t segment);
/* What rte_pktmbuf_attach_extbuf() wants: one a segment, refcnt = frames out + the log's own. */
struct rte_mbuf_ext_shared_info *log_pool_shinfo(const struct log_pool *pool, uint32_t segment);

uint32_t log_pool_free_count(const struct log_pool *pool);
uint32_t log_pool_size(const struct log_pool *pool);

/* The place in the file's header for log number `index` (0 .. LOG_STATES_MAX-1). */
struct egress_log_state *log_pool_state(struct log_pool *pool, uint32_t index);

/* A new read-only descriptor of the file (caller closes), or -errno. */
int log_pool_fd(const struct log_pool *pool);
/* Offset in the file of a segment's first byte. */
uint64_t log_pool_file_offset(const struct log_pool *pool, uint32_t segment);
/* The whole mapping, and its size in *bytes. */
void *log_pool_memory(const struct log_pool *pool, size_t *bytes);

#endif
