# SPDX-License-Identifier: BSD-3-Clause
"""A Xen guest's vif through renicd's netif port."""
import threading

import traffic
from world import ADDRESS

BYTES = 1_000_000


def test_a_guest_answers_pings_through_the_uplink(world):
    sent, received, order, _ = traffic.ping(world.ip(), 20)
    assert (sent, received, order) == (20, 20, sorted(order)), (sent, received, order)


def test_the_vf_shows_the_domain_and_its_rings(world):
    vf = world.vf()
    assert vf["transport"] == "xen" and vf["frontend"] == "running", vf
    assert vf["xen_domain"] == world.host.domid("web"), vf
    assert vf["rings"][0]["enabled"] and vf["rings"][0]["tx_size"] == 256, vf


def test_tcp_to_a_guest_is_byte_exact(world):
    traffic.upload(world.ip(), BYTES)


def test_tcp_from_a_guest_is_byte_exact(world):
    traffic.download(world.ip(), BYTES)


def test_tcp_passes_byte_exact_both_ways_at_once(world, name):
    problems, ip = [], world.ip(name)

    def upload():
        try:
            traffic.upload(ip, BYTES)
        except Exception as error:  # pylint: disable=broad-except
            problems.append(error)

    thread = threading.Thread(target=upload)
    thread.start()
    traffic.download(ip, BYTES)
    thread.join()
    assert not problems, problems


# Checksums and segments left to renicd, and made by the guest.
test_tcp_passes_byte_exact_both_ways_at_once.cases = {"offloads": "web", "no offloads": "db"}


def test_a_large_ping_is_fragmented_and_comes_back(world):
    world.host.guest_sh("web", f"ping -c 3 -s 20000 {ADDRESS}")


def test_frames_pass_between_two_guests(world):
    world.host.guest_sh("web", f"ping -c 5 {world.ip('db')}")
    world.host.guest_sh("web", f"agent fetch {world.ip('db')} {traffic.SOURCE} {BYTES}")


def test_numbered_frames_arrive_once_and_in_order(world):
    sender = traffic.NumberedSender(world.ip(), 0.005)
    threading.Event().wait(3)
    sent = sender.finish()
    tally = traffic.wait_counted(world.ip(), sent, timeout=60)
    assert tally["received"] == sent and tally["lost"] == tally["late"] == 0, (sent, tally)


def test_a_guest_with_two_queues_sends_whole_segments(world):
    """Segmentation left to the NIC on both sides: frames longer than the wire's pass between."""
    host, ip = world.host, "10.9.0.4"
    host.create("wide", f"{ip}/24", "00:16:3e:00:00:04", vcpus=2)
    try:
        traffic.wait_reachable(ip, timeout=90)
        rings = world.vf("wide")["rings"]
        assert [ring["enabled"] for ring in rings] == [True, True], rings
        traffic.upload(ip, BYTES)
        traffic.download(ip, BYTES)
        before = world.stats()
        host.guest_sh("web", f"agent fetch {ip} {traffic.SOURCE} {BYTES}")
        after = world.stats()
        frames, octets = (after[key] - before[key] for key in ("rx_pkts", "rx_bytes"))
        assert octets > BYTES and octets / frames > 2000, (octets, frames)
    finally:
        host.sh("xl destroy wide")
