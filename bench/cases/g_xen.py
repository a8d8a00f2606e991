# SPDX-License-Identifier: BSD-3-Clause
"""
Xen (bench/xen/lab.py): renic-remus beside `xl remus`, renicd's netif port beside xen-netback and a
bridge, on two hosts nested in QEMU. All of it is software emulation: only the ratios tell
something. One run of the lab serves all rows; it takes some 6 minutes, so
only when asked for (ONLY=xen).
"""
import functools
import os

from harness import lab
from harness.case import Budget, Skip, case, ratio_at_least
from harness.lab import need

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
LAB = os.path.join(TOP, "bench/xen/lab.py")
EMULATED = "nested, emulated in software"
LAB_TIMEOUT_S = 590  # hang guards: it takes half of that beside other load
CASE_TIMEOUT_S = 600


def run(world):
    """The results of the one run of the lab."""
    need(("qemu-system-x86_64",), " check")
    if not os.path.exists(os.path.join(TOP, "build-xen/dom0.cpio")):  # minutes
        raise Skip("no images (xen-integration/testbed/images.sh build-xen build makes them)")
    words = ("both", "5", "2000") if world.quick else ("both", "12", "3000")
    return lab.run(LAB, *words, timeout=LAB_TIMEOUT_S)


def xen_case(name, title, unit, sides, budget=None):
    """sides: {label: where in the lab's results its figure is}."""
    def side(path):
        return lambda world: functools.reduce(lambda found, key: found[key], path, run(world))
    case(name=name, title=f"Xen: {title}", unit=unit, turns=1, timeout_s=CASE_TIMEOUT_S, on_request=True,
         sides={label: side(path) for label, path in sides.items()}, budget=budget, note=EMULATED)


def remus_case(name, title, unit, what, budget):
    xen_case(name, title, unit, {"renic-remus": ("remus", "renic", what),
                                 "xl remus -F -n": ("remus", "xl", what)}, budget)


remus_case("xen_stop", "guest stop per checkpoint", "ms", "stop_ms",
           Budget("ratio", 1.0, True, "≤ 1 × xl remus"))
remus_case("xen_checkpoints", "checkpoints at 200 ms", "1/s", "checkpoints_per_s",
           ratio_at_least(1.0, "≥ 1 × xl remus"))
remus_case("xen_memory", "memory gained meanwhile", "KiB", "grown_kib",
           Budget("difference", 0.0, True, "no more than xl remus"))
xen_case("xen_frames", "datagrams between two guests", "1/s",
         {"renicd": ("frames", "renicd"), "xen-netback, bridge": ("frames", "netback")})
