#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
A QEMU guest protected by renic-remus on two hosts, with the lab of tests/failover. Prints one line of
JSON.

  failover.py pauses RAM IDLE_SECONDS BUSY_SECONDS [VF-WORDS]
                                     pause, epochs, bytes and CPU; ",modern=on" is such words
  failover.py rates SECONDS          TCP and request/response, unprotected and at 5, 25, 100 ms
  failover.py kills N                kill -9 of everything on the primary: until the first frame
                                     of the new one, the client's silence, decision to guest

All of renic-remus' options are its defaults, but for no TLS.
"""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "../../tests")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("failover", "vm", "lib")]
sys.path.append(HERE)

# pylint: disable=wrong-import-position
import sandbox  # noqa: E402
from clients import EchoClient  # noqa: E402
from guest import MEMORY, accelerator  # noqa: E402
from lab import GUEST_IP, Lab  # noqa: E402
from rates import measure  # noqa: E402

DEFAULTS = {"timeout_ms": 300, "renicd_timeout_ms": 5000}
BUSY = "agent dirty 16 20000 >/dev/null 2>&1 &"  # 16 MiB written every 20 ms and more
INTERVALS_MS = (5, 25, 100)


def cpu_s(process):
    """CPU seconds that a process took."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(lab, seconds):
    """Let it run for a while: what renic-remus says of it."""
    lab.restart_remus({}, {})  # statistics from nothing
    before, cpu, begun = lab.primary.status()["stats"], cpu_s(lab.primary.remus), time.monotonic()
    time.sleep(seconds)
    taken = time.monotonic() - begun
    after = lab.primary.status()["stats"]
    epochs = after["checkpoints"] - before["checkpoints"]
    return {
        "pause_p50_ms": after["pause_us"]["p50"] / 1e3,
        "pause_p99_ms": after["pause_us"]["p99"] / 1e3,
        "epochs_per_s": epochs / taken,
        "kib_per_epoch": (after["bytes_sent"] - before["bytes_sent"]) / max(epochs, 1) / 1024,
        "cpu_percent": (cpu_s(lab.primary.remus) - cpu) / taken * 100,
    }


def pauses(lab, idle_s, busy_s):
    """{load: {what: value}}"""
    lab.boot()
    lab.protect()
    results = {"idle": watch(lab, idle_s)}
    lab.primary.guest.sh(BUSY)
    return results | {"busy": watch(lab, busy_s)}


def rates(lab, seconds):
    """{protection: {what: value}}"""
    lab.boot()
    results = {"unprotected": measure(lab.primary.guest, GUEST_IP, seconds)}
    lab.protect()
    for interval in INTERVALS_MS:
        lab.restart_remus({"interval_us": interval * 1000}, {})
        results[f"{interval} ms"] = measure(lab.primary.guest, GUEST_IP, seconds)
    return results


def kills(lab, count):
    """{what: [value of each kill]}"""
    results = {"first_frame_ms": [], "silence_ms": [], "decision_ms": []}
    lab.boot()
    lab.protect()
    for _ in range(int(count)):
        client = EchoClient(GUEST_IP)
        time.sleep(1)
        client.reset_silence()
        lab.forget_backwards()
        killed = time.monotonic()
        lab.primary.kill()
        status = lab.wait_taken_over()
        lab.wait_ticks_from(lab.primary)
        time.sleep(1)
        client.finish()
        if client.problem:
            raise RuntimeError(client.problem)
        first = lab.first_tick_of(lab.primary)
        results["first_frame_ms"].append((first.time - killed) * 1e3)
        results["silence_ms"].append(client.silence_s * 1e3)
        results["decision_ms"].append(status["stats"]["failover_us"] / 1e3)
        lab.rebuild()
    return results


def main():
    """Command line."""
    image = os.path.join(sandbox.TOP, "build-vm")
    if not sandbox.inside():
        subprocess.run([os.path.join(TESTS, "vm/guest/build.sh"), image], check=True,
                       stdout=sys.stderr)
    sandbox.enter()
    what, *words = sys.argv[1:]
    memory = words.pop(0) if what == "pauses" else MEMORY
    vf_words = words.pop() if words[-1].startswith(",") else ""
    run = sandbox.RunDir("renic-lab.")
    Lab.network()
    lab = Lab(run, image, accelerator(image), load=False, memory=memory,
              vf_words=vf_words, **DEFAULTS)
    experiment = {"pauses": pauses, "rates": rates, "kills": kills}[what]
    try:
        print(json.dumps(experiment(lab, *map(float, words))))
    finally:
        lab.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
