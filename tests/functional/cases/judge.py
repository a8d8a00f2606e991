# SPDX-License-Identifier: BSD-3-Clause
"""The judges themselves: a verdict that cannot be bad proves nothing."""
import random

from lib import frame
from lib.case import case
from lib.check import Failure, check, equal


def loop(framegen):
    """A port whose frames come back to it."""
    framegen.command("add port=0 driver=net_ring args= queues=1")
    return _port(framegen)


def _port(framegen):
    from lib.framegen import Port
    return Port(framegen, 0)


def refuses(function, *arguments, **keywords):
    """Does the check fail, as it should?"""
    try:
        function(*arguments, **keywords)
    except Failure:
        return True
    return False


@case
def framegen_sees_loss_repetition_disorder_and_corruption(env):
    port = loop(env.framegen())
    port.send("mix", 200, size="60-9018", stream=1)
    port.expect_whole(1, 200)
    port.send("ipv4", 100, stream=2, step=2)
    check(refuses(port.expect_whole, 2, 100, timeout=1), "gaps were not seen")
    equal(port.stream(2)["lost"], 99, "gaps")
    port.send("arp", 10, stream=3)
    port.send("arp", 5, stream=3, seq=2)
    check(refuses(port.expect_whole, 3, 15, timeout=1), "repetition was not seen")
    equal(port.stream(3)["repeated"], 5, "repetitions")
    port.send("ipv6", 10, stream=4, size=80, seq=9, step=-1)
    check(refuses(port.expect_whole, 4, 10, timeout=1), "disorder was not seen")
    equal(port.stream(4)["reordered"], 9, "frames out of order")
    for offset in (0, 7, 13, 20, 59, 63):
        port.send("vlan", 1, stream=5, flip=offset, size=64)
    verdict = port.stats()["rx"]
    equal(verdict["streams"]["5"]["corrupt"] + verdict["foreign"], 6, "corrupted frames")


@case
def capture_judge_sees_loss_repetition_disorder_and_corruption(_env):
    to, of = bytes([2] * 6), bytes([4] * 6)
    built = [frame.build(frame.Stamp(1, seq, 60 + seq * 7, frame.KINDS[seq % 5], 3, 9), to, of)
             for seq in range(50)]

    def fault(frames):
        judge = frame.Judge().take((0, data) for data in frames)
        return judge.foreign or frame.fault_of(judge.stream(1), 0, 50)

    equal(fault(built), None, "the fault of 50 good frames")
    check(fault(built[:20] + built[21:]), "loss was not seen")
    check(fault(built + built[:1]), "repetition was not seen")
    check(fault(built[:10] + [built[11], built[10]] + built[12:]), "disorder was not seen")
    chance = random.Random(1)
    for data in built:
        at = chance.randrange(len(data))
        harmed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        rest = [harmed if other is data else other for other in built]
        check(fault(rest), f"a falsified byte {at} of {len(data)} was not seen")


@case
def both_judges_build_the_same_frames(env):
    """What framegen sends is, byte for byte, what Python builds; and the other way round."""
    daemon, _, capture = env.renicd_on_tap()
    guest = env.guest(daemon, env.framegen(), 1)
    for kind in frame.KINDS:
        guest.send(kind, 40, size="60-1514", stream=frame.KINDS.index(kind))
    judge = capture.wait(200)
    for number in range(len(frame.KINDS)):
        equal(frame.fault_of(judge.stream(number), 0, 40), None, frame.KINDS[number])
    for seq in range(100):
        capture.send(frame.build(
            frame.Stamp(9, seq, 60 + seq * 14, frame.KINDS[seq % 5], 0, 5),
            frame.mac_bytes(guest.mac), bytes([2] * 6)))
    guest.expect_whole(9, 100)
