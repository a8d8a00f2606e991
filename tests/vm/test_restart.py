# SPDX-License-Identifier: BSD-3-Clause
"""P6 as a guest's connections see it: renicd is killed again and again, and they go on."""
import random
import time

import traffic

KILLS = 10
PROGRESS_BYTES = 64 << 10  # that come back between two kills


def wait_progress(world, guest, stream, role, timeout=40):
    """Until the stream has gone on; a protected guest's frames need their commits for that."""
    start, end = stream.got[0], time.monotonic() + timeout
    while stream.got[0] < start + PROGRESS_BYTES:
        if role == "protected":
            world.checkpoint(guest.name)
        time.sleep(0.02)
        assert time.monotonic() < end and not stream.problem, \
            f"the stream stands still at {stream.got[0]} bytes; {stream.problem}; " \
            f"{world.vf(guest.name)}"


def test_ten_kills_under_a_tcp_transfer_leave_it_byte_exact(world, case):
    """The guest reconnects by itself each time; a protected one stays protected."""
    name, role = case
    guest, chance = world.guests[name], random.Random(str(case))
    stream = traffic.EchoStream(guest.ip)
    if role == "protected":
        world.control("protection_start", group=name)
    for _ in range(KILLS):
        wait_progress(world, guest, stream, role)
        time.sleep(chance.random() * 0.05)
        world.kill_daemon()
        vf = world.wait_vf(name, lambda vf: vf["frontend"] == "running", "rings running")
        assert vf["role"] == role, vf["role"]
    wait_progress(world, guest, stream, role)
    if role == "protected":
        world.control("protection_stop", group=name)
    assert stream.finish() >= (KILLS + 1) * PROGRESS_BYTES


# vm2's rings are packed, in two queue pairs.
test_ten_kills_under_a_tcp_transfer_leave_it_byte_exact.cases = {
    "split-unprotected": ("vm1", "unprotected"), "split-protected": ("vm1", "protected"),
    "packed-protected": ("vm2", "protected")}
