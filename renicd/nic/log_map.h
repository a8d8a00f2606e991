/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress logs' file in this process: made or opened, mapped shared, so that its bytes outlive
 * the process and its descriptor can be handed to a client; and, where real NICs are to read from
 * it, known to DPDK. It lies on hugetlbfs by default, or on any file system (tmpfs). All its memory
 * is allocated when it is made or opened: a lack shows then, never as a SIGBUS later.
 *
 * What the segments are used for is log_pool.h's. Make, open and close: control thread. The rest:
 * any thread.
 */
#ifndef RENICD_NIC_LOG_MAP_H
#define RENICD_NIC_LOG_MAP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_format.h"

struct egress_log_state;

struct log_map {
	uint8_t *bytes;			 /* the whole file; NULL: not mapped */
	struct egress_log_state *states; /* in the file */
	uint64_t *labels;		 /* struct log_segment_label as words, in the file */
	uint64_t data_offset;		 /* of segment 0, in the file */
	uint32_t segments;
	size_t size;	   /* bytes */
	size_t page_bytes; /* of the mapping */
	int fd;		   /* -1: not open */
	bool registered;   /* with rte_extmem_register() */
	char path[PATH_MAX];
};

/* Sets a map that nothing is in yet, which log_map_close() takes. 0, or -EINVAL: no path, or one
 * that is too long. */
int log_map_init(struct log_map *map, const char *path);

/* Has a daemon that runs (another one, or this one) the file open? Any thread. */
bool log_map_is_in_use(const char *path);

/* A new file of `segments` segments for logs, plus the header; an old one there is replaced. Every
 * state is unused, every label free. 0, or -errno, logged: the file may be there in part. */
int log_map_make(struct log_map *map, uint32_t segments, uint64_t instance);

/* The file that an earlier daemon left, whole. 0, or -errno: logged, but for -ENOENT, and for
 * -EBADMSG with *why (it is not whole). The file is left as it was. */
int log_map_open(struct log_map *map, char *why, size_t why_size);

/* Make the memory known to DPDK (rte_extmem_register). 0, or -errno, logged: -ENOTSUP where DPDK
 * uses physical addresses and the file has pages smaller than a segment. */
int log_map_register(struct log_map *map);

/* Unmaps; the file stays. Also of one that log_map_make() or log_map_open() failed with. */
void log_map_close(struct log_map *map);

/* Unlinks it, if it is open. */
void log_map_unlink(const struct log_map *map);

/* What DPDK knows a segment's memory by. */
uint64_t log_map_iova(const struct log_map *map, uint32_t segment);

/* A new read-only descriptor of the file (caller closes), or -errno. */
int log_map_reopen(const struct log_map *map);

/* Log an error of the file's: "log pool PATH: what: error". Returns -error. */
int log_map_error(const struct log_map *map, const char *what, int error);

static inline const struct log_file_header *log_map_header(const struct log_map *map)
{
	return (const struct log_file_header *)map->bytes;
}

/* Offset in the file of a segment's first byte. */
static inline uint64_t log_map_offset(const struct log_map *map, uint32_t segment)
{
	return map->data_offset + (uint64_t)segment * LOG_SEGMENT_BYTES;
}

#endif
