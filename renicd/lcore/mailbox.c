/* SPDX-License-Identifier: BSD-3-Clause */
/* See mailbox.h. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "mailbox.h"
#include "log.h"

enum {
	MAILBOX_SIZE = 256,
	WAIT_SPIN_US = 100,   /* an awake lcore answers within a round */
	WAIT_YIELD_US = 2000, /* it may share our CPU: let it run */
	WAIT_SLEEP_NS = 50000,
	WAIT_SILENCE_US = 10000,
	WAIT_COMPLAIN_US = 1000000,
};

static void (*on_silence)(void); /* constant while anybody waits */

void mailbox_on_silence(void (*fn)(void))
{
	on_silence = fn;
}

int mailbox_init(struct mailbox *box, unsigned index)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "mailbox%u", index);
	box->sleeping = 0;
	box->ring = rte_ring_create(name, MAILBOX_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (!box->ring)
		return -ENOMEM;
	box->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return box->wake_fd < 0 ? -errno : 0;
}

void mailbox_fini(struct mailbox *box)
{
	rte_ring_free(box->ring);
	if (box->wake_fd >= 0)
		close(box->wake_fd);
}

void mailbox_wake(struct mailbox *box)
{
	uint64_t one = 1;

	/* Pairs with the owner's store to `sleeping` followed by its last look. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&box->sleeping, __ATOMIC_RELAXED) &&
		write(box->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		LOG_ERR("mailbox: eventfd: errno %d", errno);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
	__atomic_store_n(&mail->done, 0, __ATOMIC_RELAXED);
	while (rte_ring_enqueue(box->ring, mail) < 0)
		sched_yield();
	mailbox_wake(box);
}

static uint64_t elapsed_us(uint64_t start_tsc)
{
	return (rte_rdtsc() - start_tsc) * 1000000 / rte_get_tsc_hz();
}

void mailbox_wait(const struct mail *mail)
{
	uint64_t start = rte_rdtsc(), waited_us, silence_us = WAIT_SILENCE_US;
	bool complained = false;

	while (!__atomic_load_n(&mail->done, __ATOMIC_ACQUIRE)) {
		waited_us = elapsed_us(start);
		if (waited_us < WAIT_SPIN_US) {
			rte_pause();
			continue;
		}
		if (waited_us < WAIT_YIELD_US) {
			sched_yield();
			continue;
		}
		nanosleep(&(struct timespec){.tv_nsec = WAIT_SLEEP_NS}, NULL);
		if (on_silence && waited_us > silence_us) {
			on_silence();
			silence_us = waited_us + WAIT_SILENCE_US;
		}
		if (waited_us > WAIT_COMPLAIN_US && !complained) {
			LOG_ERR("a data lcore has not answered for %u ms",
				(unsigned)(waited_us / 1000));
			complained = true;
		}
	}
}

unsigned mailbox_run(struct mailbox *box)
{
	unsigned n = 0;
	void *obj;

	while (rte_ring_sc_dequeue(box->ring, &obj) == 0) {
		struct mail *mail = obj;

		mail->fn(mail->arg);
		__atomic_store_n(&mail->done, 1, __ATOMIC_RELEASE);
		n++;
	}
	return n;
}
