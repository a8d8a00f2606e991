/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Left alone, DPDK writes each line twice: to stderr and to syslog. Here it is one of the two. To
 * syslog a line goes with its level as priority. On stderr a line is as it is, but for the
 * journal, which is told the priority as sd-daemon(3) has it: "<4>text".
 * rte_log() calls the stream's write on the thread that logs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include <rte_log.h>

#include "log_stream.h"

/* rte_log's levels count from 1 (emergency), syslog's from 0. */
static int priority(void)
{
	int level = rte_log_cur_msg_loglevel() - 1;

	return level < LOG_EMERG || level > LOG_DEBUG ? LOG_DEBUG : level;
}

static ssize_t write_syslog(void *cookie, const char *text, size_t len)
{
	while (len && text[len - 1] == '\n')
		len--;
	syslog(priority(), "%.*s", (int)len, text);
	return (ssize_t)len + 1;
}

/* One write a line, so that lines of different threads do not mix. */
static ssize_t write_journal(void *cookie, const char *text, size_t len)
{
	fprintf(stderr, "<%d>%.*s", priority(), (int)len, text);
	return (ssize_t)len;
}

static int open_cookie(cookie_write_function_t *write_line)
{
	cookie_io_functions_t functions = {.write = write_line};
	FILE *stream = fopencookie(NULL, "w", functions);

	if (!stream)
		return -errno;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	return rte_openlog_stream(stream);
}

int log_stream_open(enum log_to to)
{
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	if (to == LOG_TO_SYSLOG) {
		openlog("renicd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		return open_cookie(write_syslog);
	}
	return getenv("JOURNAL_STREAM") ? open_cookie(write_journal) : rte_openlog_stream(stderr);
}
