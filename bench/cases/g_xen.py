# SPDX-License-Identifier: BSD-3-Clause
"""
Xen (bench/xen/lab.py): renic-remus beside `xl remus`, renicd's netif port beside xen-netback and a
bridge, on two hosts nested in QEMU. All of it is software emulation: only the ratios tell
something.
"""
import os

from harness import lab
from harness.case import Budget, Skip, case, ratio_at_least
from harness.lab import need

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
LAB = os.path.join(TOP, "bench/xen/lab.py")
EMULATED = "nested, emulated in software"


def run(*words):
    """One run of the lab: its results."""
    need(("qemu-system-x86_64",), " check")
    if not os.path.exists(os.path.join(TOP, "build-xen/dom0.cpio")):  # minutes
        raise Skip("no images (xen-integration/testbed/images.sh build-xen build makes them)")
    return lab.run(LAB, *words, timeout=235)


def remus_sides(what):
    """Both, of one run."""
    def side(name):
        return lambda world: run("remus", "10" if world.quick else "25")[name][what]
    return {"renic-remus": side("renic"), "xl remus -F -n": side("xl")}


def frames_side(name):
    return lambda world: run("frames", "2000" if world.quick else "10000")[name]


case(name="xen_stop", title="Xen: guest stop per checkpoint", unit="ms", turns=1,
     sides=remus_sides("stop_ms"), note=EMULATED,
     budget=Budget("ratio", 1.0, True, "≤ 1 × xl remus"))
case(name="xen_checkpoints", title="Xen: checkpoints at 200 ms", unit="1/s", turns=1,
     sides=remus_sides("checkpoints_per_s"), note=EMULATED,
     budget=ratio_at_least(1.0, "≥ 1 × xl remus"))
case(name="xen_memory", title="Xen: memory gained meanwhile", unit="KiB", turns=1,
     sides=remus_sides("grown_kib"), note=EMULATED,
     budget=Budget("difference", 0.0, True, "no more than xl remus"))
case(name="xen_frames", title="Xen: datagrams between two guests", unit="1/s", turns=1,
     sides={"renicd": frames_side("renicd"), "xen-netback, bridge": frames_side("netback")},
     note=EMULATED)
