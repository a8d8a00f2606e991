#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo behind `make xen-demo`: two Xen hosts, each a QEMU with the real hypervisor in it; a PV
guest whose TCP transfer goes on while its host's QEMU is killed with -9. Started by xen_demo.sh.
Exit status 0 only if each step was seen."""
import os
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path[:0] = [os.path.join(TOP, *name.split("/")) for name in
                ("xen-integration/testbed", "tests/failover", "tests/vm", "tests/lib")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
from demo import Report, play  # noqa: E402
from failover_demo import Transfer, percentiles  # noqa: E402
from pair import GUEST, Pair  # noqa: E402
from xenhost import XenError  # noqa: E402

SIZE_MIB, KILL_AT = 4, 0.3
TRANSFER_S = 200


def step_hosts(pair, report):
    report.title("Two Xen hosts; a PV guest starts on the first",
                 f"a# xl create {GUEST}.cfg     vif = [ 'mac=...,script=vif-renic,vifname={GUEST}' ]")
    begun = time.monotonic()
    pair.start()
    pair.boot_guest()
    report.seen("hosts and guest up", f"Xen {pair.a.sh('xl info xen_version').strip()}, "
                f"after {time.monotonic() - begun:.0f} s")


def step_protect(pair, report):
    report.title("renic-remus copies it to host b: all memory, then checkpoints",
                 "b# renic-remus standby -c remus.json   a# renic-remus primary -c remus.json")
    begun = time.monotonic()
    pair.protect()
    stats = pair.status(pair.a)["stats"]
    report.seen("protected", f"a whole checkpoint is held after {time.monotonic() - begun:.1f} s",
                stats["checkpoints"] > 0)


def step_transfer(pair, report):
    report.title(f"A client fetches {SIZE_MIB} MiB from the guest over TCP")
    transfer = Transfer(SIZE_MIB << 20)
    transfer.wait_for(KILL_AT)
    status = pair.status(pair.a)
    report.seen("transfer under way", f"{transfer.got >> 10} of {SIZE_MIB << 10} KiB",
                transfer.got >= transfer.size * KILL_AT and transfer.is_alive())
    report.show(f"{status['stats']['checkpoints']} checkpoints; pause under emulation: "
                f"{percentiles(status['stats']['pause_us'])}")
    return transfer


def step_kill(pair, report, transfer):
    report.title("Host a dies in the middle of the transfer", f"kill -9 {pair.a.process.pid}")
    before = transfer.got
    killed = time.monotonic()
    pair.a.kill()
    status = pair.wait_state(pair.b, "active", 60)
    report.seen("host b took over", f"{time.monotonic() - killed:.1f} s after the kill, of them "
                f"{status['stats']['failover_us'] / 1000:.0f} ms from the decision to a running guest")
    return before


def step_goes_on(report, transfer, before):
    report.title("The transfer goes on, over the same connection")
    transfer.join(TRANSFER_S)
    if transfer.error:
        report.show(f"the client: {transfer.error}")
    report.seen("bytes after the kill", f"{(transfer.got - before) >> 10} KiB",
                transfer.got > before)
    report.seen("checksum of the whole", f"{transfer.got >> 10} KiB, CRC-32 {transfer.crc:08x}, "
                f"the guest says {transfer.told or 'nothing'}", transfer.right())


def main():
    sandbox.enter()
    run = sandbox.RunDir("renic-xen.")
    report = Report(5)
    pair = Pair(run, os.path.join(TOP, "build-xen"))

    def steps():
        step_hosts(pair, report)
        step_protect(pair, report)
        transfer = step_transfer(pair, report)
        before = step_kill(pair, report, transfer)
        step_goes_on(report, transfer, before)

    return play(report, run, steps, pair.stop, also=(XenError,))


if __name__ == "__main__":
    sys.exit(main())
