# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the guest's services, each over one connection for its whole life, and judges of
what it said: not a byte lost, repeated or wrong, whatever host the guest runs on."""
import http.client
import os
import select
import socket
import struct
import threading
import time

import traffic

STREAM, HTTP = 4001, 80
PATIENCE_S = 30      # silence after which a client gives up
WINDOW = 32 << 10    # bytes of the echo client under way
CHUNK = 4 << 10


class Client(threading.Thread):
    """Runs until finish(); `problem` says what was wrong, or is None."""

    def __init__(self):
        super().__init__(daemon=True)
        self.problem = None
        self.silence_s = 0.0   # the longest between two arrivals since reset_silence()
        self._heard = time.monotonic()
        self.ending = threading.Event()

    def heard(self):
        now = time.monotonic()
        self.silence_s, self._heard = max(self.silence_s, now - self._heard), now
        return now

    def reset_silence(self):
        self.silence_s, self._heard = 0.0, time.monotonic()

    def run(self):
        try:
            self.serve()
        except (OSError, AssertionError) as error:
            self.problem = f"{type(self).__name__}: {error}"

    def serve(self):
        raise NotImplementedError

    def finish(self):
        self.ending.set()
        self.join(PATIENCE_S + 5)
        if self.is_alive():
            self.problem = f"{type(self).__name__}: does not end"


class EchoClient(Client):
    """Random bytes to the guest's echo, compared as they come back; `rate_bytes` a second."""

    def __init__(self, address, rate_bytes=256 << 10):
        super().__init__()
        self.address, self.rate_bytes = address, rate_bytes
        self.bytes = 0
        self.start()

    def serve(self):
        with traffic.connect(self.address, traffic.ECHO) as sock:
            sock.setblocking(False)
            self._exchange(sock)

    def _exchange(self, sock):
        under_way, begun, sent = bytearray(), time.monotonic(), 0
        self.reset_silence()
        while under_way or not self.ending.is_set():
            due = (time.monotonic() - begun) * self.rate_bytes
            may_send = not self.ending.is_set() and len(under_way) < WINDOW and sent < due
            readable, writable, _ = select.select([sock], [sock] if may_send else [], [], 0.01)
            if writable:
                data = os.urandom(CHUNK)
                n = sock.send(data)
                under_way += data[:n]
                sent += n
            if readable:
                data = sock.recv(65536)
                assert data, f"closed after {self.bytes} bytes"
                assert under_way.startswith(data), f"wrong byte after {self.bytes} bytes"
                del under_way[:len(data)]
                self.bytes += len(data)
                self.heard()
            assert time.monotonic() - self._heard < PATIENCE_S, \
                f"silent for {PATIENCE_S} s after {self.bytes} bytes"


class StreamClient(Client):
    """The guest's counter stream: each number once, in order."""

    def __init__(self, address):
        super().__init__()
        self.address, self.next = address, 0
        self.start()

    def serve(self):
        with traffic.connect(self.address, STREAM, timeout=PATIENCE_S) as sock:
            rest = b""
            self.reset_silence()
            while not self.ending.is_set():
                data = sock.recv(65536)
                assert data, f"closed after number {self.next}"
                self.heard()
                rest += data
                whole = len(rest) // 4 * 4
                for (number,) in struct.iter_unpack(">I", rest[:whole]):
                    assert number == self.next, f"got {number}, expected {self.next}"
                    self.next += 1
                rest = rest[whole:]


class WebClient(Client):
    """Fetches a page from the guest's httpd over and over; each must be right and whole."""

    def __init__(self, address, page, pause_s=0.1):
        super().__init__()
        self.address, self.page, self.pause_s, self.fetched = address, page, pause_s, 0
        self.start()

    def serve(self):
        while not self.ending.is_set():
            connection = http.client.HTTPConnection(self.address, HTTP, timeout=PATIENCE_S)
            try:
                connection.request("GET", "/page")
                body = connection.getresponse().read()
            finally:
                connection.close()
            assert body == self.page, f"page {self.fetched}: {len(body)} bytes, or wrong ones"
            self.fetched += 1
            self.heard()
            self.ending.wait(self.pause_s)


class Tick:
    __slots__ = ("number", "port", "time")

    def __init__(self, number, port, when):
        self.number, self.port, self.time = number, port, when


class TickWatcher(threading.Thread):
    """The guest's numbered datagrams as they come out of the cables of the hosts: which number,
    from which host, when. Everything that the outside world could see."""

    UDP = 17

    def __init__(self, udp_port, guest_mac, ports=("port-a", "port-b")):
        super().__init__(daemon=True)
        self.udp_port, self.source = udp_port, bytes.fromhex(guest_mac.replace(":", ""))
        self.ticks = []
        self.socks = {}
        for port in ports:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                 socket.htons(traffic.ETH_P_ALL))
            sock.setsockopt(socket.SOL_SOCKET, traffic.SO_RCVBUFFORCE, 8 << 20)
            sock.bind((port, 0))
            self.socks[sock] = port
        self.ending = threading.Event()
        self.start()

    def _tick(self, frame):
        """The number in a frame of the guest's, or None."""
        if frame[6:12] != self.source or frame[12:14] != b"\x08\x00" or frame[23] != self.UDP:
            return None
        udp = 14 + (frame[14] & 15) * 4
        if struct.unpack_from(">H", frame, udp + 2)[0] != self.udp_port:
            return None
        return struct.unpack_from(">I", frame, udp + 8)[0]

    def run(self):
        while not self.ending.is_set():
            for sock in select.select(list(self.socks), [], [], 0.1)[0]:
                try:
                    frame, address = sock.recvfrom(2048)
                except OSError:  # the port was taken down: a fence; it says so once
                    continue
                number = self._tick(frame)
                if number is not None and address[2] != socket.PACKET_OUTGOING:
                    self.ticks.append(Tick(number, self.socks[sock], time.monotonic()))

    def backwards(self, since=0):
        """Pairs of ticks of which the later one has no higher number."""
        ticks = self.ticks[since:]
        highest, found = -1, []
        for tick in ticks:
            if tick.number <= highest:
                found.append((highest, tick.number, tick.port))
            highest = max(highest, tick.number)
        return found

    def finish(self):
        self.ending.set()
        self.join()
        for sock in self.socks:
            sock.close()
