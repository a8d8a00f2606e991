# SPDX-License-Identifier: BSD-3-Clause
"""Frames a second: against the peers, protected against unprotected, by size, epoch and guests."""
import functools

from harness.case import case, ratio_at_least

MPPS = 1e6
SENT = "--boundary=sent"  # no call to the daemon beside begin, resume and commit


def released(report, protected=False):
    """What went through: taken from the guests, or, of protected ones, let out."""
    daemon = report.get("daemon")
    if daemon and protected:
        return min(daemon["taken_pps"], daemon["released_pps"])
    return report["tx_pps"]


def renicd(*words, uplink="null", seconds=1.2, **config):
    """renicd with these words for the generator."""
    def run(world):
        report = world.pktgen(world.renicd(uplink, **config), *words, seconds=seconds)
        return released(report, any(word.startswith("--epoch") for word in words))
    return run


def testpmd(*words, uplink="null", guests=1):
    """dpdk-testpmd likewise."""
    return lambda world: released(world.pktgen(world.testpmd(uplink, guests), *words))


def ovs(*words, uplink="null", guests=1):
    """Open vSwitch likewise."""
    return lambda world: released(world.pktgen(world.ovs(uplink, guests), *words))


protected = functools.partial(renicd, SENT, "--epoch=25ms")

case(name="unprotected_64", title="unprotected VF → uplink, 64 B", unit="Mpps", scale=MPPS,
     sides={"renicd": renicd(), "testpmd": testpmd(), "OVS-DPDK": ovs()},
     budget=ratio_at_least(1.0, "≥ 1.0 × testpmd"), by_distance=True,
     plot={"group": "peers", "x": "VF → uplink, 64 B", "title": "Unprotected, one core"})
case(name="unprotected_1518", title="unprotected VF → uplink, 1518 B", unit="Mpps", scale=MPPS,
     sides={"renicd": renicd("--size=1518"), "testpmd": testpmd("--size=1518"),
            "OVS-DPDK": ovs("--size=1518")}, turns=2,
     plot={"group": "peers", "x": "VF → uplink, 1518 B"})
case(name="protected_64", title="protected at 25 ms, 64 B", unit="Mpps", scale=MPPS,
     sides={"protected": protected(), "unprotected": renicd()},
     budget=ratio_at_least(0.95, "≥ 0.95 × unprotected"), turns=7, by_distance=True,
     if_missed="a held frame costs its lcore some cycles more than one that passes at once (one "
               "write of 80 bytes, one read), which shows where the generator outruns both: "
               "docs/performance.md")
case(name="protected_1518_40g", title="protected at 25 ms, 1518 B at 40 Gb/s", unit="Mpps",
     scale=MPPS,
     sides={"protected": protected("--size=1518", "--rate=3294k"),
            "unprotected": renicd("--size=1518", "--rate=3294k")},
     budget=ratio_at_least(0.9, "≥ 0.9 × unprotected"))
for period in ("2ms", "5ms", "25ms", "100ms"):
    for size in (64, 1518):
        case(name=f"epoch_{period}_{size}", title=f"protected at {period[:-2]} ms, {size} B",
             unit="Mpps", scale=MPPS, turns=2,
             sides={"protected": renicd(SENT, f"--epoch={period}", f"--size={size}",
                                        seconds=0.9),
                    "unprotected": renicd(f"--size={size}", seconds=0.9)},
             note="bound by the VF's log: 128 MiB of these are sent in less than an epoch, then "
                  "the guest waits" if (period, size) == ("100ms", 1518) else "",
             plot={"group": f"epochs_{size}", "x": period,
                   "title": f"Protected against unprotected, {size} B, by epoch length"})
case(name="vf_to_vf", title="VF → VF and back, 64 B", unit="Mpps", scale=MPPS, turns=2,
     sides={"renicd": renicd("--vfs=2", "--flow=pair", "--allow-lost=1000000000", uplink=None),
            "testpmd": testpmd("--vfs=2", "--flow=pair", "--allow-lost=1000000000", uplink=None,
                               guests=2),
            "OVS-DPDK": ovs("--vfs=2", "--flow=pair", "--allow-lost=1000000000", uplink=None,
                            guests=2)},
     plot={"group": "peers", "x": "VF ↔ VF, 64 B"})
for guests_n in (8, 64, 256):
    case(name=f"guests_{guests_n}", title=f"{guests_n} VFs → uplink, 64 B, all together",
         unit="Mpps", scale=MPPS, turns=2,
         sides={f"{guests_n} VFs": renicd(f"--vfs={guests_n}"), "1 VF": renicd()},
         plot={"group": "guests", "x": f"{guests_n} VFs", "title": "One core, many guests"})
