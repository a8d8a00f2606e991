/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the file of the egress logs lies; see log_file.c. Main thread. */
#ifndef RENICD_LOG_FILE_H
#define RENICD_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/*
 * Choose the path: dir (may be empty) if given; else, with hugepages, a hugetlbfs of 2 MiB pages
 * that is mounted, or one mounted by us at RUN_DIR/hugetlbfs; else RUN_DIR. 0 or an error:
 * RENIC_E_PARAMS, or RENIC_E_IO, also where a mount of ours would not outlive us.
 */
int log_file_path(const char *run_dir, const char *dir, bool hugepages, char *path, size_t size,
	struct nic_error *err);

/* Undo the mount, if there was one. */
void log_file_cleanup(void);

/* Is there a mount that log_file_cleanup() will undo? It takes CAP_SYS_ADMIN. */
bool log_file_owns_mount(void);

#endif
