/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log: where the frames of one TX queue wait for their checkpoint's commit.
 *
 * A write-ahead log of bytes, not of mbufs, in segments of a log_pool. Four offsets say
 * everything, at every instant: released <= committed <= sealed <= tail. They only grow, but for
 * discard, which takes tail and sealed back to committed. Seal, commit and discard move an
 * offset: O(1) in the number of frames. (Discard also gives back whole segments.)
 *
 * Offset o lies in the log's part o >> LOG_SEGMENT_SHIFT; a part is in one segment of the pool.
 * A record never crosses a segment's end. A log that has become empty gives back all segments
 * and goes on at the next part's start, with all four offsets there.
 *
 * One writer: the lcore that owns the queue calls everything here, except the readers that are
 * marked "any thread", which see a recent value.
 * Source: Remus (NSDI'08) section 3.4, "network buffering"; ReNIC (ACM TACO 2012).
 */
#ifndef RENICD_NIC_EGRESS_LOG_H
#define RENICD_NIC_EGRESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "alike.h"
#include "log_pool.h"
#include "types.h"

struct rte_mbuf;
struct rte_mempool;

/* Record flags. */
enum {
	EGRESS_RECORD_END = 1 << 0,	/* no frame: the rest of the segment is unused */
	EGRESS_RECORD_OFFLOAD = 1 << 1, /* a struct egress_offload follows the header */
	EGRESS_RECORD_VLAN = 1 << 2,	/* vlan_tci is a tag held beside the bytes */
	EGRESS_RECORD_SKIP_GROUP = 1
				   << 3, /* a flooded frame that the group's own VFs already got */
	EGRESS_RECORD_VLAN_AD = 1 << 4,	 /* with EGRESS_RECORD_VLAN: that tag is one of 802.1ad */
};

/* Header of a record, 16 bytes; bytes follow (after egress_offload, if flagged); the next
 * record starts at the next multiple of EGRESS_RECORD_ALIGN, or, after an EGRESS_RECORD_END, in
 * the next segment. Little-endian, readable after a crash. */
struct egress_record {
	uint32_t len; /* frame bytes */
	uint16_t flags;
	uint16_t vlan_tci;
	uint64_t epoch; /* epoch that the frame belongs to; 0: never held, committed at once */
};

/* Requests that travel with a frame: struct rte_mbuf's, as vhost gave them. */
struct egress_offload {
	uint64_t ol_flags;
	uint64_t tx_offload;
};

enum {
	EGRESS_RECORD_ALIGN = 16, /* so that what is left of a segment has room for an END */
	EGRESS_FRAME_MAX = 65535, /* longest frame, bytes (TSO) */
	EGRESS_MARKS_MAX = 256,
};

/* Where an epoch ended, kept for the epochs in flight. */
struct egress_epoch {
	uint64_t epoch;
	uint64_t end;	   /* offset */
	uint64_t end_pkts; /* frames appended until there */
	uint64_t end_bytes;
};

/* The age of a run of frames (at most one epoch or one segment's worth). */
struct egress_mark {
	uint64_t end;	    /* offset; the run begins where the one before it ends */
	uint64_t first_tsc; /* when the run's first frame came */
};

/* Lives in the pool's file. Only these, and the records, are needed to go on after a crash: the
 * epochs' ends follow from the records. */
struct egress_log_state {
	uint32_t in_use; /* written last */
	uint32_t reserved;
	uint64_t released, committed, sealed, tail;
	uint64_t epoch; /* open epoch; 0 while nothing is held back */
	uint64_t reserved2;
} __attribute__((aligned(64)));

/* What the last peek found, so that advance need not look again. */
struct egress_peeked {
	uint64_t from, end; /* offsets */
	struct alike alike; /* as struct switch_from has it, with their bytes */
	uint16_t pkts;	    /* 0: nothing that is still so */
};

struct egress_log {
	/* hot: append */
	struct egress_log_state *state;
	uint8_t *write;		 /* address of `tail`, where room > 0 */
	uint32_t room;		 /* bytes from there to the end of tail's segment; 0: none taken */
	uint32_t index;		 /* of the state, in the pool */
	uint64_t open_first_tsc; /* when the first frame since the last mark came; 0: none yet */
	uint64_t appended_pkts, appended_bytes; /* less what was discarded */
	uint64_t committed_pkts, committed_bytes;
	/* hot: release */
	uint64_t released_pkts, released_bytes;
	uint64_t oldest_tsc; /* first_tsc of the oldest mark; 0: the log is empty */
	struct egress_peeked peeked;
	struct log_pool *pool;
	struct log_share *share; /* its owner's; NULL: it may take all */
	uint32_t *segments;	 /* ring: part & segments_mask -> segment of the pool */
	uint32_t segments_mask;
	uint32_t segments_max;	       /* quota */
	uint64_t first_part, end_part; /* parts that have a segment: first_part .. end_part - 1 */
	uint32_t first_mark, n_marks;  /* ring of runs, oldest first; without the open one */
	struct egress_mark marks[EGRESS_MARKS_MAX];
	struct egress_epoch epochs[EPOCHS_IN_FLIGHT_MAX]; /* [epoch % EPOCHS_IN_FLIGHT_MAX] */
};

/* quota_bytes is rounded up to segments: at least 2, at most what the pool has. Takes no segment
 * yet. 0, -EINVAL (state_index), -EBUSY (the state is another log's), -ENOMEM.
 * Not on an lcore (allocates). */
int egress_log_init(
	struct egress_log *log, struct log_pool *pool, uint32_t state_index, uint64_t quota_bytes);

/*
 * As egress_log_init(), for a log that an earlier daemon left in the pool's file: what it holds is
 * held again, with the ends of its epochs found by their records. A log that the file does not
 * have is an empty one. The frames' age counts from now_tsc. 0, -EINVAL, -ENOMEM; -EBADMSG: damaged
 * (log_pool_open() has checked it). Not on an lcore, and no lcore knows the log yet.
 */
int egress_log_recover(struct egress_log *log, struct log_pool *pool, uint32_t state_index,
	uint64_t quota_bytes, uint64_t now_tsc);

/* What it takes of the pool, and has, counts as its owner's from now on. No lcore knows it yet. */
void egress_log_set_share(struct egress_log *log, struct log_share *share);

/* Frees what this process has of the log; the file keeps it, for a later egress_log_recover(). Not
 * on an lcore, and the owner no longer uses it. */
void egress_log_detach(struct egress_log *log);

/* Gives everything back; held frames are gone (the caller has counted them). Not on an lcore, and
 * the owner no longer uses it. */
void egress_log_fini(struct egress_log *log);

/*
 * Make sure that n frames of at most frame_bytes each can be appended; takes segments as needed.
 * false: quota or pool is exhausted, nothing was taken; the caller must not take frames from the
 * guest. n * (frame_bytes + 48) of up to half the quota always fits into an empty log.
 */
bool egress_log_reserve(struct egress_log *log, uint32_t n, uint32_t frame_bytes);

/* After a reserve without an append (the guest had nothing): an empty log gives its segments
 * back, so that idle queues hold none. Cheap when there is nothing to give. */
void egress_log_trim(struct egress_log *log);

/* Append n frames (chained mbufs too), copying their bytes, to the open epoch. Reserved before.
 * flags: of each, EGRESS_RECORD_SKIP_GROUP or 0; the others are derived from the mbuf. NULL: none.
 * The mbufs stay the caller's. now_tsc is stored once an epoch and segment. A crash under way loses
 * the whole burst. */
void egress_log_append_burst(struct egress_log *log, struct rte_mbuf *const *pkts,
	const uint16_t *flags, uint16_t n, uint64_t now_tsc);

static inline void egress_log_append(
	struct egress_log *log, struct rte_mbuf *m, uint16_t flags, uint64_t now_tsc)
{
	egress_log_append_burst(log, &m, &flags, 1, now_tsc);
}

/* A frame in the memory of a guest, which may change it at any time. */
struct egress_raw {
	const uint8_t *at;
	uint32_t len;
};

/* Records that are written and not yet part of the log. */
struct egress_copied {
	uint8_t *write; /* where the next one goes */
	uint64_t bytes; /* of the frames */
	uint16_t pkts;
};

/*
 * Copy n frames, n > 0, into the log before anybody has looked at them, and hold the copies against
 * `rule` (alike.h). false: they are not alike, or have no room in the tail's segment (an empty log
 * has none); the log is as it was. Only the copies are judged. They become part of the log by
 * egress_log_keep(), with nothing appended meanwhile, or never.
 */
bool egress_log_copy(struct egress_log *log, const struct egress_raw *frames, uint16_t n,
	const struct alike_rule *rule, struct egress_copied *copied);
void egress_log_keep(struct egress_log *log, const struct egress_copied *copied, uint64_t now_tsc);

/* Open epoch `epoch`, not 0 (protection starts): what comes from now on is held. Requires that all
 * that the log has is committed (it may still be unreleased), as commit_all and discard leave it.
 */
void egress_log_open(struct egress_log *log, uint64_t epoch);

/* End the open epoch and open the next one. Without an open epoch it does nothing. Where the last
 * EPOCHS_IN_FLIGHT_MAX - 1 ended is remembered; what is older leaves with one of these. */
void egress_log_seal(struct egress_log *log);

/* Epochs <= epoch may leave. epoch has been sealed and is remembered, else this does nothing;
 * committing an older one again does nothing. */
void egress_log_commit(struct egress_log *log, uint64_t epoch);

/* Protection ends: all may leave, and what is appended from now on is committed at once. */
void egress_log_commit_all(struct egress_log *log);

/* Protection ends: what is not committed is dropped; returns how many frames. Committed frames
 * still leave. Afterwards appended frames are committed at once. */
uint64_t egress_log_discard(struct egress_log *log);

/*
 * Build up to n mbufs from the next committed, unreleased records, in order. Small frames are
 * copied into mbufs of `data_pool`; larger ones (EGRESS_COPY_MAX) are attached to the log
 * (rte_pktmbuf_attach_extbuf) with mbufs of `attach_pool`. flags[i]: the record's flags.
 * VLAN and offload fields are set again as the guest gave them. Nothing is released yet: the
 * caller may free the mbufs, and the next peek gives the same frames. Attached mbufs have no
 * headroom and share the log's bytes, which must not be altered.
 * Returns how many were built: fewer than n when the records or the mbufs run out.
 */
enum { EGRESS_COPY_MAX = 256 };
uint16_t egress_log_peek(struct egress_log *log, struct rte_mempool *data_pool,
	struct rte_mempool *attach_pool, struct rte_mbuf **pkts, uint16_t *flags, uint16_t n);

/* The next n frames, from a peek, have left: move `released` past them. Segments that are
 * wholly released go back to the pool (when frames pointing into them are freed); a log that is
 * empty gives back its last one too. */
void egress_log_advance(struct egress_log *log, uint16_t n);

/* Any thread: frames and bytes (of frames) not released yet, committed or not. */
uint64_t egress_log_held_pkts(const struct egress_log *log);
uint64_t egress_log_held_bytes(const struct egress_log *log);
/* Any thread: when the oldest held frame came (TSC), or a little earlier: exact for the first
 * frame of an epoch. 0: nothing is held. */
uint64_t egress_log_oldest_tsc(const struct egress_log *log);

/* The owner: where in the pool's file the bytes from `offset` on lie (released <= offset < tail),
 * and how many of them in one piece (up to tail or the segment's end). 0: none. */
uint64_t egress_log_extent(const struct egress_log *log, uint64_t offset, uint64_t *file_offset);

/* Frames that may leave now: committed, not released. The owner lcore. */
static inline bool egress_log_has_committed(const struct egress_log *log)
{
	return log->state->released < log->state->committed;
}

static inline bool egress_log_is_empty(const struct egress_log *log)
{
	return log->state->released == log->state->tail;
}

#endif
