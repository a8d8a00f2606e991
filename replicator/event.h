/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happened, for people and programs: each event is a line on stderr, and the last ones can be
 * asked for over the control socket. Never in a pause. Any thread.
 */
#ifndef REPLICATOR_EVENT_H
#define REPLICATOR_EVENT_H

#include <jansson.h>
#include <stdint.h>

/* type: a word of docs/replication.md, "Events". */
void event_post(const char *type, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Those with a number above `after`, oldest first: [{"id","time_us","type","detail"}]. */
json_t *event_list(uint64_t after);

#endif
