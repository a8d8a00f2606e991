#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo behind `make demo`: a real Linux guest whose packets leave when its checkpoint is
committed. Started by demo.sh; runs in namespaces of its own, which take everything along when
they end. Exit status 0 only if each step was seen."""
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path[:0] = [os.path.join(TOP, "tests", "vm"), os.path.join(TOP, "tests", "lib")]
sys.dont_write_bytecode = True

import sandbox  # noqa: E402
import traffic  # noqa: E402
from daemon import Daemon  # noqa: E402
from guest import Guest, accelerator  # noqa: E402

VM, ADDRESS, MAC = "vm1", "10.9.0.2/24", "52:54:00:00:00:02"
INTERVAL_MS = 25
PINGS = 40
SILENT_PINGS, SILENT_EVERY_S = 30, 0.1
STEPS = 5
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class NotSeen(Exception):
    """A step did not show what it should."""


class Report:
    """What was seen, for the table at the end."""

    def __init__(self, steps=STEPS):
        self.rows, self.step, self.steps = [], 0, steps

    def title(self, text, command=None):
        self.step += 1
        print(f"\n{paint('1', f'[{self.step}/{self.steps}] {text}')}")
        if command:
            print(paint("2", f"      # {command}"))

    @staticmethod
    def show(text):
        print(f"      {text}", flush=True)

    def seen(self, what, value, condition=True):
        """One line of the summary; stops the demo if the condition is not met."""
        self.rows.append((what, value, condition))
        self.show((paint("32", "seen") if condition else paint("31", "NOT SEEN"))
                  + f"  {what}: {value}")
        if not condition:
            raise NotSeen(what)

    def table(self):
        width = max(len(what) for what, *_ in self.rows)
        print(f"\n{paint('1', 'Summary')}")
        for what, value, good in self.rows:
            mark = paint("32", "yes") if good else paint("31", "NO ")
            print(f"  {mark}  {what:<{width}}  {value}")


def play(report, run, steps, stop, also=()):
    """Run steps() and, whatever ends them, stop(), which may say what went wrong; then the summary. also:
    errors, beside the usual, that end the demo with their text. The exit status."""
    status = 1
    try:
        steps()
        status = 0
    except NotSeen as what:
        print(paint("31", f"\nThe demo stopped: not seen: {what}."))
    except KeyboardInterrupt:
        print("\nInterrupted.")
        status = 130
    except (OSError, RuntimeError, subprocess.SubprocessError, *also) as error:
        print(paint("31", f"\nThe demo stopped: {error}"))
    finally:
        problem = stop()
    if status == 0 and problem:
        print(paint("31", f"\n{problem}"))
        status = 1
    if report.rows:
        report.table()
    if status == 1:
        run.keep = True
        print(f"Logs: {run.path}")
    return status


class WatchedPing(threading.Thread):
    """A ping whose replies can be counted while it runs."""

    def __init__(self, address, count, every_s):
        super().__init__(daemon=True)
        self.count, self.started, self.every_s = count, time.monotonic(), every_s
        self.replies, self.waited_ms = [], []
        self.process = subprocess.Popen(
            ["ping", "-n", "-i", str(every_s), "-c", str(count), "-W", "20", address],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "LC_ALL": "C"}, bufsize=1)
        self.start()

    def run(self):
        for line in self.process.stdout:
            if match := re.search(r"icmp_seq=(\d+) ttl=\d+ time=([\d.]+) ms", line):
                self.replies.append(int(match[1]))
                self.waited_ms.append(float(match[2]))

    def sent(self):
        return min(self.count, int((time.monotonic() - self.started) / self.every_s) + 1)

    def finish(self, timeout):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.join()


def vf(daemon):
    return json.loads(daemon.ctl("-j", "vf", "get", VM))


def ping_through(daemon, report, guest, what, every_s=0.05):
    ping = WatchedPing(guest.ip, PINGS, every_s)
    ping.finish(30)
    in_order = ping.replies == list(range(1, PINGS + 1))
    report.seen(what, f"{len(ping.replies)} of {PINGS} replies, in order"
                if in_order else f"replies {ping.replies}", in_order)
    return ping.waited_ms


def latency(report, what, waited_ms):
    median, worst = statistics.median(waited_ms), max(waited_ms)
    report.seen(what, f"{median:.1f} ms at the median, {worst:.1f} ms at most")


def step_guest(daemon, guest, report, accel):
    report.title("A Linux guest boots with a renicd VF as its NIC",
                 "renicd -c renicd.json & qemu-system-x86_64 ... -netdev vhost-user,chardev=vm1")
    version = json.loads(daemon.ctl("-j", "version"))
    report.show(f"renicd {version['renicd']} with {version['dpdk']}; its wire is the tap "
                f"{daemon.TAP} ({daemon.ADDRESS})")
    started = time.monotonic()
    guest.start()
    guest.wait_up()
    traffic.wait_reachable(guest.ip)
    kernel = guest.sh("uname -r")
    # ARP is held like everything else; neither side shall forget the other meanwhile.
    guest.sh(f"arp -s {daemon.ADDRESS} {daemon.MAC}")
    subprocess.run(["ip", "neigh", "replace", guest.ip, "lladdr", MAC, "dev", daemon.TAP, "nud",
                    "permanent"], check=True)
    report.seen("guest up", f"Linux {kernel} under QEMU ({accel.split(',')[0]}) after "
                            f"{time.monotonic() - started:.1f} s",
                vf(daemon)["frontend"] == "running")


def step_unprotected(daemon, guest, report):
    report.title("Unprotected, the VF is a NIC: frames pass at once", f"ping -c {PINGS} {guest.ip}")
    latency(report, "latency, unprotected",
            ping_through(daemon, report, guest, "ping through, unprotected"))


def step_protected(daemon, guest, report):
    report.title(f"Protected: what the guest sends waits for its checkpoint, taken every "
                 f"{INTERVAL_MS} ms", f"renicctl protect {VM} --interval {INTERVAL_MS}ms")
    protect = subprocess.Popen(daemon.ctl_command("protect", VM, "--interval", f"{INTERVAL_MS}ms"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    report.show("(it plays the replicator: suspends, resumes and commits the NIC, copies no VM)")
    time.sleep(0.3)
    before = vf(daemon)
    waited = ping_through(daemon, report, guest, "ping through, protected", every_s=0.053)
    after = vf(daemon)
    latency(report, "latency, protected", waited)
    report.seen("checkpoints meanwhile", f"epoch {before['epoch']} to {after['epoch']}",
                after["role"] == "protected" and after["epoch"] > before["epoch"] + 10)
    return protect


def step_silent(daemon, guest, report, protect):
    report.title("Commits stop, as when the backup does not answer: nothing of the guest's leaves",
                 f"kill -USR1 $(pidof renicctl); watch renicctl vf get {VM}")
    protect.send_signal(signal.SIGUSR1)
    time.sleep(0.3)  # what was committed before leaves
    ping = WatchedPing(guest.ip, SILENT_PINGS, SILENT_EVERY_S)
    report.show(paint("1", f"{'pings sent':>10} {'answered':>9} {'frames held':>12} "
                           f"{'bytes held':>11} {'oldest':>9}"))
    held = []
    for _ in range(5):
        time.sleep(SILENT_PINGS * SILENT_EVERY_S / 5)
        now = vf(daemon)
        held.append(now["held_pkts"])
        report.show(f"{ping.sent():>10} {len(ping.replies):>9} {now['held_pkts']:>12} "
                    f"{now['held_bytes']:>11} {now['held_age_us'] / 1000:>6.0f} ms")
    report.seen("commits stopped: ping silent", f"{len(ping.replies)} of {ping.sent()} answered",
                not ping.replies)
    growing = all(b > a for a, b in zip(held, held[1:]))
    report.seen("commits stopped: held frames grow", " -> ".join(map(str, held)),
                growing and held[-1] >= SILENT_PINGS)
    return ping


def step_resumed(daemon, report, protect, ping):
    report.title("Commits resume: every reply arrives, once and in order",
                 "kill -USR2 $(pidof renicctl)")
    protect.send_signal(signal.SIGUSR2)
    ping.finish(20)
    in_order = ping.replies == list(range(1, SILENT_PINGS + 1))
    report.seen("commits resumed: every reply arrives, in order",
                f"{len(ping.replies)} of {SILENT_PINGS}" if in_order else f"{ping.replies}",
                in_order)
    if ping.waited_ms:
        report.show(f"the first had waited {ping.waited_ms[0]:.0f} ms, "
                    f"the last {ping.waited_ms[-1]:.0f} ms")
    protect.send_signal(signal.SIGINT)
    protect.wait(10)
    end = time.monotonic() + 5
    while (now := vf(daemon))["held_pkts"] and time.monotonic() < end:
        time.sleep(0.05)
    report.seen("protection ended: nothing is held", f"role {now['role']}, "
                f"{now['held_pkts']} frames held",
                now["role"] == "unprotected" and now["held_pkts"] == 0)


def main():
    sandbox.enter()
    image = os.path.join(TOP, "build-vm")
    accel = accelerator(image)
    run = sandbox.RunDir("renic-demo.")
    report, protect = Report(), None
    daemon = Daemon(run, [{"name": VM, "mac": MAC, "socket": run.join("vm1.sock")}])
    guest = Guest(run, image, VM, run.join("vm1.sock"), ADDRESS, MAC, accel)

    def steps():
        nonlocal protect
        daemon.start()
        step_guest(daemon, guest, report, accel)
        step_unprotected(daemon, guest, report)
        protect = step_protected(daemon, guest, report)
        ping = step_silent(daemon, guest, report, protect)
        step_resumed(daemon, report, protect, ping)

    def stop():
        if protect is not None and protect.poll() is None:
            protect.kill()
            protect.wait()
        guest.kill()
        ended = daemon.stop()
        return f"renicd ended with status {ended}" if ended else None

    return play(report, run, steps, stop)


if __name__ == "__main__":
    sys.exit(main())
