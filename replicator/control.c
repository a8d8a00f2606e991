/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket and the metrics; see control.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "control/listener.h"
#include "event.h"

enum { CLIENTS_MAX = 16, LINE_MAX_BYTES = 4096, ANSWER_MS = 1000 };

struct client {
	int fd; /* -1: free */
	bool metrics, may_change;
	size_t n;
	char line[LINE_MAX_BYTES];
};

struct control {
	const struct remus_config *config;
	struct role *role;
	struct listener listener;
	int metrics_fd, stop_fd; /* metrics: -1: none */
	pthread_t thread;
	struct client clients[CLIENTS_MAX];
	struct role_status status; /* room for a look */
};

/* ---- methods ---- */

static json_t *error_json(int code, const char *message)
{
	return json_pack("{s:i s:s}", "code", code, "message", message);
}

static json_t *post(struct control *c, enum role_command command, json_t **error)
{
	if (role_post(c->role, command))
		return json_true();
	*error = error_json(RENIC_E_BUSY, "another command waits to be carried out");
	return NULL;
}

static json_t *do_version(struct control *c, const json_t *params, json_t **error)
{
	return json_pack("{s:s s:s s:i s:i}", "renic-remus", RENICD_VERSION, "drivers",
		remus_driver_names(), "stream", STREAM_VERSION, "pid", (int)getpid());
}

static json_t *do_status(struct control *c, const json_t *params, json_t **error)
{
	role_look(c->role, &c->status);
	return status_json(c->config, &c->status);
}

static json_t *do_events(struct control *c, const json_t *params, json_t **error)
{
	return event_list((uint64_t)json_integer_value(json_object_get(params, "after")));
}

static json_t *do_failover(struct control *c, const json_t *params, json_t **error)
{
	bool fenced = json_is_true(json_object_get(params, "fenced"));

	return post(c, fenced ? ROLE_FAILOVER_FENCED : ROLE_FAILOVER, error);
}

static json_t *do_stop(struct control *c, const json_t *params, json_t **error)
{
	return post(c, ROLE_STOP, error);
}

static json_t *do_protect(struct control *c, const json_t *params, json_t **error)
{
	return post(c, ROLE_PROTECT, error);
}

static const struct method {
	const char *name, *param;
	json_type type; /* of the parameter */
	bool changes;
	json_t *(*run)(struct control *c, const json_t *params, json_t **error);
} methods[] = {
	{"version", NULL, JSON_NULL, false, do_version},
	{"status", NULL, JSON_NULL, false, do_status},
	{"events", "after", JSON_INTEGER, false, do_events},
	{"failover", "fenced", JSON_TRUE, true, do_failover},
	{"stop", NULL, JSON_NULL, true, do_stop},
	{"protect", NULL, JSON_NULL, true, do_protect},
};

static bool is_type(const json_t *value, json_type type)
{
	return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

/* Nothing that was asked for is ignored. */
static json_t *check_params(const struct method *m, const json_t *params)
{
	const char *name;
	json_t *value;
	char text[160];

	if (params && !json_is_object(params))
		return error_json(RENIC_E_PARAMS, "params: expected an object");
	json_object_foreach ((json_t *)params, name, value) {
		if (m->param && !strcmp(name, m->param) && is_type(value, m->type))
			continue;
		snprintf(text, sizeof(text), "%.40s: %s does not take that", name, m->name);
		return error_json(RENIC_E_PARAMS, text);
	}
	return NULL;
}

static json_t *call(
	struct control *c, const struct client *client, const json_t *request, json_t **error)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");

	for (size_t i = 0; name && i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, name))
			continue;
		*error = check_params(&methods[i], params);
		if (!*error && methods[i].changes && !client->may_change)
			*error = error_json(RENIC_E_PERMISSION, "this peer may only read");
		return *error ? NULL : methods[i].run(c, params, error);
	}
	*error = name ? error_json(RENIC_E_METHOD, "no such method")
		      : error_json(RENIC_E_REQUEST, "not a request");
	return NULL;
}

/* ---- connections ---- */

static void drop(struct client *client)
{
	close(client->fd);
	client->fd = -1;
}

/* To a peer that does not read for a while: not at all. */
static void send_all(struct client *client, const char *text, size_t n)
{
	int64_t deadline = now_ns() + ANSWER_MS * NS_PER_MS;

	while (n > 0) {
		struct pollfd pfd = {.fd = client->fd, .events = POLLOUT};
		ssize_t sent = send(client->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		} else if ((sent < 0 && errno != EAGAIN && errno != EINTR) ||
			   poll(&pfd, 1, ms_until(deadline, ANSWER_MS)) <= 0) {
			drop(client);
			return;
		}
	}
}

static void answer(struct control *c, struct client *client, const char *line, size_t n)
{
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL), *error = NULL;
	json_t *result = NULL, *id = json_object_get(request, "id"), *reply;
	char *text;

	if (!request)
		error = error_json(RENIC_E_PARSE, "not JSON");
	else
		result = call(c, client, request, &error);
	reply = json_pack("{s:s s:O? s:o}", "jsonrpc", "2.0", "id", id, result ? "result" : "error",
		result ? result : error);
	text = json_dumps(reply, JSON_COMPACT);
	if (text) {
		size_t len = strlen(text);

		text[len] = '\n';
		send_all(client, text, len + 1);
	}
	free(text);
	json_decref(reply);
	json_decref(request);
}

static void answer_metrics(struct control *c, struct client *client)
{
	char head[256];
	char *text;

	role_look(c->role, &c->status);
	text = status_metrics(c->config, &c->status);
	if (text) {
		int n = snprintf(head, sizeof(head),
			"HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; "
			"version=1.0.0; charset=utf-8\r\nContent-Length: %zu\r\n"
			"Connection: close\r\n\r\n",
			strlen(text));

		send_all(client, head, (size_t)n);
		if (client->fd >= 0)
			send_all(client, text, strlen(text));
	}
	free(text);
	if (client->fd >= 0)
		drop(client);
}

static void take_lines(struct control *c, struct client *client)
{
	char *end;

	while (client->fd >= 0 && (end = memchr(client->line, '\n', client->n))) {
		size_t used = (size_t)(end - client->line) + 1;

		answer(c, client, client->line, used - 1);
		client->n -= used;
		memmove(client->line, client->line + used, client->n);
	}
	if (client->fd >= 0 && client->n == sizeof(client->line))
		drop(client);
}

static void read_client(struct control *c, struct client *client)
{
	ssize_t n = recv(client->fd, client->line + client->n, sizeof(client->line) - client->n,
		MSG_DONTWAIT);

	if (n <= 0 && !(n < 0 && (errno == EAGAIN || errno == EINTR))) {
		drop(client);
		return;
	}
	client->n += n > 0 ? (size_t)n : 0;
	if (!client->metrics)
		take_lines(c, client);
	else if (memmem(client->line, client->n, "\r\n\r\n", 4) ||
		 client->n == sizeof(client->line))
		answer_metrics(c, client);
}

static void accept_client(struct control *c, int listen_fd, bool metrics)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (unsigned i = 0; fd >= 0 && i < CLIENTS_MAX; i++)
		if (c->clients[i].fd < 0) {
			c->clients[i].fd = fd;
			c->clients[i].n = 0;
			c->clients[i].metrics = metrics;
			c->clients[i].may_change = !metrics && listener_may_change(&c->listener,
								       listener_peer_uid(fd));
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void *run(void *arg)
{
	struct control *c = arg;

	for (;;) {
		struct pollfd fds[CLIENTS_MAX + 3] = {
			{.fd = c->stop_fd, .events = POLLIN},
			{.fd = c->listener.fd, .events = POLLIN},
			{.fd = c->metrics_fd, .events = POLLIN},
		};

		for (unsigned i = 0; i < CLIENTS_MAX; i++)
			fds[3 + i] = (struct pollfd){.fd = c->clients[i].fd, .events = POLLIN};
		if (poll(fds, CLIENTS_MAX + 3, -1) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		for (unsigned i = 0; i < CLIENTS_MAX; i++)
			if (c->clients[i].fd >= 0 && fds[3 + i].revents)
				read_client(c, &c->clients[i]);
		if (fds[1].revents)
			accept_client(c, c->listener.fd, false);
		if (fds[2].revents)
			accept_client(c, c->metrics_fd, true);
	}
}

/* ---- start and end ---- */

static int listen_metrics(const struct config_metrics *m, struct nic_error *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons(m->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool is_unix = m->socket[0];
	int fd, one = 1, rc;

	if (!is_unix && !m->port)
		return -1;
	fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", m->socket);
	if (is_unix)
		unlink(m->socket);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	rc = is_unix ? bind(fd, (struct sockaddr *)&un, sizeof(un))
		     : bind(fd, (struct sockaddr *)&in, sizeof(in));
	if (!rc && !listen(fd, CLIENTS_MAX))
		return fd;
	nic_fail(err, RENIC_E_IO, "metrics", "metrics: cannot listen: %s", strerror(errno));
	close(fd);
	return -1;
}

/* The default folder is ours to make. */
static void make_folder(const char *socket)
{
	char dir[NIC_PATH_SIZE];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", socket);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755);
	}
}

int control_start(const struct remus_config *config, struct role *role, struct control **control,
	struct nic_error *err)
{
	struct control_config socket = {
		.owner = CONTROL_NO_ID, .group = CONTROL_NO_ID, .mode = 0660};
	struct control *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	c->config = config;
	c->role = role;
	c->listener.fd = c->metrics_fd = c->stop_fd = -1;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	snprintf(socket.socket, sizeof(socket.socket), "%s", config->control);
	make_folder(config->control);
	rc = listener_open(&c->listener, &socket, err);
	if (rc) {
		free(c);
		return rc;
	}
	err->code = 0;
	c->metrics_fd = listen_metrics(&config->metrics, err);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (!err->code && (c->stop_fd < 0 || pthread_create(&c->thread, NULL, run, c)))
		nic_fail(err, RENIC_E_RESOURCES, "", "no thread");
	if (err->code) {
		c->thread = 0;
		rc = err->code;
		control_stop(c);
		return rc;
	}
	*control = c;
	return 0;
}

void control_stop(struct control *c)
{
	uint64_t one = 1;

	if (!c)
		return;
	if (c->thread && write(c->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(c->thread, NULL);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0)
			close(c->clients[i].fd);
	listener_close(&c->listener);
	if (c->metrics_fd >= 0)
		close(c->metrics_fd);
	if (c->config->metrics.socket[0])
		unlink(c->config->metrics.socket);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	free(c);
}
