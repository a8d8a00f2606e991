/* SPDX-License-Identifier: BSD-3-Clause */
/* Command lines to typed requests, and what is said about those that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "args.h"

static char why[ARGS_WHY_SIZE];

/* Splits at blanks, finds the command in the real table, parses. NULL: `why` says why. */
static json_t *parse(const char *line)
{
	static char copy[512];
	const struct command *command;
	char *argv[32], *save;
	int argc = 0, used;

	strcpy(copy, line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	command = command_find(argc, argv, &used);
	assert_non_null(command);
	return args_parse(command->params, argc - used, argv + used, why);
}

static void assert_parses(const char *line, const char *expected)
{
	json_t *got = parse(line), *wanted = json_loads(expected, 0, NULL);

	assert_non_null(wanted);
	if (!got)
		fail_msg("%s: %s", line, why);
	if (!json_equal(got, wanted))
		fail_msg("%s: %s, not %s", line, json_dumps(got, JSON_COMPACT), expected);
	json_decref(got);
	json_decref(wanted);
}

static void assert_refused(const char *line, const char *part)
{
	json_t *got = parse(line);

	if (got)
		fail_msg("%s was accepted", line);
	if (!strstr(why, part))
		fail_msg("%s: '%s' does not say '%s'", line, why, part);
}

static void words_become_typed_members(void **state)
{
	assert_parses("vf list", "{}");
	assert_parses(
		"vf create web mac=52:54:00:00:00:01 vlan=010 queues=0x2 role=server packed=off"
		" spoofchk=yes mtu=1500 egress_log_bytes=64M socket=/a=b hold_exempt=",
		"{\"name\":\"web\",\"mac\":\"52:54:00:00:00:01\",\"vlan\":10,\"queues\":2,"
		"\"role\":\"server\",\"packed\":false,\"spoofchk\":true,\"mtu\":1500,"
		"\"egress_log_bytes\":67108864,\"socket\":\"/a=b\",\"hold_exempt\":\"\"}");
	assert_parses("vf set web vlan=-1", "{\"name\":\"web\",\"vlan\":-1}");
	assert_parses("vf delete web --force", "{\"name\":\"web\",\"force\":true}");
	assert_parses("vf delete --force -- web", "{\"name\":\"web\",\"force\":true}");
	assert_parses("group create g a,b c internal=pass replicator_timeout_ms=500",
		"{\"name\":\"g\",\"vfs\":[\"a\",\"b\",\"c\"],\"internal\":\"pass\","
		"\"replicator_timeout_ms\":500}");
	assert_parses("protection stop g --discard", "{\"group\":\"g\",\"held\":\"discard\"}");
	assert_parses("checkpoint commit g 9007199254740993",
		"{\"group\":\"g\",\"epoch\":9007199254740993}");
	assert_parses("log level debug vhost", "{\"level\":\"debug\",\"module\":\"vhost\"}");
	assert_parses("events vf_created,vf_deleted group_state -n 3",
		"{\"types\":[\"vf_created\",\"vf_deleted\",\"group_state\"],\"count\":3}");
	assert_parses("call x {\"a\":[1]}", "{\"method\":\"x\",\"params\":{\"a\":[1]}}");
	assert_parses("top -d0.5 -b --count=2", "{\"delay\":500000,\"batch\":true,\"count\":2}");
}

static void unknown_keys_are_named_with_the_known_ones(void **state)
{
	assert_refused("vf create v colour=red", "unknown key 'colour'; known are: mac vlan");
	assert_refused("vf set v role=client", "unknown key 'role'");
	assert_refused("vf set v =1", "unknown key ''");
	assert_refused("vf set v vla=1", "unknown key 'vla'");
}

static void wrong_values_name_key_value_and_what_was_expected(void **state)
{
	assert_refused("vf create v vlan=abc", "vlan: got 'abc', expected a whole number");
	assert_refused("vf create v vlan=", "vlan: got ''");
	assert_refused("vf create v vlan=1x", "vlan: got '1x'");
	assert_refused("vf create v vlan=99999999999999999999", "vlan");
	assert_refused("vf create v packed=maybe", "packed: got 'maybe', expected on or off");
	assert_refused("vf create v egress_log_bytes=1T", "egress_log_bytes: got '1T'");
	assert_refused("vf create v egress_log_bytes=-1", "egress_log_bytes");
	assert_refused("vf create v egress_log_bytes=9999999999G", "egress_log_bytes");
	assert_refused("vf create v mac=\xff", "mac");
	assert_refused("group create g a,,b", "VF[,VF]: got 'a,,b'");
	assert_refused("checkpoint commit g now", "EPOCH: got 'now'");
	assert_refused("call x [1]", "PARAMS: got '[1]', expected a JSON object");
	assert_refused("call x {", "PARAMS");
}

static void missing_and_surplus_words_are_named(void **state)
{
	assert_refused("vf get", "NAME is missing");
	assert_refused("checkpoint commit g", "EPOCH is missing");
	assert_refused("vf get a b", "unexpected 'b'");
	assert_refused("vf set a b", "unexpected 'b'; settings are KEY=VALUE");
	assert_refused("vf list x", "unexpected 'x'");
	assert_refused("vf create v vlan=1 vlan=2", "vlan is given twice");
	assert_refused("vf get v --force", "unknown option '--force'");
	assert_refused("vf delete v --force=1", "--force takes no value");
	assert_refused("vf delete v --forced", "unknown option '--forced'");
	assert_refused("top -x", "unknown option '-x'");
	assert_refused("protect g --interval", "--interval needs a value");
}

static void times_have_units_and_bounds(void **state)
{
	assert_parses("protect g --interval 25ms", "{\"group\":\"g\",\"interval\":25000}");
	assert_parses("protect g -i 500us", "{\"group\":\"g\",\"interval\":500}");
	assert_parses("protect g --interval=1s", "{\"group\":\"g\",\"interval\":1000000}");
	assert_parses("protect g --interval 2.5ms --rtt-delay 10 --in-flight 3 --leave-held",
		"{\"group\":\"g\",\"interval\":2500,\"commit_delay\":10000,\"in_flight\":3,"
		"\"leave_held\":true}");
	assert_parses("protect g --commit-delay 0", "{\"group\":\"g\",\"commit_delay\":0}");
	for (const char **bad = (const char *[]){"0", "0ms", "99us", "61s", "-5ms", "ms", "5 ms",
		     "5msx", "1..5s", ".", "5h", "1e3ms", "99999999999999999s", NULL};
		*bad; bad++) {
		char *argv[] = {"g", "--interval", (char *)*bad};
		int used;
		const struct command *protect = command_find(1, (char *[]){"protect"}, &used);

		if (args_parse(protect->params, 3, argv, why))
			fail_msg("%s was accepted", *bad);
		assert_non_null(strstr(why, "--interval: got"));
		assert_non_null(strstr(why, "from 100us to 60s"));
	}
	assert_refused("protect g --in-flight 256",
		"--in-flight: got '256', expected a whole number, "
		"from 1 to 255");
	assert_refused("protect g --rtt-delay 1 --commit-delay 1", "given twice");
}

static void global_options_may_stand_anywhere(void **state)
{
	char *argv[] = {"-j", "vf", "--socket=/a", "delete", "v", "--force", "-t", "2", "--", "-j"};
	int argc = 10;
	json_t *globals = args_extract(global_params, &argc, argv, why);

	assert_non_null(globals);
	assert_true(json_is_true(json_object_get(globals, "json")));
	assert_string_equal(json_string_value(json_object_get(globals, "socket")), "/a");
	assert_int_equal(json_integer_value(json_object_get(globals, "timeout")), 2000000);
	assert_int_equal(argc, 6);
	assert_string_equal(argv[0], "vf");
	assert_string_equal(argv[3], "--force");
	assert_string_equal(argv[5], "-j");
	json_decref(globals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_typed_members),
		cmocka_unit_test(unknown_keys_are_named_with_the_known_ones),
		cmocka_unit_test(wrong_values_name_key_value_and_what_was_expected),
		cmocka_unit_test(missing_and_surplus_words_are_named),
		cmocka_unit_test(times_have_units_and_bounds),
		cmocka_unit_test(global_options_may_stand_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
