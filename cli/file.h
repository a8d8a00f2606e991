/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that a command writes. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stddef.h>

/* A file that is opened before there is anything to write: whoever fetches what is nowhere else
 * knows by then that it can be kept. path is the caller's, and stays. */
struct file_new {
	const char *path;
	char *beside; /* NULL: path is no regular file, and written as it is */
	int fd;
};

/* Open it. 0, or -1 with errno set and nothing to close. */
int file_new_open(struct file_new *file, const char *path);

/* Write and close it, and put it in its place; or leave what was there as it was. Either way it is
 * done with. 0, or -1 with errno set. */
int file_new_put(struct file_new *file, const void *bytes, size_t n);

/* Close it, and leave what was there as it was. */
void file_new_drop(struct file_new *file);

/* Replace the file's content, or leave it as it was. 0, or -1 with errno set. */
int file_replace(const char *path, const void *bytes, size_t n);

#endif
