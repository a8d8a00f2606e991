# SPDX-License-Identifier: BSD-3-Clause
"""Checksums and segments that a guest leaves to its VF, also by headers that lie."""
import base64
import struct

from cases.standby import restore, snapshots_of
from lib import frame
from lib import vhost_front_end as vhost
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import OUTSIDE, mac_of
from lib.raw_guest import RING_PACKED, RawGuest

# virtio 1.2, section 5.1.3
CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6 = (
    1 << bit for bit in (0, 1, 7, 8, 11, 12))
OFFLOADS = CSUM | GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | HOST_TSO4 | HOST_TSO6
TCP, UDP = 6, 17
CHECKSUM_AT = {TCP: 16, UDP: 6}  # in the header
REFUSED = 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14  # ECN and UFO, of either side
NEEDS_CSUM, GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_ECN = 1, 0, 1, 3, 4, 0x80
HEADERS, MSS, SOURCE_PORT = 14 + 20 + 20, 1000, 0x1234
E_UNSUPPORTED = -7


def checksum(data):
    """RFC 1071; of data that has its checksum in it: 0."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(packet):
    """Of an IP packet without options."""
    if packet[0] >> 4 == 6:
        return packet[8:40] + struct.pack(">II", len(packet) - 40, packet[6])
    return packet[12:20] + struct.pack(">BBH", 0, packet[9], len(packet) - 20)


def ip_header(version, proto, size):
    """In front of so many bytes."""
    if version == 6:
        return struct.pack(">IHBB16s16s", 6 << 28, size, proto, 64, bytes(15) + b"\2",
                           bytes(15) + b"\1")
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + size, 7, 0x4000, 64, proto, 0,
                     bytes([10, 9, 0, 2]), bytes([10, 9, 0, 1]))
    return ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]


def datagram(guest, payload, to=OUTSIDE, version=4, proto=TCP):
    """A frame of the guest's whose checksum is the pseudo-header's, as virtio wants it."""
    if proto == TCP:
        head = struct.pack(">HHIIBBHHH", SOURCE_PORT, 80, 1000, 1, 5 << 4, 0x18, 512, 0, 0)
    else:
        head = struct.pack(">HHHH", SOURCE_PORT, 80, 8 + len(payload), 0)
    ip, at = ip_header(version, proto, len(head) + len(payload)), CHECKSUM_AT[proto]
    partial = ~checksum(pseudo_header(ip + head + payload)) & 0xFFFF
    head = head[:at] + struct.pack(">H", partial) + head[at + 2:]
    return (frame.mac_bytes(to) + frame.mac_bytes(guest.mac) +
            (b"\x86\xdd" if version == 6 else b"\x08\x00") + ip + head + payload)


def tcp(guest, payload, to=OUTSIDE):
    """The same of IPv4 and TCP."""
    return datagram(guest, payload, to)


def header(flags=0, gso_type=GSO_NONE, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
    """struct virtio_net_hdr_mrg_rxbuf."""
    return struct.pack("<BBHHHHH", flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, 0)


SEGMENTS = {"flags": NEEDS_CSUM, "gso_type": GSO_TCPV4, "hdr_len": HEADERS, "gso_size": MSS,
            "csum_start": 34, "csum_offset": 16}


def send(guest, head, data):
    """One frame in buffers of its own, which may be long."""
    at, data = guest.next_at, head + data
    guest.next_at += (len(data) + 4095) & ~4095
    guest.peer.memory[at:at + len(data)] = data
    guest.transmit.collect()
    check(guest.transmit.post([(at, len(data))]), "no room in the ring")
    guest.kick()


def raw_guest(env, daemon, features=OFFLOADS | REFUSED, number=1, **options):
    """With buffers from next_at on."""
    guest = RawGuest(env, daemon, number, features=features, memory_bytes=16 << 20, **options)
    guest.next_at = 2 << 20
    return guest


def payload_of(capture, count, tag=b""):
    """What the TCP segments on the wire carry, or a UDP datagram."""
    wait_until(lambda: capture.drain() is not None and len(capture.frames) >= count,
               f"{count} segments on the wire")
    equal(len(capture.frames), count, "segments on the wire")
    return payload_in([data for _, data in capture.frames], tag)


def packet_in(data):
    """Of a frame: (IP packet without padding, length of its header)."""
    if data[0] >> 4 == 6:
        return data[:40 + struct.unpack_from(">H", data, 4)[0]], 40
    packet = data[:struct.unpack_from(">H", data, 2)[0]]
    equal(checksum(packet[:20]), 0, "sum over the IP header")
    return packet, 20


def payload_in(segments, tag=b""):
    """What they carry, if each is whole and they follow each other."""
    carried, seq = b"", 1000
    for data in segments:
        equal(data[12:12 + len(tag)], tag, "tag")
        packet, l4 = packet_in(data[14 + len(tag):])
        is_tcp = packet[6 if l4 == 40 else 9] == TCP
        equal(checksum(pseudo_header(packet) + packet[l4:]), 0, "sum over TCP or UDP")
        payload = packet[l4 + (20 if is_tcp else 8):]
        check(len(payload) <= MSS, f"a segment of {len(payload)} bytes")
        if is_tcp:
            equal(struct.unpack_from(">I", packet, l4 + 4)[0], seq, "sequence number")
        seq += len(payload)
        carried += payload
    return carried


@case(rows={"by-default": {"options": {}, "offered": OFFLOADS},
            "off": {"options": {"offloads": False}, "offered": 0}})
def offloads_are_offered_unless_they_are_off(env, options, offered):
    daemon = env.renicd_alone()
    guest = raw_guest(env, daemon, **options)
    equal(guest.peer.features & (OFFLOADS | REFUSED), offered, "features")
    equal(daemon.vf("vf1")["offloads"], bool(offered), "offloads")


@case(rows={"split": {"features": OFFLOADS}, "packed": {"features": OFFLOADS | RING_PACKED}})
def held_frames_leave_in_segments_after_a_kill(env, features):
    """The request is in the log: nobody is there any more who made it."""
    daemon, namespace, _ = env.renicd_on_tap()
    guest = raw_guest(env, daemon, features)
    daemon.call("protection_start", group="vf1")
    payload = bytes(range(256)) * 100
    send(guest, header(**SEGMENTS), tcp(guest, payload))
    daemon.wait_taken("vf1", 1)
    daemon.kill()
    daemon.restart()
    env.tap_up(daemon, namespace)
    capture = env.capture(namespace, "rnic0")
    equal(daemon.vf("vf1")["held_pkts"], 1, "frames held after the restart")
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    equal(payload_of(capture, 26), payload, "the payload")


ASKED = {  # IP version, protocol, payload bytes, segments
    "tcp4": (4, TCP, 700, 1), "udp4": (4, UDP, 701, 1), "tcp6": (6, TCP, 701, 1),
    "udp6": (6, UDP, 700, 1), "long4": (4, TCP, 25600, 26), "long6": (6, TCP, 64999, 65)}
CHECKSUMS = {"ipv4_checksum", "tcp_checksum", "udp_checksum"}


def ask(guest, version, proto, size):
    """The guest sends one frame that asks; its payload."""
    l4, payload = 34 if version == 4 else 54, bytes(i * 7 % 251 for i in range(size))
    head = {"flags": NEEDS_CSUM, "csum_start": l4, "csum_offset": CHECKSUM_AT[proto]}
    if size > MSS:
        head.update(gso_type=GSO_TCPV4 if version == 4 else GSO_TCPV6, hdr_len=l4 + 20,
                    gso_size=MSS)
    guest.next_at = 2 << 20
    send(guest, header(**head), datagram(guest, payload, version=version, proto=proto))
    return payload


@case(rows={
    "by-renicd": {"offloads": "auto", "inner": False, "does": set()},
    "sums-by-tap": {"offloads": "on", "inner": False, "does": CHECKSUMS},
    "all-by-virtio": {"offloads": "auto", "inner": True,
                      "does": {"tcp_checksum", "udp_checksum", "tcp_segments"}}})
def the_uplink_does_what_its_device_can(env, offloads, inner, does):
    """Each request leaves fulfilled, at once and held, tagged and not, by whom it may be."""
    outer, _, capture = env.renicd_on_tap(offloads)
    daemon = env.renicd_on_virtio(outer) if inner else outer
    guest = raw_guest(env, daemon)
    equal(set(daemon.call("uplink_get")["offloads"]), does, "what the device does")
    for turn in range(4):
        held, vlan = turn & 1, 7 if turn & 2 else 0
        daemon.call("vf_set", name="vf1", vlan=vlan)
        if held:
            daemon.call("protection_start", group="vf1")
        for name, (version, proto, size, segments) in ASKED.items():
            what = f"{name}, held {held}, vlan {vlan}"
            capture.clear()
            before, taken = (daemon.call("uplink_get")["tx_pkts"], daemon.stats("vf1")["tx_pkts"])
            payload = ask(guest, version, proto, size)
            if held:
                daemon.wait_taken("vf1", taken + 1)
                wait_until(lambda: daemon.vf("vf1")["held_pkts"] == 1, f"{what}: held")
                daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
            tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
            equal(payload_of(capture, segments, tag), payload, what)
            after = before + (1 if "tcp_segments" in does else segments)
            wait_until(lambda: daemon.call("uplink_get")["tx_pkts"] == after,  # pylint: disable=W0640
                       f"{what}: {after - before} frames given to the device")
        if held:
            daemon.call("protection_stop", group="vf1")
    equal(daemon.drops("vf1"), {}, "drops")


LONG = 25600
# what the header says, payload bytes; segments on the wire, or the reason of the drop
HOSTILE = [  # what cannot be meant is not looked at, and the frame is one that asks for nothing
    ("honest segments", {}, LONG, 26),
    ("one segment", {"gso_size": LONG}, MSS, 1),
    ("no gso_size", {"gso_size": 0}, MSS, 1),
    ("gso_size of one byte", {"gso_size": 1}, LONG, "bad_offload"),
    ("gso_size beyond the MTU", {"gso_size": 65535}, LONG, "oversize"),
    ("hdr_len of nothing", {"hdr_len": 0}, LONG, 26),
    ("hdr_len beyond the frame", {"hdr_len": 65535}, LONG, 26),
    ("csum_start beyond the frame", {"csum_start": 65000}, LONG, "oversize"),
    ("csum_start in the Ethernet header", {"csum_start": 2}, LONG, 26),
    ("csum_offset beyond the frame", {"csum_offset": 65535}, LONG, 26),
    ("IPv6 said of IPv4", {"gso_type": GSO_TCPV6}, LONG, 26),
    ("UDP fragments", {"gso_type": GSO_UDP}, LONG, "oversize"),
    ("ECN that was not negotiated", {"gso_type": GSO_TCPV4 | GSO_ECN}, LONG, 26),
    ("a type that is none", {"gso_type": 0x7F}, LONG, "oversize"),
    ("segments without a checksum", {"flags": 0}, LONG, 26),
    ("a long frame that asks for nothing", {"flags": 0, "gso_type": 0}, LONG, "oversize"),
]


@case
def headers_that_lie_cost_their_frame_alone(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = raw_guest(env, daemon)
    drops = {}
    for number, (name, lie, size, outcome) in enumerate(HOSTILE):
        guest.next_at = 2 << 20
        capture.clear()
        payload = bytes([number]) * size
        send(guest, header(**{**SEGMENTS, **lie}), tcp(guest, payload))
        daemon.wait_taken("vf1", number + 1)
        if isinstance(outcome, int):
            equal(payload_of(capture, outcome), payload, name)
            continue
        drops[outcome] = drops.get(outcome, 0) + 1
        wait_until(lambda: daemon.drops("vf1") == drops, f"{name}: {drops}")


@case(rows={"none": {"features": CSUM, "gso_type": GSO_TCPV4},
            "tcp6-alone": {"features": CSUM | HOST_TSO6, "gso_type": GSO_TCPV4},
            "udp": {"features": CSUM, "gso_type": GSO_UDP}})
def segments_that_were_not_negotiated_cost_their_frame_alone(env, features, gso_type):
    """Also by the burst, and held, where room is made for what was negotiated."""
    daemon = env.renicd_alone()
    guest = raw_guest(env, daemon, features)
    daemon.call("protection_start", group="vf1")
    daemon.call("checkpoint_begin", group="vf1")
    data = tcp(guest, bytes(65535 - HEADERS))
    for _ in range(40):
        send(guest, header(**{**SEGMENTS, "gso_type": gso_type}), data)
    send(guest, header(), tcp(guest, bytes(100)))
    daemon.call("checkpoint_resume", group="vf1")
    daemon.wait_taken("vf1", 41)
    reason = "oversize" if gso_type == GSO_UDP else "bad_offload"
    wait_until(lambda: daemon.drops("vf1") == {reason: 40}, f"40 {reason}")
    wait_until(lambda: daemon.vf("vf1")["held_pkts"] == 1, "the other one is held")


@case
def frames_that_move_with_a_guest_are_whole(env):
    """A long frame and a blank checksum that wait here for a guest go to another host as segments."""
    daemon = env.renicd_alone()
    sender = raw_guest(env, daemon)
    receiver = raw_guest(env, daemon, number=2)
    daemon.call("protection_start", group="vf2")
    daemon.call("checkpoint_begin", group="vf2")
    long, short = bytes(range(256)) * 40, bytes(500)
    send(sender, header(**SEGMENTS), tcp(sender, long, receiver.mac))
    only_sum = {**SEGMENTS, "gso_type": GSO_NONE, "gso_size": 0}
    send(sender, header(**only_sum), tcp(sender, short, receiver.mac))
    wait_until(lambda: daemon.vf("vf2")["ingress_held_pkts"] == 2, "both wait")
    for ring in range(2):
        receiver.peer.send(vhost.GET_VRING_BASE, struct.pack("<II", ring, 0))
        receiver.peer.socket.recv(20)
    wait_until(lambda: daemon.vf("vf2")["frontend"] == "connected", "its rings are stopped")
    taken = daemon.call("ingress_take", name="vf2")
    records, segments = base64.b64decode(taken["frames"]), []
    while records:
        length, = struct.unpack_from("<H", records)
        segments.append(records[2:2 + length])
        records = records[2 + length:]
    equal((len(segments), taken["left"]), (12, 0), "frames, and what is left")
    equal(payload_in(segments[:11]), long, "the long frame")
    equal(payload_in(segments[11:]), short, "the short one")


@case
def a_standby_without_offloads_refuses_a_guest_that_relies_on_them(env):
    daemon = env.renicd_alone()
    raw_guest(env, daemon)
    for name, offloads in (("plain", False), ("backup", True)):
        daemon.call("vf_create", name=name, mac=mac_of(1), role="server", standby=True,
                    offloads=offloads)
    daemon.call("protection_start", group="vf1")
    snapshot = snapshots_of(daemon, "vf1")[1]["vf1"]
    error = daemon.rpc.refusal("standby_restore", group="plain", snapshots=[
        {"name": "plain", "snapshot": base64.b64encode(snapshot).decode()}])
    equal((error.code, error.data["field"]), (E_UNSUPPORTED, "offloads"), "the error")
    check("given" in error.data and "expected" in error.data, error.data)
    equal(daemon.vf("plain")["restored"], None, "what was loaded")
    restore(daemon, "backup", {"backup": snapshot})
    equal(daemon.vf("backup")["restored"], {"term": 1, "epoch": 1}, "what was loaded")
