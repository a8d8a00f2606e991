/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the snapshot codec share; see snapshot.c. */
#ifndef RENIC_SNAPSHOT_PRIV_H
#define RENIC_SNAPSHOT_PRIV_H

#include <renic_snapshot.h>

/* Fill err (may be NULL); returns -1. */
int snapshot_fail(struct renic_snapshot_error *err, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Does it say anything that version 1 has no words for? */
bool snapshot_has_policy(const struct renic_snapshot *s);
/* Or version 2? */
bool snapshot_has_trusted(const struct renic_snapshot *s);

#endif
