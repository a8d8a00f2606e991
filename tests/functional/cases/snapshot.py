# SPDX-License-Identifier: BSD-3-Clause
"""A VF's snapshot: what `renicctl snapshot` saves, shows and compares is what the VF is."""
import json
import os
from itertools import product

from cases.hostile_front_ends import front_end
from cases.testpmd_guests import testpmd_guest
from lib.case import case
from lib.check import check, equal, settled, wait_until
from lib.env import mac_of

PACKED = 1 << 34
ROWS = {f"{role}-{'packed' if packed else 'split'}": {"role": role, "packed": packed}
        for role, packed in product(("client", "server"), (False, True))}


def save(env, daemon, vf, name):
    """The path of a new snapshot, and what it shows."""
    path = os.path.join(env.directory, name)
    env.renicctl(daemon, "snapshot", "save", vf, path)
    return path, json.loads(env.renicctl(daemon, "snapshot", "show", path).stdout)


def expected_ring(ring, side, packed):
    """The members of a snapshot's ring, from vf_get's: there, bit 15 is the wrap counter."""
    members = {f"{side}_size": ring[f"{side}_size"]}
    for index in ("avail", "used"):
        value = ring[f"{side}_{index}_idx"]
        members[f"{side}_{index}_idx"] = value & 0x7fff if packed else value
        if packed:
            members[f"{side}_{index}_wrap"] = bool(value >> 15)
    return members


def check_shown(daemon, vf, shown):
    """The snapshot says what vf_get and vf_stats say."""
    state, stats = daemon.vf(vf), daemon.stats(vf)
    packed = bool(int(state["features"], 16) & PACKED)
    for member in ("name", "group", "mac", "vlan", "mtu", "spoofchk", "packed", "features",
                   "queues", "hold_exempt", "ingress_hold_pkts", "role"):
        equal(shown[member], state[member], f"{member} in the snapshot")
    for member in ("tx_pkts", "tx_bytes", "rx_pkts", "rx_bytes", "released_pkts", "exempt_pkts"):
        equal(shown[member], stats[member], f"{member} in the snapshot")
    equal(shown["drops"], list(stats["drops"].values()), "drops in the snapshot")
    for ring, seen in zip(state["rings"], shown["rings"]):
        equal(seen, {"queue": ring["queue"], "enabled": ring["enabled"],
                     **expected_ring(ring, "rx", packed), **expected_ring(ring, "tx", packed)},
              f"ring {ring['queue']} in the snapshot")
    return packed


@case(rows=ROWS)
def snapshot_shows_a_running_guests_rings_and_counters(env, role, packed):
    daemon = env.renicd_alone(uplink={"devargs": "net_null0"})
    guest = testpmd_guest(env, daemon, 1, "txonly", role, 2, packed)
    before, shown = save(env, daemon, "vf1", "before")
    equal(check_shown(daemon, "vf1", shown), packed, "packed rings are negotiated")
    equal((shown["tx_pkts"], shown["term"], shown["epoch"]), (0, 1, 0), "before any traffic")
    guest.command("start")
    wait_until(lambda: daemon.stats("vf1")["tx_pkts"] > 5000, "traffic")
    guest.command("stop")
    settled(lambda: daemon.stats("vf1")["tx_pkts"])
    after, shown = save(env, daemon, "vf1", "after")
    check_shown(daemon, "vf1", shown)
    sent = sum(ring["tx_avail_idx"] for ring in shown["rings"])
    check(packed or sent > 0, f"TX indices did not move: {shown['rings']}")
    for ring in shown["rings"]:
        check(ring["tx_size"] == 1024 and ring["tx_avail_idx"] == ring["tx_used_idx"],
              f"an idle TX ring: {ring}")
    equal(env.renicctl(daemon, "snapshot", "diff", before, before).stdout, "", "diff of the same")
    done = env.renicctl(daemon, "snapshot", "diff", before, after, check=False)
    equal(done.returncode, 1, "status of diff")
    check(f"tx_pkts: 0 -> {shown['tx_pkts']}\n" in done.stdout, f"diff said: {done.stdout}")
    check("mac" not in done.stdout, f"diff said: {done.stdout}")


@case
def split_indices_count_the_descriptors(env):
    """A front-end of a few lines: with nothing sent, indices are its SET_VRING_BASE."""
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", mac=mac_of(1), role="server", hold_exempt="arp")
    _, shown = save(env, daemon, "vf1", "alone")
    equal((shown["features"], shown["rings"][0]["rx_size"]), ("0x0", 0), "without a front-end")
    front_end(env, daemon, "vf1")
    env.wait_running(daemon, "vf1")
    _, shown = save(env, daemon, "vf1", "running")
    equal(check_shown(daemon, "vf1", shown), False, "packed")
    equal(shown["rings"][0], {"queue": 0, "enabled": True, "rx_size": 256, "rx_avail_idx": 0,
                              "rx_used_idx": 0, "tx_size": 256, "tx_avail_idx": 0,
                              "tx_used_idx": 0}, "rings")


@case
def snapshot_of_a_protected_vf_has_the_sealed_epoch(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", mac=mac_of(1), role="server")
    daemon.call("group_create", name="g", vfs=["vf1"])
    daemon.call("protection_start", group="g")
    _, shown = save(env, daemon, "vf1", "protected")
    equal((shown["role"], shown["group"], shown["epoch"]), ("protected", "g", 0), "before any seal")
    epoch = daemon.checkpoint("g")
    _, shown = save(env, daemon, "vf1", "sealed")
    equal(shown["epoch"], epoch, "epoch after a checkpoint")


@case
def what_is_no_snapshot_is_told(env):
    daemon = env.renicd_alone()
    daemon.call("vf_create", name="vf1", role="server")
    path, _ = save(env, daemon, "vf1", "good")
    with open(path, "rb") as f:
        good = f.read()
    for name, bad in {"empty": b"", "cut": good[:-1], "long": good + b"x",
                      "flipped": good[:40] + bytes([good[40] ^ 1]) + good[41:]}.items():
        path = os.path.join(env.directory, name)
        with open(path, "wb") as f:
            f.write(bad)
        for arguments, status in {("show", path): 1, ("diff", path, path): 2}.items():
            done = env.renicctl(daemon, "snapshot", *arguments, check=False)
            equal((done.returncode, done.stdout), (status, ""), f"snapshot {arguments}")
            check(path in done.stderr, f"snapshot {arguments} said: {done.stderr}")
    done = env.renicctl(daemon, "snapshot", "save", "nobody", path, check=False)
    equal(done.returncode, 1, "status of save for a VF that is not")
