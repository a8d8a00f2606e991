/* SPDX-License-Identifier: BSD-3-Clause */
/* librenic's checkpoint path: what is sent, byte for byte, and what is made of the replies. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "renic.h"
#include "test_librenic_peer.h"

static struct peer peer;
static struct renic_error err;

static struct renic_client *start(void (*script)(struct peer *peer), void *arg)
{
	struct renic_client *client;

	peer_start(&peer, script, arg);
	client = renic_connect(peer.path, &err);
	assert_non_null(client);
	return client;
}

static void finish(struct renic_client *client)
{
	renic_close(client);
	peer_join(&peer);
}

/* The request must be this, as JSON: what a strict daemon sees. */
static void expect_request(struct peer *p, const char *text)
{
	json_t *wanted = json_loads(text, 0, NULL), *got;

	if (!peer_read(p)) {
		peer_fail(p, "no request, expected %s", text);
		json_decref(wanted);
		return;
	}
	got = json_loads(p->line, 0, NULL);
	if (!json_equal(wanted, got))
		peer_fail(p, "expected %s, got %s", text, p->line);
	json_decref(wanted);
	json_decref(got);
}

#define REQUEST(id, method, params)                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}"

static void answer_all(struct peer *p)
{
	expect_request(p, REQUEST("1", "protection_start", "{\"group\":\"g.0\"}"));
	peer_result(p, "{}");
	expect_request(
		p, REQUEST("2", "checkpoint_begin", "{\"group\":\"g.0\",\"area\":\"keep\"}"));
	peer_result(p, "{\"group\":\"g.0\",\"vfs\":[{\"epoch\":99,\"x\":\"]}\\\"\"}],\"epoch\":7,"
		       "\"held_pkts\":18446744073709551615,\"held_bytes\":0,\"duration_us\":12}");
	expect_request(p, REQUEST("3", "checkpoint_resume", "{\"group\":\"g.0\"}"));
	peer_result(p, "true");
	expect_request(p, REQUEST("4", "checkpoint_commit", "{\"group\":\"g.0\",\"epoch\":7}"));
	peer_result(p, "{\"committed_epoch\":7}");
	expect_request(p, REQUEST("5", "checkpoint_abort", "{\"group\":\"g.0\"}"));
	peer_error(p, "{\"code\":-1,\"message\":\"no\",\"data\":{\"state\":\"protected\"}}");
	expect_request(
		p, REQUEST("6", "protection_stop", "{\"group\":\"g.0\",\"held\":\"discard\"}"));
	peer_result(p, "{}");
	expect_request(
		p, REQUEST("7", "protection_stop", "{\"group\":\"g.0\",\"held\":\"release\"}"));
	peer_error(p, "{\"code\":-1,\"message\":\"no\",\"data\":{\"state\":\"unprotected\"}}");
	expect_request(p, REQUEST("8", "checkpoint_prepare", "{\"group\":\"g.0\"}"));
	peer_result(p, "{\"epoch\":8}");
}

static void requests_and_replies_are_as_the_protocol_has_them(void **state)
{
	struct renic_client *client = start(answer_all, NULL);
	struct renic_checkpoint c;

	assert_int_equal(renic_protection_start(client, "g.0", &err), 0);
	assert_int_equal(renic_checkpoint_begin(client, "g.0", &c, &err), 0);
	assert_int_equal(c.epoch, 7);
	assert_true(c.held_pkts == UINT64_MAX);
	assert_int_equal(c.held_bytes, 0);
	assert_int_equal(c.duration_us, 12);
	assert_int_equal(renic_checkpoint_resume(client, "g.0", &err), 0);
	assert_int_equal(renic_checkpoint_commit(client, "g.0", c.epoch, &err), 0);
	assert_int_equal(renic_checkpoint_abort(client, "g.0", &err), RENIC_E_STATE);
	assert_string_equal(err.state, "protected");
	assert_int_equal(renic_protection_stop(client, "g.0", RENIC_HELD_DISCARD, &err), 0);
	assert_int_equal(
		renic_protection_stop(client, "g.0", RENIC_HELD_RELEASE, NULL), RENIC_E_STATE);
	assert_int_equal(renic_checkpoint_prepare(client, "g.0", &err), 0);
	finish(client);
}

static void answer_begin(struct peer *p)
{
	peer_read(p);
	peer_result(p, p->arg);
	peer_wait_close(p);
}

/* A commit of a wrong number would release what no backup holds. */
static void begin_without_its_four_numbers_is_no_checkpoint(void **state)
{
	static const char *const results[] = {"true", "{}", "[]",
		"{\"epoch\":1,\"held_pkts\":0,\"held_bytes\":0}",
		"{\"epoch\":-1,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":0}",
		"{\"epoch\":1.0,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":0}",
		"{\"epoch\":\"1\",\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":0}",
		"{\"epoch\":18446744073709551616,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":"
		"0}",
		"{\"epoch\":1,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":0,\"epoch\":null}",
		"{\"vfs\":[{\"epoch\":1,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":0}]}"};

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		struct renic_client *client = start(answer_begin, (void *)results[i]);
		struct renic_checkpoint c;
		int ret = renic_checkpoint_begin(client, "g", &c, &err);

		if (ret != RENIC_E_PROTOCOL)
			fail_msg("%s gave %s", results[i], renic_error_name(ret));
		finish(client);
	}
}

static void expect_nothing(struct peer *p)
{
	if (peer_read(p))
		peer_fail(p, "got %s", p->line);
}

static void name_that_would_break_the_message_is_not_sent(void **state)
{
	struct renic_client *client = start(expect_nothing, NULL);
	static const char *const names[] = {"", "a\"b", "a\\b", "a b", "a\nb", "\xc3\xa9", NULL};
	char longest[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(renic_protection_start(client, names[i], &err), RENIC_E_ARGUMENT);
		assert_string_equal(err.field, "group");
	}
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(renic_checkpoint_commit(client, longest, 1, NULL), RENIC_E_ARGUMENT);
	finish(client);
}

static void answer_large_begin(struct peer *p)
{
	static const char head[] = "{\"epoch\":1,\"held_pkts\":2,\"held_bytes\":3,"
				   "\"duration_us\":4,\"vfs\":[";
	static const char vf[] = "{\"name\":\"vf\",\"held_pkts\":5,\"rings\":[{\"log\":{}}]},";
	size_t n = 4000, used;
	char *text = malloc(n * sizeof(vf) + 256);

	peer_read(p);
	assert_non_null(text);
	used = sizeof(head) - 1;
	memcpy(text, head, used);
	for (size_t i = 0; i < n; i++, used += sizeof(vf) - 1)
		memcpy(text + used, vf, sizeof(vf) - 1);
	strcpy(text + used - 1, "]}");
	peer_result(p, text);
	free(text);
}

static void begin_of_a_large_group_is_read(void **state)
{
	struct renic_client *client = start(answer_large_begin, NULL);
	struct renic_checkpoint c;

	assert_int_equal(renic_checkpoint_begin(client, "g", &c, &err), 0);
	assert_int_equal(c.epoch, 1);
	assert_int_equal(c.held_pkts, 2);
	assert_int_equal(c.held_bytes, 3);
	assert_int_equal(c.duration_us, 4);
	finish(client);
}

static void answer_as_an_older_daemon(struct peer *p)
{
	expect_request(p, REQUEST("1", "checkpoint_begin", "{\"group\":\"g\",\"area\":\"keep\"}"));
	peer_error(p, "{\"code\":-32602,\"message\":\"area: unknown parameter\","
		      "\"data\":{\"field\":\"area\"}}");
	expect_request(p, REQUEST("2", "checkpoint_begin", "{\"group\":\"g\"}"));
	peer_result(p, "{\"epoch\":7,\"held_pkts\":0,\"held_bytes\":0,\"duration_us\":1}");
	expect_request(p, REQUEST("3", "checkpoint_begin", "{\"group\":\"h\",\"area\":\"keep\"}"));
	peer_error(p, "{\"code\":-32602,\"message\":\"no\",\"data\":{\"field\":\"group\"}}");
}

static void a_daemon_that_knows_no_area_is_asked_without(void **state)
{
	struct renic_client *client = start(answer_as_an_older_daemon, NULL);
	struct renic_checkpoint c;

	assert_int_equal(renic_checkpoint_begin(client, "g", &c, NULL), 0);
	assert_int_equal(c.epoch, 7);
	assert_int_equal(renic_checkpoint_begin(client, "h", &c, &err), RENIC_E_PARAMS);
	assert_string_equal(err.field, "group");
	finish(client);
}

static void answer_in_a_term(struct peer *p)
{
	expect_request(p, REQUEST("1", "protection_start", "{\"group\":\"g\",\"term\":7}"));
	peer_result(p, "{}");
	expect_request(
		p, REQUEST("2", "checkpoint_commit", "{\"group\":\"g\",\"epoch\":3,\"term\":7}"));
	peer_error(p, "{\"code\":-10,\"message\":\"no\",\"data\":{\"field\":\"term\"}}");
	expect_request(
		p, REQUEST("3", "protection_stop",
			   "{\"group\":\"g\",\"held\":\"release\",\"term\":9223372036854775807}"));
	peer_result(p, "{}");
	expect_request(p, REQUEST("4", "checkpoint_resume", "{\"group\":\"g\"}"));
	peer_result(p, "true");
}

static void commands_carry_the_term_once_it_is_set(void **state)
{
	struct renic_client *client = start(answer_in_a_term, NULL);

	renic_set_term(client, 7);
	assert_int_equal(renic_protection_start(client, "g", &err), 0);
	assert_int_equal(renic_checkpoint_commit(client, "g", 3, &err), RENIC_E_TERM);
	assert_string_equal(err.field, "term");
	renic_set_term(client, INT64_MAX);
	assert_int_equal(renic_protection_stop(client, "g", RENIC_HELD_RELEASE, &err), 0);
	renic_set_term(client, 0);
	assert_int_equal(renic_checkpoint_resume(client, "g", &err), 0);
	finish(client);
}

/* Two descriptors with each answer: more than the daemon sends, so that any can be left over. */
static void answer_with_area(struct peer *p)
{
	int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), dup(0)};

	for (int id = 1; id <= 3; id++) {
		char answer[160];

		peer_read(p);
		snprintf(answer, sizeof(answer),
			"{\"id\":%d,\"result\":{\"epoch\":%s,\"held_pkts\":0,\"held_bytes\":0,"
			"\"duration_us\":0}}\n",
			id, id == 3 ? "null" : "1");
		peer_send_fds(p, answer, fds, 2);
	}
	close(fds[0]);
	close(fds[1]);
	peer_wait_close(p);
}

static void the_checkpoint_area_is_handed_over_or_closed(void **state)
{
	unsigned before = count_fds(), with_client;
	struct renic_client *client = start(answer_with_area, NULL);
	struct renic_checkpoint c;
	struct stat st;
	int fd = -1;

	assert_int_equal(renic_checkpoint_begin_fd(client, "g", &c, &fd, &err), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISCHR(st.st_mode)); /* the first of them */
	close(fd);
	with_client = count_fds();
	assert_int_equal(renic_checkpoint_begin(client, "g", &c, &err), 0);
	assert_int_equal(count_fds(), with_client);
	assert_int_equal(renic_checkpoint_begin_fd(client, "g", &c, &fd, &err), RENIC_E_PROTOCOL);
	assert_int_equal(fd, -1);
	finish(client);
	assert_int_equal(count_fds(), before);
}

#define NUMBERS "\"epoch\":1,\"held_pkts\":2,\"held_bytes\":3,\"duration_us\":4"
#define VF(name)                                                                                   \
	"{\"name\":\"" name                                                                        \
	"\",\"rings\":[{\"tx\":[]}],\"snapshot\":{\"offset\":4096,\"bytes\":300},"                 \
	"\"dirty\":{\"offset\":69632,\"bytes\":16,\"pages\":5,\"complete\":true}}"

static void begin_tells_where_the_area_has_each_vf(void **state)
{
	struct renic_client *client =
		start(answer_begin, "{\"vfs\":[" VF("a") "," VF("b.1") "]," NUMBERS "}");
	struct renic_checkpoint_vf vfs[2];
	struct renic_checkpoint c;
	size_t n = 2;
	int fd;

	assert_int_equal(renic_checkpoint_begin_vfs(client, "g", &c, vfs, &n, &fd, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(fd, -1); /* sent none */
	assert_int_equal(c.epoch, 1);
	assert_string_equal(vfs[1].name, "b.1");
	assert_int_equal(vfs[1].snapshot_offset, 4096);
	assert_int_equal(vfs[1].snapshot_bytes, 300);
	assert_int_equal(vfs[1].dirty_offset, 69632);
	assert_int_equal(vfs[1].dirty_bytes, 16);
	assert_int_equal(vfs[1].dirty_pages, 5);
	assert_true(vfs[1].dirty_complete);
	finish(client);
}

/* A VF whose pages are not known would be restored wrong. */
static void vf_that_is_told_by_half_is_refused(void **state)
{
	static const char *const results[] = {"{" NUMBERS "}", "{\"vfs\":{}," NUMBERS "}",
		"{\"vfs\":[{\"name\":\"a\"}]," NUMBERS "}", "{\"vfs\":[7]," NUMBERS "}",
		"{\"vfs\":[" VF("a") "," VF("b") "," VF("c") "]," NUMBERS "}",
		"{\"vfs\":[" VF("") "]," NUMBERS "}",
		"{\"vfs\":[{\"name\":\"a\",\"snapshot\":{\"offset\":0,\"bytes\":1},\"dirty\":{}}]"
		"," NUMBERS "}"};

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		struct renic_client *client = start(answer_begin, (void *)results[i]);
		struct renic_checkpoint_vf vfs[2];
		struct renic_checkpoint c;
		size_t n = 2;
		int fd, ret = renic_checkpoint_begin_vfs(client, "g", &c, vfs, &n, &fd, &err);

		if (ret != RENIC_E_PROTOCOL)
			fail_msg("%s gave %s", results[i], renic_error_name(ret));
		assert_int_equal(n, 0);
		finish(client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_and_replies_are_as_the_protocol_has_them),
		cmocka_unit_test(begin_without_its_four_numbers_is_no_checkpoint),
		cmocka_unit_test(name_that_would_break_the_message_is_not_sent),
		cmocka_unit_test(begin_of_a_large_group_is_read),
		cmocka_unit_test(a_daemon_that_knows_no_area_is_asked_without),
		cmocka_unit_test(commands_carry_the_term_once_it_is_set),
		cmocka_unit_test(the_checkpoint_area_is_handed_over_or_closed),
		cmocka_unit_test(begin_tells_where_the_area_has_each_vf),
		cmocka_unit_test(vf_that_is_told_by_half_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
