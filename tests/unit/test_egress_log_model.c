/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The egress log against a model, and against kill -9: renicd/nic/egress_log.c,
 * egress_log_release.c, egress_log_recover.c, log_check.c, log_map.c, log_pool.c.
 *
 * Model: two logs share a pool that is too small for both; random operations are carried out on
 * the log and on a plain queue, which must agree. Now and then the file itself is read, the way
 * a restarted daemon would. Kill: another process works on a log until it is killed at a random
 * instant; what the file says then must be a log of whole frames, none missing in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "egress_fixture.h"

enum {
	LOGS = 2,
	SEGMENTS = 7,
	QUOTA = 5,
	QUEUE = 1 << 17, /* frames that a model can hold */
	OPERATIONS = 300000,
	IN_DRIVER_MAX = 900, /* mbufs that the driver has not freed yet */
	KILLS = 25,
};

/* ---- the file, as a restarted daemon reads it ---- */

struct file {
	uint8_t *map;
	size_t bytes;
	const struct log_file_header *header;
};

static void file_open(struct file *file, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	file->bytes = (size_t)st.st_size;
	file->map = mmap(NULL, file->bytes, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(file->map, MAP_FAILED);
	file->header = (const void *)file->map;
	assert_memory_equal(file->header->magic, LOG_FILE_MAGIC, 8);
}

static const struct egress_log_state *file_state(const struct file *file, uint32_t index)
{
	const struct egress_log_state *states =
		(const void *)(file->map + file->header->states_offset);

	return &states[index];
}

/* The segment that says it holds this part of this log: exactly one. */
static const uint8_t *file_part(const struct file *file, uint32_t index, uint64_t part)
{
	const struct log_segment_label *labels =
		(const void *)(file->map + file->header->labels_offset);
	const uint8_t *found = NULL;

	for (uint32_t i = 0; i < file->header->segments; i++) {
		if (labels[i].log_index != index || labels[i].part != (uint32_t)part)
			continue;
		assert_null(found);
		found = file->map + file->header->data_offset + (uint64_t)i * LOG_SEGMENT_BYTES;
	}
	assert_non_null(found);
	return found;
}

/* Calls visit for each record from released to tail. Returns how many. */
static uint64_t file_walk(const struct file *file, uint32_t index,
	void (*visit)(const struct egress_record *record, uint64_t offset, void *arg), void *arg)
{
	const struct egress_log_state *state = file_state(file, index);
	uint64_t offset = state->released, n = 0;

	assert_int_equal(state->in_use, 1);
	assert_true(state->released <= state->committed);
	assert_true(state->committed <= state->sealed);
	assert_true(state->sealed <= state->tail);
	while (offset < state->tail) {
		uint64_t part = offset / LOG_SEGMENT_BYTES;
		const struct egress_record *record =
			(const void *)(file_part(file, index, part) + offset % LOG_SEGMENT_BYTES);
		uint64_t bytes = sizeof(*record) + record->len;

		if (record->flags & EGRESS_RECORD_END) {
			offset = (part + 1) * LOG_SEGMENT_BYTES;
			continue;
		}
		bytes += record->flags & EGRESS_RECORD_OFFLOAD ? sizeof(struct egress_offload) : 0;
		bytes = (bytes + EGRESS_RECORD_ALIGN - 1) / EGRESS_RECORD_ALIGN *
			EGRESS_RECORD_ALIGN;
		assert_true(offset + bytes <= (part + 1) * LOG_SEGMENT_BYTES);
		visit(record, offset, arg);
		offset += bytes;
		n++;
	}
	assert_int_equal(offset, state->tail);
	return n;
}

static const void *record_frame(const struct egress_record *record)
{
	bool offload = record->flags & EGRESS_RECORD_OFFLOAD;

	return (const uint8_t *)(record + 1) + (offload ? sizeof(struct egress_offload) : 0);
}

/* ---- the model ---- */

struct held {
	struct frame frame;
	uint64_t epoch;
	uint64_t tsc;
	uint64_t run_tsc; /* of the first frame of the same run of an epoch */
};

static struct model {
	struct egress_log log;
	struct held queue[QUEUE];	    /* by index % QUEUE */
	uint64_t released, committed, tail; /* indices, as the log's offsets */
	uint64_t epoch, oldest_uncommitted;
	uint64_t ends[EPOCHS_IN_FLIGHT_MAX]; /* by epoch: index */
	uint64_t run_tsc;		     /* 0: the next frame begins a run */
	uint64_t held_bytes;
} models[LOGS];

static struct log_pool *pool;
static uint32_t next_number;
static uint64_t now = 1;

/* Frames that the driver has, in no order. */
static struct in_driver {
	struct rte_mbuf *m;
	struct frame frame;
	uint16_t flags;
} in_driver[IN_DRIVER_MAX];
static uint32_t n_in_driver;

static struct held *held_at(struct model *model, uint64_t index)
{
	return &model->queue[index % QUEUE];
}

static struct frame frame_random(void)
{
	static const uint64_t ol_flags[] = {0, 0, 0, 0, RTE_MBUF_F_TX_VLAN,
		RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4, RTE_MBUF_F_TX_TCP_SEG,
		RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_VLAN};

	return (struct frame){
		.number = next_number++,
		.len = random_len(),
		.flags = random_below(5) ? 0 : EGRESS_RECORD_SKIP_GROUP,
		.ol_flags = ol_flags[random_below(sizeof(ol_flags) / sizeof(ol_flags[0]))],
		.vlan_tci = (uint16_t)random_below(65536),
		.tx_offload = random_below(UINT32_MAX),
	};
}

static void model_append(struct model *model)
{
	struct held held = {.frame = frame_random(), .epoch = model->epoch, .tsc = now};

	frame_append(&model->log, &held.frame, random_below(4), now);
	model->run_tsc = model->run_tsc ? model->run_tsc : now;
	held.run_tsc = model->run_tsc;
	*held_at(model, model->tail++) = held;
	model->held_bytes += held.frame.len;
	if (!model->epoch)
		model->committed = model->tail;
}

static void op_append(struct model *model)
{
	uint32_t n = 1 + random_below(40);

	if (model->tail - model->released > QUEUE - 64)
		return;
	if (!egress_log_reserve(&model->log, n, FRAME_MAX)) {
		/* At most one more segment was asked for. */
		assert_true(log_pool_free_count(pool) == 0 ||
			    model->log.end_part - model->log.first_part == QUOTA);
		return;
	}
	for (uint32_t i = random_below(n + 1); i < n; i++)
		model_append(model);
	egress_log_trim(&model->log);
}

static void op_seal(struct model *model)
{
	if (!model->epoch || model->epoch - model->oldest_uncommitted >= EPOCHS_IN_FLIGHT_MAX - 1)
		return;
	egress_log_seal(&model->log);
	model->ends[model->epoch++ % EPOCHS_IN_FLIGHT_MAX] = model->tail;
	model->run_tsc = 0;
}

static void op_commit(struct model *model)
{
	uint64_t in_flight = model->epoch - model->oldest_uncommitted, epoch;

	if (!model->epoch || !in_flight)
		return;
	epoch = model->oldest_uncommitted + random_below((uint32_t)in_flight);
	egress_log_commit(&model->log, epoch);
	model->committed = RTE_MAX(model->committed, model->ends[epoch % EPOCHS_IN_FLIGHT_MAX]);
	model->oldest_uncommitted = epoch + 1;
}

static void driver_free(uint32_t i)
{
	frame_check(&in_driver[i].frame, in_driver[i].m, in_driver[i].flags);
	rte_pktmbuf_free(in_driver[i].m);
	in_driver[i] = in_driver[--n_in_driver];
}

static void op_driver_free(struct model *model)
{
	for (uint32_t n = random_below(64); n && n_in_driver; n--)
		driver_free(random_below(n_in_driver));
}

static void op_release(struct model *model)
{
	uint16_t want = (uint16_t)random_below(200), got, taken;
	struct rte_mbuf *pkts[200];
	uint16_t flags[200];

	got = egress_log_peek(&model->log, data_pool, attach_pool, pkts, flags, want);
	assert_true(got <= want && got <= model->committed - model->released);
	if (n_in_driver == 0)
		assert_int_equal(got, RTE_MIN(want, model->committed - model->released));
	taken = (uint16_t)random_below(got + 1u);
	for (uint16_t i = 0; i < got; i++) {
		const struct frame *f = &held_at(model, model->released + i)->frame;

		frame_check(f, pkts[i], flags[i]);
		if (i < taken && n_in_driver < IN_DRIVER_MAX)
			in_driver[n_in_driver++] =
				(struct in_driver){.m = pkts[i], .frame = *f, .flags = flags[i]};
		else
			rte_pktmbuf_free(pkts[i]);
		if (i < taken)
			model->held_bytes -= f->len;
	}
	egress_log_advance(&model->log, taken);
	model->released += taken;
}

static void op_open(struct model *model)
{
	uint64_t epoch = 1 + random_below(3);

	if (model->epoch)
		return;
	egress_log_open(&model->log, epoch);
	model->epoch = model->oldest_uncommitted = epoch;
	model->run_tsc = 0;
}

static void op_end(struct model *model)
{
	if (!model->epoch || random_below(50))
		return;
	if (random_below(2)) {
		egress_log_commit_all(&model->log);
		model->committed = model->tail;
	} else {
		uint64_t discarded = model->tail - model->committed;

		while (model->tail > model->committed)
			model->held_bytes -= held_at(model, --model->tail)->frame.len;
		assert_int_equal(egress_log_discard(&model->log), discarded);
		model->run_tsc = 0;
	}
	model->epoch = 0;
}

static void model_check(struct model *model)
{
	const struct egress_log_state *state = model->log.state;
	uint64_t oldest = egress_log_oldest_tsc(&model->log);

	assert_true(state->released <= state->committed && state->committed <= state->sealed &&
		    state->sealed <= state->tail);
	assert_int_equal(state->epoch, model->epoch);
	assert_int_equal(egress_log_held_pkts(&model->log), model->tail - model->released);
	assert_int_equal(egress_log_held_bytes(&model->log), model->held_bytes);
	assert_int_equal(egress_log_has_committed(&model->log), model->released < model->committed);
	assert_int_equal(egress_log_is_empty(&model->log), model->released == model->tail);
	if (model->released == model->tail) {
		assert_int_equal(oldest, 0);
		assert_int_equal(model->log.first_part, model->log.end_part);
	} else {
		struct held *held = held_at(model, model->released);

		assert_in_range(oldest, held->run_tsc, held->tsc);
	}
}

struct expected {
	struct model *model;
	uint64_t index;
};

static void record_is_expected(const struct egress_record *record, uint64_t offset, void *arg)
{
	struct expected *expected = arg;
	const struct held *held = held_at(expected->model, expected->index++);

	assert_int_equal(record->len, held->frame.len);
	assert_int_equal(record->epoch, held->epoch);
	assert_memory_equal(record_frame(record), frame_bytes(&held->frame), record->len);
}

static void file_check(void)
{
	struct file file;

	file_open(&file, unit_path("log"));
	for (uint32_t i = 0; i < LOGS; i++) {
		struct expected expected = {&models[i], models[i].released};

		assert_int_equal(file_walk(&file, i, record_is_expected, &expected),
			models[i].tail - models[i].released);
	}
	munmap(file.map, file.bytes);
}

/* Another daemon takes the file up. What is in the driver has been sent, or is lost with it. */
static void restart(void)
{
	char why[160];

	while (n_in_driver)
		driver_free(0);
	for (uint32_t i = 0; i < LOGS; i++)
		egress_log_detach(&models[i].log);
	log_pool_close(pool);
	pool = log_pool_open(unit_path("log"), false, why, sizeof(why));
	assert_non_null(pool);
	assert_int_equal(log_pool_instance(pool), 1);
	for (uint32_t i = 0; i < LOGS; i++) {
		struct model *model = &models[i];

		assert_int_equal(egress_log_recover(&model->log, pool, i,
					 (uint64_t)QUOTA * LOG_SEGMENT_BYTES, now),
			0);
		/* When they came is forgotten. */
		for (uint64_t n = model->released; n < model->tail; n++)
			held_at(model, n)->run_tsc = held_at(model, n)->tsc = now;
		model->run_tsc = 0;
		model_check(model);
	}
}

static void random_operations_agree_with_a_model(void **state)
{
	static void (*const ops[])(struct model * model) = {op_append, op_append, op_append,
		op_seal, op_commit, op_release, op_release, op_driver_free, op_open, op_end};

	pool = log_pool_create(unit_path("log"), SEGMENTS, 1, false);
	assert_non_null(pool);
	for (uint32_t i = 0; i < LOGS; i++)
		assert_int_equal(egress_log_init(&models[i].log, pool, i,
					 (uint64_t)QUOTA * LOG_SEGMENT_BYTES),
			0);
	for (uint32_t i = 0; i < OPERATIONS; i++, now++) {
		struct model *model = &models[random_below(LOGS)];

		ops[random_below(sizeof(ops) / sizeof(ops[0]))](model);
		model_check(model);
		if (i % 3001 == 0)
			file_check();
		if (i % 997 == 0)
			restart();
	}
	assert_true(next_number > OPERATIONS);
	while (n_in_driver)
		driver_free(0);
	for (uint32_t i = 0; i < LOGS; i++)
		egress_log_fini(&models[i].log);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
	log_pool_destroy(pool);
	pools_check();
}

/* ---- kill -9 ---- */

/* Frames carry the low bits of their number as a VLAN tag beside the bytes. */
static struct frame frame_tagged(uint16_t number)
{
	return (struct frame){.number = number,
		.len = FRAME_MIN + number * 31u % 3000,
		.ol_flags = RTE_MBUF_F_TX_VLAN,
		.vlan_tci = number};
}

static void writer_step(struct egress_log *log)
{
	struct rte_mbuf *pkts[32];
	uint16_t flags[32], n;

	if (egress_log_reserve(log, 32, FRAME_MAX)) {
		for (int i = 0; i < 32; i++) {
			struct frame f = frame_tagged((uint16_t)next_number++);

			frame_append(log, &f, 1, 1);
		}
	}
	if (random_below(4) == 0)
		egress_log_seal(log);
	if (random_below(8) == 0)
		egress_log_commit(log, log->state->epoch - 1);
	if (random_below(50) == 0) {
		if (random_below(2))
			egress_log_commit_all(log);
		else
			next_number -= (uint32_t)egress_log_discard(log);
	}
	if (!log->state->epoch && random_below(4) == 0)
		egress_log_open(log, 1);
	do {
		n = egress_log_peek(log, data_pool, attach_pool, pkts, flags, 32);
		rte_pktmbuf_free_bulk(pkts, n);
		egress_log_advance(log, n);
	} while (n);
}

/* The process to kill: says on stdout that it works, then works for ever. */
static int writer_main(const char *program, const char *dir)
{
	struct egress_log *log = &models[0].log;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(unit_dir, sizeof(unit_dir), "%s", dir);
	if (unit_eal_start(program) < 0 || pools_make() < 0)
		return 1;
	pool = log_pool_create(unit_path("killed"), SEGMENTS, 1, false);
	if (!pool || egress_log_init(log, pool, 0, QUOTA * (uint64_t)LOG_SEGMENT_BYTES) < 0)
		return 1;
	if (write(STDOUT_FILENO, "!", 1) != 1)
		return 1;
	for (;;)
		writer_step(log);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Until the time comes, look at the offsets from here: they are in order at every instant. Tail
 * and sealed may go back (discard), but never behind what was committed before. */
static void watch_until(const struct egress_log_state *state, uint64_t ns)
{
	while (clock_ns() < ns) {
		uint64_t released = __atomic_load_n(&state->released, __ATOMIC_ACQUIRE);
		uint64_t committed = __atomic_load_n(&state->committed, __ATOMIC_ACQUIRE);
		uint64_t sealed = __atomic_load_n(&state->sealed, __ATOMIC_ACQUIRE);
		uint64_t tail = __atomic_load_n(&state->tail, __ATOMIC_ACQUIRE);

		assert_true(released <= committed);
		assert_true(committed <= sealed);
		assert_true(committed <= tail);
	}
}

/* Away from the watcher's CPU, which EAL has bound it to; where there is but one, so be it. */
static void use_other_cpus(void)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	CPU_CLR(sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void writer_run_and_kill(struct file *file)
{
	int ready[2], status;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ready[1], STDOUT_FILENO);
		close(ready[0]);
		use_other_cpus();
		execl("/proc/self/exe", "writer", "--writer", unit_dir, (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	file_open(file, unit_path("killed"));
	watch_until(file_state(file, 0), clock_ns() + 200000 + random_below(6000000));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

struct survivor {
	const struct egress_log_state *state;
	uint32_t n;
	uint16_t number; /* of the record seen last */
};

static void record_is_whole_and_next(const struct egress_record *record, uint64_t offset, void *arg)
{
	struct survivor *survivor = arg;
	struct frame f = frame_tagged(record->vlan_tci);

	if (survivor->n++)
		assert_int_equal(record->vlan_tci, (uint16_t)(survivor->number + 1));
	survivor->number = record->vlan_tci;
	assert_int_equal(record->len, f.len);
	assert_memory_equal(record_frame(record), frame_bytes(&f), f.len);
	/* What is not committed belongs to an epoch of this protection. */
	if (offset >= survivor->state->committed) {
		assert_true(record->epoch <= survivor->state->epoch);
		assert_int_equal(record->epoch == 0, survivor->state->epoch == 0);
	}
}

/* What the file holds is held again, committed or not; the rest of the pool is free. */
static void take_up(uint64_t survivors)
{
	struct egress_log *log = &models[0].log;
	struct rte_mbuf *pkts[32];
	uint16_t flags[32], n;
	uint64_t left = 0;
	char why[160];

	pool = log_pool_open(unit_path("killed"), false, why, sizeof(why));
	assert_non_null(pool);
	assert_int_equal(
		egress_log_recover(log, pool, 0, QUOTA * (uint64_t)LOG_SEGMENT_BYTES, 1), 0);
	assert_int_equal(egress_log_held_pkts(log), survivors);
	if (log->state->epoch > 1)
		egress_log_commit(log, log->state->epoch - 1);
	do {
		n = egress_log_peek(log, data_pool, attach_pool, pkts, flags, 32);
		rte_pktmbuf_free_bulk(pkts, n);
		egress_log_advance(log, n);
		left += n;
	} while (n);
	assert_int_equal(egress_log_held_pkts(log), survivors - left);
	if (log->state->epoch)
		assert_int_equal(egress_log_discard(log), survivors - left);
	assert_true(egress_log_is_empty(log));
	egress_log_fini(log);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
	log_pool_destroy(pool);
}

static void a_log_killed_at_any_instant_is_whole(void **state)
{
	uint64_t total = 0;

	for (int i = 0; i < KILLS; i++) {
		struct survivor survivor = {0};
		struct file file;
		uint64_t n;

		writer_run_and_kill(&file);
		survivor.state = file_state(&file, 0);
		n = file_walk(&file, 0, record_is_whole_and_next, &survivor);
		munmap(file.map, file.bytes);
		take_up(n);
		total += n;
	}
	assert_true(total > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_a_model),
		cmocka_unit_test(a_log_killed_at_any_instant_is_whole),
	};
	int failed;

	if (argc == 3 && strcmp(argv[1], "--writer") == 0)
		return writer_main(argv[0], argv[2]);
	if (unit_eal_init(argv[0]) < 0 || pools_make() < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pools_free();
	unit_eal_end();
	return failed;
}
