# SPDX-License-Identifier: BSD-3-Clause
"""Assertions that say what was seen, and waiting for something to become so."""
import time

# Waits are guards against hangs, never judgements of speed: all of them are this much longer than
# an idle machine would make them.
PATIENCE = 4


class Failure(Exception):
    """A rule did not hold."""


def check(condition, text):
    """Fail with `text` unless the condition holds."""
    if not condition:
        raise Failure(text)


def equal(seen, expected, what):
    """Fail unless what was seen is what was expected."""
    if seen != expected:
        raise Failure(f"{what}: seen {seen!r}, expected {expected!r}")


def wait_until(probe, what, timeout=10.0, interval=0.01):
    """Call probe() until it returns something true, and return that."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout} s: {what} (last: {value!r})")
        time.sleep(interval)


def settled(read, quiet=0.3, timeout=10.0, interval=0.02):
    """Call read() until its value has stayed the same for `quiet` seconds; return the value."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    value, since = read(), time.monotonic()
    while time.monotonic() - since < quiet:
        if time.monotonic() > deadline:
            raise Failure(f"still changing after {timeout} s: {value!r}")
        time.sleep(interval)
        now = read()
        if now != value:
            value, since = now, time.monotonic()
    return value
