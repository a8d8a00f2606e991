# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at random instants: of each part of the primary alone, and of all at once."""
import random
import time

ROUNDS = 20
ALL = ("qemu", "renicd", "remus")
KINDS = [ALL, ("qemu",), ALL, ("remus",), ALL, ("renicd",)]


def test_a_killed_primary_is_replaced_and_no_client_notices(lab, round_, parts):
    time.sleep(random.Random(f"{time.time()} {round_}").uniform(0.1, 0.6))
    lab.primary.kill(*parts)
    lab.wait_taken_over()
    lab.check()
    lab.rebuild()
    lab.check()


test_a_killed_primary_is_replaced_and_no_client_notices.cases = {
    f"{n + 1}-{'all' if parts == ALL else parts[0]}": (n, parts)
    for n, parts in ((n, KINDS[n % len(KINDS)]) for n in range(ROUNDS))}


def test_a_killed_part_of_the_backup_holds_what_the_guest_sends(lab, part):
    lab.standby.kill(part)
    lab.primary.wait_state("backup_lost", "connecting", "syncing")
    begun = time.monotonic()
    time.sleep(0.5)
    late = [tick for tick in lab.ticks_from(lab.primary, begun + 0.2)]
    assert not late, f"{len(late)} ticks left without a backup"
    lab.rebuild_standby()
    lab.check()


test_a_killed_part_of_the_backup_holds_what_the_guest_sends.cases = {
    part: (part,) for part in ("qemu", "renicd", "remus")}
