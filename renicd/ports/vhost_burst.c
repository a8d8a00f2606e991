/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bursts from and to a guest over vhost-user: the lcore that owns the queue pair. A guest whose
 * rings take long to read, stand still, or are not there any more costs its own VF alone.
 */
#include <time.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "guest_memory.h"
#include "guest_signal.h"
#include "lcore.h"
#include "mbuf_budget.h"
#include "vhost_plan.h"
#include "vhost_port.h"
#include "vhost_put.h"
#include "vhost_take.h"

/*
 * How long the library takes over a burst. It follows chains of empty descriptors as often as a
 * ring has entries, for each frame: a ring of nonsense can take an lcore for long, again and again.
 * A burst takes a tenth of VHOST_SLOW_US, whatever is in it, but the thread may be preempted; so a
 * port with a slow burst behind it has the next ones looked at by the thread's own time. One that
 * took REST_US for nothing is followed by a rest as long: the guest has half of the lcore's time at
 * most, and the library's thread gets at the rings' locks, which know no order among those who
 * wait.
 */
enum { REST_US = 100, SLOW_SCORE = 4, SLOW_SCORE_MAX = 16, SUSPECTED_BURSTS = 64 };

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct vhost_stopwatch watch_begin(const struct vhost_slowness *slow)
{
	return (struct vhost_stopwatch){
		.tsc = rte_rdtsc(), .cpu_ns = unlikely(slow->suspected) ? cpu_ns() : 0};
}

/* Returns whether it has been slow too often. */
static bool watch_judge(struct vhost_slowness *slow, const struct vhost_stopwatch *w, bool was_slow)
{
	if (was_slow)
		slow->suspected = SUSPECTED_BURSTS;
	else
		slow->suspected--;
	if (was_slow && w->cpu_ns && cpu_ns() - w->cpu_ns > VHOST_SLOW_US * 1000u)
		slow->score += SLOW_SCORE;
	else if (slow->score)
		slow->score--;
	return slow->score >= SLOW_SCORE_MAX;
}

static inline bool is_resting(struct vhost_slowness *slow)
{
	if (likely(!slow->rest_until_tsc))
		return false;
	if (rte_rdtsc() < slow->rest_until_tsc)
		return true;
	slow->rest_until_tsc = 0;
	return false;
}

static inline void watch_end(struct vhost_port *p, struct vhost_slowness *slow,
	const struct vhost_stopwatch *w, uint16_t done)
{
	uint64_t took = rte_rdtsc() - w->tsc;
	bool was_slow = took > p->slow_cycles;

	if (unlikely(!done && took > p->slow_cycles / (VHOST_SLOW_US / REST_US)))
		slow->rest_until_tsc = w->tsc + took + RTE_MIN(took, p->slow_cycles);
	if (likely(!was_slow && !slow->suspected))
		return;
	if (guest_signal_waited())
		guest_memory_shun(p->guard.memory, GUEST_MEMORY_DEAF);
	else if (watch_judge(slow, w, was_slow))
		guest_memory_shun(p->guard.memory, GUEST_MEMORY_SLOW);
}

enum {
	LIBRARY_BURST = 32, /* frames, each of which may be a long one: its own bound, but for
			       packed rings */
	/* Mbufs that a burst of the longest frames takes, and its lcore's cache while it is at it.
	 */
	BURST_MBUFS = LIBRARY_BURST * (9600 / RTE_MBUF_DEFAULT_DATAROOM + 1) +
		      2 * RTE_MEMPOOL_CACHE_MAX_SIZE,
};

/* Its memory was pulled away under the burst: what was read of it may be zeroes. */
static uint16_t drop_burst(struct rte_mbuf **pkts, uint16_t n)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return 0;
}

/*
 * The front-end's log lacks a packed ring's used descriptors: librte_vhost logs them relative to
 * log_guest_addr, which QEMU sets to the device's event area, not to the descriptors.
 */
static bool log_entries(
	struct vhost_rings *rings, const struct packed_note *note, uint16_t from, uint16_t to)
{
	uint64_t bytes = sizeof(struct vring_packed_desc);

	return from >= to ||
	       vhost_rings_log(rings, note->desc_gpa + from * bytes, (to - from) * bytes);
}

/* Where it cannot be told what was used last, it is told later that all of the ring was. */
static void log_used(struct vhost_port *p, uint16_t qp, unsigned tx, uint16_t index)
{
	const struct packed_note *note = &p->notes[qp][tx];
	uint16_t from = note->index & ~PACKED_WRAP, to = index & ~PACKED_WRAP;
	struct vhost_rings *rings = &p->rings[qp];
	uint8_t due = (uint8_t)(1u << tx);
	bool told;

	if (unlikely(p->log_due[qp] & due))
		told = log_entries(rings, note, 0, note->size);
	else if (note->index == index)
		return;
	else if (to > from)
		told = log_entries(rings, note, from, to);
	else
		told = log_entries(rings, note, from, note->size) &&
		       log_entries(rings, note, 0, to);
	if (likely(told))
		p->log_due[qp] &= (uint8_t)~due;
	else
		p->log_due[qp] |= due;
}

/* Where the ring is now; frames: of how many descriptors, where one is one. */
static void note_burst(struct vhost_port *p, uint16_t qp, unsigned tx, uint16_t frames)
{
	struct packed_note *note = &p->notes[qp][tx];
	uint16_t avail_idx, used_idx;

	if (rte_vhost_get_vring_base(p->vid, (uint16_t)(RX_VRING(qp) + tx), &avail_idx, &used_idx) <
		0)
		return;
	if (unlikely(RTE_VHOST_NEED_LOG(vhost_port_features(p))))
		log_used(p, qp, tx, avail_idx);
	packed_note_burst(note, avail_idx, frames);
}

/*
 * The library leaves a ring where it is when it cannot read what is next there (an address outside
 * the guest's memory, a loop): for ever, and without a word. So now and then a ring that brings
 * nothing is looked at: it has something, and has not moved since the last looks. In a packed ring
 * it goes on, past what it cannot read.
 */
enum { STILL_BURSTS = 4096, STILL_BURSTS_SUSPECTED = 16, STILL_LOOKS = 4 };

/* Returns whether it is to be looked at again soon. */
static bool may_stand_still(struct vhost_port *p, uint16_t qp)
{
	struct vhost_stillness *s = &p->stillness[qp];
	uint16_t avail_idx, used_idx;

	if (p->packed || s->empty == s->empty_then || s->looks >= STILL_LOOKS)
		return false; /* nobody has asked it since, or it was told */
	s->empty_then = s->empty;
	if (rte_vhost_get_vring_base(p->vid, TX_VRING(qp), &avail_idx, &used_idx) < 0)
		return false;
	if (avail_idx != s->idx || !rte_vhost_rx_queue_count(p->vid, TX_VRING(qp)))
		s->looks = 0;
	else if (++s->looks == STILL_LOOKS)
		vf_ring_stuck(p->vf, qp);
	s->idx = avail_idx;
	return s->looks > 0 && s->looks < STILL_LOOKS;
}

static inline void note_stillness(struct vhost_port *p, uint16_t qp, uint16_t done)
{
	struct vhost_stillness *s = &p->stillness[qp];
	uint32_t bursts = s->looks ? STILL_BURSTS_SUSPECTED : STILL_BURSTS;

	if (likely(done))
		s->empty = s->looks = 0;
	else if (unlikely(++s->empty % bursts == 0))
		may_stand_still(p, qp);
}

/* The library has a frame of its own to give (SEND_RARP), and may be too busy to give it now: then
 * it is asked again. */
static uint16_t take_from_library(struct vhost_port *p, uint16_t qp, struct rte_mempool *pool,
	struct rte_mbuf **pkts, uint16_t n)
{
	bool rarp_due = __atomic_load_n(&p->rarp_due, __ATOMIC_ACQUIRE);
	uint16_t done;

	if (unlikely(rarp_due))
		__atomic_store_n(&p->rarp_due, false, __ATOMIC_RELAXED);
	n = RTE_MIN(n, (uint16_t)LIBRARY_BURST);
	done = rte_vhost_dequeue_burst(p->vid, TX_VRING(qp), pool, pkts, n);
	if (unlikely(rarp_due && !done))
		__atomic_store_n(&p->rarp_due, true, __ATOMIC_RELAXED);
	return done;
}

static inline bool is_rarp_due(const struct vhost_port *p)
{
	return unlikely(__atomic_load_n(&p->rarp_due, __ATOMIC_RELAXED));
}

uint16_t vhost_from_guest(
	void *port, uint16_t qp, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_port *p = port;
	struct vhost_stopwatch watch;
	uint16_t done;

	if (unlikely(guest_memory_state(p->guard.memory) || is_resting(&p->slowness[qp])))
		return 0;
	mbuf_budget_begin(BURST_MBUFS);
	watch = watch_begin(&p->slowness[qp]);
	done = is_rarp_due(p) ? 0 : vhost_take(&p->rings[qp], p->dirty, pool, pkts, n);
	if (!done)
		done = take_from_library(p, qp, pool, pkts, n);
	watch_end(p, &p->slowness[qp], &watch, done);
	if (unlikely(mbuf_budget_end()))
		guest_memory_shun(p->guard.memory, GUEST_MEMORY_GREEDY);
	note_stillness(p, qp, done);
	if (p->packed)
		note_burst(p, qp, 1, done);
	if (dirty_log_is_on(p->dirty))
		vhost_rings_dequeued(&p->rings[qp], p->dirty);
	if (unlikely(guest_memory_state(p->guard.memory) == GUEST_MEMORY_LOST))
		return drop_burst(pkts, done);
	return done;
}

uint16_t vhost_look(void *port, uint16_t qp, struct egress_raw *frames, uint16_t n)
{
	struct vhost_port *p = port;
	struct vhost_stopwatch watch;

	if (unlikely(guest_memory_state(p->guard.memory) || is_resting(&p->slowness[qp]) ||
		     is_rarp_due(p)))
		return 0;
	watch = watch_begin(&p->slowness[qp]);
	n = vhost_take_look(&p->rings[qp], p->dirty, frames, n);
	if (n)
		p->watches[qp] = watch; /* ends in vhost_took(): the copying counts */
	return n;
}

bool vhost_took(void *port, uint16_t qp, uint16_t n)
{
	struct vhost_port *p = port;

	vhost_take_took(&p->rings[qp], p->dirty, n);
	watch_end(p, &p->slowness[qp], &p->watches[qp], 1); /* it brought something, if not this */
	if (n)
		note_stillness(p, qp, n);
	return guest_memory_state(p->guard.memory) != GUEST_MEMORY_LOST;
}

/*
 * What vhost_put() left: to the library. A frame for a guest with mergeable buffers may take as
 * many of them as its ring has, if they are empty; librte_vhost 22.11 notes those of a whole burst
 * in an array of the ring's size, and does not look at its end, nor whether the guest's index is
 * within the ring. So it gets one frame at a time.
 */
static uint16_t enqueue(struct vhost_port *p, uint16_t qp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t at_once = p->mergeable ? 1 : n;

	if (dirty_log_is_on(p->dirty))
		return vhost_plan_enqueue(
			&p->rings[qp], p->dirty, pkts, p->packed ? n : at_once, at_once);
	return rte_vhost_enqueue_burst(p->vid, RX_VRING(qp), pkts, at_once);
}

uint16_t vhost_to_guest(void *port, uint16_t qp, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_port *p = port;
	struct vhost_stopwatch watch;
	uint16_t done = 0, taken;

	if (unlikely(guest_memory_state(p->guard.memory) || is_resting(&p->slowness[qp])))
		return 0;
	watch = watch_begin(&p->slowness[qp]);
	do {
		done += vhost_put(&p->rings[qp], p->dirty, &pkts[done], n - done);
		taken = likely(done == n) ? 0 : enqueue(p, qp, &pkts[done], n - done);
		done += taken;
	} while (taken && done < n);
	watch_end(p, &p->slowness[qp], &watch, done);
	if (p->packed)
		note_burst(p, qp, 0, 0);
	return done;
}

/* The library, too, leaves a frame that the next buffer is too short for where it is, for ever. */
uint32_t vhost_rx_room(void *port, uint16_t qp)
{
	struct vhost_port *p = port;
	uint32_t room;

	if (p->mergeable || guest_memory_state(p->guard.memory) || is_resting(&p->slowness[qp]))
		return UINT32_MAX;
	room = vhost_plan_room(&p->rings[qp], p->dirty);
	return guest_memory_state(p->guard.memory) ? UINT32_MAX : room;
}

/* Under the ring's lock, as all reading of guest memory. The library cannot tell for packed rings:
 * it is then for the dequeue to find out. */
bool vhost_has_frames(void *port, uint16_t qp)
{
	const struct vhost_port *p = port;

	return p->packed || rte_vhost_rx_queue_count(p->vid, TX_VRING(qp)) > 0;
}

int vhost_arm(void *port, uint16_t qp, bool woken)
{
	struct vhost_port *p = port;
	struct rte_vhost_vring vring;

	if (rte_vhost_get_vhost_vring(p->vid, TX_VRING(qp), &vring) < 0 || !vring.desc)
		return POLLER_NO_FD; /* not set up: vring_state_changed will wake us */
	if (rte_vhost_enable_guest_notification(p->vid, TX_VRING(qp), 1) < 0)
		return POLLER_TIMED;
	vhost_rings_notified(&p->rings[qp], p->dirty, vhost_port_features(p));
	if (unlikely(may_stand_still(p, qp) || p->slowness[qp].rest_until_tsc))
		return POLLER_TIMED;
	return vring.kickfd >= 0 ? vring.kickfd : POLLER_TIMED;
}

void vhost_disarm(void *port, uint16_t qp)
{
	struct vhost_port *p = port;

	rte_vhost_enable_guest_notification(p->vid, TX_VRING(qp), 0);
	vhost_rings_notified(&p->rings[qp], p->dirty, vhost_port_features(p));
}
