# SPDX-License-Identifier: BSD-3-Clause
"""renic-remus and a Xen guest on two hosts. In this order: the last one kills the first host."""
import time

import traffic
from pair import GUEST, GUEST_IP


def wait_more_checkpoints(pair, count=2, timeout=60):
    """Until that many more were taken and acknowledged."""
    before = pair.status(pair.a)["acked_epoch"]
    end = time.monotonic() + timeout
    while pair.status(pair.a)["acked_epoch"] < before + count:
        assert time.monotonic() < end, f"no checkpoint: {pair.status(pair.a)}"
        time.sleep(0.3)


def wait_answer():
    """A reply takes as long as its checkpoint, and those before: seconds, under emulation."""
    _, received, _, _ = traffic.ping(GUEST_IP, 2, 0.5, 60)
    assert received == 2, received


def test_a_guest_is_protected_and_reached(pair):
    pair.boot_guest()
    pair.protect()
    wait_more_checkpoints(pair)
    wait_answer()
    vf = pair.a.renicctl("vf", "get", GUEST)
    assert vf["role"] == "protected", vf


def test_a_standby_that_comes_back_gets_a_stream_from_its_beginning(pair):
    pair.b.sh(f"kill -9 {pair.remus_pid(pair.b)}")
    pair.start_remus(pair.b, "standby")
    pair.wait_state(pair.a, "protected", 120)
    wait_more_checkpoints(pair)
    wait_answer()


def test_a_connection_outlives_its_host(pair):
    stream = traffic.EchoStream(GUEST_IP, gap_s=0.2, timeout=120)
    while not stream.got[0]:
        time.sleep(0.1)
    pair.a.kill()
    pair.wait_state(pair.b, "active", 60)
    after = stream.got[0]
    end = time.monotonic() + 100
    while stream.got[0] == after and not stream.problem:
        assert time.monotonic() < end, "nothing came back from the other host"
        time.sleep(0.1)
    stream.finish()
