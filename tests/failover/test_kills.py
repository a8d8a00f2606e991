# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at random instants: of each part of the primary alone, and of all at once."""
import random
import time

ROUNDS = 20
ALL = ("qemu", "renicd", "remus")
KINDS = [ALL, ("qemu",), ALL, ("remus",), ALL, ("renicd",)]


def test_a_killed_primary_is_replaced_and_no_client_notices(lab, parts):
    time.sleep(random.uniform(0.1, 0.6))
    lab.primary.kill(*parts)
    lab.wait_taken_over()
    lab.check()
    lab.rebuild()


test_a_killed_primary_is_replaced_and_no_client_notices.cases = {
    f"{n + 1}-{'all' if parts == ALL else parts[0]}": (parts,)
    for n, parts in ((n, KINDS[n % len(KINDS)]) for n in range(ROUNDS))}


def test_a_restarted_renicd_is_no_failover(lab):
    """renicd is killed and comes back at once, as by a service manager: what it held is held, and
    the guest stays where it is."""
    primary = lab.primary
    primary.kill("renicd")
    primary.daemon.start()
    lab.check()
    assert primary.status()["state"] == "protected" and not lab.was_fenced()


def test_a_planned_switch_loses_nothing(lab):
    lab.switch()
    lab.check()
    lab.rebuild()
    lab.check()
