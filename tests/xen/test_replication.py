# SPDX-License-Identifier: BSD-3-Clause
"""renic-remus and a PV guest on two hosts that both live on."""
import time

import traffic
from pair import GUEST, GUEST_IP, GUEST_MAC

REPLY_S = 200  # replies wait for their checkpoint


def wait_more_checkpoints(pair, count=2, timeout=100):
    """Until that many more were taken and acknowledged."""
    before = pair.status(pair.primary)["acked_epoch"]
    pair.wait_status(pair.primary, lambda status: status["acked_epoch"] >= before + count,
                     f"{count} checkpoints", timeout)


def wait_answer():
    """A reply takes as long as its checkpoint, and those before: seconds, under emulation."""
    _, received, _, _ = traffic.ping(GUEST_IP, 2, 0.5, REPLY_S)
    assert received == 2, received


def test_a_guest_is_protected_and_reached(world):
    pair = world.protected()
    wait_more_checkpoints(pair)
    wait_answer()
    vf = pair.primary.renicctl("vf", "get", GUEST)
    assert vf["role"] == "protected", vf


def test_200_suspends_of_the_domain_lose_and_repeat_nothing(world):
    pair = world.protected()
    sender = traffic.NumberedSender(GUEST_IP, 0.05)
    try:
        wait_more_checkpoints(pair, 200, timeout=300)
    finally:
        sent = sender.finish()
    tally = traffic.wait_counted(GUEST_IP, sent, timeout=60)
    assert tally["received"] == sent and tally["lost"] == tally["late"] == 0, (sent, tally)


def test_replies_wait_for_a_standby_that_does_not_answer(world):
    """Shorter than the link's timeout; then they leave."""
    pair = world.protected()
    pid = pair.remus_pid(pair.standby)
    pair.standby.sh(f"kill -STOP {pid}")
    try:
        acked = pair.status(pair.primary)["acked_epoch"]
        ping = traffic.Ping(GUEST_IP, 3, 0.2, REPLY_S)
        time.sleep(2)
        early = ping.process.poll()
        if pair.status(pair.primary)["acked_epoch"] == acked:  # none was under way
            assert early is None, "replies left, and nobody acknowledged"
    finally:
        pair.standby.sh(f"kill -CONT {pid}")
    _, received, order, _ = ping.result()
    assert received == 3 and order == sorted(order), (received, order)


def test_a_guest_that_does_not_suspend_in_time_runs_on_and_nothing_leaves(world):
    """Paused by the hypervisor, it cannot answer the request."""
    pair = world.protected()
    host = pair.primary
    ping = traffic.Ping(GUEST_IP, 1000, 0.1, REPLY_S)
    aborted = pair.status(host)["stats"]["aborted"]
    host.sh(f"xl pause {GUEST}")
    try:
        # Of the checkpoints that are under way, each is acknowledged or given up by now.
        pair.wait_status(host, lambda status: status["stats"]["aborted"] > aborted,
                         "checkpoint that was given up")
        capture = traffic.Capture(host.tap, GUEST_MAC)
        pair.wait_status(host, lambda status: status["stats"]["aborted"] > aborted + 1,
                         "second one")
        early = capture.finish()
        assert not early, f"left without a checkpoint: {early[0].hex()}"
        assert "did not suspend within" in host.sh("renic-remus events -c /run/remus.json")
    finally:
        host.sh(f"xl unpause {GUEST}")
    wait_more_checkpoints(pair)
    ping.process.terminate()
    ping.process.wait()
    wait_answer()


def test_a_standby_that_comes_back_gets_a_stream_from_its_beginning(world):
    pair = world.protected()
    pair.standby.sh(f"kill -9 {pair.remus_pid(pair.standby)}")
    pair.start_remus(pair.standby, "standby")
    pair.wait_state(pair.primary, "protected", 200)
    wait_more_checkpoints(pair)
    wait_answer()
