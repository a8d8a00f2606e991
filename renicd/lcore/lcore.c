/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a data lcore and what other threads may ask of it; see lcore.h.
 *
 * Sleeping loses no work: the lcore says that it sleeps, arms every poller, then looks at
 * everything once more before it waits; whoever adds work after that look sees `sleeping` or
 * hits an armed descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include "beat.h"
#include "lcore.h"
#include "log.h"
#include "mailbox.h"

enum {
	POLLERS_MAX = 8192,
	IDLE_SPIN_US = 40,  /* awake this long after the last frame */
	SLEEP_TIMED_MS = 1, /* some port cannot signal: look at it this often */
	SLEEP_QUIET_MS = 4, /* and this often when it has brought nothing for QUIET_MS */
	QUIET_MS = 1000,
	SLEEP_MAX_MS = 1000,
};

struct lcore {
	unsigned index;
	unsigned eal_id;
	int epoll_fd;
	bool busy;
	bool stop;
	unsigned quiet_ms; /* slept since a port that cannot signal brought something */
	unsigned n_pollers;
	struct poller **pollers;
	struct beat beat;
	struct mailbox box;
} __rte_cache_aligned;

static struct lcore lcores[LCORES_MAX];
static unsigned n_lcores;
static struct rte_rcu_qsbr *qsbr;
static __thread int self = -1;
static __thread uint64_t round_tsc;

unsigned lcores_count(void)
{
	return n_lcores;
}

int lcore_self(void)
{
	return self;
}

uint64_t lcore_round_tsc(void)
{
	return likely(round_tsc) ? round_tsc : rte_rdtsc();
}

struct rte_rcu_qsbr *lcore_qsbr(void)
{
	return qsbr;
}

static unsigned poll_all(struct lcore *lc)
{
	unsigned work = 0;

	for (unsigned i = 0; i < lc->n_pollers; i++)
		work += lc->pollers[i]->poll(lc->pollers[i]->ctx);
	return work;
}

/* By the clock: only those that no descriptor wakes for. All others would have been heard of, and a
 * look at each of many guests' rings, a thousand times a second, is what an idle daemon would do.
 */
static unsigned poll_timed(struct lcore *lc)
{
	unsigned work = 0;

	for (unsigned i = 0; i < lc->n_pollers; i++)
		if (lc->pollers[i]->is_timed)
			work += lc->pollers[i]->poll(lc->pollers[i]->ctx);
	return work;
}

/* Watch fd for the poller, once. A port that cannot be watched is polled by the clock. */
static bool watch(struct lcore *lc, struct poller *p, int fd)
{
	struct epoll_event ev = {.events = p->level ? EPOLLIN : EPOLLIN | EPOLLET, .data.ptr = p};

	if (p->watched_fd == fd)
		return true;
	lcore_unwatch(p);
	p->epoll_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (p->epoll_fd < 0)
		return false;
	if (epoll_ctl(lc->epoll_fd, EPOLL_CTL_ADD, p->epoll_fd, &ev) < 0) {
		close(p->epoll_fd);
		p->epoll_fd = POLLER_NO_FD;
		return false;
	}
	p->watched_fd = fd;
	return true;
}

/* Returns whether there is one that cannot signal. */
static bool arm_all(struct lcore *lc)
{
	bool is_timed = false;

	for (unsigned i = 0; i < lc->n_pollers; i++) {
		struct poller *p = lc->pollers[i];
		int fd = p->arm ? p->arm(p->ctx) : POLLER_NO_FD;

		p->is_timed = fd == POLLER_TIMED || (fd >= 0 && !watch(lc, p, fd));
		is_timed |= p->is_timed;
	}
	return is_timed;
}

static void disarm_all(struct lcore *lc)
{
	for (unsigned i = 0; i < lc->n_pollers; i++)
		if (lc->pollers[i]->disarm)
			lc->pollers[i]->disarm(lc->pollers[i]->ctx);
}

/* What ended the sleep: pollers' descriptors, or the mailbox's, which has no poller. */
static void note_woken(struct lcore *lc, const struct epoll_event *ev, int n)
{
	uint64_t count;

	for (int i = 0; i < n; i++) {
		struct poller *p = ev[i].data.ptr;

		if (p)
			p->woken = true;
		else if (read(lc->box.wake_fd, &count, sizeof(count)) < 0)
			LOG_DEBUG("lcore %u: its eventfd: errno %d", lc->index, errno);
	}
}

static int max_sleep_ms(const struct lcore *lc, bool is_timed)
{
	if (!is_timed)
		return SLEEP_MAX_MS;
	return lc->quiet_ms < QUIET_MS ? SLEEP_TIMED_MS : SLEEP_QUIET_MS;
}

/* Not longer than until the next beat; 0: it is near. */
static int sleep_ms(const struct lcore *lc, int timeout_ms)
{
	uint64_t hz = rte_get_tsc_hz(), tsc = beat_sleep_tsc(&lc->beat, rte_rdtsc(), hz);

	return (int)RTE_MIN(tsc / (hz / 1000), (uint64_t)timeout_ms);
}

static void lcore_sleep(struct lcore *lc)
{
	struct epoll_event ev[16];
	int timeout_ms, slept_ms = 0, n;
	bool is_timed;
	unsigned work;

	__atomic_store_n(&lc->box.sleeping, 1, __ATOMIC_SEQ_CST);
	is_timed = arm_all(lc);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	work = poll_all(lc);
	while (!work && mailbox_is_empty(&lc->box) &&
		!__atomic_load_n(&lc->stop, __ATOMIC_SEQ_CST)) {
		timeout_ms = sleep_ms(lc, max_sleep_ms(lc, is_timed));
		if (!timeout_ms)
			break;
		rte_rcu_qsbr_thread_offline(qsbr, lc->index);
		n = epoll_wait(lc->epoll_fd, ev, RTE_DIM(ev), timeout_ms);
		rte_rcu_qsbr_thread_online(qsbr, lc->index);
		if (n > 0) {
			note_woken(lc, ev, n);
			break;
		}
		slept_ms += timeout_ms;
		round_tsc = rte_rdtsc();
		work = slept_ms < SLEEP_MAX_MS ? poll_timed(lc) : poll_all(lc);
		slept_ms %= SLEEP_MAX_MS;
		lc->quiet_ms = work ? 0 : RTE_MIN(lc->quiet_ms + timeout_ms, (unsigned)QUIET_MS);
	}
	__atomic_store_n(&lc->box.sleeping, 0, __ATOMIC_SEQ_CST);
	disarm_all(lc);
}

static int lcore_loop(void *arg)
{
	struct lcore *lc = arg;
	const uint64_t spin_cycles = rte_get_tsc_hz() / 1000000 * IDLE_SPIN_US;
	uint64_t last_work_tsc = rte_rdtsc();
	unsigned work = 0;

	self = (int)lc->index;
	rte_rcu_qsbr_thread_register(qsbr, lc->index);
	rte_rcu_qsbr_thread_online(qsbr, lc->index);
	while (!__atomic_load_n(&lc->stop, __ATOMIC_RELAXED)) {
		round_tsc = rte_rdtsc();
		if (work) /* the round before ended here */
			last_work_tsc = round_tsc;
		work = unlikely(!mailbox_is_empty(&lc->box)) ? mailbox_run(&lc->box) : 0;
		work += poll_all(lc);
		rte_rcu_qsbr_quiescent(qsbr, lc->index);
		if (work)
			continue;
		rte_pause();
		if (!lc->busy && round_tsc - last_work_tsc > spin_cycles &&
			sleep_ms(lc, SLEEP_MAX_MS)) {
			lcore_sleep(lc);
			last_work_tsc = rte_rdtsc(); /* what woke us may take a moment to show */
		}
	}
	mailbox_run(&lc->box);
	rte_rcu_qsbr_thread_offline(qsbr, lc->index);
	rte_rcu_qsbr_thread_unregister(qsbr, lc->index);
	return 0;
}

static int lcore_init(struct lcore *lc, unsigned index, unsigned eal_id, bool busy)
{
	struct epoll_event ev = {.events = EPOLLIN};

	memset(lc, 0, sizeof(*lc));
	lc->index = index;
	lc->eal_id = eal_id;
	lc->busy = busy;
	lc->pollers = calloc(POLLERS_MAX, sizeof(*lc->pollers));
	lc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!lc->pollers || lc->epoll_fd < 0 || mailbox_init(&lc->box, index) < 0)
		return -ENOMEM;
	return epoll_ctl(lc->epoll_fd, EPOLL_CTL_ADD, lc->box.wake_fd, &ev) < 0 ? -errno : 0;
}

int lcores_start(bool busy)
{
	unsigned eal_id;
	int rc;

	qsbr = rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(LCORES_MAX), RTE_CACHE_LINE_SIZE);
	if (!qsbr || rte_rcu_qsbr_init(qsbr, LCORES_MAX))
		return -ENOMEM;
	RTE_LCORE_FOREACH_WORKER(eal_id)
	{
		if (n_lcores == LCORES_MAX)
			break;
		rc = lcore_init(&lcores[n_lcores], n_lcores, eal_id, busy);
		if (rc)
			return rc;
		n_lcores++;
	}
	for (unsigned i = 0; i < n_lcores; i++) {
		rc = rte_eal_remote_launch(lcore_loop, &lcores[i], lcores[i].eal_id);
		if (rc)
			return rc;
	}
	return n_lcores ? 0 : -ENODEV;
}

void lcores_stop(void)
{
	for (unsigned i = 0; i < n_lcores; i++) {
		__atomic_store_n(&lcores[i].stop, true, __ATOMIC_SEQ_CST);
		mailbox_wake(&lcores[i].box);
		rte_eal_wait_lcore(lcores[i].eal_id);
	}
	for (unsigned i = 0; i < n_lcores; i++) {
		mailbox_fini(&lcores[i].box);
		close(lcores[i].epoll_fd);
		free(lcores[i].pollers);
	}
	n_lcores = 0;
	rte_free(qsbr);
	qsbr = NULL;
}

void lcore_call(unsigned index, void (*fn)(void *arg), void *arg)
{
	struct mail mail = {.fn = fn, .arg = arg};

	mailbox_post(&lcores[index].box, &mail);
	mailbox_wait(&mail);
}

void lcore_call_all(void (*fn)(void *arg), void *arg)
{
	struct mail mails[LCORES_MAX];

	for (unsigned i = 0; i < n_lcores; i++) {
		mails[i] = (struct mail){.fn = fn, .arg = arg};
		mailbox_post(&lcores[i].box, &mails[i]);
	}
	for (unsigned i = 0; i < n_lcores; i++)
		mailbox_wait(&mails[i]);
}

void lcores_on_silence(void (*fn)(void))
{
	mailbox_on_silence(fn);
}

void lcore_beat(void)
{
	beat_note(&lcores[self].beat, rte_rdtsc());
}

int lcore_add_poller(struct poller *poller)
{
	struct lcore *lc = &lcores[self];

	if (lc->n_pollers == POLLERS_MAX)
		return -ENOSPC;
	poller->watched_fd = poller->epoll_fd = POLLER_NO_FD;
	lc->pollers[lc->n_pollers++] = poller;
	return 0;
}

void lcore_unwatch(struct poller *poller)
{
	if (poller->epoll_fd >= 0) {
		epoll_ctl(lcores[self].epoll_fd, EPOLL_CTL_DEL, poller->epoll_fd, NULL);
		close(poller->epoll_fd);
	}
	poller->watched_fd = poller->epoll_fd = POLLER_NO_FD;
}

void lcore_remove_poller(struct poller *poller)
{
	struct lcore *lc = &lcores[self];

	lcore_unwatch(poller);
	for (unsigned i = 0; i < lc->n_pollers; i++) {
		if (lc->pollers[i] != poller)
			continue;
		memmove(&lc->pollers[i], &lc->pollers[i + 1],
			(lc->n_pollers - i - 1) * sizeof(*lc->pollers));
		lc->n_pollers--;
		return;
	}
}

void lcore_synchronize(void)
{
	rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
}

void lcore_wake(unsigned index)
{
	if ((int)index != self)
		mailbox_wake(&lcores[index].box);
}
