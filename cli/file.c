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

/* Writes and closes; -1 keeps the errno of the first failure. */
static int write_and_close(int fd, const void *bytes, size_t n)
{
	int rc = write_all(fd, bytes, n), error = errno;

	if (close(fd) && !rc)
		return -1;
	errno = error;
	return rc;
}

int file_new_open(struct file_new *file, const char *path)
{
	struct stat st;
	int error;

	*file = (struct file_new){.path = path};
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		file->fd = open(path, O_WRONLY | O_CLOEXEC);
		return file->fd < 0 ? -1 : 0;
	}
	if (asprintf(&file->beside, "%s.new-%d", path, (int)getpid()) < 0)
		return -1;
	file->fd = open(file->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file->fd >= 0)
		return 0;
	error = errno;
	free(file->beside);
	errno = error;
	return -1;
}

int file_new_put(struct file_new *file, const void *bytes, size_t n)
{
	int rc = write_and_close(file->fd, bytes, n), error;

	if (!file->beside)
		return rc;
	if (!rc)
		rc = rename(file->beside, file->path);
	error = errno;
	if (rc)
		unlink(file->beside);
	free(file->beside);
	errno = error;
	return rc;
}

void file_new_drop(struct file_new *file)
{
	close(file->fd);
	if (file->beside)
		unlink(file->beside);
	free(file->beside);
}

int file_replace(const char *path, const void *bytes, size_t n)
{
	struct file_new file;

	return file_new_open(&file, path) ? -1 : file_new_put(&file, bytes, n);
}
