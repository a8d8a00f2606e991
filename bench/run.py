#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
`make bench`: measure renicd beside its peers, in turn, and say which budgets are met.

Needs root, two cores, a build (RENICD, default ../build) and free huge pages; scripts/bench.sh
sees to these. Writes results.json, results.md and *.svg. Its processes run at the highest nice
level: on a machine that does other things too, that disturbs the figures least.
"""
import argparse
import datetime
import importlib
import os
import signal
import statistics
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../tests/functional")]

# pylint: disable=wrong-import-position
from harness import report  # noqa: E402
from harness.case import Case, Skip, cases  # noqa: E402
from harness.world import World, word_ns  # noqa: E402


@dataclass
class Row:
    """What was measured of a case."""
    case: Case
    samples: dict = field(default_factory=dict)
    details: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    words_ns: dict = field(default_factory=dict)  # {side: [(before, after) of each turn]}
    error: str = ""
    figure: float = None


def load():
    """Import every module in cases/; they register their rows."""
    for name in sorted(os.listdir(os.path.join(HERE, "cases"))):
        if name.endswith(".py") and not name.startswith("_"):
            importlib.import_module(f"cases.{name[:-3]}")
    return cases


def measure_side(row, world, label, run):
    """One turn of one side."""
    before = row.case.by_distance and word_ns()
    try:
        value = run(world)
    except Skip as skip:
        row.skipped[label] = f"skipped: {skip}"
        print(f"   {label}: skipped: {skip}", flush=True)
        return
    if isinstance(value, tuple):
        value, details = value
        row.details.update(details)
    row.samples.setdefault(label, []).append(value)
    if row.case.by_distance:
        row.words_ns.setdefault(label, []).append((before, word_ns()))


def end(row, world):
    """What a case started ends; a daemon that does not end well is an error of the case."""
    try:
        world.close()
    except Exception as problem:  # pylint: disable=broad-except
        row.error = row.error or str(problem).splitlines()[0][:160]
        traceback.print_exc()


def measure(case, quick):
    """All turns of a case."""
    row, world, label = Row(case), World(quick), ""
    signal.alarm(case.timeout_s)
    try:
        for _ in range(1 if quick else case.turns):
            for label, run in case.sides.items():
                if label not in row.skipped:
                    measure_side(row, world, label, run)
    except Exception as problem:  # pylint: disable=broad-except
        row.error = f"{label}: {(str(problem) or repr(problem)).splitlines()[0][:160]}"
        traceback.print_exc()
        for process in world.env.processes:
            print(f"---- {process.name} ----\n{process.log_tail(8)}")
    finally:
        signal.alarm(0)
        end(row, world)
    if case.budget:
        row.figure = case.budget.figure({label: row.samples.get(label) for label in case.sides})
    elif len([v for v in row.samples.values() if v]) >= 2:
        pairs = zip(*[v for v in row.samples.values() if v][:2])
        row.figure = statistics.median(a / b if b else 0.0 for a, b in pairs)
    return row


def on_alarm(*_):
    """A case that hangs is an error, not a hang of the whole."""
    raise TimeoutError("no end within its timeout_s")


def version(*argv):
    """The last word of a program's version line."""
    try:
        out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             check=False, timeout=10).stdout
    except OSError:
        return None
    return out.split("\n", 1)[0].strip()


def package(name):
    """A Debian package's version, or None."""
    return version("dpkg-query", "-W", "-f=${Version}", name) or None


def about():
    """Where and with what."""
    with open("/proc/cpuinfo", encoding="ascii") as f:
        cpu = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    commit = version("git", "-C", HERE, "rev-parse", "--short", "HEAD")
    packages = ", ".join(f"{name} {package(name) or 'not installed'}" for name in
                         ("dpdk", "openvswitch-switch-dpdk", "qemu-system-x86"))
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": f"{os.cpu_count()} × {cpu}, Linux {os.uname().release}",
            "versions": f"renicd at {commit}; {packages}",
            "load": os.getloadavg()}


def take_priority():
    """A session of its own at the highest nice level: what disturbs is put behind."""
    if os.getpid() != os.getsid(0):
        os.setsid()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        with open("/proc/self/autogroup", "w", encoding="ascii") as f:
            f.write("-20")
    except OSError as problem:
        print(f"bench: no higher priority ({problem}); other programs will disturb more")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description="benchmarks of renicd and its peers")
    parser.add_argument("-k", action="append", default=[], metavar="NAME",
                        help="only cases whose name contains NAME")
    parser.add_argument("-l", action="store_true", help="list the cases")
    parser.add_argument("-q", action="store_true", help="quick: one short turn each, to see "
                                                        "that everything runs; no figures")
    parser.add_argument("-o", default=os.path.join(HERE, "../build-bench"), metavar="DIR",
                        help="where results go (default build-bench)")
    arguments = parser.parse_args()
    chosen = [case for case in load()
              if (any(word in case.name for word in arguments.k) if arguments.k
                  else arguments.l or not case.on_request)]
    if arguments.l:
        print("\n".join(f"{case.name:30} {case.title}" for case in chosen))
        return 0
    if os.geteuid() or not chosen:
        print("bench: needs root" if os.geteuid() else "bench: no such case")
        return 1
    take_priority()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = os.path.abspath(arguments.o)
    os.makedirs(directory, exist_ok=True)
    rows, facts = [], about()
    for case in chosen:
        start = time.monotonic()
        print(f"== {case.name}: {case.title}", flush=True)
        rows.append(measure(case, arguments.q))
        print("\n".join(f"   {report.side_text(rows[-1], label, rows[-1].samples.get(label, []))}"
                        for label in case.sides))
        print(f"   {report.figure_text(rows[-1])} {report.verdict_text(rows[-1])} "
              f"[{time.monotonic() - start:.0f} s]", flush=True)
        report.write(directory, rows, facts)
    print("\n" + report.write(directory, rows, facts))
    print(f"results: {directory}/results.json, results.md, *.svg")
    return 1 if any(row.error for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
