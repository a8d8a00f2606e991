# SPDX-License-Identifier: BSD-3-Clause
"""The switch between VFs and the uplink, and what a NIC drops: each drop with its reason."""
import time

from lib import frame
from lib.case import case
from lib.check import equal, wait_until
from lib.env import OUTSIDE, mac_of


def from_wire(capture, dst, stream, count, tag=None, src=OUTSIDE):
    """Numbered frames from the wire, tagged on the way if asked."""
    for seq in range(count):
        data = frame.build(frame.Stamp(stream, seq, 100 + seq, "ipv4"), frame.mac_bytes(dst),
                           frame.mac_bytes(src))
        if tag is not None:
            data = data[:12] + b"\x81\x00" + tag.to_bytes(2, "big") + data[12:]
        capture.send(data)


def wait_drops(daemon, vf, expected):
    """Until the VF's drops are those, and no others."""
    for _ in range(200):
        if daemon.drops(vf) == expected:
            return
        time.sleep(0.02)
    equal(daemon.drops(vf), expected, f"drops of {vf}")


@case
def frames_go_where_their_address_says(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    one, two, three = (env.guest(daemon, framegen, n) for n in (1, 2, 3))
    one.send("mix", 50, stream=1, dst=two.mac)
    one.send("mix", 50, stream=2)
    one.send("mix", 50, stream=3, dst=frame.BROADCAST)
    one.send("mix", 50, stream=4, dst=frame.MULTICAST)
    from_wire(capture, three.mac, 5, 50)
    from_wire(capture, frame.BROADCAST, 6, 50)
    two.expect_whole(1, 50)
    judge = capture.wait(150)
    for stream in (2, 3, 4):
        equal(frame.fault_of(judge.stream(stream), 0, 50), None, f"stream {stream} on the wire")
    for guest in (two, three):
        for stream in (3, 4, 6):
            guest.expect_whole(stream, 50)
    three.expect_whole(5, 50)
    one.expect_whole(6, 50)
    time.sleep(0.1)
    equal([guest.received() for guest in (one, two, three)], [50, 200, 200], "frames at guests")
    equal(capture.judge().total(), 150, "frames on the wire")


@case
def frames_for_nobody_are_dropped_and_counted(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    from_wire(capture, mac_of(0x555), 1, 50)
    wait_until(lambda: daemon.call("uplink_get")["drops"]["no_route"] == 50, "50 drops")
    daemon.call("vf_create", name="empty", mac=mac_of(7), role="server")
    guest.send("ipv4", 50, stream=2, dst=mac_of(7))
    wait_drops(daemon, "empty", {"no_frontend": 50})
    equal(guest.received(), 0, "frames at the guest")


@case
def without_an_uplink_unknown_addresses_have_no_route(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    one, two = (env.guest(daemon, framegen, n) for n in (1, 2))
    equal(daemon.call("uplink_get")["present"], False, "an uplink")
    one.send("mix", 50, stream=1)
    one.send("mix", 50, stream=2, dst=two.mac)
    one.send("mix", 50, stream=3, dst=frame.BROADCAST)
    two.expect_whole(2, 50)
    two.expect_whole(3, 50)
    wait_drops(daemon, "vf1", {"no_route": 50})


@case
def spoofed_sources_are_dropped_and_counted(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    guest.send("ipv4", 50, stream=1, src=mac_of(0x777))
    guest.send("ipv4", 50, stream=2)
    equal(frame.fault_of(capture.wait(50).stream(2), 0, 50), None, "own source")
    wait_drops(daemon, "vf1", {"spoofed_mac": 50})
    daemon.call("vf_set", name="vf1", spoofchk=False)
    guest.send("ipv4", 50, stream=3, src=mac_of(0x777))
    judge = capture.wait(100)
    equal(frame.fault_of(judge.stream(3), 0, 50), None, "other source without spoofchk")
    equal(judge.stream(1).received, 0, "spoofed frames on the wire")


@case
def a_new_mac_takes_effect_under_traffic(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    new = mac_of(0x321)
    daemon.call("vf_set", name="vf1", mac=new)
    from_wire(capture, new, 1, 50)
    guest.expect_whole(1, 50)
    from_wire(capture, guest.mac, 2, 50)
    wait_until(lambda: daemon.call("uplink_get")["drops"]["no_route"] == 50, "the old one is gone")
    guest.send("ipv4", 50, stream=3, src=new)
    equal(frame.fault_of(capture.wait(50).stream(3), 0, 50), None, "sent from the new address")


@case
def a_port_vlan_tags_outside_and_not_inside(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    red, red2 = (env.guest(daemon, framegen, n, vlan=100) for n in (1, 2))
    blue = env.guest(daemon, framegen, 3, vlan=200)
    red.send("ipv4", 50, stream=1, size="60-1500")
    red.send("arp", 50, stream=2, dst=frame.BROADCAST)
    red.send("ipv6", 50, stream=3, size=70, dst=red2.mac)
    red.send("ipv4", 50, stream=4, dst=blue.mac)
    red2.expect_whole(3, 50)
    equal(red2.expect_whole(2, 50)["tagged"], 0, "tagged frames inside the VLAN")
    judge = capture.wait(150)
    for stream in (1, 2, 4):
        equal(frame.fault_of(judge.stream(stream), 0, 50), None, f"stream {stream} on the wire")
        equal(judge.stream(stream).tags, {100}, f"tag of stream {stream} on the wire")
    from_wire(capture, red.mac, 5, 50, tag=100)
    equal(red.expect_whole(5, 50)["tagged"], 0, "tagged frames inside the VLAN")
    from_wire(capture, frame.BROADCAST, 6, 50, tag=100)
    for guest in (red, red2):
        guest.expect_whole(6, 50)
    from_wire(capture, red.mac, 7, 50)
    from_wire(capture, red.mac, 8, 50, tag=200)
    wait_until(lambda: daemon.call("uplink_get")["drops"]["no_route"] == 100, "100 drops")
    equal(blue.received(), 0, "frames at the other VLAN's guest")


@case
def a_port_vlan_holds_across_an_epoch(env):
    """The tag travels beside the frame in the egress log."""
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    one, two = (env.guest(daemon, framegen, n, vlan=100) for n in (1, 2))
    daemon.call("protection_start", group="vf1")
    one.send("ipv4", 200, stream=1, size="60-1500")
    one.send("ipv4", 200, stream=2, size="60-1500", dst=frame.BROADCAST)
    one.send("ipv4", 200, stream=3, size="60-9000", dst=two.mac)
    daemon.wait_taken("vf1", 600)
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    judge = capture.wait(400)
    for stream in (1, 2):
        equal(frame.fault_of(judge.stream(stream), 0, 200), None, f"stream {stream} on the wire")
        equal(judge.stream(stream).tags, {100}, f"tag of stream {stream} on the wire")
    for stream in (2, 3):
        equal(two.expect_whole(stream, 200)["tagged"], 0, "tagged frames inside the VLAN")


@case
def a_guest_in_a_port_vlan_may_not_tag(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, vlan=100)
    guest.send("vlan", 50, stream=1, vlan=200)
    wait_drops(daemon, "vf1", {"vlan": 50})
    equal(capture.judge().total(), 0, "frames on the wire")


@case
def runts_and_oversized_frames_are_dropped_and_counted(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guest, other = (env.guest(daemon, framegen, n, mtu=1500) for n in (1, 2))
    header = frame.mac_bytes(other.mac) + frame.mac_bytes(guest.mac)
    for length in (1, 6, 12, 13):
        guest.raw(header[:12].ljust(length, b"\x08")[:length])
    wait_drops(daemon, "vf1", {"runt": 4})
    guest.send("ipv4", 10, stream=1, size=1514, dst=other.mac)
    guest.send("vlan", 10, stream=2, size=1518, dst=other.mac)
    guest.send("ipv4", 10, stream=3, size="1523-9018", dst=other.mac)
    other.expect_whole(1, 10)
    other.expect_whole(2, 10)
    wait_drops(daemon, "vf1", {"runt": 4, "oversize": 10})


@case
def jumbo_frames_pass_whole(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    one, two = (env.guest(daemon, framegen, n) for n in (1, 2))
    one.send("ipv4", 200, stream=1, size=9014, dst=two.mac)
    one.send("vlan", 200, stream=2, size=9018, dst=two.mac)
    two.expect_whole(1, 200)
    two.expect_whole(2, 200)
    daemon.call("protection_start", group="vf1")
    one.send("ipv4", 300, stream=3, size="1000-9014", dst=two.mac)
    daemon.wait_taken("vf1", 700)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    two.expect_whole(3, 300)


@case
def frames_without_mergeable_buffers_arrive_whole(env):
    """Guests that do not merge receive buffers, and others that post in order."""
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    plain = env.guest(daemon, framegen, 1, mtu=1500,
                      driver={"mrg_rxbuf": 0, "in_order": 0})
    split = env.guest(daemon, framegen, 2, packed=False, mtu=1500,
                      driver={"mrg_rxbuf": 0})
    for sender, receiver in ((plain, split), (split, plain)):
        sender.send("mix", 300, stream=sender.number, size="60-1514", dst=receiver.mac)
        receiver.expect_whole(sender.number, 300)
        sender.send("mix", 300, stream=sender.number, size="60-1514")
        equal(frame.fault_of(capture.wait(300 * sender.number).stream(sender.number), 300, 300),
              None, "on the wire")


@case(timeout=45)
def two_data_lcores_keep_every_promise(env):
    daemon, socket = env.renicd_on_memif(data_cpus=[0, 1])
    framegen = env.framegen()
    far = env.far_end(daemon, framegen, socket, queues=2)
    guests = [env.guest(daemon, framegen, n, queues=4) for n in (1, 2)]
    lcores = {ring["lcore"] for guest in guests for ring in daemon.vf(guest.vf)["rings"]}
    equal(lcores, {0, 1}, "lcores that own queues")
    daemon.call("group_create", name="both", vfs=["vf1", "vf2"])
    daemon.call("protection_start", group="both")
    one, two = guests
    for turn in range(1, 6):
        for queue in range(4):
            one.send("mix", 100, queue=queue, stream=10 + queue, dst=two.mac, size="60-1514")
            two.send("mix", 100, queue=queue, stream=20 + queue, dst=one.mac, size="60-1514")
            one.send("mix", 100, queue=queue, stream=30 + queue, size="60-1514")
        daemon.wait_taken("vf1", 800 * turn)
        daemon.wait_taken("vf2", 400 * turn)
        equal(two.received(), 400 * (turn - 1), "frames at vf2 before the commit")
        equal(far.received(), 400 * (turn - 1), "frames on the wire before the commit")
        daemon.call("checkpoint_commit", group="both", epoch=daemon.checkpoint("both"))
        for queue in range(4):
            two.expect_whole(10 + queue, 100 * turn)
            one.expect_whole(20 + queue, 100 * turn)
            far.expect_whole(30 + queue, 100 * turn)
    equal([daemon.drops(guest.vf) for guest in guests], [{}, {}], "drops")
