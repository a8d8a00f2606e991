/* SPDX-License-Identifier: BSD-3-Clause */
/* See filter_words.h. Names of services (after port and portrange) are left to libpcap: they are in
 * a file, and many people write them. */
#include <stdlib.h>
#include <string.h>

#include "filter_words.h"

#define SEPARATORS " \t\r\n()[]!&|<>=+*%^"
#define OF_NUMBERS "0123456789./-"
#define OF_ADDRESSES "0123456789abcdefABCDEF:./"
#define OF_HEX "0123456789abcdefABCDEF"

/* In alphabetical order. */
static const char *const words[] = {"aarp", "ah", "and", "arp", "atalk", "broadcast", "byte",
	"carp", "clnp", "csnp", "decnet", "dst", "es-is", "esis", "esp", "ether", "gateway",
	"geneve", "greater", "host", "icmp", "icmp-echo", "icmp-echoreply", "icmp-ireq",
	"icmp-ireqreply", "icmp-maskreply", "icmp-maskreq", "icmp-paramprob", "icmp-redirect",
	"icmp-routeradvert", "icmp-routersolicit", "icmp-sourcequench", "icmp-timxceed",
	"icmp-tstamp", "icmp-tstampreply", "icmp-unreach", "icmp6", "icmp6-destinationunreach",
	"icmp6-echo", "icmp6-echoreply", "icmp6-neighboradvert", "icmp6-neighborsolicit",
	"icmp6-packettoobig", "icmp6-parameterproblem", "icmp6-redirect", "icmp6-routeradvert",
	"icmp6-routersolicit", "icmp6-timeexceeded", "icmp6code", "icmp6type", "icmpcode",
	"icmptype", "igmp", "igrp", "iih", "inbound", "ip", "ip6", "ipx", "is-is", "isis", "iso",
	"l1", "l2", "lat", "len", "length", "less", "link", "lsp", "mask", "mopdl", "moprc", "mpls",
	"multicast", "net", "netbeui", "not", "or", "outbound", "pim", "port", "portrange",
	"pppoed", "pppoes", "proto", "protochain", "psnp", "rarp", "sca", "sctp", "snp", "src",
	"stp", "tcp", "tcp-ack", "tcp-cwr", "tcp-ece", "tcp-fin", "tcp-push", "tcp-rst", "tcp-syn",
	"tcp-urg", "tcpflags", "udp", "vlan", "vrrp"};

static int by_name(const void *word, const void *row)
{
	return strcmp(word, *(const char *const *)row);
}

static bool is_word(const char *word)
{
	return bsearch(word, words, sizeof(words) / sizeof(words[0]), sizeof(words[0]), by_name);
}

static bool consists_of(const char *word, const char *characters)
{
	return word[strspn(word, characters)] == '\0';
}

/* Numbers, IPv4, and with a colon IPv6 and MAC addresses: no host can be called so. */
static bool is_address(const char *word)
{
	if (consists_of(word, OF_NUMBERS))
		return true;
	if (!strncmp(word, "0x", 2))
		return consists_of(word + 2, OF_HEX);
	return strchr(word, ':') && consists_of(word, OF_ADDRESSES);
}

bool filter_words_are_known(const char *expression, char *word, size_t size)
{
	bool may_be_service = false;

	for (const char *at = expression; *at;) {
		size_t bytes = strcspn(at, SEPARATORS), skip = *at == '\\';

		if (bytes > skip) {
			size_t kept = bytes - skip < size - 1 ? bytes - skip : size - 1;

			memcpy(word, at + skip, kept);
			word[kept] = '\0';
			if (!may_be_service && !is_word(word) && !is_address(word))
				return false;
			may_be_service = !strcmp(word, "port") || !strcmp(word, "portrange");
		}
		at += bytes;
		at += strspn(at, SEPARATORS);
	}
	return true;
}
