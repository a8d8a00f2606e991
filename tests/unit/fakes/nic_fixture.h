/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device core with fake ports and a fake uplink: EAL with one or two worker lcores (argv[1]),
 * no root, no hugepages; a fresh device for each test; and frames whose bytes follow from who
 * sends them to whom, and their number. VFs have one-letter names, and MACs that end in it.
 *
 * Nothing here waits by the clock: settle() runs rounds of all lcores until nothing moves.
 * Assertions are the test's thread's alone.
 */
#ifndef TEST_FAKES_NIC_FIXTURE_H
#define TEST_FAKES_NIC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_port.h"
#include "fake_uplink.h"
#include "recover.h"
#include "vf.h"

enum { FIXTURE_MBUFS = 4095, FIXTURE_SEGMENTS = 10, FRAME_BYTES_MAX = 9100 };

/* EAL. Returns 0, or -1: nothing can be tested. */
int fixture_start(int argc, char **argv);
void fixture_end(void);

/* cmocka's setup and teardown: lcores and device; the end checks that nothing has leaked. */
int device_setup(void **state);
int device_teardown(void **state);
/* The daemon ends, and the next one takes up what the journal and the logs say. As nic_start(). */
int device_restart(const struct nic_listed *listed, struct nic_error *err);
#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, device_setup, device_teardown)

/* Rounds of all lcores until nothing has moved for some; checks the fakes. */
void settle(void);
/* Let every lcore do one whole round. */
void one_round(void);

/* ---- VFs ---- */

/* Defaults; name and MAC made of the letter. */
struct vf_config vf_config_of(char letter);
/* Create it and bring its front-end up. */
struct fake_port *vf_add_config(const struct vf_config *config);
struct fake_port *vf_add(char letter, uint16_t vlan);
struct fake_port *port_of(char letter);
uint64_t drops_of(char letter, enum drop_reason reason);
struct vf_info info_of(char letter);

/* ---- groups ---- */

/* A command of control connection c (0: none) that carries no term. */
#define GROUP_COMMAND(g, c) (&(struct group_command){.group = (g), .client = (c)})

/* Group of the VFs named by letters. */
void group_add_vfs(const char *name, const char *letters, bool internal_pass);
void protect(const char *group);
/* As a replicator does it; the fakes know which VFs must be left alone. */
uint64_t begin(const char *group);
void resume(const char *group);
void give_up(const char *group);
void commit(const char *group, uint64_t epoch);
void unprotect(const char *group, bool discard);
/* begin, resume */
uint64_t checkpoint(const char *group);

/* ---- frames ---- */

enum {
	TO_ALL = '*',	 /* broadcast */
	TO_MANY = '+',	 /* multicast */
	TO_NOBODY = '?', /* unicast that no VF has */
	FROM_WIRE = '#',
	LEN_DEFAULT = 100,
};

struct tframe {
	char from, to;
	uint32_t number;
	uint16_t vid;  /* tag in the bytes; 0: none */
	uint16_t type; /* ethertype; default IPv4's */
	uint32_t len;  /* without the tag; default LEN_DEFAULT */
};

#define FRAME(f, t, n, ...) ((struct tframe){.from = (f), .to = (t), .number = (n), ##__VA_ARGS__})

/* Returns the length. */
uint32_t frame_fill(const struct tframe *f, uint8_t bytes[FRAME_BYTES_MAX]);
/* Of a frame that frame_fill() made. */
uint32_t frame_number(const uint8_t *bytes);
char frame_from(const uint8_t *bytes);

void guest_sends(struct tframe f);
bool guest_tries_to_send(struct tframe f);
void wire_sends(struct tframe f);
/* The next frame at the VF's queue pair 0, or on the wire, is this one. */
void guest_gets(char letter, struct tframe f);
void wire_gets(struct tframe f);
void guest_gets_nothing(char letter);
/* Take all that the guest has got; how many. */
uint32_t count_guest(char letter);
void wire_gets_nothing(void);

/* Frames first .. first + n - 1. */
void guest_sends_many(struct tframe f, uint32_t n);
void wire_gets_many(struct tframe f, uint32_t n);
void guest_gets_many(char letter, struct tframe f, uint32_t n);

uint32_t random_below(uint32_t n);

/* Take mbufs of nic.pool, on all lcores' caches too, until `left` are left. Give them back. */
void starve(unsigned left);
void feed(void);

/* ---- events ---- */

/* How many of the type have come since device_setup(); delivers what waits. */
unsigned events_of(enum nic_event_type type);
const char *last_event_detail(void);

#endif
