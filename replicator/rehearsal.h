/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a checkpoint is to be shown to the standby's renicd before it counts as held: always when
 * it asks something else of its VFs than the one that is held, which was shown. Any thread.
 */
#ifndef REPLICATOR_REHEARSAL_H
#define REPLICATOR_REHEARSAL_H

#include "replica.h"

/* Is nothing held, or do the next checkpoint's snapshots differ from the held one's in more than
 * epoch, term, counters, ring indices and the guest's addresses, which no VF refuses? */
bool rehearsal_is_due(const struct replica *r);

#endif
