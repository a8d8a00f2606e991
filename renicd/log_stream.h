/* SPDX-License-Identifier: BSD-3-Clause */
/* Where log lines go; see log_stream.c. Before DPDK starts. */
#ifndef RENICD_LOG_STREAM_H
#define RENICD_LOG_STREAM_H

/* The config key log.to. */
enum log_to {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG,
	LOG_TO_CHOICES,
};

/* renicd's lines and DPDK's go there from now on, and nowhere else. 0 or -errno. */
int log_stream_open(enum log_to to);

#endif
