/* SPDX-License-Identifier: BSD-3-Clause */
/* Scrapes from several threads while VFs come and go: renicd/observe/metrics.c and view.c, the
 * control thread's questions between them. Under ThreadSanitizer too. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_fixture.h"
#include "observe/metrics.h"

enum { SCRAPERS = 3, SCRAPES = 40, ANSWER_MAX = 1 << 20 };

struct scraper {
	pthread_t thread;
	const char *path;
	unsigned whole; /* answers from "200 OK" to "# EOF" */
};

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* All of an answer, NUL-terminated; its length. */
static size_t read_all(int fd, char *text)
{
	size_t len = 0;
	ssize_t n;

	while (len < ANSWER_MAX - 1 && (n = read(fd, text + len, ANSWER_MAX - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

static bool is_whole(const char *text, size_t len)
{
	static const char end[] = "# EOF\n";

	return !strncmp(text, "HTTP/1.1 200 OK\r\n", 17) && len > sizeof(end) &&
	       !strcmp(text + len - (sizeof(end) - 1), end);
}

static void *scrape_often(void *arg)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	struct scraper *s = arg;
	char *text = malloc(ANSWER_MAX);

	/* On a busy machine the second that a scrape may take can be over: few are cut for that. */
	for (int i = 0; text && s->whole < SCRAPES && i < 2 * SCRAPES; i++) {
		int fd = connect_to(s->path);

		if (fd < 0)
			continue;
		if (write(fd, request, sizeof(request) - 1) == sizeof(request) - 1)
			s->whole += is_whole(text, read_all(fd, text));
		close(fd);
	}
	free(text);
	return NULL;
}

static void every_scrape_is_whole_while_vfs_come_and_go(void **state)
{
	struct control_fixture *f = *state;
	struct metrics_config config = {0};
	struct scraper scrapers[SCRAPERS];
	int fd = fixture_connect(f);

	snprintf(config.socket, sizeof(config.socket), "%s/metrics.sock", f->dir);
	json_decref(fixture_call(fd, "vf_list", NULL)); /* it answers, so it takes questions */
	assert_int_equal(metrics_start(&config, (gid_t)-1, 0600, NULL), 0);
	for (int i = 0; i < SCRAPERS; i++) {
		scrapers[i] = (struct scraper){.path = config.socket};
		assert_int_equal(
			pthread_create(&scrapers[i].thread, NULL, scrape_often, &scrapers[i]), 0);
	}
	for (int i = 0; i < SCRAPES; i++) {
		json_decref(fixture_call(fd, "vf_create", "{\"name\":\"a\",\"queues\":2}"));
		json_decref(fixture_call(fd, "vf_create", "{\"name\":\"b\"}"));
		json_decref(fixture_call(fd, "vf_delete", "{\"name\":\"a\"}"));
		json_decref(fixture_call(fd, "vf_delete", "{\"name\":\"b\"}"));
	}
	for (int i = 0; i < SCRAPERS; i++) {
		pthread_join(scrapers[i].thread, NULL);
		assert_int_equal(scrapers[i].whole, SCRAPES);
	}
	metrics_stop();
	assert_int_equal(access(config.socket, F_OK), -1);
	close(fd);
}

static void a_scraper_that_says_nothing_does_not_keep_it_from_ending(void **state)
{
	struct control_fixture *f = *state;
	struct metrics_config config = {0};
	int silent;

	snprintf(config.socket, sizeof(config.socket), "%s/metrics.sock", f->dir);
	assert_int_equal(metrics_start(&config, (gid_t)-1, 0600, NULL), 0);
	silent = connect_to(config.socket);
	assert_true(silent >= 0);
	metrics_stop();
	close(silent);
}

static void a_socket_and_a_port_are_refused_by_name(void **state)
{
	struct metrics_config config = {.socket = "/run/m.sock"};
	struct nic_error err = {0};

	assert_int_equal(metrics_check(&config, &err), 0);
	config.port = 9100;
	assert_int_equal(metrics_check(&config, &err), RENIC_E_PARAMS);
	assert_non_null(strstr(err.message, "metrics.socket or metrics.port"));
	assert_non_null(strstr(err.given, "9100"));
	config.socket[0] = '\0';
	assert_int_equal(metrics_check(&config, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_and_a_port_are_refused_by_name),
		cmocka_unit_test_setup_teardown(every_scrape_is_whole_while_vfs_come_and_go,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_scraper_that_says_nothing_does_not_keep_it_from_ending, fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
