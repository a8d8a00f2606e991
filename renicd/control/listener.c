/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket's file, its lock and its permissions; see listener.h, flock(2), unix(7). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "listener.h"

enum {
	BACKLOG = 64,
	LOCK_SUFFIX_SIZE = sizeof(".lock"),
	LOCK_TRIES = 8,
};

static int fail_io(struct nic_error *err, const char *what, const char *path)
{
	nic_fail(err, RENIC_E_IO, "control.socket", "%s %s: %s", what, path, strerror(errno));
	if (err)
		snprintf(err->given, sizeof(err->given), "%.95s", path);
	return RENIC_E_IO;
}

static void lock_path(const struct listener *l, char *buf, size_t size)
{
	snprintf(buf, size, "%s.lock", l->socket);
}

/* Who holds the lock, as it says itself. */
static int fail_locked(int fd, const char *socket, struct nic_error *err)
{
	char pid[16] = "";
	ssize_t n = read(fd, pid, sizeof(pid) - 1);

	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return nic_fail(err, RENIC_E_EXISTS, "control.socket",
		"a running renicd (pid %s) listens on %s already", pid[0] ? pid : "unknown",
		socket);
}

/* Is what we locked what the path names still? A daemon that ends removes its lock file. */
static bool is_current(int fd, const char *path)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

static int write_pid(int fd)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	return ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)n, 0) == n ? 0 : -1;
}

static int take_lock(struct listener *l, struct nic_error *err)
{
	char path[NIC_PATH_SIZE + LOCK_SUFFIX_SIZE];
	int tries, fd, rc;

	lock_path(l, path, sizeof(path));
	for (tries = 0; tries < LOCK_TRIES; tries++) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return fail_io(err, "cannot open the lock file", path);
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			rc = errno == EWOULDBLOCK ? fail_locked(fd, l->socket, err)
						  : fail_io(err, "cannot lock", path);
			close(fd);
			return rc;
		}
		if (is_current(fd, path) && write_pid(fd) == 0) {
			l->lock_fd = fd;
			return 0;
		}
		close(fd);
	}
	errno = EBUSY;
	return fail_io(err, "cannot lock", path);
}

/* The lock is ours, so a socket that is there is stale. Anything else is not ours to remove. */
static int remove_stale(const char *path, struct nic_error *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : fail_io(err, "cannot look at", path);
	if (!S_ISSOCK(st.st_mode))
		return nic_fail(err, RENIC_E_EXISTS, "control.socket",
			"%s is there and is not a socket", path);
	return unlink(path) == 0 ? 0 : fail_io(err, "cannot remove the stale socket", path);
}

/* connect(2) fails until listen(2): whoever gets in has passed the final owner and mode. */
static int bind_socket(
	struct listener *l, const struct control_config *config, struct nic_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", l->socket);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return fail_io(err, "cannot make a socket for", l->socket);
	if (bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return fail_io(err, "cannot bind", l->socket);
	if (lchown(l->socket, config->owner, config->group) != 0)
		return fail_io(err, "cannot set owner and group of", l->socket);
	if (chmod(l->socket, config->mode) != 0)
		return fail_io(err, "cannot set the mode of", l->socket);
	if (listen(l->fd, BACKLOG) != 0)
		return fail_io(err, "cannot listen on", l->socket);
	return 0;
}

int listener_open(struct listener *l, const struct control_config *config, struct nic_error *err)
{
	int rc;

	l->fd = l->lock_fd = -1;
	l->owner = config->owner == CONTROL_NO_ID ? geteuid() : config->owner;
	snprintf(l->socket, sizeof(l->socket), "%s", config->socket);
	if (l->socket[0] != '/')
		return nic_fail_value(err, "control.socket", l->socket, "an absolute path");
	rc = take_lock(l, err);
	if (rc)
		return rc;
	rc = remove_stale(l->socket, err);
	if (rc == 0)
		rc = bind_socket(l, config, err);
	if (rc)
		listener_close(l);
	return rc;
}

void listener_close(struct listener *l)
{
	char path[NIC_PATH_SIZE + LOCK_SUFFIX_SIZE];

	if (l->fd >= 0) {
		unlink(l->socket);
		close(l->fd);
	}
	if (l->lock_fd >= 0) {
		lock_path(l, path, sizeof(path));
		unlink(path);
		close(l->lock_fd);
	}
	l->fd = l->lock_fd = -1;
}

uid_t listener_peer_uid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return CONTROL_NO_ID;
	return cred.uid;
}

bool listener_may_change(const struct listener *l, uid_t uid)
{
	return uid != CONTROL_NO_ID && (uid == 0 || uid == l->owner || uid == geteuid());
}
