/* SPDX-License-Identifier: BSD-3-Clause */
/* The egress logs' memory and its file: renicd/nic/log_pool.c, log_map.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_memory.h>

#include "egress_log.h"
#include "log_pool.h"
#include "unit_eal.h"

enum { SEGMENTS = 4 };

static struct rte_mempool *mbufs;

static int pool_setup(void **state)
{
	*state = log_pool_create(unit_path("log"), SEGMENTS, 1, false);
	return *state ? 0 : -1;
}

static int pool_teardown(void **state)
{
	log_pool_destroy(*state);
	return access(unit_path("log"), F_OK) == 0 ? -1 : 0;
}

/* In the place of posix_fallocate() (meson.build): that many times a signal ends it. */
static unsigned n_signals;

int __real_posix_fallocate64(int fd, off_t offset, off_t bytes);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t bytes);

int __wrap_posix_fallocate64(int fd, off_t offset, off_t bytes)
{
	if (!n_signals)
		return __real_posix_fallocate64(fd, offset, bytes);
	n_signals--;
	return EINTR;
}

static void segments_are_distinct_and_run_out(void **state)
{
	struct log_pool *pool = *state;
	uint32_t seen = 0;

	assert_int_equal(log_pool_size(pool), SEGMENTS);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
	for (int i = 0; i < SEGMENTS; i++) {
		uint32_t segment = log_pool_take(pool);

		assert_in_range(segment, 0, SEGMENTS - 1);
		seen |= 1u << segment;
		memset(log_pool_addr(pool, segment), (int)segment, LOG_SEGMENT_BYTES);
	}
	assert_int_equal(seen, (1u << SEGMENTS) - 1);
	assert_int_equal(log_pool_take(pool), LOG_SEGMENT_NONE);
	assert_int_equal(log_pool_free_count(pool), 0);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		const uint8_t *bytes = log_pool_addr(pool, i);

		assert_int_equal(bytes[0], i);
		assert_int_equal(bytes[LOG_SEGMENT_BYTES - 1], i);
		log_pool_release(pool, i);
	}
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
}

static void each_owner_gets_its_share_whatever_another_holds(void **state)
{
	struct log_pool *pool = *state;
	struct log_share greedy = {0}, late = {0};
	uint32_t held[SEGMENTS];

	log_pool_set_owners(pool, 2);
	while (log_pool_may_take(pool, &greedy))
		held[greedy.taken++] = log_pool_take(pool);
	assert_int_equal(greedy.taken, SEGMENTS - 1);
	assert_true(log_pool_may_take(pool, &late));
	held[greedy.taken] = log_pool_take(pool);
	late.taken++;
	assert_false(log_pool_may_take(pool, &late));
	for (uint32_t i = 0; i < SEGMENTS; i++)
		log_pool_release(pool, held[i]);
	/* Alone it may have all. */
	log_pool_set_owners(pool, 1);
	for (greedy.taken = 0; log_pool_may_take(pool, &greedy); greedy.taken++)
		held[greedy.taken] = log_pool_take(pool);
	assert_int_equal(greedy.taken, SEGMENTS);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		log_pool_release(pool, held[i]);
}

static void segment_freed_last_is_taken_first(void **state)
{
	struct log_pool *pool = *state;
	uint32_t a = log_pool_take(pool), b = log_pool_take(pool), c = log_pool_take(pool);

	log_pool_release(pool, c);
	log_pool_release(pool, a);
	log_pool_release(pool, b);
	assert_int_equal(log_pool_take(pool), b);
	assert_int_equal(log_pool_take(pool), a);
	assert_int_equal(log_pool_take(pool), c);
}

static void segment_goes_back_with_its_last_reference(void **state)
{
	struct log_pool *pool = *state;
	uint32_t segment = log_pool_take(pool);

	assert_int_equal(log_pool_refs(pool, segment), 1);
	log_pool_hold(pool, segment, 2);
	assert_int_equal(log_pool_refs(pool, segment), 3);
	log_pool_release(pool, segment);
	log_pool_release(pool, segment);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS - 1);
	log_pool_release(pool, segment);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
}

static void attached_mbufs_and_their_clones_count_as_references(void **state)
{
	struct log_pool *pool = *state;
	uint32_t segment = log_pool_take(pool);
	struct rte_mbuf *m = rte_pktmbuf_alloc(mbufs), *clone;

	strcpy(log_pool_addr(pool, segment), "frame");
	rte_pktmbuf_attach_extbuf(m, log_pool_addr(pool, segment), log_pool_iova(pool, segment), 64,
		log_pool_shinfo(pool, segment));
	m->data_len = m->pkt_len = 64;
	log_pool_hold(pool, segment, 1);
	clone = rte_pktmbuf_clone(m, mbufs);
	assert_non_null(clone);
	assert_int_equal(log_pool_refs(pool, segment), 3);
	log_pool_release(pool, segment);
	rte_pktmbuf_free(m);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS - 1);
	assert_string_equal(rte_pktmbuf_mtod(clone, const char *), "frame");
	rte_pktmbuf_free(clone);
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
	assert_int_equal(rte_mempool_in_use_count(mbufs), 0);
}

static void labels_states_and_bytes_can_be_read_from_the_file(void **state)
{
	struct log_pool *pool = *state;
	uint32_t segment = log_pool_take(pool), other = log_pool_take(pool);
	const struct log_segment_label *labels;
	const struct egress_log_state *states;
	const struct log_file_header *header;
	struct stat st;
	uint8_t *map;
	int fd;

	log_pool_label(pool, segment, 77, 123456);
	log_pool_state(pool, LOG_STATES_MAX - 1)->tail = 42;
	strcpy(log_pool_addr(pool, segment), "held");
	fd = open(unit_path("log"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(map, MAP_FAILED);
	header = (const void *)map;
	assert_memory_equal(header->magic, LOG_FILE_MAGIC, 8);
	assert_int_equal(header->version, LOG_FILE_VERSION);
	assert_int_equal(header->segments, SEGMENTS);
	assert_int_equal(header->segment_bytes, LOG_SEGMENT_BYTES);
	assert_int_equal(header->states, LOG_STATES_MAX);
	assert_int_equal(header->state_bytes, sizeof(struct egress_log_state));
	assert_int_equal(header->label_bytes, sizeof(struct log_segment_label));
	assert_int_equal(header->data_offset % LOG_SEGMENT_BYTES, 0);
	assert_int_equal(st.st_size, header->data_offset + SEGMENTS * (off_t)LOG_SEGMENT_BYTES);
	states = (const void *)(map + header->states_offset);
	assert_int_equal(states[LOG_STATES_MAX - 1].tail, 42);
	labels = (const void *)(map + header->labels_offset);
	assert_true((const uint8_t *)&labels[SEGMENTS] <= map + header->data_offset);
	assert_true((const uint8_t *)&states[LOG_STATES_MAX] <= (const uint8_t *)labels);
	assert_int_equal(labels[segment].log_index, 77);
	assert_int_equal(labels[segment].part, 123456);
	assert_int_equal(labels[other].log_index, LOG_SEGMENT_FREE);
	assert_string_equal((const char *)map + log_pool_file_offset(pool, segment), "held");
	log_pool_unlabel(pool, segment);
	assert_int_equal(labels[segment].log_index, LOG_SEGMENT_FREE);
	munmap(map, (size_t)st.st_size);
}

static void descriptor_for_clients_is_read_only(void **state)
{
	struct log_pool *pool = *state;
	char magic[8];
	int fd = log_pool_fd(pool);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, magic, sizeof(magic), 0), sizeof(magic));
	assert_memory_equal(magic, LOG_FILE_MAGIC, sizeof(magic));
	assert_int_equal(write(fd, "x", 1), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(errno, EACCES);
	close(fd);
}

static void frames_in_the_mapping_have_the_address_as_iova_in_va_mode(void **state)
{
	struct log_pool *pool = *state;

	assert_int_equal(rte_eal_iova_mode(), RTE_IOVA_VA);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		assert_int_equal(log_pool_iova(pool, i), (uintptr_t)log_pool_addr(pool, i));
}

static void dma_memory_is_known_to_dpdk_until_destroy(void **state)
{
	struct log_pool *pool = log_pool_create(unit_path("dma"), 1, 1, true);
	struct rte_memseg *seg;
	size_t bytes;
	void *map;

	assert_non_null(pool);
	map = log_pool_memory(pool, &bytes);
	assert_true(bytes >= 2 * (size_t)LOG_SEGMENT_BYTES);
	seg = rte_mem_virt2memseg(log_pool_addr(pool, 0), NULL);
	assert_non_null(seg);
	assert_int_equal(seg->iova, (uintptr_t)log_pool_addr(pool, 0));
	log_pool_destroy(pool);
	assert_null(rte_mem_virt2memseg_list(map));
}

static void old_file_is_replaced_not_reused(void **state)
{
	struct log_pool *pool;
	struct stat before, after;
	int fd = open(unit_path("old"), O_RDWR | O_CREAT, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old", 3), 3);
	assert_int_equal(fstat(fd, &before), 0);
	pool = log_pool_create(unit_path("old"), 1, 1, false);
	assert_non_null(pool);
	assert_int_equal(stat(unit_path("old"), &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_mode & 0777, 0600);
	close(fd);
	log_pool_destroy(pool);
}

static void bad_arguments_and_places_are_errors(void **state)
{
	char endless[5000];

	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	assert_null(log_pool_create(unit_path("none"), 0, 1, false));
	assert_int_equal(errno, EINVAL);
	assert_null(log_pool_create(endless, 1, 1, false));
	assert_int_equal(errno, EINVAL);
	assert_null(log_pool_create(unit_path("no/such/folder"), 1, 1, false));
	assert_int_equal(errno, ENOENT);
	assert_null(log_pool_create(unit_dir, 1, 1, false));
	assert_true(errno == EISDIR || errno == EPERM);
	log_pool_destroy(NULL);
}

static void lack_of_space_is_an_error_now_and_leaves_no_file(void **state)
{
	struct rlimit limit, old;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 4 * LOG_SEGMENT_BYTES;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_null(log_pool_create(unit_path("full"), 8, 1, false));
	assert_int_equal(errno, EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(access(unit_path("full"), F_OK), -1);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *take_and_release(void *arg)
{
	struct log_pool *pool = arg;
	uintptr_t clashes = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t segment = log_pool_take(pool);
		uint32_t *owner;

		if (segment == LOG_SEGMENT_NONE)
			continue;
		owner = log_pool_addr(pool, segment);
		/* Nobody else may have it: the word is ours between take and release. */
		clashes += __atomic_exchange_n(owner, 1, __ATOMIC_RELAXED) != 0;
		log_pool_hold(pool, segment, 3);
		for (int j = 0; j < 3; j++)
			log_pool_release(pool, segment);
		clashes += __atomic_exchange_n(owner, 0, __ATOMIC_RELAXED) != 1;
		log_pool_release(pool, segment);
	}
	return (void *)clashes;
}

static void a_signal_does_not_end_the_creation(void **state)
{
	struct log_pool *pool;

	n_signals = 3;
	pool = log_pool_create(unit_path("log"), SEGMENTS, 1, false);
	assert_non_null(pool);
	assert_int_equal(n_signals, 0);
	log_pool_destroy(pool);
}

static void threads_take_and_release_without_sharing_a_segment(void **state)
{
	struct log_pool *pool = *state;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, pool), 0);
	for (int i = 0; i < THREADS; i++) {
		void *clashes;

		pthread_join(threads[i], &clashes);
		assert_null(clashes);
	}
	assert_int_equal(log_pool_free_count(pool), SEGMENTS);
}

static int suite_setup(void **state)
{
	mbufs = rte_pktmbuf_pool_create("mbufs", 63, 0, 0, 0, SOCKET_ID_ANY);
	return mbufs ? 0 : -1;
}

static int suite_teardown(void **state)
{
	rte_mempool_free(mbufs);
	return 0;
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(segments_are_distinct_and_run_out),
		POOL_TEST(each_owner_gets_its_share_whatever_another_holds),
		POOL_TEST(segment_freed_last_is_taken_first),
		POOL_TEST(segment_goes_back_with_its_last_reference),
		POOL_TEST(attached_mbufs_and_their_clones_count_as_references),
		POOL_TEST(labels_states_and_bytes_can_be_read_from_the_file),
		POOL_TEST(descriptor_for_clients_is_read_only),
		POOL_TEST(frames_in_the_mapping_have_the_address_as_iova_in_va_mode),
		POOL_TEST(threads_take_and_release_without_sharing_a_segment),
		cmocka_unit_test(dma_memory_is_known_to_dpdk_until_destroy),
		cmocka_unit_test(old_file_is_replaced_not_reused),
		cmocka_unit_test(bad_arguments_and_places_are_errors),
		cmocka_unit_test(lack_of_space_is_an_error_now_and_leaves_no_file),
		cmocka_unit_test(a_signal_does_not_end_the_creation),
	};

	int failed;

	if (unit_eal_init(argv[0]) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, suite_setup, suite_teardown);
	unit_eal_end();
	return failed;
}
