#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo behind `make failover-demo`: a guest's TCP transfer goes on while QEMU, renicd and
renic-remus of its host are killed with -9 at once. Started by failover_demo.sh; two hosts as network
namespaces, which take everything along when they end. Exit status 0 only if each step was
seen."""
import os
import sys
import threading
import time
import zlib

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path[:0] = [os.path.join(TOP, "tests", name) for name in ("failover", "vm", "lib")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
import traffic  # noqa: E402
from demo import Report, play  # noqa: E402
from guest import accelerator  # noqa: E402
from lab import GUEST_IP, Lab  # noqa: E402

SIZE_MIB, KILL_AT = 24, 0.4
WATCH_S = 3
TRANSFER_S = 180
# renic-remus' own defaults; the tests are more patient.
OPTIONS = {"timeout_ms": 300, "heartbeat_ms": 50}


class Transfer(threading.Thread):
    """A download from the guest over one TCP connection, its checksum computed on the way."""

    def __init__(self, size):
        super().__init__(daemon=True)
        self.size, self.got, self.crc, self.told = size, 0, 0, ""
        self.silence_s, self.error = 0.0, None
        self.start()

    def run(self):
        try:
            with traffic.connect(GUEST_IP, traffic.SOURCE, timeout=60) as sock:
                sock.sendall(f"{self.size}\n".encode())
                self.receive(sock)
        except OSError as error:
            self.error = error

    def receive(self, sock):
        tail, heard = b"", time.monotonic()
        while data := sock.recv(1 << 16):
            now = time.monotonic()
            self.silence_s, heard = max(self.silence_s, now - heard), now
            body = data[:self.size - self.got]
            self.crc = zlib.crc32(body, self.crc)
            self.got += len(body)
            tail += data[len(body):]
        self.told = tail.decode(errors="replace")

    def right(self):
        return self.got == self.size and self.told == f"{self.crc:08x}"

    def wait_for(self, fraction):
        end = time.monotonic() + TRANSFER_S
        while self.got < self.size * fraction and self.is_alive() and time.monotonic() < end:
            time.sleep(0.005)


def ms(microseconds):
    return f"{microseconds / 1000:.1f} ms"


def percentiles(values):
    return f"p50 {ms(values['p50'])}, p90 {ms(values['p90'])}, p99 {ms(values['p99'])}"


def step_hosts(lab, report, accel):
    report.title("Two hosts; a Linux guest boots on the first, its standby waits on the second",
                 "a# renic-qemu -n vm1 -m 192M --vf /run/renicd/vm1.sock,mac=... -- ...   "
                 "b# the same with --standby")
    begun = time.monotonic()
    lab.boot()
    report.seen("guest up on host a", f"Linux {lab.primary.guest.sh('uname -r')} under QEMU "
                f"({accel.split(',')[0]}) after {time.monotonic() - begun:.1f} s")


def step_protect(lab, report):
    report.title("renic-remus copies it to host b: all memory first, then a checkpoint every 25 ms",
                 "b# renic-remus standby -c vm1.json   a# renic-remus primary -c vm1.json")
    begun = time.monotonic()
    lab.protect()
    report.seen("protected", f"first copy and checkpoint after {time.monotonic() - begun:.1f} s")
    time.sleep(WATCH_S)
    status = lab.primary.status()
    stats = status["stats"]
    report.show(f"dirty pages by {status['vms'][0]['engine']}, {stats['dirty_pages']['p50']} a "
                f"checkpoint at the median")
    report.seen("pause of the idle guest", percentiles(stats["pause_us"]),
                status["state"] == "protected" and stats["checkpoints"] > 10)


def step_transfer(lab, report):
    report.title(f"A client fetches {SIZE_MIB} MiB from the guest over TCP")
    transfer = Transfer(SIZE_MIB << 20)
    transfer.wait_for(KILL_AT)
    stats = lab.primary.status()["stats"]
    report.seen("transfer under way", f"{transfer.got >> 20} of {SIZE_MIB} MiB",
                transfer.got >= transfer.size * KILL_AT and transfer.is_alive())
    report.show(f"pause meanwhile: {percentiles(stats['pause_us'])}")
    return transfer


def step_kill(lab, report, transfer):
    parts = {part: lab.primary.process(part).pid for part in lab.primary.PARTS}
    report.title("Host a dies: QEMU, renicd and renic-remus at once, in the middle of the transfer",
                 "a# kill -9 " + " ".join(f"$({part})" for part in parts))
    transfer.silence_s = 0.0
    before = transfer.got
    killed = time.monotonic()
    lab.primary.kill()
    status = lab.wait_taken_over()
    report.seen("host b took over", f"decision to running guest {ms(status['stats']['failover_us'])}",
                status["stats"]["failover_us"] > 0)
    lab.wait_ticks_from(lab.primary, 1)
    first = lab.first_tick_of(lab.primary)
    report.seen("kill to the guest's first frame from host b", f"{(first.time - killed) * 1e3:.0f} ms")
    return before


def step_goes_on(lab, report, transfer, before):
    report.title("The transfer goes on, over the same connection")
    transfer.join(TRANSFER_S)
    if transfer.error:
        report.show(f"the client: {transfer.error}")
    report.seen("bytes after the kill", f"{(transfer.got - before) / (1 << 20):.1f} MiB",
                transfer.got > before)
    report.seen("checksum of the whole", f"{transfer.got >> 20} MiB, CRC-32 {transfer.crc:08x}, "
                f"the guest says {transfer.told or 'nothing'}", transfer.right())
    report.seen("longest silence that the client saw", f"{transfer.silence_s * 1e3:.0f} ms")
    backwards = lab.watcher.backwards()
    report.seen("UDP ticks of the guest", f"{len(lab.watcher.ticks)} seen, "
                f"{len(backwards)} repeated or backwards", not backwards)


def main():
    sandbox.enter()
    image = os.path.join(TOP, "build-vm")
    accel = accelerator(image)
    run = sandbox.RunDir("renic-demo.")
    report = Report(5)
    Lab.network()
    lab = Lab(run, image, accel, **OPTIONS)

    def steps():
        step_hosts(lab, report, accel)
        step_protect(lab, report)
        transfer = step_transfer(lab, report)
        before = step_kill(lab, report, transfer)
        step_goes_on(lab, report, transfer, before)

    def stop():
        lab.stop()  # what it tells of killed daemons is for tests

    return play(report, run, steps, stop, also=(AssertionError,))


if __name__ == "__main__":
    sys.exit(main())
