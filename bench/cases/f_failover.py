# SPDX-License-Identifier: BSD-3-Clause
"""
A guest that outlives its host (bench/qemu/failover.py): pause of a checkpoint, epochs, bytes, the
replicator's CPU; throughput and latency by interval; from the kill to the guest on the other
host. Beside it (bench/qemu/peers.py) QEMU's own: COLO in periodic mode, and a filter-buffer on a
tap, which holds frames by the clock and copies nothing.
"""
import os
import subprocess

from harness import lab
from harness.case import Skip, case, value_at_least, value_at_most
from harness.lab import need

QEMU = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu")
COLO_MS = 25  # between its checkpoints
IDLE_S, BUSY_S = 16, 6  # p99 is the sixth longest pause of 640
GUESTS = {"192 MiB": ("196616K", IDLE_S), "1 GiB": ("1G", IDLE_S // 2)}
KILLS = 5


def run(program, *words):
    """One run of a lab: its results."""
    need(("qemu-system-x86_64", "busybox"), "")
    return lab.run(os.path.join(QEMU, program), *words, timeout=230)


def colo_side(what):
    """COLO's; of what it is asked to do as often. Now and then QEMU 7.2's does not begin."""
    def side(world):
        for _ in range(2):
            try:
                return run("peers.py", "colo", str(COLO_MS), "2" if world.quick else "8")[what]
            except subprocess.CalledProcessError:
                pass
        raise Skip("QEMU's COLO did not begin, twice")
    return {"COLO, 192 MiB, idle": side}


def qemu_side(what):
    """QEMU's own part of a pause, with a NIC as renic-qemu's."""
    return {"QEMU alone, 192 MiB, idle, on a tap": lambda world: run(
        "peers.py", "stops", "2" if world.quick else str(IDLE_S))[what]}


def pause_sides(what):
    """A side for each guest and load; one run serves all cases."""
    def side(load, ram, idle_s, busy_s=BUSY_S, vf_words=()):
        return lambda world: run("failover.py", "pauses", ram,
                                 *(("2", "2") if world.quick else (str(idle_s), str(busy_s))),
                                 *vf_words)[load][what]
    return {f"{name}, {load}": side(load, *guest)
            for name, guest in GUESTS.items() for load in ("idle", "busy")} | {
        "192 MiB, idle, modern NIC": side("idle", *GUESTS["192 MiB"], 1, (",modern=on",))}


def rate_sides(what):
    """A side for each interval, and for QEMU's buffer at each."""
    def side(program, experiment, name):
        return lambda world: run(program, experiment, "1" if world.quick else "3")[name][what]

    held = ("5 ms", "25 ms", "100 ms")
    return {name: side("failover.py", "rates", name) for name in ("unprotected", *held)} | {
        f"filter-buffer, {name}": side("peers.py", "buffer", name) for name in held}


def kill_side(what):
    """A turn is a kill."""
    return {"renic-remus": lambda world: run("failover.py", "kills", str(KILLS))[what].pop(0)}


case(name="failover_pause_p50", title="pause of a checkpoint, median", unit="ms", turns=1,
     sides=pause_sides("pause_p50_ms") | colo_side("pause_p50_ms")
     | qemu_side("pause_p50_ms"),
     budget=value_at_most(3.0, "192 MiB, idle: ≤ 3 ms"),
     note="COLO's guest has a modern NIC; under software emulation, on two cores for two hosts and "
          "the client")
case(name="failover_pause_p99", title="pause of a checkpoint, p99", unit="ms", turns=1,
     sides=pause_sides("pause_p99_ms") | colo_side("pause_p99_ms")
     | qemu_side("pause_p99_ms"),
     budget=value_at_most(6.0, "192 MiB, idle: ≤ 6 ms"),
     if_missed="of 320 checkpoints the few in which woken threads of QEMU, renicd and renic-remus, of "
               "two hosts and a client, wait for one of two CPUs: docs/performance.md")
case(name="failover_epochs", title="epochs sustained at 25 ms", unit="1/s", turns=1,
     sides=pause_sides("epochs_per_s") | colo_side("epochs_per_s"),
     budget=value_at_least(39.5, "192 MiB, idle: 40"))
case(name="failover_bytes", title="sent for an epoch", unit="KiB", turns=1,
     sides=pause_sides("kib_per_epoch"))
case(name="failover_cpu", title="CPU of the primary's renic-remus", unit="% of a core", turns=1,
     sides=pause_sides("cpu_percent"))
case(name="failover_tcp", title="TCP from the guest, by interval, from its first byte",
     unit="Mbit/s", turns=1, sides=rate_sides("tcp_mbit_s"),
     note="HyStart ends the guest's slow start early and by chance (bench/qemu/rates.py)")
case(name="failover_tcp_no_hystart", title="the same, the guest's TCP without HyStart",
     unit="Mbit/s", turns=1, sides=rate_sides("tcp_no_hystart_mbit_s"))
case(name="failover_rr", title="request/response, by interval", unit="ms", turns=1,
     sides=rate_sides("round_trip_ms"))
case(name="failover_first_frame", title="kill -9 to the first frame of the new primary", unit="ms",
     turns=KILLS, sides=kill_side("first_frame_ms"), budget=value_at_most(500.0, "≤ 500 ms"))
case(name="failover_silence", title="the client's longest silence at a failover", unit="ms",
     turns=KILLS, sides=kill_side("silence_ms"))
case(name="failover_decision", title="decision to running guest", unit="ms", turns=KILLS,
     sides=kill_side("decision_ms"), budget=value_at_most(50.0, "≤ 50 ms"))
