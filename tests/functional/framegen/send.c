/* SPDX-License-Identifier: BSD-3-Clause */
/* Send jobs; see send.h. */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "port.h"
#include "send.h"

struct job {
	bool used;
	struct send_request req;
	int64_t seq; /* of the next frame to build */
	uint64_t built, sent;
	uint64_t start_tsc;
	struct rte_mbuf *pending[SEND_BURST];
	uint16_t n_pending; /* built, and not taken by the port yet */
};

static struct rte_mempool *pool;
static struct job jobs[JOBS_MAX];
static uint32_t next_seq[65536]; /* of each stream */

void send_init(struct rte_mempool *mempool)
{
	pool = mempool;
}

int send_start(const struct send_request *request)
{
	for (int i = 0; i < JOBS_MAX; i++) {
		struct job *job = &jobs[i];

		if (job->used)
			continue;
		memset(job, 0, sizeof(*job));
		job->used = true;
		job->req = *request;
		job->seq = request->seq >= 0 ? request->seq : next_seq[request->stream];
		job->start_tsc = rte_rdtsc();
		return i;
	}
	return -ENOSPC;
}

/* Copy `len` bytes into a chain of mbufs; NULL when the pool is empty. */
static struct rte_mbuf *to_mbufs(const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *head = NULL;

	while (len) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint16_t part;

		if (!m) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		part = RTE_MIN(len, rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, part), bytes, part);
		bytes += part;
		len -= part;
		if (!head)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	}
	return head;
}

static uint16_t size_of(const struct send_request *req, uint32_t seq)
{
	uint32_t span = (uint32_t)(req->size_max - req->size_min) + 1;

	return (uint16_t)(req->size_min + (seq * 2654435761u >> 8) % span);
}

static struct rte_mbuf *build(struct job *job)
{
	static uint8_t bytes[FRAME_MAX];
	const struct send_request *req = &job->req;
	uint32_t seq = (uint32_t)job->seq;
	struct frame_stamp stamp = {
		.stream = req->stream,
		.seq = seq,
		.len = size_of(req, seq),
		.kind = req->kind == FRAME_MIX ? seq % FRAME_KINDS : req->kind,
		.origin = req->origin,
	};

	if (stamp.kind == FRAME_VLAN)
		stamp.tci = req->tci;
	frame_build(bytes, &stamp, req->dst, req->src);
	if (req->flip >= 0 && req->flip < stamp.len)
		bytes[req->flip] ^= 0xff;
	return to_mbufs(bytes, stamp.len);
}

/* How many frames the rate and the count still allow now, at most a burst. */
static uint16_t allowance(const struct job *job)
{
	uint64_t n = SEND_BURST;

	if (job->req.count && job->req.count - job->built < n)
		n = job->req.count - job->built;
	if (job->req.rate_pps) {
		double seconds = (double)(rte_rdtsc() - job->start_tsc) / (double)rte_get_tsc_hz();
		double due = seconds * (double)job->req.rate_pps - (double)job->built;

		if (due < (double)n)
			n = due > 0 ? (uint64_t)due : 0;
	}
	return (uint16_t)n;
}

static void fill(struct job *job)
{
	uint16_t n = allowance(job);

	while (job->n_pending < n) {
		struct rte_mbuf *m = build(job);

		if (!m)
			return;
		job->pending[job->n_pending++] = m;
		job->built++;
		job->seq += job->req.seq_step;
	}
	next_seq[job->req.stream] = (uint32_t)job->seq;
}

static unsigned flush(struct job *job)
{
	struct port *port = job->req.port;
	uint64_t bytes = 0;
	uint16_t n;

	if (!job->n_pending || !port->started)
		return 0;
	for (uint16_t i = 0; i < job->n_pending; i++)
		bytes += rte_pktmbuf_pkt_len(job->pending[i]);
	n = rte_eth_tx_burst(port->device.ethdev, job->req.queue, job->pending, job->n_pending);
	job->n_pending -= n;
	for (uint16_t i = 0; i < job->n_pending; i++) {
		job->pending[i] = job->pending[n + i];
		bytes -= rte_pktmbuf_pkt_len(job->pending[i]);
	}
	job->sent += n;
	port->tx_pkts += n;
	port->tx_bytes += bytes;
	return n;
}

static json_t *job_report(int number, const struct job *job, const char *event)
{
	return json_pack("{s:s, s:i, s:i, s:I, s:I}", "event", event, "job", number, "stream",
		job->req.stream, "sent", (json_int_t)job->sent, "next_seq",
		(json_int_t)next_seq[job->req.stream]);
}

unsigned send_poll(void (*report)(json_t *event))
{
	unsigned moved = 0;

	for (int i = 0; i < JOBS_MAX; i++) {
		struct job *job = &jobs[i];

		if (!job->used)
			continue;
		if (!job->n_pending)
			fill(job);
		moved += flush(job);
		if (job->req.count && job->sent == job->req.count) {
			job->used = false;
			report(job_report(i, job, "sent"));
		}
	}
	return moved;
}

/* What the port did not take is forgotten, and will be numbered again. */
static void end_job(struct job *job)
{
	next_seq[job->req.stream] =
		(uint32_t)(job->seq - (int64_t)job->n_pending * job->req.seq_step);
	rte_pktmbuf_free_bulk(job->pending, job->n_pending);
	job->used = false;
}

json_t *send_stop(const struct port *port, int number)
{
	json_t *stopped = json_array();

	for (int i = 0; i < JOBS_MAX; i++) {
		struct job *job = &jobs[i];

		if (!job->used || (port && job->req.port != port) || (number >= 0 && number != i))
			continue;
		end_job(job);
		json_array_append_new(stopped, job_report(i, job, "halted"));
	}
	return stopped;
}

json_t *send_report(void)
{
	json_t *all = json_array();

	for (int i = 0; i < JOBS_MAX; i++)
		if (jobs[i].used)
			json_array_append_new(all, job_report(i, &jobs[i], "running"));
	return all;
}

int send_raw(struct port *port, uint16_t queue, const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *m;

	if (queue >= port->queues || !len || len > FRAME_MAX || !port->started)
		return -EINVAL;
	m = to_mbufs(bytes, len);
	if (!m)
		return -ENOMEM;
	if (rte_eth_tx_burst(port->device.ethdev, queue, &m, 1) != 1) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	port->tx_pkts++;
	port->tx_bytes += len;
	return 0;
}
