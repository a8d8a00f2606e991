/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of renicd/nic/filter_words.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "filter_words.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void what_needs_no_looking_up_is_known(void **state)
{
	static const char *const rows[] = {
		"",
		"arp",
		"arp or (udp port 53)",
		"tcp port http or portrange 6000-6008 or dst port ftp-data",
		"net 192.168 or net 10.0.0.0/8 or src net 10 mask 255.0.0.0",
		"ip host 10.0.0.1&&!ip6 host fe80::1",
		"ether host 52:54:00:ab:cd:ef or ether proto 0x88cc or ether proto \\arp",
		"tcp[tcpflags]&(tcp-syn|tcp-fin)!=0 and ip[2:2]-20>60",
		"icmp[icmptype] == icmp-echo or vlan 5 and len <= 100",
		"ip[0]>>4%3^1 = 0",
		"tcp dst port ftp or ftp-data or (domain and not http)",
		"ip proto gre or ospf",
		"ip6 net 2001:db8::/32 and ip[2:2]/4 = -1",
		"icmp6[icmp6type] == icmp6-multicastlistenerquery",
	};
	char word[64];

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_true(filter_words_are_known(rows[i], word, sizeof(word)));
}

static void names_of_hosts_and_networks_are_not(void **state)
{
	static const struct {
		const char *expression, *word;
	} rows[] = {
		{"host ntp.example", "ntp.example"},
		{"udp port 123 and dst gw", "gw"},
		{"net loopback", "loopback"},
		{"arp or 3c.de", "3c.de"},
		{"ether host router", "router"},
		{"port http or tcp or web", "web"},
		{"host \\tcp", "\\tcp"},
		{"host 10-20", "10-20"},
		{"host 10.0.0.1.5", "10.0.0.1.5"},
		{"host 10.0.0.", "10.0.0."},
		{"host 10..1", "10..1"},
		{"host 0x", "0x"},
		{"host bad:", "bad:"},
		{"host dead:beef", "dead:beef"},
		{"ether host 52:54:00:ab:cd:ef:01", "52:54:00:ab:cd:ef:01"},
		{"host 10.0.0.1 and (port http) or backup", "backup"},
		{"host 0xgood", "0xgood"},
		{"host a-name-that-is-longer-than-all-the-room", "a-name-that-is-longer-than-all-"},
	};
	char word[32];

	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_false(filter_words_are_known(rows[i].expression, word, sizeof(word)));
		assert_string_equal(word, rows[i].word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_needs_no_looking_up_is_known),
		cmocka_unit_test(names_of_hosts_and_networks_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
