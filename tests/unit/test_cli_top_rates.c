/* SPDX-License-Identifier: BSD-3-Clause */
/* From two looks at counters to rates: and no rate where there is nothing to compare with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "top_rates.h"

#define VF(name, id, tx, bytes, drops)                                                             \
	"{\"vf\":{\"name\":\"" name "\",\"id\":" id ",\"role\":\"protected\",\"held_pkts\":3,"     \
	"\"held_bytes\":100},\"stats\":{\"tx_pkts\":" tx ",\"tx_bytes\":" bytes                    \
	",\"rx_pkts\":0,\"rx_bytes\":0,\"drops\":{\"runt\":" drops ",\"vlan\":1}}}"
#define LOOK(vfs, link, tx)                                                                        \
	"{\"vfs\":[" vfs "],\"uplink\":{\"present\":true,\"link\":\"" link "\",\"tx_pkts\":" tx    \
	",\"rx_pkts\":0}}"

static json_t *rates(const char *before, const char *now, double seconds)
{
	json_t *a = before ? json_loads(before, 0, NULL) : NULL, *b = json_loads(now, 0, NULL);
	json_t *top;

	assert_non_null(b);
	top = top_rates(a, b, seconds);
	assert_non_null(top);
	json_decref(a);
	json_decref(b);
	return top;
}

static const json_t *cell(const json_t *top, size_t row, const char *name)
{
	return json_object_get(json_array_get(json_object_get(top, "vfs"), row), name);
}

static void assert_near(const json_t *value, double expected)
{
	assert_true(json_is_number(value));
	assert_true(json_number_value(value) > expected - 1e-6);
	assert_true(json_number_value(value) < expected + 1e-6);
}

static void rates_are_growth_by_time(void **state)
{
	json_t *top = rates(LOOK(VF("a", "0", "100", "1000", "5"), "up", "10"),
		LOOK(VF("a", "0", "600", "1251000", "9"), "up", "30"), 2.0);

	assert_near(cell(top, 0, "tx_pps"), 250);
	assert_near(cell(top, 0, "tx_mbps"), 5.0);
	assert_near(cell(top, 0, "rx_pps"), 0);
	assert_near(cell(top, 0, "drops_ps"), 2);
	assert_near(json_object_get(json_object_get(top, "uplink"), "tx_pps"), 10);
	assert_int_equal(json_integer_value(cell(top, 0, "held_pkts")), 3);
	json_decref(top);
}

static void nothing_to_compare_with_gives_no_rate(void **state)
{
	json_t *top = rates(NULL, LOOK(VF("a", "0", "1", "1", "0"), "up", "1"), 0);

	assert_true(json_is_null(cell(top, 0, "tx_pps")));
	assert_true(json_is_null(cell(top, 0, "drops_ps")));
	json_decref(top);
	/* Counters went back; a new VF of an old name; a VF that was not there. */
	top = rates(LOOK(VF("a", "0", "9", "9", "9") "," VF("b", "1", "1", "1", "0"), "up", "9"),
		LOOK(VF("a", "0", "5", "5", "5") "," VF("b", "2", "5", "5", "0") "," VF(
			     "c", "3", "5", "5", "0"),
			"up", "5"),
		1);
	for (size_t i = 0; i < 3; i++) {
		assert_true(json_is_null(cell(top, i, "tx_pps")));
		assert_true(json_is_null(cell(top, i, "drops_ps")));
	}
	assert_true(json_is_null(json_object_get(json_object_get(top, "uplink"), "tx_pps")));
	json_decref(top);
}

static void totals_are_over_all_vfs(void **state)
{
	json_t *top = rates(NULL,
		LOOK(VF("a", "0", "1", "1", "0") "," VF("b", "1", "1", "1", "0"), "down", "1"), 1);
	const json_t *totals = json_object_get(top, "totals");

	assert_int_equal(json_integer_value(json_object_get(totals, "vfs")), 2);
	assert_int_equal(json_integer_value(json_object_get(totals, "protected")), 2);
	assert_int_equal(json_integer_value(json_object_get(totals, "held_pkts")), 6);
	assert_int_equal(json_integer_value(json_object_get(totals, "held_bytes")), 200);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(top, "uplink"), "link")), "down");
	json_decref(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_growth_by_time),
		cmocka_unit_test(nothing_to_compare_with_gives_no_rate),
		cmocka_unit_test(totals_are_over_all_vfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
