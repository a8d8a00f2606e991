/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sd_notify(3) in its own few lines: datagrams of VARIABLE=value to the socket that the manager
 * names. A datagram that cannot be sent is the manager's loss, never the daemon's.
 *
 * The watchdog's sign of life is sent by the control thread after every lcore has answered a
 * message: when one hangs, so does the control thread, no sign comes, and the manager restarts
 * the daemon, which goes on from its run directory.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "service.h"

enum { SIGNS_A_PERIOD = 3 };

static struct {
	int fd;
	struct sockaddr_un to;
	socklen_t to_len;
	void (*alive)(void);
	uint64_t sign_us; /* distance of two signs of life; 0: nobody watches */
	uint64_t next_us;
} service = {.fd = -1};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void notify(const char *state)
{
	if (service.fd >= 0)
		sendto(service.fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
			(struct sockaddr *)&service.to, service.to_len);
}

/* A path, or '@' and a name in the abstract namespace. */
static int open_socket(const char *path)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(service.to.sun_path))
		return -1;
	service.to.sun_family = AF_UNIX;
	memcpy(service.to.sun_path, path, len);
	if (path[0] == '@')
		service.to.sun_path[0] = '\0';
	service.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* Microseconds; 0: this process is not watched. */
static uint64_t watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	return strtoull(usec, NULL, 10);
}

void service_init(void (*alive)(void))
{
	const char *path = getenv("NOTIFY_SOCKET");

	service.alive = alive;
	service.fd = path ? open_socket(path) : -1;
	service.sign_us = service.fd >= 0 ? watchdog_us() / SIGNS_A_PERIOD : 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void service_ready(void)
{
	notify("READY=1\nSTATUS=serving");
	service.next_us = now_us();
}

void service_stopping(void)
{
	notify("STOPPING=1");
	service.sign_us = 0;
}

void service_tick(void)
{
	if (!service.sign_us || now_us() < service.next_us)
		return;
	service.alive();
	notify("WATCHDOG=1");
	service.next_us = now_us() + service.sign_us;
}
