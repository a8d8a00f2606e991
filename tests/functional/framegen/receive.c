/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving side's judge; see receive.h. Seen sequence numbers are kept as a bitmap, grown on
 * demand, so that a repetition is known however late it comes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "frame.h"
#include "receive.h"

enum {
	STREAMS = 65536,
	SEQ_MAX = 1 << 28, /* 32 MiB of bitmap; beyond it a number counts as corrupt */
	ARRIVALS_MAX = 1 << 22,
};

struct stream {
	uint64_t received, unique, repeated, reordered, corrupt, bytes, tagged;
	uint64_t first_ns, last_ns;
	uint32_t min, max;
	uint32_t queues;		/* bit a receive queue */
	uint32_t next[PORT_QUEUES_MAX]; /* lowest number that is in order */
	int tag;
	uint64_t *seen;
	uint32_t seen_words;
};

struct arrival {
	uint64_t ns;
	uint32_t stream, count, min, max, queue, zero;
};

struct receiver {
	uint64_t pkts, bytes, foreign;
	struct stream *streams[STREAMS];
	struct arrival *arrivals; /* NULL: not noted */
	uint32_t n_arrivals;
};

struct receiver *receiver_new(void)
{
	return calloc(1, sizeof(struct receiver));
}

void receiver_clear(struct receiver *r)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		if (!r->streams[i])
			continue;
		free(r->streams[i]->seen);
		free(r->streams[i]);
		r->streams[i] = NULL;
	}
	r->pkts = r->bytes = r->foreign = 0;
	r->n_arrivals = 0;
}

void receiver_free(struct receiver *r)
{
	if (!r)
		return;
	receiver_clear(r);
	free(r->arrivals);
	free(r);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct stream *stream_of(struct receiver *r, uint16_t id)
{
	if (unlikely(!r->streams[id])) {
		r->streams[id] = calloc(1, sizeof(struct stream));
		if (r->streams[id]) {
			r->streams[id]->min = UINT32_MAX;
			r->streams[id]->tag = -1;
		}
	}
	return r->streams[id];
}

static bool grow_seen(struct stream *s, uint32_t seq)
{
	uint32_t words = s->seen_words ? s->seen_words : 1024;
	uint64_t *seen;

	while (words <= seq / 64)
		words *= 2;
	seen = realloc(s->seen, words * sizeof(*seen));
	if (!seen)
		return false;
	memset(seen + s->seen_words, 0, (words - s->seen_words) * sizeof(*seen));
	s->seen = seen;
	s->seen_words = words;
	return true;
}

static void count_number(struct stream *s, uint16_t queue, uint32_t seq)
{
	uint64_t bit = 1ULL << seq % 64;

	if (s->seen[seq / 64] & bit)
		s->repeated++;
	else
		s->unique++;
	s->seen[seq / 64] |= bit;
	if (seq < s->next[queue])
		s->reordered++;
	else
		s->next[queue] = seq + 1;
	s->queues |= 1u << queue;
	if (seq < s->min)
		s->min = seq;
	if (seq > s->max)
		s->max = seq;
}

/* Contiguous in memory, whatever segments it came in. */
static const uint8_t *bytes_of(const struct rte_mbuf *m)
{
	static uint8_t whole[16384];

	if (rte_pktmbuf_is_contiguous(m))
		return rte_pktmbuf_mtod(m, const uint8_t *);
	return rte_pktmbuf_pkt_len(m) <= sizeof(whole)
		       ? rte_pktmbuf_read(m, 0, rte_pktmbuf_pkt_len(m), whole)
		       : NULL;
}

static struct stream *take_frame(struct receiver *r, uint16_t queue, const struct rte_mbuf *m,
	uint64_t ns, struct frame_stamp *stamp)
{
	uint32_t len = rte_pktmbuf_pkt_len(m);
	const uint8_t *bytes = bytes_of(m);
	enum frame_verdict verdict;
	struct stream *s;
	int tag;

	r->pkts++;
	r->bytes += len;
	verdict = bytes ? frame_check(bytes, len, stamp, &tag) : FRAME_FOREIGN;
	s = verdict == FRAME_FOREIGN ? NULL : stream_of(r, stamp->stream);
	if (!s) {
		r->foreign++;
		return NULL;
	}
	if (!s->received++)
		s->first_ns = ns;
	s->last_ns = ns;
	s->bytes += len;
	s->tag = tag;
	s->tagged += tag >= 0;
	if (verdict == FRAME_CORRUPT || stamp->seq >= SEQ_MAX ||
		(stamp->seq / 64 >= s->seen_words && !grow_seen(s, stamp->seq))) {
		s->corrupt++;
		return NULL;
	}
	count_number(s, queue, stamp->seq);
	return s;
}

static void note(struct receiver *r, const struct frame_stamp *stamp, uint16_t queue, uint64_t ns)
{
	struct arrival *last = r->n_arrivals ? &r->arrivals[r->n_arrivals - 1] : NULL;

	if (last && last->ns == ns && last->stream == stamp->stream && last->queue == queue) {
		last->count++;
		if (stamp->seq < last->min)
			last->min = stamp->seq;
		if (stamp->seq > last->max)
			last->max = stamp->seq;
		return;
	}
	if (r->n_arrivals == ARRIVALS_MAX)
		return;
	r->arrivals[r->n_arrivals++] = (struct arrival){.ns = ns,
		.stream = stamp->stream,
		.count = 1,
		.min = stamp->seq,
		.max = stamp->seq,
		.queue = queue};
}

void receiver_take(struct receiver *r, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t ns = now_ns();

	for (uint16_t i = 0; i < n; i++) {
		struct frame_stamp stamp;

		if (take_frame(r, queue, pkts[i], ns, &stamp) && r->arrivals)
			note(r, &stamp, queue, ns);
	}
}

static json_t *stream_report(const struct stream *s)
{
	uint64_t span = s->unique ? (uint64_t)s->max - s->min + 1 : 0;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I}",
		"received", (json_int_t)s->received, "unique", (json_int_t)s->unique, "lost",
		(json_int_t)(span - s->unique), "repeated", (json_int_t)s->repeated, "reordered",
		(json_int_t)s->reordered, "corrupt", (json_int_t)s->corrupt, "min",
		s->unique ? (json_int_t)s->min : -1, "max", s->unique ? (json_int_t)s->max : -1,
		"bytes", (json_int_t)s->bytes, "first_ns", (json_int_t)s->first_ns, "last_ns",
		(json_int_t)s->last_ns, "tag", s->tag, "tagged", (json_int_t)s->tagged, "queues",
		(json_int_t)s->queues);
}

json_t *receiver_report(const struct receiver *r)
{
	json_t *streams = json_object();

	for (unsigned i = 0; i < STREAMS; i++) {
		char id[8];

		if (!r->streams[i])
			continue;
		snprintf(id, sizeof(id), "%u", i);
		json_object_set_new(streams, id, stream_report(r->streams[i]));
	}
	return json_pack("{s:I, s:I, s:I, s:o}", "pkts", (json_int_t)r->pkts, "bytes",
		(json_int_t)r->bytes, "foreign", (json_int_t)r->foreign, "streams", streams);
}

void receiver_note_arrivals(struct receiver *r, bool on)
{
	free(r->arrivals);
	r->arrivals = on ? malloc(ARRIVALS_MAX * sizeof(*r->arrivals)) : NULL;
	r->n_arrivals = 0;
}

int receiver_write_arrivals(const struct receiver *r, const char *path)
{
	FILE *f = fopen(path, "we");
	size_t written;

	if (!f)
		return -errno;
	written = fwrite(r->arrivals, sizeof(*r->arrivals), r->n_arrivals, f);
	if (fclose(f) || written != r->n_arrivals)
		return -EIO;
	return (int)r->n_arrivals;
}
