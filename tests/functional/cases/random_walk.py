# SPDX-License-Identifier: BSD-3-Clause
"""
P1 and P2 on any path through the states: a random walk of begin, resume, abort, commit, stop and
start under traffic, judged by a model of what each frame had to wait for.
"""
import random
import time

from lib.case import case
from lib.check import check, equal
from lib.rpc import RpcError

GROUP = "pair"
NEVER = float("inf")


class Model:
    """What the daemon must do, and which frames may leave since when."""

    def __init__(self, daemon, guests, chance):
        self.daemon = daemon
        self.guests = guests
        self.chance = chance
        self.state = "unprotected"
        self.sealed = {}   # epoch -> aborted
        self.epoch = 0
        # Per guest: [first frame, since when it may leave], in order of the frames. The last
        # entry is the open epoch's.
        self.fences = {guest.vf: [[0, 0]] for guest in guests}
        self.fence_of = {}  # epoch -> index into the lists

    def taken(self):
        """Frames taken so far, per VF; exact while the guests are suspended."""
        return {guest.vf: self.daemon.stats(guest.vf)["tx_pkts"] for guest in self.guests}

    def fence(self, taken, when):
        """What is taken from here on waits until `when`."""
        for vf, count in taken.items():
            self.fences[vf].append([count, when])

    def release_from(self, index, now):
        """The fences up to index fall."""
        for fences in self.fences.values():
            for fence in fences[:index + 1]:
                fence[1] = min(fence[1], now)

    # ---- one function a step; each does what it says, and asks the daemon for the same ----

    def start(self):
        """protection_start: frames taken before the answer may have passed."""
        self.daemon.call("protection_start", group=GROUP)
        self.fence(self.taken(), NEVER)
        self.state, self.epoch, self.sealed = "protected", 1, {}
        self.fence_of = {1: len(self.fences[self.guests[0].vf]) - 1}

    def begin(self):
        """checkpoint_begin: what is taken from now on belongs to the next epoch."""
        answer = self.daemon.call("checkpoint_begin", group=GROUP)
        equal(answer["epoch"], self.epoch, "epoch sealed")
        for guest in self.guests:
            for ring in self.daemon.vf(guest.vf)["rings"]:
                log = ring["log"]
                check(log["released"] <= log["committed"] <= log["sealed"] == log["tail"],
                      f"log of a suspended queue: {log}")
        self.fence(self.taken(), NEVER)
        self.sealed[self.epoch] = False
        self.epoch += 1
        self.fence_of[self.epoch] = len(self.fences[self.guests[0].vf]) - 1
        self.state = "suspended"

    def resume(self):
        """checkpoint_resume"""
        self.daemon.call("checkpoint_resume", group=GROUP)
        self.state = "protected"

    def abort(self):
        """checkpoint_abort: the epoch leaves with a later one."""
        if self.epoch - 1 not in self.sealed:
            return  # committed already while suspended: refused, see illegal()
        self.daemon.call("checkpoint_abort", group=GROUP)
        self.sealed[self.epoch - 1] = True
        self.state = "protected"

    def commit(self):
        """checkpoint_commit of any sealed epoch."""
        epochs = [epoch for epoch, aborted in self.sealed.items() if not aborted]
        if not epochs:
            return
        epoch = self.chance.choice(epochs)
        self.release_from(self.fence_of[epoch], time.monotonic_ns())
        self.daemon.call("checkpoint_commit", group=GROUP, epoch=epoch)
        self.sealed = {other: aborted for other, aborted in self.sealed.items() if other > epoch}

    def stop(self):
        """protection_stop, releasing."""
        self.release_from(len(self.fences[self.guests[0].vf]) - 1, time.monotonic_ns())
        self.daemon.call("protection_stop", group=GROUP)
        self.fence(self.taken(), 0)
        self.state, self.sealed = "unprotected", {}

    def illegal(self):
        """Something that is refused here, and changes nothing."""
        method = self.chance.choice({
            "unprotected": ["protection_stop", "checkpoint_begin", "checkpoint_resume"],
            "protected": ["protection_start", "checkpoint_resume", "checkpoint_abort"],
            "suspended": ["protection_start", "checkpoint_begin", "protection_stop"],
        }[self.state])
        error = self.daemon.rpc.refusal(method, group=GROUP)
        equal((error.code, error.data.get("state")), (-1, self.state), f"{method}")

    def step(self):
        """One step that is possible here."""
        weights = {
            "unprotected": {self.start: 4, self.illegal: 1},
            "protected": {self.begin: 12, self.commit: 8, self.illegal: 1, self.stop: 0.3},
            "suspended": {self.resume: 10, self.abort: 2, self.commit: 3, self.illegal: 1},
        }[self.state]
        if len(self.sealed) > 100:
            weights[self.commit] = 100
        self.chance.choices(list(weights), list(weights.values()))[0]()

    def finish(self):
        """Everything out."""
        if self.state == "suspended":
            self.resume()
        if self.state == "protected":
            self.stop()

    def judge(self, arrivals, streams):
        """No frame arrived before its fence fell."""
        for when, stream, _, oldest, newest, _ in arrivals:
            for number in {oldest, newest}:
                # the last fence at or before that frame
                since = [fence[1] for fence in self.fences[streams[stream]]
                         if fence[0] <= number][-1]
                check(when >= since,
                      f"frame {number} of {streams[stream]} arrived "
                      f"{(since - when) / 1e6:.3f} ms before it might leave")


@case(timeout=60, rows={str(seed): {"seed": seed} for seed in (1, 2, 3)})
def no_path_through_the_states_leaks_or_loses(env, seed):
    daemon, socket = env.renicd_on_memif()
    framegen = env.framegen()
    far = env.far_end(daemon, framegen, socket)
    guests = [env.guest(daemon, framegen, n, packed=n == 1) for n in (1, 2)]
    daemon.call("group_create", name=GROUP, vfs=[guest.vf for guest in guests])
    far.note()
    jobs = [guest.send("mix", 0, stream=guest.number, rate=8000, size="60-1514")
            for guest in guests]
    model = Model(daemon, guests, random.Random(seed))
    steps = 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            model.step()
        except RpcError as error:
            raise AssertionError(f"step {steps}, {model.state}: {error}") from error
        steps += 1
        if model.chance.random() < 0.5:
            time.sleep(model.chance.random() * 0.004)
    model.finish()
    for guest, job in zip(guests, jobs):
        sent = job.halt()
        daemon.wait_taken(guest.vf, sent)
        far.expect_whole(guest.number, sent)
    arrivals = far.arrivals()
    check(len(arrivals) > 100, "too few arrivals to judge by")
    model.judge(arrivals, {guest.number: guest.vf for guest in guests})
    env.note(f"{steps} steps, {len(arrivals)} arrivals")
