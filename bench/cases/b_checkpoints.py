# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints: what a client waits for, whatever is held; what held frames cost."""
import statistics
import time

from harness.case import Budget, case, ratio_at_least, value_at_most
from harness.world import dram_write_rate

SENT = "--boundary=sent"
VF = "gen0"


def epochs(world, vfs, *words):
    """A run with checkpoints every 5 ms; its epochs' report."""
    return world.pktgen(world.renicd(), SENT, "--epoch=5ms", f"--vfs={vfs}", *words,
                        seconds=3)["epochs"]


tails = {}  # {VFs: [p99 / median of each run that begin() made]}


def begin(vfs):
    """Median of checkpoint_begin as the client sees it, microseconds."""
    def run(world):
        report = epochs(world, vfs, "--rate=100k")
        tails.setdefault(vfs, []).append(report["begin_us"]["p99"] / report["begin_us"]["p50"])
        return report["begin_us"]["p50"], {"begin_us": report["begin_us"],
                                           "daemon_begin_us": report["daemon_begin_us"]}
    return run


def begin_tail(vfs):
    """p99 / median of the same runs."""
    def run(world):
        if not tails.get(vfs):
            begin(vfs)(world)
        return tails[vfs].pop(0)
    return run


for vfs, limit in ((1, 50), (64, 500)):
    case(name=f"begin_{vfs}", title=f"checkpoint_begin, {vfs} VF{'s' * (vfs > 1)} in the group",
         unit="µs", sides={"median": begin(vfs)},
         budget=value_at_most(limit, f"≤ {limit} µs"), by_distance=True,
         if_missed="until the rings stand still it takes the daemon the least part of it "
                   "(results.json: daemon_begin_us); the rest is to wake its control thread and "
                   "the client, on the CPU that the generator polls on, and the answer's way, with "
                   "caches that the interval has emptied: docs/performance.md")
    case(name=f"begin_{vfs}_tail", title=f"checkpoint_begin, {vfs} VF{'s' * (vfs > 1)}: p99",
         unit="× its median", sides={"p99": begin_tail(vfs)},
         budget=value_at_most(4, "≤ 4 × its median"))
case(name="begin_flat_out", title="checkpoint_begin, 1 VF that sends 64 B flat out", unit="µs",
     sides={"median": lambda world: epochs(world, 1)["begin_us"]["p50"]}, turns=3)


def held_vf(world, frames):
    """A protected VF that holds so many frames, and nobody at its rings."""
    target = world.renicd()
    for vf in target.call("vf_list"):
        target.call("protection_stop", group=vf["name"], held="discard")
        target.call("vf_delete", name=vf["name"], force=True)
    target.call("vf_create", name=VF, role="server", mac="02:00:00:01:00:00")
    target.call("protection_start", group=VF)
    if frames:
        world.pktgen(target, f"--count={frames}", "--warm-up=0us", seconds=10)
        deadline = time.monotonic() + 5
        while target.call("vf_get", name=VF)["held_pkts"] < frames:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not {frames} frames held: {target.call('vf_get', name=VF)}")
    return target


def elapsed_us(call, *arguments, **parameters):
    """(what the call answered, how long it took)."""
    start = time.perf_counter()
    answer = call(*arguments, **parameters)
    return answer, (time.perf_counter() - start) * 1e6


CALLS = ("begin", "resume", "commit")
kept = {}  # {(frames, call): [medians that the cases of the other calls have not taken yet]}


def time_calls(world, frames):
    """Median times of the three calls with so many frames held, microseconds."""
    target = held_vf(world, frames)
    times = {call: [] for call in CALLS}
    for _ in range(40):
        answer, took = elapsed_us(target.call, "checkpoint_begin", group=VF)
        times["begin"].append(took)
        times["resume"].append(elapsed_us(target.call, "checkpoint_resume", group=VF)[1])
    # Only the first commit lets them all go.
    times["commit"].append(
        elapsed_us(target.call, "checkpoint_commit", group=VF, epoch=answer["epoch"])[1])
    return {call: statistics.median(values) for call, values in times.items()}


def with_held(frames, which):
    """One of the three calls; the others' times are kept for their cases."""
    def run(world):
        if not kept.get((frames, which)):
            for call, value in time_calls(world, frames).items():
                kept.setdefault((frames, call), []).append(value)
        return kept[frames, which].pop(0)
    return run


HELD = {"1,000,000": 1000000, "none": 0, "1,000": 1000, "30,000": 30000}
for name in CALLS:
    case(name=f"{name}_held", title=f"checkpoint_{name}, a million frames held against none",
         unit="µs", turns=5, sides={label: with_held(n, name) for label, n in HELD.items()},
         budget=Budget("ratio", 1.3, True, "no dependence (≤ 1.3 ×)"),
         plot={"group": "held", "x": name, "title": "A call's time, by the number of frames held"},
         note="as seen by a client in Python, which is slower than librenic")


def bytes_per_frame(world):
    """Log bytes for each 64-byte frame held."""
    frames = 200000
    ring = held_vf(world, frames).call("vf_get", name=VF)["rings"][0]
    return (ring["log"]["tail"] - ring["log"]["released"]) / ring["held_pkts"]


case(name="held_bytes", title="log bytes per held 64 B frame", unit="bytes", turns=1,
     sides={"log": bytes_per_frame}, budget=value_at_most(96, "≤ 96"))


def flat_out_1518(world):
    """What protection lets through of large frames, bytes a second: with a log that has room for two
    epochs of what one core can write."""
    daemon = world.pktgen(world.renicd(log_mb=2560), SENT, "--epoch=25ms", "--size=1518",
                          seconds=1.5)["daemon"]
    return min(daemon["taken_pps"], daemon["released_pps"]) * 1518


case(name="protected_1518_dram", title="protected at 25 ms, 1518 B flat out", unit="GB/s",
     scale=1e9, sides={"held": flat_out_1518, "DRAM write, one core": dram_write_rate},
     budget=ratio_at_least(0.8, "≥ 0.8 × what one core writes to DRAM"), by_distance=True,
     if_missed="a fill only writes; here each byte comes out of another CPU's cache first (six tenths "
               "of the lcore's time), and ring, mbufs and release take the rest: "
               "docs/performance.md")
