# SPDX-License-Identifier: BSD-3-Clause
"""
What a client gets of a guest: TCP, and requests with their responses.

CUBIC's HyStart, on in every Linux guest, takes the round trips of a guest whose frames are held
(0 to an interval, whatever the load) for a queue that builds up, and ends slow start after the
first few: a transfer then takes seconds to get up to speed, how many is a matter of luck. So TCP is
measured both ways.
"""
import time

import traffic

ECHO_BYTES = 64
HYSTART = "/sys/module/tcp_cubic/parameters/hystart"
SERVICE_S = 20


def connect(address, port):
    """As soon as the guest's service listens, which it may not when it answers pings."""
    end = time.monotonic() + SERVICE_S
    while True:
        try:
            return traffic.connect(address, port)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def tcp_mbit_s(address, seconds):
    """From the guest; its own processor is part of what is measured."""
    got, begun = 0, time.monotonic()
    with connect(address, traffic.SOURCE) as sock:
        sock.sendall(f"{1 << 40}\n".encode())
        while (taken := time.monotonic() - begun) < seconds:
            got += len(sock.recv(1 << 20))
    return got * 8 / 1e6 / taken


def round_trip_ms(address, seconds):
    """The mean of one request and response at a time."""
    trips, begun = 0, time.monotonic()
    with connect(address, traffic.ECHO) as sock:
        while (taken := time.monotonic() - begun) < seconds:
            sock.sendall(bytes(ECHO_BYTES))
            got = 0
            while got < ECHO_BYTES:
                got += len(sock.recv(ECHO_BYTES))
            trips += 1
    return taken * 1e3 / trips


def measure(guest, address, seconds):
    """{what: value}"""
    results = {"tcp_mbit_s": tcp_mbit_s(address, seconds),
               "round_trip_ms": round_trip_ms(address, seconds)}
    guest.sh(f"echo 0 >{HYSTART}")
    results["tcp_no_hystart_mbit_s"] = tcp_mbit_s(address, seconds)
    guest.sh(f"echo 1 >{HYSTART}")
    return results
