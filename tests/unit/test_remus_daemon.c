/* SPDX-License-Identifier: BSD-3-Clause */
/* What renic-remus asks its renicd for at a checkpoint, and what it believes of the answer:
 * replicator/daemon.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon.h"
#include "test_librenic_peer.h"

enum { AREA_BYTES = 8192 };

#define ANSWER(offset, bytes)                                                                      \
	"\"epoch\":1,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":1,\"vfs\":[{\"name\":\"a\"," \
	"\"snapshot\":{\"offset\":0,\"bytes\":300},\"dirty\":{\"offset\":" #offset                 \
	",\"bytes\":" #bytes ",\"pages\":1,\"complete\":true}}]}"

static struct nic_error err;

/* Answers with a new area, whose first byte is `mark`. */
static void send_area(struct peer *p, char mark, const char *answer)
{
	int fd = memfd_create("area", MFD_CLOEXEC);
	char line[512];

	if (fd < 0 || ftruncate(fd, AREA_BYTES) || pwrite(fd, &mark, 1, 0) != 1)
		peer_fail(p, "no area");
	snprintf(line, sizeof(line), "{\"id\":%llu,\"result\":{%s}\n", (unsigned long long)p->id,
		answer);
	peer_send_fds(p, line, &fd, 1);
	close(fd);
}

/* A request for a checkpoint: does it ask for the area? */
static bool asked_for_area(struct peer *p)
{
	peer_expect(p, "\"method\":\"checkpoint_begin\"");
	return !strstr(p->line, "area");
}

static void answer_twice(struct peer *p)
{
	if (!asked_for_area(p))
		peer_fail(p, "the first begin does not ask for the area");
	send_area(p, *(const char *)p->arg, ANSWER(4096, 8));
	if (asked_for_area(p))
		peer_fail(p, "the second begin asks for the area again");
	peer_result(p, "{" ANSWER(4096, 16));
	peer_read(p);
	peer_close(p);
}

static void the_area_is_asked_for_once_a_connection(void **state)
{
	struct daemon d = {.group = "g"};
	unsigned before = count_fds();

	for (char mark = 'x'; mark <= 'y'; mark++) { /* two renicds, one after the other */
		struct peer peer;

		peer_start(&peer, answer_twice, &mark);
		d.path = peer.path;
		assert_int_equal(daemon_begin(&d, &err), 0);
		assert_int_equal(d.area[0], mark);
		assert_int_equal(daemon_vf(&d, "a")->dirty_bytes, 8);
		assert_int_equal(daemon_begin(&d, &err), 0);
		assert_int_equal(d.area[0], mark);
		assert_int_equal(daemon_vf(&d, "a")->dirty_bytes, 16);
		assert_int_equal(daemon_begin(&d, &err), RENIC_E_CLOSED);
		assert_null(d.area);
		peer_join(&peer);
	}
	assert_int_equal(count_fds(), before);
}

static void answer_once(struct peer *p)
{
	asked_for_area(p);
	send_area(p, 'x', p->arg);
	peer_wait_close(p);
}

static void what_lies_outside_of_the_area_is_refused(void **state)
{
	static const char *const answers[] = {ANSWER(4096, 4097), ANSWER(8200, 8), ANSWER(4097, 8),
		ANSWER(18446744073709551608, 16), ANSWER(0, 18446744073709551608)};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct daemon d = {.group = "g"};
		struct peer peer;

		peer_start(&peer, answer_once, (void *)answers[i]);
		d.path = peer.path;
		assert_int_equal(daemon_begin(&d, &err), RENIC_E_PROTOCOL);
		assert_non_null(strstr(err.message, "outside of the checkpoint area"));
		daemon_close(&d);
		peer_join(&peer);
	}
}

static void answer_without_one(struct peer *p)
{
	asked_for_area(p);
	peer_result(p, "{" ANSWER(4096, 8));
	peer_wait_close(p);
}

static void a_daemon_that_sends_no_area_is_no_use(void **state)
{
	struct daemon d = {.group = "g"};
	struct peer peer;

	peer_start(&peer, answer_without_one, NULL);
	d.path = peer.path;
	assert_int_equal(daemon_begin(&d, &err), RENIC_E_IO);
	daemon_close(&d);
	peer_join(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_area_is_asked_for_once_a_connection),
		cmocka_unit_test(what_lies_outside_of_the_area_is_refused),
		cmocka_unit_test(a_daemon_that_sends_no_area_is_no_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
