/* SPDX-License-Identifier: BSD-3-Clause */
/* renicd/log.h for unit tests of the control plane, which link no DPDK: lines go nowhere, but
 * their formats are checked; the last level that was set can be seen. */
#ifndef TEST_FAKES_LOG_H
#define TEST_FAKES_LOG_H

#include <stdbool.h>
#include <stdio.h>

#include "log_settings.h"

static inline void __attribute__((format(printf, 1, 2))) fake_log(const char *fmt, ...)
{
}

#define LOG_ERR(fmt, ...) fake_log(fmt, ##__VA_ARGS__)
#define LOG_WARN(fmt, ...) fake_log(fmt, ##__VA_ARGS__)
#define LOG_NOTICE(fmt, ...) fake_log(fmt, ##__VA_ARGS__)
#define LOG_INFO(fmt, ...) fake_log(fmt, ##__VA_ARGS__)
#define LOG_DEBUG(fmt, ...) fake_log(fmt, ##__VA_ARGS__)

int log_level_set(const char *module, const char *level);
bool log_type_exists(const char *pattern);

#endif
