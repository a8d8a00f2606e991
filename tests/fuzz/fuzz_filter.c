/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hold_exempt: a line of text through libpcap's compiler, the conversion to eBPF, its check and
 * its machine code; then the program on the bytes after the line, as a frame in one mbuf and cut
 * in two. A refusal says why.
 */
#include <netdb.h>

#include <pcap/pcap.h>
#include <rte_bpf.h>
#include <rte_mbuf.h>

#include "filter.h"
#include "fuzz.h"
#include "nic.h"
#include "unit_eal.h"

enum { POOL = 63, FRAME_MAX = 1024, EXPRESSION_MAX = 512 };

static struct rte_mempool *pool;

/* libpcap asks for names that it does not know: not the network's business here. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result)
{
	return EAI_NONAME;
}

static void end(void)
{
	rte_mempool_free(pool);
	unit_eal_end();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_REQUIRE(!unit_eal_init("fuzz_filter"));
	pool = rte_pktmbuf_pool_create(
		"fuzz", POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	FUZZ_REQUIRE(pool);
	atexit(end);
	return 0;
}

static struct rte_mbuf *mbuf_of(const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	FUZZ_REQUIRE(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
	return m;
}

/* libpcap's own interpreter says the same of the frame: the reference. */
static bool reference(const char *expression, const uint8_t *bytes, size_t n)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, UINT16_MAX);
	struct bpf_program program;
	bool match;

	FUZZ_REQUIRE(pcap);
	FUZZ_REQUIRE(!pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN));
	match = bpf_filter(program.bf_insns, bytes, (u_int)n, (u_int)n);
	pcap_freecode(&program);
	pcap_close(pcap);
	return match;
}

/* The verdict on a frame does not depend on how it lies in memory, nor on who gives it. */
static void run(
	const struct vf_policy *policy, const char *expression, const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *whole = mbuf_of(bytes, n), *first = mbuf_of(bytes, n / 2);
	bool exempt = policy->exempt(whole);

	rte_pktmbuf_chain(first, mbuf_of(bytes + n / 2, n - n / 2));
	FUZZ_REQUIRE(exempt == !!rte_bpf_exec(policy->exempt_bpf, whole));
	FUZZ_REQUIRE(exempt == !!policy->exempt(first));
	FUZZ_REQUIRE(exempt == reference(expression, bytes, n));
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);
	size_t length = newline ? (size_t)(newline - data) : size, frame = 0;
	struct vf_policy policy = {0};
	char expression[EXPRESSION_MAX];
	struct nic_error err = {0};

	snprintf(expression, sizeof(expression), "%.*s", (int)length, (const char *)data);
	if (newline)
		frame = RTE_MIN(size - length - 1, (size_t)FRAME_MAX);
	if (filter_compile_exempt(&policy, expression, &err)) {
		FUZZ_REQUIRE(err.message[0] && !strcmp(err.field, "hold_exempt"));
		FUZZ_REQUIRE(!policy.exempt && !policy.exempt_bpf);
		return 0;
	}
	FUZZ_REQUIRE(!policy.exempt == !expression[0]);
	if (policy.exempt)
		run(&policy, expression, newline ? newline + 1 : data, frame);
	rte_bpf_destroy(policy.exempt_bpf);
	return 0;
}
