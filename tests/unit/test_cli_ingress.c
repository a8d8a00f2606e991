/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of cli/ingress.c, against a scripted daemon: frames are nowhere else once taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "run.h"
#include "test_librenic_peer.h"

static struct peer peer;
static char dir[32], path[64];

static int make_dir(void **state)
{
	strcpy(dir, "/tmp/renic-ingress-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/frames", dir);
	return 0;
}

/* rmdir fails where a temporary file was left. */
static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *text)
{
	char content[128] = "";
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_true(fread(content, 1, sizeof(content) - 1, file) > 0);
	fclose(file);
	assert_string_equal(content, text);
}

typedef int (*run_fn)(struct ctl *ctl, const struct command *command, const json_t *args);

/* Its exit status. */
static int run_at(const char *socket, run_fn fn, const char *method, const char *frames)
{
	const struct command command = {.method = method};
	struct ctl ctl = {.socket = socket, .json = true, .out = fopen("/dev/null", "we")};
	json_t *args = json_pack("{s:s, s:s}", "name", "web", "frames", frames);
	int status;

	assert_non_null(ctl.out);
	status = fn(&ctl, &command, args);
	renic_close(ctl.client);
	fclose(ctl.out);
	json_decref(args);
	return status;
}

static int run(void (*script)(struct peer *p), run_fn fn, const char *method, const char *frames)
{
	int status;

	peer_start(&peer, script, NULL);
	status = run_at(peer.path, fn, method, frames);
	peer_join(&peer);
	return status;
}

static int take(void (*script)(struct peer *p), const char *frames)
{
	return run(script, run_ingress_take, "ingress_take", frames);
}

static int give(void (*script)(struct peer *p))
{
	return run(script, run_ingress_give, "ingress_give", path);
}

static void answer_taken(struct peer *p, const char *chunk)
{
	peer_expect(p, "\"method\":\"ingress_take\"");
	peer_result(p, chunk);
}

static void answer_two_chunks(struct peer *p)
{
	answer_taken(p, "{\"name\":\"web\",\"pkts\":2,\"left\":1,\"frames\":\"OLD\"}");
	answer_taken(p, "{\"name\":\"web\",\"pkts\":1,\"left\":0,\"frames\":\"NEW\"}");
	answer_taken(p, "{\"name\":\"web\",\"pkts\":0,\"left\":0,\"frames\":\"\"}");
}

static void expect_given(struct peer *p, const char *frames)
{
	char part[64];

	snprintf(part, sizeof(part), "\"frames\":\"%s\"", frames);
	peer_expect(p, "\"method\":\"ingress_give\"");
	if (!p->line || !strstr(p->line, part))
		peer_fail(p, "expected %s", part);
}

static void answer_given(struct peer *p, const char *frames)
{
	expect_given(p, frames);
	peer_result(p, "{\"name\":\"web\",\"pkts\":1}");
}

static void no_more(struct peer *p)
{
	if (peer_read(p))
		peer_fail(p, "one more request: %s", p->line);
}

static void chunks_are_saved_the_oldest_first(void **state)
{
	assert_int_equal(take(answer_two_chunks, path), EXIT_OK);
	assert_file("[\"OLD\",\"NEW\"]");
}

/* The daemon is not even asked: it would be one that cannot be reached. */
static void a_file_that_cannot_be_made_takes_no_frames(void **state)
{
	assert_int_equal(run_at("/nonexistent/renic.sock", run_ingress_take, "ingress_take",
				 "/nonexistent/frames"),
		EXIT_REFUSED);
}

static void take_and_take_back(struct peer *p)
{
	answer_two_chunks(p);
	answer_given(p, "NEW");
	answer_given(p, "OLD");
	no_more(p);
}

static void frames_that_cannot_be_saved_are_given_back(void **state)
{
	assert_int_equal(take(take_and_take_back, "/dev/full"), EXIT_REFUSED);
}

static void refuse_at_once(struct peer *p)
{
	peer_expect(p, "\"method\":\"ingress_take\"");
	peer_error(p, "{\"code\":-1,\"message\":\"it runs\"}");
	no_more(p);
}

static void a_take_that_is_refused_leaves_the_file_as_it_was(void **state)
{
	write_file("[\"BEFORE\"]");
	assert_int_equal(take(refuse_at_once, path), EXIT_REFUSED);
	assert_file("[\"BEFORE\"]");
}

static void take_one_and_go(struct peer *p)
{
	answer_taken(p, "{\"name\":\"web\",\"pkts\":2,\"left\":1,\"frames\":\"OLD\"}");
	peer_read(p);
}

static void what_was_taken_before_the_daemon_went_is_saved(void **state)
{
	assert_int_equal(take(take_one_and_go, path), EXIT_NO_DAEMON);
	assert_file("[\"OLD\"]");
}

static void give_newest_first(struct peer *p)
{
	answer_given(p, "C");
	answer_given(p, "B");
	answer_given(p, "A");
	no_more(p);
}

static void chunks_are_given_the_newest_first(void **state)
{
	write_file("[\"A\",\"B\",\"C\"]");
	assert_int_equal(give(give_newest_first), EXIT_OK);
	assert_file("[\"A\",\"B\",\"C\"]");
}

static void refuse_the_second(struct peer *p)
{
	answer_given(p, "C");
	expect_given(p, "B");
	peer_error(p, "{\"code\":-5,\"message\":\"no room\"}");
	no_more(p);
}

static void give_the_rest(struct peer *p)
{
	answer_given(p, "B");
	answer_given(p, "A");
	no_more(p);
}

static void a_give_that_fails_leaves_what_was_not_given_for_another(void **state)
{
	write_file("[\"A\",\"B\",\"C\"]");
	assert_int_equal(give(refuse_the_second), EXIT_REFUSED);
	assert_file("[\"A\",\"B\"]");
	assert_int_equal(give(give_the_rest), EXIT_OK);
}

static void refuse_the_first(struct peer *p)
{
	expect_given(p, "C");
	peer_error(p, "{\"code\":-5,\"message\":\"no room\"}");
	no_more(p);
}

static void a_give_that_gave_nothing_leaves_the_file_as_it_was(void **state)
{
	write_file("[\"A\", \"B\", \"C\"]");
	assert_int_equal(give(refuse_the_first), EXIT_REFUSED);
	assert_file("[\"A\", \"B\", \"C\"]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(chunks_are_saved_the_oldest_first),
		TEST(a_file_that_cannot_be_made_takes_no_frames),
		TEST(frames_that_cannot_be_saved_are_given_back),
		TEST(a_take_that_is_refused_leaves_the_file_as_it_was),
		TEST(what_was_taken_before_the_daemon_went_is_saved),
		TEST(chunks_are_given_the_newest_first),
		TEST(a_give_that_fails_leaves_what_was_not_given_for_another),
		TEST(a_give_that_gave_nothing_leaves_the_file_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
