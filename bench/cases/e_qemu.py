# SPDX-License-Identifier: BSD-3-Clause
"""
The ReNIC paper's comparisons, with QEMU guests (bench/qemu/lab.py): host CPU, TCP and
request/response while what the guest sends is held, the client's silence in a live migration.
"""
import functools
import json
import os
import shutil
import subprocess
import sys

from harness.case import Skip, case

LAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu/lab.py")
RENICD, TAP = "renicd", "QEMU tap"
TURNS = 3
TCG = ("under software emulation the guest's own processor is the bound; both sides move complete frames of the "
       "MTU, without offloads")


@functools.lru_cache(maxsize=None)
def lab(*words):
    """One run of the lab: its samples."""
    for program in ("qemu-system-x86_64", "iperf3", "busybox"):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed (scripts/deps.sh bench installs it)")
    done = subprocess.run([sys.executable, LAB, *words], stdout=subprocess.PIPE, text=True,
                          check=True, timeout=240)
    return json.loads(done.stdout.splitlines()[-1])


def samples(words, experiment, scale=1.0):
    """Sides whose turns are the lab's, one after the other."""
    def side(name):
        def run(world):
            words_now = [word if not world.quick else "1" for word in words[1:]]
            return lab(words[0], *words_now)[experiment][name].pop(0) / scale
        return run
    return {name: side(name) for name in (RENICD, TAP)}


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
case(name="qemu_migration", title="QEMU live migration: the client's silence", unit="ms",
     turns=TURNS, sides=samples(("moves", str(TURNS)), "silence_ms"),
     note="no emulated e1000 and no bonded guest beside it: Debian's cloud kernel has no e1000 driver")
