# SPDX-License-Identifier: BSD-3-Clause
"""Latency, release after a commit, ingress."""
import os

from harness.case import case, difference_at_most

LOSSY = "--allow-lost=1000000000"  # a NIC drops what its guest has no buffer for


def median_us(report):
    """Of all frames."""
    return report["latency_us"]["p50"]


def latency(make, *words):
    """Median latency at 100,000 frames a second through a memif uplink, microseconds."""
    return lambda world: median_us(world.pktgen(make(world), "--rate=100k", "--burst=1", *words))


case(name="latency", title="latency VF → uplink, unprotected, 100 kpps, median", unit="µs",
     sides={"renicd": latency(lambda world: world.renicd("memif")),
            "testpmd": latency(lambda world: world.testpmd("memif"))},
     budget=difference_at_most(1.0, "≤ testpmd + 1 µs"))
case(name="latency_busy", title="the same with `poll: busy`", unit="µs", turns=3,
     sides={"renicd": latency(lambda world: world.renicd("memif", poll="busy")),
            "testpmd": latency(lambda world: world.testpmd("memif"))})


def lossless(make):
    """The highest rate without loss through a memif uplink (RFC 2544, 26.1)."""
    return lambda world: world.pktgen(make(world), "--search", "--resolution=4",
                                      seconds=0.4)["search"]["best_pps"]


case(name="lossless", title="highest rate without loss, VF → memif uplink, 64 B", unit="Mpps",
     scale=1e6, turns=2, sides={"renicd": lossless(lambda world: world.renicd("memif")),
                                "testpmd": lossless(lambda world: world.testpmd("memif"))})


def release(world):
    """Protected at 25 ms and 1 Mpps: longest silence at the far end; arrivals for the plot."""
    path = os.path.join(world.env.directory, "arrivals")
    report = world.pktgen(world.renicd("memif"), "--epoch=25ms", "--rate=1M", "--boundary=sent",
                          f"--arrivals={path}")
    with open(path, encoding="ascii") as f:
        bins = [tuple(map(int, line.split())) for line in f]
    first = bins[len(bins) // 2][0]
    shown = [((us - first) / 1000, frames) for us, frames in bins if 0 <= us - first < 80000]
    return report["silence_us"] / 1000, {"arrivals": shown}


case(name="release", title="release after commits, 25 ms, 1 Mpps: longest silence outside",
     unit="ms", turns=3, sides={"renicd": release})


def ingress(make, *words):
    """Frames a second from the uplink to a guest, flat out."""
    return lambda world: world.pktgen(make(world), "--flow=in", "--mergeable", LOSSY,
                                      *words)["rx_pps"]


case(name="ingress", title="uplink → VF, 64 B, flat out", unit="Mpps", scale=1e6,
     sides={"renicd": ingress(lambda world: world.renicd("memif")),
            "testpmd": ingress(lambda world: world.testpmd("memif"))}, turns=2)
case(name="ingress_dirty_log", title="uplink → VF, 64 B, protected: with the DMA dirty log",
     unit="Mpps", scale=1e6, turns=3,
     sides={"protected": ingress(lambda world: world.renicd("memif"), "--epoch=25ms",
                                 "--boundary=sent"),
            "unprotected": ingress(lambda world: world.renicd("memif"))},
     note="through memif, whose far end the generator plays on its one core")
