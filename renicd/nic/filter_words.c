/* SPDX-License-Identifier: BSD-3-Clause */
/* See filter_words.h. Names of services and protocols (after port, portrange, proto, protochain,
 * and in a list that goes on from there) are left to libpcap: they are in files, and many people
 * write them. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "filter_words.h"

#define SEPARATORS " \t\r\n()[]!&|<>=+*%^"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define NESTED_MAX 32 /* parentheses */
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* In alphabetical order. */
static const char *const words[] = {"aarp", "ah", "and", "arp", "atalk", "broadcast", "byte",
	"carp", "clnp", "csnp", "decnet", "dst", "es-is", "esis", "esp", "ether", "gateway",
	"geneve", "greater", "host", "icmp", "icmp-echo", "icmp-echoreply", "icmp-ireq",
	"icmp-ireqreply", "icmp-maskreply", "icmp-maskreq", "icmp-paramprob", "icmp-redirect",
	"icmp-routeradvert", "icmp-routersolicit", "icmp-sourcequench", "icmp-timxceed",
	"icmp-tstamp", "icmp-tstampreply", "icmp-unreach", "icmp6", "icmp6-certpathadvert",
	"icmp6-certpathsolicit", "icmp6-destinationunreach", "icmp6-echo", "icmp6-echoreply",
	"icmp6-homeagentdiscoveryreply", "icmp6-homeagentdiscoveryrequest",
	"icmp6-ineighbordiscoveryadvert", "icmp6-ineighbordiscoverysolicit",
	"icmp6-mobileprefixadvert", "icmp6-mobileprefixsolicit", "icmp6-multicastlistenerdone",
	"icmp6-multicastlistenerquery", "icmp6-multicastlistenerreportv1",
	"icmp6-multicastlistenerreportv2", "icmp6-multicastrouteradvert",
	"icmp6-multicastroutersolicit", "icmp6-multicastroutertermination", "icmp6-neighboradvert",
	"icmp6-neighborsolicit", "icmp6-nodeinformationquery", "icmp6-nodeinformationresponse",
	"icmp6-packettoobig", "icmp6-parameterproblem", "icmp6-redirect", "icmp6-routeradvert",
	"icmp6-routerrenum", "icmp6-routersolicit", "icmp6-timeexceeded", "icmp6code", "icmp6type",
	"icmpcode", "icmptype", "igmp", "igrp", "iih", "inbound", "ip", "ip6", "ipx", "is-is",
	"isis", "iso", "l1", "l2", "lat", "len", "length", "less", "link", "llc", "lsp", "mask",
	"mopdl", "moprc", "mpls", "multicast", "net", "netbeui", "not", "or", "outbound", "pim",
	"port", "portrange", "pppoed", "pppoes", "proto", "protochain", "psnp", "rarp", "sca",
	"sctp", "snp", "src", "stp", "tcp", "tcp-ack", "tcp-cwr", "tcp-ece", "tcp-fin", "tcp-push",
	"tcp-rst", "tcp-syn", "tcp-urg", "tcpflags", "udp", "vlan", "vrrp"};

static const char *const conjunctions[] = {"and", "not", "or"};
static const char *const before_names[] = {"port", "portrange", "proto", "protochain"};

static int by_name(const void *word, const void *row)
{
	return strcmp(word, *(const char *const *)row);
}

static bool is_one_of(const char *word, const char *const *rows, size_t n)
{
	return bsearch(word, rows, n, sizeof(*rows), by_name);
}

static bool consists_of(const char *word, const char *characters)
{
	return word[strspn(word, characters)] == '\0';
}

/* a.b.c.d and shorter, as libpcap reads them: with a fifth or an empty part it would be a name. */
static bool is_dotted(const char *word)
{
	unsigned parts = 1;

	for (const char *c = word; *c; c++)
		if (*c == '.' && (c == word || c[1] == '.' || !c[1] || ++parts > 4))
			return false;
	return consists_of(word, DIGITS ".");
}

static bool is_mac(const char *word)
{
	unsigned groups = 0;

	for (size_t digits; (digits = strspn(word, HEX)) == 1 || digits == 2; groups++) {
		word += digits;
		if (*word != ':')
			return groups == 5 && !*word;
		word++;
	}
	return false;
}

/* A number or an address: no host can be called so. */
static bool is_address(const char *word)
{
	char text[64];
	size_t bytes = strcspn(word, "/");
	struct in6_addr ip6;

	if (bytes >= sizeof(text) || (word[bytes] && !consists_of(&word[bytes + 1], DIGITS)))
		return false;
	memcpy(text, word, bytes);
	text[bytes] = '\0';
	word = text + (*text == '-');
	if (!strncmp(word, "0x", 2))
		return word[2] && consists_of(word + 2, HEX);
	return is_dotted(word) || consists_of(word, DIGITS ":") || is_mac(word) ||
	       inet_pton(AF_INET6, word, &ip6) == 1;
}

/* One word; *named: may a name of those that are in files stand there? */
static bool is_known(const char *word, bool *named)
{
	bool is_name = *word == '\\', is_word = !is_name && is_one_of(word, words, COUNT(words));

	if (is_word && !is_one_of(word, conjunctions, COUNT(conjunctions)))
		*named = is_one_of(word, before_names, COUNT(before_names));
	return is_word || *named || (!is_name && is_address(word));
}

bool filter_words_are_known(const char *expression, char *word, size_t size)
{
	bool named[1 + NESTED_MAX] = {false}; /* what held before each open parenthesis, and now */
	size_t depth = 0, bytes, kept;

	for (const char *at = expression; *at; at += bytes ? bytes : 1) {
		bytes = strcspn(at, SEPARATORS);
		kept = bytes < size - 1 ? bytes : size - 1;
		memcpy(word, at, kept);
		word[kept] = '\0';
		if (kept < bytes || (bytes && !is_known(word, &named[depth])))
			return false;
		if (*at == '(' && ++depth > NESTED_MAX)
			return false;
		if (*at == '(')
			named[depth] = named[depth - 1];
		else if (*at == ')' && depth)
			depth--;
	}
	return true;
}
