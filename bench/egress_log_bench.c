/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What holding frames costs, on one core: frames are made (allocated, and filled from a small
 * "guest" buffer, as a virtqueue's dequeue does) and
 *   free   freed at once: nothing is held;
 *   mbuf   held as mbufs until the epoch's end, then freed in order;
 *   log    appended to an egress log, committed at the epoch's end, released and freed in order.
 * Figures compare within one run; a busy machine slows all three. Each is the best of several
 * turns, taken in rotation.
 *
 * usage: egress_log_bench [EAL options] -- [-f LOG_FILE] [-t SECONDS] [-r TURNS] [-e EPOCH_US]
 *                         [-s SIZE[,SIZE...]] [-m LOG_MIB] [-n MBUFS] [-c] [-o]
 * -c: whoever gets a frame reads its bytes (a copy, as into another VF's ring or a socket); else
 * they are left to a NIC. -o: the log only.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "egress_log.h"

enum {
	BURST = 64,
	GUEST_BUFFERS = 256, /* as many as a virtqueue has */
	FRAME_MAX = 9022,
	DATA_ROOM = 2048,
	SOURCE_MBUFS = 4095,
	SIZES_MAX = 16,
};

enum mode { MODE_FREE, MODE_MBUF, MODE_LOG, MODES };

static struct options {
	const char *log_file;
	double seconds;
	unsigned turns, epoch_us, log_mib, held_mbufs;
	bool copy_out, log_only;
	unsigned n_sizes;
	uint32_t sizes[SIZES_MAX];
} options = {
	.log_file = "/dev/shm/egress_log_bench",
	.seconds = 0.5,
	.turns = 5,
	.epoch_us = 25000,
	.log_mib = 256,
	.held_mbufs = 100000,
	.n_sizes = 4,
	.sizes = {64, 256, 1518, 9000},
};

struct result {
	double pps;
	double cycles_append, cycles_release; /* a frame; the log's own work only */
	uint64_t held_max;		      /* frames */
	uint64_t bytes_per_frame;	      /* of log, at the most held */
};

static struct rte_mempool *data_pool, *attach_pool, *held_pool;
static struct log_pool *log_pool;
static uint8_t *guest;
static unsigned guest_next;

/* ---- frames ---- */

static void fill(struct rte_mbuf *m, const uint8_t *from, uint32_t len)
{
	struct rte_mbuf *seg = m;

	m->pkt_len = len;
	for (;;) {
		uint32_t part = RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(seg));

		rte_memcpy(rte_pktmbuf_mtod(seg, void *), from, part);
		seg->data_len = (uint16_t)part;
		len -= part;
		if (!len)
			return;
		from += part;
		seg->next = rte_pktmbuf_alloc(m->pool);
		if (!seg->next)
			rte_exit(EXIT_FAILURE, "out of source mbufs\n");
		seg = seg->next;
		m->nb_segs++;
	}
}

/* A burst from the guest; 0 when the pool is empty. */
static unsigned from_guest(struct rte_mempool *pool, struct rte_mbuf **pkts, uint32_t len)
{
	if (rte_pktmbuf_alloc_bulk(pool, pkts, BURST) < 0)
		return 0;
	for (unsigned i = 0; i < BURST; i++)
		fill(pkts[i], guest + (guest_next++ % GUEST_BUFFERS) * (FRAME_MAX + 2), len);
	return BURST;
}

/* The frames' destination. */
static void send_out(struct rte_mbuf **pkts, unsigned n)
{
	static uint8_t to[GUEST_BUFFERS][FRAME_MAX + 2];
	static unsigned next;

	for (unsigned i = 0; options.copy_out && i < n; i++) {
		uint8_t *at = to[next++ % GUEST_BUFFERS];

		for (const struct rte_mbuf *m = pkts[i]; m; at += m->data_len, m = m->next)
			rte_memcpy(at, rte_pktmbuf_mtod(m, const void *), m->data_len);
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

/* ---- the three ways ---- */

static uint64_t run_free(uint32_t len, uint64_t until, struct result *result)
{
	struct rte_mbuf *pkts[BURST];
	uint64_t done = 0;

	while (rte_rdtsc() < until) {
		unsigned n = from_guest(data_pool, pkts, len);

		send_out(pkts, n);
		done += n;
	}
	return done;
}

static uint64_t epoch_cycles(void)
{
	return rte_get_tsc_hz() / 1000000 * options.epoch_us;
}

static uint64_t run_mbuf(uint32_t len, uint64_t until, struct result *result)
{
	uint32_t slots = rte_align32pow2(options.held_mbufs), mask = slots - 1;
	struct rte_mbuf **held = calloc(slots, sizeof(*held));
	uint64_t head = 0, committed = 0, tail = 0, epoch_end = rte_rdtsc() + epoch_cycles(), now;

	while ((now = rte_rdtsc()) < until) {
		struct rte_mbuf *pkts[BURST];
		unsigned n = from_guest(held_pool, pkts, len);

		for (unsigned i = 0; i < n; i++)
			held[tail++ & mask] = pkts[i];
		if (now >= epoch_end) {
			result->held_max = RTE_MAX(result->held_max, tail - head);
			committed = tail;
			epoch_end = now + epoch_cycles();
		}
		for (unsigned burst = 0; burst < 2 && head < committed; burst++) {
			for (n = 0; n < BURST && head < committed; n++)
				pkts[n] = held[head++ & mask];
			send_out(pkts, n);
		}
	}
	for (uint64_t i = head; i < tail; i++)
		rte_pktmbuf_free(held[i & mask]);
	free(held);
	return head;
}

static uint64_t run_log(uint32_t len, uint64_t until, struct result *result)
{
	uint64_t epoch_end = rte_rdtsc() + epoch_cycles(), now, released = 0, appended = 0;
	uint64_t cycles_append = 0, cycles_release = 0;
	struct rte_mbuf *pkts[BURST];
	uint16_t flags[BURST];
	struct egress_log *log = calloc(1, sizeof(*log));

	if (!log || egress_log_init(log, log_pool, 0, (uint64_t)options.log_mib << 20) < 0)
		rte_exit(EXIT_FAILURE, "no log\n");
	egress_log_open(log, 1);
	while ((now = rte_rdtsc()) < until) {
		uint64_t t0, t1, t2;
		unsigned n = 0;

		if (egress_log_reserve(log, BURST, FRAME_MAX))
			n = from_guest(data_pool, pkts, len);
		t0 = rte_rdtsc();
		egress_log_append_burst(log, pkts, NULL, n, now);
		t1 = rte_rdtsc();
		rte_pktmbuf_free_bulk(pkts, n);
		appended += n;
		if (now >= epoch_end) {
			uint64_t pkts_held = egress_log_held_pkts(log);

			if (pkts_held > result->held_max) {
				result->held_max = pkts_held;
				result->bytes_per_frame =
					(log->state->tail - log->state->released) / pkts_held;
			}
			egress_log_seal(log);
			egress_log_commit(log, log->state->epoch - 1);
			epoch_end = now + epoch_cycles();
		}
		t2 = rte_rdtsc();
		for (unsigned burst = 0; burst < 2 && egress_log_has_committed(log); burst++) {
			uint16_t got =
				egress_log_peek(log, data_pool, attach_pool, pkts, flags, BURST);

			send_out(pkts, got);
			egress_log_advance(log, got);
			released += got;
		}
		cycles_append += t1 - t0;
		cycles_release += rte_rdtsc() - t2;
	}
	egress_log_fini(log);
	free(log);
	result->cycles_append = (double)cycles_append / (double)RTE_MAX(appended, 1u);
	result->cycles_release = (double)cycles_release / (double)RTE_MAX(released, 1u);
	return released;
}

static void run(enum mode mode, uint32_t len, struct result *best)
{
	static uint64_t (*const runs[MODES])(uint32_t, uint64_t, struct result *) = {
		run_free, run_mbuf, run_log};
	struct result result = {0};
	uint64_t start = rte_rdtsc();
	uint64_t until = start + (uint64_t)(options.seconds * (double)rte_get_tsc_hz());
	uint64_t done = runs[mode](len, until, &result);

	result.pps = (double)done * (double)rte_get_tsc_hz() / (double)(until - start);
	if (result.pps > best->pps)
		*best = result;
}

/* What this core writes to memory that no cache holds, bytes a second. */
static double dram_write_rate(void)
{
	size_t bytes;
	uint8_t *map = log_pool_memory(log_pool, &bytes);
	size_t data = bytes - LOG_SEGMENT_BYTES;
	uint64_t best = UINT64_MAX;

	for (int turn = 0; turn < 4; turn++) {
		uint64_t start = rte_rdtsc();

		memset(map + LOG_SEGMENT_BYTES, turn, data);
		best = RTE_MIN(best, rte_rdtsc() - start);
	}
	return (double)data * (double)rte_get_tsc_hz() / (double)best;
}

/* 0 where the other was not measured (-o). */
static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static void measure(uint32_t len)
{
	struct result results[MODES] = {0};
	const struct result *log = &results[MODE_LOG];

	for (unsigned turn = 0; turn < options.turns; turn++)
		for (int mode = options.log_only ? MODE_LOG : 0; mode < MODES; mode++)
			run((enum mode)mode, len, &results[mode]);
	printf("%6u %8.2f %8.2f %8.2f %8.1f %9.2f %9.2f %8.0f %8.0f %9lu %9lu %6lu\n", len,
		results[MODE_FREE].pps / 1e6, results[MODE_MBUF].pps / 1e6, log->pps / 1e6,
		log->pps * len * 8 / 1e9, ratio(log->pps, results[MODE_FREE].pps),
		ratio(log->pps, results[MODE_MBUF].pps), log->cycles_append, log->cycles_release,
		results[MODE_MBUF].held_max, log->held_max, log->bytes_per_frame);
	if (results[MODE_MBUF].held_max + BURST > options.held_mbufs)
		printf("       (mbufs ran out: -n %u was too few to compare with)\n",
			options.held_mbufs);
	fflush(stdout);
}

/* ---- start ---- */

static void parse_sizes(const char *list)
{
	char *end;

	for (options.n_sizes = 0; options.n_sizes < SIZES_MAX; list = end + 1) {
		unsigned long size = strtoul(list, &end, 10);

		if (end == list || size < 14 || size > FRAME_MAX)
			rte_exit(EXIT_FAILURE, "-s: sizes from 14 to %d, separated by commas\n",
				FRAME_MAX);
		options.sizes[options.n_sizes++] = (uint32_t)size;
		if (*end != ',')
			return;
	}
}

static void parse_options(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "f:t:r:e:s:m:n:co")) != -1) {
		switch (opt) {
		case 'f':
			options.log_file = optarg;
			break;
		case 't':
			options.seconds = atof(optarg);
			break;
		case 'r':
			options.turns = (unsigned)atoi(optarg);
			break;
		case 'e':
			options.epoch_us = (unsigned)atoi(optarg);
			break;
		case 's':
			parse_sizes(optarg);
			break;
		case 'm':
			options.log_mib = (unsigned)atoi(optarg);
			break;
		case 'n':
			options.held_mbufs = (unsigned)atoi(optarg);
			break;
		case 'c':
			options.copy_out = true;
			break;
		case 'o':
			options.log_only = true;
			break;
		default:
			rte_exit(EXIT_FAILURE, "see the comment in egress_log_bench.c\n");
		}
	}
}

static struct rte_mempool *pool_make(const char *name, unsigned n, unsigned room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n, 256, 0,
		(uint16_t)(room ? RTE_PKTMBUF_HEADROOM + room : 0), (int)rte_socket_id());

	if (!pool)
		rte_exit(EXIT_FAILURE, "%s mbufs: %s\n", name, rte_strerror(rte_errno));
	return pool;
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		return EXIT_FAILURE;
	parse_options(argc - used, argv + used);
	guest = calloc(GUEST_BUFFERS, FRAME_MAX + 2);
	data_pool = pool_make("data", SOURCE_MBUFS, DATA_ROOM);
	attach_pool = pool_make("attach", SOURCE_MBUFS, 0);
	if (!options.log_only)
		held_pool = pool_make("held", options.held_mbufs, DATA_ROOM);
	log_pool = log_pool_create(options.log_file, options.log_mib / 2, 1, false);
	if (!guest || !log_pool)
		rte_exit(EXIT_FAILURE, "%s: %s\n", options.log_file, strerror(errno));
	printf("one core, epochs of %u us, log in %s; this core writes %.1f GB/s to memory\n",
		options.epoch_us, options.log_file, dram_write_rate() / 1e9);
	printf("%6s %8s %8s %8s %8s %9s %9s %8s %8s %9s %9s %6s\n", "bytes", "free", "mbuf", "log",
		"log", "log/free", "log/mbuf", "append", "release", "held_mbuf", "held_log",
		"cost");
	printf("%6s %8s %8s %8s %8s %9s %9s %8s %8s %9s %9s %6s\n", "", "Mpps", "Mpps", "Mpps",
		"Gb/s", "", "", "cycles", "cycles", "frames", "frames", "bytes");
	for (unsigned i = 0; i < options.n_sizes; i++)
		measure(options.sizes[i]);
	log_pool_destroy(log_pool);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
