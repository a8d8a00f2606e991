/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data lcores: each runs a loop over its pollers, and a mailbox between the rounds.
 *
 * The rule that replaces locks: what a poller touches has one writer, the lcore that the poller
 * was added to. Any other thread asks that lcore by lcore_call(). Tables that several lcores
 * read are replaced and freed after lcore_synchronize() (rte_rcu_qsbr).
 *
 * An lcore without work pauses, then arms its pollers (asks their ports for a wake-up) and
 * sleeps in epoll_wait; a mailbox message wakes it. While it sleeps, pollers whose port cannot
 * signal are polled by the clock, and they alone. Around the time that the next checkpoint is
 * expected it does not sleep.
 */
#ifndef RENICD_LCORE_LCORE_H
#define RENICD_LCORE_LCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LCORES_MAX = 32 };

struct poller {
	/* One round of work; returns how many frames it moved. */
	unsigned (*poll)(void *ctx);
	/* Ask to be woken: returns a descriptor that becomes readable on work (watched
	 * edge-triggered and never read, unless `level` is set), POLLER_NO_FD if none is needed, or
	 * POLLER_TIMED if the port cannot signal and must be polled. May be NULL: no descriptor is
	 * needed. */
	int (*arm)(void *ctx);
	/* Awake again: stop the signals. May be NULL. */
	void (*disarm)(void *ctx);
	void *ctx;
	/* The descriptor stays readable until poll() has taken what there is. */
	bool level;
	/* The descriptor has woken its lcore: set by the loop, cleared by whom it serves. A new
	 * descriptor that is readable wakes, too. */
	bool woken;
	/* The loop's own: the descriptor that it watches, and its copy in the epoll set (the
	 * port may close its own while the peer keeps the file open). */
	int watched_fd;
	int epoll_fd;
	bool is_timed; /* while the lcore sleeps: nothing wakes it for this one */
};

enum { POLLER_NO_FD = -1, POLLER_TIMED = -2 };

/* Starts a loop on each EAL worker lcore. busy: never sleep. Returns 0 or -errno. */
int lcores_start(bool busy);

/* Ends the loops and waits for them. */
void lcores_stop(void);

unsigned lcores_count(void);

/* Index 0..count-1 of the calling data lcore, or -1 on any other thread. */
int lcore_self(void);

/* The TSC as the calling data lcore's round began, for what needs it no better than to the
 * microsecond: reading it takes as long as a frame. On any other thread: the TSC. */
uint64_t lcore_round_tsc(void);

/*
 * Run fn(arg) on data lcore `index` between two rounds and wait until it has run. From any
 * thread that is not a data lcore. Cannot fail while the lcores run.
 */
void lcore_call(unsigned index, void (*fn)(void *arg), void *arg);

/* Run fn(arg) on every data lcore at once; returns when all have run it. */
void lcore_call_all(void (*fn)(void *arg), void *arg);

/* Who waits for an lcore for long calls fn every 10 ms meanwhile: the lcore may be stuck in a
 * system call that fn knows to end. Before lcores_start(). */
void lcores_on_silence(void (*fn)(void));

/* On the lcore itself, inside a message that comes by the clock: be awake for the next (beat.h). */
void lcore_beat(void);

/* On the lcore itself (inside lcore_call). The poller's memory stays the caller's. */
int lcore_add_poller(struct poller *poller);
void lcore_remove_poller(struct poller *poller);

/* The descriptor behind arm() was replaced: forget the old one. On the lcore itself. */
void lcore_unwatch(struct poller *poller);

/* Wait until every lcore has left the round it was in: what was unpublished before can be freed. */
void lcore_synchronize(void);

struct rte_rcu_qsbr;

/* The quiescent-state variable that every data lcore reports to, e.g. for rte_hash. */
struct rte_rcu_qsbr *lcore_qsbr(void);

/* Make a sleeping lcore look at its pollers; from any thread, cheap when it is awake. */
void lcore_wake(unsigned index);

#endif
