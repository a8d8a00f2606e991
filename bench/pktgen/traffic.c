/* SPDX-License-Identifier: BSD-3-Clause */
/* The sending and receiving loop; see traffic.h. */
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "ethdev_port.h"
#include "frame.h"
#include "judge.h"
#include "traffic.h"

enum { LINK_ROUNDS = 4096 };

volatile bool traffic_stop;

/* The state of one run. */
struct run {
	struct field *field;
	struct daemon *daemon;
	const struct options *options;
	uint64_t start_tsc, begun; /* begun: rounds */
	double pps_per_stream;	   /* 0: flat out */
	unsigned n_streams;
	uint64_t sent_before[STREAMS_MAX];
	uint64_t bursts_before, refused_before;
};

static const struct options *the_options;

uint64_t sender_number(struct stream_out *to)
{
	uint64_t seq = to->next_seq++;

	if (likely(the_options->fault == FAULT_NONE))
		return seq;
	switch ((enum fault)the_options->fault) {
	case FAULT_SKIP:
		to->next_seq += seq % 1000 == 500;
		return seq;
	case FAULT_REPEAT: /* 501 goes out as 500 again */
		return seq % 1000 == 501 ? seq - 1 : seq;
	case FAULT_SWAP:
		return seq % 1000 == 500 ? seq + 1 : seq % 1000 == 501 ? seq - 1 : seq;
	default:
		return seq;
	}
}

void sender_template(
	const struct sender *sender, const struct stream_out *to, uint8_t *frame, uint16_t size)
{
	struct frame_stamp stamp = {.stream = to->stream, .len = size, .kind = FRAME_IPV4};

	frame_build(frame, &stamp, to->mac, sender->mac);
}

/* ---- sending ---- */

static uint16_t allowance(const struct run *run, const struct stream_out *to, uint64_t now_tsc)
{
	uint64_t done = to->sent - run->sent_before[to->stream], n = run->options->burst;

	if (run->options->count) {
		if (done >= run->options->count)
			return 0;
		n = RTE_MIN(n, run->options->count - done);
	}
	if (run->pps_per_stream > 0) {
		/* Streams take turns rather than all at once. */
		double phase = (double)(to->stream % VFS_MAX) / (double)run->n_streams;
		double seconds = (double)(now_tsc - run->start_tsc) / (double)rte_get_tsc_hz();
		double due = seconds * run->pps_per_stream + 1 - phase - (double)done;

		if (due < (double)n)
			n = due > 0 ? (uint64_t)due : 0;
	}
	return (uint16_t)n;
}

static void send_from(const struct run *run, struct sender *s, uint64_t now_tsc)
{
	for (unsigned to = 0; to < s->n_to; to++) {
		uint16_t n = allowance(run, &s->to[to], now_tsc);

		if (!n)
			continue;
		s->bursts++;
		s->refused += s->ops->send(s, to, n, now_tsc) < n;
	}
}

static bool guests_send(const struct options *options)
{
	return options->flow != FLOW_IN;
}

static bool far_end_sends(const struct options *options)
{
	return options->flow == FLOW_IN || options->flow == FLOW_BOTH;
}

static void receive_all(const struct field *field)
{
	for (unsigned i = 0; i < field->n_guests; i++)
		field->guests[i]->ops->receive(field->guests[i], rte_rdtsc());
	if (field->far_end)
		field->far_end->ops->receive(field->far_end, rte_rdtsc());
}

/* virtio-user as a server takes a new back-end only when it is asked for its link. */
static void ask_links(const struct run *run)
{
	if (run->options->driver == DRIVER_VIRTIO_USER && run->options->listen)
		for (unsigned i = 0; i < run->field->n_guests; i++)
			ethdev_port_link(run->field->guests[i]);
}

static int one_round(struct run *run, bool sending)
{
	const struct field *field = run->field;
	uint64_t now = rte_rdtsc();

	if (run->begun++ % LINK_ROUNDS == 0)
		ask_links(run);
	for (unsigned i = 0; sending && guests_send(run->options) && i < field->n_guests; i++) {
		send_from(run, field->guests[i], now);
		/* Not all at the end: latencies are taken at reception. */
		field->guests[i]->ops->receive(field->guests[i], rte_rdtsc());
		if (field->far_end)
			field->far_end->ops->receive(field->far_end, rte_rdtsc());
	}
	if (sending && far_end_sends(run->options))
		send_from(run, field->far_end, now);
	receive_all(field);
	return daemon_poll(run->daemon, rte_rdtsc());
}

/* ---- what was sent, what is missing ---- */

static const struct stream_out *stream_out(const struct field *field, unsigned stream)
{
	if (stream < VFS_MAX)
		return stream < field->n_guests ? field->guests[stream]->to : NULL;
	if (!field->far_end || stream - VFS_MAX >= field->far_end->n_to)
		return NULL;
	return &field->far_end->to[stream - VFS_MAX];
}

uint64_t traffic_sent(const struct field *field, unsigned stream)
{
	const struct stream_out *out = stream_out(field, stream);

	return out ? out->next_seq : 0;
}

uint64_t traffic_lost(const struct options *options, const struct tracker *t, uint64_t sent)
{
	if (!options->no_commit_after)
		return tracker_lost(t, sent);
	/* What was sent before a commit need not have been in its epoch. */
	return options->boundary == BOUNDARY_EXACT ? tracker_lost_of_allowed(t, sent) : 0;
}

static bool all_here(const struct field *field)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_in *in = &judge.streams[i];

		if (in->receiver != NO_RECEIVER &&
			tracker_lost(&in->tracker, traffic_sent(field, i)))
			return false;
	}
	return true;
}

static bool all_sent(const struct run *run)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_out *out = stream_out(run->field, i);

		if (out && out->sent - run->sent_before[i] < run->options->count)
			return false;
	}
	return run->options->count > 0;
}

static void flush_all(const struct field *field, uint64_t now_tsc)
{
	for (unsigned i = 0; i < field->n_guests; i++)
		field->guests[i]->ops->send(field->guests[i], 0, 0, now_tsc);
	if (field->far_end)
		field->far_end->ops->send(field->far_end, 0, 0, now_tsc);
}

/* Nothing waits in a port that the other side has not taken. */
static bool all_idle(const struct field *field)
{
	for (unsigned i = 0; i < field->n_guests; i++)
		if (!field->guests[i]->ops->idle(field->guests[i]))
			return false;
	return !field->far_end || field->far_end->ops->idle(field->far_end);
}

/* Receive until all is here, or nothing came for the drain's time. */
static int drain(struct run *run)
{
	uint64_t patience =
		run->options->drain_us + run->options->epoch_us + run->options->commit_after_us;
	uint64_t limit = patience * (rte_get_tsc_hz() / 1000000), last = rte_rdtsc();
	uint64_t received = judge.received;
	int error = 0;

	while (!error && !(all_here(run->field) && all_idle(run->field)) &&
		rte_rdtsc() - last < limit) {
		for (int i = 0; i < 64 && !error; i++)
			error = one_round(run, false);
		flush_all(run->field, rte_rdtsc());
		if (judge.received != received)
			last = rte_rdtsc();
		received = judge.received;
	}
	return error;
}

/* ---- one run ---- */

struct moment {
	uint64_t tsc, sent, sent_bytes, received, bytes;
	struct daemon_counters counters;
};

static uint64_t mean_size(const struct options *options)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < options->n_sizes; i++)
		sum += options->sizes[i];
	return sum / options->n_sizes;
}

static int take_moment(const struct run *run, struct moment *m)
{
	int error = run->daemon->client ? daemon_counters(run->daemon, &m->counters) : 0;

	m->tsc = rte_rdtsc();
	m->sent = 0;
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_out *out = stream_out(run->field, i);

		m->sent += out ? out->sent : 0;
	}
	m->received = judge.received;
	m->bytes = judge.bytes;
	return error;
}

static int send_until(struct run *run, uint64_t tsc)
{
	int error = 0;

	while (!error && !traffic_stop && rte_rdtsc() < tsc && !all_sent(run))
		error = one_round(run, true);
	return error;
}

static void count_bursts(const struct run *run, uint64_t *bursts, uint64_t *refused)
{
	const struct field *field = run->field;

	*bursts = *refused = 0;
	for (unsigned i = 0; i <= field->n_guests; i++) {
		const struct sender *s = i < field->n_guests ? field->guests[i] : field->far_end;

		*bursts += s ? s->bursts : 0;
		*refused += s ? s->refused : 0;
	}
}

static void fill_rates(const struct run *run, const struct moment *from, const struct moment *to,
	struct run_result *r)
{
	uint64_t bursts, refused;

	r->seconds = (double)(to->tsc - from->tsc) / (double)rte_get_tsc_hz();
	r->tx_pps = (double)(to->sent - from->sent) / r->seconds;
	r->tx_bps = r->tx_pps * (double)mean_size(run->options) * 8;
	r->rx_pps = (double)(to->received - from->received) / r->seconds;
	r->rx_bps = (double)(to->bytes - from->bytes) * 8 / r->seconds;
	r->have_counters = run->daemon->client;
	r->taken_pps = (double)(to->counters.taken - from->counters.taken) / r->seconds;
	r->released_pps = (double)(to->counters.released - from->counters.released) / r->seconds;
	r->silence_us = (double)judge.silence_tsc * 1e6 / (double)rte_get_tsc_hz();
	count_bursts(run, &bursts, &refused);
	bursts -= run->bursts_before;
	r->full = bursts ? (double)(refused - run->refused_before) / (double)bursts : 0;
}

/* Streams begin anew: what was lost before is not lost again. */
static void begin(struct run *run, double rate_pps)
{
	run->n_streams = 0;
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_out *out = stream_out(run->field, i);
		bool used = out &&
			    (i < VFS_MAX ? guests_send(run->options) : far_end_sends(run->options));
		int receiver = NO_RECEIVER;

		if (used && i >= VFS_MAX)
			receiver = (int)(i - VFS_MAX);
		else if (used && run->options->flow == FLOW_PAIR)
			receiver = (int)(i ^ 1);
		else if (used && run->field->far_end)
			receiver = VFS_MAX;
		judge_stream(i, receiver, out ? out->next_seq : 0);
		run->sent_before[i] = out ? out->sent : 0;
		run->n_streams += used;
	}
	run->pps_per_stream = rate_pps / run->n_streams;
	judge.silence_tsc = judge.last_tsc = 0;
	judge.measuring = false;
}

static void fill_verdict(const struct run *run, const struct daemon_counters *before,
	const struct daemon_counters *after, struct run_result *r)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct stream_out *out = stream_out(run->field, i);
		const struct stream_in *in = &judge.streams[i];
		const struct tracker *t = &in->tracker;

		if (!out)
			continue;
		r->sent += out->sent - run->sent_before[i];
		r->misdelivered += in->misdelivered;
		r->corrupt += in->corrupt;
		if (in->receiver == NO_RECEIVER)
			continue;
		r->judged = true;
		r->received += t->received;
		r->repeated += t->repeated;
		r->reordered += t->reordered;
		r->early += t->early;
		r->lost += traffic_lost(run->options, t, out->next_seq);
	}
	r->drops = after->drops - before->drops;
}

/* tracker_lost() counts from number 0: what earlier runs numbered is not this one's. */
static void number_from_zero(struct field *field)
{
	for (unsigned i = 0; i < field->n_guests; i++)
		field->guests[i]->to[0].next_seq = 0;
	for (unsigned i = 0; field->far_end && i < field->far_end->n_to; i++)
		field->far_end->to[i].next_seq = 0;
}

static int measure(struct run *run, struct run_result *result)
{
	const struct options *o = run->options;
	uint64_t hz_us = rte_get_tsc_hz() / 1000000;
	struct moment start, warm, end;
	struct daemon_counters last = {0};
	int error = take_moment(run, &start);

	run->start_tsc = rte_rdtsc();
	if (!error)
		error = send_until(run, run->start_tsc + o->warmup_us * hz_us);
	if (!error)
		error = take_moment(run, &warm);
	judge.measuring = true;
	if (!error)
		error = send_until(run, run->start_tsc + o->duration_us * hz_us);
	judge.measuring = false;
	judge_silence_ends(rte_rdtsc());
	if (!error)
		error = take_moment(run, &end);
	if (error)
		return error;
	fill_rates(run, &warm, &end, result);
	error = drain(run);
	if (!error && run->daemon->protected)
		error = daemon_unprotect(run->daemon);
	if (!error) /* after a discard: to see that nothing comes */
		error = drain(run);
	if (!error && run->daemon->client)
		error = daemon_counters(run->daemon, &last);
	fill_verdict(run, &start.counters, &last, result);
	return error;
}

int traffic_run(struct field *field, struct daemon *daemon, const struct options *options,
	double rate_pps, struct run_result *result)
{
	struct run run = {.field = field, .daemon = daemon, .options = options};
	int error = 0;

	memset(result, 0, sizeof(*result));
	the_options = options;
	number_from_zero(field);
	begin(&run, rate_pps);
	count_bursts(&run, &run.bursts_before, &run.refused_before);
	if (options->epoch_us)
		error = daemon_protect(daemon, field->guests);
	return error ? error : measure(&run, result);
}
