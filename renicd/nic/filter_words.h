/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a pcap-filter(7) expression. libpcap looks the names of hosts and networks up, which
 * takes as long as a resolver likes: not on the control thread, and not at a failover. And two
 * hosts may find different addresses. So such names are refused before libpcap sees them.
 */
#ifndef RENICD_NIC_FILTER_WORDS_H
#define RENICD_NIC_FILTER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Would libpcap look up no host and no network of `expression`? Else false, with the first word
 * that is neither of its language nor a number or an address, or that is longer than size, in
 * `word` (the part of it that fits). Any thread. */
bool filter_words_are_known(const char *expression, char *word, size_t size);

#endif
