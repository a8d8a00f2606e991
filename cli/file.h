/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that a command writes. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stddef.h>

/* Replace the file's content, or leave it as it was. 0, or -1 with errno set. */
int file_replace(const char *path, const void *bytes, size_t n);

#endif
