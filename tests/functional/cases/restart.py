# SPDX-License-Identifier: BSD-3-Clause
"""Promise P6: the daemon may die at any instant; what it holds stays held, and nothing is lost."""
import mmap
import os
import random
import struct
import threading
import time

from cases.egress_log import records
from lib import frame
from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import mac_of
from lib.rpc import Closed, RpcError

BURST = 64
ENDINGS = {"kill": lambda daemon: daemon.kill(), "sigterm": lambda daemon: daemon.signal_end()}


def held_numbers(daemon, vf):
    """The numbers of the frames in the VF's egress log, in order."""
    extents = daemon.call("egress_log_get", name=vf)["extents"]
    log = daemon.rpc.fds.pop()
    numbers = []
    try:
        with mmap.mmap(log, 0, prot=mmap.PROT_READ) as view:
            for extent in extents:
                data = view[extent["file_offset"]:extent["file_offset"] + extent["bytes"]]
                for _, held in records(data):
                    stamp, good, _ = frame.parse(held)
                    check(stamp and good, "a held frame differs from what was sent")
                    numbers.append(stamp.seq)
    finally:
        os.close(log)
    return numbers


def again(env, daemon, namespace, guest=None):
    """Start the daemon again; its uplink is up, and the guest's rings run."""
    daemon.restart()
    env.tap_up(daemon, namespace)
    if guest:
        env.wait_running(daemon, guest.vf)


@case(rows={f"{name}-{role}-{'packed' if packed else 'split'}":
            {"ending": name, "role": role, "packed": packed}
            for name in ENDINGS for role in ("client", "server") for packed in (False, True)})
def held_frames_outlive_the_daemon(env, ending, role, packed):
    """Open, sealed and committed epochs are what they were; the guest comes back by itself."""
    if role == "server":
        return held_frames_outlive_the_daemon_without_a_guest(env, ending, packed)
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1, packed=packed)
    daemon.call("vf_set", name="vf1", mtu=1600)
    daemon.call("protection_start", group="vf1")
    for epoch in (1, 2):
        guest.send("mix", 500, stream=1, size="60-1514")
        daemon.wait_taken("vf1", 500 * epoch)
        equal(daemon.checkpoint("vf1"), epoch, "sealed epoch")
    guest.send("mix", 500, stream=1, size="60-1514")
    daemon.wait_taken("vf1", 1500)
    namespace.link("rnic0", "down")
    wait_until(lambda: daemon.call("uplink_get")["link"] == "down", "uplink down")
    daemon.call("checkpoint_commit", group="vf1", epoch=1)
    before = daemon.vf("vf1")
    equal(before["held_pkts"], 1500, "frames held, uplink down")
    ENDINGS[ending](daemon)
    equal(capture.judge().total(), 0, "frames on the wire")
    again(env, daemon, namespace, guest)
    judge = capture.wait(500)
    vf = daemon.vf("vf1")
    for key in ("role", "epoch", "id", "mac", "mtu", "suspended"):
        equal(vf[key], before[key], key)
    group = daemon.call("group_get", name="vf1")
    equal((group["state"], group["epoch"], group["committed_epoch"], group["replicator"]),
          ("protected", 3, 1, "lost"), "the group after the restart")
    time.sleep(0.2)
    capture.drain()
    equal(frame.fault_of(judge.stream(1), 0, 500), None, "the committed epoch")
    equal(daemon.vf("vf1")["held_pkts"], 1000, "frames held")
    guest.send("mix", 500, stream=1, size="60-1514")
    daemon.wait_taken("vf1", 500)
    equal(daemon.checkpoint("vf1"), 3, "next sealed epoch")
    daemon.call("checkpoint_commit", group="vf1", epoch=2)
    equal(frame.fault_of(capture.wait(1000).stream(1), 0, 1000), None, "the second epoch")
    daemon.call("checkpoint_commit", group="vf1", epoch=3)
    equal(frame.fault_of(capture.wait(2000).stream(1), 0, 2000), None, "all frames")


def held_frames_outlive_the_daemon_without_a_guest(env, ending, packed):
    """The same where the daemon listens, and its front-end is gone."""
    daemon, namespace, capture = env.renicd_on_tap()
    framegen = env.framegen()
    guest = env.guest(daemon, framegen, 1, role="server", packed=packed)
    daemon.call("group_create", name="pair", vfs=["vf1"])
    daemon.call("protection_start", group="pair")
    guest.send("mix", 500, stream=1, size="60-1514")
    daemon.wait_taken("vf1", 500)
    framegen.quit()
    equal(daemon.call("checkpoint_begin", group="pair")["epoch"], 1, "sealed epoch")
    ENDINGS[ending](daemon)
    again(env, daemon, namespace)
    group = daemon.call("group_get", name="pair")
    equal((group["state"], group["epoch"], group["held_pkts"], group["vfs"]),
          ("suspended", 2, 500, ["vf1"]), "the group after the restart")
    daemon.call("checkpoint_resume", group="pair")
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="pair", epoch=1)
    equal(frame.fault_of(capture.wait(500).stream(1), 0, 500), None, "after the commit")
    guest = env.reattach(daemon, env.framegen(), 1, "vf1", role="server", packed=packed)
    guest.send("mix", 100, stream=2)
    daemon.wait_taken("vf1", 100)
    equal(daemon.vf("vf1")["held_pkts"], 100, "frames held of the new front-end")


class Kills:
    """A replicator that works on while the daemon is killed under it, and what may leave when."""

    def __init__(self, env, daemon, namespace, capture, guest, chance):
        self.env = env
        self.daemon = daemon
        self.namespace = namespace
        self.capture = capture
        self.guest = guest
        self.chance = chance
        self.last = -1        # newest frame known to be in an epoch that was sealed
        self.pending = {}     # sealed epoch -> its newest frame
        self.allowed = -1     # newest frame that may leave
        self.logged = set()   # frames seen in the log: none of these may be lost
        self.seen = []        # numbers on the wire, in order

    def watch(self):
        """Look at the wire."""
        for _, data in self.capture.drain():
            stamp, good, _ = frame.parse(data)
            if not stamp:
                continue
            check(good, "a frame on the wire differs from what was sent")
            check(stamp.seq <= self.allowed,
                  f"frame {stamp.seq} left, but only {self.allowed} may")
            self.seen.append(stamp.seq)

    def begin(self):
        """Seal; what the log has then is the epoch's."""
        epoch = self.daemon.call("checkpoint_begin", group="vf1")["epoch"]
        numbers = held_numbers(self.daemon, "vf1")
        self.logged.update(numbers)
        self.last = max(self.last, max(numbers, default=-1))
        self.pending[epoch] = self.last
        self.daemon.call("checkpoint_resume", group="vf1")

    def commit(self):
        """Commit one of the sealed epochs."""
        if not self.pending:
            return
        epoch = self.chance.choice(list(self.pending))
        self.allowed = max(self.allowed, self.pending[epoch])
        self.daemon.call("checkpoint_commit", group="vf1", epoch=epoch)
        self.pending = {e: last for e, last in self.pending.items() if e > epoch}

    def work(self):
        """Until the daemon is gone."""
        try:
            while True:
                self.chance.choice((self.begin, self.begin, self.commit))()
                self.watch()
                time.sleep(self.chance.random() * 0.005)
        except (Closed, OSError):
            pass

    def kill_once(self):
        """One life of the daemon."""
        ending = self.daemon.signal_end if self.chance.random() < 0.1 else self.daemon.kill
        killer = threading.Timer(0.005 + self.chance.random() * 0.06, ending)
        killer.start()
        self.work()
        killer.join()
        self.watch()
        again(self.env, self.daemon, self.namespace, self.guest)
        group = self.daemon.call("group_get", name="vf1")
        check(group["state"] in ("protected", "suspended"), f"{group['state']} after a restart")
        if group["state"] == "suspended":
            self.daemon.call("checkpoint_resume", group="vf1")
        # An epoch that nobody was told of cannot be committed; one committed is committed.
        self.pending = {e: last for e, last in self.pending.items()
                        if group["committed_epoch"] < e < group["epoch"]}

    def finish(self, sent):
        """All out; then nothing was lost or repeated but bursts at the edges, one a kill."""
        self.allowed = sent
        self.daemon.call("protection_stop", group="vf1", held="release")
        wait_until(lambda: self.daemon.vf("vf1")["held_pkts"] == 0, "nothing held any more")
        time.sleep(0.3)
        self.watch()


def _kill_again_and_again(env, seed, kills):
    daemon, namespace, capture = env.renicd_on_tap(
        memory_mb=64, mbufs=8192, egress_log={"size_mb": 32, "hugepages": False})
    guest = env.guest(daemon, env.framegen(), 1, packed=False)
    daemon.call("protection_start", group="vf1")
    job = guest.send("mix", 0, stream=1, rate=3000, size="60-1514", wait=False)
    test = Kills(env, daemon, namespace, capture, guest, random.Random(seed))
    for _ in range(kills):
        test.kill_once()
    sent = job.halt()
    time.sleep(0.3)
    test.finish(sent)
    seen = set(test.seen)
    lost = set(range(sent)) - seen
    repeated = len(test.seen) - len(seen)
    missing = sorted(test.logged - seen)
    check(not missing, f"{len(missing)} frames that were held are lost, first {missing[:5]}")
    check(len(lost) <= BURST * kills, f"{len(lost)} frames lost by {kills} kills")
    check(repeated <= BURST * kills, f"{repeated} frames repeated by {kills} kills")
    back = [(a, b) for a, b in zip(test.seen, test.seen[1:]) if b < a]
    check(all(a - b < BURST for a, b in back), f"order broken: {back[:5]}")
    check(len(back) <= kills, f"{len(back)} steps back by {kills} kills")
    env.note(f"{sent} frames, {kills} kills: {len(lost)} lost at the guest's edge, "
             f"{repeated} repeated, {len(test.logged)} seen held")


@case(timeout=300, rows={str(seed): {"seed": seed} for seed in (1, 2)})
def kills_at_any_instant_lose_and_leak_nothing(env, seed):
    _kill_again_and_again(env, seed, 100)


@case
def what_an_operator_set_comes_back(env):
    """VFs and groups of the control socket, and changes of those that the file lists."""
    listed = [{"name": "listed", "mac": mac_of(7), "role": "server"},
              {"name": "changed", "mac": mac_of(8), "role": "server"},
              {"name": "dropped", "mac": mac_of(9), "role": "server"}]
    daemon = env.renicd_alone(vfs=listed, groups=[{"name": "filed", "vfs": ["listed"]}])
    daemon.call("vf_create", name="made", role="server", mac=mac_of(5), vlan=12, queues=2)
    daemon.call("vf_create", name="other", role="server", hold_exempt="arp")
    daemon.call("vf_delete", name="other", force=True)
    daemon.call("vf_create", name="last", role="server", hold_exempt="arp")
    daemon.call("vf_set", name="listed", mtu=1500, spoofchk=False)
    daemon.call("group_create", name="both", vfs=["made", "last"], internal="pass")
    daemon.call("group_set", name="filed", replicator_timeout_ms=700)
    daemon.call("group_set", name="both", on_replicator_lost="hold")
    before = {vf["name"]: vf for vf in daemon.call("vf_list")}
    groups = daemon.call("group_list")
    daemon.config["vfs"] = [listed[0], {**listed[1], "mtu": 2000}]
    daemon.kill()
    daemon.restart()
    after = {vf["name"]: vf for vf in daemon.call("vf_list")}
    equal(sorted(after), ["changed", "last", "listed", "made"], "VFs after the restart")
    equal(after["changed"]["mtu"], 2000, "mtu of the VF whose entry in the file changed")
    before["changed"]["mtu"] = 2000
    for name, vf in after.items():
        equal(vf, before[name], f"VF {name}")
    equal(sorted(daemon.call("group_list"), key=str), sorted(groups, key=str), "groups")


@case
def a_protected_vf_outlives_its_entry_in_the_config_file(env):
    daemon = env.renicd_alone(vfs=[{"name": "vf1", "mac": mac_of(1), "role": "server"}])
    daemon.call("protection_start", group="vf1")
    daemon.config["vfs"] = []
    daemon.kill()
    daemon.restart()
    equal(daemon.vf("vf1")["role"], "protected", "role")
    daemon.call("protection_stop", group="vf1")
    daemon.kill()
    daemon.restart()
    equal(daemon.call("vf_list"), [], "VFs, with nothing to hold any more")


@case(rows={"back-in-time": {"back": True}, "not-back": {"back": False}})
def a_replicator_with_policy_release_may_come_back_after_a_restart(env, back):
    daemon, namespace, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("group_create", name="g", vfs=["vf1"], on_replicator_lost="release",
                replicator_timeout_ms=1500)
    daemon.call("protection_start", group="g")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    daemon.kill()
    again(env, daemon, namespace, guest)
    equal(daemon.vf("vf1")["held_pkts"], 100, "frames held after the restart")
    if not back:
        capture.wait(100)
        wait_until(lambda: daemon.call("group_get", name="g")["state"] == "unprotected",
                   "protection given up")
        return
    epoch = daemon.checkpoint("g")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        daemon.call("version")
        time.sleep(0.1)
    equal(capture.judge().total(), 0, "frames on the wire")
    daemon.call("checkpoint_commit", group="g", epoch=epoch)
    capture.wait(100)


def _set(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def _set_log(path, offset, data):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as view:
        view[offset:offset + len(data)] = data


STATES_AT = 4096  # of the egress log's file; a state is 64 bytes: in_use, -, released, …
DAMAGES = {
    "other-version-of-the-journal": lambda journal, log: _set(journal, 8, b"\x63"),
    "journal-of-zeros-at-its-beginning": lambda journal, log: _set(journal, 0, bytes(8)),
    "an-entry-of-the-journal": lambda journal, log: _set(journal, 4096 + 20, b"\x01\x02"),
    "a-short-journal": lambda journal, log: os.truncate(journal, 5000),
    "other-version-of-the-log": lambda journal, log: _set_log(log, 8, b"\x63"),
    "the-logs-offsets": lambda journal, log: _set_log(log, STATES_AT + 8,
                                                      struct.pack("<Q", 1 << 40)),
    "a-record": lambda journal, log: _set_log(log, (2 << 20) + 16384, b"\xff" * 4096),
    "a-missing-log": lambda journal, log: os.unlink(log),
    "a-log-of-another-journal": lambda journal, log: os.unlink(journal),
}


@case(rows={name: {"damage": damage} for name, damage in DAMAGES.items()})
def a_damaged_file_is_kept_aside_and_only_on_demand(env, damage):
    daemon = env.renicd_alone(egress_log={"size_mb": 16, "hugepages": False})
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 500, stream=1)
    daemon.wait_taken("vf1", 500)
    daemon.kill()
    journal = os.path.join(daemon.run_dir, "journal")
    log, = (os.path.join(daemon.run_dir, name) for name in os.listdir(daemon.run_dir)
            if name.endswith(".egress"))
    damage(journal, log)
    files = {path: os.path.getsize(path) for path in (journal, log) if os.path.exists(path)}
    for _ in range(2):
        daemon.spawn()
        check(daemon.process.wait(20) == 1, "renicd started on a damaged file")
        said = daemon.process.log_tail(1)
        check("--set-aside" in said and (journal in said or log in said), f"it said: {said}")
        equal({path: os.path.getsize(path) for path in files if os.path.exists(path)}, files,
              "files after the refusal")
    daemon.arguments = ["--set-aside"]
    daemon.restart()
    # Without its journal the VF is another one; without its log it is protected, and empty.
    groups = daemon.call("group_list")
    equal([(g["state"], g["held_pkts"]) for g in groups],
          [] if journal in said or journal not in files else [("protected", 0)], "groups")
    aside = [name for name in os.listdir(daemon.run_dir) if name.endswith(".aside-1")]
    check(aside or log not in files, "nothing is kept aside")


@case
def a_journal_of_another_boot_is_begun_anew(env):
    daemon = env.renicd_alone(egress_log={"size_mb": 16, "hugepages": False})
    guest = env.guest(daemon, env.framegen(), 1)
    daemon.call("protection_start", group="vf1")
    guest.send("mix", 100, stream=1)
    daemon.wait_taken("vf1", 100)
    daemon.kill()
    _set(os.path.join(daemon.run_dir, "journal"), 24, b"00000000-0000-0000-0000-000000000000")
    daemon.restart()
    equal(daemon.call("vf_list"), [], "VFs of guests that died with their host")
    check("started anew" in daemon.process.log(), "the log does not say so")
