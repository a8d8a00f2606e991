/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * renic-remus's driver for QEMU (replicator/driver.h). An unmodified QEMU, driven over a QMP socket
 * of its own:
 *
 *   pause, resume_soon, state, resume   pause.h
 *   dirty    an engine of dirty.h, while QEMU saves: saving writes no guest memory, as QEMU's own
 *            migration relies on, which sends the last pages before the device state. What renicd
 *            writes is in renicd's own log
 *   track, and dirty while the VM runs: with disks, in a short stop of its own (rest.h)
 *   load     the saved state through a socket to `migrate-incoming`: QEMU was started with -S
 * -incoming defer, its RAM is filled already run      `cont`
 *
 * Both QEMUs need -global migration.send-configuration=off -machine suppress-vmdesc=on: the saved
 * state then is what an incoming migration expects. renic-qemu starts them so.
 *
 * The process is watched and ended by a pidfd, so a number that was given to another process is
 * never hit. One thread at a time; between pause and resume nothing is allocated.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control/params.h"
#include "driver.h"
#include "event.h"
#include "hurry.h"

#include "dirty.h"
#include "guest_ram.h"
#include "machine.h"
#include "pause.h"
#include "qmp.h"
#include "rest.h"

enum {
	OPEN_TIMEOUT_MS = 5000,
	LOAD_TIMEOUT_MS = 5000,
	STOP_TIMEOUT_MS = 2000,
	PATH_SIZE = 108,
	VCPUS_MAX = 288, /* more are as other threads are */
};

struct remus_vm {
	char name[REMUS_NAME_SIZE];
	unsigned timeout_ms;
	pid_t pid;
	int pidfd;
	struct qmp *qmp;
	struct guest_ram ram;
	char machine[REMUS_MACHINE_SIZE];
	struct dirty_tracker tracker; /* primary */
	bool paused;		      /* by us */
	bool may_have_run;    /* when it was taken for stopped: pages may have been missed */
	struct pauser pauser; /* primary */
	/* Standby: what apply() took last. */
	uint8_t *blob;
	size_t blob_bytes, blob_size;
};

struct options {
	char qmp[PATH_SIZE];
	uint8_t dirty; /* index into dirty_names */
};

static const char *const dirty_names[] = {"auto", "userfaultfd", "soft-dirty", "compare"};

static const struct param option_fields[] = {
	{.name = "qmp", .type = PARAM_PATH, .required = true, PARAM_FIELD(struct options, qmp)},
	{
		.name = "dirty",
		.type = PARAM_ENUM,
		PARAM_FIELD(struct options, dirty),
		.choices = dirty_names,
		.n_choices = sizeof(dirty_names) / sizeof(dirty_names[0]),
	},
};

/* ---- errors ---- */

static bool is_dead(const struct remus_vm *vm)
{
	struct pollfd p = {.fd = vm->pidfd, .events = POLLIN};

	return vm->pidfd >= 0 && poll(&p, 1, 0) > 0;
}

/* Say which VM it was; a failure of a process that is dead is its death. */
static int about(const struct remus_vm *vm, int rc, struct nic_error *err)
{
	char what[sizeof(err->message)];

	if (rc == 0)
		return 0;
	if (is_dead(vm))
		return nic_fail(err, REMUS_E_VM_GONE, "qemu", "VM %s: QEMU (process %d) has ended",
			vm->name, (int)vm->pid);
	snprintf(what, sizeof(what), "%s", err->message);
	snprintf(err->message, sizeof(err->message), "VM %s: %.200s", vm->name, what);
	err->code = rc;
	return rc;
}

static int simple(
	struct remus_vm *vm, const char *command, unsigned timeout_ms, struct nic_error *err)
{
	uint64_t id;
	int rc = qmp_send(vm->qmp, command, NULL, -1, timeout_ms, &id, err);

	return rc < 0 ? rc : qmp_wait(vm->qmp, id, timeout_ms, NULL, err);
}

/* ---- opening ---- */

/* Does the process's command line have this word (or, after a comma or '=', its end)? */
static bool was_started_with(pid_t pid, const char *word)
{
	char path[64], *line;
	size_t n;
	bool has;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	line = calloc(1, 1 << 17);
	n = file && line ? fread(line, 1, (1 << 17) - 1, file) : 0;
	for (size_t i = 0; i < n; i++)
		if (line[i] == '\0')
			line[i] = '\n';
	has = line && strstr(line, word) != NULL;
	free(line);
	if (file)
		fclose(file);
	return has;
}

static int check_status(struct remus_vm *vm, enum remus_side side, struct nic_error *err)
{
	char status[REST_STATUS_SIZE];
	int rc = rest_status(vm->qmp, OPEN_TIMEOUT_MS, status, err);
	bool paused; /* by somebody else, who may let it run at any time */

	if (rc < 0)
		return rc;
	paused = !strcmp(status, "paused");
	qmp_set_stopped(vm->qmp, paused);
	if (side == REMUS_STANDBY && strcmp(status, "inmigrate"))
		return nic_fail(err, RENIC_E_UNSUPPORTED, "qemu",
			"it is %s; a standby is started with -S -incoming defer", status);
	if (side == REMUS_PRIMARY && strcmp(status, "running") && !paused)
		return nic_fail(err, RENIC_E_UNSUPPORTED, "qemu", "it is %s, not running", status);
	return 0;
}

static int check_flags(struct remus_vm *vm, struct nic_error *err)
{
	static const char *const words[] = {
		"migration.send-configuration=off", "suppress-vmdesc=on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!was_started_with(vm->pid, words[i]))
			return nic_fail(err, RENIC_E_UNSUPPORTED, "qemu",
				"QEMU was started without %s (renic-qemu gives it)", words[i]);
	return 0;
}

static int find_process(struct remus_vm *vm, struct nic_error *err)
{
	vm->pid = qmp_peer(vm->qmp);
	if (vm->pid > 0)
		vm->pidfd = syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0)
		return nic_fail(err, RENIC_E_IO, "qemu",
			"the process behind the QMP socket (%d) cannot be watched: %s",
			(int)vm->pid, strerror(errno));
	return 0;
}

/* QEMU's own threads go before vCPUs, its own and others', when a checkpoint wakes them up. That
 * costs nothing but time where it cannot be. */
static int hurry_qemu(struct remus_vm *vm, struct nic_error *err)
{
	json_t *cpus = NULL, *cpu;
	pid_t threads[VCPUS_MAX];
	size_t i, n = 0;
	int rc = qmp_call(vm->qmp, "query-cpus-fast", NULL, OPEN_TIMEOUT_MS, &cpus, err);

	if (rc < 0)
		return rc;
	json_array_foreach (cpus, i, cpu)
		if (n < VCPUS_MAX)
			threads[n++] = json_integer_value(json_object_get(cpu, "thread-id"));
	json_decref(cpus);
	rc = hurry_process(vm->pid, threads, n);
	if (rc)
		event_post("vm", "\"%s\": QEMU's threads keep their scheduler slices: %s", vm->name,
			strerror(-rc));
	return 0;
}

static int open_primary(struct remus_vm *vm, const struct options *options, struct nic_error *err)
{
	int rc = hurry_qemu(vm, err);

	if (rc == 0)
		rc = pauser_open(&vm->pauser, vm->qmp, vm->timeout_ms, OPEN_TIMEOUT_MS, err);
	if (rc < 0)
		return rc;
	return dirty_tracker_open(&vm->tracker, &vm->ram.target,
		options->dirty ? dirty_names[options->dirty] : NULL, err);
}

static int open_steps(struct remus_vm *vm, const struct options *options, enum remus_side side,
	struct nic_error *err)
{
	int rc = qmp_connect(options->qmp, OPEN_TIMEOUT_MS, &vm->qmp, err);

	if (rc == 0)
		rc = find_process(vm, err);
	if (rc == 0)
		rc = check_status(vm, side, err);
	if (rc == 0)
		rc = check_flags(vm, err);
	if (rc == 0)
		rc = machine_describe(vm->qmp, OPEN_TIMEOUT_MS, vm->machine, err);
	if (rc == 0)
		rc = guest_ram_open(
			&vm->ram, vm->qmp, vm->pid, side == REMUS_STANDBY, OPEN_TIMEOUT_MS, err);
	if (rc == 0 && side == REMUS_PRIMARY)
		rc = open_primary(vm, options, err);
	return rc;
}

static void qemu_close(struct remus_vm *vm)
{
	dirty_tracker_close(&vm->tracker);
	guest_ram_close(&vm->ram);
	pauser_close(&vm->pauser);
	qmp_close(vm->qmp);
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	free(vm->blob);
	free(vm);
}

static int qemu_open(const struct remus_vm_config *config, enum remus_side side,
	struct remus_vm **out, struct nic_error *err)
{
	struct options options = {0};
	struct remus_vm *vm;
	int rc = params_decode(option_fields, sizeof(option_fields) / sizeof(option_fields[0]),
		config->options, &options, NULL, err);

	if (rc < 0)
		return rc;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return nic_fail(err, RENIC_E_RESOURCES, "qemu", "no memory");
	snprintf(vm->name, sizeof(vm->name), "%s", config->name);
	vm->timeout_ms = config->timeout_ms;
	vm->pidfd = -1;
	rc = about(vm, open_steps(vm, &options, side, err), err);
	if (rc == 0)
		*out = vm;
	else
		qemu_close(vm);
	return rc;
}

static unsigned qemu_regions(struct remus_vm *vm, struct remus_region *regions)
{
	for (unsigned i = 0; i < vm->ram.n_parts; i++) {
		const struct ram_part *part = &vm->ram.parts[i];

		snprintf(regions[i].name, sizeof(regions[i].name), "%s", vm->ram.backend);
		regions[i].gpa = part->gpa;
		regions[i].bytes = part->bytes;
		regions[i].base = vm->ram.base + part->offset;
	}
	return vm->ram.n_parts;
}

static const char *qemu_engine(struct remus_vm *vm)
{
	return vm->tracker.name;
}

static const char *qemu_machine(struct remus_vm *vm)
{
	return vm->machine;
}

static int qemu_check(struct remus_vm *vm, struct nic_error *err)
{
	if (!is_dead(vm))
		return 0;
	return about(vm, REMUS_E_VM_GONE, err);
}

/* ---- primary ---- */

static int start_engine(void *arg, struct nic_error *err)
{
	const struct dirty_tracker *tracker = arg;

	return tracker->engine->start(tracker->state, err);
}

static int qemu_track(struct remus_vm *vm, struct nic_error *err)
{
	bool ran;
	int rc = rest_do(&vm->pauser, start_engine, &vm->tracker, &ran, err);

	if (rc == 0)
		vm->may_have_run = false; /* every page follows */
	vm->may_have_run |= ran;	  /* then it may be copied too early */
	return about(vm, rc, err);
}

/* A collection of the running VM. */
struct live_collection {
	const struct dirty_tracker *tracker;
	uint64_t *bitmap;
};

static int collect_live(void *arg, struct nic_error *err)
{
	const struct live_collection *live = arg;

	return live->tracker->engine->collect(live->tracker->state, live->bitmap, false, err);
}

static int qemu_dirty(struct remus_vm *vm, uint64_t *bitmap, struct nic_error *err)
{
	struct live_collection live = {&vm->tracker, bitmap};
	bool ran = false;
	int rc = vm->paused ? vm->tracker.engine->collect(vm->tracker.state, bitmap, true, err)
			    : rest_do(&vm->pauser, collect_live, &live, &ran, err);

	if (rc == 0 && vm->may_have_run) {
		dirty_mark_run(bitmap, 0, vm->ram.bytes >> REMUS_PAGE_SHIFT);
		vm->may_have_run = false;
	}
	vm->may_have_run |= ran;
	return about(vm, rc, err);
}

static int qemu_prepare(struct remus_vm *vm, struct nic_error *err)
{
	return about(vm, pauser_prepare(&vm->pauser, err), err);
}

static int qemu_pause(struct remus_vm *vm, bool stay, struct nic_error *err)
{
	int rc = pauser_pause(&vm->pauser, stay, err);

	vm->paused = rc == 0;
	return about(vm, rc, err);
}

static int qemu_resume_soon(struct remus_vm *vm, struct nic_error *err)
{
	return about(vm, pauser_resume_soon(&vm->pauser, err), err);
}

static int qemu_state(struct remus_vm *vm, struct remus_sink *sink, struct nic_error *err)
{
	return about(vm, pauser_state(&vm->pauser, sink, err), err);
}

static int qemu_resume(struct remus_vm *vm, struct nic_error *err)
{
	int rc = pauser_resume(&vm->pauser, err);

	if (rc == 0)
		vm->paused = false;
	/* What an engine reads and clears in two steps may have changed between the two. */
	vm->may_have_run |= vm->pauser.slipped;
	return about(vm, rc, err);
}

static int qemu_stop(struct remus_vm *vm, struct nic_error *err)
{
	struct pollfd p = {.fd = vm->pidfd, .events = POLLIN};

	if (syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return about(vm,
			nic_fail(err, RENIC_E_IO, "qemu", "killing QEMU: %s", strerror(errno)),
			err);
	if (poll(&p, 1, STOP_TIMEOUT_MS) > 0)
		return 0;
	return about(vm, nic_fail(err, RENIC_E_TIMEOUT, "qemu", "QEMU does not end"), err);
}

/* ---- standby ---- */

static int qemu_apply(
	struct remus_vm *vm, const void *blob, size_t bytes, uint64_t epoch, struct nic_error *err)
{
	uint8_t *larger;

	if (bytes > vm->blob_size) {
		larger = realloc(vm->blob, bytes);
		if (!larger)
			return about(
				vm, nic_fail(err, RENIC_E_RESOURCES, "qemu", "no memory"), err);
		vm->blob = larger;
		vm->blob_size = bytes;
	}
	memcpy(vm->blob, blob, bytes);
	vm->blob_bytes = bytes;
	return 0;
}

static int qemu_reset(struct remus_vm *vm, struct nic_error *err)
{
	vm->blob_bytes = 0;
	return 0;
}

/* Send the blob, as fast as QEMU reads it. */
static int feed(struct remus_vm *vm, int fd, int64_t deadline, struct nic_error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	size_t done = 0;

	while (done < vm->blob_bytes) {
		ssize_t n = send(
			fd, vm->blob + done, vm->blob_bytes - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		int left = ms_until(deadline, INT_MAX);

		if (n > 0) {
			done += n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return nic_fail(
				err, RENIC_E_IO, "qemu", "device state: %s", strerror(errno));
		if (left == 0)
			return nic_fail(err, RENIC_E_TIMEOUT, "qemu",
				"QEMU does not read its device state");
		poll(&p, 1, left);
	}
	return 0;
}

/* Until QEMU has taken its state: it is then paused, as it was started with -S. */
static int wait_loaded(struct remus_vm *vm, int64_t deadline, struct nic_error *err)
{
	static const struct timespec nap = {.tv_nsec = 200000};
	char status[REST_STATUS_SIZE];
	int rc;

	for (;;) {
		rc = rest_status(vm->qmp, vm->timeout_ms, status, err);
		if (rc < 0 || !strcmp(status, "paused"))
			return rc;
		if (strcmp(status, "inmigrate"))
			return nic_fail(err, RENIC_E_IO, "qemu", "after the load it is %s", status);
		if (now_ns() >= deadline)
			return nic_fail(err, RENIC_E_TIMEOUT, "qemu", "device state is not loaded");
		nanosleep(&nap, NULL);
	}
}

static int load_from(struct remus_vm *vm, const int fds[2], struct nic_error *err)
{
	static const char name[] = "{\"fdname\":\"renic-state\"}";
	int64_t deadline = in_ms(LOAD_TIMEOUT_MS);
	uint64_t getfd_id, load_id;
	int rc = qmp_send(vm->qmp, "getfd", name, fds[0], vm->timeout_ms, &getfd_id, err);

	if (rc == 0)
		rc = qmp_send(vm->qmp, "migrate-incoming", "{\"uri\":\"fd:renic-state\"}", -1,
			vm->timeout_ms, &load_id, err);
	if (rc == 0)
		rc = qmp_wait(vm->qmp, getfd_id, vm->timeout_ms, NULL, err);
	if (rc == 0)
		rc = qmp_wait(vm->qmp, load_id, vm->timeout_ms, NULL, err);
	if (rc == 0)
		rc = feed(vm, fds[1], deadline, err);
	return rc < 0 ? rc : wait_loaded(vm, deadline, err);
}

static int qemu_load(struct remus_vm *vm, struct nic_error *err)
{
	int fds[2], rc;

	if (vm->blob_bytes == 0)
		return about(
			vm, nic_fail(err, RENIC_E_STATE, "qemu", "there is no checkpoint"), err);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return about(
			vm, nic_fail(err, RENIC_E_RESOURCES, "qemu", "%s", strerror(errno)), err);
	rc = load_from(vm, fds, err);
	close(fds[0]);
	close(fds[1]);
	return about(vm, rc, err);
}

static int qemu_run(struct remus_vm *vm, struct nic_error *err)
{
	return about(vm, simple(vm, "cont", vm->timeout_ms, err), err);
}

const struct remus_driver remus_qemu_driver = {
	.name = "qemu",
	.open = qemu_open,
	.close = qemu_close,
	.regions = qemu_regions,
	.engine = qemu_engine,
	.machine = qemu_machine,
	.check = qemu_check,
	.track = qemu_track,
	.dirty = qemu_dirty,
	.prepare = qemu_prepare,
	.pause = qemu_pause,
	.resume_soon = qemu_resume_soon,
	.state = qemu_state,
	.resume = qemu_resume,
	.stop = qemu_stop,
	.apply = qemu_apply,
	.reset = qemu_reset,
	.load = qemu_load,
	.run = qemu_run,
};
