/* SPDX-License-Identifier: BSD-3-Clause */
/* From two looks at renicd's counters to what `renicctl top` shows. Pure. */
#ifndef CLI_TOP_RATES_H
#define CLI_TOP_RATES_H

#include <jansson.h>

/*
 * A look is {"vfs": [{"vf": VF, "stats": vf_stats}], "uplink": uplink_get}; before may be NULL.
 * Returns {"vfs": rows, "totals": {…}, "uplink": {…}} with rates per second. Rates are null where
 * there is nothing to compare with: the first look, a VF that is new, counters that were reset.
 */
json_t *top_rates(const json_t *before, const json_t *now, double seconds);

#endif
