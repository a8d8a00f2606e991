# SPDX-License-Identifier: BSD-3-Clause
"""A VF's policy, option by option: what passes and what does not, in both directions."""
import glob
import struct
import time

from lib import frame
from lib.case import case
from lib.check import equal, wait_until
from lib.env import OUTSIDE, mac_of
from lib.rpc import RpcError

C, S = 0x8100, 0x88A8  # 802.1Q, 802.1ad
EXPERIMENT = 0x88B5
NO_POLICY = {"vlan": 0, "qos": 0, "proto": "802.1Q", "trust": False, "trunks": "",
             "spoofchk": True, "promisc": False, "allmulti": False, "mtu": 9000}
TRUNK = {"trust": True, "trunks": "0,10,20-29"}
SERVICE = {"vlan": 7, "qos": 5, "proto": "802.1ad"}

# settings, tags that the guest sends; tags on the wire, or the reason of the drop
EGRESS = [
    ({}, [], []),
    ({}, [(C, 10)], [(C, 10)]),
    ({}, [(S, 10), (C, 11)], [(S, 10), (C, 11)]),
    ({}, [(C, 4095)], "vlan"),
    ({"vlan": 4095}, [(C, 10)], [(C, 10)]),
    ({"vlan": 4095}, [], []),
    ({"vlan": 7}, [], [(C, 7)]),
    ({"vlan": 7, "qos": 3}, [], [(C, 7 | 3 << 13)]),
    ({"vlan": 4094, "qos": 7}, [], [(C, 4094 | 7 << 13)]),
    ({"vlan": 7}, [(C, 7)], "vlan"),
    ({"vlan": 7}, [(C, 0)], "vlan"),
    ({"vlan": 7}, [(S, 7)], "vlan"),
    (SERVICE, [], [(S, 7 | 5 << 13)]),
    (SERVICE, [(C, 10)], [(S, 7 | 5 << 13), (C, 10)]),
    (SERVICE, [(C, 10), (C, 11)], [(S, 7 | 5 << 13), (C, 10), (C, 11)]),
    (SERVICE, [(S, 7)], "vlan"),
    (TRUNK, [], []),
    (TRUNK, [(C, 0)], [(C, 0)]),
    (TRUNK, [(C, 10)], [(C, 10)]),
    (TRUNK, [(C, 25 | 6 << 13)], [(C, 25 | 6 << 13)]),
    (TRUNK, [(C, 11)], "vlan"),
    (TRUNK, [(S, 11), (C, 10)], "vlan"),
    ({"trust": True, "trunks": "10"}, [], "vlan"),
]

# settings, tags of a frame from the wire; does the guest get it?
INGRESS = [
    ({}, [], True),
    ({}, [(C, 10)], True),
    ({"vlan": 4095}, [(C, 10)], True),
    ({"vlan": 7}, [], False),
    ({"vlan": 7}, [(C, 7)], True),
    ({"vlan": 7}, [(C, 7 | 6 << 13)], True),
    ({"vlan": 7}, [(S, 7)], False),
    ({"vlan": 7}, [(C, 8)], False),
    (SERVICE, [(S, 7)], True),
    (SERVICE, [(S, 7), (C, 10)], True),
    (SERVICE, [(C, 7)], False),
    (SERVICE, [(S, 8), (C, 7)], False),
    (TRUNK, [], True),
    (TRUNK, [(C, 29)], True),
    (TRUNK, [(C, 30)], False),
    ({"trust": True, "trunks": "10"}, [], False),
]

REFUSED = [
    ({"vlan": 4096}, "vlan"),
    ({"qos": 8}, "qos"),
    ({"qos": 1}, "qos"),
    ({"proto": "802.1ah"}, "proto"),
    ({"proto": "802.1ad"}, "proto"),
    ({"vlan": 4095, "qos": 1}, "qos"),
    ({"trunks": "10"}, "trunks"),
    ({"trust": True, "trunks": "10-"}, "trunks"),
    ({"trust": True, "trunks": "10", "vlan": 5}, "trunks"),
    ({"trust": "yes"}, "trust"),
    ({"max_tx_rate": 1000001}, "max_tx_rate"),
    ({"min_tx_rate": -1}, "min_tx_rate"),
    ({"max_tx_rate": 10, "min_tx_rate": 11}, "min_tx_rate"),
    ({"state": "up"}, "state"),
    ({"promisc": True}, "promisc"),
    ({"allmulti": True}, "allmulti"),
    ({"trust": True, "promisc": 1}, "promisc"),
    ({"mtu": 67}, "mtu"),
    ({"query_rss": True}, "query_rss"),
]


def tagged(data, tags):
    """The frame with these tags, the outer one first."""
    stack = b"".join(struct.pack(">HH", *tag) for tag in tags)
    return data[:12] + stack + data[12:]


def frame_of(guest, number, dst=OUTSIDE):
    """A frame of the guest's that has a number."""
    return (frame.mac_bytes(dst) + frame.mac_bytes(guest.mac) +
            struct.pack(">HI", EXPERIMENT, number) + bytes(50))


def set_policy(daemon, vf, settings):
    """These settings, and no others."""
    daemon.call("vf_set", name=vf, **{**NO_POLICY, **settings})


def wire_gets(capture, expected):
    """Exactly these frames come out of the uplink, in this order."""
    wait_until(lambda: capture.drain() is not None and len(capture.frames) >= len(expected),
               f"{len(expected)} frames on the wire")
    equal([data.hex() for _, data in capture.frames], [data.hex() for data in expected], "wire")


@case(rows={"unprotected": {"protected": False}, "protected": {"protected": True}})
def tags_of_a_guest_pass_as_its_vlan_settings_say(env, protected):
    """Protected, the frames of all rows are held together while the settings change."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    expected, drops = [], 0
    if protected:
        daemon.call("protection_start", group="vf1")
    for number, (settings, tags, outcome) in enumerate(EGRESS):
        set_policy(daemon, "vf1", settings)
        data = frame_of(guest, number)
        guest.raw(tagged(data, tags))
        daemon.wait_taken("vf1", number + 1)
        if outcome == "vlan":
            drops += 1
        else:
            expected.append(tagged(data, outcome))
        wait_until(lambda: daemon.drops("vf1") == ({"vlan": drops} if drops else {}),
                   f"drops after row {number}")
    if protected:
        equal(capture.drain(), [], "frames on the wire before the commit")
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    wire_gets(capture, expected)


@case
def tags_from_the_wire_pass_as_vlan_settings_say(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    got = lost = 0
    for number, (settings, tags, passes) in enumerate(INGRESS):
        set_policy(daemon, "vf1", settings)
        for dst in (guest.mac, frame.BROADCAST):
            stamp = frame.Stamp(1, number, 100, "ipv4")
            capture.send(tagged(frame.build(stamp, frame.mac_bytes(dst),
                                            frame.mac_bytes(OUTSIDE)), tags))
        got += 2 * passes
        lost += not passes  # a flooded frame is nobody's loss
        wait_until(lambda: (guest.received(), daemon.call("uplink_get")["drops"]["no_route"]) ==
                   (got, lost), f"row {number}: {got} frames at the guest, {lost} lost")


@case
def an_802_1ad_vlan_is_another_than_the_802_1q_vlan_of_that_number(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    one = env.guest(daemon, framegen, 1, **SERVICE)
    same = env.guest(daemon, framegen, 2, vlan=7, proto="802.1ad")
    other = env.guest(daemon, framegen, 3, vlan=7)
    one.send("ipv4", 20, stream=1, dst=same.mac)
    one.send("vlan", 20, stream=2, dst=same.mac, vlan=9)
    one.send("ipv4", 20, stream=3, dst=other.mac)
    one.send("arp", 20, stream=4, dst=frame.BROADCAST)
    for stream in (1, 2, 4):
        same.expect_whole(stream, 20)
    equal(other.received(), 0, "frames in the other VLAN")
    equal(daemon.drops("vf1"), {"no_route": 20}, "drops")


@case
def settings_that_do_not_go_together_are_refused_and_change_nothing(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", mac=mac_of(1), role="server")
    before = daemon.vf("vf1")
    for settings, field in REFUSED:
        for method, name in (("vf_set", "vf1"), ("vf_create", "vf2")):
            try:
                daemon.call(method, name=name, **settings)
            except RpcError as e:
                equal((e.code, e.data["field"]), (-32602, field), f"{method} {settings}")
            else:
                raise AssertionError(f"{method} took {settings}")
    equal(daemon.vf("vf1"), before, "the VF")
    equal(len(daemon.call("vf_list")), 1, "VFs")


def waited(processes):
    """Seconds that threads of these were ready to run and did not, for want of a processor."""
    total = 0
    for process in processes:
        for path in glob.glob(f"/proc/{process.pid}/task/*/schedstat"):
            with open(path) as f:
                total += int(f.read().split()[1])
    return total / 1e9


def mbps(daemon, processes, seconds):
    """What the uplink sends, by the clock, and the share of the time that somebody waited."""
    idle, begin, before = waited(processes), time.monotonic(), uplink_bytes(daemon)
    time.sleep(seconds)
    after, end = uplink_bytes(daemon), time.monotonic()
    return (after - before) * 8 / (end - begin) / 1e6, (waited(processes) - idle) / (end - begin)


def uplink_bytes(daemon):
    """Sent so far."""
    return daemon.call("uplink_get")["tx_bytes"]


@case(timeout=60, rows={
    "60": {"size": 60, "rate": 20, "queues": 1}, "1514": {"size": 1514, "rate": 200, "queues": 1},
    "two-queues-on-two-lcores": {"size": 1514, "rate": 100, "queues": 2}})
def a_guest_sends_at_its_rate(env, size, rate, queues):
    """Within 2 % over ten seconds; below, what a full machine did not let them run is allowed."""
    daemon = env.renicd(uplink={"devargs": "net_null0"}, data_cpus=[0, 1][:queues])
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, queues=queues, max_tx_rate=rate)
    jobs = [guest.send("ipv4", 0, wait=False, stream=queue + 1, size=size, queue=queue)
            for queue in range(queues)]
    time.sleep(0.2)
    seen, starved = mbps(daemon, [daemon.process, framegen.process], 10)
    env.note(f"{seen:.2f} Mbit/s, {starved:.1%} waiting")
    if not rate * (0.98 - starved) <= seen <= rate * 1.02:
        raise AssertionError(f"{seen} Mbit/s, expected {rate}")
    for job in jobs:
        job.halt()


@case
def a_guest_without_carrier_is_cut_off_and_comes_back(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, packed=False)
    guest.send("ipv4", 50, stream=1)
    capture.wait(50)
    daemon.call("vf_set", name="vf1", state="disable")
    vf = daemon.vf("vf1")
    equal((vf["frontend"], vf["state"]), ("none", "disable"), "front-end, state")
    capture.send(frame.build(frame.Stamp(2, 0, 100, "ipv4"), frame.mac_bytes(guest.mac),
                             frame.mac_bytes(OUTSIDE)))
    wait_until(lambda: daemon.drops("vf1") == {"no_frontend": 1}, "a frame without a taker")
    daemon.call("vf_set", name="vf1", state="enable")
    env.wait_running(daemon, "vf1")
    guest.send("ipv4", 50, stream=3)
    equal(frame.fault_of(capture.wait(100).stream(3), 0, 50), None, "stream 3 on the wire")


@case
def the_carrier_of_a_guest_with_packed_rings_cannot_be_taken(env):
    daemon = env.renicd_alone()
    env.guest(daemon, env.framegen(), 1)
    try:
        daemon.call("vf_set", name="vf1", state="disable")
    except RpcError as e:
        equal((e.code, e.data["field"]), (-7, "state"), "the error")
    else:
        raise AssertionError("it was taken")
    equal(daemon.vf("vf1")["state"], "enable", "state")


def arp(guest, sender, op=2, ethertype=0x0806):
    """An ARP or RARP message of the guest's that names a sender."""
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, op)
    return (frame.mac_bytes(frame.BROADCAST) + frame.mac_bytes(guest.mac) +
            struct.pack(">H", ethertype) + head + frame.mac_bytes(sender) + bytes(36))


def neighbour(guest, told, kind=136, hop_limit=255):
    """A neighbour advertisement, or another message of discovery, that tells a MAC."""
    option = 2 if kind == 136 else 1
    body = struct.pack(">BBHI", kind, 0, 0, 0) + bytes(16) + bytes([option, 1])
    body += frame.mac_bytes(told)
    return (frame.mac_bytes("33:33:00:00:00:01") + frame.mac_bytes(guest.mac) +
            struct.pack(">HIHBB", 0x86DD, 0x60000000, len(body), 58, hop_limit) + bytes(32) + body)


@case(rows={"untagged": {"tags": []}, "tagged": {"tags": [(C, 5)]},
            "stacked": {"tags": [(S, 5), (C, 6)]}})
def a_guest_that_speaks_for_another_is_not_heard(env, tags):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    other = mac_of(0x777)
    for data in (arp(guest, other), arp(guest, other, 3, 0x8035), neighbour(guest, other),
                 neighbour(guest, other, 135)):
        guest.raw(tagged(data, tags))
    daemon.wait_taken("vf1", 4)
    equal(daemon.drops("vf1"), {"spoofed_arp": 2, "spoofed_nd": 2}, "drops")
    honest = [tagged(data, tags) for data in (
        arp(guest, guest.mac), neighbour(guest, guest.mac), neighbour(guest, guest.mac, 135),
        neighbour(guest, other, hop_limit=64))]
    for data in honest:
        guest.raw(data)
    wire_gets(capture, honest)
    daemon.call("vf_set", name="vf1", spoofchk=False)
    honest.append(tagged(arp(guest, other), tags))
    guest.raw(honest[-1])
    wire_gets(capture, honest)


@case
def headers_cut_anywhere_are_dropped_or_pass_and_never_harm(env):
    daemon, _, _ = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, **TRUNK)
    whole = [tagged(neighbour(guest, guest.mac), tags) for tags in (
        [], [(C, 10)], [(S, 10), (C, 10)], [(C, 10)] * 9)]
    sent = 0
    for data in whole:
        for length in range(1, len(data)):
            guest.raw(data[:length])
            sent += 1
    daemon.wait_taken("vf1", sent)
    drops = daemon.drops("vf1")
    # 13 lengths without a header each; a tag's ethertype with up to 3 bytes of the tag
    equal(drops, {"runt": 4 * 13, "vlan": 3 * 4}, "drops")
    # asked of the uplink: a kernel throws some of them away before anybody sees them
    wait_until(lambda: daemon.call("uplink_get")["tx_pkts"] == sent - sum(drops.values()),
               "the others on the wire")


@case
def a_policy_survives_a_kill_and_a_saved_configuration(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="a", mac=mac_of(1), role="server", **TRUNK,
                max_tx_rate=100, min_tx_rate=10, state="auto")
    daemon.call("vf_create", name="b", mac=mac_of(2), role="server", **SERVICE)
    names = ("vlan", "qos", "proto", "trust", "trunks", "max_tx_rate", "min_tx_rate", "state")

    def policies():
        return {vf["name"]: [vf[key] for key in names] for vf in daemon.call("vf_list")}
    before = policies()
    equal(before, {
        "a": [0, 0, "802.1Q", True, "0,10,20-29", 100, 10, "auto"],
        "b": [7, 5, "802.1ad", False, "", 0, 0, "enable"]}, "policies")
    daemon.kill()
    daemon.restart()
    equal(policies(), before, "policies after the kill")
    saved = daemon.call("config_save")
    for name in ("a", "b"):
        daemon.call("vf_delete", name=name)
    daemon.call("config_load", **saved)
    equal(policies(), before, "policies of the saved configuration")
    equal(daemon.call("config_load", **saved)["skipped"], 2, "calls that change nothing")
    daemon.call("vf_reset", name="a")
    daemon.call("vf_reset", name="b")
    equal(policies(), {name: [0, 0, "802.1Q", False, "", 0, 0, "enable"] for name in ("a", "b")},
          "after a reset")


TRUSTED = {"trust": True}
LLDP = "01:80:c2:00:00:0e"
ROUTERS = "01:00:5e:00:00:02"

# settings, tags; does a frame with a source MAC that nobody has leave, and an answer come back?
OWN_MAC = [
    ({}, [], False),
    ({"spoofchk": False}, [], None),  # it leaves, and nobody knows who it is
    (TRUSTED, [], True),
    (TRUSTED, [(C, 10)], True),
    ({**TRUSTED, "spoofchk": False}, [], True),
    ({**TRUSTED, "vlan": 7}, [], True),
    ({**TRUSTED, **SERVICE}, [(C, 10)], True),
]


@case
def a_trusted_guest_takes_another_mac_and_no_other_guest_does(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    on_wire, got, lost, spoofed = [], 0, 0, 0
    for number, (settings, tags, outcome) in enumerate(OWN_MAC):
        set_policy(daemon, "vf1", {})
        set_policy(daemon, "vf1", settings)
        equal(daemon.vf("vf1")["own_macs"], [], f"row {number}: MACs before")
        mac = mac_of(0x500 + number)
        guest.raw(tagged(sent_by(mac, number), tags))
        daemon.wait_taken("vf1", number + 1)
        seen_as = tags
        if "vlan" in settings:
            proto = S if settings.get("proto") else C
            seen_as = [(proto, settings["vlan"] | settings.get("qos", 0) << 13)] + tags
        if outcome is False:
            spoofed += 1
        else:
            on_wire.append(tagged(sent_by(mac, number), seen_as))
        if outcome:
            wait_until(lambda: daemon.vf("vf1")["own_macs"] == [mac], f"row {number}: {mac}")
        capture.send(tagged(answer_to(mac, number), seen_as))
        got += bool(outcome)
        lost += not outcome
        wait_until(lambda: (guest.received(), daemon.call("uplink_get")["drops"]["no_route"]) ==
                   (got, lost), f"row {number}: {got} frames at the guest, {lost} lost")
    equal(daemon.drops("vf1"), {"spoofed_mac": spoofed}, "drops")
    wire_gets(capture, on_wire)


def sent_by(mac, number):
    """A numbered frame with that source MAC."""
    return (frame.mac_bytes(OUTSIDE) + frame.mac_bytes(mac) +
            struct.pack(">HI", EXPERIMENT, number) + bytes(50))


def answer_to(mac, number, size=100):
    """A frame from outside for that MAC."""
    return frame.build(frame.Stamp(9, number, size, "ipv4"), frame.mac_bytes(mac),
                       frame.mac_bytes(OUTSIDE))


@case
def a_trusted_guest_cannot_take_what_is_another_vfs(env):
    daemon, _, capture = env.renicd_on_tap()
    framegen = env.framegen()
    one = env.guest(daemon, framegen, 1, trust=True)
    two = env.guest(daemon, framegen, 2, trust=True)
    for mac in (two.mac, frame.BROADCAST, "00:00:00:00:00:00"):
        one.raw(sent_by(mac, 0))
    wait_until(lambda: daemon.drops("vf1") == {"spoofed_mac": 3}, "three drops")
    shared = mac_of(0x600)
    one.raw(sent_by(shared, 1))
    wait_until(lambda: daemon.vf("vf1")["own_macs"] == [shared], "it is vf1's")
    two.raw(sent_by(shared, 2))
    wait_until(lambda: daemon.drops("vf2") == {"spoofed_mac": 1}, "and not vf2's")
    one.raw(tagged(arp(one, shared), []))  # speaks for another than the frame's source
    wait_until(lambda: daemon.drops("vf1") == {"spoofed_mac": 3, "spoofed_arp": 1}, "ARP")
    daemon.call("vf_set", name="vf2", mac=shared)  # the operator's word
    equal(daemon.vf("vf1")["own_macs"], [], "MACs of vf1")
    capture.send(answer_to(shared, 3))
    wait_until(lambda: two.received() == 1, "its frames are vf2's")
    equal(one.received(), 0, "frames at vf1")


@case
def a_guest_that_goes_and_a_reset_leave_no_mac_behind(env):
    daemon, _, _ = env.renicd_on_tap()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, trust=True)
    macs = [mac_of(0x700 + i) for i in range(20)]
    for number, mac in enumerate(macs):
        guest.raw(sent_by(mac, number))
        wait_until(lambda: mac in daemon.vf("vf1")["own_macs"], mac)
    equal(daemon.vf("vf1")["own_macs"], macs[-16:], "the newest 16")
    daemon.call("vf_set", name="vf1", promisc=True, allmulti=True, mtu=1500)
    vf = daemon.call("vf_reset", name="vf1")
    equal([vf[key] for key in ("trust", "promisc", "allmulti", "mtu", "spoofchk", "own_macs")],
          [False, False, False, 9000, True, []], "after a reset")
    daemon.call("vf_set", name="vf1", trust=True)
    guest.raw(sent_by(macs[0], 99))
    wait_until(lambda: daemon.vf("vf1")["own_macs"] == macs[:1], "learned again")
    guest.close()
    wait_until(lambda: daemon.vf("vf1")["own_macs"] == [], "forgotten with the guest")


# settings, tags of a frame from the wire, whom it is for; does a guest that is not meant get it?
PROMISCUOUS = [
    ({}, [], OUTSIDE, False),
    ({"trust": True}, [], OUTSIDE, False),
    ({"trust": True, "promisc": True}, [], OUTSIDE, True),
    ({"trust": True, "promisc": True}, [(C, 10)], OUTSIDE, True),
    ({"trust": True, "promisc": True, "vlan": 7}, [(C, 7)], OUTSIDE, True),
    ({"trust": True, "promisc": True, "vlan": 7}, [(C, 8)], OUTSIDE, False),
    ({**TRUNK, "promisc": True}, [(C, 20)], OUTSIDE, True),
    ({**TRUNK, "promisc": True}, [(C, 11)], OUTSIDE, False),
    ({}, [], LLDP, False),
    ({}, [], ROUTERS, True),
    ({"trust": True, "allmulti": True}, [], LLDP, True),
    ({"trust": True, "allmulti": True}, [], OUTSIDE, False),
    ({"trust": True, "allmulti": True, "vlan": 7}, [(C, 7)], LLDP, True),
    ({"trust": True, "allmulti": True, "vlan": 7}, [], LLDP, False),
]


@case
def promiscuity_and_allmulti_bring_what_is_not_for_the_guest(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    got = 0
    for number, (settings, tags, dst, passes) in enumerate(PROMISCUOUS):
        set_policy(daemon, "vf1", settings)
        capture.send(tagged(answer_to(dst, number), tags))
        capture.send(tagged(answer_to(frame.BROADCAST, number), tags))
        # its own, the last of the row: what is not to come has not come before it
        own = [(C, settings["vlan"])] if "vlan" in settings else []
        capture.send(tagged(answer_to(guest.mac, number), own))
        got += passes + takes(settings, tags) + 1
        wait_until(lambda: guest.received() == got, f"row {number}: {got} frames")


def takes(settings, tags):
    """Is the outer tag, or none, of a VLAN that these settings let in?"""
    vlan = tags[0][1] if tags else 0
    if settings.get("vlan"):
        return settings["vlan"] == vlan
    return "trunks" not in settings or vlan in (0, 10) or 20 <= vlan <= 29


@case(rows={"unprotected": {"protected": False}, "protected": {"protected": True}})
def a_promiscuous_guest_sees_frames_when_they_leave(env, protected):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    one, two = env.guest(daemon, framegen, 1), env.guest(daemon, framegen, 2)
    looker = env.guest(daemon, framegen, 3, trust=True, promisc=True)
    if protected:
        daemon.call("protection_start", group="vf1")
    one.send("ipv4", 40, stream=1, dst=two.mac)
    if protected:
        daemon.wait_taken("vf1", 40)
        equal((two.received(), looker.received()), (0, 0), "frames before the commit")
        daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    for guest in (two, looker):
        guest.expect_whole(1, 40)
    two.send("vlan", 20, stream=2, dst=one.mac, vlan=9)
    for guest in (one, looker):
        guest.expect_whole(2, 20)
    equal((two.received(), looker.received()), (40, 60), "frames")


@case(rows={"untagged": {"tags": []}, "tagged": {"tags": [(C, 5)]}})
def frames_over_the_mtu_pass_neither_way(env, tags):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, mtu=1000, **({"vlan": 5} if tags else {}))
    # header, and room for two tags
    longest = 14 + 8 + 1000
    for number, dst in enumerate((guest.mac, frame.BROADCAST)):
        capture.send(tagged(answer_to(dst, number, longest - 4), tags))
        capture.send(tagged(answer_to(dst, number, longest + 1), tags))
    wait_until(lambda: (guest.received(), daemon.call("uplink_get")["drops"]["oversize"]) ==
               (2, 2), "two passed, two did not")
    whole, over = (frame_of(guest, n) + bytes(longest - 68 + n) for n in range(2))
    guest.raw(whole)
    guest.raw(over)
    daemon.wait_taken("vf1", 2)
    equal(daemon.drops("vf1"), {"oversize": 1}, "drops")
    wire_gets(capture, [tagged(whole, tags)])
