/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1, as much of it as a scraper needs: GET /metrics, one answer, the end of the connection.
 * A thread of its own serves one connection at a time and gives each CONNECTION_MS: a peer that
 * hangs costs other scrapers that long, and the rest of the daemon nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "openmetrics.h"

enum {
	BACKLOG = 8,
	REQUEST_MAX = 4096,
	CONNECTION_MS = 1000,
};

static struct {
	bool runs;
	pthread_t thread;
	int listen_fd, stop_fd;
	char path[NIC_PATH_SIZE]; /* empty: a port */
} server = {.listen_fd = -1, .stop_fd = -1};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* false: not in time. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	int64_t left = deadline_ms - now_ms();

	return left > 0 && poll(&pfd, 1, (int)left) > 0;
}

/* All up to the empty line, NUL-terminated; false: too long, too slow, or gone. */
static bool read_request(int fd, char request[REQUEST_MAX], int64_t deadline_ms)
{
	size_t len = 0;

	while (len < REQUEST_MAX - 1 && wait_for(fd, POLLIN, deadline_ms)) {
		ssize_t n = recv(fd, request + len, REQUEST_MAX - 1 - len, MSG_DONTWAIT);

		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n") || strstr(request, "\n\n"))
			return true;
	}
	return false;
}

static void send_all(int fd, const char *text, size_t len, int64_t deadline_ms)
{
	while (len && wait_for(fd, POLLOUT, deadline_ms)) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void answer(int fd, const char *status, const char *type, const char *body, size_t len,
	int64_t deadline_ms)
{
	char header[256];
	int n = snprintf(header, sizeof(header),
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n",
		status, type, len);

	send_all(fd, header, (size_t)n, deadline_ms);
	send_all(fd, body, len, deadline_ms);
}

static void refuse(int fd, const char *status, int64_t deadline_ms)
{
	char body[128];
	int n = snprintf(body, sizeof(body), "%s\n", status);

	answer(fd, status, "text/plain", body, (size_t)n, deadline_ms);
}

static void scrape(int fd, int64_t deadline_ms)
{
	struct view view;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (view_take(&view)) {
		refuse(fd, "503 Service Unavailable", deadline_ms);
		return;
	}
	out = open_memstream(&text, &len);
	if (out) {
		openmetrics_write(out, &view);
		fclose(out);
		answer(fd, "200 OK", OPENMETRICS_TYPE, text, len, deadline_ms);
	}
	free(text);
	view_free(&view);
}

static void serve(int fd)
{
	int64_t deadline_ms = now_ms() + CONNECTION_MS;
	char request[REQUEST_MAX], path[256];

	if (!read_request(fd, request, deadline_ms))
		return;
	if (strncmp(request, "GET ", 4))
		refuse(fd, "405 Method Not Allowed", deadline_ms);
	else if (sscanf(request, "GET %255[^ ?\r\n]", path) != 1 || strcmp(path, "/metrics"))
		refuse(fd, "404 Not Found", deadline_ms);
	else
		scrape(fd, deadline_ms);
}

static void *run(void *arg)
{
	struct pollfd fds[2] = {
		{.fd = server.listen_fd, .events = POLLIN},
		{.fd = server.stop_fd, .events = POLLIN},
	};

	while (!fds[1].revents) {
		int fd;

		if (poll(fds, 2, -1) < 0 || !fds[0].revents)
			continue;
		fd = accept4(server.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			serve(fd);
			close(fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			poll(&fds[1], 1, CONNECTION_MS); /* it would be readable at once again */
		}
	}
	return NULL;
}

/* A socket that an earlier daemon left may go; anything else is not ours. The run directory's lock
 * says that no other daemon with this configuration lives. */
static int remove_stale(const char *path, struct nic_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return nic_fail(err, RENIC_E_EXISTS, "metrics.socket",
			"metrics.socket: %s is there, and is no socket", path);
	unlink(path);
	return 0;
}

static int listen_unix(const char *path, gid_t group, mode_t mode, struct nic_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, rc = remove_stale(path, err);

	if (rc)
		return rc;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody gets in between bind and listen. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
		chown(path, (uid_t)-1, group) || chmod(path, mode) || listen(fd, BACKLOG)) {
		nic_fail(err, RENIC_E_IO, "metrics.socket", "metrics.socket: %s: %s", path,
			strerror(errno));
		if (fd >= 0)
			close(fd);
		return RENIC_E_IO;
	}
	snprintf(server.path, sizeof(server.path), "%s", path);
	server.listen_fd = fd;
	return 0;
}

static int listen_loopback(uint16_t port, struct nic_error *err)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, BACKLOG)) {
		nic_fail(err, RENIC_E_IO, "metrics.port", "metrics.port: 127.0.0.1:%u: %s", port,
			strerror(errno));
		if (fd >= 0)
			close(fd);
		return RENIC_E_IO;
	}
	server.path[0] = '\0';
	server.listen_fd = fd;
	return 0;
}

int metrics_check(const struct metrics_config *config, struct nic_error *err)
{
	char given[24];

	if (!config->socket[0] || !config->port)
		return 0;
	snprintf(given, sizeof(given), "socket and port %u", config->port);
	return nic_fail_value(err, "metrics", given, "either metrics.socket or metrics.port");
}

int metrics_start(
	const struct metrics_config *config, gid_t group, mode_t mode, struct nic_error *err)
{
	int rc;

	if (!config->socket[0] && !config->port)
		return 0;
	rc = config->socket[0] ? listen_unix(config->socket, group, mode, err)
			       : listen_loopback(config->port, err);
	if (rc)
		return rc;
	server.stop_fd = eventfd(0, EFD_CLOEXEC);
	if (server.stop_fd >= 0)
		server.runs = pthread_create(&server.thread, NULL, run, NULL) == 0;
	if (!server.runs) {
		metrics_stop();
		return nic_fail(err, RENIC_E_RESOURCES, "metrics", "metrics: no thread");
	}
	pthread_setname_np(server.thread, "renicd-metrics");
	if (config->socket[0])
		LOG_INFO("metrics: %s", config->socket);
	else
		LOG_INFO("metrics: http://127.0.0.1:%u/metrics", config->port);
	return 0;
}

void metrics_stop(void)
{
	uint64_t one = 1;

	if (server.runs && write(server.stop_fd, &one, sizeof(one)) > 0)
		pthread_join(server.thread, NULL);
	server.runs = false;
	if (server.listen_fd >= 0) {
		close(server.listen_fd);
		if (server.path[0])
			unlink(server.path);
	}
	if (server.stop_fd >= 0)
		close(server.stop_fd);
	server.listen_fd = server.stop_fd = -1;
}
