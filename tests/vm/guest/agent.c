/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the test guests run beside busybox: a static program without dependencies that makes and
 * checks traffic a byte at a time exact.
 *
 *   agent serve                services: TCP 7 echo, TCP 9 sink (answers with length and CRC-32
 *                              of what it read until end of file), TCP 19 source (the client
 *                              sends "BYTES\n"; answers with that many pseudo-random bytes and
 *                              their CRC-32 in 8 hex digits), UDP 4000 counter and TCP 4000 its
 *                              report, TCP 4001 stream (32-bit big-endian numbers from 0 on,
 *                              one each STREAM_GAP_US)
 *   agent count HOST PORT N US send N numbered datagrams, US microseconds apart
 *   agent dirty MIB US         write to every page of that much memory, US microseconds apart
 *   agent fetch HOST PORT N    get N bytes from a source, check length and CRC-32
 *
 * A numbered datagram begins with a 32-bit big-endian number that counts from 0; number 0
 * resets the counter.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	PORT_ECHO = 7,
	PORT_SINK = 9,
	PORT_SOURCE = 19,
	PORT_COUNTER = 4000,
	PORT_STREAM = 4001,
	CHUNK = 65536,
	STREAM_GAP_US = 5000,
};

static uint32_t crc_table[256];

static void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		crc_table[i] = c;
	}
}

/* CRC-32 as zlib has it: start with 0, feed the last result. */
static uint32_t crc_update(uint32_t crc, const uint8_t *data, size_t n)
{
	crc = ~crc;
	while (n--)
		crc = crc_table[(crc ^ *data++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

static uint32_t xorshift32(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

static void fill_random(uint32_t *state, uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(uint32_t)) {
		uint32_t word = xorshift32(state);

		memcpy(data + i, &word, sizeof(word));
	}
}

static bool write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k <= 0)
			return false;
		p += k;
		n -= k;
	}
	return true;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- TCP services ---- */

static void serve_echo(int fd)
{
	static uint8_t buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 && write_all(fd, buf, n))
		;
}

static void serve_sink(int fd)
{
	static uint8_t buf[CHUNK];
	unsigned long long total = 0;
	uint32_t crc = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		crc = crc_update(crc, buf, n);
		total += n;
	}
	dprintf(fd, "%llu %08x\n", total, crc);
}

static void serve_source(int fd)
{
	static uint8_t buf[CHUNK];
	uint32_t crc = 0, state = 0x2545f491;
	char line[32] = "";
	unsigned long long left;

	for (size_t n = 0; n < sizeof(line) - 1 && read(fd, line + n, 1) == 1; n++)
		if (line[n] == '\n')
			break;
	left = strtoull(line, NULL, 10);
	while (left > 0) {
		size_t n = left < sizeof(buf) ? left : sizeof(buf);

		fill_random(&state, buf, sizeof(buf));
		crc = crc_update(crc, buf, n);
		if (!write_all(fd, buf, n))
			return;
		left -= n;
	}
	dprintf(fd, "%08x", crc);
}

static void serve_stream(int fd)
{
	struct timespec gap = {.tv_nsec = STREAM_GAP_US * 1000};

	for (uint32_t i = 0;; i++) {
		uint32_t no = htonl(i);

		if (!write_all(fd, &no, sizeof(no)))
			return;
		nanosleep(&gap, NULL);
	}
}

/* ---- numbered datagrams ---- */

/* Shared between the receiving process and the one that reports. */
static struct tally {
	uint32_t received, next, lost, late;
} * tally;

/* Late: a datagram whose number is below one seen before, so reordered or repeated. */
static void count_datagrams(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT_COUNTER)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = 4 << 20;
	uint8_t buf[2048];
	uint32_t no;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < (ssize_t)sizeof(no))
			continue;
		memcpy(&no, buf, sizeof(no));
		no = ntohl(no);
		if (no == 0)
			memset(tally, 0, sizeof(*tally));
		tally->received++;
		if (no < tally->next) {
			tally->late++;
			continue;
		}
		tally->lost += no - tally->next;
		tally->next = no + 1;
	}
}

static void serve_report(int fd)
{
	dprintf(fd, "received %u next %u lost %u late %u\n", tally->received, tally->next,
		tally->lost, tally->late);
}

static int send_numbered(const char *host, int port, uint32_t n, long gap_us)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timespec gap = {gap_us / 1000000, gap_us % 1000000 * 1000};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t buf[64] = {0};

	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		return 2;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t no = htonl(i);

		memcpy(buf, &no, sizeof(no));
		/* Blocks while the NIC's queue is full: backpressure, not loss. */
		if (sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&addr, sizeof(addr)) < 0)
			die("sendto");
		if (gap_us > 0)
			nanosleep(&gap, NULL);
	}
	printf("sent %u\n", n);
	return 0;
}

/* A guest with much to copy in each checkpoint. */
static void dirty(size_t mib, long gap_us)
{
	struct timespec gap = {gap_us / 1000000, gap_us % 1000000 * 1000};
	size_t bytes = mib << 20;
	volatile uint8_t *memory = malloc(bytes);

	if (!memory)
		die("malloc");
	for (uint8_t n = 0;; n++) {
		for (size_t at = 0; at < bytes; at += 4096)
			memory[at] = n;
		nanosleep(&gap, NULL);
	}
}

static int fetch(const char *host, int port, unsigned long long want)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static uint8_t buf[CHUNK];
	char tail[9] = "", expect[9];
	unsigned long long got = 0;
	uint32_t crc = 0;

	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		return 2;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect");
	dprintf(fd, "%llu\n", want);
	while (got < want) {
		size_t room = want - got < sizeof(buf) ? want - got : sizeof(buf);
		ssize_t n = read(fd, buf, room);

		if (n <= 0)
			break;
		crc = crc_update(crc, buf, n);
		got += n;
	}
	for (size_t n = 0; n < 8 && read(fd, tail + n, 1) == 1; n++)
		;
	snprintf(expect, sizeof(expect), "%08x", crc);
	printf("fetched %llu crc %s\n", got, strcmp(tail, expect) == 0 ? "right" : "WRONG");
	return got == want && strcmp(tail, expect) == 0 ? 0 : 1;
}

/* ---- the server: a process a service, a process a connection ---- */

static void listen_on(int port, void (*serve)(int fd))
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 16) < 0)
		die("listen");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (fork() == 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			serve(fd);
			exit(0);
		}
		close(fd);
	}
}

static int serve_all(void)
{
	static const struct {
		int port;
		void (*serve)(int fd);
	} services[] = {
		{PORT_ECHO, serve_echo},
		{PORT_SINK, serve_sink},
		{PORT_SOURCE, serve_source},
		{PORT_COUNTER, serve_report},
		{PORT_STREAM, serve_stream},
	};

	tally = mmap(
		NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (fork() == 0)
			listen_on(services[i].port, services[i].serve);
	count_datagrams();
	return 1;
}

int main(int argc, char **argv)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	crc_init();
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve_all();
	if (argc == 6 && strcmp(argv[1], "count") == 0)
		return send_numbered(
			argv[2], atoi(argv[3]), strtoul(argv[4], NULL, 10), atol(argv[5]));
	if (argc == 4 && strcmp(argv[1], "dirty") == 0)
		dirty(strtoul(argv[2], NULL, 10), atol(argv[3]));
	if (argc == 5 && strcmp(argv[1], "fetch") == 0)
		return fetch(argv[2], atoi(argv[3]), strtoull(argv[4], NULL, 10));
	fprintf(stderr, "usage: agent serve | count HOST PORT N US | dirty MIB US | fetch HOST PORT N\n");
	return 2;
}
