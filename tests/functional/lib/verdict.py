# SPDX-License-Identifier: BSD-3-Clause
"""What a captured uplink must, or must not, have carried."""
import time

from . import frame
from .check import equal

SILENCE_S = 0.3  # long enough for a frame that escapes


def expect_nothing(capture, seconds=SILENCE_S):
    """No numbered frame is on the wire, now and for a while."""
    time.sleep(seconds)
    equal(capture.judge().total(), 0, "frames on the wire before their commit")


def expect_streams(judge, streams, count, first=0, what=""):
    """Each of the streams is whole."""
    for number in streams:
        fault = frame.fault_of(judge.stream(number), first, count)
        equal(fault, None, f"{what} stream {number}")
