/* SPDX-License-Identifier: BSD-3-Clause */
/* A file is written beside its place and then put there: what was there is not lost to a full
 * disk. What is no regular file (/dev/stdout, a pipe) is written as it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, bytes, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		n -= (size_t)written;
	}
	return 0;
}

/* Writes to a new descriptor and closes it; -1 keeps the errno of the first failure. */
static int write_and_close(int fd, const void *bytes, size_t n)
{
	int rc, error;

	if (fd < 0)
		return -1;
	rc = write_all(fd, bytes, n);
	error = errno;
	if (close(fd) && !rc)
		return -1;
	errno = error;
	return rc;
}

int file_replace(const char *path, const void *bytes, size_t n)
{
	struct stat st;
	char *beside;
	int rc, error;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return write_and_close(open(path, O_WRONLY | O_CLOEXEC), bytes, n);
	if (asprintf(&beside, "%s.new-%d", path, (int)getpid()) < 0)
		return -1;
	rc = write_and_close(open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), bytes, n);
	if (!rc)
		rc = rename(beside, path);
	error = errno;
	if (rc)
		unlink(beside);
	free(beside);
	errno = error;
	return rc;
}
