/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two files that outlive the daemon, opened together: the journal and the egress logs' file.
 * They belong to each other by a number that both have. Control thread.
 */
#ifndef RENICD_NIC_RUN_FILES_H
#define RENICD_NIC_RUN_FILES_H

#include "vf.h"

/*
 * Open what an earlier daemon left, or make new files; nic.log_pool is there then. Files that
 * cannot be used (damaged, of another version, not of each other) are left as they are and are an
 * error that says what was found (RENIC_E_STATE); with params->set_aside they are renamed to
 * FILE.aside-1, -2, …, and new ones are made. Files of another boot of the host are of guests that
 * are dead: they are removed.
 */
int run_files_open(const struct nic_params *params, struct nic_error *err);

/* The log's file stays if it holds frames; the journal stays. No lcore uses either any more. */
void run_files_close(void);

#endif
