#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Builds against each other, in turn: what a change does to the data path.

  bench/ab.py BUILD [BUILD...] [--rounds N] [--seconds S] [--sizes 64,1518] [--testpmd]

Each round starts each build's daemon for each size (with --testpmd also dpdk-testpmd's io forwarding
in its place) with one guest, renic-pktgen's, of the last build named. Frames a second that leave to a
net_null are measured unprotected, then protected with a checkpoint each 25 ms. CPU 0 is the guest's,
CPU 1 the daemon's; the processes go before all others of the machine. Where others use its memory
and caches meanwhile, figures swing: believe the ratios within a round. Root; 2 GiB of huge
pages.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tests", "functional"), os.path.join(HERE, "..", "tests")]

# pylint: disable=wrong-import-position
from lib.daemon import Renicd  # noqa: E402
from lib.env import Env  # noqa: E402
from lib.testpmd import Testpmd  # noqa: E402

TESTPMD = "testpmd"


def take_precedence():
    """Go on in a session of our own that goes before all others (sched(7), autogroups)."""
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    if os.path.exists("/proc/self/autogroup"):
        with open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write("-20")


def renicd(env, build):
    """A build's daemon; what ends it, and pktgen's words for it."""
    daemon = Renicd(os.path.join(build, "renicd", "renicd"), env.directory, env.huge_dir(),
                    uplink={"devargs": "net_null0,no-rx=1"},
                    egress_log={"size_mb": 1536, "dir": env.huge_dir()})
    env.stack.callback(daemon.finish)
    daemon.start()
    return [f"--control={daemon.socket}"]


def testpmd(env):
    """dpdk-testpmd likewise."""
    sockets = os.path.join(env.directory, "testpmd%d.sock")
    pmd = Testpmd(env.directory, [f"net_vhost0,iface={sockets % 0}", "net_null0,no-rx=1"],
                  "--forward-mode=io", cpu=1)
    env.stack.callback(pmd.quit)
    pmd.wait_ready()
    pmd.command("start")
    return [f"--sockets={sockets}"]


def pktgen(options, words):
    """The generator's report."""
    line = [os.path.join(options.builds[-1], "bench", "pktgen", "renic-pktgen"), "--cpu=0",
            "--json=-", "--drain=300ms", "--memory=64", f"--time={int(options.seconds * 1000)}ms",
            *words]
    done = subprocess.run(line, stdout=subprocess.PIPE, timeout=60, check=True)
    return json.loads(done.stdout)


def measure(build, size, options, results):
    """One turn of one build."""
    env = Env()
    try:
        words = testpmd(env) if build == TESTPMD else renicd(env, build)
        words.append(f"--size={size}")
        plain = pktgen(options, words)
        results.setdefault((size, "unprotected"), {}).setdefault(build, []).append(
            plain["tx_pps"] / 1e6)
        if build == TESTPMD:
            return
        held = pktgen(options, [*words, "--epoch=25ms", "--boundary=sent"])
        results.setdefault((size, "protected"), {}).setdefault(build, []).append(
            min(held["daemon"]["taken_pps"], held["daemon"]["released_pps"]) / 1e6)
        results.setdefault("begin", {}).setdefault(build, []).append(held["epochs"]["begin_us"])
    finally:
        env.close()
        env.remove()


def spread(values):
    """Median, least, most."""
    return f"{statistics.median(values):7.3f} [{min(values):6.3f} {max(values):6.3f}]"


def over(rates, base):
    """Ratios, round by round."""
    return spread([a / b for a, b in zip(rates, base)])


def report(options, results):
    """Each case: each build's rate, over the first build's, and protected over unprotected."""
    for size in options.sizes:
        for how in ("unprotected", "protected"):
            by_build = results[size, how]
            for build, rates in by_build.items():
                line = (f"{size:5} B {how:11} {os.path.relpath(build):20} {spread(rates)} Mpps"
                        f"  x{over(rates, by_build[options.builds[0]])}")
                if how == "protected":
                    line += f"  / unprotected {over(rates, results[size, 'unprotected'][build])}"
                print(line)
    for build, runs in results["begin"].items():
        print(f"checkpoint_begin      {os.path.relpath(build):20} us: p50 "
              f"{spread([run['p50'] for run in runs])} p99 {spread([run['p99'] for run in runs])}")


def main():
    """Parse, measure in turn, report."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--sizes", default="64,1518",
                        type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--testpmd", action="store_true")
    options = parser.parse_args()
    take_precedence()
    results = {}
    sides = options.builds + ([TESTPMD] if options.testpmd else [])
    for number in range(options.rounds):
        for size in options.sizes:
            for build in sides if number % 2 == 0 else reversed(sides):
                measure(build, size, options, results)
    report(options, results)


if __name__ == "__main__":
    main()
