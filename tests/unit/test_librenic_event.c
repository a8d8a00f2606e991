/* SPDX-License-Identifier: BSD-3-Clause */
/* librenic's events: between replies, in pieces, too many, none, and at the connection's end. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "renic.h"
#include "test_librenic_peer.h"

static struct peer peer;
static struct renic_error err;
static struct renic_event event;

static struct renic_client *start(void (*script)(struct peer *peer))
{
	struct renic_client *client;

	peer_start(&peer, script, NULL);
	client = renic_connect(peer.path, &err);
	assert_non_null(client);
	return client;
}

static void finish(struct renic_client *client)
{
	renic_close(client);
	peer_join(&peer);
}

static void send_between(struct peer *p)
{
	peer_expect(p, "\"method\":\"events_subscribe\",\"params\":{\"types\":[\"a\",\"b\"]}");
	peer_result(p, "true");
	peer_read(p);
	peer_event(p, "a", "vf1");
	peer_event(p, "b", "vf2");
	peer_result(p, "7");
	peer_event(p, "a", "vf3");
	peer_wait_close(p);
}

static void events_around_a_reply_are_kept_in_order(void **state)
{
	static const char *const types[] = {"a", "b", NULL};
	struct renic_client *client = start(send_between);
	json_t *result;

	assert_int_equal(renic_events_subscribe(client, types, &err), 0);
	assert_int_equal(renic_call(client, "x", NULL, &result, &err), 0);
	assert_int_equal(json_integer_value(result), 7);
	json_decref(result);
	for (int i = 1; i <= 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vf%d", i);
		assert_int_equal(renic_event_wait(client, -1, &event, &err), 1);
		assert_string_equal(event.name, name);
		assert_string_equal(event.type, i == 2 ? "b" : "a");
		assert_string_equal(event.detail, "d");
		assert_int_equal(event.time_us, 5);
		assert_int_equal(event.lost, 0);
	}
	assert_int_equal(renic_event_wait(client, 0, &event, &err), 0);
	finish(client);
}

static void half_an_event(struct peer *p)
{
	peer_send(p, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"par");
	peer_expect(p, "go_on");
	peer_send(p, "ams\":{\"type\":\"t\"}}\n");
	peer_result(p, "true");
	peer_wait_close(p);
}

static void wait_that_ends_inside_an_event_loses_nothing(void **state)
{
	struct renic_client *client = start(half_an_event);

	assert_int_equal(renic_event_wait(client, 30, &event, &err), 0);
	assert_int_equal(renic_call(client, "go_on", NULL, NULL, &err), 0);
	assert_int_equal(renic_event_wait(client, 0, &event, &err), 1);
	assert_string_equal(event.type, "t");
	finish(client);
}

static void send_odd_ones(struct peer *p)
{
	peer_send(p, "{\"method\":\"event\",\"params\":{}}\n"
		     "{\"method\":\"event\",\"params\":[1]}\n"
		     "{\"method\":\"event\",\"params\":{\"type\":5,\"name\":null,\"time_us\":-3}}\n"
		     "{\"method\":\"other\",\"params\":{}}\n"
		     "{\"method\":\"event\",\"id\":4,\"params\":{\"type\":\"last\"}}\n");
	peer_wait_close(p);
}

static void members_that_are_missing_or_odd_are_empty(void **state)
{
	struct renic_client *client = start(send_odd_ones);

	for (int i = 0; i < 3; i++) {
		assert_int_equal(renic_event_wait(client, -1, &event, &err), 1);
		assert_string_equal(event.type, "unknown");
		assert_string_equal(event.name, "");
		assert_int_equal(event.time_us, 0);
	}
	assert_int_equal(renic_event_wait(client, -1, &event, &err), 1);
	assert_string_equal(event.type, "last");
	finish(client);
}

static void send_too_many(struct peer *p)
{
	peer_read(p);
	for (int i = 0; i < RENIC_EVENTS_MAX + 6; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vf%d", i);
		peer_event(p, "t", name);
	}
	peer_result(p, "true");
	peer_wait_close(p);
}

static void oldest_give_way_and_are_counted(void **state)
{
	struct renic_client *client = start(send_too_many);

	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), 0);
	assert_int_equal(renic_event_wait(client, 0, &event, &err), 1);
	assert_string_equal(event.name, "vf6");
	assert_int_equal(event.lost, 6);
	for (int i = 1; i < RENIC_EVENTS_MAX; i++) {
		assert_int_equal(renic_event_wait(client, 0, &event, &err), 1);
		assert_int_equal(event.lost, 0);
	}
	assert_int_equal(renic_event_wait(client, 0, &event, &err), 0);
	finish(client);
}

static void answer_late_then_event(struct peer *p)
{
	peer_read(p);
	if (!peer_quiet(p, 100))
		peer_fail(p, "a second request came");
	peer_result(p, "true");
	peer_event(p, "t", "vf0");
}

static void late_reply_is_no_event_and_no_error(void **state)
{
	struct renic_client *client = start(answer_late_then_event);

	renic_set_timeout_ms(client, 20);
	assert_int_equal(renic_call(client, "x", NULL, NULL, &err), RENIC_E_NO_ANSWER);
	assert_int_equal(renic_event_wait(client, -1, &event, &err), 1);
	assert_string_equal(event.name, "vf0");
	/* The peer's script has ended: so has the connection. */
	assert_int_equal(renic_event_wait(client, -1, &event, &err), RENIC_E_CLOSED);
	finish(client);
}

static void event_then_garbage(struct peer *p)
{
	peer_event(p, "t", "vf0");
	peer_send(p, "{\"id\":1,\"result\":true}\n"); /* nobody asked */
	peer_wait_close(p);
}

static void queued_events_come_before_the_error(void **state)
{
	struct renic_client *client = start(event_then_garbage);

	assert_int_equal(renic_event_wait(client, -1, &event, &err), 1);
	assert_int_equal(renic_event_wait(client, -1, &event, &err), RENIC_E_PROTOCOL);
	assert_int_equal(renic_event_wait(client, -1, &event, &err), RENIC_E_CLOSED);
	finish(client);
}

static void send_others(struct peer *p)
{
	static const char line[] = "{\"method\":\"other\"}\n";
	static char lines[4000 * (sizeof(line) - 1) + 1];

	for (size_t i = 0; i < 4000; i++)
		memcpy(lines + i * (sizeof(line) - 1), line, sizeof(line));
	while (peer_quiet(p, 0))
		peer_send(p, lines);
}

static void other_lines_without_end_cannot_hold_a_wait(void **state)
{
	struct renic_client *client = start(send_others);

	assert_int_equal(renic_event_wait(client, 50, &event, &err), 0);
	assert_int_equal(renic_event_wait(client, 0, &event, &err), 0);
	finish(client);
}

static void on_alarm(int signal)
{
}

static void signal_ends_the_wait(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval every = {
		.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 20000}};
	struct itimerval never = {0};
	struct renic_client *client;
	sigset_t alarm;

	/* The peer's thread must not take it. Repeated, in case one comes before the wait. */
	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	client = start(peer_wait_close);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	assert_int_equal(renic_event_wait(client, -1, &event, &err), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	finish(client);
}

static void unsubscribe_answer(struct peer *p)
{
	peer_expect(p, "\"method\":\"events_subscribe\"}");
	peer_result(p, "true");
	peer_expect(p, "events_unsubscribe");
	peer_result(p, "true");
}

static void all_types_need_no_parameter(void **state)
{
	struct renic_client *client = start(unsubscribe_answer);

	assert_int_equal(renic_events_subscribe(client, NULL, &err), 0);
	assert_int_equal(renic_events_unsubscribe(client, &err), 0);
	finish(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_around_a_reply_are_kept_in_order),
		cmocka_unit_test(wait_that_ends_inside_an_event_loses_nothing),
		cmocka_unit_test(members_that_are_missing_or_odd_are_empty),
		cmocka_unit_test(oldest_give_way_and_are_counted),
		cmocka_unit_test(late_reply_is_no_event_and_no_error),
		cmocka_unit_test(queued_events_come_before_the_error),
		cmocka_unit_test(other_lines_without_end_cannot_hold_a_wait),
		cmocka_unit_test(signal_ends_the_wait),
		cmocka_unit_test(all_types_need_no_parameter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
