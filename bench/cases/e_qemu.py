# SPDX-License-Identifier: BSD-3-Clause
"""
The ReNIC paper's comparisons, with QEMU guests (bench/qemu/lab.py): host CPU, TCP and
request/response while what the guest sends is held, the client's silence in a live migration.
"""
import os

from harness.case import case, ratio_at_least
from harness.lab import need, run

LAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu/lab.py")
RENICD, TAP, TESTPMD = "renicd", "QEMU tap", "testpmd"
TURNS = 3
MOVES = 1   # turns of a live migration, each of four guests' boots
TCG = ("under software emulation the guest's own processor is the bound; both sides move complete frames of the "
       "MTU, without offloads")


def lab(*words):
    """One run of the lab: its samples."""
    need(("qemu-system-x86_64", "iperf3", "busybox", "dpdk-testpmd", "ethtool"), " bench")
    return run(LAB, *words, timeout=240)


def samples(words, experiment, scale=1.0, peers=(TAP,)):
    """Sides whose turns are the lab's, one after the other."""
    def side(name):
        def turn(world):
            words_now = ["1" if world.quick and word.isdigit() else word for word in words[1:]]
            return lab(words[0], *words_now)[experiment][name].pop(0) / scale
        return turn
    return {name: side(name) for name in (RENICD, *peers)}


GUESTS = ("guests", str(TURNS), "2")
case(name="qemu_cpu", title="host CPU, vCPUs not counted, of a QEMU guest's TCP",
     unit="CPU s/Gbit", turns=TURNS, sides=samples(GUESTS, "cpu_per_gbit"), note=TCG)
case(name="qemu_tcp_free", title="QEMU guest, TCP, not held", unit="Mbit/s", turns=TURNS,
     sides=samples(GUESTS, "tcp_free", 1e6),
     plot={"group": "qemu", "x": "TCP, free", "title": "A QEMU guest (TCG), held at 25 ms"})
case(name="qemu_tcp_held", title="QEMU guest, TCP, held at 25 ms (tap: filter-buffer)",
     unit="Mbit/s", turns=TURNS, sides=samples(GUESTS, "tcp_held", 1e6),
     plot={"group": "qemu", "x": "TCP, held"})
case(name="qemu_rr_free", title="QEMU guest, request/response, not held", unit="1/s",
     turns=TURNS, sides=samples(GUESTS, "trips_free"))
case(name="qemu_rr_held", title="QEMU guest, request/response, held at 25 ms (tap: filter-buffer)",
     unit="1/s", turns=TURNS, sides=samples(GUESTS, "trips_held"))
PEERS = ("peers", "2", "2")
OWN_BEST = ("each side has what it can: a VF takes checksums and segments from the guest, testpmd's net_vhost has nobody "
            "to pass them to; both have the same wire, the guest is under software emulation")
for wire in ("net_tap", "net_af_packet"):
    for way, title in (("from_guest", "QEMU guest, TCP to the wire"),
                       ("to_guest", "QEMU guest, TCP from the wire")):
        case(name=f"qemu_tcp_{way}_{wire}", unit="Mbit/s",
             title=f"{title} ({wire}), beside testpmd's net_vhost", turns=2,
             sides=samples((*PEERS, wire[len("net_"):]), f"tcp_{way}", 1e6, peers=(TESTPMD,)),
             note=OWN_BEST, budget=ratio_at_least(1.0, "≥ 1.0 × testpmd"))
case(name="qemu_migration", title="QEMU live migration: the client's silence", unit="ms",
     turns=MOVES,
     sides=samples(("moves", str(MOVES)), "silence_ms", peers=(TAP, "QEMU e1000", "bond")),
     note="bond: of a VF and an e1000, the VF unplugged for the move; e1000 and bond with Debian's general kernel")
