# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's live migration between two renicd, as docs/protocol.md, "Moving a guest", has it."""
import contextlib
import json
import subprocess
import time

import hosts
import traffic

WORLD = hosts.TwoHosts
FRAMES = 2000      # that the guest sends, a millisecond apart
SETTLE_S = 0.05    # nothing has come to the old host for so long: the network has learned
LOAD_S = 10
PASSES = 6
PAGE = 4096


@contextlib.contextmanager
def iperf3(guest):
    """TCP both ways meanwhile; it must have gone on to its end without an error."""
    guest.install("/usr/bin/iperf3", hosts.Daemon.ADDRESS)
    guest.sh("iperf3 -s -D; while ! netstat -ltn | grep -q :5201; do sleep 0.1; done")
    with subprocess.Popen(["iperf3", "-c", guest.ip, "--bidir", "-b", "20M", "-t", str(LOAD_S),
                           "-J"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
            report = json.loads(process.communicate(timeout=LOAD_S + 30)[0])
        finally:
            process.kill()
    assert "error" not in report, f"iperf3: {report['error']}"
    last = report["intervals"][-3:]
    for way in ("sum", "sum_bidir_reverse"):
        assert sum(interval[way]["bytes"] for interval in last) > 0, f"iperf3: {way} stands still"


def hand_over(world):
    """What has come for the guest to its old host, until nothing does any more, to the new one:
    newest chunk first, since each goes before all that waits."""
    chunks, quiet_since = [], time.monotonic()
    while time.monotonic() < quiet_since + SETTLE_S:
        taken = world.a.control("ingress_take", name=hosts.VF)
        if taken["pkts"]:
            chunks.append(taken)
            quiet_since = time.monotonic()
    for taken in reversed(chunks):
        world.b.control("ingress_give", name=hosts.VF, frames=taken["frames"])
    return sum(taken["pkts"] for taken in chunks)


def wait_passes(guest, passes, timeout=60):
    """Until QEMU has copied what was dirty so many times, the VM running; or at least twice, if
    then so little is left that it goes on by itself."""
    end = time.monotonic() + timeout
    while (now := guest.qmp("query-migrate")).get("ram", {}).get("dirty-sync-count", 0) < passes:
        if now["status"] in ("pre-switchover", "completed") and now["ram"]["dirty-sync-count"] > 1:
            return
        assert time.monotonic() < end and now["status"] in ("setup", "active"), \
            f"{passes} passes of copying not seen: {now}"
        time.sleep(0.02)


def migrate(world):
    """Until host b has the guest, paused; how many frames were handed over."""
    uri = f"unix:{world.run.join('migration')}"
    world.b.guest.qmp("migrate-incoming", uri=uri)
    for guest in (world.a.guest, world.b.guest):
        guest.qmp("migrate-set-capabilities", capabilities=[
            {"capability": "pause-before-switchover", "state": True}])
    # Else QEMU would pause the VM before it has copied anything, and need no log.
    world.a.guest.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 26, "downtime-limit": 1})
    world.a.guest.qmp("migrate", uri=uri)
    wait_passes(world.a.guest, PASSES)
    world.a.guest.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 33,
                                                   "downtime-limit": 300})
    world.wait_migration("pre-switchover")
    world.b.control("activate", group=hosts.VF)
    world.wait_port(world.b)
    handed = hand_over(world)
    world.a.control("standby_start", group=hosts.VF)
    world.a.guest.qmp("migrate-continue", state="pre-switchover")
    world.wait_migration("completed")
    return handed


def differing_pages(world):
    """Pages of guest memory that differ between the hosts, where the guest is paused, and from
    where to where."""
    with world.a.guest.memory() as a, world.b.guest.memory() as b:
        assert len(a) == len(b)
        pages = [(at // PAGE, a[at:at + PAGE], b[at:at + PAGE]) for at in range(0, len(a), PAGE)
                 if a[at:at + PAGE] != b[at:at + PAGE]]
    return [(page, [at for at in range(PAGE) if one[at] != other[at]], one, other)
            for page, one, other in pages]


def describe(differing):
    """The first few pages, with what the first bytes are on either host."""
    return "; ".join(f"page {page}, bytes {at[0]} to {at[-1]}: {one[at[0]:at[0] + 16].hex()}, "
                     f"{other[at[0]:at[0] + 16].hex()}" for page, at, one, other in differing[:3])


def test_a_live_migration_loses_no_frame_and_keeps_tcp_byte_exact(world, packed):
    """Under iperf3 both ways. QEMU copies the pages that renicd wrote by vhost-user's log alone
    (VHOST_F_LOG_ALL): when the guest is paused on both hosts, not a page may differ."""
    world.prepare(packed)
    a, b = world.a, world.b
    receiver = traffic.NumberedReceiver(a.daemon.ADDRESS)
    with iperf3(a.guest):
        stream = traffic.EchoStream(a.guest.ip)
        sender = traffic.NumberedSender(a.guest.ip, interval_s=0.001)
        a.guest.sh(f"agent count {a.daemon.ADDRESS} {receiver.port} {FRAMES} 1000 "
                   ">/dev/null 2>&1 &")
        time.sleep(1)
        handed = migrate(world)
        differing = differing_pages(world)
        assert not differing, \
            f"{len(differing)} pages were not copied: {describe(differing)}"
        b.guest.qmp("cont")
        traffic.wait_reachable(b.guest.ip)
        time.sleep(1)
        sent, echoed = sender.finish(), stream.finish()
        tally = traffic.wait_counted(b.guest.ip, sent)
    assert tally == {"received": sent, "next": sent, "lost": 0, "late": 0}, \
        f"{sent} sent, {handed} of them handed over: {tally}"
    numbers = receiver.wait(FRAMES, timeout=30)
    receiver.finish()
    wrong = next((at for at, number in enumerate(numbers) if at != number), None)
    assert wrong is None, f"number {numbers[wrong]} came in the place of {wrong}"
    assert len(numbers) == FRAMES, f"{len(numbers)} of {FRAMES} frames came"
    assert echoed > 1 << 20 and b.vf()["term"] == 2
    traffic.upload(b.guest.ip, 1 << 20)


test_a_live_migration_loses_no_frame_and_keeps_tcp_byte_exact.cases = {
    "split": False, "packed": True}
