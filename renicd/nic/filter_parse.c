/* SPDX-License-Identifier: BSD-3-Clause */
/* See filter_parse.h. */
#include <stdint.h>
#include <stdio.h>

#include <pcap/pcap.h>

#include "filter_parse.h"
#include "filter_words.h"

/* libpcap would look up whoever has an unknown word for a name. */
static int check_words(const char *expression, const char *field, struct nic_error *err)
{
	char word[64];

	if (filter_words_are_known(expression, word, sizeof(word)))
		return 0;
	nic_fail_value(err, field, expression, "a pcap-filter expression without names");
	if (err)
		snprintf(err->message, sizeof(err->message),
			"%s: \"%s\" is no word of pcap-filter, no number and no address; names "
			"are not looked up",
			field, word);
	return RENIC_E_PARAMS;
}

int filter_parse(const char *expression, const char *field, struct bpf_program *program,
	struct nic_error *err)
{
	int rc = check_words(expression, field, err);
	pcap_t *pcap;

	if (rc)
		return rc;
	pcap = pcap_open_dead(DLT_EN10MB, UINT16_MAX);
	if (!pcap)
		return nic_fail(err, RENIC_E_RESOURCES, field, "libpcap: no memory");
	if (pcap_compile(pcap, program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		rc = nic_fail_value(err, field, expression, "a pcap-filter expression");
		if (err)
			snprintf(err->message, sizeof(err->message), "%s: %s", field,
				pcap_geterr(pcap));
	}
	pcap_close(pcap);
	return rc;
}

int filter_check(const char *expression, const char *field, struct nic_error *err)
{
	struct bpf_program program;
	int rc = expression[0] ? filter_parse(expression, field, &program, err) : 0;

	if (expression[0] && !rc)
		pcap_freecode(&program);
	return rc;
}
