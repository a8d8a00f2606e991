# SPDX-License-Identifier: BSD-3-Clause
"""An unprotected VF is a NIC: what a Linux guest does with one works."""
import time

import traffic

MIB = 1 << 20


def test_a_guest_answers_pings_through_the_uplink(world):
    sent, received, order, _ = traffic.ping(world.vm1.ip, count=20)
    assert (sent, received) == (20, 20), f"{received} of {sent} pings were answered"
    assert order == sorted(order), f"replies came in the order {order}"
    vf = world.vf()
    assert vf["frontend"] == "running" and vf["role"] == "unprotected", vf


def test_a_lone_frame_on_an_idle_vf_is_delivered(world):
    """No later frame comes to wake a side that missed this one."""
    for _ in range(15):
        time.sleep(0.1)
        _, received, _, _ = traffic.ping(world.vm1.ip, count=1, wait_s=3)
        assert received == 1, "a lone ping was not answered"


def test_the_guests_use_split_and_packed_rings_and_several_queues(world):
    """What the other tests rely on when they speak of both guests."""
    features = {name: int(world.vf(name)["features"], 16) for name in world.guests}
    packed = 1 << 34  # VIRTIO_F_RING_PACKED
    assert not features["vm1"] & packed and features["vm2"] & packed, features
    enabled = [ring["enabled"] for ring in world.vf("vm2")["rings"]]
    assert enabled == [True, True], enabled


def test_one_guest_leaves_checksums_and_segments_to_its_nic_and_one_does_not(world):
    """What the other tests rely on: long frames pass to the wire and between guests."""
    offloads = 1 << 0 | 1 << 1 | 1 << 7 | 1 << 8 | 1 << 11 | 1 << 12  # virtio 1.2, section 5.1.3
    features = {name: int(world.vf(name)["features"], 16) & offloads for name in world.guests}
    assert features == {"vm1": offloads, "vm2": 0}, features
    before = world.stats()
    traffic.download(world.vm1.ip, 16 * MIB)
    after = world.stats()
    mean = (after["tx_bytes"] - before["tx_bytes"]) / (after["tx_pkts"] - before["tx_pkts"])
    assert mean > 3000, f"frames of {mean} bytes: none was long"
    assert after["drops"] == before["drops"], after["drops"]


def test_tcp_to_a_guest_is_byte_exact(world):
    traffic.upload(world.vm1.ip, 4 * MIB)


def test_tcp_from_a_guest_is_byte_exact(world):
    traffic.download(world.vm1.ip, 4 * MIB)


def test_tcp_passes_byte_exact_both_ways_at_once(world):
    """An echo keeps both rings busy: requests for checksums and segmentation go both ways."""
    data = bytes(range(256)) * 4096
    with traffic.connect(world.vm1.ip, traffic.ECHO) as sock:
        echoed = bytearray()
        for at in range(0, len(data), 1 << 16):
            chunk = data[at:at + (1 << 16)]
            sock.sendall(chunk)
            while len(echoed) < at + len(chunk):
                echoed += sock.recv(1 << 16)
    assert bytes(echoed) == data


def test_a_large_ping_is_fragmented_and_comes_back(world):
    """9,000 bytes: fragments that fill the MTU, both ways."""
    world.vm1.sh(f"ping -c 3 -s 9000 {world.daemon.ADDRESS}")


def test_frames_pass_between_two_guests(world):
    world.vm1.sh(f"ping -c 3 {world.vm2.ip}")
    world.vm1.sh(f"agent fetch {world.vm2.ip} {traffic.SOURCE} {2 * MIB}")
    world.vm2.sh(f"agent fetch {world.vm1.ip} {traffic.SOURCE} {2 * MIB}")


def test_numbered_frames_keep_their_order_both_ways(world):
    receiver, sender = traffic.NumberedReceiver(), traffic.NumberedSender(world.vm1.ip)
    try:
        world.vm1.sh(f"agent count {world.daemon.ADDRESS} {receiver.port} 500 1000")
        numbers = receiver.wait(500)
    finally:
        sent = sender.finish()
        receiver.finish()
    assert numbers == list(range(500)), f"got {len(numbers)} of 500, not in order or not all"
    tally = traffic.wait_counted(world.vm1.ip, sent)
    assert tally == {"received": sent, "next": sent, "lost": 0, "late": 0}, f"{sent} sent: {tally}"
