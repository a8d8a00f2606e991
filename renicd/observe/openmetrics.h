/* SPDX-License-Identifier: BSD-3-Clause */
/* The view as OpenMetrics text; see openmetrics.c. Any thread. */
#ifndef RENICD_OBSERVE_OPENMETRICS_H
#define RENICD_OBSERVE_OPENMETRICS_H

#include <stdio.h>

#include "view.h"

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

void openmetrics_write(FILE *out, const struct view *view);

#endif
