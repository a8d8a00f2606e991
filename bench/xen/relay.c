/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of `xl remus` to the other host: as ssh is for it, at less cost. Bytes are spliced, and
 * its pipe is as large as a pipe may be.
 *
 *   relay HOST PORT          stdin to there, what comes from there to stdout
 *   relay -l PORT COMMAND    run the command, whose stdin and stdout is the first that connects
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20 };

static void move(int from, int to)
{
	while (splice(from, NULL, to, NULL, PIPE_BYTES, SPLICE_F_MOVE) > 0)
		;
}

static int connect_to(const char *host, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, host, &addr.sin_addr) != 1 ||
		connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int accept_one(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int door = socket(AF_INET, SOCK_STREAM, 0), on = 1, fd;

	setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (door < 0 || bind(door, (struct sockaddr *)&addr, sizeof(addr)) || listen(door, 1))
		return -1;
	fd = accept(door, NULL, NULL);
	close(door);
	return fd;
}

static int serve(int port, char **command)
{
	int fd = accept_one(port);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return 1;
	close(fd);
	execvp(command[0], command);
	return 1;
}

static int join(int fd)
{
	pid_t pid;

	if (fd < 0)
		return 1;
	fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	pid = fork();
	if (pid == 0) {
		move(fd, STDOUT_FILENO);
		return 0;
	}
	move(STDIN_FILENO, fd);
	shutdown(fd, SHUT_WR);
	return pid < 0;
}

int main(int argc, char **argv)
{
	int rc = 2;

	if (argc > 3 && !strcmp(argv[1], "-l"))
		rc = serve(atoi(argv[2]), argv + 3);
	else if (argc == 3)
		rc = join(connect_to(argv[1], atoi(argv[2])));
	if (rc == 1)
		perror("relay");
	return rc;
}
