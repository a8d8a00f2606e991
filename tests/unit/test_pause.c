/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of qemu-integration/pause.c, against fakes/fake_qemu.h. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "fakes/fake_qemu.h"
#include "pause.h"

enum {
	SOON_MS = 100,
	LONG_MS = 20000,
	STATE_BYTES = FAKE_STATE_BYTES,
	PART_BYTES = FAKE_PART_BYTES,
	SAVED_MAX = 1 << 20,
};

static struct fake_qemu qemu;
static struct pauser pauser;
static struct qmp *qmp;
static struct nic_error err;

static int start(void **state)
{
	fake_qemu_start(&qemu);
	return 0;
}

static void open_pauser(void)
{
	assert_int_equal(qmp_connect(qemu.path, LONG_MS, &qmp, &err), 0);
	assert_int_equal(pauser_open(&pauser, qmp, LONG_MS, LONG_MS, &err), 0);
	qemu.log[0] = '\0';
}

static int end(void **state)
{
	pauser_close(&pauser);
	qmp_close(qmp);
	fake_qemu_end(&qemu);
	return 0;
}

struct saved {
	struct remus_sink sink;
	size_t bytes;
	char text[SAVED_MAX];
};

static int take(struct remus_sink *sink, const void *data, size_t bytes)
{
	struct saved *s = (struct saved *)sink;

	assert_true(s->bytes + bytes <= SAVED_MAX);
	memcpy(s->text + s->bytes, data, bytes);
	s->bytes += bytes;
	return 0;
}

static int lose(struct remus_sink *sink, const void *data, size_t bytes)
{
	return -4711;
}

/* The state, and nothing else. */
static void expect_state(void)
{
	static struct saved s;

	s.sink.write = take;
	s.bytes = 0;
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), 0);
	assert_int_equal(s.bytes, qemu.state_bytes);
	for (size_t i = 0; i < s.bytes; i++)
		assert_int_equal(s.text[i], 's');
}

static void checkpoint(bool soon)
{
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_false(qemu.running);
	if (soon)
		assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	expect_state();
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
}

static void one_command_makes_a_checkpoint(void **state)
{
	open_pauser();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pauser_prepare(&pauser, &err), 0);
		checkpoint(true);
	}
	checkpoint(true); /* not prepared */
	checkpoint(false);
	assert_string_equal(qemu.log, "xen-save-devices-state xen-save-devices-state "
				      "xen-save-devices-state xen-save-devices-state "
				      "xen-save-devices-state ");
}

static void a_vm_that_is_to_stay_stays(void **state)
{
	open_pauser();
	assert_int_equal(pauser_prepare(&pauser, &err), 0);
	assert_int_equal(pauser_pause(&pauser, true, &err), 0);
	expect_state();
	assert_false(qemu.running);
	assert_string_equal(qemu.log, "stop xen-save-devices-state ");
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	checkpoint(true);
}

static void a_vm_with_disks_is_paused_by_steps(void **state)
{
	qemu.has_disks = true;
	open_pauser();
	assert_int_equal(pauser_prepare(&pauser, &err), 0);
	checkpoint(true);
	checkpoint(false);
	assert_string_equal(qemu.log, "stop xen-save-devices-state cont "
				      "stop xen-save-devices-state cont ");
}

static void one_that_somebody_paused_is_paused_by_steps(void **state)
{
	open_pauser();
	assert_int_equal(pauser_prepare(&pauser, &err), 0);
	qemu.running = false;
	qmp_set_stopped(qmp, true);
	checkpoint(true);
	assert_string_equal(qemu.log, "stop xen-save-devices-state cont ");
}

static void one_that_somebody_resumed_meanwhile_is_no_checkpoint(void **state)
{
	static struct saved s = {.sink.write = take};

	qemu.before_save = "{\"event\": \"STOP\"}\r\n{\"event\": \"RESUME\"}\r\n";
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), RENIC_E_STATE);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
}

static void a_checkpoint_that_is_given_up_lets_the_vm_go(void **state)
{
	struct remus_sink lost = {.write = lose};

	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_state(&pauser, &lost, &err), -4711);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	checkpoint(true);
	assert_int_equal(pauser.least_state_bytes, STATE_BYTES); /* not what was left of it */
}

/* A save that fills the pipe must not keep QEMU from going on. */
static void one_by_steps_that_is_given_up_lets_the_vm_go(void **state)
{
	qemu.has_disks = true;
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	checkpoint(true);
}

static void a_vm_that_cannot_go_on_is_told(void **state)
{
	qemu.has_disks = qemu.refuses_cont = true;
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	expect_state();
	assert_int_equal(pauser_resume(&pauser, &err), RENIC_E_REQUEST);
}

static void one_that_ran_while_its_pages_were_copied_is_no_checkpoint(void **state)
{
	static struct saved s = {.sink.write = take};

	qemu.has_disks = true;
	qemu.after_save = "{\"event\": \"RESUME\"}\r\n";
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), RENIC_E_STATE);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
}

static void one_that_did_not_go_on_by_itself_is_no_checkpoint(void **state)
{
	static struct saved s = {.sink.write = take};

	qemu.after_save = "{\"event\": \"STOP\"}\r\n";
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), RENIC_E_STATE);
}

/* Somebody made room: QEMU may have gone on while we copied. Whether it has filled the room or not,
 * and to the last byte, is up to the scheduler. */
static void a_pipe_that_was_not_full_is_no_checkpoint(void **state)
{
	char some[4096];

	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	for (size_t left = pauser.plug_bytes; left > 0; left -= sizeof(some))
		assert_int_equal(read(pauser.pipe_read, some, sizeof(some)), sizeof(some));
	assert_int_equal(pauser_resume_soon(&pauser, &err), RENIC_E_STATE);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
}

static void let_others_fill_the_pipe(void)
{
	static struct saved s = {.sink.write = take};
	int bytes = 0;
	char some[4096];

	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(read(pauser.pipe_read, some, sizeof(some)), sizeof(some));
	while ((size_t)bytes < pauser.plug_bytes) /* QEMU waits for room */
		assert_int_equal(ioctl(pauser.pipe_read, FIONREAD, &bytes), 0);
	assert_int_equal(pauser_resume_soon(&pauser, &err), RENIC_E_STATE);
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), RENIC_E_STATE);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	checkpoint(true);
}

static void a_pipe_filled_by_others_is_no_checkpoint(void **state)
{
	open_pauser();
	let_others_fill_the_pipe();
	assert_true(pauser.least_state_bytes > 0);
	let_others_fill_the_pipe(); /* where there is room as well */
}

/* Once a state was seen, QEMU is kept from its last write alone. */
static void a_save_waits_only_at_its_end(void **state)
{
	size_t whole_parts = STATE_BYTES / PART_BYTES * PART_BYTES;

	open_pauser();
	checkpoint(true);
	qemu.written = 0;
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	while (__atomic_load_n(&qemu.written, __ATOMIC_ACQUIRE) < whole_parts)
		usleep(100);
	assert_true(STATE_BYTES > pauser.room_bytes);
	assert_int_equal(qmp_look(qmp, &err), 0);
	assert_true(qmp_run(qmp).stopped);
	assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	expect_state();
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
}

/* It had room, so nothing kept QEMU from going on while we copied. */
static void a_state_that_had_room_is_no_checkpoint(void **state)
{
	static struct saved s = {.sink.write = take};

	open_pauser();
	checkpoint(true);
	qemu.state_bytes = STATE_BYTES / 2;
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_true(qemu.state_bytes <= pauser.room_bytes);
	assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), RENIC_E_STATE);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	checkpoint(true);
	qemu.state_bytes = STATE_BYTES;
	checkpoint(true);
	assert_true(pauser.room_bytes < STATE_BYTES / 2);
}

/* It may have gone on before, and its dirty pages were taken, though no checkpoint came of them. */
static void a_dropped_state_that_had_room_leaves_doubt(void **state)
{
	open_pauser();
	checkpoint(true);
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_false(pauser.slipped);
	qemu.state_bytes = STATE_BYTES / 2;
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(pauser.slipped);
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_true(pauser.room_bytes < STATE_BYTES / 2);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_false(pauser.slipped);
}

static void a_dropped_state_in_a_pipe_that_was_not_full_leaves_doubt(void **state)
{
	char some[4096];

	open_pauser();
	for (int i = 0; i < 2; i++) { /* the second time there is room as well */
		assert_int_equal(pauser_pause(&pauser, false, &err), 0);
		assert_int_equal(read(pauser.pipe_read, some, sizeof(some)), sizeof(some));
		assert_int_equal(pauser_resume(&pauser, &err), 0);
		assert_true(qemu.running);
		assert_true(pauser.slipped);
		checkpoint(true);
		assert_false(pauser.slipped);
		assert_int_equal(pauser.most_state_bytes, STATE_BYTES);
	}
}

/* Where nothing is made of a pause, what shows that the VM may have run in it counts as well. */
static void drop(bool soon, bool leaves_doubt)
{
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	if (soon)
		assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
	assert_int_equal(pauser.slipped, leaves_doubt);
}

/* As if QEMU always had written more by the time that we look, and never answered. */
static void a_state_without_end_is_given_up(bool has_disks)
{
	int zeros = open("/dev/zero", O_RDONLY), pipe_read;

	assert_true(zeros >= 0);
	qemu.has_disks = has_disks;
	qemu.state_bytes = SIZE_MAX;
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	pauser.timeout_ms = SOON_MS;
	pipe_read = pauser.pipe_read;
	pauser.pipe_read = zeros;
	assert_int_equal(pauser_resume(&pauser, &err), RENIC_E_TIMEOUT);
	assert_true(pauser.slipped);
	close(pipe_read);
}

static void a_state_without_end_is_given_up_held(void **state)
{
	a_state_without_end_is_given_up(false);
}

static void a_state_without_end_is_given_up_by_steps(void **state)
{
	a_state_without_end_is_given_up(true);
}

static void a_refused_save_leaves_doubt(void **state)
{
	open_pauser();
	drop(true, false);
	qemu.refuses_save = true;
	drop(true, true);
	drop(false, true);
	qemu.refuses_save = false;
	drop(true, false);
}

static void one_that_somebody_resumed_meanwhile_leaves_doubt(void **state)
{
	open_pauser();
	qemu.before_save = "{\"event\": \"STOP\"}\r\n{\"event\": \"RESUME\"}\r\n";
	drop(true, true);
	qemu.before_save = NULL;
	drop(true, false);
}

static void one_by_steps_that_somebody_resumed_leaves_doubt(void **state)
{
	qemu.has_disks = true;
	open_pauser();
	drop(false, false);
	qemu.after_save = "{\"event\": \"RESUME\"}\r\n";
	drop(false, true);
}

/* The backup is lost when the whole state is in the pipe: that it was whole is known. */
static void a_lost_sink_leaves_no_doubt(void **state)
{
	struct remus_sink lost = {.write = lose};

	open_pauser();
	checkpoint(true);
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	while (!__atomic_load_n(&qemu.running, __ATOMIC_ACQUIRE))
		usleep(100);
	assert_int_equal(pauser_state(&pauser, &lost, &err), -4711);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_false(pauser.slipped);
	assert_int_equal(pauser.least_state_bytes, STATE_BYTES);
}

/* `stop` makes no event then, and a save would have nothing to hold. */
static void a_guest_that_sleeps_is_paused_by_steps(void **state)
{
	open_pauser();
	assert_int_equal(pauser_prepare(&pauser, &err), 0);
	qemu.running = false;
	fake_qemu_say(&qemu, "{\"event\": \"SUSPEND\"}\r\n");
	while (!qmp_run(qmp).stopped)
		assert_int_equal(qmp_look(qmp, &err), 0);
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	expect_state();
	assert_string_equal(qemu.log, "stop xen-save-devices-state ");
	qemu.running = true;
	fake_qemu_say(&qemu, "{\"event\": \"WAKEUP\"}\r\n");
	while (qmp_run(qmp).stopped)
		assert_int_equal(qmp_look(qmp, &err), 0);
}

static void a_refused_save_is_told_and_the_vm_goes_on(void **state)
{
	static struct saved s = {.sink.write = take};

	qemu.refuses_save = true;
	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	assert_int_equal(pauser_resume_soon(&pauser, &err), 0);
	assert_int_equal(pauser_state(&pauser, &s.sink, &err), RENIC_E_REQUEST);
	assert_int_equal(pauser_resume(&pauser, &err), 0);
	assert_true(qemu.running);
}

/* A replicator that dies in a pause: its ends of the pipe close. */
static void the_vm_goes_on_without_us(void **state)
{
	uint64_t save_id;

	open_pauser();
	assert_int_equal(pauser_pause(&pauser, false, &err), 0);
	save_id = pauser.save_id;
	pauser_close(&pauser);
	assert_int_equal(qmp_wait(qmp, save_id, LONG_MS, NULL, &err), 0);
	assert_true(qemu.running);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		RULE(one_command_makes_a_checkpoint),
		RULE(a_vm_that_is_to_stay_stays),
		RULE(a_vm_with_disks_is_paused_by_steps),
		RULE(one_that_somebody_paused_is_paused_by_steps),
		RULE(one_that_somebody_resumed_meanwhile_is_no_checkpoint),
		RULE(a_checkpoint_that_is_given_up_lets_the_vm_go),
		RULE(one_by_steps_that_is_given_up_lets_the_vm_go),
		RULE(a_vm_that_cannot_go_on_is_told),
		RULE(one_that_ran_while_its_pages_were_copied_is_no_checkpoint),
		RULE(one_that_did_not_go_on_by_itself_is_no_checkpoint),
		RULE(a_pipe_that_was_not_full_is_no_checkpoint),
		RULE(a_pipe_filled_by_others_is_no_checkpoint),
		RULE(a_save_waits_only_at_its_end),
		RULE(a_state_that_had_room_is_no_checkpoint),
		RULE(a_dropped_state_that_had_room_leaves_doubt),
		RULE(a_dropped_state_in_a_pipe_that_was_not_full_leaves_doubt),
		RULE(a_state_without_end_is_given_up_held),
		RULE(a_state_without_end_is_given_up_by_steps),
		RULE(a_refused_save_leaves_doubt),
		RULE(one_that_somebody_resumed_meanwhile_leaves_doubt),
		RULE(one_by_steps_that_somebody_resumed_leaves_doubt),
		RULE(a_lost_sink_leaves_no_doubt),
		RULE(a_guest_that_sleeps_is_paused_by_steps),
		RULE(a_refused_save_is_told_and_the_vm_goes_on),
		RULE(the_vm_goes_on_without_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
