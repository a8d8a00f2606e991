/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * framegen: guests that number their frames, for the functional tests.
 *
 * One process plays any number of guests over virtio-user and, where a test wants one, the far
 * end of the daemon's uplink over memif. Everything happens in one thread: commands (command.h),
 * sending (send.h), receiving and judging (receive.h). With nothing to do it sleeps a little, so
 * that the daemon under test has the machine.
 *
 * usage: framegen EAL-OPTIONS -- [MBUFS]
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "command.h"
#include "frame.h"
#include "port.h"
#include "receive.h"
#include "send.h"

enum {
	MBUFS = 16384,
	COMMAND_ROUNDS = 64, /* look at stdin once in so many busy rounds */
	IDLE_ROUNDS = 200,   /* without work before the first sleep */
	IDLE_SLEEP_US = 20,
	LINK_ROUNDS = 1024, /* virtio-user in server mode accepts a new back-end only when asked */
};

static unsigned poll_ports(unsigned round)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < PORTS_MAX; i++) {
		if (!ports[i].used)
			continue;
		moved += port_poll(&ports[i]);
		if (round % LINK_ROUNDS == 0)
			port_link_up(&ports[i]);
	}
	return moved;
}

static void run(void)
{
	unsigned idle = 0;

	for (unsigned round = 0;; round++) {
		unsigned moved = send_poll(command_print) + poll_ports(round);

		idle = moved ? 0 : idle + 1;
		if (idle > IDLE_ROUNDS)
			usleep(IDLE_SLEEP_US);
		if ((idle || round % COMMAND_ROUNDS == 0) && !command_poll())
			return;
	}
}

static void close_ports(void)
{
	const char *why;

	json_decref(send_stop(NULL, -1));
	for (unsigned i = 0; i < PORTS_MAX; i++)
		if (ports[i].used)
			port_close(&ports[i], &why);
}

int main(int argc, char **argv)
{
	struct rte_mempool *pool;
	unsigned mbufs = MBUFS;
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		return EXIT_FAILURE;
	if (argc - used > 1)
		mbufs = (unsigned)strtoul(argv[used + 1], NULL, 10);
	pool = rte_pktmbuf_pool_create(
		"frames", mbufs, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool) {
		fprintf(stderr, "framegen: no memory for %u frames\n", mbufs);
		return EXIT_FAILURE;
	}
	frame_init();
	ports_init(pool);
	send_init(pool);
	signal(SIGPIPE, SIG_IGN); /* virtio-user writes to back-ends that have gone */
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	command_print(json_pack("{s:s, s:i}", "event", "ready", "pid", (int)getpid()));
	run();
	close_ports();
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
