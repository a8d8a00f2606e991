# SPDX-License-Identifier: BSD-3-Clause
"""Output commit and quiet suspends for a Xen guest."""
import socket
import threading
import time

import traffic
from world import GUESTS

REPLY_S = 200  # a ping waits as long for its replies: they are held meanwhile


def test_uncommitted_replies_never_leave_and_a_commit_lets_them(world):
    world.host.renicctl("protection", "start", "web")
    ping = traffic.Ping(world.ip(), 10, interval_s=0.2, wait_s=REPLY_S)
    world.wait_held(10)
    assert ping.process.poll() is None, "ping has its answers already"
    world.checkpoint()
    sent, received, order, _ = ping.result()
    assert (sent, received) == (10, 10) and order == sorted(order), (sent, received, order)


def test_an_aborted_epoch_leaves_with_the_next_commit(world):
    world.host.renicctl("protection", "start", "web")
    ping = traffic.Ping(world.ip(), 5, interval_s=0.2, wait_s=REPLY_S)
    world.wait_held(5)
    world.host.renicctl("checkpoint", "begin", "web")
    world.host.renicctl("checkpoint", "abort", "web")
    time.sleep(1)
    assert ping.process.poll() is None, "an aborted epoch left"
    world.checkpoint()
    _, received, order, _ = ping.result()
    assert received == 5 and order == sorted(order), (received, order)


def test_uncommitted_frames_never_reach_another_guest(world):
    world.host.renicctl("protection", "start", "web")
    before = traffic.counted(world.ip("db"))
    world.host.guest_sh("web", f"agent count {world.ip('db')} {traffic.COUNTER} 50 2000")
    world.wait_held(50)
    after = traffic.counted(world.ip("db"))
    assert after == before, f"frames of an open epoch reached the other guest: {before} {after}"
    world.checkpoint()
    tally = traffic.wait_counted(world.ip("db"), 50, timeout=60)
    assert tally["received"] == 50 and tally["late"] == 0, tally


def seen_of(kinds, frames):
    return {kind for kind, sign in kinds.items() if any(sign in frame for frame in frames)}


def test_no_frame_leaves_uncommitted_whatever_its_kind(world):
    """IPv4, ARP, IPv6 and VLAN, as they come out of the host."""
    kinds = {  # by bytes that no other of them has
        "IPv4": socket.inet_aton("10.9.0.9") + b"\x08\x00",  # to it, ICMP echo
        "ARP": socket.inet_aton("10.9.0.8"),
        "IPv6": bytes.fromhex("ff0200000000000000000000000000018000"),  # ICMPv6 echo to all nodes
        "VLAN": socket.inet_aton("10.9.7.9"),
    }
    host = world.host
    host.guest_sh("web", "arp -s 10.9.0.9 02:00:00:00:09:09; modprobe 8021q; "
                         "ip link add link eth0 name eth0.7 type vlan id 7; "
                         "ip addr add 10.9.7.2/24 dev eth0.7; ip link set eth0.7 up; sleep 2")
    host.renicctl("protection", "start", "web")
    capture = traffic.Capture(host.tap, GUESTS["web"][1])
    try:
        host.guest_sh("web", "{ ping -c 2 -W 1 10.9.0.9; arping -c 2 -w 3 -I eth0 10.9.0.8; "
                             "ping -6 -c 2 -W 1 -I eth0 ff02::1; ping -c 1 -W 1 10.9.7.9; true; }")
        world.wait_held(6)
        early = seen_of(kinds, capture.frames)
        assert not early, f"left before a commit: {early}"
        world.checkpoint()
        end = time.monotonic() + 60
        while missing := kinds.keys() - seen_of(kinds, capture.frames):
            assert time.monotonic() < end, f"committed, but did not leave: {missing}"
            time.sleep(0.1)
    finally:
        capture.finish()
        host.guest_sh("web", "ip link del eth0.7")


def test_suspends_under_traffic_lose_and_repeat_nothing(world):
    """The VF's, the domain runs; test_replication.py has the domain's."""
    host = world.host
    sender = traffic.NumberedSender(world.ip(), 0.01)
    try:
        host.sh("(setsid renicctl protect web --interval 50ms >/share/suspends.log 2>&1 </dev/null "
                "& echo $! >/run/protect.pid)")
        while world.vf()["epoch"] <= 50:
            time.sleep(0.5)
        host.sh("kill $(cat /run/protect.pid)")
    finally:
        sent = sender.finish()
    tally = traffic.wait_counted(world.ip(), sent, timeout=60)
    assert tally["received"] == sent and tally["lost"] == tally["late"] == 0, (sent, tally)


def test_tcp_is_byte_exact_under_protection(world):
    host = world.host
    host.sh("(setsid renicctl protect web --interval 100ms >/share/protect.log 2>&1 </dev/null "
            "& echo $! >/run/protect.pid); sleep 1")
    try:
        problems = []

        def upload():
            try:
                traffic.upload(world.ip(), 300_000)
            except Exception as error:  # pylint: disable=broad-except
                problems.append(error)

        thread = threading.Thread(target=upload)
        thread.start()
        traffic.download(world.ip(), 300_000)
        thread.join()
        assert not problems, problems
    finally:
        host.sh("kill $(cat /run/protect.pid); sleep 0.5")
