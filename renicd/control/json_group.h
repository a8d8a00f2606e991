/* SPDX-License-Identifier: BSD-3-Clause */
/* Protection groups as docs/protocol.md shows them. Control thread. */
#ifndef RENICD_CONTROL_JSON_GROUP_H
#define RENICD_CONTROL_JSON_GROUP_H

#include "json_writer.h"
#include "nic/types.h"

/* As group_get has it: one JSON object. */
void json_group(struct json_writer *w, const struct group_info *info);

#endif
