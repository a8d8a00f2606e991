# SPDX-License-Identifier: BSD-3-Clause
"""P1 and P2 as a guest and its peers see them: frames leave when their checkpoint is committed,
none before, each once, in order."""
import contextlib
import signal
import subprocess
import time

import traffic

MIB = 1 << 20


@contextlib.contextmanager
def protect(world, group="vm1", interval="25ms"):
    """`renicctl protect` in the background: checkpoints by the clock."""
    process = subprocess.Popen(world.daemon.ctl_command("protect", group, "--interval", interval),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        world.wait_vf("vm1", lambda vf: vf["role"] == "protected", "role protected")
        yield process
        assert process.poll() is None, f"renicctl protect ended early: {process.stdout.read()}"
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def send_numbered(world, receiver, count, gap_us=500):
    world.vm1.sh(f"agent count {world.daemon.ADDRESS} {receiver.port} {count} {gap_us}")


def test_protected_at_25_ms_ping_and_tcp_pass_byte_exact(world):
    with protect(world):
        before = world.vf()["epoch"]
        sent, received, order, _ = traffic.ping(world.vm1.ip, count=20)
        assert (sent, received) == (20, 20), f"{received} of {sent} pings were answered"
        assert order == sorted(order), f"replies came in the order {order}"
        traffic.upload(world.vm1.ip, 3 * MIB)
        traffic.download(world.vm1.ip, 3 * MIB)
        assert world.vf()["epoch"] > before + 20, "no checkpoints were taken meanwhile"
    world.wait_vf("vm1", lambda vf: vf["role"] == "unprotected", "role unprotected")


def test_protected_guests_talk_to_each_other_byte_exact(world):
    world.control("group_create", name="both", vfs=["vm1", "vm2"])
    try:
        with protect(world, "both"):
            world.vm1.sh(f"agent fetch {world.vm2.ip} {traffic.SOURCE} {MIB // 4}", timeout=60)
            world.vm2.sh(f"agent fetch {world.vm1.ip} {traffic.SOURCE} {MIB // 4}", timeout=60)
    finally:
        world.wait_vf("vm1", lambda vf: vf["role"] == "unprotected", "role unprotected")
        world.control("group_delete", name="both")


def test_uncommitted_frames_never_leave_and_a_commit_lets_all_leave_in_order(world):
    """Three epochs in flight; each commit lets out its epoch's frames and no others."""
    capture = traffic.Capture(world.daemon.TAP, world.vm1.mac)
    receiver = traffic.NumberedReceiver(port=0)
    ends = []
    try:
        world.control("protection_start", group="vm1")
        held = world.vf()["held_pkts"]
        for _ in range(3):
            send_numbered(world, receiver, 100)
            more = world.wait_vf("vm1", lambda vf, held=held: vf["held_pkts"] >= held + 100,
                                 "100 more frames held")
            held = more["held_pkts"]
            ends.append(world.control("checkpoint_begin", group="vm1")["epoch"])
            world.control("checkpoint_resume", group="vm1")
        time.sleep(0.2)
        assert not capture.frames, f"{len(capture.frames)} frames left before any commit"
        for n, epoch in enumerate(ends, 1):
            world.control("checkpoint_commit", group="vm1", epoch=epoch)
            numbers = receiver.wait(100 * n)
            time.sleep(0.05)
            assert receiver.numbers == list(range(100)) * n, \
                f"after the commit of epoch {epoch}: {len(numbers)} frames, not {100 * n} in order"
    finally:
        receiver.finish()
        capture.finish()


def test_replies_wait_for_the_commit_and_arrive_in_order(world):
    """Commits paused: ping is silent while renicd holds the replies; resumed: all arrive."""
    with protect(world) as process:
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        # What was committed before the signal has left by now.
        capture = traffic.Capture(world.daemon.TAP, world.vm1.mac)
        before = world.vf()["held_pkts"]
        pings = traffic.Ping(world.vm1.ip, count=20, interval_s=0.02, wait_s=10)
        world.wait_vf("vm1", lambda vf: vf["held_pkts"] >= before + 20, "20 replies held")
        assert not capture.frames, f"{len(capture.frames)} frames left while commits were paused"
        process.send_signal(signal.SIGUSR2)
        sent, received, order, _ = pings.result()
        capture.finish()
        assert (sent, received) == (20, 20), f"{received} of {sent} pings were answered"
        assert order == sorted(order), f"replies came in the order {order}"


def test_uncommitted_frames_never_reach_another_guest(world):
    world.vm1.sh(f"agent count {world.vm2.ip} {traffic.COUNTER} 1 0")  # number 0 resets it
    time.sleep(0.1)
    world.control("protection_start", group="vm1")
    world.vm1.sh(f"agent count {world.vm2.ip} {traffic.COUNTER} 200 500")
    world.wait_vf("vm1", lambda vf: vf["held_pkts"] >= 200, "200 frames held")
    world.control("checkpoint_begin", group="vm1")
    world.control("checkpoint_resume", group="vm1")
    time.sleep(0.1)
    tally = traffic.counted(world.vm2.ip)
    assert tally["received"] == 1, f"before the commit the other guest got {tally}"
    world.checkpoint()
    tally = traffic.wait_counted(world.vm2.ip, 200)
    assert tally == {"received": 200, "next": 200, "lost": 0, "late": 0}, tally


def test_protection_stopped_with_discard_lets_nothing_uncommitted_leave(world):
    receiver = traffic.NumberedReceiver()
    try:
        world.control("protection_start", group="vm1")
        send_numbered(world, receiver, 50)
        world.wait_vf("vm1", lambda vf: vf["held_pkts"] >= 50, "50 frames held")
        world.control("protection_stop", group="vm1", held="discard")
        time.sleep(0.2)
        assert receiver.numbers == [], f"discarded frames left: {receiver.numbers}"
        send_numbered(world, receiver, 10)
        assert receiver.wait(10) == list(range(10)), "the VF does not pass frames afterwards"
        assert world.stats()["drops"]["discarded"] >= 50, world.stats()
    finally:
        receiver.finish()
