# SPDX-License-Identifier: BSD-3-Clause
"""SIGSTOP: a part, or a whole host, that seems dead and comes back."""
import signal
import time

PARTS = ("qemu", "renicd", "remus")


def test_a_stopped_primary_is_replaced_and_stale_when_it_comes_back(lab, parts):
    old = lab.primary
    for part in parts:
        old.send(part, signal.SIGSTOP)
    lab.wait_taken_over()
    lab.check()
    taken = lab.first_tick_of(lab.primary)
    lab.open_ports()  # the fence is lifted, as by somebody who is too quick
    for part in parts:
        old.send(part, signal.SIGCONT)
    time.sleep(1)
    # What had been committed may still come out; what had not may not.
    late = [tick.number for tick in lab.ticks_from(old, taken.time)
            if tick.number >= taken.number]
    assert not late, f"ticks of epochs that were never committed: {late[:5]}"
    lab.forget_backwards()
    lab.rebuild()
    lab.check()


test_a_stopped_primary_is_replaced_and_stale_when_it_comes_back.cases = {
    "qemu": (("qemu",),), "renicd": (("renicd",),), "remus": (("remus",),), "all": (PARTS,)}


def test_a_stopped_backup_holds_the_guest_and_goes_on(lab):
    lab.standby.send("remus", signal.SIGSTOP)
    lab.primary.wait_state("backup_lost")
    lab.standby.send("remus", signal.SIGCONT)
    lab.wait_protected()
    lab.check()


def test_a_stopped_part_of_the_backup_loses_nothing(lab, part):
    """Parts that have nothing to do before a failover."""
    lab.standby.send(part, signal.SIGSTOP)
    time.sleep(1)
    lab.standby.send(part, signal.SIGCONT)
    lab.wait_protected()
    lab.check()
    lab.lose_primary()
    lab.rebuild()


test_a_stopped_part_of_the_backup_loses_nothing.cases = {
    "qemu": ("qemu",), "renicd": ("renicd",)}


def test_a_slow_backup_slows_the_guest_and_loses_nothing(lab):
    """The backup stands still more than half of the time, never long enough to be given up."""
    before = lab.primary.status()["stats"]["checkpoints"]
    for _ in range(15):
        lab.standby.send("remus", signal.SIGSTOP)
        time.sleep(0.12)
        lab.standby.send("remus", signal.SIGCONT)
        time.sleep(0.08)
    lab.check()
    status = lab.primary.status()
    assert status["state"] == "protected" and status["stats"]["checkpoints"] > before
    assert not lab.was_fenced()
