/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program renicctl itself (its path in the environment's RENICCTL) against a scripted daemon:
 * exit statuses, what goes to stdout and stderr, and the order of requests of `protect`.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <renic_snapshot.h>

#include "test_librenic_peer.h"

extern char **environ;

static struct peer peer;
static char out[16384], errors[16384];
static pid_t child;
static int out_fd, err_fd;

/* Unlinked temporary files rather than pipes: nobody has to read while it runs. */
static int temporary(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void spawn(const char *line)
{
	static char copy[512];
	posix_spawn_file_actions_t actions;
	char *argv[32] = {getenv("RENICCTL")}, *save;
	int argc = 1;

	assert_non_null(argv[0]);
	strcpy(copy, line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	out_fd = temporary();
	err_fd = temporary();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
	assert_int_equal(posix_spawn(&child, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
}

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

/* Its exit status; what it wrote is in out and errors. */
static int wait_for_end(void)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	read_back(out_fd, out, sizeof(out));
	read_back(err_fd, errors, sizeof(errors));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run(void (*script)(struct peer *peer), const char *line)
{
	int status;

	peer_start(&peer, script, NULL);
	setenv("RENIC_SOCKET", peer.path, 1);
	spawn(line);
	status = wait_for_end();
	peer_join(&peer);
	unsetenv("RENIC_SOCKET");
	return status;
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static void answer_list(struct peer *p)
{
	peer_expect(p, "\"method\":\"vf_list\"");
	peer_result(p, "[{\"name\":\"web\",\"mac\":\"52:54:00:00:00:01\",\"held_pkts\":12,"
		       "\"held_bytes\":2048}]");
}

static void result_goes_to_stdout_with_status_0(void **state)
{
	assert_int_equal(run(answer_list, "vf list"), 0);
	assert_contains(out, "NAME  MAC ");
	assert_contains(out, "web   52:54:00:00:00:01");
	assert_contains(out, "2.00K");
	assert_string_equal(errors, "");
	assert_int_equal(run(answer_list, "vf list -j"), 0);
	assert_contains(out, "\"held_bytes\": 2048");
}

static void answer_refusal(struct peer *p)
{
	peer_expect(p, "\"params\":{\"name\":\"web\",\"vlan\":5000}");
	peer_error(p, "{\"code\":-32602,\"message\":\"vlan is out of range\",\"data\":{"
		      "\"field\":\"vlan\",\"given\":\"5000\",\"expected\":\"0 to 4094\"}}");
}

static void refusal_is_status_1_and_names_the_field(void **state)
{
	assert_int_equal(run(answer_refusal, "vf set web vlan=5000"), 1);
	assert_string_equal(out, "");
	assert_contains(errors, "vf_set: vlan is out of range (params)");
	assert_contains(errors, "field: vlan, given: 5000, expected: 0 to 4094");
}

static void wrong_command_line_is_status_2(void **state)
{
	static const char *const lines[] = {"", "vf", "vf frobnicate", "frobnicate", "vf create",
		"vf create a colour=red", "--socket", "protect g --interval 0ms", "-x"};

	setenv("RENIC_SOCKET", "/nonexistent/renic.sock", 1); /* nothing may be sent */
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		spawn(lines[i]);
		assert_int_equal(wait_for_end(), 2);
		assert_contains(errors, "See: renicctl");
	}
	unsetenv("RENIC_SOCKET");
}

static void no_daemon_is_status_3_and_names_the_socket(void **state)
{
	spawn("-s /nonexistent/renic.sock version");
	assert_int_equal(wait_for_end(), 3);
	assert_contains(errors, "/nonexistent/renic.sock");
	assert_contains(errors, "Start it");
}

static void close_without_answer(struct peer *p)
{
	peer_read(p);
}

static void say_nothing(struct peer *p)
{
	peer_wait_close(p);
}

static void daemon_that_goes_or_is_silent_is_status_3(void **state)
{
	assert_int_equal(run(close_without_answer, "version"), 3);
	assert_contains(errors, "closed the connection");
	assert_int_equal(run(say_nothing, "version --timeout 50ms"), 3);
	assert_contains(errors, "did not answer in time");
}

static void output_that_cannot_be_written_is_status_1(void **state)
{
	int status;

	peer_start(&peer, answer_list, NULL);
	setenv("RENIC_SOCKET", peer.path, 1);
	status = system("exec \"$RENICCTL\" vf list >/dev/full 2>/dev/null");
	peer_join(&peer);
	unsetenv("RENIC_SOCKET");
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void help_needs_no_daemon(void **state)
{
	setenv("RENIC_SOCKET", "/nonexistent/renic.sock", 1);
	spawn("vf create --help");
	assert_int_equal(wait_for_end(), 0);
	assert_contains(out, "usage: renicctl vf create NAME");
	spawn("help");
	assert_int_equal(wait_for_end(), 0);
	assert_contains(out, "protection stop GROUP [--discard]");
	unsetenv("RENIC_SOCKET");
}

static void answer_events(struct peer *p)
{
	peer_expect(p, "\"params\":{\"types\":[\"vf_created\"]}");
	peer_result(p, "true");
	peer_event(p, "vf_created", "vf0");
	peer_event(p, "vf_created", "vf1");
	peer_expect(p, "events_unsubscribe");
	peer_result(p, "true");
}

static void events_are_a_line_each(void **state)
{
	assert_int_equal(run(answer_events, "events vf_created -n 2"), 0);
	assert_contains(out, "vf_created             vf0           d\n");
	assert_contains(out, "vf1");
	assert_int_equal(run(answer_events, "-j events vf_created -n 2"), 0);
	assert_contains(
		out, "{\"type\":\"vf_created\",\"name\":\"vf1\",\"detail\":\"d\",\"time_us\":5}\n");
}

static void answer_egress_log(struct peer *p)
{
	int fd = temporary();

	peer_expect(p, "\"method\":\"egress_log_get\",\"params\":{\"name\":\"web\"}");
	if (write(fd, "0123456789", 10) != 10)
		peer_fail(p, "cannot write the log");
	peer_send_fds(p,
		"{\"id\":1,\"result\":{\"name\":\"web\",\"extents\":["
		"{\"queue\":0,\"log_offset\":0,\"file_offset\":6,\"bytes\":3},"
		"{\"queue\":0,\"log_offset\":3,\"file_offset\":1,\"bytes\":2}]}}\n",
		&fd, 1);
	close(fd);
}

static void egress_log_copies_the_held_records(void **state)
{
	char path[] = "/tmp/renic-copy-XXXXXX", line[64], copy[16] = "";
	int fd = mkstemp(path);

	snprintf(line, sizeof(line), "egress-log get web -o %s", path);
	assert_int_equal(run(answer_egress_log, line), 0);
	assert_contains(out, "FILE-OFFSET");
	assert_int_equal(read(fd, copy, sizeof(copy)), 5);
	assert_string_equal(copy, "67812");
	close(fd);
	unlink(path);
}

static void answer_top(struct peer *p)
{
	for (int i = 1; i <= 2; i++) {
		char stats[128];

		snprintf(stats, sizeof(stats),
			"{\"name\":\"web\",\"tx_pkts\":%d,\"tx_bytes\":0,"
			"\"rx_pkts\":0,\"rx_bytes\":0,\"drops\":{}}",
			i * 1000000);
		peer_expect(p, "vf_list");
		peer_result(p, "[{\"name\":\"web\",\"id\":0},{\"name\":\"gone\",\"id\":1}]");
		peer_expect(p, "vf_stats");
		peer_result(p, stats);
		peer_expect(p, "vf_stats");
		peer_error(p, "{\"code\":-2,\"message\":\"no such VF\"}");
		peer_expect(p, "uplink_get");
		peer_result(p, "{\"present\":false}");
	}
}

static void top_shows_rates_from_the_second_look(void **state)
{
	char *second;

	assert_int_equal(run(answer_top, "top -b -n 2 -d 100ms"), 0);
	assert_contains(out, "VFs 1, protected 0");
	assert_contains(out, "uplink none");
	assert_null(strstr(out, "\033"));
	assert_null(strstr(out, "gone"));
	second = strstr(out, "\n\n");
	assert_non_null(second);
	assert_non_null(strstr(second, "M  ")); /* a million frames in less than a second: x.xxM */
}

/* ---- protect ---- */

static void send_signal(struct peer *p, int signal)
{
	struct ucred client = {0};
	socklen_t len = sizeof(client);

	if (getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &client, &len) || client.pid <= 0)
		peer_fail(p, "who is the client?");
	else if (signal)
		kill(client.pid, signal);
}

/*
 * The daemon's side of `n` epochs from `epoch` on, committed at once or not at all. `signal` is
 * sent before the last reply, so that it is there before the client looks at its clock again.
 */
static void answer_epochs(struct peer *p, unsigned epoch, unsigned n, bool committed, int signal)
{
	for (; n > 0; n--, epoch++) {
		char text[128];

		peer_expect(p, "\"method\":\"checkpoint_prepare\"");
		peer_result(p, "{}");
		peer_expect(p, "\"method\":\"checkpoint_begin\"");
		snprintf(text, sizeof(text),
			"{\"epoch\":%u,\"held_pkts\":%u,\"held_bytes\":%u,"
			"\"duration_us\":1,\"vfs\":[]}",
			epoch, 10 * epoch, 100 * epoch);
		peer_result(p, text);
		peer_expect(p, "\"method\":\"checkpoint_resume\"");
		peer_result(p, "true");
		if (!committed)
			continue;
		snprintf(text, sizeof(text),
			"\"method\":\"checkpoint_commit\",\"params\":{"
			"\"group\":\"g\",\"epoch\":%u}",
			epoch);
		peer_expect(p, text);
		if (n == 1)
			send_signal(p, signal);
		peer_result(p, "true");
	}
}

static void answer_start(struct peer *p)
{
	peer_expect(p, "\"method\":\"protection_start\"");
	peer_result(p, "{}");
}

static void answer_stop(struct peer *p)
{
	peer_expect(p,
		"\"method\":\"protection_stop\",\"params\":{\"group\":\"g\",\"held\":\"release\"}");
	peer_result(p, "{}");
}

static void three_epochs(struct peer *p)
{
	answer_start(p);
	answer_epochs(p, 1, 3, true, 0);
	answer_stop(p);
}

static void protect_begins_resumes_commits_and_stops(void **state)
{
	assert_int_equal(run(three_epochs, "protect g --interval 5ms --count 3"), 0);
	assert_contains(out, "protected (last sealed epoch: 0)\n");
	assert_contains(out, "epochs                : 3 sealed, 3 committed\n");
	assert_contains(out, "most held             : 30 frames, 300 bytes\n");
	assert_contains(out, "checkpoint_begin      : p50 ");
	assert_int_equal(run(three_epochs, "-j protect g --interval 5ms --count 3"), 0);
	assert_contains(out, "{\"event\":\"started\",\"epoch\":0}\n");
	assert_contains(out, "\"epochs_sealed\":3,\"epochs_committed\":3");
}

static void pause_and_resume(struct peer *p)
{
	answer_start(p);
	answer_epochs(p, 1, 2, true, SIGUSR1);
	answer_epochs(p, 3, 4, false, 0);
	if (!peer_quiet(p, 100)) /* 4 in flight: the epoch stays open, and nothing is committed */
		peer_fail(p, "a request although 4 epochs are in flight");
	send_signal(p, SIGUSR2);
	peer_expect(p, "\"method\":\"checkpoint_commit\",\"params\":{\"group\":\"g\",\"epoch\":6}");
	peer_result(p, "true");
	answer_epochs(p, 7, 1, true, SIGINT);
	answer_stop(p);
}

static void usr1_pauses_the_commits_and_usr2_resumes_them(void **state)
{
	assert_int_equal(run(pause_and_resume, "protect g --interval 20ms --in-flight 4"), 0);
	assert_contains(out, "commits paused (last sealed epoch: 2)\n");
	assert_contains(out, "commits resumed (last sealed epoch: 6)\n");
	assert_contains(out, "protection stopped, everything released");
	assert_contains(out, "7 sealed, 7 committed");
}

enum { DELAY_MS = 150, DELAYED_EPOCHS = 3, DELAYED_IN_FLIGHT = 2 };

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Answers whatever comes, in whatever order the clock makes, and checks the rules. */
static void delayed(struct peer *p)
{
	int64_t resumed_ms[DELAYED_EPOCHS + 1] = {0};
	unsigned sealed = 0, committed = 0;
	char text[128];

	answer_start(p);
	while (peer_read(p) && !strstr(p->line, "protection_stop")) {
		const char *epoch = strstr(p->line, "\"epoch\":");

		snprintf(text, sizeof(text), "true");
		if (strstr(p->line, "_begin") && ++sealed - committed <= DELAYED_IN_FLIGHT) {
			snprintf(text, sizeof(text),
				"{\"epoch\":%u,\"held_pkts\":0,"
				"\"held_bytes\":0,\"duration_us\":1}",
				sealed);
		} else if (strstr(p->line, "_resume") && sealed <= DELAYED_EPOCHS) {
			resumed_ms[sealed] = now_ms();
		} else if (strstr(p->line, "_commit") && epoch) {
			committed = (unsigned)strtoul(epoch + 8, NULL, 10);
			if (committed > sealed || now_ms() - resumed_ms[committed] < DELAY_MS)
				peer_fail(p, "too early: %s", p->line);
		} else if (!strstr(p->line, "_prepare")) {
			peer_fail(p, "%s with %u sealed, %u committed", p->line, sealed, committed);
		}
		peer_result(p, text);
	}
	if (sealed != DELAYED_EPOCHS || committed != DELAYED_EPOCHS)
		peer_fail(p, "%u sealed, %u committed", sealed, committed);
	peer_result(p, "{}");
}

static void commits_are_delayed_and_bounded_in_flight(void **state)
{
	assert_int_equal(
		run(delayed,
			"protect g --interval 10ms --commit-delay 150ms --in-flight 2 --count 3"),
		0);
	assert_contains(out, "3 sealed, 3 committed");
}

static void taken_over(struct peer *p)
{
	peer_expect(p, "protection_start");
	peer_error(p, "{\"code\":-1,\"message\":\"no\",\"data\":{\"state\":\"protected\"}}");
	answer_epochs(p, 8, 1, true, 0);
	peer_wait_close(p);
}

static void protected_group_is_taken_over_and_can_be_left_so(void **state)
{
	assert_int_equal(run(taken_over, "protect g -i 5ms -n 1 --leave-held"), 0);
	assert_contains(out, "protected already");
	assert_contains(out, "left protected");
}

static void suspended_already(struct peer *p)
{
	peer_expect(p, "protection_start");
	peer_error(p, "{\"code\":-1,\"message\":\"not now\",\"data\":{\"state\":\"suspended\"}}");
}

static void begin_refused(struct peer *p)
{
	answer_start(p);
	answer_epochs(p, 1, 1, true, 0);
	peer_expect(p, "checkpoint_prepare");
	peer_result(p, "{}");
	peer_expect(p, "checkpoint_begin");
	peer_error(p, "{\"code\":-1,\"message\":\"not now\",\"data\":{\"state\":\"unprotected\"}}");
	peer_wait_close(p); /* and no protection_stop: what is held stays held */
}

static void daemon_gone(struct peer *p)
{
	answer_start(p);
	answer_epochs(p, 1, 1, true, 0);
}

static void protect_ends_with_what_went_wrong(void **state)
{
	assert_int_equal(run(suspended_already, "protect g -i 5ms"), 1);
	assert_contains(errors, "state: suspended");
	assert_int_equal(run(begin_refused, "protect g -i 5ms"), 1);
	assert_contains(errors, "checkpoint_begin: not now (state)");
	assert_contains(out, "1 sealed, 1 committed");
	assert_int_equal(run(daemon_gone, "protect g -i 20ms -n 5"), 3);
}

/* What the golden file tests/golden/v1-split.snapshot is, base64 as the daemon sends it. */
static char golden_path[200], golden_answer[2048];

static void load_golden(void)
{
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	char text[1024];
	FILE *file;
	size_t n;

	snprintf(golden_path, sizeof(golden_path), "%s/v1-split.snapshot", getenv("GOLDEN_DIR"));
	file = fopen(golden_path, "rbe");
	assert_non_null(file);
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_true(renic_base64_encode(bytes, n, text, sizeof(text)) > 0);
	snprintf(golden_answer, sizeof(golden_answer), "{\"name\":\"web\",\"snapshot\":\"%s\"}",
		text);
}

static void answer_snapshot(struct peer *p)
{
	peer_expect(p, "\"method\":\"snapshot_get\",\"params\":{\"name\":\"web\"}");
	peer_result(p, golden_answer);
}

static void answer_no_snapshot(struct peer *p)
{
	peer_expect(p, "snapshot_get");
	peer_result(p, "{\"name\":\"web\",\"snapshot\":\"UkVOSUNTTlA=\"}");
}

static int run_alone(const char *fmt, const char *a, const char *b)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, a, b);
	spawn(line);
	return wait_for_end();
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
	FILE *file = fopen(path, "wbe");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static void answer_restore(struct peer *p)
{
	const char *as = p->arg;

	peer_expect(p, "\"method\":\"standby_restore\"");
	if (!strstr(p->line, as))
		peer_fail(p, "no %s in %s", as, p->line);
	if (!strstr(p->line, strstr(golden_answer, "\"snapshot\"")))
		peer_fail(p, "not the file's snapshot: %s", p->line);
	peer_result(p, "{\"name\":\"g\",\"state\":\"standby\",\"term\":4}");
}

static int run_restore(const char *line, const char *as)
{
	int status;

	peer_start(&peer, answer_restore, (void *)(uintptr_t)as);
	setenv("RENIC_SOCKET", peer.path, 1);
	spawn(line);
	status = wait_for_end();
	peer_join(&peer);
	unsetenv("RENIC_SOCKET");
	return status;
}

static void a_standby_is_restored_from_files(void **state)
{
	char line[512];

	load_golden();
	snprintf(line, sizeof(line), "standby restore g backup=%s --term 4", golden_path);
	assert_int_equal(run_restore(line, "\"name\":\"backup\""), 0);
	assert_contains(out, "standby");
	assert_int_equal(run_restore(line, "\"term\":4"), 0);
	snprintf(line, sizeof(line), "standby restore g %s", golden_path);
	assert_int_equal(run_restore(line, "\"name\":\"web-1.a_b\""), 0);
	/* What is no snapshot is told, and nothing is sent: there is no daemon. */
	assert_int_equal(run_alone("standby restore g %s", "/dev/null", ""), 1);
	assert_contains(errors, "it is empty");
	assert_int_equal(run_alone("standby restore g a=%s", "/etc/passwd", ""), 1);
	assert_contains(errors, "/etc/passwd");
	assert_int_equal(run_alone("standby restore g %s", "/nowhere/at/all", ""), 1);
}

static void snapshots_are_saved_shown_and_compared(void **state)
{
	char dir[] = "/tmp/renicctl-test-XXXXXX", saved[64], line[128];

	load_golden();
	assert_non_null(mkdtemp(dir));
	snprintf(saved, sizeof(saved), "%s/saved", dir);
	snprintf(line, sizeof(line), "snapshot save web %s", saved);
	assert_int_equal(run(answer_snapshot, line), 0);
	assert_int_equal(run_alone("snapshot show %s", saved, ""), 0);
	assert_contains(out, "\"name\": \"web-1.a_b\"");
	assert_contains(out, "\"rx_avail_idx\": 65535");
	assert_int_equal(run_alone("snapshot diff %s %s", saved, golden_path), 0);
	assert_string_equal(out, "");
	unlink(saved);
	assert_int_equal(run(answer_no_snapshot, line), 1); /* and nothing is written */
	assert_int_equal(access(saved, F_OK), -1);
	rmdir(dir);
}

static void differences_are_named_with_status_1(void **state)
{
	char dir[] = "/tmp/renicctl-test-XXXXXX", other[64];
	uint8_t bytes[RENIC_SNAPSHOT_MAX_BYTES];
	struct renic_snapshot s;
	FILE *file;
	size_t n;

	load_golden();
	file = fopen(golden_path, "rbe");
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(renic_snapshot_decode(bytes, n, &s, NULL), 0);
	s.queues[0].tx.used_idx++;
	s.group[0] = '\0';
	s.n_ipv4--;
	n = renic_snapshot_encode(&s, bytes, sizeof(bytes));
	assert_non_null(mkdtemp(dir));
	snprintf(other, sizeof(other), "%s/other", dir);
	write_bytes(other, bytes, n);
	assert_int_equal(run_alone("snapshot diff %s %s", golden_path, other), 1);
	assert_string_equal(out, "group: \"shop\" -> null\n"
				 "rings[0].tx_used_idx: 16 -> 17\n"
				 "ipv4[1]: \"198.51.100.255\" -> null\n");
	assert_int_equal(run_alone("-j snapshot diff %s %s", golden_path, other), 1);
	assert_contains(out, "\"member\": \"rings[0].tx_used_idx\"");
	bytes[n / 2] ^= 1;
	write_bytes(other, bytes, n);
	assert_int_equal(run_alone("snapshot diff %s %s", golden_path, other), 2);
	assert_contains(errors, "CRC32C is wrong");
	assert_string_equal(out, "");
	assert_int_equal(run_alone("snapshot show %s", other, ""), 1);
	assert_string_equal(out, "");
	unlink(other);
	assert_int_equal(run_alone("snapshot diff %s %s", other, golden_path), 2);
	assert_int_equal(run_alone("snapshot show %s", other, ""), 1);
	assert_contains(errors, other);
	assert_int_equal(run_alone("snapshot show %s", dir, ""), 1);
	rmdir(dir);
}

#define SAVED "{\"version\":1,\"calls\":[{\"method\":\"vf_create\",\"params\":{\"name\":\"web\"}}]}"

static void answer_config(struct peer *p)
{
	peer_expect(p, "\"method\":\"config_save\"");
	peer_result(p, SAVED);
}

static void take_config(struct peer *p)
{
	peer_expect(p, "\"method\":\"config_load\",\"params\":" SAVED "}");
	peer_result(p, "{\"applied\":1,\"skipped\":0,\"checked\":1}");
}

static void check_config(struct peer *p)
{
	peer_expect(p, "\"check\":true");
	peer_error(p, "{\"code\":-3,\"message\":\"calls[0].params.mac: taken\",\"data\":"
		      "{\"field\":\"calls[0].params.mac\"}}");
}

static void configuration_goes_to_a_file_and_back(void **state)
{
	char dir[] = "/tmp/renicctl-test-XXXXXX", line[128], path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/config", dir);
	write_bytes(path, "old", 3);
	snprintf(line, sizeof(line), "config save %s", path);
	assert_int_equal(run(answer_config, line), 0);
	assert_string_equal(out, "");
	snprintf(line, sizeof(line), "config load %s", path);
	assert_int_equal(run(take_config, line), 0);
	assert_contains(out, "applied");
	snprintf(line, sizeof(line), "config load --check %s", path);
	assert_int_equal(run(check_config, line), 1);
	assert_contains(errors, "field: calls[0].params.mac");
	assert_int_equal(run(answer_config, "config save"), 0);
	assert_contains(out, "\"method\": \"vf_create\"");
	assert_int_equal(run(answer_config, "config save /dev/full"), 1);
	assert_contains(errors, "/dev/full");
	write_bytes(path, "{\"calls\": [", 11);
	assert_int_equal(run_alone("config load %s", path, ""), 1); /* before any daemon */
	assert_contains(errors, "line 1");
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left in it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_goes_to_stdout_with_status_0),
		cmocka_unit_test(refusal_is_status_1_and_names_the_field),
		cmocka_unit_test(wrong_command_line_is_status_2),
		cmocka_unit_test(no_daemon_is_status_3_and_names_the_socket),
		cmocka_unit_test(daemon_that_goes_or_is_silent_is_status_3),
		cmocka_unit_test(output_that_cannot_be_written_is_status_1),
		cmocka_unit_test(help_needs_no_daemon),
		cmocka_unit_test(events_are_a_line_each),
		cmocka_unit_test(egress_log_copies_the_held_records),
		cmocka_unit_test(top_shows_rates_from_the_second_look),
		cmocka_unit_test(protect_begins_resumes_commits_and_stops),
		cmocka_unit_test(usr1_pauses_the_commits_and_usr2_resumes_them),
		cmocka_unit_test(commits_are_delayed_and_bounded_in_flight),
		cmocka_unit_test(protected_group_is_taken_over_and_can_be_left_so),
		cmocka_unit_test(protect_ends_with_what_went_wrong),
		cmocka_unit_test(a_standby_is_restored_from_files),
		cmocka_unit_test(snapshots_are_saved_shown_and_compared),
		cmocka_unit_test(differences_are_named_with_status_1),
		cmocka_unit_test(configuration_goes_to_a_file_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
