#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
renicd and renic-remus beside what Xen has of its own, in the nested testbed. Prints one line of
JSON.

  lab.py remus SECONDS     a guest copied to a second host every 200 ms: by renic-remus, then by
                           `xl remus -F -n`: stops as the guest itself sees them, checkpoints a
                           second, memory that the copying programs gained meanwhile
  lab.py frames COUNT      datagrams between two guests: through renicd's netif port, and through
                           xen-netback and a bridge, twice each
  lab.py both SECONDS COUNT    these two, of hosts that were started once
  lab.py memory COUNT      of renic-remus alone, over so many checkpoints, one soon after the other

xl's stream goes to the other host through relay.c, which costs it less than its ssh would.
Everything is emulated in software: the ratios of one run tell something, the figures do not.
"""
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "../..")
sys.path[:0] = [os.path.join(TOP, *name.split("/")) for name in
                ("xen-integration/testbed", "tests/vm", "tests/lib")]

# pylint: disable=wrong-import-position
import sandbox  # noqa: E402
import traffic  # noqa: E402
from pair import GUEST, GUEST_IP, GUEST_MAC, GUEST_MB, REMUS, REPLICATION_IP, Pair  # noqa: E402

XL_PORT = 7500
WARM_UP_S = 5
MEMORY_INTERVAL_US = 10000  # so many checkpoints are to be soon
STARTED = time.monotonic()
OTHER, OTHER_IP, OTHER_MAC = "db", "10.9.0.3", "00:16:3e:00:00:03"


def say(what):
    print(f"{time.monotonic() - STARTED:5.0f} s: {what}", file=sys.stderr, flush=True)


def median(values):
    return sorted(values)[len(values) // 2]


def resident_kib(host, *programs):
    """Of all processes of these names together."""
    text = host.sh(f"for pid in $(pidof {' '.join(programs)}); do "
                   "grep -h VmRSS /proc/$pid/status; done; true")
    return sum(int(kib) for kib in re.findall(r"VmRSS:\s*(\d+) kB", text))


def watch(pair, seconds, programs):
    """What a guest that is being checkpointed sees: its stops, and how many there were."""
    host = pair.primary
    before = suspends(host), resident_kib(host, *programs)
    begun = time.monotonic()
    text = host.guest_sh(GUEST, f"stops {seconds}", timeout=seconds * 3 + 60)
    taken = time.monotonic() - begun
    count, resident = suspends(host) - before[0], resident_kib(host, *programs)
    stops = sorted(map(int, text.split()), reverse=True)[:count]
    return {"stop_ms": median(stops) / 1e3, "stop_p90_ms": stops[len(stops) // 10] / 1e3,
            "checkpoints_per_s": count / taken, "checkpoints": count,
            "grown_kib": resident - before[1], "resident_kib": resident}


def suspends(host):
    """Of the guest, so far."""
    return int(host.guest_sh(GUEST, "dmesg | grep -c 'OOM killer disabled'; true",
                             timeout=120))


def wait_suspends(host, count, timeout=150):
    end = time.monotonic() + timeout
    while suspends(host) < count:
        assert time.monotonic() < end, "no checkpoints"
        time.sleep(4)


def make_relay(*hosts):
    """In the hosts' shares: what carries xl's stream."""
    for host in hosts:
        subprocess.run(["gcc", "-O2", "-static", "-s", "-o", os.path.join(host.share, "relay"),
                        os.path.join(HERE, "relay.c")], check=True)


def by_xl(pair, seconds):
    """xl remus, its other side beside renicd on the other host."""
    a, b = pair.primary, pair.standby
    make_relay(a, b)
    b.sh(f"(setsid /share/relay -l {XL_PORT} xl migrate-receive -r >/dev/null "
         "2>/share/receive.log </dev/null &); sleep 1")
    a.sh(f"(setsid xl remus -F -n -i {REMUS['interval_us'] // 1000} -s '' {GUEST} "
         f"'/share/relay {REPLICATION_IP[b.name]} {XL_PORT}' >/share/xl-remus.log 2>&1 "
         "</dev/null &)")
    try:
        wait_suspends(a, 3)
        time.sleep(WARM_UP_S)
        return watch(pair, seconds, ["xl", "libxl-save-helper"])
    finally:
        # The receiver first, or it runs the guest when the stream breaks.
        for host in (b, a):
            host.sh("kill -9 $(pidof xl libxl-save-helper relay) 2>/dev/null; true")
        b.sh("for id in $(xl list | awk 'NR > 2 { print $2 }'); do xl destroy $id; done; true")


def by_renic(pair, seconds):
    pair.protect(timeout=200)
    time.sleep(WARM_UP_S)
    result = watch(pair, seconds, ["renic-remus"])
    say(pair.primary.sh("renic-remus status -c /run/remus.json"))
    pair.unprotect()
    pair.standby.sh(f"renicctl vf delete {GUEST} --force")
    return result


def remus(pair, seconds):
    """Each with a guest that was just made."""
    result = {}
    for name, by in (("renic", by_renic), ("xl", by_xl)):
        pair.boot_guest()
        say("a guest is up")
        result[name] = by(pair, int(seconds))
        say(f"{name}: {result[name]}")
        pair.primary.sh(f"xl destroy {GUEST} || true")
    return result


def memory(pair, count):
    """[checkpoints, KiB] from time to time."""
    REMUS["interval_us"] = MEMORY_INTERVAL_US
    pair.boot_guest()
    pair.protect(timeout=200)
    seen = []
    while not seen or seen[-1][0] < int(count):
        time.sleep(20 if seen else WARM_UP_S)
        seen.append([pair.status(pair.primary)["stats"]["checkpoints"],
                     resident_kib(pair.primary, "renic-remus"),
                     resident_kib(pair.standby, "renic-remus")])
        say(seen[-1])
    return {"checkpoints, primary KiB, standby KiB": seen}


def two_guests(host, script):
    for name, address, mac in ((GUEST, GUEST_IP, GUEST_MAC), (OTHER, OTHER_IP, OTHER_MAC)):
        host.create(name, f"{address}/24", mac, memory_mb=GUEST_MB, script=script)
        traffic.wait_reachable(address, timeout=90)


def measure_frames(host, count):
    """Datagrams a second that arrive at the other guest."""
    text = host.guest_sh(GUEST, f"time agent count {OTHER_IP} {traffic.COUNTER} {count} 0",
                         timeout=200)
    minutes, seconds = re.search(r"real\s+(\d+)m\s*([\d.]+)s", text).groups()
    arrived = traffic.wait_counted(OTHER_IP, int(count), timeout=5)["received"]
    return arrived / (60 * int(minutes) + float(seconds))


def frames(pair, count):
    """Twice each, with guests that were just made; what xen-netback has must not be loaded while
    renicd is the backend."""
    host, rates = pair.primary, {"renicd": [], "netback": []}
    for _ in range(2):
        for name, script in (("renicd", "vif-renic"), ("netback", "vif-bridge,bridge=br0")):
            if name == "netback":
                host.kill_renicd("TERM")
                host.sh("modprobe xen-netback")
            two_guests(host, script)
            rates[name] += [measure_frames(host, count) for _ in range(3)]
            say(f"{name}: {rates[name]}")
            host.sh(f"xl destroy {GUEST}; xl destroy {OTHER}; sleep 1")
            if name == "netback":
                host.sh("modprobe -r xen-netback")
                host.start_renicd()
    return {name: median(values) for name, values in rates.items()}


def both(pair, seconds, count):
    return {"frames": frames(pair, count), "remus": remus(pair, seconds)}


EXPERIMENTS = {"remus": (remus, 1), "frames": (frames, 1), "memory": (memory, 1), "both": (both, 2)}


def main():
    experiment, n_words = EXPERIMENTS.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if not experiment or len(sys.argv) != 2 + n_words:
        sys.exit(__doc__)
    images = os.path.join(os.path.realpath(TOP), "build-xen")
    if not sandbox.inside():
        subprocess.run([os.path.join(TOP, "xen-integration/testbed/images.sh"), images,
                        os.environ.get("RENICD", os.path.join(TOP, "build"))], check=True,
                       stdout=sys.stderr)
    sandbox.enter()
    pair = Pair(sandbox.RunDir("renic-xen."), images)
    try:
        pair.start(alone=sys.argv[1] == "frames")
        say("the hosts are up")
        print(json.dumps(experiment(pair, *sys.argv[2:])))
    except Exception:
        subprocess.run(f"tail -n 20 {pair.a.share}/*.log {pair.b.share}/*.log >&2", shell=True,
                       check=False)
        raise
    finally:
        pair.stop()


if __name__ == "__main__":
    main()
