/* SPDX-License-Identifier: BSD-3-Clause */
/* See pause.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "pause.h"

enum {
	PIPE_MODE = 0622,	  /* QEMU may run as another user, and opens it anew */
	PIPE_MAX_BYTES = 1 << 20, /* what the kernel gives anybody */
	PLUG_BYTE = 0xa5,	  /* QEMU's state begins with another: QEMU_VM_FILE_MAGIC */
	BEYOND_BYTES = 8192,	  /* of the state, at least, do not fit into the room */
	LATE_MAX_BYTES = 2 << 20, /* read after a deadline: a full pipe while we did not run */
};

/* ---- the pipe ---- */

static int make_pipe(struct pauser *p, struct nic_error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return nic_fail(err, RENIC_E_RESOURCES, "qemu", "no pipe for device state: %s",
			strerror(errno));
	p->pipe_read = ends[0];
	p->pipe_write = ends[1];
	return fchmod(p->pipe_write, PIPE_MODE) < 0
		       ? nic_fail(err, RENIC_E_RESOURCES, "qemu", "pipe for device state: %s",
				 strerror(errno))
		       : 0;
}

/* How much of its state QEMU may write at once: all but an end that differs little from save to
 * save. 0 as long as no state was seen. In whole pages, as a pipe has them. */
static size_t room(const struct pauser *p)
{
	size_t least = p->least_state_bytes;

	return least > BEYOND_BYTES ? (least - BEYOND_BYTES) & ~(size_t)(REMUS_PAGE_BYTES - 1) : 0;
}

/* Bytes that the pipe holds: a whole state, where that may be, for then QEMU need not wait for its
 * reader either. */
static size_t fit(struct pauser *p)
{
	int has = fcntl(p->pipe_write, F_GETPIPE_SZ), larger;
	size_t want = p->most_state_bytes + REMUS_PAGE_BYTES;

	if (has <= 0 || want <= (size_t)has)
		return has > 0 ? (size_t)has : 0;
	larger = fcntl(
		p->pipe_write, F_SETPIPE_SZ, (int)(want < PIPE_MAX_BYTES ? want : PIPE_MAX_BYTES));
	return larger > 0 ? (size_t)larger : (size_t)has;
}

/* Fill the empty pipe but for the room, so that a writer of more waits. */
static int plug(struct pauser *p, struct nic_error *err)
{
	size_t size = fit(p), left = room(p), most;
	ssize_t n = 1;

	if (size < REMUS_PAGE_BYTES)
		return nic_fail(err, RENIC_E_IO, "qemu", "device state: the pipe has no size");
	if (left > size - REMUS_PAGE_BYTES)
		left = size - REMUS_PAGE_BYTES;
	p->room_bytes = left;
	memset(p->chunk, PLUG_BYTE, sizeof(p->chunk));
	while (p->plug_bytes < size - left && n > 0) {
		most = size - left - p->plug_bytes;
		n = write(
			p->pipe_write, p->chunk, most < sizeof(p->chunk) ? most : sizeof(p->chunk));
		p->plug_bytes += n > 0 ? n : 0;
	}
	return n > 0 || errno == EAGAIN
		       ? 0
		       : nic_fail(err, RENIC_E_IO, "qemu", "device state: %s", strerror(errno));
}

/* What is left in the pipe is no longer known for ours; it goes where the save's bytes go. */
static int not_held(struct pauser *p, struct nic_error *err)
{
	p->plug_bytes = 0;
	p->slipped = true;
	return nic_fail(err, RENIC_E_STATE, "qemu", "it may not have waited for the checkpoint");
}

static bool is_ours(const unsigned char *bytes, size_t n)
{
	return bytes[0] == PLUG_BYTE && !memcmp(bytes, bytes + 1, n - 1);
}

/* Take out what is ours; QEMU's bytes come behind, and are not among it if QEMU waited. */
static int unplug(struct pauser *p, struct nic_error *err)
{
	while (p->plug_bytes > 0) {
		size_t most = p->plug_bytes < sizeof(p->chunk) ? p->plug_bytes : sizeof(p->chunk);
		ssize_t n = read(p->pipe_read, p->chunk, most);

		if (n <= 0 || !is_ours(p->chunk, n))
			return not_held(p, err);
		p->plug_bytes -= n;
	}
	return 0;
}

/* What is in the pipe is ours, and no more of QEMU's than it had room for: QEMU, which cannot end
 * its save without writing all of it, waits; or its state is so small that check_state() finds it.
 */
static int check_held(struct pauser *p, struct nic_error *err)
{
	int bytes = 0;

	if (ioctl(p->pipe_read, FIONREAD, &bytes) == 0 && (size_t)bytes >= p->plug_bytes &&
		(size_t)bytes - p->plug_bytes <= p->room_bytes)
		return 0;
	return not_held(p, err);
}

/* A state of more than the room was not written whole before we emptied the pipe. One that is not
 * may have been, and the VM have run from then on. Either way the next room goes by it. */
static int check_state(struct pauser *p, bool was_held, struct nic_error *err)
{
	size_t bytes = p->state_bytes;
	bool had_room = was_held && bytes <= p->room_bytes;

	p->slipped |= had_room;
	if (bytes == 0)
		return nic_fail(err, RENIC_E_IO, "qemu", "no device state");
	if (!p->least_state_bytes || bytes < p->least_state_bytes)
		p->least_state_bytes = bytes;
	if (bytes > p->most_state_bytes)
		p->most_state_bytes = bytes;
	if (!had_room)
		return 0;
	return nic_fail(err, RENIC_E_STATE, "qemu",
		"its state was %zu bytes, which %zu before did not foresee: it may not have waited",
		bytes, p->room_bytes);
}

/* What is read from now on is to end within the timeout. */
static void begin_reading(struct pauser *p)
{
	p->deadline = in_ms(p->timeout_ms);
	p->late_bytes = 0;
}

/* Hand over what QEMU has written by now; sink: NULL: drop it. The sink's time is not QEMU's. */
static int drain(struct pauser *p, struct remus_sink *sink, struct nic_error *err)
{
	ssize_t n;
	int rc = 0;

	while (!rc && (n = read(p->pipe_read, p->chunk, sizeof(p->chunk))) > 0) {
		int64_t now = now_ns();

		p->state_bytes += n;
		if (now >= p->deadline) /* small ones take time too */
			p->late_bytes += n + REMUS_PAGE_BYTES;
		if (p->late_bytes > LATE_MAX_BYTES)
			return nic_fail(err, RENIC_E_TIMEOUT, "qemu", "device state without end");
		if (sink && p->state_bytes > REMUS_BLOB_MAX_BYTES)
			return nic_fail(err, RENIC_E_IO, "qemu", "device state of more than %d MiB",
				REMUS_BLOB_MAX_BYTES >> 20);
		rc = sink ? sink->write(sink, p->chunk, n) : 0;
		p->deadline += now_ns() - now;
	}
	return rc;
}

/* ---- open ---- */

/* QEMU opens its own descriptor anew, for writing and to wait in: what it is handed is ours to fill
 * without waiting. */
static int hand_over(struct pauser *p, unsigned timeout_ms, struct nic_error *err)
{
	json_t *result = NULL;
	uint64_t id;
	int rc = qmp_send(p->qmp, "add-fd", NULL, p->pipe_write, timeout_ms, &id, err);

	if (rc == 0)
		rc = qmp_wait(p->qmp, id, timeout_ms, &result, err);
	if (rc == 0)
		snprintf(p->save_args, sizeof(p->save_args),
			"{\"filename\":\"/proc/self/fd/%lld\",\"live\":false}",
			(long long)json_integer_value(json_object_get(result, "fd")));
	json_decref(result);
	/* QEMU makes what it is handed wait; it is the same open file. */
	if (rc == 0 && fcntl(p->pipe_write, F_SETFL, O_NONBLOCK) < 0)
		rc = nic_fail(
			err, RENIC_E_IO, "qemu", "pipe for device state: %s", strerror(errno));
	return rc;
}

static int ask_disks(struct pauser *p, unsigned timeout_ms, struct nic_error *err)
{
	json_t *nodes = NULL;
	int rc = qmp_call(p->qmp, "query-named-block-nodes", NULL, timeout_ms, &nodes, err);

	p->has_disks = json_array_size(nodes) > 0;
	json_decref(nodes);
	return rc;
}

int pauser_open(struct pauser *p, struct qmp *qmp, unsigned timeout_ms, unsigned open_timeout_ms,
	struct nic_error *err)
{
	int rc;

	memset(p, 0, sizeof(*p));
	p->qmp = qmp;
	p->timeout_ms = timeout_ms;
	p->pipe_read = p->pipe_write = -1;
	rc = make_pipe(p, err);
	if (rc == 0)
		rc = hand_over(p, open_timeout_ms, err);
	return rc == 0 ? ask_disks(p, open_timeout_ms, err) : rc;
}

void pauser_close(struct pauser *p)
{
	if (!p->qmp)
		return;
	if (p->pipe_read >= 0)
		close(p->pipe_read);
	if (p->pipe_write >= 0)
		close(p->pipe_write);
	memset(p, 0, sizeof(*p));
}

/* ---- pause ---- */

/* Nothing that a save before has left may come with this one. */
static int clean(struct pauser *p, struct nic_error *err)
{
	int rc = unplug(p, err);

	p->state_bytes = 0;
	begin_reading(p);
	if (rc == 0)
		rc = drain(p, NULL, err);
	p->state_bytes = 0;
	return rc;
}

int pauser_prepare(struct pauser *p, struct nic_error *err)
{
	int rc = p->ready ? 0 : clean(p, err);

	if (p->ready || rc < 0)
		return rc;
	if (p->has_disks) {
		rc = qmp_prepare(p->qmp, "stop", NULL, p->timeout_ms, &p->stop_id, err);
	} else {
		rc = plug(p, err);
		if (rc == 0)
			rc = qmp_prepare(p->qmp, "xen-save-devices-state", p->save_args,
				p->timeout_ms, &p->save_id, err);
	}
	p->ready = rc == 0;
	return rc;
}

/* The save was answered: a VM that was held runs. */
static void save_ended(struct pauser *p)
{
	p->save_id = 0;
	if (p->way == PAUSER_HELD)
		p->way = PAUSER_NONE;
}

static int hold(struct pauser *p, struct nic_error *err)
{
	int rc = pauser_prepare(p, err);

	if (rc == 0)
		rc = qmp_go(p->qmp, p->timeout_ms, err);
	p->ready = false;
	if (rc < 0)
		return rc;
	p->way = PAUSER_HELD;
	rc = qmp_wait_stop(p->qmp, p->save_id, p->before.stops, p->timeout_ms, err);
	if (rc == RENIC_E_REQUEST || rc == RENIC_E_STATE) /* its reply was taken */
		save_ended(p);
	return rc;
}

static int step(struct pauser *p, struct nic_error *err)
{
	bool stop_is_ready = p->ready && p->has_disks;
	int rc;

	p->way = PAUSER_STEPS;
	p->ready = false;
	p->save_id = 0;
	rc = clean(p, err);
	if (rc == 0 && stop_is_ready)
		rc = qmp_go(p->qmp, p->timeout_ms, err);
	else if (rc == 0)
		rc = qmp_send(p->qmp, "stop", NULL, -1, p->timeout_ms, &p->stop_id, err);
	if (rc == 0)
		rc = qmp_send(p->qmp, "xen-save-devices-state", p->save_args, -1, p->timeout_ms,
			&p->save_id, err);
	return rc == 0 ? qmp_wait(p->qmp, p->stop_id, p->timeout_ms, NULL, err) : rc;
}

int pauser_pause(struct pauser *p, bool stay, struct nic_error *err)
{
	int rc = qmp_look(p->qmp, err);

	if (rc < 0)
		return rc;
	p->before = qmp_run(p->qmp);
	p->slipped = false;
	p->state_bytes = 0;
	return stay || p->has_disks || p->before.stopped ? step(p, err) : hold(p, err);
}

/* ---- state, and on ---- */

int pauser_resume_soon(struct pauser *p, struct nic_error *err)
{
	int rc;

	if (p->way != PAUSER_HELD)
		return 0;
	rc = check_held(p, err);
	return rc == 0 ? unplug(p, err) : rc;
}

/* Read until the save is answered. */
static int finish(struct pauser *p, struct remus_sink *sink, struct nic_error *err)
{
	int rc = unplug(p, err);

	begin_reading(p);
	while (rc == 0) {
		rc = qmp_wait_or(
			p->qmp, p->save_id, p->pipe_read, ms_until(p->deadline, INT_MAX), err);
		if (rc == 0 || rc == RENIC_E_REQUEST)
			save_ended(p);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return drain(p, sink, err);
		rc = drain(p, sink, err);
	}
	return rc;
}

/* Nobody else made it run, and it did not stop by itself, while we took it for paused. What came
 * before the save's reply has been read; by steps, what has come since counts too. */
static int check_alone(struct pauser *p, bool was_held, struct nic_error *err)
{
	int rc = was_held ? 0 : qmp_look(p->qmp, err);
	struct qmp_run now = qmp_run(p->qmp);
	uint64_t stops = now.stops - p->before.stops, resumes = now.resumes - p->before.resumes;

	if (rc < 0)
		return rc;
	if (was_held ? stops == 1 && resumes == 1 && !now.stopped : stops <= 1 && resumes == 0)
		return 0;
	p->slipped = true;
	return nic_fail(err, RENIC_E_STATE, "qemu",
		"somebody else paused or resumed it during the checkpoint");
}

/* A save that was answered (rc: how), of whose pause nothing is made: its dirty pages were taken,
 * so what it tells counts. */
static void judge_dropped(struct pauser *p, bool was_held, int rc)
{
	struct nic_error doubt;

	begin_reading(p);
	if (rc < 0 || drain(p, NULL, &doubt) < 0 || check_alone(p, was_held, &doubt) < 0)
		p->slipped = true;
	else if (!p->slipped)
		check_state(p, was_held, &doubt);
}

int pauser_state(struct pauser *p, struct remus_sink *sink, struct nic_error *err)
{
	bool was_held = p->way == PAUSER_HELD;
	int rc = 0;

	if (p->way == PAUSER_NONE || !p->save_id)
		return nic_fail(err, RENIC_E_STATE, "qemu", "no device state was asked for");
	if (p->slipped || p->plug_bytes > 0)
		rc = p->slipped ? not_held(p, err) : check_held(p, err);
	if (rc == 0)
		rc = finish(p, sink, err);
	if (rc < 0 && !p->save_id) /* answered, but the sink failed */
		judge_dropped(p, was_held, rc == RENIC_E_REQUEST ? rc : 0);
	if (rc == 0)
		rc = check_alone(p, was_held, err);
	return rc == 0 ? check_state(p, was_held, err) : rc;
}

/* A save that nobody has read keeps QEMU from all that follows. */
static int drop_state(struct pauser *p, struct nic_error *err)
{
	bool was_held = p->way == PAUSER_HELD;
	struct nic_error doubt;
	int rc;

	if (was_held && p->plug_bytes > 0 && check_held(p, &doubt) == 0)
		unplug(p, &doubt);
	rc = finish(p, NULL, err);
	judge_dropped(p, was_held, rc);
	return rc == RENIC_E_REQUEST ? 0 : rc;
}

static int go_on(struct pauser *p, struct nic_error *err)
{
	uint64_t id;
	int rc = p->save_id ? drop_state(p, err) : 0;

	if (rc == 0)
		rc = qmp_send(p->qmp, "cont", NULL, -1, p->timeout_ms, &id, err);
	return rc == 0 ? qmp_wait(p->qmp, id, p->timeout_ms, NULL, err) : rc;
}

int pauser_resume(struct pauser *p, struct nic_error *err)
{
	int rc;

	if (p->way == PAUSER_HELD)
		rc = drop_state(p, err);
	else if (p->way == PAUSER_STEPS)
		rc = go_on(p, err);
	else
		rc = qmp_look(p->qmp, err);
	p->way = PAUSER_NONE;
	return rc;
}
