# SPDX-License-Identifier: BSD-3-Clause
"""Promise P1 and P2: nothing leaves before its commit; after it all leaves, once, in order."""
import time
from bisect import bisect_right
from itertools import product

from lib import frame
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import OUTSIDE
from lib.verdict import SILENCE_S, expect_nothing, expect_streams

DESTINATIONS = {"unicast": OUTSIDE, "broadcast": frame.BROADCAST, "multicast": frame.MULTICAST}
EVERY_KIND = list(product(frame.KINDS, DESTINATIONS))


def send_every_kind(guest, count, **options):
    """Frames of each kind to each sort of destination, a stream each; the streams' numbers."""
    streams = []
    for number, (kind, sort) in enumerate(EVERY_KIND):
        guest.send(kind, count, stream=number, size="60-1514",
                   **{"dst": DESTINATIONS[sort], **options})
        streams.append(number)
    return streams


def earliest(judge):
    """When the first numbered frame came."""
    return min(min(stream.times) for stream in judge.streams.values() if stream.times)


@case
def unprotected_frames_leave_at_once(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    streams = send_every_kind(guest, 20)
    judge = capture.wait(20 * len(streams))
    expect_streams(judge, streams, 20)
    equal(daemon.vf("vf1")["held_pkts"], 0, "frames held of an unprotected VF")


@case
def no_frame_reaches_the_wire_before_its_commit_whatever_it_is(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    streams = send_every_kind(guest, 20)
    total = 20 * len(streams)
    daemon.wait_taken("vf1", total)
    expect_nothing(capture)
    equal(daemon.vf("vf1")["held_pkts"], total, "frames held")
    begun = daemon.call("checkpoint_begin", group="vf1")
    equal((begun["epoch"], begun["held_pkts"]), (1, total), "epoch and frames held at begin")
    expect_nothing(capture, 0.1)
    daemon.call("checkpoint_resume", group="vf1")
    expect_nothing(capture, 0.1)
    before = time.time_ns()
    daemon.call("checkpoint_commit", group="vf1", epoch=1)
    judge = capture.wait(total)
    expect_streams(judge, streams, 20)
    check(earliest(judge) >= before, "a frame left before its commit")
    wait_until(lambda: daemon.vf("vf1")["held_pkts"] == 0, "nothing held any more")
    equal(daemon.stats("vf1")["released_pkts"], total, "frames released")


@case
def no_frame_reaches_another_vf_before_its_commit_whatever_it_is(env):
    daemon = env.renicd_alone()
    framegen = env.framegen()
    sender, receiver = (env.guest(daemon, framegen, n) for n in (1, 2))
    daemon.call("protection_start", group="vf1")
    for number, (kind, sort) in enumerate(EVERY_KIND):
        to = receiver.mac if sort == "unicast" else DESTINATIONS[sort]
        sender.send(kind, 20, stream=number, size="60-9014", dst=to)
    daemon.wait_taken("vf1", 20 * len(EVERY_KIND))
    receiver.expect_silence()
    epoch = daemon.checkpoint("vf1")
    receiver.expect_silence(0.1)
    before = time.monotonic_ns()
    daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
    for number in range(len(EVERY_KIND)):
        verdict = receiver.expect_whole(number, 20)
        check(verdict["first_ns"] >= before, "a frame arrived before its commit")
    equal(daemon.drops("vf2"), {}, "drops")


MATRIX = {f"{role}-{'packed' if packed else 'split'}-{queues}q":
          {"role": role, "packed": packed, "queues": queues}
          for role, packed, queues in product(("client", "server"), (False, True), (1, 4))}


@case(rows=MATRIX)
def committed_frames_leave_once_in_order(env, role, packed, queues):
    """Both ways, in every ring layout; three epochs, each committed while the next one fills."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, role=role, packed=packed, queues=queues)
    vf = daemon.vf("vf1")
    equal(bool(int(vf["features"], 16) >> 34 & 1), packed, "VIRTIO_F_RING_PACKED negotiated")
    equal([ring["enabled"] for ring in vf["rings"]], [True] * queues, "rings enabled")
    daemon.call("protection_start", group="vf1")
    per_epoch = 200
    for epoch in (1, 2, 3):
        for queue in range(queues):
            guest.send("mix", per_epoch, queue=queue, stream=queue, size="60-1514")
        daemon.wait_taken("vf1", epoch * per_epoch * queues)
        equal(capture.judge().total(), (epoch - 1) * per_epoch * queues, "frames on the wire")
        equal(daemon.checkpoint("vf1"), epoch, "sealed epoch")
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        judge = capture.wait(epoch * per_epoch * queues)
        expect_streams(judge, range(queues), epoch * per_epoch)
    for seq in range(500):
        capture.send(frame.build(frame.Stamp(77, seq, 60 + seq, frame.KINDS[seq % 5], 0, 5),
                                 frame.mac_bytes(guest.mac), bytes([2] * 6)))
    guest.expect_whole(77, 500)


@case
def three_epochs_in_flight_leave_one_by_one(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    ends = [0]
    for epoch in (1, 2, 3):
        guest.send("mix", 100 * epoch, stream=1, size="60-1514")
        ends.append(ends[-1] + 100 * epoch)
        daemon.wait_taken("vf1", ends[epoch])
        equal(daemon.checkpoint("vf1"), epoch, "sealed epoch")
    guest.send("mix", 50, stream=1)
    daemon.wait_taken("vf1", ends[3] + 50)
    group = daemon.call("group_get", name="vf1")
    equal((group["sealed_epochs"], group["epoch"]), (3, 4), "epochs in flight, open epoch")
    expect_nothing(capture)
    for epoch in (1, 2, 3):
        before = time.time_ns()
        daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        capture.wait(ends[epoch])
        time.sleep(0.1)
        judge = capture.judge()
        expect_streams(judge, [1], ends[epoch], what=f"after the commit of epoch {epoch}:")
        check(min(judge.stream(1).times[ends[epoch - 1]:]) >= before,
              f"a frame of epoch {epoch} left before its commit")
    equal(daemon.vf("vf1")["held_pkts"], 50, "frames of the open epoch held")


@case
def a_commit_lets_out_all_earlier_epochs(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    for epoch in (1, 2, 3):
        guest.send("mix", 100, stream=1)
        daemon.wait_taken("vf1", 100 * epoch)
        daemon.checkpoint("vf1")
    daemon.call("checkpoint_commit", group="vf1", epoch=2)
    capture.wait(200)
    time.sleep(0.1)
    expect_streams(capture.judge(), [1], 200)
    daemon.call("checkpoint_commit", group="vf1", epoch=3)
    expect_streams(capture.wait(300), [1], 300)


def run_epochs(daemon, guest, epochs, lag, period_ns):
    """
    Checkpoint by the clock while the guest sends; each epoch is committed `lag` epochs later.
    Returns (frames taken at the end of each epoch, when each epoch's commit was sent).
    """
    ends, commits = [0], [0]
    due = start = time.monotonic_ns()
    for epoch in range(1, epochs + 1):
        begun, stats, resumed = daemon.rpc.batch([
            ("checkpoint_begin", {"group": guest.vf}), ("vf_stats", {"name": guest.vf}),
            ("checkpoint_resume", {"group": guest.vf})])
        equal((begun["result"]["epoch"], resumed["result"]), (epoch, True), "begin and resume")
        ends.append(stats["result"]["tx_pkts"])
        if epoch > lag:
            commits.append(time.monotonic_ns())
            daemon.call("checkpoint_commit", group=guest.vf, epoch=epoch - lag)
        due += period_ns
        time.sleep(max(due - time.monotonic_ns(), 0) / 1e9)
    return ends, commits, (time.monotonic_ns() - start) / 1e9


@case(timeout=60)
def a_thousand_epochs_a_second_keep_their_frames_apart(env):
    """3,000 checkpoints, three in flight, under traffic: no frame comes before its own commit."""
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    far = env.far_end(daemon, framegen, socket)
    guest = env.guest(daemon, framegen, 1)
    daemon.call("protection_start", group="vf1")
    far.note()
    job = guest.send("mix", 0, stream=1, rate=150000)
    ends, commits, seconds = run_epochs(daemon, guest, epochs=3000, lag=3, period_ns=1000000)
    sent = job.halt()
    daemon.wait_taken("vf1", sent)
    equal(far.received() <= ends[3000 - 3], True, "only committed frames arrived")
    last = daemon.checkpoint("vf1")
    commits += [time.monotonic_ns()] * 4
    daemon.call("checkpoint_commit", group="vf1", epoch=last)
    far.expect_whole(1, sent)
    arrivals = far.arrivals()
    check(len(arrivals) > 100, "too few arrivals were noted to judge by")
    for when, _, _, _, newest, _ in arrivals:
        epoch = bisect_right(ends, newest)
        check(epoch >= len(commits) or when >= commits[epoch],
              f"frame {newest} of epoch {epoch} arrived before its commit")
    env.note(f"{3000 / seconds:.0f} epochs a second, {sent} frames")


@case
def the_oldest_of_too_many_epochs_leave_with_a_later_commit(env):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    for sealed in range(1, 258):
        guest.send("mix", 2, stream=1)
        daemon.wait_taken("vf1", 2 * sealed)
        equal(daemon.checkpoint("vf1"), sealed, "sealed epoch")
    for old in (1, 2):
        error = daemon.rpc.refusal("checkpoint_commit", group="vf1", epoch=old)
        equal((error.code, error.data.get("field")), (-32602, "epoch"), f"commit of epoch {old}")
    group = daemon.call("group_get", name="vf1")
    equal((group["state"], group["sealed_epochs"]), ("protected", 257), "group after the refusal")
    expect_nothing(capture)
    daemon.kill()
    daemon.restart()
    env.tap_up(daemon, namespace)
    expect_nothing(capture)
    daemon.call("checkpoint_commit", group="vf1", epoch=3)
    expect_streams(capture.wait(6), [1], 6, what="after the first commit:")
    daemon.call("checkpoint_commit", group="vf1", epoch=256)
    expect_streams(capture.wait(512), [1], 512, what="after the commit of 256:")
    daemon.call("checkpoint_commit", group="vf1", epoch=257)
    expect_streams(capture.wait(514), [1], 514, what="after the last commit:")


@case
def an_aborted_epoch_leaves_with_the_next_commit(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    epoch = daemon.call("checkpoint_begin", group="vf1")["epoch"]
    daemon.call("checkpoint_abort", group="vf1")
    equal(daemon.vf("vf1")["suspended"], False, "suspended after abort")
    error = daemon.rpc.refusal("checkpoint_commit", group="vf1", epoch=epoch)
    equal((error.code, error.data.get("field")), (-32602, "epoch"), "commit of an aborted epoch")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 200)
    expect_nothing(capture)
    daemon.call("checkpoint_commit", group="vf1", epoch=daemon.checkpoint("vf1"))
    expect_streams(capture.wait(200), [1], 200)


@case
def only_sealed_epochs_can_be_committed(env):
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    for epoch in (1, 2, 1 << 40):
        error = daemon.rpc.refusal("checkpoint_commit", group="vf1", epoch=epoch)
        equal((error.code, error.data.get("field")), (-32602, "epoch"),
              f"commit of epoch {epoch}, not sealed")
    expect_nothing(capture)
    daemon.checkpoint("vf1")
    daemon.call("checkpoint_commit", group="vf1", epoch=1)
    capture.wait(100)
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 200)
    daemon.call("checkpoint_commit", group="vf1", epoch=1)
    time.sleep(SILENCE_S)
    expect_streams(capture.judge(), [1], 100, what="after committing epoch 1 again:")
