/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread a capture: it looks at the rings every few milliseconds (the data path wakes nobody)
 * and writes what is in them, until it is told to stop, the file is full, or the disk is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "capture.h"
#include "capture_file.h"
#include "pcapng.h"

enum capture_state { CAPTURE_RUNS, CAPTURE_FULL, CAPTURE_FAILED };

static const char *const state_names[] = {
	[CAPTURE_RUNS] = "running",
	[CAPTURE_FULL] = "full",
	[CAPTURE_FAILED] = "failed",
};

enum {
	PAUSE_NS = 2000000,
	RUN_RECORDS = 256, /* of one ring, before the next one's turn */
};

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void end(struct capture_file *file, enum capture_state state)
{
	__atomic_store_n(&file->state, state, __ATOMIC_RELEASE);
}

bool capture_file_ended(const struct capture_file *file)
{
	return __atomic_load_n(&file->state, __ATOMIC_ACQUIRE) != CAPTURE_RUNS;
}

static void write_record(struct capture_file *file, const struct capture_record *record)
{
	uint64_t bytes = pcapng_packet_bytes(record->len);
	double seconds = ((double)record->tsc - (double)file->start_tsc) / (double)rte_get_tsc_hz();
	const struct pcapng_packet packet = {
		.time_ns = file->start_ns + (uint64_t)(int64_t)(seconds * 1e9),
		.direction = record->seen == CAPTURE_TO_GUEST ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
		.queue = record->queue,
		.len = record->len,
		.wire_len = record->wire_len,
		.bytes = record + 1,
	};

	if (file->bytes + bytes > file->max_bytes) {
		end(file, CAPTURE_FULL);
		return;
	}
	if (pcapng_packet(file->out, &packet)) {
		end(file, CAPTURE_FAILED);
		return;
	}
	counter_add(&file->pkts, 1);
	counter_add(&file->bytes, bytes);
}

/* Returns how many records were written. */
static unsigned drain(struct capture_file *file)
{
	const struct capture_record *record;
	unsigned n = 0;

	for (uint16_t i = 0; i < file->n_rings; i++) {
		unsigned left = RUN_RECORDS;

		while (left-- && !capture_file_ended(file) &&
			(record = capture_ring_peek(file->rings[i]))) {
			write_record(file, record);
			capture_ring_drop(file->rings[i], record);
			n++;
		}
	}
	return n;
}

static uint64_t dropped(const struct capture_file *file)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < file->n_rings; i++)
		n += counter_read(&file->rings[i]->dropped);
	return n;
}

static void *run(void *arg)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct capture_file *file = arg;

	while (!capture_file_ended(file)) {
		/* First: what came before the order to stop is written. */
		bool stop = __atomic_load_n(&file->stop, __ATOMIC_ACQUIRE);

		if (drain(file))
			continue;
		if (stop)
			break;
		if (fflush(file->out))
			end(file, CAPTURE_FAILED);
		nanosleep(&pause, NULL);
	}
	pcapng_end(file->out, realtime_ns(), file->pkts, dropped(file));
	if (fflush(file->out) && !capture_file_ended(file))
		end(file, CAPTURE_FAILED);
	return NULL;
}

static int open_new(const char *dir, const char *name, struct nic_error *err)
{
	int dir_fd, fd;

	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return nic_fail(
			err, RENIC_E_IO, "file", "capture_dir %s: %s", dir, strerror(errno));
	dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	fd = dir_fd < 0 ? -1
			: openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				  0640);
	if (fd < 0)
		nic_fail(err, errno == EEXIST ? RENIC_E_EXISTS : RENIC_E_IO, "file", "%s/%s: %s",
			dir, name, strerror(errno));
	if (dir_fd >= 0)
		close(dir_fd);
	return fd < 0 ? err->code : fd;
}

int capture_file_start(struct capture_file *file, const struct capture_config *config,
	const char *dir, struct nic_error *err)
{
	struct nic_error ignored;
	int fd = open_new(dir, config->file, err ? err : &ignored);

	if (fd < 0)
		return fd;
	file->out = fdopen(fd, "we");
	if (!file->out) {
		close(fd);
		return nic_fail(err, RENIC_E_RESOURCES, "file", "no memory for a capture");
	}
	file->max_bytes = config->max_bytes;
	file->start_tsc = rte_rdtsc();
	file->start_ns = realtime_ns();
	if (pcapng_begin(file->out, "renicd", config->vf, config->filter, config->snaplen) ||
		pthread_create(&file->thread, NULL, run, file)) {
		fclose(file->out);
		return nic_fail(err, RENIC_E_IO, "file", "the capture cannot be started");
	}
	pthread_setname_np(file->thread, "renicd-capture");
	return 0;
}

void capture_file_stop(struct capture_file *file)
{
	__atomic_store_n(&file->stop, 1, __ATOMIC_RELEASE);
	pthread_join(file->thread, NULL);
	if (fclose(file->out))
		end(file, CAPTURE_FAILED);
}

void capture_file_info(const struct capture_file *file, struct capture_info *info)
{
	info->state = state_names[__atomic_load_n(&file->state, __ATOMIC_ACQUIRE)];
	info->pkts = counter_read(&file->pkts);
	info->bytes = counter_read(&file->bytes);
}
