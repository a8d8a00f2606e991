/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Xen's driver of renic-remus without Xen: xen-integration/remus/. libxenguest is this program
 * (-Wl,--wrap): its save writes what a test tells it to and calls back as the real one does, its
 * restore reads bytes, of which each 'C' ends an epoch. tests/xen and `make xen-demo` have the
 * real thing.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "xen_domain.h"
#include "xen_restore.h"
#include "xen_save.h"

enum { WAIT_MS = 10000, LIVE_BYTES = 3 << 20, EPOCH_BYTES = 2 << 20, LINK_LOST = -77 };

static size_t live_bytes, epoch_bytes;
static unsigned epochs_max; /* then the save ends of itself */

/* ---- libxenguest ---- */

static int put(int fd, char byte, size_t bytes)
{
	static char chunk[8192];

	memset(chunk, byte, sizeof(chunk));
	while (bytes) {
		ssize_t n = write(fd, chunk, bytes < sizeof(chunk) ? bytes : sizeof(chunk));

		if (n < 0)
			return -1;
		bytes -= (size_t)n;
	}
	return 0;
}

int __wrap_xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
	struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd);
int __wrap_xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
	struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd)
{
	if (stream_type != XC_STREAM_REMUS || !(flags & XCFLAGS_LIVE) ||
		put(io_fd, 'L', live_bytes))
		return -1;
	for (unsigned i = 0; i < epochs_max; i++) {
		if (!callbacks->suspend(callbacks->data) || put(io_fd, 'E', epoch_bytes) ||
			!callbacks->postcopy(callbacks->data) ||
			!callbacks->checkpoint(callbacks->data))
			return -1;
	}
	return -1;
}

int __wrap_xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom, unsigned int store_evtchn,
	unsigned long *store_mfn, uint32_t store_domid, unsigned int console_evtchn,
	unsigned long *console_mfn, uint32_t console_domid, xc_stream_type_t stream_type,
	struct restore_callbacks *callbacks, int send_back_fd);
int __wrap_xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom, unsigned int store_evtchn,
	unsigned long *store_mfn, uint32_t store_domid, unsigned int console_evtchn,
	unsigned long *console_mfn, uint32_t console_domid, xc_stream_type_t stream_type,
	struct restore_callbacks *callbacks, int send_back_fd)
{
	bool whole = false;
	char byte;

	while (read(io_fd, &byte, 1) == 1) {
		if (byte == 'X')
			return -1;
		if (byte != 'C')
			continue;
		whole = true;
		if (callbacks->checkpoint(callbacks->data) != XGR_CHECKPOINT_SUCCESS)
			return -1;
	}
	*store_mfn = 11;
	*console_mfn = 12;
	return whole ? 0 : -1;
}

/* ---- saving ---- */

struct tally {
	struct remus_sink sink;
	size_t live, epoch;
	int rc;
};

static int count(struct remus_sink *sink, const void *data, size_t bytes)
{
	struct tally *t = (struct tally *)sink;

	for (size_t i = 0; i < bytes; i++) {
		t->live += ((const char *)data)[i] == 'L';
		t->epoch += ((const char *)data)[i] == 'E';
	}
	return t->rc;
}

struct world {
	struct xen_save save;
	struct tally tally;
	struct nic_error err;
	bool there;
};

static int save_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->tally.sink.write = count;
	live_bytes = LIVE_BYTES;
	epoch_bytes = EPOCH_BYTES;
	epochs_max = 1000;
	assert_int_equal(xen_save_start(&w->save, 7, &w->err), 0);
	*state = w;
	return 0;
}

static int save_teardown(void **state)
{
	struct world *w = *state;

	xen_save_stop(&w->save);
	assert_int_equal(xen_save_state(&w->save), XEN_SAVE_NONE);
	free(w);
	return 0;
}

static int64_t drain(struct world *w, enum xen_save_state until, uint64_t max_bytes)
{
	return xen_save_drain(
		&w->save, until, &w->tally.sink, max_bytes, WAIT_MS, &w->there, &w->err);
}

static void memory_goes_over_until_it_wants_the_guest_suspended(void **state)
{
	struct world *w = *state;

	assert_true(drain(w, XEN_SAVE_SUSPENDING, 1 << 20) >= 1 << 20);
	assert_false(w->there);
	while (!w->there)
		assert_true(drain(w, XEN_SAVE_SUSPENDING, 1 << 20) >= 0);
	assert_int_equal(w->tally.live, LIVE_BYTES);
	assert_int_equal(w->tally.epoch, 0);
}

static void an_epoch_is_there_whole_before_the_guest_runs_again(void **state)
{
	struct world *w = *state;

	for (size_t i = 1; i <= 3; i++) {
		drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX);
		assert_true(w->there);
		xen_save_go(&w->save);
		assert_int_equal(drain(w, XEN_SAVE_RESUMING, SIZE_MAX), EPOCH_BYTES);
		assert_true(w->there);
		assert_int_equal(w->tally.epoch, i * EPOCH_BYTES);
		assert_int_equal(xen_save_state(&w->save), XEN_SAVE_RESUMING);
		xen_save_go(&w->save);
	}
}

static void an_epoch_that_is_too_long_is_not_there(void **state)
{
	struct world *w = *state;

	drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX);
	xen_save_go(&w->save);
	assert_true(drain(w, XEN_SAVE_RESUMING, EPOCH_BYTES / 2) >= EPOCH_BYTES / 2);
	assert_false(w->there);
}

static void a_lost_connection_ends_the_drain(void **state)
{
	struct world *w = *state;

	w->tally.rc = LINK_LOST;
	assert_int_equal(drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX), LINK_LOST);
}

static void a_save_that_ends_of_itself_says_why(void **state)
{
	struct world *w = *state;

	xen_save_stop(&w->save);
	epochs_max = 0;
	assert_int_equal(xen_save_start(&w->save, 7, &w->err), 0);
	assert_int_equal(drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX), RENIC_E_IO);
	assert_non_null(strstr(w->err.message, "domain 7 cannot be saved: out of luck"));
}

static void it_can_be_stopped_wherever_it_stands(void **state)
{
	struct world *w = *state;

	/* in a full pipe */
	xen_save_stop(&w->save);
	assert_int_equal(xen_save_start(&w->save, 7, &w->err), 0);
	drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX);
	xen_save_stop(&w->save);
	assert_int_equal(xen_save_start(&w->save, 7, &w->err), 0);
	drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX);
	xen_save_go(&w->save);
	drain(w, XEN_SAVE_RESUMING, SIZE_MAX);
}

/* Not the driver's own memory, and none of libxenguest's here. */
static void five_thousand_epochs_leave_nothing_in_memory(void **state)
{
	enum { EPOCHS = 5000, WARM = 100, GROWN_MAX = 4096 };
	struct world *w = *state;
	size_t before = 0;

	xen_save_stop(&w->save);
	live_bytes = 1;
	epoch_bytes = 100;
	epochs_max = UINT_MAX;
	assert_int_equal(xen_save_start(&w->save, 7, &w->err), 0);
	for (unsigned i = 0; i < WARM + EPOCHS; i++) {
		if (i == WARM)
			before = mallinfo2().uordblks;
		drain(w, XEN_SAVE_SUSPENDING, SIZE_MAX);
		assert_true(w->there);
		xen_save_go(&w->save);
		assert_int_equal(drain(w, XEN_SAVE_RESUMING, SIZE_MAX), epoch_bytes);
		xen_save_go(&w->save);
	}
	assert_true(mallinfo2().uordblks <= before + GROWN_MAX);
}

/* ---- restoring ---- */

static const struct xen_channels channels = {.store_port = 3, .console_port = 4};

static void whole_epochs_are_counted_and_the_end_is_the_last_one(void **state)
{
	struct xen_restore r;
	struct xen_channels found;
	struct nic_error err = {0};

	assert_int_equal(xen_restore_start(&r, 9, &channels, &err), 0);
	assert_int_equal(xen_restore_feed(&r, "llllC", 5, WAIT_MS, &err), 0);
	assert_int_equal(xen_restore_wait(&r, 1, WAIT_MS, &err), 0);
	assert_int_equal(xen_restore_feed(&r, "pp", 2, WAIT_MS, &err), 0);
	assert_int_equal(xen_restore_wait(&r, 2, 1, &err), RENIC_E_TIMEOUT);
	assert_int_equal(xen_restore_feed(&r, "pC", 2, WAIT_MS, &err), 0);
	assert_int_equal(xen_restore_wait(&r, 2, WAIT_MS, &err), 0);
	assert_int_equal(xen_restore_finish(&r, &found, &err), 0);
	assert_int_equal(found.store_port, 3);
	assert_int_equal(found.store_gfn, 11);
	assert_int_equal(found.console_gfn, 12);
	assert_int_equal(xen_restore_finish(&r, &found, &err), RENIC_E_STATE);
}

static void without_a_whole_epoch_there_is_nothing_to_run(void **state)
{
	struct xen_restore r;
	struct xen_channels found;
	struct nic_error err = {0};

	assert_int_equal(xen_restore_start(&r, 9, &channels, &err), 0);
	assert_int_equal(xen_restore_feed(&r, "llll", 4, WAIT_MS, &err), 0);
	assert_int_equal(xen_restore_finish(&r, &found, &err), RENIC_E_IO);
}

static void a_stream_that_is_refused_is_an_error_at_once(void **state)
{
	static char bytes[4 << 20] = "X";
	struct xen_restore r;
	struct xen_channels found;
	struct nic_error err = {0};

	assert_int_equal(xen_restore_start(&r, 9, &channels, &err), 0);
	assert_int_equal(xen_restore_feed(&r, bytes, sizeof(bytes), WAIT_MS, &err), RENIC_E_IO);
	assert_int_equal(xen_restore_wait(&r, 1, WAIT_MS, &err), RENIC_E_IO);
	assert_int_equal(xen_restore_finish(&r, &found, &err), RENIC_E_IO);
}

/* ---- the shape ---- */

static void a_shape_comes_back_as_it_went(void **state)
{
	struct xen_shape shape = {.name = "web",
		.vcpus = 2,
		.max_kib = 131072,
		.target_kib = 130048,
		.n_vifs = 2,
		.vifs = {{0, "00:16:3e:00:00:01"}, {3, "00:16:3e:00:00:02"}}};

	for (int pvh = 0; pvh < 2; pvh++) {
		struct nic_error err = {0};
		struct xen_shape back;
		json_t *object;

		shape.pvh = pvh;
		shape.paging_kib = pvh ? 2048 : 0;
		object = xen_shape_pack(&shape);
		assert_int_equal(xen_shape_unpack(object, &back, &err), 0);
		assert_memory_equal(&back, &shape, sizeof(shape));
		json_decref(object);
	}
}

static const char *const bad_shapes[] = {
	"[]",
	"{}",
	"{\"type\":\"hvm\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"vifs\":[]}",
	"{\"type\":\"pvh\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"vifs\":[]}",
	"{\"type\":\"pvh\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"paging_kib\":0,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"paging_kib\":-1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a/b\",\"vcpus\":1,\"max_kib\":1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"\",\"vcpus\":1,\"max_kib\":1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":0,\"max_kib\":1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":129,\"max_kib\":1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":-1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":99999999999,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"target_kib\":2,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"target_kib\":-1,\"vifs\":[]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,\"vifs\":[{}]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,"
	"\"vifs\":[{\"handle\":-1,\"mac\":\"m\"}]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,"
	"\"vifs\":[{\"handle\":0,\"mac\":\"00:16:3e:00:00:01:and:more\"}]}",
	"{\"type\":\"pv\",\"name\":\"a\",\"vcpus\":1,\"max_kib\":1,"
	"\"vifs\":[{},{},{},{},{},{},{},{},{}]}",
};

static void a_shape_that_makes_no_sense_is_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad_shapes) / sizeof(bad_shapes[0]); i++) {
		json_t *object = json_loads(bad_shapes[i], 0, NULL);
		struct nic_error err = {0};
		struct xen_shape shape;

		assert_non_null(object);
		assert_int_equal(xen_shape_unpack(object, &shape, &err), RENIC_E_PARSE);
		json_decref(object);
	}
}

#define SAVE_TEST(name) cmocka_unit_test_setup_teardown(name, save_setup, save_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAVE_TEST(memory_goes_over_until_it_wants_the_guest_suspended),
		SAVE_TEST(an_epoch_is_there_whole_before_the_guest_runs_again),
		SAVE_TEST(an_epoch_that_is_too_long_is_not_there),
		SAVE_TEST(a_lost_connection_ends_the_drain),
		SAVE_TEST(a_save_that_ends_of_itself_says_why),
		SAVE_TEST(it_can_be_stopped_wherever_it_stands),
		SAVE_TEST(five_thousand_epochs_leave_nothing_in_memory),
		cmocka_unit_test(whole_epochs_are_counted_and_the_end_is_the_last_one),
		cmocka_unit_test(without_a_whole_epoch_there_is_nothing_to_run),
		cmocka_unit_test(a_stream_that_is_refused_is_an_error_at_once),
		cmocka_unit_test(a_shape_comes_back_as_it_went),
		cmocka_unit_test(a_shape_that_makes_no_sense_is_refused),
	};

	signal(SIGPIPE, SIG_IGN); /* as main.c does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
