# SPDX-License-Identifier: BSD-3-Clause
"""The backup fails: what the guest sends is held until there is one again, and nothing is lost."""
import time

SETTLE_S = 0.3   # what was committed before may still leave
SILENT_S = 0.7


def assert_silent(lab):
    """Nothing of the guest's leaves for a while."""
    time.sleep(SETTLE_S)
    begun = time.monotonic()
    time.sleep(SILENT_S)
    late = lab.ticks_from(lab.primary, begun)
    assert not late, f"{len(late)} ticks left without a backup"


def test_without_its_backup_a_guest_is_held_until_there_is_one(lab, parts):
    lab.standby.kill(*parts)
    lab.primary.wait_state("backup_lost")
    assert_silent(lab)
    if parts == ("remus",):
        lab.standby.start_remus("standby")
    elif parts == ("renicd",):
        lab.standby.daemon.start()
    else:
        lab.boot_standby()
    lab.wait_protected()
    lab.check()


test_without_its_backup_a_guest_is_held_until_there_is_one.cases = {
    "remus": (("remus",),), "renicd": (("renicd",),), "qemu": (("qemu",),), "all": (("qemu", "renicd", "remus"),)}


def test_a_backup_that_came_back_can_take_over(lab):
    lab.standby.kill()
    lab.primary.wait_state("backup_lost")
    lab.boot_standby()
    lab.wait_protected()
    lab.lose_primary()
    lab.rebuild()
