/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the role and its control socket; see role.h. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "event.h"
#include "role.h"

int role_init(struct role *role)
{
	memset(role, 0, sizeof(*role));
	role->quit_fd = -1;
	role->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&role->lock, NULL);
	return role->wake_fd < 0 ? -errno : 0;
}

void role_fini(struct role *role)
{
	close(role->wake_fd);
	pthread_mutex_destroy(&role->lock);
}

bool role_post(struct role *role, enum role_command command)
{
	uint64_t one = 1;
	bool taken;

	pthread_mutex_lock(&role->lock);
	taken = role->command != ROLE_NONE;
	if (!taken)
		role->command = command;
	pthread_mutex_unlock(&role->lock);
	return write(role->wake_fd, &one, sizeof(one)) == sizeof(one) && !taken;
}

enum role_command role_take(struct role *role)
{
	enum role_command command;

	pthread_mutex_lock(&role->lock);
	command = role->command;
	role->command = ROLE_NONE;
	pthread_mutex_unlock(&role->lock);
	return command;
}

void role_wait(struct role *role, int more_fd, int64_t deadline_ns)
{
	struct pollfd fds[] = {
		{.fd = role->wake_fd, .events = POLLIN},
		{.fd = role->quit_fd, .events = POLLIN},
		{.fd = more_fd, .events = POLLIN},
	};
	int64_t left = deadline_ns - now_ns();
	struct timespec ts = {0};
	struct signalfd_siginfo info;
	uint64_t n;

	if (left > 0)
		ts = (struct timespec){.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
	if (ppoll(fds, 3, &ts, NULL) <= 0)
		return;
	if (fds[0].revents && read(role->wake_fd, &n, sizeof(n)) < 0)
		return;
	if (fds[1].revents && read(role->quit_fd, &info, sizeof(info)) == sizeof(info)) {
		pthread_mutex_lock(&role->lock);
		role->command = ROLE_QUIT;
		pthread_mutex_unlock(&role->lock);
	}
}

void role_left_out(struct role *role, uint64_t bytes, const char *more_than)
{
	bool tell = bytes && !role->leaving_out;

	role->leaving_out = bytes > 0;
	pthread_mutex_lock(&role->lock);
	role->status.stats.held_left_out_bytes += bytes;
	pthread_mutex_unlock(&role->lock);
	if (tell)
		event_post("held",
			"%" PRIu64 " bytes of held frames are left out, more than can %s: "
			"after a failover nobody sends these",
			bytes, more_than);
}

void role_look(struct role *role, struct role_status *status)
{
	pthread_mutex_lock(&role->lock);
	*status = role->status;
	pthread_mutex_unlock(&role->lock);
}
