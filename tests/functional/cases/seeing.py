# SPDX-License-Identifier: BSD-3-Clause
"""What an operator can see: counters of each queue, features, drops of a new kind, times held."""
import time

from lib.case import case
from lib.check import check, equal, wait_until


@case
def counters_of_the_queues_add_up(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, queues=2)
    other = env.guest(daemon, framegen, 2, queues=2)
    for queue in range(2):
        guest.send("ipv4", 100 * (queue + 1), stream=queue, queue=queue, dst=other.mac)
    daemon.wait_taken("vf1", 300)
    stats = daemon.stats("vf1")
    equal([queue["tx_pkts"] for queue in stats["queues"]], [100, 200], "frames of each queue")
    wait_until(lambda: daemon.stats("vf2")["rx_pkts"] == 300, "frames at the other guest")
    for vf in ("vf1", "vf2"):
        stats = daemon.stats(vf)
        for counter in ("tx_pkts", "tx_bytes", "rx_pkts", "rx_bytes", "released_pkts"):
            equal(sum(queue[counter] for queue in stats["queues"]), stats[counter], counter)
        for reason, count in stats["drops"].items():
            equal(sum(queue["drops"][reason] for queue in stats["queues"]), count, reason)


@case
def features_are_shown_by_name(env):
    daemon = env.renicd_alone()
    env.guest(daemon, env.framegen(), 1, packed=False)
    vf = daemon.vf("vf1")
    for name, bit in (("MRG_RXBUF", 15), ("VERSION_1", 32), ("RING_PACKED", 34), ("MTU", 3)):
        equal(name in vf["feature_names"], bool(int(vf["features"], 16) >> bit & 1), name)
    equal(len(vf["feature_names"]), bin(int(vf["features"], 16)).count("1"), "names and bits")


@case
def drops_of_a_new_kind_are_an_event_once(env):
    daemon, _, _ = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    client = daemon.connect()
    client.call("events_subscribe", types=["drops"])
    guest.send("ipv4", 3, src="02:00:00:00:99:99")
    event = client.wait_event("drops", "vf1")
    check(event["detail"].startswith("spoofed_mac:"), event["detail"])
    guest.send("ipv4", 3, src="02:00:00:00:99:99")
    time.sleep(0.4)
    daemon.call("vf_reset", name="vf1")
    equal(client.events, type(client.events)(), "events for a reason told already")
    guest.send("ipv4", 1, src="02:00:00:00:99:99")
    client.wait_event("drops", "vf1")


@case
def group_get_tells_how_long_frames_were_held(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("ipv4", 200)
    daemon.wait_taken("vf1", 200)
    time.sleep(0.25)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    capture.wait(200)
    held = daemon.call("group_get", name="vf1")["held_time"]
    equal(held["pkts"], 200, "frames counted")
    equal(sum(bucket["pkts"] for bucket in held["buckets"]), 200, "frames in buckets")
    check(held["mean_us"] >= 250000 and held["p50_us"] > 250000, f"held for 250 ms: {held}")
    check(held["mean_us"] <= held["max_us"] <= 20e6, f"in order: {held}")
    shown = env.renicctl(daemon, "group", "get", "vf1").stdout
    check("HELD-BELOW" in shown, f"renicctl shows the histogram: {shown}")
    guest.send("ipv4", 50)
    daemon.wait_taken("vf1", 250)
    daemon.call("protection_stop", group="vf1", held="discard")
