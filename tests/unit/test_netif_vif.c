/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vif's handshake (xen-integration/netif/netif_vif.c) in a xenstore of a few nodes, without a
 * VF: what depends on domains that come and go. tests/xen has the real thing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netif_vif.h"

#define BACKEND "/local/domain/0/backend/vif/100/0"
#define FRONTEND "/local/domain/100/device/vif/0"

enum { NODES_MAX = 32 };

static struct node {
	char path[VIF_PATH_SIZE], value[16];
} nodes[NODES_MAX];
static bool introduced;

/* ---- xenstore ---- */

static struct node *find(const char *path)
{
	for (size_t i = 0; i < NODES_MAX; i++)
		if (!strcmp(nodes[i].path, path))
			return &nodes[i];
	return NULL;
}

static void put(const char *path, const char *value)
{
	struct node *node = find(path);

	node = node ? node : find("");
	assert_non_null(node);
	snprintf(node->path, sizeof(node->path), "%s", path);
	snprintf(node->value, sizeof(node->value), "%s", value);
}

void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *len);
void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *len)
{
	const struct node *node = find(path);

	*len = node ? (unsigned)strlen(node->value) : 0;
	errno = ENOENT;
	return node ? strdup(node->value) : NULL;
}

bool __wrap_xs_write(
	struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned len);
bool __wrap_xs_write(
	struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned len)
{
	put(path, data);
	return true;
}

bool __wrap_xs_is_domain_introduced(struct xs_handle *h, unsigned domid);
bool __wrap_xs_is_domain_introduced(struct xs_handle *h, unsigned domid)
{
	return introduced;
}

static void expect_state(XenbusState state)
{
	assert_int_equal(atoi(find(BACKEND "/state")->value), state);
}

/* ---- a vif ---- */

static const struct vif_env env;

static struct vif new_vif(void)
{
	struct vif vif = {.domid = 100, .backend = BACKEND, .frontend = FRONTEND};

	memset(nodes, 0, sizeof(nodes));
	introduced = false;
	return vif;
}

/* What comes before a domain that is restored. */
static void put_domain(void)
{
	put(BACKEND "/online", "1");
	put(FRONTEND "/state", "1");
	put(BACKEND "/state", "1");
}

static void a_new_vif_is_told_what_there_is(void **state)
{
	struct vif vif = new_vif();

	put_domain();
	assert_true(vif_step(&env, &vif));
	expect_state(XenbusStateInitWait);
	assert_string_equal(find(BACKEND "/feature-rx-copy")->value, "1");
}

static void a_vif_whose_domain_died_is_closed(void **state)
{
	struct vif vif = new_vif();

	put_domain();
	introduced = true;
	assert_true(vif_step(&env, &vif));
	introduced = false;
	assert_true(vif_step(&env, &vif));
	expect_state(XenbusStateClosed);
}

/* Nobody took the nodes of the first one away, and the second comes after its own. */
static void a_second_domain_of_a_number_is_served_as_the_first(void **state)
{
	struct vif vif = new_vif();

	for (int life = 0; life < 3; life++) {
		put_domain();
		assert_true(vif_step(&env, &vif));
		expect_state(XenbusStateInitWait);
		introduced = true;
		assert_true(vif_step(&env, &vif));
		expect_state(XenbusStateInitWait);
		introduced = false;
		put(FRONTEND "/state", "");
		assert_true(vif_step(&env, &vif));
		expect_state(XenbusStateClosed);
	}
}

static void a_vif_that_was_taken_away_is_gone(void **state)
{
	struct vif vif = new_vif();

	put_domain();
	assert_true(vif_step(&env, &vif));
	put(BACKEND "/state", "");
	assert_false(vif_step(&env, &vif));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_vif_is_told_what_there_is),
		cmocka_unit_test(a_vif_whose_domain_died_is_closed),
		cmocka_unit_test(a_second_domain_of_a_number_is_served_as_the_first),
		cmocka_unit_test(a_vif_that_was_taken_away_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
