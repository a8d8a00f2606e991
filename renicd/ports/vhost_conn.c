/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost_conn.h. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost_conn.h"

enum { RECEIVE_TIMEOUT_MS = 500 };

/* Is fd a connected Unix socket whose end that we know by name is bound to path? */
static bool is_connection(int fd, const char *path, bool server)
{
	struct sockaddr_un addr = {0}, peer;
	socklen_t len = sizeof(addr), peer_len = sizeof(peer);
	int rc;

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return false; /* a listening one, or no socket */
	rc = server ? getsockname(fd, (struct sockaddr *)&addr, &len)
		    : getpeername(fd, (struct sockaddr *)&addr, &len);
	return rc == 0 && addr.sun_family == AF_UNIX &&
	       !strncmp(addr.sun_path, path, sizeof(addr.sun_path));
}

/* Both name the same open socket. */
static bool is_same(int a, int b)
{
	struct stat sa, sb;

	return b >= 0 && fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino &&
	       sa.st_dev == sb.st_dev;
}

int vhost_conn_find(const char *path, bool server, int known)
{
	const struct timeval timeout = {.tv_usec = RECEIVE_TIMEOUT_MS * 1000};
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int found = -1;

	while (dir && found < 0 && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == known || is_same(fd, known) ||
			!is_connection(fd, path, server))
			continue;
		found = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	if (dir)
		closedir(dir);
	if (found >= 0)
		setsockopt(found, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return found;
}

bool vhost_conn_is_clogged(int fd)
{
	int unread = 0, room = 0;
	socklen_t len = sizeof(room);

	return fd >= 0 && ioctl(fd, SIOCOUTQ, &unread) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &len) == 0 && unread > room / 2;
}

bool vhost_conn_hung_up(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}
