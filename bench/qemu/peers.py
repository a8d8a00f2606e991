#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
What QEMU has of its own to be measured beside renic-remus. Prints one line of JSON.

  peers.py colo DELAY_MS SECONDS    COLO in periodic mode, no colo-compare, no disk: pauses of
                                    the primary, checkpoints a second
  peers.py stops SECONDS            what QEMU alone takes of a pause: stop, xen-save-devices-state and
                                    cont in one write, 40 times a second, a guest on a tap
                                    with a NIC as renic-qemu's
  peers.py buffer SECONDS           a guest on a tap whose frames wait in a filter-buffer of 5, 25
                                    and 100 ms (nothing is copied anywhere)

COLO's two guests are on two renicd, on which nothing is held: only its pauses are of interest. An idle guest.
"""
import json
import os
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "../../tests")
sys.path[:0] = [HERE, os.path.join(TESTS, "vm"), os.path.join(TESTS, "lib")]

# pylint: disable=wrong-import-position
import sandbox  # noqa: E402
import test_colo  # noqa: E402
import traffic  # noqa: E402
from guest import accelerator  # noqa: E402
from lab import TapSide  # noqa: E402
from rates import measure  # noqa: E402
from tap_guest import OldNicTapGuest  # noqa: E402

INTERVALS_MS = (5, 25, 100)
STOPS_EVERY_S = 0.025
WARM_UP = 5  # checkpoints, the first of which copy what the start left


def percentile(values, share):
    """Of a list."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def colo(run, image, accel, delay_ms, seconds):
    """{what: value}"""
    world = test_colo.ColoHosts(run, image, accel)
    world.start()
    try:
        world.prepare()
        test_colo.DELAY_MS = int(delay_ms)
        test_colo.begin_colo(world)
        qmp, pauses = world.a.guest.qmp, []
        qmp.events.clear()
        for _ in range(WARM_UP):
            qmp.wait_event("RESUME", 30)
        qmp.events.clear()
        begun = time.monotonic()
        while (taken := time.monotonic() - begun) < float(seconds):
            qmp.wait_event("STOP", 30)
            stopped = time.monotonic()
            qmp.wait_event("RESUME", 30)
            pauses.append((time.monotonic() - stopped) * 1e3)
    finally:
        world.stop()
    return {"pause_p50_ms": percentile(pauses, 0.5), "pause_p99_ms": percentile(pauses, 0.99),
            "epochs_per_s": len(pauses) / taken}


class OldNicTapSide(TapSide):
    """On a tap, with a NIC as renic-qemu's."""

    GUEST = OldNicTapGuest


def stops(run, image, accel, seconds):
    """{what: value}"""
    side = OldNicTapSide(run, image, accel)
    state = run.join("state")
    words = [{"execute": "stop"}, {"execute": "xen-save-devices-state",
                                   "arguments": {"filename": state, "live": False}},
             {"execute": "cont"}]
    batch = b"".join(json.dumps(word).encode() + b"\n" for word in words)
    pauses = []
    try:
        side.guest.wait_up()
        side.guest.qmp.close()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(side.guest.path("qmp"))
            replies = sock.makefile("rb")
            replies.readline()
            sock.sendall(b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}\n')
            replies.readline()
            end = time.monotonic() + float(seconds)
            while (begun := time.monotonic()) < end:
                sock.sendall(batch)
                missing = len(words)
                while missing:
                    message = json.loads(replies.readline())
                    if "error" in message:
                        raise RuntimeError(f"QEMU: {message['error']['desc']}")
                    missing -= "return" in message
                pauses.append((time.monotonic() - begun) * 1e3)
                time.sleep(max(0, begun + STOPS_EVERY_S - time.monotonic()))
    finally:
        side.guest.kill()
    return {"pause_p50_ms": percentile(pauses, 0.5), "pause_p99_ms": percentile(pauses, 0.99)}


def buffer(run, image, accel, seconds):
    """{interval: {what: value}}"""
    side = TapSide(run, image, accel)
    results = {}
    try:
        side.guest.wait_up()
        traffic.wait_reachable(side.guest.ip)
        for interval in INTERVALS_MS:
            side.guest.qmp("object-add", **{
                "qom-type": "filter-buffer", "id": "held", "netdev": "net", "queue": "rx",
                "interval": interval * 1000})
            results[f"{interval} ms"] = measure(side.guest, side.guest.ip, float(seconds))
            side.guest.qmp("object-del", id="held")
    finally:
        side.guest.kill()
    return results


def main():
    """Command line."""
    image = os.path.join(sandbox.TOP, "build-vm")
    if not sandbox.inside():
        subprocess.run([os.path.join(TESTS, "vm/guest/build.sh"), image], check=True,
                       stdout=sys.stderr)
    sandbox.enter()
    experiment = {"colo": colo, "stops": stops, "buffer": buffer}[sys.argv[1]]
    run = sandbox.RunDir("renic-lab.")
    print(json.dumps(experiment(run, image, accelerator(image), *sys.argv[2:])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
