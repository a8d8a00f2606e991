/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's life: connect, settings, close. See renic.h. The thread that uses the client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

const char *renic_socket_path(const char *path)
{
	if (!path)
		path = getenv("RENIC_SOCKET");
	return path && path[0] ? path : RENIC_DEFAULT_SOCKET;
}

/* Returns a connected descriptor or -1 with *err filled. */
static int connect_to(const char *path, struct renic_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = RENIC_DEFAULT_TIMEOUT_MS / 1000};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		client_fail(err, RENIC_E_ARGUMENT, 0, "socket path %.100s… is over %zu bytes", path,
			sizeof(addr.sun_path) - 1);
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		client_fail(err, RENIC_E_CONNECT, errno, "no socket to connect with");
		return -1;
	}
	/* A daemon whose backlog is full: connect(2) waits as long as a send would. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		client_fail(err, RENIC_E_CONNECT, errno, "cannot connect to %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

struct renic_client *renic_connect(const char *path, struct renic_error *err)
{
	struct renic_client *client;
	int fd = connect_to(renic_socket_path(path), err);

	if (fd < 0)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (!client || stream_init(&client->stream, fd)) {
		client_fail(err, RENIC_E_MEMORY, 0, "out of memory for a connection");
		free(client);
		close(fd);
		return NULL;
	}
	STAILQ_INIT(&client->events);
	renic_set_timeout_ms(client, RENIC_DEFAULT_TIMEOUT_MS);
	return client;
}

void renic_close(struct renic_client *client)
{
	if (!client)
		return;
	client_free_events(client);
	stream_fini(&client->stream);
	free(client);
}

int renic_fd(const struct renic_client *client)
{
	return client->stream.fd;
}

void renic_set_timeout_ms(struct renic_client *client, int timeout_ms)
{
	client->timeout_ms = timeout_ms;
	stream_set_timeout(&client->stream, timeout_ms);
}
