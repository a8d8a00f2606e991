# SPDX-License-Identifier: BSD-3-Clause
"""Cables are cut and mended."""
import time

STALE = ("stale", "giving_up", "switched")


def test_a_cut_replication_cable_fences_the_primary_and_no_two_answer(lab):
    """Both hosts live and do not hear each other: the fence decides. The old primary holds what
    it has, also when the network lets it speak again."""
    old = lab.primary
    lab.network.cut("replication", old.name)
    lab.wait_taken_over()
    taken = time.monotonic()
    lab.check()
    lab.network.mend("replication", old.name)
    lab.open_ports()
    time.sleep(1)
    late = lab.ticks_from(old, taken)
    assert not late, f"{len(late)} ticks of the old primary left after the failover"
    lab.check()
    lab.rebuild()
    lab.check()


def test_a_short_cut_of_the_replication_cable_is_not_noticed(lab):
    primary = lab.primary
    for _ in range(3):
        lab.network.cut("replication", primary.name)
        time.sleep(0.1)
        lab.network.mend("replication", primary.name)
        lab.wait_protected()
        lab.check()
    assert lab.primary is primary and not lab.was_fenced(), "a failover came of it"


def test_a_cut_cable_of_the_clients_is_no_failover(lab):
    primary = lab.primary
    lab.network.cut("wire", primary.name)
    time.sleep(1)
    lab.network.mend("wire", primary.name)
    lab.check()
    assert primary.status()["state"] == "protected" and not lab.was_fenced()
