/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs as docs/protocol.md shows them, each as one JSON object. Control thread. */
#ifndef RENICD_CONTROL_JSON_VF_H
#define RENICD_CONTROL_JSON_VF_H

#include "json_writer.h"
#include "nic/types.h"

/* As vf_get has it. */
void json_vf(struct json_writer *w, const struct vf_info *info);

/* As vf_stats has it. */
void json_vf_stats(struct json_writer *w, const struct vf_info *info);

/* As checkpoint_begin has it: name, what is held, ring indices, and where the
 * checkpoint area has the rest. What does not change from
 * one checkpoint to the next is left to vf_get. */
void json_vf_checkpoint(
	struct json_writer *w, const struct vf_info *info, const struct checkpoint_vf *vf);

/* {reason: count}, every reason, as member `key`. */
void json_drops(struct json_writer *w, const char *key, const uint64_t drops[DROP_REASONS]);

#endif
