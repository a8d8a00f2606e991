/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a mount outlives the process that makes it; see mount_life.c. Any thread. */
#ifndef RENICD_MOUNT_LIFE_H
#define RENICD_MOUNT_LIFE_H

#include <stdbool.h>

/* Would something that this process mounts below dir still be there after its end? True where
 * nothing says no. */
bool mount_outlives_us(const char *dir);

#endif
